"""What changed from one moment of a recorded cutover to the next, place by place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from anchorwatch.reports.recording import Point, Recorder, Snapshot
from collector.event import Event, rfc3339
from detectors.intent import Cutover
from detectors.progress import Vantage

STEPS = {
    "begun": "the first step: it has begun",
    "both": "old and new site both advertise",
    "moved": "moved: every vantage point that saw the old site sees a new one instead",
    "flushed": "flushed: every vantage point that showed rules shows none",
    "complete": "complete",
    "rollback": "somebody asked to go back",
    "rolled_back": "rolled back: the state at the start is proven again",
    "flushed no more": "flushed no more: rules are back",
}
_HOW = {
    "announce": "announced",
    "withdraw": "withdrawn",
    "peer-down": "its session went down",
    "feed-down": "the feed went down",
    "end-of-rib": "its table came again without",
}


def how(cause: Event | None) -> str:
    """By what something came to be so, in a few words; nothing where time did it."""
    return _HOW.get(cause.kind, str(cause.kind)) if cause is not None else ""


def happenings(recorder: Recorder) -> list[dict[str, Any]]:
    """All that happened, in order, as JSON objects.

    `time`, `at` (the vantage point; empty for a step of the whole), `what` in words, and where the
    router told it by its own clock `router_time`.
    """
    found = [(step.at, _told(step.at, "", STEPS[step.name], None)) for step in recorder.steps]
    for before, after in pairwise(recorder.snapshots):
        if before.watching != after.watching:
            words = "the watch runs again" if after.watching else "the watch was stopped"
            found.append((after.at, _told(after.at, "", words, None)))
        for vantage, point in after.points.items():
            was = before.points.get(vantage)
            for words in _changes(was, point, before, after):
                mine = _cause_of(after, vantage)
                found.append((after.at, _told(after.at, str(vantage), words, mine)))
    # What a router said comes before the step that it proves.
    found.sort(key=lambda each: (each[0], each[1]["at"] == ""))
    return [told for _, told in found]


def _told(at: int, vantage: str, what: str, cause: Event | None) -> dict[str, Any]:
    told = {"time": rfc3339(at), "at": vantage, "what": what}
    if cause is not None and cause.time:
        told["router_time"] = rfc3339(cause.time)
    return told


def _cause_of(snapshot: Snapshot, vantage: Vantage) -> Event | None:
    cause = snapshot.cause
    return cause if cause is not None and cause.router == vantage.router else None


def _changes(was: Point | None, now: Point, before: Snapshot, after: Snapshot) -> Iterator[str]:
    if was is None:
        was = Point(
            sees=now.sees, needed=now.needed, sites=(), rules=0, of_routes=False, of_rules=False
        )
    if now.sees != was.sees and before.watching == after.watching:
        why = how(after.cause)
        yield (
            "sees its whole table"
            if now.sees
            else f"does not see any more{f': {why}' if why else ''}"
        )
    if now.sees or now.sites:
        for site in now.sites:
            if site not in was.sites:
                yield f"shows {site}"
        for site in was.sites:
            if site not in now.sites:
                yield f"shows {site} no more"
    if now.rules != was.rules and (now.sees or now.rules):
        many = f"{now.rules} rule{'s' * (now.rules != 1)}" if now.rules else "no rule any more"
        yield f"holds {many}{f', had {was.rules}' if was.rules and now.rules else ''}"


def vantage_points(recorder: Recorder, until: int) -> list[dict[str, Any]]:
    """What each place showed of the old and the new sites up to `until` (ns), and since when.

    JSON objects.
    """
    snapshots = _before(recorder, until)
    return [
        _of_point(snapshots, vantage, point, recorder.cutover)
        for vantage, point in _last(snapshots).items()
        if point.of_routes
    ]


def _of_point(
    snapshots: Sequence[Snapshot], vantage: Vantage, last: Point, cutover: Cutover
) -> dict[str, Any]:
    old_gone = new_seen = 0
    saw_old = False
    for before, now in _points(snapshots, vantage):
        old = cutover.from_ in now[1].sites
        saw_old = saw_old or old
        if old:
            old_gone = 0
        elif saw_old and now[1].sees and not old_gone:
            old_gone = now[0]
        new = any(site in now[1].sites for site in cutover.to)
        was_new = before is not None and any(site in before.sites for site in cutover.to)
        if new and not was_new:
            new_seen = now[0]
    return {
        "at": str(vantage),
        "sees": last.sees,
        "needed": last.needed,
        "saw_old": saw_old,
        "new_seen": rfc3339(new_seen) if new_seen else None,
        "old_gone": rfc3339(old_gone) if old_gone else None,
        "advertised_by": list(last.sites),
    }


def flush_proof(recorder: Recorder, until: int) -> list[dict[str, Any]]:
    """Of each place that held rules up to `until` (ns): how many, and whether they were seen to go.

    JSON objects.
    `proof` is `seen gone` (then `gone` says when and `how` by what), `left`, `not seen`, or `not
    needed` where another feed or view says it.
    """
    snapshots = _before(recorder, until)
    return [
        _proof(snapshots, vantage, point)
        for vantage, point in _last(snapshots).items()
        if point.of_rules
    ]


def _proof(snapshots: Sequence[Snapshot], vantage: Vantage, last: Point) -> dict[str, Any]:
    most, since, gone, why = 0, 0, 0, ""
    for before, (at, point, cause) in _points(snapshots, vantage):
        if point.rules:
            most, since, gone = max(most, point.rules), since or at, 0
        elif point.sees and not gone and (most or point.of_rules):
            gone = at
            lost = before is not None and not before.sees
            why = "its table came again without them" if lost else how(cause)
    proof = "seen gone"
    if last.rules:
        proof = "left"
    elif not last.needed:
        proof = "not needed"
    elif not last.sees:
        proof = "not seen"
    told = {"at": str(vantage), "proof": proof, "rules_at_most": most, "left": last.rules}
    if since:
        told["held_from"] = rfc3339(since)
    if proof == "seen gone" and gone:
        told |= {"gone": rfc3339(gone), "how": why}
    return told


def _before(recorder: Recorder, until: int) -> list[Snapshot]:
    return [each for each in recorder.snapshots if each.at <= until]


def _last(snapshots: Sequence[Snapshot]) -> dict[Vantage, Point]:
    return snapshots[-1].points if snapshots else {}


def _points(
    snapshots: Sequence[Snapshot], vantage: Vantage
) -> Iterator[tuple[Point | None, tuple[int, Point, Event | None]]]:
    """What one place showed, each time with what it showed before."""
    before: Point | None = None
    for snapshot in snapshots:
        point = snapshot.points.get(vantage)
        if point is not None and point != before:
            yield before, (snapshot.at, point, snapshot.cause)
            before = point
