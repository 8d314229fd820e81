"""The lanes of a recorded cutover, to be drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from anchorwatch.pictures.scale import length
from anchorwatch.pictures.swimlane import Bar, Lane, Look, Mark, Swimlane, frame, joined
from anchorwatch.reports.recording import Point, Recorder, Snapshot, Times
from detectors.intent import Service

WORDS = {
    "begun": "begun",
    "both": "both",
    "moved": "moved",
    "flushed": "flushed",
    "complete": "complete",
    "rollback": "going back",
    "rolled_back": "rolled back",
    "flushed no more": "rules again",
}
"""What a step is called in few letters."""


def picture_of(
    recorder: Recorder, service: Service, until: int, faults: Sequence[Mark] = ()
) -> Swimlane | None:
    """The picture of what was recorded up to `until` (ns); None where that is nothing."""
    if not recorder.snapshots:
        return None
    cutover = recorder.cutover
    begun, ended = clock_of(recorder, until)
    deadline = begun + cutover.deadline if begun else 0
    since, last = _frame(recorder, until)
    lanes = [
        site_lane(recorder.snapshots, cutover.from_, "old site", until),
        *(site_lane(recorder.snapshots, site, "new site", until) for site in cutover.to),
    ]
    if cutover.flush is not None:
        lanes.append(rules_lane(recorder.snapshots, cutover.flush, until))
    lanes += [
        _limited("overlap", Look.BOTH, recorder.overlaps, cutover.max_overlap, until),
        _limited("gap", Look.NOBODY, recorder.gaps, cutover.max_gap, until),
    ]
    return Swimlane(
        title=f"{cutover.name}: {service.name} ({service.prefix})",
        since=since,
        until=last,
        lanes=tuple(lanes),
        marks=(*(Mark(step.at, WORDS[step.name]) for step in recorder.steps), *faults),
        begun=begun,
        ended=ended or until,
        deadline=deadline,
    )


def clock_of(recorder: Recorder, until: int) -> tuple[int, int]:
    """When the deadline's clock started and stopped last (ns); 0 where it did not.

    It starts at the first step, and anew with the word to go back.
    """
    begun = ended = 0
    for step in recorder.steps:
        if step.at > until:
            break
        if step.name in ("begun", "rollback"):
            begun, ended = step.at, 0
        elif step.name in ("complete", "rolled_back"):
            ended = step.at
    return begun, ended


def _frame(recorder: Recorder, until: int) -> tuple[int, int]:
    """What the picture shows: from before the first step until after the last one."""
    first = recorder.snapshots[0].at
    if not recorder.steps:
        return first, max(until, first + 1)
    begun, ended = clock_of(recorder, until)
    since, last = frame(
        recorder.steps[0].at,
        ended or until,
        begun + recorder.cutover.deadline if begun else 0,
    )
    return max(since, first), last


Shown = tuple[Look, str]


def site_lane(snapshots: Sequence[Snapshot], site: str, role: str, until: int) -> Lane:
    """Where one site was seen to advertise."""

    def shown(snapshot: Snapshot) -> Shown:
        points = [p for p in snapshot.points.values() if p.needed and p.of_routes]
        return _of_site(site, points, snapshot)

    return Lane(site, role, tuple(_bars(snapshots, shown, until)))


def _of_site(site: str, points: Sequence[Point], snapshot: Snapshot) -> Shown:
    seen = sum(site in point.sites for point in points)
    blind = sum(not point.sees for point in points)
    if not snapshot.watching:
        return Look.BLIND, "the watch did not run"
    if seen:
        everywhere = seen + blind >= len(points)
        return Look.ADVERTISED if everywhere else Look.PARTLY, f"{seen} of {len(points)}"
    if site in snapshot.hidden or (points and blind == len(points)):
        return Look.BLIND, ""
    return Look.ABSENT, ""


def rules_lane(snapshots: Sequence[Snapshot], policy: str, until: int) -> Lane:
    """Where rules of a policy were held."""

    def shown(snapshot: Snapshot) -> Shown:
        if not snapshot.watching:
            return Look.BLIND, "the watch did not run"
        holding = [point.rules for point in snapshot.points.values() if point.rules]
        if holding:
            rules = f"{max(holding)} rule{'s' * (max(holding) != 1)}"
            return Look.HELD, f"{rules} at {len(holding)}"
        held = [point for point in snapshot.points.values() if point.of_rules and point.needed]
        blind = any(not point.sees for point in held)
        return (Look.BLIND, "") if blind else (Look.ABSENT, "")

    return Lane(policy, "Flowspec rules", tuple(_bars(snapshots, shown, until)))


def _bars(
    snapshots: Sequence[Snapshot], shown: Callable[[Snapshot], Shown], until: int
) -> Iterator[Bar]:
    """A bar for each time in which the same is shown."""
    return joined(((snapshot.at, *shown(snapshot)) for snapshot in snapshots), until)


def _limited(name: str, look: Look, times: Times, limit: int, until: int) -> Lane:
    bars = []
    for begin, end in times.until(until):
        late = ", too long" * (end - begin > limit)
        bars.append(Bar(look, begin, end, f"{length(end - begin)}{late}"))
    at_most = f"{length(limit)} at most" if limit else "none allowed"
    return Lane(name, at_most, tuple(bars))
