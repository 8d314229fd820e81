"""BMP, BGP and MRT messages octet by octet, as far as a generated stream needs them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

MARKER = b"\xff" * 16
ROUTE_MONITORING, STATISTICS, PEER_DOWN, PEER_UP, INITIATION, TERMINATION = range(6)
OPEN, UPDATE, NOTIFICATION = 1, 2, 3
WELL_KNOWN, OPTIONAL, TRANSITIVE, EXTENDED = 0x40, 0x80, 0xC0, 0x10
AS_TRANS = 23456
AS_SET, AS_SEQUENCE = 1, 2
SEND_AND_RECEIVE = 3

AFI_SAFI = tuple[int, int]


def bmp(kind: int, body: bytes) -> bytes:
    """One BMP version 3 message (RFC 7854 section 4.1)."""
    return struct.pack("!BIB", 3, 6 + len(body), kind) + body


def tlv(kind: int, value: bytes) -> bytes:
    """One information or statistics TLV (RFC 7854 sections 4.4 and 4.8)."""
    return struct.pack("!HH", kind, len(value)) + value


def bgp(kind: int, body: bytes) -> bytes:
    """One BGP message (RFC 4271 section 4.1)."""
    return MARKER + struct.pack("!HB", 19 + len(body), kind) + body


def update(withdrawn: bytes, attributes: bytes, nlri: bytes) -> bytes:
    """One UPDATE (RFC 4271 section 4.3)."""
    sizes = struct.pack("!H", len(withdrawn)), struct.pack("!H", len(attributes))
    return bgp(UPDATE, sizes[0] + withdrawn + sizes[1] + attributes + nlri)


def attribute(flags: int, code: int, value: bytes) -> bytes:
    """One path attribute (RFC 4271 section 4.3), its length in two octets where it must be."""
    if len(value) > 255:
        return struct.pack("!BBH", flags | EXTENDED, code, len(value)) + value
    return struct.pack("!BBB", flags, code, len(value)) + value


def reach(family: AFI_SAFI, hop: bytes, nlri: bytes) -> bytes:
    """MP_REACH_NLRI (RFC 4760 section 3)."""
    value = struct.pack("!HBB", *family, len(hop)) + hop + b"\0" + nlri
    return attribute(OPTIONAL, 14, value)


def unreach(family: AFI_SAFI, nlri: bytes) -> bytes:
    """MP_UNREACH_NLRI (RFC 4760 section 4); without NLRI an End-of-RIB (RFC 4724 section 2)."""
    return attribute(OPTIONAL, 15, struct.pack("!HB", *family) + nlri)


def path(sequence: Sequence[int], members: Sequence[int], *, as4: bool) -> bytes:
    """An AS path: a sequence and, where it has members, a set (RFC 4271, RFC 6793)."""
    out = b""
    for kind, numbers in ((AS_SEQUENCE, sequence), (AS_SET, members)):
        if numbers:
            written = [n if as4 or n < 65536 else AS_TRANS for n in numbers]
            size = "I" if as4 else "H"
            out += struct.pack(f"!BB{len(written)}{size}", kind, len(written), *written)
    return out


def bgp_open(
    number: int,
    bgp_id: bytes,
    families: Iterable[AFI_SAFI],
    add_path: Iterable[AFI_SAFI],
    as4: bool,
) -> bytes:
    """An OPEN with its capabilities (RFC 4271 section 4.2, RFC 5492), one parameter for each."""
    capabilities = [(1, struct.pack("!HBB", afi, 0, safi)) for afi, safi in families]
    capabilities += [(2, b""), (64, struct.pack("!HHBB", 120, 1, 1, 0)), (70, b"")]
    if as4:
        capabilities.append((65, struct.pack("!I", number)))
    modes = b"".join(struct.pack("!HBB", *family, SEND_AND_RECEIVE) for family in add_path)
    if modes:
        capabilities.append((69, modes))
    parameters = b"".join(
        struct.pack("!BBBB", 2, 2 + len(value), code, len(value)) + value
        for code, value in capabilities
    )
    short = number if number < 65536 else AS_TRANS
    fixed = struct.pack("!BHH4sB", 4, short, 180, bgp_id, len(parameters))
    return bgp(OPEN, fixed + parameters)


def mrt(subtype: int, seconds: int, microseconds: int, body: bytes) -> bytes:
    """One BGP4MP_ET record (RFC 6396 section 3); `subtype` of RFC 6396 4.4 or RFC 8050."""
    return struct.pack("!IHHII", seconds, 17, subtype, 4 + len(body), microseconds) + body
