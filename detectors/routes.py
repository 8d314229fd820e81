"""What the watch knows of the network right now: watched routes, by the feeds that show them.

A route is *live* while the session that showed it is up, and *stale* when that session was lost
or is being dumped again: then nobody knows whether the route is still there. A stale route ends
by being announced again or by being swept at End-of-RIB; never by silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from collector.event import FLOWSPEC_FAMILIES, Event, Kind, Provenance, View
from detectors.feed import ADJ_OUT, FeedKey, FeedState
from detectors.feeds import Feeds
from detectors.pre_policy import PrePolicy
from detectors.progress import Progresses
from detectors.route import (
    Cause,
    Change,
    Concern,
    FlowspecRule,
    Route,
    RouteKey,
    Subject,
    changed,
    place_of,
    same_destination,
    told_again,
)
from detectors.route_table import RouteTable, SiteOf, nowhere
from detectors.sessions import Sessions

A_WHILE = 1_000_000_000
"""Of a feed that was not silent for this long (ns), another sign of life is no news."""
__all__ = ["Cause", "Change", "FlowspecRule", "Route", "RouteKey", "Routes", "Subject"]

_ANNOUNCE, _MIRROR = Kind.ANNOUNCE.value, Provenance.MIRROR.value
_IN = frozenset({View.ADJ_IN_PRE, View.ADJ_IN_POST})
_SAME_PLACE = (Concern.PATH, Concern.AGAIN)
NO_PEER = frozenset({"0.0.0.0", "::"})  # noqa: S104 - the address of no peer, nothing is bound


class Routes:
    """The state of watched routes and feeds; of what comes, `apply` and `hear` alone change it."""

    def __init__(
        self,
        watched: Iterable[str] = (),
        expected: Iterable[tuple[str, str | None]] = (),
        site_of: SiteOf = nowhere,
    ) -> None:
        """Watch these prefixes (and their more-specifics), and expect these feeds.

        A feed is expected as its router's name or address, and its kind, or None for any.
        `site_of` says which site a route comes from.
        """
        self._table = RouteTable(watched, site_of)
        self._routes = self._table.routes  # looked into for each announcement
        self.feeds = Feeds(expected)
        """Which feeds there are, and which of them see."""
        self.cutovers = Progresses()
        """How far planned cutovers have come; the rule `cutover` keeps this."""
        self._pre_policy = PrePolicy()
        self._sessions = Sessions(self._table, self.feeds, self._pre_policy, self._tells)

    # Questions that rules ask

    def of_prefix(self, watched: str) -> Iterator[tuple[RouteKey, Route]]:
        """The routes of a watched prefix and of its more-specifics that say who advertises it.

        Adj-RIB-Out is what the router tells others, so it is left out; post-policy is left out
        where the same peer's pre-policy view is seen, which is what the peer really said, and
        where it names no peer: GoBGP dumps its own routes so, and never withdraws them. A stale
        route is left out where another feed of the router sees all that its own feed saw.
        """
        return self._telling(watched)

    def of_rule(self, rule: FlowspecRule) -> Iterator[tuple[RouteKey, Route]]:
        """The places where one Flowspec rule is seen, by the same choice of views."""
        return self._telling(rule)

    def at(self, key: RouteKey) -> list[tuple[RouteKey, Route]]:
        """All routes to the destination of a key that its router shows, by whatever feed."""
        return [
            (other, route)
            for other, route in self._table.by_subject.get(self._table.subject(key), {}).items()
            if same_destination(other, key)
        ]

    def keys_of(self, router: str) -> list[RouteKey]:
        """The watched routes that a router shows, by whatever feed."""
        return [key for key in self._routes if key.router == router]

    def route(self, key: RouteKey) -> Route | None:
        """The route of a key, or None where there is none."""
        return self._routes.get(key)

    def rules(self) -> list[FlowspecRule]:
        """Every Flowspec rule that is held anywhere."""
        return [subject for subject in self._table.by_subject if isinstance(subject, FlowspecRule)]

    def watched_by(self, prefix: str) -> str | None:
        """The watched prefix that covers `prefix`, or None."""
        return self._table.watched.find(prefix)

    def watching(self, address: str) -> list[str]:
        """The watched prefixes that an address lies in, the most specific one first."""
        return self._table.watched.covering(address)

    @property
    def pre_policy_changes(self) -> int:
        """How often it changed whose post-policy routes tell nothing: of peers seen before it."""
        return self._pre_policy.changes

    def shows_pre_policy(self, router: str) -> bool:
        """Whether a router shows what any of its peers says before policy."""
        return self._pre_policy.of_router(router)

    def _telling(self, subject: Subject) -> Iterator[tuple[RouteKey, Route]]:
        held = self._table.by_subject.get(subject, {})
        for key, route in held.items():
            if self._tells(key) and not self._overruled(key, route, held):
                yield key, route

    def _tells(self, key: RouteKey) -> bool:
        if key.view == View.ADJ_IN_POST:
            pre_policy = (key.router, key.peer, key.peer_rd) in self._pre_policy
            return not pre_policy and key.peer not in NO_PEER
        return key.view not in ADJ_OUT

    def _overruled(self, key: RouteKey, route: Route, held: Iterable[RouteKey]) -> bool:
        """Whether another view or feed of the same router knows better than this route."""
        if route.stale:
            return self.feeds.covered(key.seen_by)
        if key.view != View.ADJ_IN_POST or not self.feeds.from_gobgp(key.router):
            return False
        # GoBGP never withdraws some routes of this view, but what its Loc-RIB lacks, it has not.
        return self.feeds.shows_loc_rib(key.router) and not any(
            other.view == View.LOC_RIB and same_destination(other, key) for other in held
        )

    def all(self) -> list[tuple[RouteKey, Route]]:
        """Every route that is held, those that appeared first at the front."""
        return sorted(self._routes.items(), key=lambda item: item[1].since)

    # What changes the state

    def apply(self, event: Event) -> list[Change]:
        """Take one event in; answer what it changed. Events of the unwatched change nothing."""
        feed = self.feeds.of_event(event)
        # A router that reconnects before its old session has died speaks on two for a while.
        current = feed is not None and (event.epoch is None or event.epoch >= feed.epoch)
        if event.provenance == _MIRROR and self._is_copy(event, feed):
            return []
        if event.kind == _ANNOUNCE and feed is not None and current:
            known = self._routes.get(RouteKey.lookup(event))
            if known is not None and not known.stale:  # most of what comes: it is told again
                feed.hear_route(event)
                change = told_again(known, event)
                if change.concern not in _SAME_PLACE:
                    known.site = self._table.site_of(event)
                return [change]
        if feed is None or current:
            self._pre_policy.note(event)
        if feed is not None and current:
            feed.hear(event)
        if event.kind in (Kind.ANNOUNCE, Kind.WITHDRAW):
            return self._route(event)
        if event.kind == Kind.PROBE:
            return [Change(event, Cause.PROBE)]
        return self._sessions.apply(event, feed if current else None)

    def hear(self, key: FeedKey, at: int, missed: int = 0) -> bool:
        """Note that a feed was heard at `at` (ns), whatever it said; whether that is news.

        Until then nobody listened for `missed` ns.
        """
        feed = self.feeds.get(key)
        if feed is None:
            return False
        news = at >= feed.heard + A_WHILE
        feed.heard = max(feed.heard, at)
        if missed:
            feed.excuse(missed)
        return news

    def watch(self, watched: Iterable[str], site_of: SiteOf = nowhere) -> list[RouteKey]:
        """From now on, watch these prefixes; answers the routes that nobody watches any more."""
        return self._table.watch(watched, site_of)

    def learn(self, other: Routes) -> list[RouteKey]:
        """Take over the routes that another one knows; answers those that were not known here."""
        learnt = []
        for key, route in other.all():
            if key in self._routes or not self._table.is_watched(route.event):
                continue
            if self.feeds.get(key.seen_by) is not None:
                self._table.hold(route.event, route.since, stale=route.stale)
                learnt.append(key)
        return learnt

    def restore(self, event: Event) -> None:
        """Know again, as stale, a route that was evidence of something before a restart.

        Where the tables of its feed were restored, they know better.
        """
        key = FeedKey.of(event)
        if not event.router or event.kind == Kind.PROBE or self._sessions.is_dark(key):
            return
        self.feeds.meet(key)
        if event.kind == Kind.ANNOUNCE:
            self._table.hold(event, event.received, stale=True)

    def restore_feed(self, key: FeedKey, routes: Iterable[tuple[Event, int]], at: int) -> None:
        """Know again, as stale, all that a feed showed when we went away at `at` (ns).

        Each route comes with the time since which it was there, ns.
        """
        self._sessions.restore(key, routes, at)

    def _route(self, event: Event) -> list[Change]:
        if event.family in FLOWSPEC_FAMILIES:
            if event.rule is None:
                return []
        elif not self._table.is_watched(event):
            return []
        feed = self.feeds.get(FeedKey.of(event))
        if feed is None:
            feed = self.feeds.meet(FeedKey.of(event))
            feed.up, feed.since = True, event.received
            feed.hear(event)
        if event.epoch is not None and event.epoch < feed.epoch:
            return []  # from an old session
        key = RouteKey.of(event)
        known = self._routes.get(key)
        before = known.event if known else None
        if event.kind == Kind.WITHDRAW:
            if known is None:
                return self._withdrawn_unknown(feed, key, event)
            feed.withdrawals.known += 1
            self._table.drop(known)
            return [changed(event, Cause.WITHDRAW, known, None)]
        same_place = known is not None and place_of(known.event) == place_of(event)
        since = known.since if known is not None and same_place else event.received
        route = self._table.hold(event, since)
        return [changed(event, Cause.ANNOUNCE, route, event, before)]

    def _is_copy(self, event: Event, feed: FeedState | None) -> bool:
        """Whether a mirrored message says what its router shows in a table too (FRR)."""
        if feed is None or not event.prefix or event.family in FLOWSPEC_FAMILIES:
            return False
        known = self._routes.get(RouteKey.lookup(event))
        from_mirror = known is not None and known.event.provenance == _MIRROR
        return not from_mirror and not _IN.isdisjoint(feed.shown)

    @staticmethod
    def _withdrawn_unknown(feed: FeedState, key: RouteKey, event: Event) -> list[Change]:
        """A withdrawal of nothing; after its Peer Down, one is late and no fault."""
        if not feed.complete or key.session not in feed.peers:
            return []
        feed.withdrawals.unknown += 1
        feed.withdrawals.last_unknown = event
        return [Change(event, Cause.FEED)]
