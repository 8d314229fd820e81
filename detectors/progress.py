"""How far planned cutovers have come: what must be remembered of them, also over a restart.

What is seen now does not say it all: whether the old site was ever there, when the first step was
taken, and whether somebody asked to go back are things of the past.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

import msgspec

from collector.event import Event
from detectors.feed import FeedKey
from detectors.route import FlowspecRule, Route, RouteKey

KEPT = 200
"""So many cutovers of earlier windows are remembered, to compare durations with."""


class Phase(StrEnum):
    """How far a cutover has come, by what is proven at every vantage point."""

    ARMED = "armed"
    """The first step is still to come."""
    BOTH = "both"
    """It is under way: a new site advertises, or the old one does no more."""
    MOVED = "moved"
    """Every vantage point that saw the old site now sees a new one instead."""
    FLUSHED = "flushed"
    """Every vantage point that showed rules of the `flush` policy shows none."""
    COMPLETE = "complete"
    """Both are true at the same time: the new sites are the home."""


class Vantage(NamedTuple):
    """One place from which is seen who advertises, or which rules are held."""

    router: str
    feed: str
    view: str
    table: str
    peer: str
    """Empty where the whole table is meant: the peer is the site itself, or there is none."""
    peer_rd: str

    @classmethod
    def of_route(cls, key: RouteKey, event: Event) -> Vantage:
        """Where a unicast route is seen.

        A session counts on its own where it brings what others advertise (RFC 4456: somebody
        else is the originator); what a site says itself can never be said by another site there.
        """
        reflected = event.originator_id not in (None, event.peer, event.peer_bgp_id)
        return cls.of_rule(key) if reflected else cls.of_rule(key)._replace(peer="", peer_rd="")

    @classmethod
    def of_rule(cls, key: RouteKey) -> Vantage:
        """Where a Flowspec rule is seen: each peer counts on its own."""
        return cls(
            key.router, key.feed, key.view or "", key.table or "", key.peer or "", key.peer_rd or ""
        )

    @property
    def seen_by(self) -> FeedKey:
        """The feed that shows it."""
        return FeedKey(self.router, self.feed)

    @property
    def whole(self) -> Vantage:
        """The table that it is part of, whatever peer fills it."""
        return self._replace(peer="", peer_rd="")

    def __str__(self) -> str:
        peer = f"peer {self.peer}" if self.peer else ""
        table = f"table {self.table}" if self.table else ""
        return " ".join(filter(None, (self.router, self.feed, self.view, table, peer)))


class Progress(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One cutover in one window. Times are ns; 0 means that it has not come to that."""

    name: str
    plan: str
    """The cutover that this one is or rehearses: those of one plan are compared."""
    window: tuple[int, int]
    begun: int = 0
    """The first step: a new site advertises, or the old one does no more."""
    both: int = 0
    """Both sites first advertised at the same time."""
    moved: int = 0
    flushed: int = 0
    complete: int = 0
    overlap: int = 0
    """How long both have advertised until now or the end of that, ns, at the longest."""
    gap: int = 0
    """How long nobody has, likewise."""
    rollback: int = 0
    """Somebody asked to go back."""
    rolled_back: int = 0
    """The state at the start was proven again after that."""
    told: bool = False
    """People were told of a fault, so the end is told too."""

    both_since: int = 0
    gap_since: int = 0
    returned_since: int = 0
    """The old site advertises again after every vantage point had moved."""
    new_gone_since: int = 0
    """No new site advertises any more, though one did."""
    early_since: int = 0
    """The rules are gone everywhere, though the service has not moved."""
    new_seen: bool = False
    several: bool = False
    """A vantage point has shown several sites at once, so that not only best paths are seen."""
    rules_seen: bool = False
    saw: set[Vantage] = set()
    """The vantage points that saw the old site."""
    ruled: set[Vantage] = set()
    """Those that showed rules of the `flush` policy when they were last seen."""
    dark: set[Vantage] = set()
    """Those whose session was lost, and has not shown its table since."""
    without: dict[str, int] = {}
    """Vantage points that saw the old site and see nobody, and since when."""
    last: Event | None = None
    """The event by which the old site was last seen to go or come."""

    @property
    def phase(self) -> Phase:
        """The furthest step that was proven."""
        if self.complete:
            return Phase.COMPLETE
        if self.moved and self.flushed:
            return Phase.FLUSHED
        if self.moved:
            return Phase.MOVED
        return Phase.BOTH if self.begun else Phase.ARMED

    @property
    def running(self) -> bool:
        """Whether it has begun and is not at its end."""
        return bool(self.begun and not self.complete) or bool(self.rollback)

    def ask_back(self, at: int) -> None:
        """Note that going back is wanted from `at` on; asked twice, the first one counts."""
        if not self.rollback:
            self.rollback, self.complete = at, 0
            self.returned_since = self.new_gone_since = self.early_since = 0

    def forget(self) -> None:
        """Keep the durations alone: another window has begun."""
        self.saw, self.ruled, self.dark, self.without, self.last = set(), set(), set(), {}, None

    def back(self, at: int) -> None:
        """The state at the start is proven again: all that was done is undone."""
        fresh = Progress(name=self.name, plan=self.plan, window=self.window)
        for field in self.__struct_fields__:
            if field not in ("saw", "dark", "told", "last"):
                setattr(self, field, getattr(fresh, field))
        self.rolled_back = at


class HeldRules:
    """The rules of a policy and where they are seen, kept up rule by rule."""

    def __init__(self) -> None:
        """None is held."""
        self._of: dict[FlowspecRule, tuple[list[Vantage], int]] = {}
        self.at: Counter[Vantage] = Counter()
        """How many of them each vantage point shows."""
        self.stale = 0
        """Places where one was held when it was last seen."""

    def __contains__(self, rule: FlowspecRule) -> bool:
        return rule in self._of

    def __iter__(self) -> Iterator[FlowspecRule]:
        return iter([*self._of])

    def seen(self) -> Iterator[FlowspecRule]:
        """Those that are seen now."""
        return (rule for rule, (live, _) in self._of.items() if live)

    def note(self, rule: FlowspecRule, seen: Iterable[tuple[RouteKey, Route]]) -> None:
        """A rule is seen at these places now, at none for one that is gone."""
        known, stale = self._of.pop(rule, ([], 0))
        self.at.subtract(known)
        self.stale -= stale
        places = list(seen)
        live = [Vantage.of_rule(key) for key, route in places if not route.stale]
        if places:
            self._of[rule] = (live, len(places) - len(live))
            self.at.update(live)
            self.stale += len(places) - len(live)
        self.at = +self.at


class Progresses:
    """The cutovers of an intent that have come into their window, by name."""

    def __init__(self) -> None:
        """None has."""
        self._current: dict[str, Progress] = {}
        self._earlier: list[Progress] = []
        self.members: dict[str, HeldRules] = {}
        """The rules of the `flush` policy that are held, for each cutover in its window."""

    def get(self, name: str) -> Progress | None:
        """What is known of a cutover in its last window."""
        return self._current.get(name)

    def put(self, progress: Progress) -> None:
        """Keep what is known of a cutover; what was known of another window is history."""
        known = self._current.get(progress.name)
        if known is not None and known.window != progress.window:
            older, progress = sorted((known, progress), key=lambda each: each.window)
            older.forget()
            self._earlier = sorted([*self._earlier, older], key=lambda each: each.window)[-KEPT:]
        self._current[progress.name] = progress

    def all(self) -> list[Progress]:
        """Every one, the oldest window first."""
        return sorted([*self._earlier, *self._current.values()], key=lambda each: each.window)
