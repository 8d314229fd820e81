"""Builds BMP and BGP messages octet by octet, for tests that need what no capture has."""

from __future__ import annotations

import struct
from ipaddress import ip_address

MARKER = b"\xff" * 16
NOW = 1_800_000_000 * 1_000_000_000


def bgp(kind: int, body: bytes) -> bytes:
    return MARKER + struct.pack("!HB", 19 + len(body), kind) + body


def attribute(code: int, value: bytes, flags: int = 0x40) -> bytes:
    if len(value) > 255:
        return struct.pack("!BBH", flags | 0x10, code, len(value)) + value
    return struct.pack("!BBB", flags, code, len(value)) + value


def update(withdrawn: bytes = b"", attributes: bytes = b"", nlri: bytes = b"") -> bytes:
    body = struct.pack("!H", len(withdrawn)) + withdrawn
    body += struct.pack("!H", len(attributes)) + attributes + nlri
    return bgp(2, body)


def prefix(text: str) -> bytes:
    address, _, length = text.partition("/")
    octets = ip_address(address).packed[: (int(length) + 7) // 8]
    return bytes([int(length)]) + octets


BASIC = attribute(1, b"\0") + attribute(2, b"\x02\x01\0\0\xfd\xea") + attribute(3, b"\x0a\0\0\x01")
"""ORIGIN igp, AS_PATH 65002, NEXT_HOP 10.0.0.1."""


def reach(afi: int, safi: int, hop: bytes, nlri: bytes) -> bytes:
    value = struct.pack("!HBB", afi, safi, len(hop)) + hop + b"\0" + nlri
    return attribute(14, value, 0x80)


def unreach(afi: int, safi: int, nlri: bytes) -> bytes:
    return attribute(15, struct.pack("!HB", afi, safi) + nlri, 0x80)


def ext(*communities: str) -> bytes:
    return attribute(16, b"".join(map(bytes.fromhex, communities)), 0xC0)


def peer_header(
    peer: str = "10.0.0.1", flags: int = 0, kind: int = 0, seconds: int = 1_700_000_000
) -> bytes:
    address = ip_address(peer)
    flags |= 0x80 if address.version == 6 else 0
    octets = address.packed.rjust(16, b"\0")
    return (
        struct.pack("!BB8s16sI", kind, flags, bytes(8), octets, 65002)
        + ip_address("10.0.0.1").packed
        + struct.pack("!II", seconds, 250_000)
    )


def bmp(kind: int, body: bytes, version: int = 3) -> bytes:
    return struct.pack("!BIB", version, 6 + len(body), kind) + body


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value


def initiation(name: str = "r1") -> bytes:
    return bmp(4, tlv(2, name.encode()) + tlv(1, b"a router"))


def bgp_open(capabilities: bytes = b"", as_number: int = 65002) -> bytes:
    parameters = struct.pack("!BB", 2, len(capabilities)) + capabilities if capabilities else b""
    body = struct.pack("!BHH4sB", 4, as_number, 90, b"\x0a\0\0\x01", len(parameters)) + parameters
    return bgp(1, body)


def peer_up(header: bytes | None = None, ours: bytes = b"", theirs: bytes = b"") -> bytes:
    local = ip_address("10.0.0.254").packed.rjust(16, b"\0") + struct.pack("!HH", 179, 40000)
    return bmp(3, (header or peer_header()) + local + bgp_open(ours) + bgp_open(theirs))


def add_path(afi: int, safi: int, mode: int) -> bytes:
    return struct.pack("!BBHBB", 69, 4, afi, safi, mode)


def monitoring(message: bytes, header: bytes | None = None) -> bytes:
    return bmp(0, (header or peer_header()) + message)
