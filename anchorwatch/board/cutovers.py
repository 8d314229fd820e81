"""The cutovers that the board shows, as items: what runs, what ended lately, and the next one.

Nothing in an item moves with time alone: what is still counting is told by when it began, so that
an item is news only where something has happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from anchorwatch.advice import STEPS, limits_missed
from anchorwatch.board.now import FINE, UNKNOWN, VIOLATED, Item
from anchorwatch.board.tracks import DETECTOR, Fault, Glimpse, Tracks, follows, glimpse
from anchorwatch.cutovers import earlier, vantage_points
from collector.event import Event, rfc3339
from detectors.cutovers import superseded_by
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import Cutover
from detectors.progress import Progress

AHEAD = "planned"
UNDER_WAY = ("going back", "under way")
_ORDER = (*UNDER_WAY, "armed", "not begun", "rolled back", "complete", "replaced", AHEAD)
"""The stages, in the order in which the board shows them."""


class Cutovers:
    """Reads the engine and what was noted of its cutovers."""

    def __init__(
        self, engine: Callable[[], Engine], tracks: Tracks, clock: Callable[[], int]
    ) -> None:
        """`clock` tells the time, ns."""
        self._engine = engine
        self.tracks = tracks
        """What was seen of them."""
        self._clock = clock

    def shown(self) -> list[Item]:
        """Those that are followed now and what is planned next, in the board's order."""
        engine, now = self._engine(), self._clock()
        planned = [each for each in engine.intent.cutovers if now < each.window.start]
        chosen = [each for each in engine.intent.cutovers if follows(engine, each, now)]
        next_start = min((each.window.start for each in planned), default=0)
        chosen += [each for each in planned if each.window.start == next_start]
        items = [self._item(engine, cutover, now) for cutover in chosen]
        return sorted(items, key=lambda item: (_ORDER.index(item["stage"]), item["window"]["end"]))

    def all(self) -> list[Item]:
        """Every one of the intent, the latest window first."""
        engine, now = self._engine(), self._clock()
        cutovers = sorted(engine.intent.cutovers, key=lambda each: each.window, reverse=True)
        return [self._item(engine, cutover, now) for cutover in cutovers]

    def one(self, name: str) -> Item | None:
        """The one of this name; None where the intent has none."""
        engine = self._engine()
        for cutover in engine.intent.cutovers:
            if cutover.name == name:
                return self._item(engine, cutover, self._clock())
        return None

    def may_go_back(self, name: str) -> bool:
        """Whether it can be asked now that the one of this name goes back, and was not yet."""
        engine, now = self._engine(), self._clock()
        for cutover in engine.intent.cutovers:
            if cutover.name == name:
                progress, _ = engine.look_at(cutover)
                return not progress.rollback and engine.may_go_back(cutover, now)
        return False

    def proofs(self, name: str) -> list[tuple[str, str, Event]]:
        """The routes of the service that are seen now: vantage point, site, and the message."""
        engine = self._engine()
        found = []
        for cutover in engine.intent.cutovers:
            if cutover.name == name:
                _, sight = engine.look_at(cutover)
                for vantage, place in sorted(sight.places.items()):
                    for site, events in sorted(place.sites.items()):
                        found += [(str(vantage), site, event) for event in events]
        return found

    def _item(self, engine: Engine, cutover: Cutover, now: int) -> Item:
        progress, sight = engine.look_at(cutover)
        later = None if progress.complete else superseded_by(engine.intent, cutover, now)
        about = next((i for i in engine.open_incidents if _is_about(i, cutover)), None)
        stage = _stage(engine, cutover, progress, now)
        broken = _broken(cutover, progress) if stage == "complete" else []
        state, why = _state(about, cutover, stage, broken)
        seen = glimpse(progress, sight, now)
        track = self.tracks.of(cutover)
        given = {
            "flush": cutover.flush,
            "rehearsal_of": cutover.rehearsal_of,
            "incident": about and {"id": about.id, "opened": rfc3339(about.opened)},
            "broken": broken or None,
            "rules_hidden": True if cutover.flush and seen.rules_hidden else None,
        }
        return {
            "id": f"cutover {cutover.name}",
            "name": cutover.name,
            "service": sight.service.name,
            "prefix": sight.service.prefix,
            "from": cutover.from_,
            "to": list(cutover.to),
            "window": {"start": rfc3339(cutover.window.start), "end": rfc3339(cutover.window.end)},
            "state": state,
            "why": why,
            "stage": stage,
            "phase": progress.phase.value,
            "steps": {step: rfc3339(at) for step in STEPS if (at := getattr(progress, step))},
            "timers": _timers(cutover, progress, now, later.window.start if later else 0),
            "sites": _sites(cutover, seen),
            "vantage_points": [] if stage == AHEAD else vantage_points(progress, sight),
            "rules_left": sight.rules_left(),
            "track": [_told(each) for each in track.glimpses] if track else [],
            "faults": [_fault(each) for each in track.faults] if track else [],
            "earlier": earlier(engine, progress),
            **_moments(rollback=progress.rollback, rolled_back=progress.rolled_back),
            **{name: value for name, value in given.items() if value is not None},
        }


def _stage(engine: Engine, cutover: Cutover, progress: Progress, now: int) -> str:
    """How far it has come, in a word or two for people."""
    if now < cutover.window.start:
        return AHEAD
    ended = "complete" if progress.complete else "rolled back" if progress.rolled_back else ""
    if superseded_by(engine.intent, cutover, now) is not None:
        return ended or "replaced"
    if progress.rollback:
        return "going back"
    if progress.running:
        return "under way"
    return ended or ("armed" if now < cutover.window.end else "not begun")


def _broken(cutover: Cutover, progress: Progress) -> list[str]:
    """What was not as planned in one that is complete, in few words each."""
    took = progress.complete - progress.begun if progress.begun else 0
    missed = {
        "total": took > cutover.deadline,
        "window": bool(took) and progress.complete > cutover.window.end,
        "overlap": progress.overlap > cutover.max_overlap,
        "gap": progress.gap > cutover.max_gap,
    }
    words = limits_missed(gap_allowed=bool(cutover.max_gap)) | {"window": "its window was over"}
    return [words[name] for name, so in missed.items() if so]


def _state(
    about: Incident | None, cutover: Cutover, stage: str, broken: list[str]
) -> tuple[str, str]:
    if about is not None:
        return UNKNOWN if about.state == State.UNKNOWN else VIOLATED, about.summary
    whither = ", ".join(cutover.to)
    but = f", but {' and '.join(broken)}" if broken else ""
    said = {
        AHEAD: f"To move from {cutover.from_} to {whither}.",
        "armed": f"Its window is open: to move from {cutover.from_} to {whither}.",
        "under way": "Each step has come in order and in time so far.",
        "going back": f"To be at {cutover.from_} again, as asked.",
        "complete": f"At {whither}, proven at every vantage point{but}.",
        "rolled back": f"At {cutover.from_} again, as asked.",
        "not begun": "Its window is over without a first step.",
        "replaced": "A later cutover of the service is in its place.",
    }
    return FINE, said[stage]


def _timers(cutover: Cutover, progress: Progress, now: int, over: int) -> dict[str, Item]:
    """Each limit in seconds; of what counts still, `since` when, of what does not, how long.

    `over` is when another cutover ended it, ns.
    """
    begun = progress.rollback or progress.begun
    total = progress.complete - begun if begun and progress.complete else 0
    return {
        "total": _timer(cutover.deadline, total, 0 if progress.complete else begun, now, over),
        "overlap": _timer(cutover.max_overlap, progress.overlap, progress.both_since, now, over),
        "gap": _timer(cutover.max_gap, progress.gap, progress.gap_since, now, over),
    }


def _timer(limit: int, longest: int, since: int, now: int, over: int) -> Item:
    told: Item = {"limit": _seconds(limit)}
    if over and since:
        longest, since = max(longest, over - since), 0
    if not since or longest > now - since:  # else it is the present one that is the longest
        told["seconds"] = _seconds(longest)
    return told | _moments(since=since)


def _sites(cutover: Cutover, seen: Glimpse) -> list[Item]:
    """Who is seen to advertise now: the old site, the new ones, and whoever else does."""
    named = dict.fromkeys((cutover.from_, *cutover.to, *sorted(seen.sites)))
    return [
        {
            "site": site,
            "role": role_of(site, cutover.from_, cutover.to),
            "seen": seen.sites.get(site, 0),
            "places": seen.places,
            "hidden": site in seen.hidden,
        }
        for site in named
    ]


def role_of(site: str, old: str, new: tuple[str, ...] | list[str]) -> str:
    """What a site is to a cutover."""
    return "old site" if site == old else "new site" if site in new else "not of the plan"


def _told(each: Glimpse) -> Item:
    values: Mapping[str, Any] = {
        "phase": each.phase,
        "sites": each.sites,
        "places": each.places,
        "hidden": sorted(each.hidden),
        "rules": each.rules,
        "rules_at": each.rules_at,
        "back": each.back,
        "rules_hidden": each.rules_hidden,
    }
    told = {name: value for name, value in values.items() if value} if each.watched else {}
    return {"at": rfc3339(each.at), "watched": each.watched, **told}


def _fault(each: Fault) -> Item:
    return {"id": each.id, **_moments(opened=each.opened, resolved=each.resolved)}


def _is_about(incident: Incident, cutover: Cutover) -> bool:
    return (incident.detector, incident.key) == (DETECTOR, cutover.name)


def _seconds(span: int) -> float:
    return round(span / 1e9, 3)


def _moments(**times: int) -> Item:
    return {name: rfc3339(at) for name, at in times.items() if at}
