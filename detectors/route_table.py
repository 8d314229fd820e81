"""Watched routes, by their keys and by what they lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from collector.event import FLOWSPEC_FAMILIES, Event
from detectors.feed import FeedKey, Peer
from detectors.route import FlowspecRule, Route, RouteKey, Subject
from detectors.watched import WatchedPrefixes

SiteOf = Callable[[Event], str | None]


def nowhere(_: Event) -> None:
    """Without an intent, nobody knows any site."""


class RouteTable:
    """The routes of all feeds; it judges nothing."""

    def __init__(self, watched: Iterable[str], site_of: SiteOf) -> None:
        """Of these prefixes and their more-specifics; `site_of` says which site one comes from."""
        self.watched = WatchedPrefixes(watched)
        self.site_of = site_of
        self.routes: dict[RouteKey, Route] = {}
        """Every route. It is one and the same dict at all times."""
        self.by_subject: dict[Subject, dict[RouteKey, Route]] = {}
        """The same routes; a subject without any is not there."""

    def subject(self, key: RouteKey) -> Subject:
        """What a route is looked up by."""
        if key.family is not None and key.family in FLOWSPEC_FAMILIES:
            return FlowspecRule(key.family, key.rd, key.destination)
        return self.watched.find(key.destination) or key.destination

    def is_watched(self, event: Event) -> bool:
        """Whether an event is of a watched prefix."""
        return event.prefix is not None and self.watched.find(event.prefix) is not None

    def wants(self, event: Event) -> bool:
        """Whether a route that was told by an event is held: of a watched prefix, or Flowspec."""
        return isinstance(self.subject(RouteKey.of(event)), FlowspecRule) or self.is_watched(event)

    def hold(self, event: Event, since: int, *, stale: bool = False) -> Route:
        """Take in the route that an event announces, in the place of the one of the same key."""
        key = RouteKey.of(event)
        subject = self.subject(key)
        route = Route(key, subject, event, since, stale, self.site_of(event))
        self.routes[key] = route
        self.by_subject.setdefault(subject, {})[key] = route
        return route

    def drop(self, route: Route) -> None:
        """Hold this route no more."""
        del self.routes[route.key]
        held = self.by_subject[route.subject]
        del held[route.key]
        if not held:
            del self.by_subject[route.subject]

    def of_session(self, feed: FeedKey, peer: Peer | None = None) -> list[Route]:
        """What a feed shows of one peer, or of all."""
        return [
            route
            for key, route in self.routes.items()
            if key.seen_by == feed and (peer is None or key.session == peer)
        ]

    def watch(self, watched: Iterable[str], site_of: SiteOf) -> list[RouteKey]:
        """From now on, these prefixes; answers the routes that were of no such one."""
        self.watched = WatchedPrefixes(watched)
        self.site_of = site_of
        self.by_subject.clear()
        gone = []
        for key, route in list(self.routes.items()):
            if self.wants(route.event):
                self.hold(route.event, route.since, stale=route.stale)
            else:
                gone.append(key)
                del self.routes[key]
        return gone
