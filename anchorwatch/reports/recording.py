"""A cutover as it went: what every vantage point showed, at each moment at which that changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from anchorwatch.replaying import Replay, What
from collector.event import Event, Kind
from collector.store.span import Heard
from detectors.cutovers import superseded_by
from detectors.engine import Engine, OnError
from detectors.intent import Cutover, Intent
from detectors.progress import HeldRules, Progress, Vantage
from detectors.rules.cutover import CutoverRule
from detectors.sight import Sight

MOST = 20_000
"""Changes that are kept: a service that flaps all night has no end of them."""
STEPS = ("begun", "both", "moved", "flushed", "complete", "rollback", "rolled_back")
_SESSIONS = frozenset(
    {Kind.FEED_UP, Kind.FEED_DOWN, Kind.PEER_UP, Kind.PEER_DOWN, Kind.END_OF_RIB, Kind.ROLLBACK}
)


@dataclass(frozen=True, slots=True)
class Point:
    """What one vantage point shows."""

    sees: bool
    """Whether it shows all that it knows, so that what is not there is gone."""
    needed: bool
    """False where another feed or view says it better, or the router is a new site."""
    sites: tuple[str, ...]
    """Who is seen there to advertise."""
    rules: int
    """How many rules of the `flush` policy are seen there."""
    of_routes: bool
    """Whether it has shown a route of the service until now."""
    of_rules: bool
    """Whether it has shown such a rule."""


_NEVER = Point(sees=False, needed=True, sites=(), rules=0, of_routes=False, of_rules=False)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What all of them show from `at` (ns) on, until the next one."""

    at: int
    points: dict[Vantage, Point]
    hidden: frozenset[str]
    """Sites whose routes nobody can see now, somewhere."""
    watching: bool
    """False while the watch itself was stopped."""
    cause: Event | None = field(default=None, compare=False)
    """The event by which it came to be so; None where time did it."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the cutover (one of `STEPS`), or `flushed no more`, and when it was taken (ns)."""

    at: int
    name: str


@dataclass(slots=True)
class Times:
    """When something was so that a limit is set for: pairs of ns, the last one may still run."""

    ended: list[tuple[int, int]] = field(default_factory=list)
    since: int = 0
    """Of the one that runs; 0 where none does."""

    def note(self, since: int, at: int) -> None:
        """It is so since then, and not so if that is 0; seen at `at` (ns)."""
        if self.since and since != self.since:
            self.ended.append((self.since, at))
        self.since = since

    def until(self, at: int) -> list[tuple[int, int]]:
        """All of them, as if the last one ended at `at` (ns)."""
        return [*self.ended, *([(self.since, max(at, self.since))] if self.since else [])]


class Recorder:
    """Keeps what changes of one cutover, whoever runs the engine."""

    def __init__(self, cutover: Cutover) -> None:
        """Nothing is recorded yet."""
        self.cutover = cutover
        self.snapshots: list[Snapshot] = []
        self.steps: list[Step] = []
        self.overlaps = Times()
        self.gaps = Times()
        self.full = False
        """Whether changes were left out because there are more than `MOST`."""
        self._known = dict.fromkeys(STEPS, 0)

    def note(
        self, engine: Engine, at: int, cause: Event | None = None, *, watching: bool = True
    ) -> None:
        """Look at it at `at` (ns), after `cause` was taken in."""
        progress, sight = engine.look_at(self.cutover)
        self._note_steps(progress, at)
        self.overlaps.note(progress.both_since, at)
        self.gaps.note(progress.gap_since, at)
        points = self._points(engine, progress, sight, watching=watching)
        taken = Snapshot(at, points, frozenset(sight.stale), watching, cause)
        last = self.snapshots[-1] if self.snapshots else None
        if last is not None and replace(taken, at=last.at) == last:
            return
        if len(self.snapshots) < MOST:
            self.snapshots.append(taken)
        else:
            self.full = True

    def _note_steps(self, progress: Progress, at: int) -> None:
        now = {name: getattr(progress, name) for name in STEPS}
        if self._known["flushed"] and not now["flushed"] and not now["rolled_back"]:
            self.steps.append(Step(at, "flushed no more"))
        taken = [Step(at, name) for name, at in now.items() if at and at != self._known[name]]
        self.steps += sorted(taken, key=lambda step: step.at)
        self._known = now

    def _points(
        self, engine: Engine, progress: Progress, sight: Sight, *, watching: bool
    ) -> dict[Vantage, Point]:
        known = self.snapshots[-1].points if self.snapshots else {}
        points = {}
        for vantage in sorted({*known, *sight.places, *progress.saw, *progress.ruled}):
            place = sight.places.get(vantage)
            blind = vantage in sight.unseen or vantage in progress.dark
            before = known.get(vantage, _NEVER)
            sites, rules = (place.sites, place.rules) if place else ((), 0)
            points[vantage] = Point(
                sees=watching and not blind and engine.routes.feeds.sees(vantage.seen_by),
                needed=vantage not in sight.covered,
                sites=tuple(sorted(sites)),
                rules=rules,
                of_routes=before.of_routes or bool(sites) or vantage in progress.saw,
                of_rules=before.of_rules or bool(rules) or vantage in progress.ruled,
            )
        return points


@dataclass(frozen=True, slots=True)
class Record:
    """One cutover from the start of its window until `until` (ns), and how it stands then."""

    cutover: Cutover
    engine: Engine
    """As it is at the end; to be looked at only."""
    until: int
    recorder: Recorder

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        return self.engine.look_at(self.cutover)[0]

    @property
    def held(self) -> HeldRules:
        """The rules of its policy that are left."""
        members = self.engine.routes.cutovers.members.get(self.cutover.name)
        return members if members is not None else HeldRules()


def record(  # noqa: PLR0913 - what is asked, of what, and how far
    what: Iterable[What],
    intent: Intent,
    cutover: Cutover,
    *,
    until: int,
    last_word: int = 0,
    on_error: OnError | None = None,
) -> Record:
    """Replay a history that begins with the store's first row, and record one cutover of it.

    It ends with `until` (ns), with the next cutover of the service, or after the window once the
    cutover is at its end and nobody asks any more that it goes back (`last_word`, ns).
    """
    replay = Replay(intent, on_error, rules=[CutoverRule])
    return _Run(replay, intent, cutover).through(what, until, last_word)


class _Run:
    def __init__(self, replay: Replay, intent: Intent, cutover: Cutover) -> None:
        self._replay = replay
        self._intent = intent
        self._cutover = cutover
        self._prefix = intent.service(cutover.service).prefix
        self._recorder = Recorder(cutover)

    def through(self, what: Iterable[What], until: int, last_word: int) -> Record:
        start, end = self._cutover.window
        over = max(end, last_word)
        for each in what:
            if each.received > min(until, self._end(each.received, over)):
                break
            if each.received >= start:
                self._advance(max(start, each.received - 1))
            self._replay.take(each)
            if each.received >= start and self._concerns(each):
                self._note(each.received, each if isinstance(each, Event) else None)
        until = self._end(until, over)
        if until >= start:
            self._advance(until)
        return Record(self._cutover, self._replay.engine, until, self._recorder)

    def _end(self, now: int, over: int) -> int:
        """When the record ends (ns), as far as that is known `now`."""
        later = superseded_by(self._intent, self._cutover, now)
        if later is not None:
            return later.window.start
        if now <= over or self._replay.engine.look_at(self._cutover)[0].running:
            return now
        snapshots = self._recorder.snapshots
        return max(over + 1, snapshots[-1].at if snapshots else 0)

    def _advance(self, now: int) -> None:
        """Let time pass, and look at each moment at which it may have changed something."""
        while (due := self._replay.engine.next_due) is not None and due <= now:
            self._replay.advance(due)
            if self._replay.stopped:
                break  # no time passes
            if due >= self._cutover.window.start:
                self._note(due)
        self._replay.advance(now)
        if not self._recorder.snapshots:
            self._note(now)

    def _note(self, at: int, cause: Event | None = None) -> None:
        self._recorder.note(self._replay.engine, at, cause, watching=not self._replay.stopped)

    def _concerns(self, what: What) -> bool:
        if isinstance(what, Heard):
            return False
        return what.kind in _SESSIONS or what.prefix == self._prefix or what.rule is not None
