"""Communities of all kinds as text, and the Flowspec actions among them."""

from __future__ import annotations

import struct
from math import isfinite
from typing import Any

from collector.wire.addresses import ipv4, ipv6

Action = dict[str, Any]

WELL_KNOWN = {
    0xFFFF0000: "graceful-shutdown",
    0xFFFF0001: "accept-own",
    0xFFFF0006: "llgr-stale",
    0xFFFF0007: "no-llgr",
    0xFFFF029A: "blackhole",
    0xFFFFFF01: "no-export",
    0xFFFFFF02: "no-advertise",
    0xFFFFFF03: "no-export-subconfed",
    0xFFFFFF04: "no-peer",
}
"""IANA, BGP Well-known Communities."""


def community(value: int) -> str:
    """A community (RFC 1997) as `AS:number`, or its name where it is well known."""
    return WELL_KNOWN.get(value) or f"{value >> 16}:{value & 0xFFFF}"


def large_community(data: bytes) -> str:
    """A large community (RFC 8092): `AS:number:number`."""
    return ":".join(map(str, struct.unpack("!III", data)))


def _target(kind: int, value: bytes) -> str:
    """The six octets of a two-part value; `kind` is the high type (RFC 4360 section 3)."""
    if kind == 1:
        return f"{ipv4(value[:4])}:{int.from_bytes(value[4:])}"
    if kind == 2:
        number = int.from_bytes(value[:4])
        mark = "L" if number <= 0xFFFF else ""
        return f"{number}{mark}:{int.from_bytes(value[4:])}"
    return f"{int.from_bytes(value[:2])}:{int.from_bytes(value[2:])}"


_SUBTYPES = {2: "rt", 3: "soo"}
_TWO_PARTS = {2: "rt", 3: "soo", 5: "ospf-domain", 7: "ospf-router", 9: "as-specific", 10: "vpn-id"}
"""Low types of two-part values (IANA, the transitive two-octet AS, IPv4 and four-octet AS ones)."""
_OPAQUE: dict[tuple[int, int], tuple[str, int, int]] = {
    (0x03, 0x0B): ("color", 4, 8),
    (0x03, 0x0C): ("encapsulation", 6, 8),
    (0x06, 0x00): ("mac-mobility", 4, 8),
    (0x06, 0x01): ("esi-label", 5, 8),
    (0x43, 0x00): ("validation-state", 7, 8),
}
"""Communities that are one number: by both types, the name and which octets hold the number."""
_MACS = {0x02: "es-import", 0x03: "router-mac"}
"""EVPN communities that are a MAC address (RFC 7432 section 7.6, RFC 9135 section 8.1)."""


def ext_community(data: bytes) -> str:
    """An extended community (RFC 4360) as text; one without a name is `0x` and sixteen digits.

    A four-octet AS below 65536 has an L behind it, which tells it from a two-octet one.
    """
    high, low = data[0], data[1]
    kind = high & 0x3F  # without the IANA and transitive bits
    value = data[2:]
    if kind in (0, 1, 2) and not high & 0x80 and low in _TWO_PARTS:
        return f"{_TWO_PARTS[low]}:{_target(kind, value)}"
    if kind == 0 and low == 4:
        bandwidth = struct.unpack("!f", value[2:])[0]
        return f"link-bandwidth:{int.from_bytes(value[:2])}:{bandwidth:g}"
    if (high, low) in _OPAQUE:
        name, start, end = _OPAQUE[high, low]
        return f"{name}:{int.from_bytes(data[start:end])}"
    if high == 6 and low in _MACS:
        return f"{_MACS[low]}:{value.hex(':')}"
    return f"0x{data.hex()}"


def ipv6_ext_community(data: bytes) -> str:
    """An IPv6 address specific extended community (RFC 5701), twenty octets."""
    name = _SUBTYPES.get(data[1]) if data[0] & 0x3F == 0 else None
    if name:
        return f"{name}:[{ipv6(data[2:18])}]:{int.from_bytes(data[18:])}"
    return f"0x{data.hex()}"


def flowspec_action(data: bytes, next_hop: str | None) -> list[Action]:
    """What an extended community makes a Flowspec rule do; empty where it is no action.

    RFC 8955 section 7; packets-rate from draft-ietf-idr-flow-spec-v2; redirect to a next hop in
    the encodings of draft-simpson (0x0800) and of draft-ietf-idr-flowspec-redirect-ip (0x010c).
    The first of these has its address in the NEXT_HOP or MP_REACH_NLRI attribute: `next_hop`.
    """
    decode = _ACTIONS.get(int.from_bytes(data[:2]))
    return decode(data, next_hop) if decode else []


def _traffic_rate_bytes(data: bytes, _: str | None) -> list[Action]:
    return _limited("rate-limit-bytes", data)


def _traffic_rate_packets(data: bytes, _: str | None) -> list[Action]:
    return _limited("rate-limit-packets", data)


def _limited(name: str, data: bytes) -> list[Action]:
    rate = float(struct.unpack("!f", data[4:])[0])
    # Negative rates and NaN are to be treated as 0 (RFC 8955 section 7.1).
    if not rate > 0:
        return [{"action": "discard"}]
    # What is infinite has no number in JSON: the action is the same from the store as from here.
    limit = rate if isfinite(rate) else None
    return [{"action": name, "rate": limit, "as": int.from_bytes(data[2:4])}]


def _traffic_action(data: bytes, _: str | None) -> list[Action]:
    # `terminal` is the T bit as the RFC and the senders name it: set means, despite its name, that
    # the rules after this one are evaluated too (section 7.3).
    bits = ((2, "sample"), (1, "terminal"))
    return [{"action": name} for bit, name in bits if data[7] & bit]


def _redirect(data: bytes, _: str | None) -> list[Action]:
    return [{"action": "redirect-to-vrf", "target": _target(data[0] & 0x3F, data[2:])}]


def _marking(data: bytes, _: str | None) -> list[Action]:
    return [{"action": "mark", "dscp": data[7] & 0x3F}]


def _to_next_hop(address: str | None, copy: bool) -> list[Action]:
    action: Action = {"action": "redirect-to-nexthop", "copy": copy}
    if address is not None:
        action["next_hop"] = address
    return [action]


def _redirect_by_attribute(data: bytes, next_hop: str | None) -> list[Action]:
    return _to_next_hop(next_hop, bool(data[7] & 1))


def _redirect_ipv4(data: bytes, _: str | None) -> list[Action]:
    return _to_next_hop(ipv4(data[2:6]), bool(data[7] & 1))


def _redirect_to_indirection_id(data: bytes, _: str | None) -> list[Action]:
    identifier = int.from_bytes(data[4:])
    action: Action = {"action": "redirect-to-indirection-id", "id": identifier, "type": data[3]}
    return [action | {"copy": bool(data[2] & 1)}]


def _interface_set(data: bytes, _: str | None) -> list[Action]:
    group = int.from_bytes(data[6:])
    action: Action = {"action": "interface-set", "as": int.from_bytes(data[2:6])}
    action["group"] = group & 0x3FFF
    return [action | {"output": bool(group & 0x8000), "input": bool(group & 0x4000)}]


_ACTIONS = {
    0x0900: _redirect_to_indirection_id,  # draft-ietf-idr-flowspec-path-redirect
    0x0702: _interface_set,  # draft-ietf-idr-flowspec-interfaceset
    0x4702: _interface_set,
    0x8006: _traffic_rate_bytes,
    0x800C: _traffic_rate_packets,
    0x8007: _traffic_action,
    0x8008: _redirect,
    0x8108: _redirect,
    0x8208: _redirect,
    0x8009: _marking,
    0x0800: _redirect_by_attribute,
    0x010C: _redirect_ipv4,
}


def ipv6_flowspec_action(data: bytes) -> list[Action]:
    """The same for an IPv6 one: redirect to a next hop (0x000c) or to a VRF (0x000d)."""
    kind = int.from_bytes(data[:2])
    if kind == 0x000C:
        return _to_next_hop(ipv6(data[2:18]), bool(data[19] & 1))
    if kind == 0x000D:
        target = f"[{ipv6(data[2:18])}]:{int.from_bytes(data[18:])}"
        return [{"action": "redirect-to-vrf", "target": target}]
    return []
