"""Tells listeners what changes on the board, numbered so that none can miss a change unnoticed."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from anchorwatch.board.now import Item, Now
from detectors.incidents import Incident
from detectors.route import RouteKey

SHOWN = {
    "incidents": 40,
    "cutovers": 10,
    "services": 60,
    "anycast": 30,
    "rules": 60,
    "feeds": 60,
}
"""The sections of the board, and how much of each is on it: the worst first, the rest by number."""
REMEMBERED = 500
"""Transitions that are kept here, as it takes a while until the store tells them."""
MOST_WAITING = 64
"""Changes that may wait for a listener; one that is slower gets the whole state instead."""
MOST_LISTENERS = 100
SHARE = 0.1
"""Of the time of the program's one thread that the board may take."""
FEEDS_EVERY = 1.0
"""Seconds from one look at the feeds to the next, where nothing else has changed."""
TOLD, OVERRUN, REFUSED = "told", "overrun", "refused"
"""Counted: differences for one listener each, listeners that were too slow, and turned away."""
Made = dict[type, tuple[float, Item]]
"""How something is shown, and when that was made: once for all listeners, who come many at once."""
_MOVES = ("heard", "lag_seconds", "skew_seconds")
"""Of a feed: what is different at every look, and no news."""


@dataclass(frozen=True, slots=True)
class Board:
    """What the board shows at one moment."""

    number: int
    sections: Mapping[str, Sequence[Item]]
    counts: Mapping[str, Mapping[str, int]]
    problems: Sequence[str]
    shown: Made = field(default_factory=dict, compare=False, repr=False)

    def values(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "number": self.number,
            "counts": self.counts,
            "problems": list(self.problems),
            **self.sections,
        }


@dataclass(frozen=True, slots=True)
class Put:
    """An item that is new or has changed, and which one it now follows."""

    item: Item
    after: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of the board. `number` follows that of the last one."""

    number: int
    put: Mapping[str, Sequence[Put]]
    gone: Mapping[str, Sequence[str]]
    counts: Mapping[str, Mapping[str, int]]
    problems: Sequence[str]
    told: Sequence[str] = ()
    """Ids of the incidents that have a new transition, shown here or not."""
    shown: Made = field(default_factory=dict, compare=False, repr=False)


@dataclass(slots=True, eq=False)
class Listener:
    """One who is told of changes."""

    waiting: deque[Difference] = field(default_factory=deque)
    lost: bool = False
    """It was too slow: the whole state must be told."""
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Live:
    """Looks at what stands now, and tells what is different from the last look."""

    def __init__(
        self,
        now: Now,
        problems: Callable[[], Sequence[str]] = list,
        on_seconds: Callable[[float], object] = float,
    ) -> None:
        """`problems` are sentences about the watch itself; `on_seconds` hears what a look took."""
        self.now = now
        self._on_seconds = on_seconds
        self.counts: Counter[str] = Counter()
        """What became of listeners and differences; see `anchorwatch.board.metrics`."""
        self.started = secrets.token_hex(4)
        """Tells this run of the program from others: their numbers mean nothing here."""
        self.closed = False
        self.recent: deque[Incident] = deque(maxlen=REMEMBERED)
        """The last transitions, the newest last."""
        self._told: deque[str] = deque(maxlen=REMEMBERED)
        self._problems = problems
        self._board = Board(0, dict.fromkeys(SHOWN, ()), {}, ())
        self._listeners: set[Listener] = set()
        self._changed = True
        self._not_before = 0.0
        self._feeds_at = 0.0

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @property
    def is_full(self) -> bool:
        """Whether so many listen that no other one should."""
        return len(self._listeners) >= MOST_LISTENERS

    @property
    def number(self) -> int:
        """The number of what was told last."""
        return self._board.number

    def touch(self, key: RouteKey, _: object = None) -> None:
        """A watched route came, changed or went."""
        self._changed = True
        self.now.touch(key)

    def told(self, transitions: Sequence[Incident]) -> None:
        """Incidents opened, changed or were resolved."""
        self._changed = self._changed or bool(transitions)
        self.recent.extend(transitions)
        self._told.extend(each.id for each in transitions)

    def board(self) -> Board:
        """What stands now; listeners are told of what is new in it."""
        self._look()
        return self._board

    def look(self) -> None:
        """Tell listeners what has changed, if anybody listens and it is not too soon."""
        if not self._listeners:
            return
        now = time.monotonic()
        due = self._changed or now >= self._feeds_at + FEEDS_EVERY
        if due and now >= self._not_before:
            self._look()
            took = time.monotonic() - now
            self._not_before = now + took / SHARE

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        """Be told of every change from the present board on."""
        listener = Listener()
        self._look()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """Nothing more will be told."""
        self.closed = True
        for listener in self._listeners:
            listener.woken.set()

    def _look(self) -> None:
        began = time.monotonic()
        self._compare()
        self._on_seconds(time.monotonic() - began)

    def _compare(self) -> None:
        self._changed = False
        self._feeds_at = time.monotonic()
        sections, counts = self._sections()
        problems = list(self._problems())
        before = self._board
        put, gone = {}, {}
        for name, items in sections.items():
            if changed := list(_put(before.sections[name], items)):
                put[name] = changed
            ids = {item["id"] for item in items}
            if left := [item["id"] for item in before.sections[name] if item["id"] not in ids]:
                gone[name] = left
        told = [*dict.fromkeys(self._told)]
        self._told.clear()
        news = bool(put or gone or told)
        if not news and counts == before.counts and problems == before.problems:
            return
        number = before.number + 1
        self._board = Board(number, sections, counts, problems)
        self._tell(Difference(number, put, gone, counts, problems, told))

    def _sections(self) -> tuple[dict[str, Sequence[Item]], dict[str, Mapping[str, int]]]:
        kept = self.now.sections()
        sections: dict[str, Sequence[Item]] = {
            name: items.first(SHOWN[name]) for name, items in kept.items()
        }
        counts = {name: items.counts() for name, items in kept.items()}
        feeds = [{k: v for k, v in feed.items() if k not in _MOVES} for feed in self.now.feeds()]
        for name, whole in {"cutovers": self.now.cutovers(), "feeds": feeds}.items():
            sections[name] = whole[: SHOWN[name]]
            counts[name] = {"all": len(whole), **Counter(item["state"] for item in whole)}
        return sections, counts

    def _tell(self, difference: Difference) -> None:
        for listener in self._listeners:
            if len(listener.waiting) >= MOST_WAITING:
                listener.waiting.clear()
                listener.lost = True
                self.counts[OVERRUN] += 1
            if not listener.lost:
                listener.waiting.append(difference)
                self.counts[TOLD] += 1
            listener.woken.set()


def _put(before: Sequence[Item], items: Sequence[Item]) -> Iterator[Put]:
    """The items that are new, have changed or have moved, in order.

    Who takes them one by one has what is here: all others stand in the order that they had.
    """
    known = {item["id"]: (place, item) for place, item in enumerate(before)}
    last, reached = None, -1
    for item in items:
        place, was = known.get(item["id"], (-1, None))
        if place > reached and (was is item or was == item):
            reached = place
        else:
            yield Put(item, last)
        last = item["id"]
