"""Unicast prefixes (RFC 4271 section 4.3), with or without path ids (RFC 7911)."""

from __future__ import annotations

from collector.wire.addresses import ipv4, ipv6
from collector.wire.cursor import Cursor, WireError

BITS = {1: 32, 2: 128}
"""Address length by AFI."""

Prefix = tuple[str, int | None]
"""Canonical text, and the path id where there is one."""


def read_prefixes(cursor: Cursor, afi: int, *, add_path: bool) -> list[Prefix]:
    """All prefixes of the window. Raises WireError where one is too long or cut short."""
    found: list[Prefix] = []
    while cursor.remaining:
        path_id = cursor.u32("path id") if add_path else None
        found.append((read_prefix(cursor, BITS[afi]), path_id))
    return found


def read_prefix(cursor: Cursor, bits: int) -> str:
    """One length-and-address pair as canonical text; host bits are cleared."""
    at = cursor.position
    length = cursor.u8("prefix length")
    if length > bits:
        raise WireError("prefix length", at, f"{length} is more than {bits}")
    data = cursor.take((length + 7) >> 3, "prefix")
    return prefix_text(data, length, bits)


def prefix_text(data: bytes, length: int, bits: int) -> str:
    """The significant octets of a prefix as `address/length`."""
    if length & 7:
        data = data[:-1] + bytes((data[-1] & (0xFF00 >> (length & 7)) & 0xFF,))
    data = data.ljust(bits >> 3, b"\0")
    return f"{ipv4(data) if bits == 32 else ipv6(data)}/{length}"
