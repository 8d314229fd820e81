"""What was seen of each cutover since its window began: every change, with its time.

It is noted as it happens and kept over a restart, so that the picture of a cutover needs no
question to the store, and says when nobody watched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from collector.event import Event, Kind
from detectors.cutovers import superseded_by
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import Cutover, Intent
from detectors.progress import Phase, Progress
from detectors.sight import Sight

SECOND = 1_000_000_000
LATELY = 1800 * SECOND
"""So long after its end a cutover is still followed and shown, ns."""
EVERY = SECOND
"""From one look to the next where no event has touched anything, ns."""
MOST = 150
"""Changes of one cutover that are kept, about."""
MOST_FAULTS = 10
"""Incidents of one cutover that are kept: the latest."""
DETECTOR = "cutover"
"""Whose incidents are about a cutover: their key is its name."""
_ROUTES = (Kind.ANNOUNCE, Kind.WITHDRAW)


class Glimpse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was seen of a cutover from one moment on, until the next one."""

    at: int
    """ns."""
    watched: bool = True
    """False where no watch ran."""
    phase: str = ""
    back: bool = False
    """Going back was asked for."""
    sites: dict[str, int] = {}
    """At how many vantage points each site is seen to advertise, where it is at all."""
    places: int = 0
    """Vantage points of routes that matter."""
    hidden: frozenset[str] = frozenset()
    """Sites that may advertise where nobody sees."""
    rules: int = 0
    """Rules of the `flush` policy that are seen, at the vantage point that shows most."""
    rules_at: int = 0
    """At how many vantage points any is seen."""
    rules_hidden: bool = False

    @property
    def kind(self) -> tuple[object, ...]:
        """What it says in words: those of one kind differ in numbers alone."""
        everywhere = frozenset((site, seen >= self.places) for site, seen in self.sites.items())
        of_rules = bool(self.rules), self.rules_hidden
        return self.watched, self.phase, self.back, everywhere, self.hidden, of_rules


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """An incident of a cutover, and when it began and ended, ns; 0 where it has not ended."""

    id: str
    opened: int
    resolved: int = 0


class Track(msgspec.Struct, kw_only=True):
    """One cutover in one window."""

    name: str
    window: tuple[int, int]
    glimpses: list[Glimpse] = []
    faults: list[Fault] = []

    def add(self, glimpse: Glimpse) -> bool:
        """Note it, if anything is new in it: answers whether there is."""
        if self.glimpses and msgspec.structs.replace(self.glimpses[-1], at=glimpse.at) == glimpse:
            return False
        if self.glimpses and self.glimpses[-1].at == glimpse.at:
            self.glimpses.pop()  # it did not last
        self.glimpses.append(glimpse)
        if len(self.glimpses) > MOST + MOST // 4:  # many at once, as it takes a look at all
            self._thin()
        return True

    def _thin(self) -> None:
        """Keep `MOST`: the shortest that differ in numbers alone go first, and then the oldest.

        Of many vantage points each changes numbers, and the first step must stay in the picture.
        """
        while excess := max(len(self.glimpses) - MOST, 0):
            gone: set[int] = set()
            for _, n in sorted(self._spare()):
                # Who goes leaves its time to the one before: that one stays for now.
                if len(gone) < excess and not {n - 1, n + 1} & gone:
                    gone.add(n)
            gone = gone or set(range(excess))
            self.glimpses = [each for n, each in enumerate(self.glimpses) if n not in gone]

    def _spare(self) -> Iterator[tuple[int, int]]:
        """How long those lasted that differ from the one before in numbers alone, and which."""
        kinds = [each.kind for each in self.glimpses]
        for n in range(1, len(kinds) - 1):
            if kinds[n] == kinds[n - 1]:
                yield self.glimpses[n + 1].at - self.glimpses[n].at, n

    def told(self, incident: Incident) -> bool:
        """Note what became of an incident of it: answers whether that is new."""
        resolved = incident.time if incident.state == State.RESOLVED else 0
        fault = Fault(id=incident.id, opened=incident.opened, resolved=resolved)
        if fault in self.faults:
            return False
        others = [each for each in self.faults if each.id != fault.id]
        self.faults = [*others, fault][-MOST_FAULTS:]
        return True


class Tracks:
    """Notes what is seen of the cutovers that are followed now."""

    def __init__(
        self, engine: Callable[[], Engine], kept: Iterable[Track] = (), lived: int = 0
    ) -> None:
        """Take up what was `kept` when a watch last `lived` (ns)."""
        self._engine = engine
        self._tracks = {track.name: track for track in kept}
        for track in self._tracks.values():
            if lived and track.glimpses and track.glimpses[-1].watched:
                track.add(Glimpse(at=max(lived, track.glimpses[-1].at), watched=False))
        self._intent: Intent | None = None
        self._followed: list[Cutover] = []
        self._touched = False
        self._due = 0
        self.news = False
        """Something was noted; who keeps it on disk sets this back."""

    def of(self, cutover: Cutover) -> Track | None:
        """What was noted of a cutover in its window of now."""
        track = self._tracks.get(cutover.name)
        return track if track is not None and track.window[0] == cutover.window.start else None

    def all(self) -> list[Track]:
        """All that is kept over a restart."""
        return [*self._tracks.values()]

    def touch(self) -> None:
        """A watched route or rule came, changed or went."""
        self._touched = True

    def told(self, transitions: Iterable[Incident]) -> None:
        """Incidents have changed."""
        for incident in transitions:
            track = self._tracks.get(incident.key) if incident.detector == DETECTOR else None
            if track is not None:
                self.news |= track.told(incident)

    def after(self, event: Event) -> None:
        """Look again, if what the engine has just taken in may have changed what is seen."""
        if self._engine().intent is not self._intent:
            self._follow(event.received)
        if self._followed and (self._touched or event.kind not in _ROUTES):
            self._look(event.received)

    def tick(self, now: int) -> None:
        """Look again from time to time (ns): windows begin and end without an event."""
        changed = self._touched and self._followed
        if not (self._due <= now or changed or self._engine().intent is not self._intent):
            return
        self._due = now + EVERY
        self._follow(now)
        self._look(now)

    def _follow(self, now: int) -> None:
        engine = self._engine()
        self._intent = engine.intent
        self._followed = [each for each in engine.intent.cutovers if follows(engine, each, now)]
        kept = {}
        for cutover in engine.intent.cutovers:
            track = self._tracks.get(cutover.name)
            if track is not None and _goes_on(track, cutover, now):
                track.window = (cutover.window.start, cutover.window.end)
                kept[cutover.name] = track
        self._tracks = kept

    def _look(self, now: int) -> None:
        self._touched = False
        engine = self._engine()
        for cutover in self._followed:
            if superseded_by(engine.intent, cutover, now):
                continue  # what is seen from then on is of the later one
            track = self.of(cutover)
            if track is None:
                start, end = cutover.window
                track = self._tracks[cutover.name] = Track(name=cutover.name, window=(start, end))
            self.news |= track.add(glimpse(*engine.look_at(cutover), now))


def _goes_on(track: Track, cutover: Cutover, now: int) -> bool:
    """Whether what was noted is still of this cutover: where its own progress goes on, too.

    Nobody looks before the window that it has now, so that one which is to come begins anew.
    """
    window, (start, end) = cutover.window, track.window
    if window.start == start:
        return True
    phases = [each.phase for each in track.glimpses if each.watched]
    overlaps = window.start < end and start < window.end
    return window.start <= now and overlaps and phases[-1:] != [Phase.COMPLETE]


def follows(engine: Engine, cutover: Cutover, now: int) -> bool:
    """Whether a cutover is under way, may begin, or ended lately."""
    if now < cutover.window.start:
        return False
    progress, _ = engine.look_at(cutover)
    ended = max(progress.complete, progress.rolled_back) or cutover.window.end
    return progress.running or now < ended + LATELY or _may_begin(progress, cutover, now)


def _may_begin(progress: Progress, cutover: Cutover, now: int) -> bool:
    return not progress.complete and now < cutover.window.end


def glimpse(progress: Progress, sight: Sight, now: int) -> Glimpse:
    """What is seen at `now` (ns)."""
    places = {v for v, place in sight.places.items() if place.sites} | progress.saw
    counts: dict[str, int] = {}
    for vantage, place in sight.places.items():
        if vantage not in sight.covered:
            for site in place.sites:
                counts[site] = counts.get(site, 0) + 1
    hidden = set(sight.stale)
    if progress.saw & sight.unseen or not (progress.saw or sight.settled):
        hidden |= {sight.cutover.from_, *sight.cutover.to}
    held = [place.rules for place in sight.places.values() if place.rules]
    return Glimpse(
        at=now,
        phase=progress.phase.value,
        back=bool(progress.rollback),
        sites=counts,
        places=len(places - sight.covered),
        hidden=frozenset(hidden - counts.keys()),
        rules=max(held, default=0),
        rules_at=len(held),
        rules_hidden=bool(sight.rules.stale or progress.ruled & sight.unseen)
        or not (sight.settled or progress.rules_seen),
    )
