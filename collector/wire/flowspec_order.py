"""The order in which routers apply Flowspec rules (RFC 8955 section 5.1, RFC 8956 section 4).

The first rule that a packet matches is the one that counts. Of two rules, component by component:
that with the lower type goes first; of two prefixes the one with the lower offset, then with the
lower bits, and where one covers the other the longer; of two other values the lower octets, and
where one begins with the other the longer; and where one rule ends before the other, the longer.
"""

from __future__ import annotations

from collections.abc import Iterable

PREFIXES = (1, 2)
LONGER_BITS, LONGER_OCTETS, ENDED = "2", "g", "zz"
"""Behind each value stands what sorts after anything that a longer one has there."""


def precedence(components: Iterable[tuple[int, bytes]], afi: int) -> str:
    """Text that sorts as the rule does among those of its address family.

    `components` are types and values as they stand on the wire, without the type.
    """
    return "".join(_key(kind, value, afi) for kind, value in sorted(components)) + ENDED


def _key(kind: int, value: bytes, afi: int) -> str:
    if kind not in PREFIXES:
        return f"{kind:02x}{value.hex()}{LONGER_OCTETS}"
    if afi == 1:
        length, pattern = value[0], value[1:]
        return f"{kind:02x}{_bits(pattern, length)}{LONGER_BITS}"
    length, offset, pattern = value[0], value[1], value[2:]
    return f"{kind:02x}{offset:02x}{_bits(pattern, length - offset)}{LONGER_BITS}"


def _bits(octets: bytes, count: int) -> str:
    return f"{int.from_bytes(octets):0{len(octets) * 8}b}"[:count] if count else ""
