"""Results on their way from a prober to the watch, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from collector.event import FOREVER, parse_rfc3339, rfc3339
from collector.inputs.probes.prober import Result

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
MOST = 1000
"""Results in one report."""


class Reported(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One result."""

    anycast: Text
    site: Text | None = None
    """Absent where the prober is at no site."""
    healthy: bool
    time: Text
    """When the probe began, RFC 3339."""
    seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] | None = None
    reason: Annotated[str, msgspec.Meta(max_length=1000)] | None = None
    """Why it is not healthy."""

    @property
    def moment(self) -> int:
        """`time` in ns. Raises ValueError, also where no store keeps it."""
        moment = parse_rfc3339(self.time)
        if not 0 <= moment < FOREVER:
            raise ValueError(f"{self.time!r} is not from 1970 to 2116, as stores keep")
        return moment


class Report(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What one prober has found since its last report."""

    prober: Text
    results: Annotated[list[Reported], msgspec.Meta(max_length=MOST)]


def report_of(prober: str, results: Sequence[Result]) -> Report:
    """What a prober has found."""
    told = [
        Reported(
            anycast=result.duty.anycast,
            site=result.duty.site,
            healthy=result.reason is None,
            time=rfc3339(result.time),
            seconds=round(result.seconds, 6),
            reason=result.reason[:1000] if result.reason is not None else None,
        )
        for result in results
    ]
    return Report(prober=prober, results=told)


def encode(report: Report) -> bytes:
    """A report as JSON."""
    return msgspec.json.encode(report)


def decode(body: bytes) -> Report:
    """The inverse. Raises ValueError, with the place and what is wrong there."""
    try:
        report = msgspec.json.decode(body, type=Report)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    except msgspec.DecodeError as error:
        raise ValueError(f"not JSON: {error}") from error
    for index, result in enumerate(report.results):
        try:
            _ = result.moment
        except ValueError as error:
            raise ValueError(f"{error} - at `$.results[{index}].time`") from error
    return report
