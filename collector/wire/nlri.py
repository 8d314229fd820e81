"""Prefixes as NLRI: plain (RFC 4271), labelled (RFC 8277) and L3VPN (RFC 4364, RFC 4659)."""

from __future__ import annotations

from typing import Any

from collector.wire.addresses import ipv4, ipv6, route_distinguisher
from collector.wire.cursor import Cursor, WireError

BITS = {1: 32, 2: 128}
"""Address length by AFI."""
LABEL, RD = 24, 64
"""Bits of a label and of a route distinguisher, both of which count as part of the prefix."""
WITHDRAWN_LABELS = {0x800000, 0x000000}
"""What stands for the labels in a withdrawal (RFC 8277 section 2.4, RFC 3107 section 3)."""

Fields = dict[str, Any]


def read_prefixes(cursor: Cursor, afi: int, *, add_path: bool) -> list[Fields]:
    """All prefixes of the window. Raises WireError where one is too long or cut short."""
    bits = BITS[afi]
    found: list[Fields] = []
    while cursor.remaining:
        if add_path:
            path_id = cursor.u32("path id")
            found.append({"prefix": read_prefix(cursor, bits), "path_id": path_id})
        else:
            found.append({"prefix": read_prefix(cursor, bits)})
    return found


def read_labelled(cursor: Cursor, afi: int, *, add_path: bool, vpn: bool) -> list[Fields]:
    """All labelled prefixes of the window; those of a VPN have a route distinguisher too."""
    found: list[Fields] = []
    while cursor.remaining:
        fields: Fields = {"path_id": cursor.u32("path id")} if add_path else {}
        at = cursor.position
        length = cursor.u8("prefix length")
        labels, used = _labels(cursor)
        if labels:
            fields["labels"] = labels
        length -= used
        if vpn:
            fields["rd"] = route_distinguisher(cursor.take(8, "route distinguisher"))
            length -= RD
        if not 0 <= length <= BITS[afi]:
            raise WireError("prefix length", at, f"{length} is not 0 to {BITS[afi]}")
        data = cursor.take((length + 7) >> 3, "prefix")
        found.append({**fields, "prefix": prefix_text(data, length, BITS[afi])})
    return found


def _labels(cursor: Cursor) -> tuple[tuple[int, ...], int]:
    """The label stack up to the label with the bottom bit, and the bits that it took."""
    labels: list[int] = []
    while True:
        entry = int.from_bytes(cursor.take(3, "label"))
        used = LABEL * (len(labels) + 1)
        if entry in WITHDRAWN_LABELS and not labels:
            return (), used
        labels.append(entry >> 4)
        if entry & 1:
            return tuple(labels), used


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
