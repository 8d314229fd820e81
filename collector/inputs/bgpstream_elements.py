"""What BGPStream says, as events: a pure mapping of its documented elements and records.

An element has no Flowspec, no MED, no local preference, no extended or large communities, no path
id and no octets, and BMP's views are not told apart: see `docs/how-to/bgpstream.md`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

import msgspec

from collector.event import Event, Family, Feed, Kind, Provenance, View
from collector.wire.communities import community

RIB, ANNOUNCEMENT, WITHDRAWAL, PEER_STATE = "R", "A", "W", "S"
"""Types of elements, as libbgpstream names them."""
END_OF_DUMP, RECORDS, CORRUPTED = "end-of-dump", "records", "corrupted"
"""What the reader of the stream adds: a table was read, records were, one could not be."""
_ROUTES = {
    RIB: (Kind.ANNOUNCE, Provenance.DUMP),
    ANNOUNCEMENT: (Kind.ANNOUNCE, Provenance.LIVE),
    WITHDRAWAL: (Kind.WITHDRAW, Provenance.LIVE),
}
_ESTABLISHED, _IDLE = "ESTABLISHED", "IDLE"


class Element(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One element of a record with what its record says, or one of the reader's own additions."""

    type: str
    """`R`, `A`, `W`, `S`, `end-of-dump`, `records` or `corrupted`."""
    project: str
    collector: str
    time: float = 0.0
    """Seconds since 1970 UTC, with microseconds."""
    peer_address: str | None = None
    peer_asn: int | None = None
    fields: dict[str, Any] = {}
    """`prefix`, `next-hop`, `as-path`, `communities`; or `old-state` and `new-state`."""
    count: int = 0
    """How many records were read since this was last said."""

    @property
    def router(self) -> str:
        """The name by which its vantage point is known: `ris.rrc00`."""
        return f"{self.project}.{self.collector}"


@dataclass(slots=True)
class _Vantage:
    """One collector of a project, while one stream is read."""

    epoch: int
    sequence: int = 0


class VantagePoints:
    """The collectors that a stream shows; each is a feed of its own, `project.collector`."""

    def __init__(self, *, dumps: bool) -> None:
        """`dumps` says whether the stream begins with tables: then their end is End-of-RIB."""
        self._dumps = dumps
        self._up: dict[str, _Vantage] = {}
        self._known: set[str] = set()
        self.elements: Counter[str] = Counter()
        """Elements by vantage point."""
        self.errors: Counter[tuple[str, str]] = Counter()
        """What could not be taken, by (vantage point, reason)."""

    @property
    def up(self) -> list[str]:
        """The vantage points that the stream has shown since it began."""
        return list(self._up)

    def take(self, element: Element, now: int) -> list[Event]:
        """The events of an element that came at `now` (ns)."""
        router = element.router
        if element.type == CORRUPTED:
            self.errors[router, CORRUPTED] += 1
            return []
        events = self._first_seen(router, now)
        try:
            events += self._of(element, now)
        except (ValueError, TypeError) as error:
            self.errors[router, "element"] += 1
            reason = f"element {element.type}: {error}"
            events.append(self._event(router, now, Kind.UNDECODABLE, reason=reason))
        return events

    def close(self, now: int, reason: str) -> list[Event]:
        """The stream is over: every vantage point that it showed is down."""
        events = [self._event(router, now, Kind.FEED_DOWN, reason=reason) for router in self._up]
        self._up.clear()
        return events

    def _first_seen(self, router: str, now: int) -> list[Event]:
        if router in self._up:
            return []
        self._up[router] = _Vantage(now)
        events = [self._event(router, now, Kind.FEED_UP)]
        if not self._dumps and router not in self._known:
            # No table will come, so there is none to wait for. Later, after a gap, this would
            # end routes of which nobody knows.
            events.append(self._end_of_rib(router, now))
        self._known.add(router)
        return events

    def _of(self, element: Element, now: int) -> Iterator[Event]:
        router = element.router
        if element.type == END_OF_DUMP:
            yield self._end_of_rib(router, now)
            return
        if element.type == RECORDS:
            yield self._event(router, now, Kind.STATS, statistics={"records": element.count})
            return
        self.elements[router] += 1
        kind, fields = _read(element)
        if kind is not None:
            common: dict[str, Any] = {"time": round(element.time * 1e6) * 1000}
            common |= {"peer_as": element.peer_asn, "view": View.ADJ_IN_PRE.value}
            common["peer"] = str(ip_address(element.peer_address or ""))
            yield self._event(router, now, kind, **common, **fields)

    def _end_of_rib(self, router: str, now: int) -> Event:
        synthetic = Provenance.SYNTHETIC.value
        return self._event(router, now, Kind.END_OF_RIB, provenance=synthetic)

    def _event(self, router: str, now: int, kind: Kind, **fields: Any) -> Event:
        vantage = self._up[router]
        vantage.sequence += 1
        return Event(
            received=now,
            sequence=vantage.sequence,
            feed=Feed.BGPSTREAM.value,
            kind=kind.value,
            router=router,
            epoch=vantage.epoch,
            **fields,
        )


def _read(element: Element) -> tuple[Kind | None, dict[str, Any]]:
    """The kind and what goes with it; ValueError where the element is not as documented."""
    if element.type == PEER_STATE:
        return _peer_state(element.fields)
    if element.type not in _ROUTES:
        raise ValueError("no such type of element")
    kind, provenance = _ROUTES[element.type]
    fields = {"provenance": provenance.value, **_destination(element.fields.get("prefix"))}
    if kind is Kind.ANNOUNCE:
        fields |= _attributes(element.fields)
    return kind, fields


def _destination(text: str | None) -> dict[str, Any]:
    if not text:
        raise ValueError("no prefix")
    network = ip_network(text, strict=False)
    family = Family.IPV4_UNICAST if network.version == 4 else Family.IPV6_UNICAST
    return {"family": family.value, "prefix": str(network)}


def _attributes(fields: dict[str, Any]) -> dict[str, Any]:
    next_hop, path = fields.get("next-hop"), fields.get("as-path")
    out: dict[str, Any] = {"communities": _communities(fields.get("communities") or ())}
    if next_hop:
        out["next_hop"] = str(ip_address(next_hop))
    if path is not None:
        numbers = path.split()
        out["as_path"] = " ".join(numbers)
        if numbers and numbers[-1].isdecimal():
            out["origin_as"] = int(numbers[-1])
    return out


def _communities(texts: Sequence[str]) -> tuple[str, ...]:
    """In the order of their numbers, as the stream gives them in none."""
    pairs = (text.split(":") for text in texts)
    return tuple(map(community, sorted(int(high) << 16 | int(low) for high, low in pairs)))


def _peer_state(fields: dict[str, Any]) -> tuple[Kind | None, dict[str, Any]]:
    """Only what brings a session up or down; the old state is not always told (RIS Live)."""
    old, new = fields.get("old-state") or "", fields.get("new-state") or ""
    if new == _ESTABLISHED and old != _ESTABLISHED:
        return Kind.PEER_UP, {}
    if new != _ESTABLISHED and (old == _ESTABLISHED or (not old and new == _IDLE)):
        return Kind.PEER_DOWN, {"reason": f"state {old or 'unknown'} to {new or 'unknown'}"}
    return None, {}
