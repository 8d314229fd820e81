"""One route, and what can happen to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

import msgspec

from collector.event import Event
from detectors.feed import FeedKey, Peer, view_class


class RouteKey(NamedTuple):
    """What makes two announcements the same route, and where that route was seen."""

    router: str
    feed: str
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
        return cls._make(cls.lookup(event))

    @staticmethod
    def lookup(event: Event) -> RouteKey:
        """What equals the key of an event, to look it up by: a plain tuple is made much faster."""
        return (  # type: ignore[return-value]
            event.router,
            event.feed,
            event.peer,
            event.peer_rd,
            event.view,
            event.table,
            event.family,
            event.rd,
            event.rule or event.prefix or "",
            event.path_id,
        )

    @property
    def seen_by(self) -> FeedKey:
        """The feed that shows it."""
        return FeedKey(self.router, self.feed)

    @property
    def session(self) -> Peer:
        """The peer whose session carries it."""
        return (self.peer, self.peer_rd, view_class(self.view))


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

    key: RouteKey
    subject: Subject
    event: Event
    since: int
    """When it first appeared without a break and from the same place, ns."""
    stale: bool = False
    site: str | None = None
    """The site of the intent that it comes from, where one is known."""


class Cause(StrEnum):
    """Why a route changed."""

    ANNOUNCE = "announce"
    WITHDRAW = "withdraw"
    PEER_DOWN = "peer-down"
    STALE = "stale"
    SWEEP = "sweep"
    VIEW = "view"
    """The route is as it was, and is believed from now on: no better view of its peer is sent."""
    SESSION = "session"
    """No route changed; a session did."""
    FEED = "feed"
    """Neither did: a feed said something of itself, or something odd."""
    INTENT = "intent"
    """Nothing changed but what is intended."""
    PROBE = "probe"
    """Nothing changed in BGP; somebody asked a service how it is."""


class Concern(IntEnum):
    """What a change is about: a rule says which of these concern it."""

    ROUTE = 0
    """A route came, went, became stale or live again, comes from another place, or is in
    other VPNs."""
    PATH = 1
    """A live route was announced again from the same place, by another path."""
    AGAIN = 2
    """A live route was announced again as it was."""
    FLOWSPEC = 3
    SESSION = 4
    """A session or a feed."""


SESSION = Concern.SESSION
# A member of an enumeration is looked up by name each time that it is used.
_ROUTE, _PATH, _AGAIN, _FLOWSPEC = Concern.ROUTE, Concern.PATH, Concern.AGAIN, Concern.FLOWSPEC
_ANNOUNCED = Cause.ANNOUNCE


class Change(msgspec.Struct, frozen=True):
    """What one event did to one route, or (with no key) to a session."""

    event: Event
    """What came; for a sweep, the withdrawal that nobody sent."""
    cause: Cause
    key: RouteKey | None = None
    before: Event | None = None
    after: Event | None = None
    subject: Subject | None = None
    """The watched prefix or the rule that the route is looked up by."""
    concern: Concern = SESSION


def told_again(route: Route, event: Event) -> Change:
    """What an announcement does to a route that is live; it says it from now on."""
    before = route.event
    route.event = event
    concern = _AGAIN if same_path(before, event) else _PATH
    if before.next_hop != event.next_hop or before.originator_id != event.originator_id:
        route.since = event.received
        concern = _ROUTE
    elif before.peer_as != event.peer_as:
        concern = _ROUTE
    elif vpn_of(event) and before.ext_communities != event.ext_communities:
        concern = _ROUTE  # its route targets say which VPNs it is in
    if type(route.subject) is FlowspecRule:
        concern = _FLOWSPEC
    return Change(event, _ANNOUNCED, route.key, before, event, route.subject, concern)


def same_path(before: Event, after: Event) -> bool:
    """Whether two announcements carry the same path: that is no instability (RFC 2439)."""
    return (
        before.as_path == after.as_path
        and before.med == after.med
        and before.communities == after.communities
        and before.next_hop == after.next_hop
        and before.local_pref == after.local_pref
        and before.origin == after.origin
    )


def changed(
    event: Event, cause: Cause, route: Route, after: Event | None, before: Event | None = None
) -> Change:
    """What happened to a route that was there, or else was announced."""
    if cause is not _ANNOUNCED:
        before = route.event
    concern = _FLOWSPEC if isinstance(route.subject, FlowspecRule) else _ROUTE
    return Change(event, cause, route.key, before, after, route.subject, concern)


def vpn_of(event: Event) -> str | None:
    """Route distinguisher of a route: its own, or that of the VRF whose session shows it."""
    return event.rd or event.peer_rd


def same_destination(one: RouteKey, other: RouteKey) -> bool:
    """Whether two routes of one router lead to the same destination."""
    return (one.router, one.family, one.rd, one.destination) == (
        other.router,
        other.family,
        other.rd,
        other.destination,
    )


def place_of(event: Event) -> tuple[str | None, str | None]:
    """Where a route comes from: in Loc-RIB one route replaces another that came from elsewhere."""
    return (event.next_hop, event.originator_id)
