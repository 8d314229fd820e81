"""Prefixes as the store keeps them: IPv6 addresses and lengths, IPv4 mapped into them."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_network
from typing import Any

MAPPED = "::ffff:"
"""Before an IPv4 address where an IPv6 one is stored (RFC 4291 section 2.5.5.2)."""
V4 = 96
"""Length of the prefix that IPv4 is mapped into."""
IS_PREFIX = "NOT (nlri != '' AND length = 0)"
"""Whether a route of table `routes` is one of a prefix."""


def prefix_range(prefix: str) -> tuple[str, int, str]:
    """A prefix (or an address) as first IPv6 address, length there, and last address.

    Raises ValueError.
    """
    network = ip_network(prefix, strict=False)
    first, last = int(network.network_address), int(network.broadcast_address)
    length = network.prefixlen
    if network.version == 4:
        mapped = 0xFFFF << 32
        first, last, length = first | mapped, last | mapped, length + 96
    return str(IPv6Address(first)), length, str(IPv6Address(last))


EXACT = "address = {first:String}::IPv6 AND length = {length:UInt8}"
COVERED = """address BETWEEN {first:String}::IPv6 AND {last:String}::IPv6
        AND length >= {length:UInt8}"""
"""Conditions of table `routes`; `asked` has their parameters."""


def asked(prefix: str) -> dict[str, Any]:
    """A prefix (or an address) as parameters `first`, `length` and `last`. Raises ValueError."""
    return dict(zip(("first", "length", "last"), prefix_range(prefix), strict=True))


def text_of(prefix: str) -> str:
    """A prefix (or an address) that is asked for, as the alias `prefix` has it."""
    first, length, _ = prefix_range(prefix)
    return prefix_text(IPv6Address(first), length, of_v6=":" in prefix)


def prefix_text(address: IPv6Address, length: int, *, of_v6: bool) -> str:
    """A stored prefix as the alias `prefix` of the tables has it; `of_v6`: of an IPv6 family."""
    mapped = address.ipv4_mapped
    if mapped is None:
        return f"{address}/{length}"
    if of_v6 or length < V4:
        return f"{MAPPED}{mapped}/{length}"
    return f"{mapped}/{length - V4}"
