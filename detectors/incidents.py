"""The life of an incident: open, updated, unknown, resolved.

The engine says what each subject's verdict is now; this module says what people must be told.
It is pure: the same verdicts give the same incidents, ids included.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec

from collector.event import Event, parse_rfc3339, rfc3339
from detectors.base import Status, Verdict


class State(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    UPDATED = "updated"
    UNKNOWN = "unknown"
    """Still open, but the feeds that showed it are blind: neither better nor worse is known."""
    RESOLVED = "resolved"


class Incident(msgspec.Struct, kw_only=True, frozen=True):
    """One transition of one incident: the record that pagers, store and pages receive."""

    id: str
    """Stable: a hash of detector, key and opening event, whoever computes it and whenever."""
    detector: str
    key: str
    severity: str
    state: str
    time: int
    """When this transition happened, ns."""
    opened: int
    """When the incident opened, ns."""
    summary: str
    details: dict[str, Any] = {}
    evidence: tuple[Event, ...] = ()

    @property
    def kill_switch(self) -> bool:
        """Whether this goes out before everything else."""
        return bool(self.details.get("kill_switch"))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of the contract, raw bytes of the evidence included."""
        return {
            "id": self.id,
            "detector": self.detector,
            "key": self.key,
            "severity": self.severity,
            "state": self.state,
            "time": rfc3339(self.time),
            "opened": rfc3339(self.opened),
            "summary": self.summary,
            "details": self.details,
            "evidence": [event.to_dict(raw=True) for event in self.evidence],
        }

    def to_json(self) -> str:
        """One line of JSON, as `anchorwatch replay` prints it."""
        return msgspec.json.encode(self.to_dict()).decode()

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Incident:
        """The inverse of `to_dict`. Raises ValueError or KeyError on bad input."""
        return cls(
            **{
                **data,
                "time": parse_rfc3339(data["time"]),
                "opened": parse_rfc3339(data["opened"]),
                "evidence": tuple(Event.from_dict(event) for event in data["evidence"]),
            }
        )


def incident_id(detector: str, key: str, opening: Event | None, at: int) -> str:
    """Sixteen hex digits that name an incident the same in every replay and every instance."""
    origin = f"{opening.router_address} {opening.received} {opening.sequence}" if opening else at
    return hashlib.sha256(f"{detector}\n{key}\n{origin}".encode()).hexdigest()[:16]


class Incidents:
    """The incidents that are open now."""

    def __init__(self, restored: Iterable[Incident] = ()) -> None:
        """Start with what was open before a restart."""
        self.open: dict[tuple[str, str], Incident] = {(i.detector, i.key): i for i in restored}

    def apply(self, detector: str, key: str, verdict: Verdict, at: int) -> Incident | None:
        """The transition that a verdict at `at` (ns) causes, or None where nothing changed."""
        known = self.open.get((detector, key))
        if verdict.status is Status.FINE:
            return self._resolve(known, verdict, at) if known else None
        if verdict.status is Status.UNKNOWN:
            if known is None or known.state == State.UNKNOWN:
                return None
            summary = f"Not seen now, so neither better nor worse is known: {known.summary}"
            return self._keep(
                msgspec.structs.replace(known, state=State.UNKNOWN, time=at, summary=summary)
            )
        if known is None:
            opening = verdict.evidence[0] if verdict.evidence and not verdict.by_time else None
            return self._keep(
                Incident(
                    id=incident_id(detector, key, opening, at),
                    detector=detector,
                    key=key,
                    severity=verdict.severity,
                    state=State.OPEN,
                    time=at,
                    opened=at,
                    summary=verdict.summary,
                    details={**verdict.details, **verdict.measures},
                    evidence=verdict.evidence,
                )
            )
        return self._update(known, verdict, at)

    def _keep(self, incident: Incident) -> Incident:
        self.open[incident.detector, incident.key] = incident
        return incident

    def _resolve(self, known: Incident, verdict: Verdict, at: int) -> Incident:
        del self.open[known.detector, known.key]
        return msgspec.structs.replace(
            known,
            state=State.RESOLVED,
            time=at,
            summary=verdict.summary or f"resolved: {known.summary}",
        )

    def _update(self, known: Incident, verdict: Verdict, at: int) -> Incident | None:
        told = {k: v for k, v in known.details.items() if k not in verdict.measures}
        same = known.severity == verdict.severity and told == verdict.details
        if same and known.state != State.UNKNOWN:
            return None
        return self._keep(
            msgspec.structs.replace(
                known,
                severity=verdict.severity,
                state=State.UPDATED,
                time=at,
                summary=verdict.summary,
                details={**verdict.details, **verdict.measures},
                evidence=verdict.evidence,
            )
        )
