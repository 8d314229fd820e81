"""Where cutovers stand: the answer of `/api/v1/cutovers`, which `anchorwatch cutover` shows."""

from __future__ import annotations

from typing import Any

from anchorwatch.advice import STEPS
from collector.event import Event, Feed, Kind, rfc3339
from detectors.cutovers import superseded_by
from detectors.engine import Engine
from detectors.intent import Cutover
from detectors.progress import Progress
from detectors.sight import Sight

EARLIER = 10
"""So many earlier ones are told."""


def rollback_event(name: str, now: int) -> Event:
    """What tells the detectors that somebody wants a cutover to go back; `now` in ns."""
    return Event(
        received=now, sequence=1, feed=Feed.OPERATOR, kind=Kind.ROLLBACK, time=now, reason=name
    )


def standing(engine: Engine, cutover: Cutover, now: int) -> dict[str, Any]:
    """Where one stands, as JSON values; what is not known is left out.

    Times are RFC 3339, durations seconds.
    """
    progress, sight = engine.look_at(cutover)
    later = None if progress.complete else superseded_by(engine.intent, cutover, now)
    incident = next(
        (i for i in engine.open_incidents if (i.detector, i.key) == ("cutover", cutover.name)), None
    )
    service = sight.service
    return {
        "name": cutover.name,
        "service": service.name,
        "prefix": service.prefix,
        "from": cutover.from_,
        "to": list(cutover.to),
        **_given(
            flush=cutover.flush,
            rehearsal_of=cutover.rehearsal_of,
            rollback=_moment(progress.rollback),
            rolled_back=_moment(progress.rolled_back),
            superseded_by=later.name if later else None,
        ),
        "window": {
            "start": rfc3339(cutover.window.start),
            "end": rfc3339(cutover.window.end),
            "state": _window(cutover, now),
        },
        "phase": progress.phase.value,
        "steps": {step: rfc3339(at) for step in STEPS if (at := getattr(progress, step))},
        "timers": _timers(cutover, progress, later.window.start if later else now),
        "advertised_by": sorted(sight.live),
        "vantage_points": vantage_points(progress, sight),
        "rules_left": sight.rules_left(),
        **_given(
            incident=None
            if incident is None
            else {
                "id": incident.id,
                "state": incident.state,
                "severity": incident.severity,
                "summary": incident.summary,
            }
        ),
        "earlier": earlier(engine, progress),
    }


def durations(progress: Progress) -> dict[str, float]:
    """How long each step took from the one before, and the whole, in seconds."""
    begun, moved, done = progress.begun, progress.moved, progress.complete
    spans = {
        "moved": moved - begun if begun and moved else None,
        "flushed": progress.flushed - moved if moved and progress.flushed else None,
        "total": done - begun if begun and done else None,
        "overlap": progress.overlap if begun else None,
        "gap": progress.gap if begun else None,
    }
    return {name: _seconds(span) for name, span in spans.items() if span is not None}


def _window(cutover: Cutover, now: int) -> str:
    if now < cutover.window.start:
        return "ahead"
    return "open" if now < cutover.window.end else "over"


def _timers(cutover: Cutover, progress: Progress, now: int) -> dict[str, dict[str, float]]:
    """Each limit, and how much of it is used."""
    begun = progress.rollback or progress.begun
    total = (progress.complete or now) - begun if begun else 0
    overlap = max(progress.overlap, now - progress.both_since if progress.both_since else 0)
    gap = max(progress.gap, now - progress.gap_since if progress.gap_since else 0)
    return {
        "total": {"seconds": _seconds(total), "limit": _seconds(cutover.deadline)},
        "overlap": {"seconds": _seconds(overlap), "limit": _seconds(cutover.max_overlap)},
        "gap": {"seconds": _seconds(gap), "limit": _seconds(cutover.max_gap)},
    }


def vantage_points(progress: Progress, sight: Sight) -> list[dict[str, Any]]:
    """Each place from which it is seen, as JSON values."""
    points = sorted({*sight.places, *progress.saw, *progress.ruled} - sight.covered)
    told = []
    for vantage in points:
        place = sight.places.get(vantage)
        told.append(
            {
                "at": str(vantage),
                "sees": vantage not in sight.unseen,
                "saw_old": vantage in progress.saw,
                "advertised_by": sorted(place.sites) if place else [],
                "rules": place.rules if place else 0,
            }
        )
    return told


def earlier(engine: Engine, progress: Progress) -> list[dict[str, Any]]:
    """Those of the same plan that were completed before, the newest first."""
    others = [
        each
        for each in engine.cutovers
        if each.plan == progress.plan
        and (each.name, each.window) != (progress.name, progress.window)
        and each.complete
        and each.begun
    ]
    others.sort(key=lambda each: each.begun, reverse=True)
    return [
        {"name": each.name, "begun": rfc3339(each.begun), "seconds": durations(each)}
        for each in others[:EARLIER]
    ]


def _seconds(span: int) -> float:
    return round(span / 1e9, 3)


def _moment(ns: int) -> str | None:
    return rfc3339(ns) if ns else None


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
