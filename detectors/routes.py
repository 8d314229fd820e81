"""What the watch knows of the network right now: watched routes, and the feeds that show them.

A route is *live* while the session that showed it is up, and *stale* when that session was lost
or is being dumped again: then nobody knows whether the route is still there. A stale route ends
by being announced again or by being swept at End-of-RIB; never by silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_network
from typing import NamedTuple

from collector.event import FLOWSPEC_FAMILIES, Event, Kind, View

NO_PEER = frozenset({"0.0.0.0", "::"})  # noqa: S104 - the address of no peer, nothing is bound
ADJ_OUT = frozenset({View.ADJ_OUT_PRE, View.ADJ_OUT_POST})


class RouteKey(NamedTuple):
    """What makes two announcements the same route, and where that route was seen."""

    router: str
    peer: str | None
    peer_rd: str | None
    view: str | None
    table: str | None
    family: str | None
    rd: str | None
    destination: str
    """Prefix, or Flowspec rule, as text."""
    path_id: int | None

    @classmethod
    def of(cls, event: Event) -> RouteKey:
        """The key of an announce or withdraw event."""
        return cls(
            event.router,
            event.peer,
            event.peer_rd,
            event.view,
            event.table,
            event.family,
            event.rd,
            event.rule or event.prefix or "",
            event.path_id,
        )


class FlowspecRule(NamedTuple):
    """One rule, wherever it is seen."""

    family: str
    rd: str | None
    rule: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.family, self.rd and f"rd {self.rd}", self.rule)))


Subject = str | FlowspecRule
"""What routes are looked up by: a watched prefix, or a rule."""


@dataclass(slots=True)
class Route:
    """One route as it was last announced."""

    event: Event
    since: int
    """When it first appeared without a break and from the same place, ns."""
    stale: bool = False


class Cause(StrEnum):
    """Why a route changed."""

    ANNOUNCE = "announce"
    WITHDRAW = "withdraw"
    PEER_DOWN = "peer-down"
    STALE = "stale"
    SWEEP = "sweep"
    SESSION = "session"
    """No route changed; a session did."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one event did to one route, or (with no key) to a session."""

    event: Event
    cause: Cause
    key: RouteKey | None = None
    before: Event | None = None
    after: Event | None = None


@dataclass(slots=True)
class _Feed:
    """One router's session with us."""

    epoch: int = 0
    up: bool = False
    complete: bool = False
    ever_complete: bool = False
    peers: set[tuple[str | None, str | None, str]] = field(default_factory=set)
    """(peer, rd, view class) of the peers that are up."""


class Watch:
    """Decides whether a prefix is a watched one or a more-specific of one."""

    def __init__(self, prefixes: Iterable[str]) -> None:
        """Index the watched prefixes by version and length."""
        self._by_length: dict[tuple[int, int], dict[int, str]] = {}
        for text in prefixes:
            network = ip_network(text)
            shift = network.max_prefixlen - network.prefixlen
            level = self._by_length.setdefault((network.version, network.prefixlen), {})
            level[int(network.network_address) >> shift] = text
        self._cache: dict[str, str | None] = {}

    def find(self, prefix: str) -> str | None:
        """The most specific watched prefix that covers `prefix`, or None."""
        if prefix in self._cache:
            return self._cache[prefix]
        found = self._search(prefix)
        if found is not None:  # only what is watched is remembered: a full table must not fill this
            self._cache[prefix] = found
        return found

    def _search(self, prefix: str) -> str | None:
        try:
            network = ip_network(prefix)
        except ValueError:
            return None
        address = int(network.network_address)
        best = None
        best_length = -1
        for (version, length), level in self._by_length.items():
            if version != network.version or not best_length < length <= network.prefixlen:
                continue
            hit = level.get(address >> (network.max_prefixlen - length))
            if hit is not None:
                best, best_length = hit, length
        return best


class Routes:
    """The state of watched routes and feeds, changed by `apply` alone."""

    def __init__(self, watched: Iterable[str] = (), expected: Iterable[str] = ()) -> None:
        """Watch these prefixes (and their more-specifics), and expect these routers."""
        self._watch = Watch(watched)
        self._routes: dict[RouteKey, Route] = {}
        self._by_subject: dict[Subject, dict[RouteKey, Route]] = {}
        self._feeds: dict[str, _Feed] = {router: _Feed() for router in expected}
        self._pre_policy: set[tuple[str, str | None, str | None]] = set()

    # Questions that rules ask

    def of_prefix(self, watched: str) -> Iterator[tuple[RouteKey, Route]]:
        """The routes of a watched prefix and of its more-specifics that say who advertises it.

        Adj-RIB-Out is what the router tells others, so it is left out; post-policy is left out
        where the same peer's pre-policy view is seen, which is what the peer really said, and
        where it names no peer: GoBGP dumps its own routes so, and never withdraws them.
        """
        return self._telling(watched)

    def of_rule(self, rule: FlowspecRule) -> Iterator[tuple[RouteKey, Route]]:
        """The places where one Flowspec rule is seen, by the same choice of views."""
        return self._telling(rule)

    def rules(self) -> list[FlowspecRule]:
        """Every Flowspec rule that is held anywhere."""
        return [subject for subject in self._by_subject if isinstance(subject, FlowspecRule)]

    def watched_by(self, prefix: str) -> str | None:
        """The watched prefix that covers `prefix`, or None."""
        return self._watch.find(prefix)

    def settled(self) -> bool:
        """Whether absence means something: every feed that we know of has shown its tables once.

        A feed that is lost later keeps its routes as stale ones, so it need not be asked here.
        """
        feeds = self._feeds.values()
        return bool(feeds) and all(feed.ever_complete for feed in feeds)

    def blind(self) -> list[str]:
        """The routers whose tables are not completely seen now."""
        return sorted(r for r, feed in self._feeds.items() if not (feed.up and feed.complete))

    def feeds(self) -> dict[str, str]:
        """Every router that is known, as `complete`, `dumping` or `down`."""
        return {
            router: ("complete" if feed.complete else "dumping") if feed.up else "down"
            for router, feed in sorted(self._feeds.items())
        }

    def _telling(self, subject: Subject) -> Iterator[tuple[RouteKey, Route]]:
        for key, route in self._by_subject.get(subject, {}).items():
            if self._tells(key):
                yield key, route

    def _tells(self, key: RouteKey) -> bool:
        if key.view == View.ADJ_IN_POST:
            pre_policy = (key.router, key.peer, key.peer_rd) in self._pre_policy
            return not pre_policy and key.peer not in NO_PEER
        return key.view not in ADJ_OUT

    # What changes the state

    def apply(self, event: Event) -> list[Change]:
        """Take one event in; answer what it changed. Events of the unwatched change nothing."""
        if event.view == View.ADJ_IN_PRE:
            self._pre_policy.add((event.router, event.peer, event.peer_rd))
        if event.kind in (Kind.ANNOUNCE, Kind.WITHDRAW):
            return self._route(event)
        if event.kind == Kind.FEED_UP:
            return [*self._feed_up(event), Change(event, Cause.SESSION)]
        feed = self._feeds.get(event.router)
        handle = _SESSION_EVENTS.get(event.kind)
        if handle is None or feed is None or self._from_old_session(feed, event):
            return []
        return [*handle(self, feed, event), Change(event, Cause.SESSION)]

    def restore(self, event: Event) -> None:
        """Know again, as stale, a route that was evidence of something before a restart."""
        if event.router:
            self._feeds.setdefault(event.router, _Feed())
        if event.kind == Kind.ANNOUNCE:
            self._hold(RouteKey.of(event), Route(event, event.received, stale=True))

    def _feed_up(self, event: Event) -> list[Change]:
        feed = self._feeds.setdefault(event.router, _Feed())
        if feed.up and feed.epoch == event.epoch:
            return []  # the session only says more about itself
        feed.epoch = event.epoch or event.received
        feed.up, feed.complete = True, False
        feed.peers.clear()
        return self._mark_stale(event)

    def _feed_down(self, feed: _Feed, event: Event) -> list[Change]:
        feed.up = feed.complete = False
        feed.peers.clear()
        return self._mark_stale(event)

    def _peer_up(self, feed: _Feed, event: Event) -> list[Change]:
        feed.peers.add(_peer(event))
        return self._mark_stale(event, _peer(event))

    @staticmethod
    def _from_old_session(feed: _Feed, event: Event) -> bool:
        """A router that reconnects before its old session has died speaks on two for a while."""
        return event.epoch is not None and event.epoch < feed.epoch

    def _route(self, event: Event) -> list[Change]:
        if event.family in FLOWSPEC_FAMILIES:
            if event.rule is None:
                return []
        elif event.prefix is None or self._watch.find(event.prefix) is None:
            return []
        feed = self._feeds.setdefault(event.router, _Feed(up=True))
        if self._from_old_session(feed, event):
            return []
        key = RouteKey.of(event)
        known = self._routes.get(key)
        before = known.event if known else None
        if event.kind == Kind.WITHDRAW:
            if known is None:
                return []
            self._drop(key)
            return [Change(event, Cause.WITHDRAW, key, before, None)]
        same_place = known is not None and _place(known.event) == _place(event)
        since = known.since if known is not None and same_place else event.received
        self._hold(key, Route(event, since))
        return [Change(event, Cause.ANNOUNCE, key, before, event)]

    def _hold(self, key: RouteKey, route: Route) -> None:
        self._routes[key] = route
        self._by_subject.setdefault(self._subject(key), {})[key] = route

    def _drop(self, key: RouteKey) -> None:
        del self._routes[key]
        subject = self._subject(key)
        del self._by_subject[subject][key]
        if not self._by_subject[subject]:
            del self._by_subject[subject]

    def _subject(self, key: RouteKey) -> Subject:
        if key.family is not None and key.family in FLOWSPEC_FAMILIES:
            return FlowspecRule(key.family, key.rd, key.destination)
        return self._watch.find(key.destination) or key.destination

    def _of_session(
        self, router: str, peer: tuple[str | None, str | None, str] | None
    ) -> list[tuple[RouteKey, Route]]:
        return [
            (key, route)
            for key, route in self._routes.items()
            if key.router == router
            and (peer is None or (key.peer, key.peer_rd, _view_class(key.view)) == peer)
        ]

    def _mark_stale(
        self, event: Event, peer: tuple[str | None, str | None, str] | None = None
    ) -> list[Change]:
        changes = []
        for key, route in self._of_session(event.router, peer):
            if not route.stale:
                route.stale = True
                changes.append(Change(event, Cause.STALE, key, route.event, route.event))
        return changes

    def _peer_down(self, feed: _Feed, event: Event) -> list[Change]:
        feed.peers.discard(_peer(event))
        changes = []
        for key, route in self._of_session(event.router, _peer(event)):
            self._drop(key)
            changes.append(Change(event, Cause.PEER_DOWN, key, route.event, None))
        return changes

    def _end_of_rib(self, feed: _Feed, event: Event) -> list[Change]:
        """Sweep what the table that just ended did not announce again."""
        whole_router = event.peer is None and event.view is None
        if whole_router:
            feed.complete = feed.ever_complete = True
        changes = []
        for key, route in self._of_session(event.router, None):
            if not route.stale:
                continue
            if whole_router:
                ended = (key.peer, key.peer_rd, _view_class(key.view)) not in feed.peers
            else:
                ended = (key.peer, key.peer_rd, key.view) == (
                    event.peer,
                    event.peer_rd,
                    event.view,
                ) and event.family in (None, key.family)
            if ended:
                self._drop(key)
                changes.append(Change(event, Cause.SWEEP, key, route.event, None))
        return changes


def _view_class(view: str | None) -> str:
    """One Peer Up speaks for both policies of a direction (RFC 7854 section 3.1)."""
    if view in ADJ_OUT:
        return "out"
    return "loc-rib" if view == View.LOC_RIB else "in"


_SESSION_EVENTS: Mapping[str, Callable[[Routes, _Feed, Event], list[Change]]] = {
    Kind.FEED_DOWN: Routes._feed_down,
    Kind.PEER_UP: Routes._peer_up,
    Kind.PEER_DOWN: Routes._peer_down,
    Kind.END_OF_RIB: Routes._end_of_rib,
}


def _place(event: Event) -> tuple[str | None, str | None]:
    """Where a route comes from: in Loc-RIB one route replaces another that came from elsewhere."""
    return (event.next_hop, event.originator_id)


def _peer(event: Event) -> tuple[str | None, str | None, str]:
    return (event.peer, event.peer_rd, _view_class(event.view))
