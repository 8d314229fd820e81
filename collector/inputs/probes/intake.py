"""Takes in the results of probers, as events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from collector.event import Event, Feed, Kind, Provenance
from collector.inputs.probes.report import Report
from collector.wire.texts import shown

HEALTHY, FAILED, AWAITED = "healthy", "failed", "awaited"


class Expected(NamedTuple):
    """A result that may come."""

    prober: str
    anycast: str
    site: str | None
    prefix: str
    probe: str
    """The way, as people write it: `tcp 8443`."""


class ProbeIntake:
    """Where results arrive, from this process or over HTTP.

    `on_events` takes them; `clock` says when they came (ns); `observe` is told the prober, the
    anycast address and how many seconds a probe took.
    """

    def __init__(
        self,
        expected: Iterable[Expected],
        on_events: Callable[[Sequence[Event]], None],
        clock: Callable[[], int],
        observe: Callable[[str, str, float], None],
    ) -> None:
        """Take these results and no others."""
        self._on_events = on_events
        self._clock = clock
        self._observe = observe
        self._sequence = 0
        self.taken: Counter[tuple[str, str, str]] = Counter()
        """Results by prober, anycast address and what they were."""
        self.refused: Counter[str] = Counter()
        """Reports that were turned away, by reason."""
        self.last: dict[tuple[str, str, str | None], Event] = {}
        """The last result by prober, anycast address and site."""
        self.awaited: dict[str, int] = {}
        """Since when the results of a prober are waited for, ns."""
        self.expect(expected)

    def expect(self, expected: Iterable[Expected]) -> None:
        """From now on take these results and no others."""
        self._expected = {(each.prober, each.anycast, each.site): each for each in expected}
        self.last = {key: event for key, event in self.last.items() if key in self._expected}

    @property
    def probers(self) -> list[str]:
        """Those whose results are expected."""
        return sorted({prober for prober, _, _ in self._expected})

    def begin(self) -> None:
        """Note that results are waited for: a prober that never comes must not go unnoticed."""
        events = [
            self._event(prober, "", Provenance.SYNTHETIC, information={"result": AWAITED})
            for prober in self.probers
        ]
        self.awaited = {event.router: event.received for event in events}
        if events:
            self._on_events(events)

    def take(self, report: Report, address: str) -> int:
        """Take in a report that came from `address`; answers how many results it had.

        Raises ValueError, having taken none, where it has one that nobody expects.
        """
        events = []
        for result in report.results:
            key = (report.prober, result.anycast, result.site)
            expected = self._expected.get(key)
            if expected is None:
                raise ValueError(self._unexpected(*key))
            word = HEALTHY if result.healthy else FAILED
            information: dict[str, Any] = {"anycast": expected.anycast, "result": word}
            information["probe"] = expected.probe
            if expected.site is not None:
                information["site"] = expected.site
            if result.seconds is not None:
                information["seconds"] = result.seconds
            events.append(
                self._event(
                    report.prober,
                    address,
                    Provenance.LIVE,
                    time=result.moment,
                    prefix=expected.prefix,
                    information=information,
                    reason=None if result.healthy else shown(result.reason or "no reason given"),
                )
            )
        for event, result in zip(events, report.results, strict=True):
            word = HEALTHY if result.healthy else FAILED
            self.last[event.router, result.anycast, result.site] = event
            self.taken[event.router, result.anycast, word] += 1
            if result.seconds is not None:
                self._observe(event.router, result.anycast, result.seconds)
        if events:
            self._on_events(events)
        return len(events)

    def _event(self, prober: str, address: str, provenance: str, **fields: Any) -> Event:
        self._sequence += 1
        return Event(
            received=self._clock(),
            sequence=self._sequence,
            feed=Feed.PROBE.value,
            kind=Kind.PROBE.value,
            provenance=provenance,
            router=prober,
            router_address=address,
            **fields,
        )

    def _unexpected(self, prober: str, anycast: str, site: str | None) -> str:
        at = f" at {site}" if site is not None else ""
        if prober not in self.probers:
            return f"the intent has no probe from {prober!r}"
        return f"the intent has no probe of {anycast!r}{at} from {prober!r}"
