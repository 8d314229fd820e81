"""Two feeds of one router held against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from collector.event import Event, Kind, View
from detectors.feed import FeedKey, Peer
from detectors.feeds import COMPARED
from detectors.route import Change, RouteKey
from detectors.routes import Routes

_VIEWS = (View.ADJ_IN_PRE, View.LOC_RIB)
"""The views that both of them show."""


class Place(NamedTuple):
    """One destination in one table of one router, whichever feed shows it."""

    router: str
    session: Peer
    view: str
    family: str | None
    rd: str | None
    destination: str

    @classmethod
    def of(cls, key: RouteKey) -> Place:
        """The place of a route."""
        view = key.view or ""
        session = (None, None, "loc-rib") if view == View.LOC_RIB else key.session
        return cls(key.router, session, view, key.family, key.rd, key.destination)


class Dispute(NamedTuple):
    """What two feeds show at one place, where that is not the same."""

    place: Place
    since: int
    """ns."""
    shown: dict[str, list[Event]]
    """Feed -> the routes that it shows."""


class Disputes:
    """Where the two feeds of each router disagree, and since when."""

    def __init__(self) -> None:
        """Nothing has been compared yet."""
        self._open: dict[str, dict[Place, Dispute]] = {}

    def note(self, change: Change, routes: Routes) -> bool:
        """Compare what a change is about; whether its router has two feeds at all."""
        event = change.event
        router = change.key.router if change.key is not None else event.router
        feeds = [key for key in routes.feeds.of_router(router) if key.feed in COMPARED]
        if len(feeds) < 2:
            return False
        if change.key is not None:
            self._compare(change.key, feeds, routes, event.received)
        elif event.kind not in (Kind.STATS, Kind.UNDECODABLE):
            # A session came or went: other places can be compared now, or no longer.
            self._open[router] = {}
            for key in routes.keys_of(router):
                self._compare(key, feeds, routes, event.received)
        return True

    def of(self, router: str) -> list[Dispute]:
        """The open disputes of a router, the oldest first."""
        return sorted(self._open.get(router, {}).values(), key=lambda d: (d.since, str(d.place)))

    def _compare(self, key: RouteKey, feeds: list[FeedKey], routes: Routes, now: int) -> None:
        if key.view not in _VIEWS:
            return
        place = Place.of(key)
        disputes = self._open.setdefault(key.router, {})
        known = disputes.pop(place, None)
        if not all(_shows(routes, feed, place) for feed in feeds):
            return
        shown: dict[str, list[Event]] = {feed.feed: [] for feed in feeds}
        for other, route in routes.at(key):
            if route.stale:
                return  # nobody knows yet
            if Place.of(other) == place and other.feed in shown:
                shown[other.feed].append(route.event)
        if not _agree(*shown.values()):
            disputes[place] = Dispute(place, known.since if known else now, shown)


def _shows(routes: Routes, key: FeedKey, place: Place) -> bool:
    """Whether a feed would show a route at this place now, if there were one."""
    feed = routes.feeds.get(key)
    if feed is None or not feed.complete or place.view not in feed.shown:
        return False
    return place.view == View.LOC_RIB or place.session in feed.peers


def _agree(one: list[Event], other: list[Event]) -> bool:
    """Whether two feeds show the same paths, by the attributes that both of them carry."""
    if len(one) != len(other):
        return False
    left = list(other)
    for event in one:
        same = next((candidate for candidate in left if _same(event, candidate)), None)
        if same is None:
            return False
        left.remove(same)
    return True


def _same(one: Event, other: Event) -> bool:
    if one.rule is None and _differ(one.next_hop, other.next_hop):
        return False  # of a Flowspec rule, gRPC has none
    for name in ("as_path", "origin", "med", "originator_id", "communities", "large_communities"):
        if _differ(getattr(one, name), getattr(other, name)):
            return False
    return _actions(one.actions) == _actions(other.actions)


def _differ(one: object, other: object) -> bool:
    """Whether both carry it, and not the same."""
    return one not in (None, ()) and other not in (None, ()) and one != other


def _actions(actions: Iterable[Mapping[str, Any]]) -> list[str]:
    """The actions as both feeds can carry them: gRPC does not have the next hop of a redirect."""
    return sorted(
        "redirect-to-nexthop"
        if action.get("action") == "redirect-to-nexthop"
        else repr(sorted(action.items()))
        for action in actions
    )
