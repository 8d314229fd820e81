"""Path attributes from gRPC as octets (RFC 4271 section 4.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from collector.inputs.gobgp.extended import community_octets, ipv6_community_octets
from collector.inputs.gobgp.octets import Unwrap, address_octets, ipv4_octets, name_of, number
from collector.wire.attributes import EXTENDED, OPTIONAL, TRANSITIVE
from collector.wire.cursor import WireError

Message = Any


@dataclass(frozen=True, slots=True)
class Encoded:
    """The attributes of a path but for its destination."""

    octets: bytes
    next_hop: bytes = b""
    """Of MP_REACH_NLRI; none where there is no such attribute, or no next hop in it."""
    warnings: tuple[str, ...] = ()
    """What gRPC carries and nobody here can say in octets."""


def attribute_octets(messages: Iterable[Message], unwrap: Unwrap) -> Encoded:
    """All attributes of a path. What has no encoder, or cannot be so, is a warning."""
    parts: list[bytes] = []
    warnings: list[str] = []
    next_hop = b""
    for message in messages:
        name = "attribute"
        try:
            attribute = unwrap(message)
            name = name_of(attribute)
            if name == "MpReachNLRIAttribute":
                next_hop = _next_hop(attribute)
            elif name == "UnknownAttribute":
                parts.append(_one(attribute.flags & 0xFF, attribute.type, attribute.value))
            elif name in _ENCODERS:
                flags, code, encode = _ENCODERS[name]
                value = encode(attribute, unwrap, warnings)
                if value is not None:
                    parts.append(_one(flags, code, value))
            else:
                warnings.append(f"attribute-not-decoded: {name}")
        except WireError as error:
            warnings.append(f"attribute-not-decoded: {name}: {error}")
    return Encoded(b"".join(parts), next_hop, tuple(warnings))


def _one(flags: int, code: int, value: bytes) -> bytes:
    if len(value) > 0xFF:
        head = (flags | EXTENDED, code)
        return bytes(head) + number(len(value), 2, "attribute length") + value
    return bytes((flags & ~EXTENDED, code, len(value))) + value


def mp_reach(afi: int, safi: int, next_hop: bytes, nlri: bytes) -> bytes:
    """MP_REACH_NLRI (RFC 4760 section 3)."""
    hop = bytes((len(next_hop),)) + next_hop
    return _one(OPTIONAL, 14, afi.to_bytes(2) + bytes((safi,)) + hop + b"\0" + nlri)


def mp_unreach(afi: int, safi: int, nlri: bytes) -> bytes:
    """MP_UNREACH_NLRI (RFC 4760 section 4)."""
    return _one(OPTIONAL, 15, afi.to_bytes(2) + bytes((safi,)) + nlri)


def next_hop_attribute(address: bytes) -> bytes:
    """NEXT_HOP (RFC 4271 section 5.1.3)."""
    return _one(TRANSITIVE, 3, address)


def _next_hop(attribute: Message) -> bytes:
    return next((octets for hop in attribute.next_hops if (octets := address_octets(hop))), b"")


Value = Callable[[Message, Unwrap, list[str]], bytes | None]


def _as_path(attribute: Message, _: Unwrap, __: list[str]) -> bytes:
    return b"".join(
        number(segment.type, 1, "as path")
        + number(len(segment.numbers), 1, "as path")
        + b"".join(number(each, 4, "as path") for each in segment.numbers)
        for segment in attribute.segments
    )


def _hop(attribute: Message, _: Unwrap, __: list[str]) -> bytes | None:
    """Nothing where GoBGP has no next hop: it is then absent, which the reader warns of."""
    octets = address_octets(attribute.next_hop)
    return octets if len(octets) == 4 else None


def _aggregator(attribute: Message, _: Unwrap, __: list[str]) -> bytes:
    return number(attribute.asn, 4, "aggregator") + ipv4_octets(attribute.address, "aggregator")


def _extended(encode: Callable[[Message], bytes]) -> Value:
    def value(attribute: Message, unwrap: Unwrap, warnings: list[str]) -> bytes | None:
        parts = []
        for held in attribute.communities:
            try:
                parts.append(encode(unwrap(held)))
            except WireError as error:
                warnings.append(f"community-not-decoded: {error}")
        return b"".join(parts) or None

    return value


def _large(attribute: Message, _: Unwrap, __: list[str]) -> bytes:
    return b"".join(
        number(part, 4, "large community")
        for each in attribute.communities
        for part in (each.global_admin, each.local_data1, each.local_data2)
    )


_OPT_TRANS = OPTIONAL | TRANSITIVE
_ENCODERS: dict[str, tuple[int, int, Value]] = {
    "OriginAttribute": (TRANSITIVE, 1, lambda a, *_: number(a.origin, 1, "origin")),
    "AsPathAttribute": (TRANSITIVE, 2, _as_path),
    "NextHopAttribute": (TRANSITIVE, 3, _hop),
    "MultiExitDiscAttribute": (OPTIONAL, 4, lambda a, *_: number(a.med, 4, "med")),
    "LocalPrefAttribute": (TRANSITIVE, 5, lambda a, *_: number(a.local_pref, 4, "local pref")),
    "AtomicAggregateAttribute": (TRANSITIVE, 6, lambda *_: b""),
    "AggregatorAttribute": (_OPT_TRANS, 7, _aggregator),
    "CommunitiesAttribute": (
        _OPT_TRANS,
        8,
        lambda a, *_: b"".join(number(each, 4, "community") for each in a.communities),
    ),
    "OriginatorIdAttribute": (OPTIONAL, 9, lambda a, *_: ipv4_octets(a.id, "originator id")),
    "ClusterListAttribute": (
        OPTIONAL,
        10,
        lambda a, *_: b"".join(ipv4_octets(each, "cluster list") for each in a.ids),
    ),
    "ExtendedCommunitiesAttribute": (_OPT_TRANS, 16, _extended(community_octets)),
    "As4PathAttribute": (_OPT_TRANS, 17, _as_path),
    "As4AggregatorAttribute": (_OPT_TRANS, 18, _aggregator),
    "IP6ExtendedCommunitiesAttribute": (_OPT_TRANS, 25, _extended(ipv6_community_octets)),
    "LargeCommunitiesAttribute": (_OPT_TRANS, 32, _large),
}
"""By the name of the message: flags, type (IANA), what makes the value."""
