"""Addresses and route distinguishers as text."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address

MAPPED = bytes(10) + b"\xff\xff"
"""Before an IPv4 address that is written as an IPv6 one (RFC 4291 section 2.5.5.2)."""


def ipv4(data: bytes) -> str:
    """Four octets as dotted text."""
    a, b, c, d = data
    return f"{a}.{b}.{c}.{d}"


@lru_cache(maxsize=65_536)
def ipv6(data: bytes) -> str:
    """Sixteen octets as text (RFC 5952), IPv4 mapped ones dotted (section 5)."""
    if data[:12] == MAPPED:
        return f"::ffff:{ipv4(data[12:])}"
    return str(IPv6Address(data))


def address(data: bytes) -> str:
    """Four or sixteen octets as text."""
    return ipv4(data) if len(data) == 4 else ipv6(data)


def route_distinguisher(data: bytes) -> str:
    """Eight octets as `administrator:number` (RFC 4364 section 4.2)."""
    kind = int.from_bytes(data[:2])
    if kind == 1:
        return f"{ipv4(data[2:6])}:{int.from_bytes(data[6:8])}"
    if kind == 2:
        return f"{int.from_bytes(data[2:6])}:{int.from_bytes(data[6:8])}"
    if kind == 0:
        return f"{int.from_bytes(data[2:4])}:{int.from_bytes(data[4:8])}"
    return f"0x{data.hex()}"
