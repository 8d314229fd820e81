"""EVPN routes (RFC 7432 section 7, RFC 9136 section 3.1) of types 1 to 5.

A route is its `nlri` text, which has what tells it from other routes of its type and route
distinguisher: `mac-ip tag 0 mac 02:00:00:00:00:01 ip 10.0.0.1`. Its `components` hold all parts by
name. A route of another type is `0x…` with its octets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from collector.wire.addresses import address, route_distinguisher
from collector.wire.cursor import Cursor, WireError

Fields = dict[str, Any]
Parts = dict[str, str]


def read_evpn(cursor: Cursor, *, add_path: bool) -> list[Fields]:
    """All routes of the window. Raises WireError where one cannot be what it claims."""
    found: list[Fields] = []
    while cursor.remaining:
        fields: Fields = {"path_id": cursor.u32("path id")} if add_path else {}
        start = cursor.position
        kind, length = cursor.u8("evpn route type"), cursor.u8("evpn length")
        value = cursor.window(length, "evpn route")
        known = _TYPES.get(kind)
        if known is None:
            octets = cursor.data[start : cursor.position].hex()
            fields |= {"nlri": f"0x{octets}", "warnings": (f"evpn-type-not-decoded: {kind}",)}
        else:
            fields |= _read(value, *known)
        found.append(fields)
    return found


def _read(value: Cursor, name: str, key: tuple[str, ...], read: _Reader) -> Fields:
    rd = route_distinguisher(value.take(8, "route distinguisher"))
    parts, labels = read(value)
    value.finish("evpn route")
    identity = " ".join(f"{part} {parts[part]}" for part in key if part in parts)
    fields: Fields = {"rd": rd, "nlri": f"{name} {identity}"}
    fields["components"] = {"type": name, **parts}
    if labels:
        fields["labels"] = labels
    if "prefix" in parts:
        fields["prefix"] = parts["prefix"]
    return fields


def _esi(value: Cursor) -> str:
    return value.take(10, "ethernet segment identifier").hex(":")


def _ip(value: Cursor) -> str | None:
    at = value.position
    bits = value.u8("ip length")
    if bits not in (0, 32, 128):
        raise WireError("ip length", at, f"{bits} is not 0, 32 or 128")
    return address(value.take(bits >> 3, "ip address")) if bits else None


def _label(value: Cursor) -> int:
    """A label field as its MPLS label: the upper 20 of 24 bits (a VXLAN VNI uses all of them)."""
    return int.from_bytes(value.take(3, "label")) >> 4


def _auto_discovery(value: Cursor) -> tuple[Parts, tuple[int, ...]]:
    parts = {"esi": _esi(value), "tag": str(value.u32("ethernet tag"))}
    return parts, (_label(value),)


def _mac_ip(value: Cursor) -> tuple[Parts, tuple[int, ...]]:
    parts = {"esi": _esi(value), "tag": str(value.u32("ethernet tag"))}
    at = value.position
    bits = value.u8("mac length")
    if bits != 48:
        raise WireError("mac length", at, f"{bits} is not 48")
    parts["mac"] = value.take(6, "mac address").hex(":")
    ip = _ip(value)
    if ip is not None:
        parts["ip"] = ip
    labels = [_label(value)]
    if value.remaining:
        labels.append(_label(value))
    return parts, tuple(labels)


def _multicast(value: Cursor) -> tuple[Parts, tuple[int, ...]]:
    parts = {"tag": str(value.u32("ethernet tag"))}
    originator = _ip(value)
    return parts | ({"originator": originator} if originator else {}), ()


def _segment(value: Cursor) -> tuple[Parts, tuple[int, ...]]:
    parts = {"esi": _esi(value)}
    originator = _ip(value)
    return parts | ({"originator": originator} if originator else {}), ()


def _ip_prefix(value: Cursor) -> tuple[Parts, tuple[int, ...]]:
    parts = {"esi": _esi(value), "tag": str(value.u32("ethernet tag"))}
    at = value.position
    length = value.u8("prefix length")
    width = 4 if value.remaining == 4 + 4 + 3 else 16
    if length > width * 8:
        raise WireError("prefix length", at, f"{length} is more than {width * 8}")
    parts["prefix"] = _masked(value.take(width, "prefix"), length)
    parts["gateway"] = address(value.take(width, "gateway"))
    return parts, (_label(value),)


def _masked(octets: bytes, length: int) -> str:
    bits = len(octets) * 8
    kept = int.from_bytes(octets) >> (bits - length) << (bits - length)
    return f"{address(kept.to_bytes(len(octets)))}/{length}"


_Reader = Callable[[Cursor], tuple[Parts, tuple[int, ...]]]
_TYPES: dict[int, tuple[str, tuple[str, ...], _Reader]] = {
    1: ("ethernet-auto-discovery", ("esi", "tag"), _auto_discovery),
    2: ("mac-ip", ("tag", "mac", "ip"), _mac_ip),
    3: ("inclusive-multicast", ("tag", "originator"), _multicast),
    4: ("ethernet-segment", ("esi", "originator"), _segment),
    5: ("ip-prefix", ("tag", "prefix"), _ip_prefix),
}
"""By route type: its name, the parts that make its identity, what reads it."""
