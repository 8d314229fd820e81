"""Incidents about the watch itself: what it cannot keep, it must say."""

from __future__ import annotations

from collections.abc import Iterable

from collector.event import parse_rfc3339, rfc3339
from collector.inputs.clock import BELIEVED, SLOWER, STEP
from collector.store.writer import Writer
from detectors.base import FINE, Severity, Status, Verdict
from detectors.incidents import Incident, Incidents

STORE, SPOOL = "store", "spool"
CLOCK, AHEAD = "clock", "ahead"
DETECTORS = frozenset({STORE, CLOCK})
LATE = 30.0
"""Seconds for which rows may wait in the spool before somebody is told."""
FAR = 30_000_000_000
"""How far our clock may be ahead of the system's before somebody is told, ns."""
_MIB = 1 << 20


class Impairments:
    """Whether what is received reaches the store, and whether its time is right, as incidents."""

    def __init__(self, restored: Iterable[Incident] = ()) -> None:
        """Take up what was open before a restart."""
        self._incidents = Incidents(i for i in restored if i.detector in DETECTORS)
        self._paused = False
        self._begun: int | None = None

    @property
    def open(self) -> list[Incident]:
        """The incidents that are open now."""
        return list(self._incidents.open.values())

    def judge(self, writer: Writer, ahead: int, now: int) -> list[Incident]:
        """Look at the writer as it is at `now`, which is `ahead` of the system's clock (ns)."""
        verdicts = {
            (STORE, SPOOL): self._of_store(writer, now),
            (CLOCK, AHEAD): _of_clock(ahead, now, self._incidents.open.get((CLOCK, AHEAD))),
        }
        applied = [self._incidents.apply(*key, each, now) for key, each in verdicts.items()]
        return [transition for transition in applied if transition]

    def _of_store(self, writer: Writer, now: int) -> Verdict:
        # Reading stops again and again while the store catches up: that is one incident.
        behind = writer.spool.octets > writer.spool.max_octets // 2
        self._paused = writer.full or (self._paused and behind)
        self._begun = now if self._begun is None else self._begun
        # What was in the spool when we came back waited for us, and not for the store.
        told = (STORE, SPOOL) in self._incidents.open
        late = writer.spool.age >= LATE and (told or now >= self._begun + LATE * 1e9)
        return _spool_verdict(writer, now, paused=self._paused, late=late)


def _spool_verdict(writer: Writer, now: int, *, paused: bool, late: bool) -> Verdict:
    spool = writer.spool
    cause = f": {writer.last_error}" if writer.last_error else ""
    sizes = f"{spool.octets // _MIB} of {spool.max_octets // _MIB} MiB"
    measures = {"octets": spool.octets, "age_seconds": round(spool.age), "cause": cause[2:]}
    if paused:
        return Verdict(
            status=Status.VIOLATED,
            severity=Severity.CRITICAL,
            summary=f"anchorwatch has stopped reading BMP, so what changes now is not seen: too "
            f"much waits for the store ({sizes} in {spool.folder}){cause}. Routers hold back what "
            f"they have to say; reading goes on by itself once the store takes rows.",
            details={"reading": "paused"},
            measures=measures,
        )
    if late:
        since = rfc3339(now - int(spool.age * 1e9))[:19] + "Z"
        return Verdict(
            status=Status.VIOLATED,
            severity=Severity.WARNING,
            summary=f"The store has not taken rows since {since}{cause}. Nothing is lost: {sizes} "
            f"of the spool {spool.folder} are used, and pages go out as ever.",
            details={"reading": "goes on"},
            measures=measures,
        )
    return FINE


def _of_clock(ahead: int, now: int, known: Incident | None) -> Verdict:
    """Whether our time is that of the system; once told, until it is to the second."""
    if ahead < (FAR if known is None else STEP):
        return Verdict(status=Status.FINE, summary="Our clock is no longer ahead of the system's.")
    caught_up = now + (SLOWER - 1) * ahead
    if known is not None:  # it is the same moment, until somebody sets the clock once more
        told = parse_rfc3339(known.details["caught_up"])
        caught_up = told if abs(caught_up - told) < SLOWER * FAR else caught_up
    at = rfc3339(caught_up)[:19] + "Z"
    restart = " Or, once that is right, restart anchorwatch: it then begins at the system's time."
    return Verdict(
        status=Status.VIOLATED,
        severity=Severity.WARNING,
        summary=f"The system's clock was set back, and ours is {ahead / 1e9:.0f} s ahead of it: "
        "windows of cutovers are judged by ours, and times in the store and in pages are as far "
        f"ahead. Ours goes slower and will have caught up at {at}. Check what sets the clock of "
        f"this host (NTP).{restart if ahead > BELIEVED else ''}",
        details={"caught_up": at},
        measures={"ahead_seconds": round(ahead / 1e9)},
    )
