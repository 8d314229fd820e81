"""What becomes of watched routes when the sessions that show them come, end or begin anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from collector.event import FLOWSPEC_FAMILIES, Event, Kind, Provenance, View
from collector.quirks import Profile, warning
from collector.quirks.bird import SILENT
from detectors.feed import FeedKey, FeedState, Peer, peer_of, view_class
from detectors.feeds import Feeds
from detectors.gaps import Gap, found_after, nobody_sent
from detectors.pre_policy import PrePolicy
from detectors.route import Cause, Change, Route, RouteKey, changed
from detectors.route_table import RouteTable


@dataclass(slots=True)
class _Dark:
    """A time in which a feed does not see, and what it saw before."""

    since: int
    before: dict[RouteKey, Event]


class Sessions:
    """Takes in what feeds say of their sessions; changes their states and their routes."""

    def __init__(
        self,
        table: RouteTable,
        feeds: Feeds,
        pre_policy: PrePolicy,
        tells: Callable[[RouteKey], bool],
    ) -> None:
        """Of these routes and feeds; `tells` picks the views that are compared after a gap."""
        self._table = table
        self._feeds = feeds
        self._pre_policy = pre_policy
        self._tells = tells
        self._dark: dict[FeedKey, _Dark] = {}

    def apply(self, event: Event, feed: FeedState | None) -> list[Change]:
        """What an event changes that is of no route.

        `feed` is None where it is not known, or the event is of a session that is over.
        """
        if event.kind == Kind.FEED_UP:
            return [*self._feed_up(event), Change(event, Cause.SESSION)]
        if event.kind == Kind.FEED_DOWN:
            known = self._feeds.get(FeedKey.of(event))
            if known is not None and event.router_address in known.sharing:
                known.sharing.discard(event.router_address)
                if feed is None:
                    return [Change(event, Cause.FEED)]
        if feed is None:
            return []
        handle = _SESSION_EVENTS.get(event.kind)
        if warning(SILENT) in event.warnings:
            handle = Sessions._silent
        if handle is None:
            return [Change(event, Cause.FEED)]
        return [*handle(self, feed, event), Change(event, Cause.SESSION)]

    def restore(self, key: FeedKey, routes: Iterable[tuple[Event, int]], at: int) -> None:
        """Know again, as stale, all that a feed showed when we went away at `at` (ns).

        Each route comes with the time since which it was there, ns.
        """
        feed = self._feeds.meet(key)
        feed.since = feed.heard = at
        dark = self._dark[key] = _Dark(at, {})
        for event, since in routes:
            if not self._table.wants(event):
                continue  # the intent watches it no longer
            dark.before[RouteKey.of(event)] = event
            feed.hear(event)
            self._pre_policy.note(event)
            self._table.hold(event, since, stale=True)
        self._pre_policy.begin(key)

    def is_dark(self, key: FeedKey) -> bool:
        """Whether what a feed showed before it went dark is known, to compare."""
        return key in self._dark

    def _feed_up(self, event: Event) -> list[Change]:
        key = FeedKey.of(event)
        feed = self._feeds.meet(key)
        feed.hear(event)
        if feed.up and feed.epoch == event.epoch:
            return []  # the session only says more about itself
        self._darken(key, feed, event)
        feed.share(event)
        feed.comes_up(event)
        self._pre_policy.begin(key)
        return self._mark_stale(event)

    def _feed_down(self, feed: FeedState, event: Event) -> list[Change]:
        self._darken(FeedKey.of(event), feed, event)
        feed.goes_down(event)
        return self._mark_stale(event)

    def _darken(self, key: FeedKey, feed: FeedState, event: Event) -> None:
        """Keep what was seen, to compare it with what will be."""
        if feed.complete:
            before = {route.key: route.event for route in self._table.of_session(key)}
            self._dark[key] = _Dark(event.received, before)

    def _peer_up(self, feed: FeedState, event: Event) -> list[Change]:
        again = peer_of(event) in feed.peers
        feed.peers.add(peer_of(event))
        if view_class(event.view) == "in":
            self._pre_policy.begin(FeedKey.of(event), (event.peer, event.peer_rd))
        # What was mirrored before its Peer Up is of the session that now comes up (FRR).
        return self._mark_stale(event, peer_of(event), mirrored=again)

    def _mark_stale(
        self, event: Event, peer: Peer | None = None, *, mirrored: bool = True
    ) -> list[Change]:
        changes = []
        for route in self._table.of_session(FeedKey.of(event), peer):
            if not route.stale and (mirrored or not _was_mirrored(route)):
                route.stale = True
                changes.append(changed(event, Cause.STALE, route, route.event))
        return changes

    def _peer_down(self, feed: FeedState, event: Event) -> list[Change]:
        feed.peers.discard(peer_of(event))
        changes = []
        for route in self._table.of_session(FeedKey.of(event), peer_of(event)):
            self._table.drop(route)
            changes.append(changed(event, Cause.PEER_DOWN, route, None))
        return changes

    def _end_of_rib(self, feed: FeedState, event: Event) -> list[Change]:
        """Sweep what the table that just ended did not announce again."""
        believed = self._end_pre_policy(event)
        changes = []
        for route in self._table.of_session(FeedKey.of(event)):
            if route.stale and _ends(route, feed, event):
                self._table.drop(route)
                withdrawal = nobody_sent(route.event, event)
                changes.append(changed(withdrawal, Cause.SWEEP, route, None))
            elif route.key.view == View.ADJ_IN_POST and route.key.session[:2] in believed:
                changes.append(changed(event, Cause.VIEW, route, route.event))
        if _is_of_router(event):
            self._complete(feed, event)
        return changes

    def _end_pre_policy(self, event: Event) -> set[tuple[str | None, str | None]]:
        """Whose post-policy routes are believed from the end of this table on."""
        key = FeedKey.of(event)
        if _is_of_router(event):
            return self._pre_policy.end(key)
        if event.family is None and view_class(event.view) == "in":
            return self._pre_policy.end(key, (event.peer, event.peer_rd))
        return set()

    def _silent(self, feed: FeedState, event: Event) -> list[Change]:
        """A router that tells of no peer has none, or hides what it has.

        BIRD 3.1 hides it after a reconnect. Where routes of it were known, or it is such a router,
        nobody knows what is left of them.
        """
        stale = any(route.stale for route in self._table.of_session(FeedKey.of(event)))
        if not stale and feed.profile != Profile.BIRD:
            self._complete(feed, event)
        return []

    def _complete(self, feed: FeedState, event: Event) -> None:
        """A feed shows its tables completely: compare them with what was there before a gap."""
        feed.is_shown()
        key = FeedKey.of(event)
        dark = self._dark.pop(key, None)
        if dark is not None:
            before = [e for k, e in dark.before.items() if self._tells(k)]
            after = [r.event for r in self._table.of_session(key) if self._tells(r.key)]
            feed.gap = Gap(dark.since, event.received, found_after(before, after))


def _is_of_router(end: Event) -> bool:
    """Whether all tables of a router have come to their end, not one of them."""
    return end.peer is None and end.view is None


def _was_mirrored(route: Route) -> bool:
    """Whether a rule is known by a message that its router mirrored: it is in no table of it."""
    event = route.event
    return event.provenance == Provenance.MIRROR and event.family in FLOWSPEC_FAMILIES


def _ends(route: Route, feed: FeedState, end: Event) -> bool:
    """Whether a stale route ends with the table whose end this is."""
    key = route.key
    if _is_of_router(end):
        return key.session not in feed.peers
    if end.family is None:  # all that is shown of a peer, whatever views that was before
        return key.session == peer_of(end) and not _was_mirrored(route)
    same_table = (key.peer, key.peer_rd, key.view) == (end.peer, end.peer_rd, end.view)
    return same_table and end.family == key.family


_SESSION_EVENTS: Mapping[str, Callable[[Sessions, FeedState, Event], list[Change]]] = {
    Kind.FEED_DOWN: Sessions._feed_down,
    Kind.PEER_UP: Sessions._peer_up,
    Kind.PEER_DOWN: Sessions._peer_down,
    Kind.END_OF_RIB: Sessions._end_of_rib,
}
