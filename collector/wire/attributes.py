"""Path attributes (RFC 4271 section 4.3 and its successors), one small function each.

Faults follow RFC 7606: a fault that does not endanger the session becomes a warning on the value,
and one that makes the route unusable makes it a withdrawal (`treat_as_withdraw`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from collector.wire.addresses import address, ipv4, ipv6
from collector.wire.communities import (
    Action,
    community,
    ext_community,
    flowspec_action,
    ipv6_ext_community,
    ipv6_flowspec_action,
    large_community,
)
from collector.wire.cursor import Cursor, WireError

OPTIONAL, TRANSITIVE, EXTENDED = 0x80, 0x40, 0x10
ORIGINS = ("igp", "egp", "incomplete")
AS_TRANS = 23456
AS_SET, AS_SEQUENCE, CONFED_SEQUENCE, CONFED_SET = 1, 2, 3, 4

Segment = tuple[int, tuple[int, ...]]


@dataclass(slots=True)
class MpReach:
    """MP_REACH_NLRI (RFC 4760 section 3), its NLRI still as bytes."""

    afi: int
    safi: int
    next_hop: str | None
    nlri: Cursor


@dataclass(slots=True)
class MpUnreach:
    """MP_UNREACH_NLRI (RFC 4760 section 4), its NLRI still as bytes."""

    afi: int
    safi: int
    nlri: Cursor


@dataclass(slots=True)
class Attributes:
    """What one UPDATE says of its routes."""

    values: dict[str, Any] = field(default_factory=dict)
    """Fields of `Event` by name."""
    warnings: list[str] = field(default_factory=list)
    treat_as_withdraw: str | None = None
    """Why the routes must be taken as withdrawn (RFC 7606 section 2)."""
    reach: MpReach | None = None
    unreach: MpUnreach | None = None
    ext_communities: list[bytes] = field(default_factory=list)
    ipv6_ext_communities: list[bytes] = field(default_factory=list)
    as_path: list[Segment] | None = None
    as4_path: list[Segment] | None = None
    is_whole: bool = False
    """The AS_PATH has four octets for each AS, so that no AS4_PATH is needed."""
    as4_aggregator: str | None = None

    def actions(self, next_hop: str | None) -> tuple[Action, ...]:
        """What a Flowspec rule with these attributes does; no action at all is `accept`."""
        found: list[Action] = []
        for data in self.ext_communities:
            found += flowspec_action(data, next_hop)
        for data in self.ipv6_ext_communities:
            found += ipv6_flowspec_action(data)
        return tuple(found) or ({"action": "accept"},)


class _FaultError(Exception):
    """A malformed attribute that RFC 7606 answers with treat-as-withdraw."""


def read_attributes(cursor: Cursor, *, as4: bool) -> Attributes:
    """All path attributes of the window; `as4` says whether AS numbers have four octets.

    Attributes that run past their end make the routes that are known withdrawals (RFC 7606
    section 4). Raises WireError where an MP attribute is broken: then nobody knows which routes
    are meant (section 3, items j and k; section 5.3).
    """
    found = Attributes()
    seen: set[int] = set()
    while cursor.remaining:
        try:
            flags, code, value = _next_attribute(cursor)
        except WireError as error:
            cursor.rest()
            found.treat_as_withdraw = found.treat_as_withdraw or str(error)
            break
        if code in seen:
            if code in (14, 15):
                raise WireError(f"attribute {code}", value.position, "stands twice")
            found.warnings.append(f"attribute-repeated: {code}")  # the first counts
            continue
        seen.add(code)
        _read_one(found, code, flags, value, as4=as4)
    _merge_as4(found, as4=as4)
    return found


def _next_attribute(cursor: Cursor) -> tuple[int, int, Cursor]:
    """Flags, type and value of the next attribute."""
    flags = cursor.u8("attribute flags")
    code = cursor.u8("attribute type")
    read_length = cursor.u16 if flags & EXTENDED else cursor.u8
    length = read_length("attribute length")
    return flags, code, cursor.window(length, "attribute")


def _read_one(found: Attributes, code: int, flags: int, value: Cursor, *, as4: bool) -> None:
    read = _READERS.get(code)
    if read is None:
        octets = value.rest().hex()
        unknown = f"{code} 0x{flags:02x} {octets}".rstrip()
        found.values["unknown_attributes"] = (*found.values.get("unknown_attributes", ()), unknown)
        return
    name = _NAMES[code]
    if flags & (OPTIONAL | TRANSITIVE) != _FLAGS[code]:
        # RFC 7606 section 3, item c, would withdraw the routes; the router that speaks to us holds
        # them all the same, and routers that keep such routes exist.
        found.warnings.append(f"attribute-flags: {name} 0x{flags:02x}")
    if code in (14, 15):
        read(found, value, as4)
        return
    try:
        read(found, value, as4)
        value.finish(name)
    except (_FaultError, WireError) as fault:
        if code in _DISCARDED:
            found.warnings.append(f"attribute-discarded: {fault}")
        else:
            found.treat_as_withdraw = found.treat_as_withdraw or str(fault)


def _origin(found: Attributes, value: Cursor, _: bool) -> None:
    code = value.u8("origin")
    if code >= len(ORIGINS):
        raise _FaultError(f"origin is {code}")
    found.values["origin"] = ORIGINS[code]


def _segments(value: Cursor, field_name: str, *, as4: bool) -> list[Segment]:
    segments: list[Segment] = []
    while value.remaining:
        kind, count = value.u8(field_name), value.u8(field_name)
        if not 1 <= kind <= 4:
            raise _FaultError(f"{field_name} has a segment of type {kind}")
        if not count:
            raise _FaultError(f"{field_name} has an empty segment")
        width = 4 if as4 else 2
        data = value.take(count * width, field_name)
        numbers = tuple(int.from_bytes(data[i : i + width]) for i in range(0, len(data), width))
        segments.append((kind, numbers))
    return segments


def _as_path(found: Attributes, value: Cursor, as4: bool) -> None:
    start = value.position
    found.is_whole = as4
    try:
        found.as_path = _segments(value, "as path", as4=as4)
    except (_FaultError, WireError):
        # Some senders write two octets and say four; only an exact parse is believed.
        value.position = start
        try:
            found.as_path = _segments(value, "as path", as4=not as4)
        except (_FaultError, WireError):
            value.position = start
            _segments(value, "as path", as4=as4)
        found.is_whole = not as4
        found.warnings.append("as-path-width-not-as-announced")


def _as4_path(found: Attributes, value: Cursor, _: bool) -> None:
    found.as4_path = _segments(value, "as4 path", as4=True)


def _next_hop(found: Attributes, value: Cursor, _: bool) -> None:
    found.values["next_hop"] = ipv4(value.take(4, "next hop"))


def _number(name: str) -> Callable[[Attributes, Cursor, bool], None]:
    def read(found: Attributes, value: Cursor, _: bool) -> None:
        found.values[name] = value.u32(name)

    return read


def _atomic_aggregate(found: Attributes, _: Cursor, __: bool) -> None:
    found.values["atomic_aggregate"] = True


def _aggregator(found: Attributes, value: Cursor, as4: bool) -> None:
    number = value.u32("aggregator") if as4 else value.u16("aggregator")
    found.values["aggregator"] = f"{number} {ipv4(value.take(4, 'aggregator'))}"


def _as4_aggregator(found: Attributes, value: Cursor, _: bool) -> None:
    number = value.u32("as4 aggregator")
    found.as4_aggregator = f"{number} {ipv4(value.take(4, 'as4 aggregator'))}"


def _each(value: Cursor, size: int, name: str) -> list[bytes]:
    if not value.remaining or value.remaining % size:
        raise _FaultError(f"{name} has {value.remaining} octets, not a multiple of {size}")
    data = value.rest()
    return [data[i : i + size] for i in range(0, len(data), size)]


def _communities(found: Attributes, value: Cursor, _: bool) -> None:
    each = _each(value, 4, "communities")
    found.values["communities"] = tuple(community(int.from_bytes(data)) for data in each)


def _ext_communities(found: Attributes, value: Cursor, _: bool) -> None:
    found.ext_communities = _each(value, 8, "extended communities")
    texts = tuple(map(ext_community, found.ext_communities))
    found.values["ext_communities"] = texts + found.values.get("ext_communities", ())


def _ipv6_ext_communities(found: Attributes, value: Cursor, _: bool) -> None:
    found.ipv6_ext_communities = _each(value, 20, "ipv6 extended communities")
    texts = tuple(map(ipv6_ext_community, found.ipv6_ext_communities))
    found.values["ext_communities"] = found.values.get("ext_communities", ()) + texts


def _large_communities(found: Attributes, value: Cursor, _: bool) -> None:
    each = _each(value, 12, "large communities")
    found.values["large_communities"] = tuple(map(large_community, each))


def _originator_id(found: Attributes, value: Cursor, _: bool) -> None:
    found.values["originator_id"] = ipv4(value.take(4, "originator id"))


def _cluster_list(found: Attributes, value: Cursor, _: bool) -> None:
    found.values["cluster_list"] = tuple(map(ipv4, _each(value, 4, "cluster list")))


def _mp_reach(found: Attributes, value: Cursor, _: bool) -> None:
    afi, safi = value.u16("mp reach afi"), value.u8("mp reach safi")
    hop = value.take(value.u8("mp reach next hop length"), "mp reach next hop")
    value.u8("mp reach reserved octet")
    found.reach = MpReach(afi, safi, _mp_next_hop(found, hop), value)


def _mp_next_hop(found: Attributes, hop: bytes) -> str | None:
    """The global address of a next hop; VPN ones have a zero RD before it (RFC 4364)."""
    if not hop:
        return None
    if len(hop) in (4, 16):
        return address(hop)
    if len(hop) == 32:  # global and link-local (RFC 2545 section 3)
        return ipv6(hop[:16])
    if len(hop) in (12, 24, 48):
        return address(hop[8:12] if len(hop) == 12 else hop[8:24])
    found.warnings.append(f"next-hop-length: {len(hop)} octets")
    return None


def _mp_unreach(found: Attributes, value: Cursor, _: bool) -> None:
    afi, safi = value.u16("mp unreach afi"), value.u8("mp unreach safi")
    found.unreach = MpUnreach(afi, safi, value)


def _merge_as4(found: Attributes, *, as4: bool) -> None:
    """The real path and aggregator of a two-octet session (RFC 6793 section 4.2.3)."""
    path = found.as_path
    if path is not None:
        if not found.is_whole and found.as4_path:
            keep = _length(path) - _length(found.as4_path)
            if keep >= 0:  # a longer AS4_PATH is to be ignored
                path = [*_first(path, keep), *found.as4_path]
        found.values["as_path"] = path_text(path)
        if path and path[-1][0] == AS_SEQUENCE:
            found.values["origin_as"] = path[-1][1][-1]
    hidden = found.values.get("aggregator", "").startswith(f"{AS_TRANS} ")
    if not as4 and hidden and found.as4_aggregator:
        found.values["aggregator"] = found.as4_aggregator


def _length(path: list[Segment]) -> int:
    """A set counts as one (RFC 4271 section 9.1.2.2), confederation segments not (RFC 5065)."""
    return sum(len(numbers) if kind == AS_SEQUENCE else kind == AS_SET for kind, numbers in path)


def _first(path: list[Segment], count: int) -> list[Segment]:
    kept: list[Segment] = []
    for kind, numbers in path:
        if kind == AS_SEQUENCE:
            if numbers[:count]:
                kept.append((kind, numbers[:count]))
            count -= min(count, len(numbers))
        elif count or kind in (CONFED_SEQUENCE, CONFED_SET):
            kept.append((kind, numbers))
            count -= kind == AS_SET
    return kept


def path_text(path: list[Segment]) -> str:
    """An AS path as text: sets in braces, confederation segments in brackets (RFC 5065)."""
    parts: list[str] = []
    for kind, numbers in path:
        if kind == AS_SEQUENCE:
            parts.append(" ".join(map(str, numbers)))
        elif kind == AS_SET:
            parts.append("{" + ",".join(map(str, numbers)) + "}")
        elif kind == CONFED_SEQUENCE:
            parts.append("(" + " ".join(map(str, numbers)) + ")")
        else:
            parts.append("[" + ",".join(map(str, numbers)) + "]")
    return " ".join(parts)


_WELL_KNOWN, _OPT, _OPT_TRANS = TRANSITIVE, OPTIONAL, OPTIONAL | TRANSITIVE
_TABLE: dict[int, tuple[str, int, Callable[[Attributes, Cursor, bool], None]]] = {
    1: ("origin", _WELL_KNOWN, _origin),
    2: ("as path", _WELL_KNOWN, _as_path),
    3: ("next hop", _WELL_KNOWN, _next_hop),
    4: ("med", _OPT, _number("med")),
    5: ("local pref", _WELL_KNOWN, _number("local_pref")),
    6: ("atomic aggregate", _WELL_KNOWN, _atomic_aggregate),
    7: ("aggregator", _OPT_TRANS, _aggregator),
    8: ("communities", _OPT_TRANS, _communities),
    9: ("originator id", _OPT, _originator_id),
    10: ("cluster list", _OPT, _cluster_list),
    14: ("mp reach", _OPT, _mp_reach),
    15: ("mp unreach", _OPT, _mp_unreach),
    16: ("extended communities", _OPT_TRANS, _ext_communities),
    17: ("as4 path", _OPT_TRANS, _as4_path),
    18: ("as4 aggregator", _OPT_TRANS, _as4_aggregator),
    25: ("ipv6 extended communities", _OPT_TRANS, _ipv6_ext_communities),
    32: ("large communities", _OPT_TRANS, _large_communities),
}
"""By attribute type (IANA): its name, its flags, what reads it. A new attribute is a new line."""
_NAMES = {code: row[0] for code, row in _TABLE.items()}
_FLAGS = {code: row[1] for code, row in _TABLE.items()}
_READERS = {code: row[2] for code, row in _TABLE.items()}
_DISCARDED = {6, 7, 17, 18}
"""Malformed ones are dropped and the route kept (RFC 7606 section 7.6, 7.7; RFC 6793 section 6)."""
