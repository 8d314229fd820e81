"""What a generated routing table holds: prefixes, attribute sets, Flowspec rules."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

FEW = 60
"""Prefixes of one UPDATE at most: with VPN ones it stays below 4,096 octets."""


class Family(NamedTuple):
    """An address family (RFC 4760)."""

    afi: int
    safi: int


IPV4, IPV6 = Family(1, 1), Family(2, 1)
VPN = {Family(1, 128): 0.08, Family(2, 128): 0.02, Family(1, 4): 0.04, Family(2, 4): 0.01}
"""Shares of all routes with `--vpn`."""
FLOWSPEC = (Family(1, 133), Family(2, 133))


def _option(default: Any, words: str) -> Any:
    return field(default=default, metadata={"help": words})


@dataclass(frozen=True)
class Shape:
    """How much of what a stream holds; a share is a number from 0 to 1."""

    routes: int = _option(1_000_000, "announcements of all peers together")
    seed: int = _option(1, "another seed, another stream")
    ipv6: float = _option(0.2, "share of IPv6 among the announcements")
    withdrawn: float = _option(0.03, "share of the routes that are withdrawn again")
    flowspec: float = _option(0.001, "Flowspec rules for each route; 0 leaves Flowspec out")
    vpn: bool = _option(False, "VPN and labelled routes too")
    one_prefix: bool = _option(False, "one prefix in each UPDATE")
    prepended: float = _option(0.12, "share of attribute sets with prepends")
    as_sets: float = _option(0.01, "share with an AS_SET")
    communities: float = _option(0.7, "share with communities")
    ext_communities: float = _option(0.05, "share with extended communities")
    large_communities: float = _option(0.15, "share with large communities")
    aggregated: float = _option(0.1, "share with ATOMIC_AGGREGATE and AGGREGATOR")
    med: float = _option(0.4, "share with a MED")


class Origin(NamedTuple):
    """What the origin and its upstreams say of some prefixes: the same from every peer."""

    code: int
    path: tuple[int, ...]
    members: tuple[int, ...]
    """Of the AS_SET at the end of the path."""
    communities: bytes
    ext_communities: bytes
    large_communities: bytes
    aggregator: int
    med: int | None
    preference: int


@dataclass
class World:
    """All there is to announce."""

    tables: int
    """How many peers and views the routes are for."""
    families: list[Family]
    prefixes: dict[Family, list[bytes]]
    groups: dict[Family, list[tuple[Origin, int]]]
    """Attribute sets, each with how many of the prefixes it is for, in order."""
    shares: dict[Family, list[int]]
    """How many of the prefixes are in each table."""

    def of(self, number: int) -> Iterator[tuple[Family, list[bytes]]]:
        """What is in one table."""
        for family, prefixes in self.prefixes.items():
            yield family, prefixes[: self.shares[family][number]]


def around(chance: random.Random, mean: float) -> int:
    """A count of about this mean: mostly few, seldom many."""
    return min(1 + int(chance.expovariate(1 / (mean - 0.5))), FEW)


def world(shape: Shape, chance: random.Random, tables: int) -> World:
    """A world from which this many tables take their parts, together `shape.routes`."""
    parts = {family: share for family, share in VPN.items() if shape.vpn}
    unicast = 1 - sum(parts.values())
    parts = {IPV4: unicast * (1 - shape.ipv6), IPV6: unicast * shape.ipv6, **parts}
    totals = {family: round(shape.routes * share) for family, share in parts.items()}
    totals[IPV4] += shape.routes - sum(totals.values())
    families = [*parts, *(FLOWSPEC if shape.flowspec else ())]
    shares = {
        family: [total // tables + (number < total % tables) for number in range(tables)]
        for family, total in totals.items()
    }
    numbers = _as_numbers(chance)
    prefixes = {family: _prefixes(chance, family, max(shares[family])) for family in parts}
    groups = {family: _groups(shape, chance, numbers, len(prefixes[family])) for family in parts}
    return World(tables, families, prefixes, groups, shares)


def _as_numbers(chance: random.Random) -> list[int]:
    """A third of all AS numbers in use have four octets."""
    two = [chance.randint(1_000, 64_000) for _ in range(50_000)]
    return two + [chance.randint(131_072, 401_308) for _ in range(25_000)]


TRANSIT = (174, 701, 1273, 1299, 2914, 3257, 3320, 3356, 3491, 5511, 6453, 6461, 6762, 6939, 7018)
_LENGTHS = {
    1: (
        (24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 12, 8),
        (60, 10, 11, 5, 5, 3, 2, 1, 2, 1, 1, 1, 1),
    ),
    2: ((48, 32, 44, 40, 36, 29, 46, 47, 33, 64, 56), (48, 13, 10, 10, 5, 3, 4, 3, 2, 1, 1)),
}
"""Prefix lengths by AFI, with their weights."""
_IPV6_BLOCKS = (0x2001, 0x2400, 0x2600, 0x2804, 0x2A00, 0x2C0F)


def _prefixes(chance: random.Random, family: Family, count: int) -> list[bytes]:
    """Different prefixes as NLRI, those of VPNs with a label and a distinguisher."""
    found: dict[bytes, None] = {}
    lengths = itertools.accumulate(_LENGTHS[family.afi][1])
    weights = list(lengths)
    while len(found) < count:
        (length,) = chance.choices(_LENGTHS[family.afi][0], cum_weights=weights)
        bits = 32 if family.afi == 1 else 128
        if family.afi == 1:
            first = chance.choice((*range(1, 10), *range(11, 127), *range(128, 224)))
            value = first << 24 | chance.getrandbits(24)
        else:
            value = chance.choice(_IPV6_BLOCKS) << 112 | chance.getrandbits(112)
        octets = (value >> bits - length << bits - length).to_bytes(bits // 8)
        found[_labelled(chance, family, length, octets[: (length + 7) // 8])] = None
    return list(found)


def _labelled(chance: random.Random, family: Family, length: int, octets: bytes) -> bytes:
    """The NLRI of a prefix: with a label (RFC 8277) and a route distinguisher (RFC 4364)."""
    if family.safi == 1:
        return bytes([length]) + octets
    label = (chance.randint(16, 2**20 - 1) << 4 | 1).to_bytes(3)
    if family.safi == 4:
        return bytes([length + 24]) + label + octets
    distinguisher = struct.pack("!HHI", 0, 64_500, chance.randint(1, 50))
    return bytes([length + 88]) + label + distinguisher + octets


def withdrawn(family: Family, nlri: bytes) -> bytes:
    """The NLRI that takes a prefix back: its label does not count (RFC 8277 section 2.4)."""
    return nlri if family.safi == 1 else nlri[:1] + b"\x80\0\0" + nlri[4:]


def _groups(
    shape: Shape, chance: random.Random, numbers: list[int], count: int
) -> list[tuple[Origin, int]]:
    found: list[tuple[Origin, int]] = []
    covered = 0
    while covered < count:
        size = around(chance, 8)
        found.append((_origin(shape, chance, numbers), size))
        covered += size
    return found


def _origin(shape: Shape, chance: random.Random, numbers: list[int]) -> Origin:
    hops = [chance.choice(TRANSIT)]
    hops += chance.choices(numbers, k=chance.choices((1, 2, 3, 4), (10, 40, 35, 15))[0])
    if chance.random() < shape.prepended:
        hops += [hops[-1]] * chance.randint(1, 3)
    members: tuple[int, ...] = ()
    if chance.random() < shape.as_sets:
        members = tuple(chance.choices(numbers, k=chance.randint(1, 3)))
    communities = ext_communities = large_communities = b""
    if chance.random() < shape.communities:
        communities = b"".join(
            struct.pack("!HH", chance.choice(TRANSIT), chance.randint(1, 65_000))
            for _ in range(min(around(chance, 5), 24))
        )
    if chance.random() < shape.ext_communities:
        ext_communities = b"".join(
            struct.pack("!BBHI", 0, 2, chance.choice(TRANSIT), chance.randint(1, 70_000))
            for _ in range(chance.randint(1, 3))
        )
    if chance.random() < shape.large_communities:
        large_communities = b"".join(
            struct.pack(
                "!III", chance.choice(numbers), chance.randint(0, 99), chance.randint(0, 9999)
            )
            for _ in range(chance.randint(1, 6))
        )
    return Origin(
        code=chance.choices((0, 1, 2), (90, 1, 9))[0],
        path=tuple(hops),
        members=members,
        communities=communities,
        ext_communities=ext_communities,
        large_communities=large_communities,
        aggregator=hops[-1] if chance.random() < shape.aggregated else 0,
        med=chance.randint(0, 300) if chance.random() < shape.med else None,
        preference=chance.choice((90, 100, 100, 120, 200)),
    )


# Flowspec

_ATTACKED = (19, 53, 123, 161, 389, 1900, 11_211)
"""UDP ports that amplify."""


def _values(*pairs: tuple[int, int]) -> bytes:
    """Operators and values of a component (RFC 8955 section 4.2.1)."""
    out = b""
    for number, (operator, value) in enumerate(pairs):
        wide = value > 255
        operator |= wide << 4 | (number == len(pairs) - 1) << 7  # noqa: PLW2901 - its own bits
        out += bytes([operator]) + value.to_bytes(2 if wide else 1)
    return out


def rule(chance: random.Random, afi: int) -> bytes:
    """One Flowspec NLRI with its length: a victim, and some of what it is attacked with."""
    if afi == 1:
        victim = bytes([chance.randint(11, 200)]) + chance.randbytes(3)
        out = b"\x01\x20" + victim
    else:
        out = b"\x01\x80\0\x20\x01\x0d\xb8" + chance.randbytes(12)
    out += b"\x03" + _values((1, chance.choice((6, 17))))
    optional = (
        b"\x05" + _values((3, 1_024), (0x45, 2_048)),
        b"\x06" + _values((1, chance.choice(_ATTACKED)), (1, 0)),
        b"\x09" + _values((1, chance.choice((2, 16, 18)))),
        b"\x0a" + _values((3, 500), (0x45, 1_500)),
        b"\x0b" + _values((1, chance.randint(0, 63))),
    )
    out += b"".join(component for component in optional if chance.random() < 0.4)
    return bytes([len(out)]) + out


def action(chance: random.Random) -> bytes:
    """Drop, limit, mark or redirect (RFC 8955 section 7)."""
    return chance.choice(
        (
            struct.pack("!BBHf", 0x80, 6, 64_500, 0.0),
            struct.pack("!BBHf", 0x80, 6, 64_500, 125_000.0),
            struct.pack("!BBHI", 0x80, 8, 64_500, 666),
            struct.pack("!BB5xB", 0x80, 9, 46),
        )
    )
