"""What had changed when a feed was seen again: two tables compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from collector.event import Event, Kind, Provenance

SWEPT = "not in the table that was sent after a gap"


@dataclass(frozen=True, slots=True)
class Found:
    """One destination that is not as it was before a gap."""

    family: str
    rd: str | None
    destination: str
    """Prefix, or Flowspec rule."""
    was: tuple[Event, ...]
    now: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a feed did not see, and what turned out to have changed in it."""

    since: int
    """When it went blind, ns."""
    until: int
    """When its tables were complete again, ns."""
    found: tuple[Found, ...]


def nobody_sent(route: Event, end: Event) -> Event:
    """The withdrawal that must have been, as of the end of the table that lacks the route."""
    return Event(
        received=end.received,
        sequence=end.sequence,
        feed=end.feed,
        kind=Kind.WITHDRAW,
        provenance=Provenance.SYNTHETIC,
        router=end.router,
        router_address=end.router_address,
        epoch=end.epoch,
        peer=route.peer,
        peer_as=route.peer_as,
        peer_bgp_id=route.peer_bgp_id,
        peer_rd=route.peer_rd,
        view=route.view,
        table=route.table,
        family=route.family,
        rd=route.rd,
        prefix=route.prefix,
        path_id=route.path_id,
        rule=route.rule,
        components=route.components,
        reason=SWEPT,
    )


def path_of(event: Event) -> tuple[object, ...]:
    """All that makes two announcements of one destination the same path."""
    return (
        *(event.next_hop, event.originator_id, event.as_path, event.origin),
        *(event.med, event.local_pref, event.communities, event.ext_communities),
        *(event.large_communities, repr([sorted(action.items()) for action in event.actions])),
    )


def found_after(before: Iterable[Event], after: Iterable[Event]) -> tuple[Found, ...]:
    """The destinations whose routes differ, those of the same views compared with one another.

    Path identifiers are left out: a router may number the same paths anew.
    """
    was, now = _by_destination(before), _by_destination(after)
    found = []
    for key in sorted({*was, *now}, key=str):
        old, new = was.get(key, []), now.get(key, [])
        if sorted(map(_seen, old)) != sorted(map(_seen, new)):
            family, rd, destination = key
            found.append(Found(family or "", rd, destination, tuple(old), tuple(new)))
    return tuple(found)


_Destination = tuple[str | None, str | None, str]


def _by_destination(events: Iterable[Event]) -> dict[_Destination, list[Event]]:
    grouped: dict[_Destination, list[Event]] = {}
    for event in events:
        key = (event.family, event.rd, event.rule or event.prefix or "")
        grouped.setdefault(key, []).append(event)
    return grouped


def _seen(event: Event) -> str:
    """Where a route is seen and what it is, to sort and compare."""
    return repr((event.view, event.peer, event.peer_rd, event.table, path_of(event)))
