"""Routing tables in MRT: TABLE_DUMP and TABLE_DUMP_V2 (RFC 6396 section 4.2, 4.3; RFC 8050)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from collector.event import Kind, Provenance
from collector.wire import bgp
from collector.wire.addresses import address, ipv4
from collector.wire.attributes import EXTENDED
from collector.wire.cursor import Cursor, WireError
from collector.wire.destinations import FLOWSPEC, FLOWSPEC_VPN, Context
from collector.wire.families import family_name
from collector.wire.nlri import BITS, prefix_text, read_prefix
from collector.wire.texts import read_text

Fields = dict[str, Any]

SECOND = 1_000_000_000
_FOUR = ((1, 1), (1, 2), (2, 1), (2, 2))
FAMILIES = {**dict(enumerate(_FOUR, start=2)), **dict(enumerate(_FOUR, start=8))}
"""AFI and SAFI by subtype."""
ADD_PATH = frozenset({8, 9, 10, 11})
GENERIC, GENERIC_ADD_PATH = 6, 12
MP_REACH = 14
DEFAULT_ROUTE = b"\0"
"""Stands for the prefix while the attributes are read: many routes share the same ones."""


@dataclass(frozen=True, slots=True)
class IndexedPeer:
    """A peer of a PEER_INDEX_TABLE (RFC 6396 section 4.3.1)."""

    bgp_id: str
    address: str
    as_number: int


@dataclass(frozen=True, slots=True)
class PeerIndex:
    """Whose table it is, and the peers that its entries mean by number."""

    collector: str = ""
    view: str = ""
    peers: tuple[IndexedPeer, ...] = ()

    def fields(self) -> Fields:
        """The router as fields of an event."""
        name = self.view or self.collector
        return {"router": name, "router_address": self.collector}

    def peer_fields(self, number: int) -> Fields:
        """The peer of that number as fields of an event.

        GoBGP gives its own routes a number behind the last one; a route is one without a peer, too.
        """
        if number >= len(self.peers):
            return {"warnings": (f"peer-index: {number} of {len(self.peers)} peers",)}
        peer = self.peers[number]
        return {"peer": peer.address, "peer_as": peer.as_number, "peer_bgp_id": peer.bgp_id}


class _Entry(NamedTuple):
    """One path of a RIB record, its attributes still as bytes."""

    peer: int
    originated: int
    path_id: int | None
    attributes: bytes


@dataclass(frozen=True, slots=True)
class _Destination:
    """What the entries of a record are about."""

    family: tuple[int, int]
    prefix: str | None
    nlri: bytes = b""
    """Its octets, where it is not one of the families that are prefixes alone."""
    path_id: int | None = None


def read_peer_index(cursor: Cursor) -> PeerIndex:
    """A PEER_INDEX_TABLE record."""
    collector = ipv4(cursor.take(4, "collector bgp id"))
    view = read_text(cursor.take(cursor.u16("view name length"), "view name"))
    peers = []
    for _ in range(cursor.u16("peer count")):
        kind = cursor.u8("peer type")
        bgp_id = ipv4(cursor.take(4, "peer bgp id"))
        text = address(cursor.take(16 if kind & 1 else 4, "peer address"))
        number = cursor.u32("peer as") if kind & 2 else cursor.u16("peer as")
        peers.append(IndexedPeer(bgp_id, text, number))
    return PeerIndex(collector, view, tuple(peers))


def read_rib(cursor: Cursor, subtype: int, index: PeerIndex) -> list[Fields]:
    """The entries of a RIB record, each an announcement of its peer."""
    cursor.u32("sequence number")
    if subtype == GENERIC_ADD_PATH:
        destination, entries = _generic_add_path(cursor)
    elif subtype == GENERIC:
        destination = _generic(cursor)
        entries = _entries(cursor, add_path=False)
    else:
        family = FAMILIES[subtype]
        destination = _Destination(family, read_prefix(cursor, BITS[family[0]]))
        entries = _entries(cursor, add_path=subtype in ADD_PATH)
    common = {"provenance": Provenance.DUMP.value, **index.fields()}
    found: list[Fields] = []
    for entry in entries:
        fields = {**common, "time": entry.originated, **index.peer_fields(entry.peer)}
        if entry.path_id is not None:
            fields["path_id"] = entry.path_id
        found += _route(fields, entry.attributes, destination)
    return found


def _generic(cursor: Cursor, *, add_path: bool = False) -> _Destination:
    family = (cursor.u16("address family"), cursor.u8("subsequent address family"))
    path_id = cursor.u32("path id") if add_path else None
    return _Destination(family, None, _one_nlri(cursor, *family), path_id)


def _generic_add_path(cursor: Cursor) -> tuple[_Destination, list[_Entry]]:
    """RIB_GENERIC_ADDPATH, whose path id senders do not put where RFC 8050 section 4.2 says.

    GoBGP and OpenBGPD have one in each entry, the RFC has it in the NLRI: an exact parse tells.
    """
    start = cursor.position
    try:
        found = _generic(cursor), _entries(cursor, add_path=True)
        if not cursor.remaining:
            return found
    except WireError:
        pass
    cursor.position = start
    destination = _generic(cursor, add_path=True)
    entries = [
        entry._replace(path_id=destination.path_id) for entry in _entries(cursor, add_path=False)
    ]
    return destination, entries


def _entries(cursor: Cursor, *, add_path: bool) -> list[_Entry]:
    found = []
    for _ in range(cursor.u16("entry count")):
        peer, originated = cursor.u16("peer index"), cursor.u32("originated time") * SECOND
        path_id = cursor.u32("path id") if add_path else None
        data = cursor.take(cursor.u16("attribute length"), "attributes")
        found.append(_Entry(peer, originated, path_id, data))
    return found


def _one_nlri(cursor: Cursor, afi: int, safi: int) -> bytes:
    """The octets of the one destination of a RIB_GENERIC record (RFC 6396 section 4.3.3)."""
    start = cursor.position
    length = cursor.u8("nlri length")
    if safi in (FLOWSPEC, FLOWSPEC_VPN):
        if length >= 0xF0:
            length = (length & 0x0F) << 8 | cursor.u8("nlri length")
    elif (afi, safi) == (25, 70):
        length = cursor.u8("nlri length")
    else:
        length = (length + 7) >> 3
    cursor.take(length, "nlri")
    return cursor.data[start : cursor.position]


def read_table_dump(cursor: Cursor, subtype: int) -> list[Fields]:
    """A TABLE_DUMP record: one route of one peer."""
    afi = 1 if subtype in (1, 3) else 2
    size = BITS[afi] >> 3
    view = cursor.u16("view number")
    cursor.u16("sequence number")
    octets, at = cursor.take(size, "prefix"), cursor.position
    length = cursor.u8("prefix length")
    if length > BITS[afi]:
        raise WireError("prefix length", at, f"{length} is more than {BITS[afi]}")
    cursor.u8("status")
    originated = cursor.u32("originated time") * SECOND
    peer = address(cursor.take(size, "peer address"))
    as4 = subtype in (3, 4)
    number = cursor.u32("peer as") if as4 else cursor.u16("peer as")
    data = cursor.take(cursor.u16("attribute length"), "attributes")
    fields: Fields = {"provenance": Provenance.DUMP.value, "time": originated}
    fields |= {"peer": peer, "peer_as": number, "table": str(view) if view else None}
    prefix = prefix_text(octets[: (length + 7) >> 3], length, BITS[afi])
    return _route(fields, data, _Destination((afi, 1), prefix), as4=as4)


def _route(
    common: Fields, attributes: bytes, destination: _Destination, *, as4: bool = True
) -> list[Fields]:
    """One entry as an announcement; one whose attributes cannot be read takes no other along."""
    family, prefix = destination.family, destination.prefix
    name = family_name(*family)
    try:
        if prefix is None:
            found = _read(attributes, *family, destination.nlri, as4)
            return [_merge(route, common) for route in found]
        read = _shared(attributes, family[0], as4)[-1]
    except WireError as error:
        fault = {"kind": Kind.UNDECODABLE.value, "family": name, "reason": f"attributes: {error}"}
        return [{**common, **fault, "prefix": prefix}]
    return [{**_merge(read, common), "family": name, "prefix": prefix}]


def _merge(route: Fields, common: Fields) -> Fields:
    """What the attributes say and what the entry says, and the warnings of both."""
    merged = {**route, **common}
    if "warnings" in route and "warnings" in common:
        merged["warnings"] = common["warnings"] + route["warnings"]
    return merged


@lru_cache(maxsize=16_384)
def _shared(attributes: bytes, afi: int, as4: bool) -> list[Fields]:
    """The fields of every route with these attributes; whoever takes them makes a copy."""
    return _read(attributes, afi, 1, DEFAULT_ROUTE, as4)


def _read(attributes: bytes, afi: int, safi: int, nlri: bytes, as4: bool) -> list[Fields]:
    """The entry as the UPDATE that would announce it, so that there is one reader of UPDATEs."""
    others, hop = _without_mp_reach(attributes)
    if hop is None and (afi, safi) == (1, 1):
        announced = nlri
    else:
        hop = hop or b""
        value = afi.to_bytes(2) + bytes((safi, len(hop))) + hop + b"\0" + nlri
        others += bytes((0x80 | EXTENDED, MP_REACH)) + len(value).to_bytes(2) + value
        announced = b""
    if len(others) > 0xFFFF:
        raise WireError("attributes", 0, f"{len(others)} octets are more than an UPDATE has")
    body = bytes(2) + len(others).to_bytes(2) + others + announced
    return bgp.read_update(Cursor(body), Context(as4=as4))


def _without_mp_reach(attributes: bytes) -> tuple[bytes, bytes | None]:
    """The attributes but MP_REACH_NLRI, and the next hop in that one."""
    cursor = Cursor(attributes)
    others, hop = b"", None
    while cursor.remaining:
        start = cursor.position
        flags, code = cursor.u8("attribute flags"), cursor.u8("attribute type")
        extended = flags & EXTENDED
        length = cursor.u16("attribute length") if extended else cursor.u8("attribute length")
        value = cursor.take(length, "attribute")
        if code == MP_REACH:
            hop = _next_hop(value)
        else:
            others += attributes[start : cursor.position]
    return others, hop


def _next_hop(value: bytes) -> bytes:
    """The next hop of an MP_REACH_NLRI, which a table has without family and NLRI.

    RFC 6396 section 4.3.4 leaves only length and next hop; some writers put the whole attribute,
    whose first octet, of the AFI, is zero.
    """
    cursor = Cursor(value)
    if value[:1] == b"\0":
        cursor.take(3, "mp reach family")
    return cursor.take(cursor.u8("mp reach next hop length"), "mp reach next hop")
