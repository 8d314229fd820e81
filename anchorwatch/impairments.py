"""Incidents about the watch itself: what it cannot keep, it must say."""

from __future__ import annotations

from collections.abc import Iterable

from collector.event import rfc3339
from collector.store.writer import Writer
from detectors.base import FINE, Severity, Status, Verdict
from detectors.incidents import Incident, Incidents

DETECTOR = "store"
KEY = "spool"
LATE = 30.0
"""Seconds for which rows may wait in the spool before somebody is told."""
_MIB = 1 << 20


class Impairments:
    """Whether what is received reaches the store, as an incident."""

    def __init__(self, restored: Iterable[Incident] = ()) -> None:
        """Take up what was open before a restart."""
        self._incidents = Incidents(i for i in restored if i.detector == DETECTOR)
        self._paused = False
        self._begun: int | None = None

    @property
    def open(self) -> list[Incident]:
        """The incidents that are open now."""
        return list(self._incidents.open.values())

    def judge(self, writer: Writer, now: int) -> list[Incident]:
        """Look at the writer as it is at `now` (ns)."""
        # Reading stops again and again while the store catches up: that is one incident.
        behind = writer.spool.octets > writer.spool.max_octets // 2
        self._paused = writer.full or (self._paused and behind)
        self._begun = now if self._begun is None else self._begun
        # What was in the spool when we came back waited for us, and not for the store.
        late = writer.spool.age >= LATE and (bool(self.open) or now >= self._begun + LATE * 1e9)
        verdict = _verdict(writer, now, paused=self._paused, late=late)
        transition = self._incidents.apply(DETECTOR, KEY, verdict, now)
        return [transition] if transition else []


def _verdict(writer: Writer, now: int, *, paused: bool, late: bool) -> Verdict:
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
