"""`POST /api/v1/probes`: where probers tell what they found."""

from __future__ import annotations

from typing import Any

from starlette.requests import ClientDisconnect, Request

from anchorwatch.web.api.answers import RefusedError, is_json
from anchorwatch.web.api.endpoint import Endpoint
from collector.inputs.probes.intake import ProbeIntake
from collector.inputs.probes.report import decode

MAX_OCTETS = 1 << 20
"""The largest report that is read."""


def probes_endpoint(intake: ProbeIntake) -> Endpoint:
    """What hands reports to `intake`."""

    def refusal(reason: str, status: int, words: str) -> RefusedError:
        intake.refused[reason] += 1
        return RefusedError(status, words)

    async def take(request: Request) -> Any:
        # A web page can post text wherever its reader's machine can, but JSON only to its own.
        if not is_json(request):
            raise refusal("content-type", 415, "the content type must be application/json")
        body = b""
        try:
            async for part in request.stream():
                body += part
                if len(body) > MAX_OCTETS:
                    raise refusal("size", 413, f"a report may have {MAX_OCTETS} octets")
        except ClientDisconnect:
            raise refusal("aborted", 400, "the report ended early") from None
        try:
            report = decode(body)
        except ValueError as error:
            raise refusal("malformed", 400, str(error)) from error
        try:
            count = intake.take(report, request.client.host if request.client else "")
        except ValueError as error:
            raise refusal("unexpected", 400, str(error)) from error
        return {"taken": count}

    return Endpoint(
        "/probes",
        take,
        "results of a prober; one that the intent does not expect, and none is taken",
        "Taken",
        may_fail=(400, 413, 415),
        body="Report",
    )
