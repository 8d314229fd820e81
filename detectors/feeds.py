"""All feeds: which of them see, and who sees what another one lost."""

from __future__ import annotations

from collections.abc import Iterable

from collector.event import Event, Feed, View
from detectors.feed import FeedKey, FeedState

COMPARED = frozenset({Feed.BMP, Feed.GOBGP})
"""Feeds of the router itself; a recording and a public collector are no second opinion."""


class Feeds:
    """The feeds that are known, and those that are expected."""

    def __init__(self, expected: Iterable[tuple[str, str | None]] = ()) -> None:
        """Expect these: a router's name or address, and the kind of feed, or None for any."""
        self._expected = tuple(expected)
        self._states: dict[FeedKey, FeedState] = {}
        self._kinds: set[str] = set()
        self.have_pairs = False
        """Whether a router may have two feeds that can be compared."""

    def expect(self, expected: Iterable[tuple[str, str | None]]) -> None:
        """From now on, expect these instead."""
        self._expected = tuple(expected)

    def settled(self) -> bool:
        """Whether absence means something: every feed that we know of has shown its tables once.

        A feed that is lost later keeps its routes as stale ones, so it need not be asked here.
        """
        return (
            bool(self._states)
            and not self._missing()
            and all(feed.ever_complete or self.covered(k) for k, feed in self._states.items())
        )

    def blind(self) -> list[str]:
        """The routers whose tables are not completely seen now, by any of their feeds."""
        unseen = {key.router for key in self._states if not self.sees(key)}
        return sorted(unseen.union(self._missing()))

    def sees(self, key: FeedKey) -> bool:
        """Whether all that this feed can show is seen now, by it or by another of its router."""
        feed = self._states.get(key)
        return (feed is not None and feed.up and feed.complete) or self.covered(key)

    def any_up(self) -> bool:
        """Whether anything is seen at all now; not by a feed that is sending its tables again."""
        return any(f.up and (f.complete or not f.ever_complete) for f in self._states.values())

    def get(self, key: FeedKey) -> FeedState | None:
        """What is known of one feed."""
        return self._states.get(key)

    def of_event(self, event: Event) -> FeedState | None:
        """What is known of the feed that an event came by."""
        # A plain tuple equals the key, and is made much faster.
        return self._states.get((event.router, event.feed))  # type: ignore[call-overload,no-any-return]

    def of_router(self, router: str) -> dict[FeedKey, FeedState]:
        """The feeds of a router, which is named by its name or its address."""
        return {k: f for k, f in self._states.items() if router in (k.router, f.address)}

    def all(self) -> dict[FeedKey, FeedState]:
        """Every feed that is known."""
        return dict(self._states)

    def meet(self, key: FeedKey) -> FeedState:
        """The state of a feed, which may be a new one."""
        self._kinds.add(key.feed)
        self.have_pairs = self._kinds.issuperset(COMPARED)
        return self._states.setdefault(key, FeedState())

    def words(self) -> dict[str, str]:
        """Every router that is known or expected, as `complete`, `dumping` or `down`."""
        words = dict.fromkeys(self._missing(), "down")
        order = ("down", "dumping", "complete")
        for key, feed in self._states.items():
            word = "complete" if self.sees(key) else feed.word()
            words[key.router] = min(word, words.get(key.router, "complete"), key=order.index)
        return dict(sorted(words.items()))

    def _missing(self) -> list[str]:
        """The routers that are expected, and that no feed has shown yet."""
        return [
            router
            for router, kind in self._expected
            if not any(kind in (None, key.feed) for key in self.of_router(router))
        ]

    def covered(self, key: FeedKey) -> bool:
        """Whether another feed of the router sees all that this one has ever shown."""
        lost = self._states[key].views if key in self._states else set()
        return any(
            other != key
            and other.router == key.router
            and feed.complete
            and all(_shows(feed, view) for view in lost)
            for other, feed in self._states.items()
        )

    def from_gobgp(self, router: str) -> bool:
        """Whether a router is a GoBGP, by how it is seen or what it says of itself."""
        return any(
            key.feed == Feed.GOBGP or feed.is_gobgp for key, feed in self.of_router(router).items()
        )

    def shows_loc_rib(self, router: str) -> bool:
        """Whether the whole Loc-RIB of a router is seen now."""
        return any(
            feed.complete and View.LOC_RIB in feed.shown for feed in self.of_router(router).values()
        )


def _shows(feed: FeedState, view: str) -> bool:
    """Whether a feed shows all that a view of another feed of the same router would."""
    return view in feed.shown or (view == View.ADJ_IN_POST and View.ADJ_IN_PRE in feed.shown)
