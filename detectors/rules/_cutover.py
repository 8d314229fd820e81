"""The machine of one cutover: what is remembered of what is seen, and what is wrong with it.

`observe` takes a sight of the present into what is remembered; done twice it changes nothing more.
`faults` reads both and the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from collector.event import Event, rfc3339
from detectors.progress import Progress
from detectors.route import FlowspecRule
from detectors.routes import Routes
from detectors.sight import Sight


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a cutover."""

    name: str
    what: str
    """What, where and since when, as the end of a sentence."""
    act: str
    evidence: tuple[Event, ...] = ()
    rules: tuple[FlowspecRule, ...] = ()
    """Rules that it is about, the first ones of many."""


@dataclass(slots=True)
class Judgement:
    """What stands against a cutover at one moment, the worst first."""

    faults: list[Fault] = field(default_factory=list)
    unseen: bool = False
    """Time is over, and only what is not seen is missing."""
    moments: list[int] = field(default_factory=list)
    """When time may change it, ns."""


MAX_RULES = 100
"""So many of the rules that are left over are named."""

# What is remembered


def observe(progress: Progress, sight: Sight, now: int) -> None:
    """Take in what is seen at `now` (ns), in the window or after it."""
    cutover = sight.cutover
    if progress.complete:
        return
    progress.saw |= sight.shows_old()
    progress.several = progress.several or any(len(p.sites) > 1 for p in sight.places.values())
    holding = {v for v, place in sight.places.items() if place.rules}
    progress.rules_seen = progress.rules_seen or bool(holding)
    progress.ruled -= {v for v in progress.ruled - holding if v not in sight.unseen | sight.covered}
    progress.ruled |= holding
    gone = bool(progress.saw) and not sight.old and cutover.from_ not in sight.stale
    early = progress.rules_seen and sight.flushed(progress)
    if not progress.begun and now < cutover.window.end and (sight.new or gone or early):
        progress.begun, progress.rolled_back = now, 0
    if progress.rollback:
        if sight.at_start(progress):
            progress.back(now)
            return
    elif not progress.begun and not sight.new:
        return
    _steps(progress, sight, now)
    _conditions(progress, sight, now)


def _steps(progress: Progress, sight: Sight, now: int) -> None:
    if progress.rollback:
        return
    moved, flushed = sight.moved(progress), sight.flushed(progress)
    if moved and not progress.moved and progress.begun:
        progress.moved = now
    if flushed and progress.moved and not progress.flushed and sight.cutover.flush is not None:
        progress.flushed = now
    elif not flushed:
        progress.flushed = 0
    if moved and flushed:
        progress.complete = now


def _conditions(progress: Progress, sight: Sight, now: int) -> None:
    """Note since when what a limit is set for has been so."""
    cutover, asked = sight.cutover, bool(progress.rollback)
    old_hidden = cutover.from_ in sight.stale
    new_hidden = bool(sight.stale.intersection(cutover.to))
    both = sight.old and sight.new
    progress.both = progress.both or (now if both else 0)
    if progress.both_since:
        progress.overlap = max(progress.overlap, now - progress.both_since)
    progress.both_since = _since(progress.both_since, now, both, old_hidden or new_hidden)
    homes = (*sight.service.home, *cutover.to)
    nobody = not sight.live.intersection(homes) and bool(progress.saw or progress.new_seen)
    if progress.gap_since:
        progress.gap = max(progress.gap, now - progress.gap_since)
    hidden = nobody and bool(sight.stale.intersection(homes))
    progress.gap_since = _since(progress.gap_since, now, nobody and not hidden, hidden)
    progress.new_seen = progress.new_seen or sight.new
    back = bool(progress.moved) and sight.old and not asked
    unsure = bool(progress.moved) and old_hidden and not asked
    progress.returned_since = _since(progress.returned_since, now, back, unsure)
    left = progress.new_seen and not sight.new and not asked
    progress.new_gone_since = _since(
        progress.new_gone_since, now, left and not new_hidden, left and new_hidden
    )
    early = progress.rules_seen and not progress.moved and sight.flushed(progress) and not asked
    progress.early_since = (progress.early_since or now) if early else 0
    empty = {str(v) for v in sight.must_show(progress) if not sight.seen_at(v)}
    progress.without = {v: progress.without.get(v, now) for v in sorted(empty)}


def _since(known: int, now: int, so: bool, hidden: bool) -> int:
    """Since when something is so; where that cannot be seen now, what was known of it stands."""
    if so:
        return known or now
    return known if hidden else 0


# What is wrong


def faults(progress: Progress, sight: Sight, now: int) -> Judgement:
    """What stands against the cutover at `now` (ns)."""
    judged = Judgement()
    if not progress.begun:
        judged.moments.append(sight.cutover.window.end)
        judged.faults += _not_begun(progress, sight, judged, now)
        return judged
    for found in (_gap, _overlap, _regression, _flushed_early, _without, _late):
        judged.faults += found(progress, sight, judged, now)
    return judged


def _over(judged: Judgement, since: int, limit: int, now: int) -> bool:
    """Whether what began at `since` has lasted for `limit`; if not, says when to look again."""
    if not since:
        return False
    if now < since + limit:
        judged.moments.append(since + limit)
    return now >= since + limit


def _not_begun(p: Progress, sight: Sight, judged: Judgement, now: int) -> Iterator[Fault]:
    if now < sight.cutover.window.end or p.rolled_back or not (sight.old or p.told):
        return
    if not sight.old and sight.cutover.from_ in sight.stale:
        judged.unseen = True
        return
    yield Fault(
        "not_begun",
        f"its window was over at {_at(sight.cutover.window.end)} and it has not begun: "
        f"{sight.cutover.from_} is still the home",
        "Give it another window, or take it out of the intent.",
    )


def _gap(p: Progress, sight: Sight, judged: Judgement, now: int) -> Iterator[Fault]:
    cutover, prefix = sight.cutover, sight.service.prefix
    homes = (*sight.service.home, *cutover.to)
    if sight.stale.intersection(homes) or not _over(judged, p.gap_since, cutover.max_gap, now):
        return
    evidence = (p.last,) if p.last is not None else ()
    if not p.new_seen:
        yield Fault(
            "withdrawn_before_new",
            f"{cutover.from_} withdrew {prefix} before {_names(cutover.to)} advertises it: "
            f"nobody advertises it since {_at(p.gap_since)}",
            f"Put {cutover.from_} back now, or advertise at {_names(cutover.to)}.",
            evidence,
        )
    else:
        yield Fault(
            "gap",
            f"nobody advertises {prefix} since {_at(p.gap_since)}, longer than the "
            f"{_seconds(cutover.max_gap)} of gap that are allowed",
            f"Advertise it at {_names(cutover.to)}, or put {cutover.from_} back now.",
            evidence,
        )


def _overlap(p: Progress, sight: Sight, judged: Judgement, now: int) -> Iterator[Fault]:
    cutover, prefix = sight.cutover, sight.service.prefix
    since = max(p.both_since, p.rollback) if p.both_since and sight.old and sight.new else 0
    if p.returned_since or not _over(judged, since, cutover.max_overlap, now):
        return
    stay, go = (cutover.from_, _names(cutover.to)) if p.rollback else (_names(cutover.to), "")
    go = go or cutover.from_
    yield Fault(
        "overlap",
        f"{cutover.from_} and {_names(cutover.to)} both advertise {prefix} since {_at(since)}, "
        f"longer than the {_seconds(cutover.max_overlap)} of overlap that cutover {cutover.name} "
        "allows",
        f"Withdraw it at {go}" + ("." if p.rollback else f", or roll {stay} back."),
        _newest(sight, cutover.to) + _newest(sight, [cutover.from_]),
    )


def _regression(p: Progress, sight: Sight, judged: Judgement, now: int) -> Iterator[Fault]:
    cutover, prefix = sight.cutover, sight.service.prefix
    ask = f"or say that this is wanted: anchorwatch cutover rollback {cutover.name}"
    if p.returned_since and sight.old:
        yield Fault(
            "old_returned",
            f"{cutover.from_} advertises {prefix} again since {_at(p.returned_since)}, after "
            "everyone had moved, and nobody asked for it",
            f"Withdraw it at {cutover.from_}, {ask}.",
            _newest(sight, [cutover.from_]),
        )
    if (
        sight.old
        and not sight.stale.intersection(cutover.to)
        and _over(judged, p.new_gone_since, sight.service.hold, now)
    ):
        yield Fault(
            "new_gone",
            f"{_names(cutover.to)} stopped advertising {prefix} at {_at(p.new_gone_since)}, and "
            "nobody asked for it",
            f"Check {_names(cutover.to)}, {ask}.",
            _newest(sight, [cutover.from_]),
        )


def _flushed_early(p: Progress, sight: Sight, judged: Judgement, now: int) -> Iterator[Fault]:
    prefix = sight.service.prefix
    if not _over(judged, p.early_since, sight.service.hold, now):
        return
    yield Fault(
        "flushed_before_moved",
        f"the rules of policy {sight.cutover.flush} are gone since {_at(p.early_since)}, before "
        f"{prefix} has moved to {_names(sight.cutover.to)}",
        "Put the rules back until it has.",
    )


def _without(p: Progress, sight: Sight, judged: Judgement, now: int) -> Iterator[Fault]:
    prefix = sight.service.prefix
    if p.gap_since or not sight.live:
        return
    limit = max(sight.cutover.max_gap, sight.service.hold)
    empty = {v: t for v, t in p.without.items() if _over(judged, t, limit, now)}
    if empty:
        yield Fault(
            "not_everywhere",
            f"{', '.join(sorted(empty)[:3])} saw {sight.cutover.from_} advertise {prefix} and "
            f"sees nobody do so since {_at(min(empty.values()))}",
            f"Find why the route of {_names(sight.cutover.to)} does not get there.",
            (p.last,) if p.last is not None else (),
        )


def _late(p: Progress, sight: Sight, judged: Judgement, now: int) -> Iterator[Fault]:
    cutover = sight.cutover
    begun = p.rollback or p.begun
    due = begun + cutover.deadline
    if not p.rollback:
        due = min(due, cutover.window.end)
    if now < due:
        judged.moments.append(due)
        return
    over = f"by {_at(due)}, " + (
        f"{_seconds(due - begun)} after it was asked to go back"
        if p.rollback
        else f"{_seconds(due - begun)} after its first step"
        + (", when its window was over" if due == cutover.window.end else "")
    )
    yield from _late_because(p, sight, judged, over)


def _late_because(p: Progress, sight: Sight, judged: Judgement, over: str) -> Iterator[Fault]:
    cutover, prefix = sight.cutover, sight.service.prefix
    goal = (cutover.from_,) if p.rollback else cutover.to
    away = cutover.to if p.rollback else (cutover.from_,)
    arrived = sight.at_start if p.rollback else sight.moved
    if not arrived(p):
        wrong = _where_wrong(p, sight, goal, away)
        if wrong:
            name = "rollback_stuck" if p.rollback else "stuck"
            yield Fault(
                name,
                f"{prefix} is not at {_names(goal)} {over}: {wrong}",
                f"Finish it, or go {'on' if p.rollback else 'back'}.",
                _newest(sight, away) or _newest(sight, goal),
            )
        judged.unseen = judged.unseen or not wrong
    if p.rollback:
        return
    left = sight.rules_left()
    if left and not sight.old:
        rules = list(sight.rules.seen())
        named = sorted(rules[:MAX_RULES], key=str)
        count, others = len(rules), f" and {len(rules) - 1} more" if len(rules) > 1 else ""
        where = ", ".join(f"{place} ({number})" for place, number in [*left.items()][:3])
        yield Fault(
            "leftover",
            f"{count} {'rule' if count == 1 else 'rules'} of policy {cutover.flush} left over "
            f"{over}: at {where}; `{named[0].rule}`{others}",
            "Withdraw them at their origin; where it has, reset that session.",
            rules=tuple(named),
        )
    elif not sight.flushed(p):
        judged.unseen = True


def shows(rules: Iterable[FlowspecRule], routes: Routes) -> list[Event]:
    """The events that show these rules now: each rule once before any is shown twice."""
    found = []
    for rule in rules:
        seen = (route.event for _, route in routes.of_rule(rule) if not route.stale)
        events = sorted(seen, key=lambda event: (event.received, event.sequence))
        found += [(n, event.received, event.sequence, event) for n, event in enumerate(events)]
    return [event for *_, event in sorted(found, key=lambda each: each[:3])]


def _where_wrong(p: Progress, sight: Sight, goal: tuple[str, ...], away: tuple[str, ...]) -> str:
    """Where something that is seen is not as it should be at the end."""
    still = sorted(str(v) for v, place in sight.places.items() if place.sites.keys() & set(away))
    if still:
        return f"{_names(away)} is still seen by {', '.join(still[:3])}" + _more(still)
    lacking = sorted(str(v) for v in sight.must_show(p) if not sight.seen_at(v) & set(goal))
    if lacking:
        return f"{_names(goal)} is not seen by {', '.join(lacking[:3])}" + _more(lacking)
    absent = sorted(set(goal) - sight.live - sight.stale)
    return f"{_names(absent)} does not advertise it" if absent else ""


def _more(names: list[str]) -> str:
    return f" and {len(names) - 3} more" if len(names) > 3 else ""


def _newest(sight: Sight, sites: tuple[str, ...] | list[str]) -> tuple[Event, ...]:
    return tuple(sight.routes_of(sites)[-1:])


def _names(sites: tuple[str, ...] | list[str]) -> str:
    return ", ".join(sites)


def _at(moment: int) -> str:
    return f"{rfc3339(moment)[:19]}Z"


def _seconds(duration: int) -> str:
    return f"{duration / 1e9:g} s"
