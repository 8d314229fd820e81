"""Flowspec rules (RFC 8955, RFC 8956) as text.

A rule is its components in wire order, each a name and a value: `destination 192.0.2.50/32
protocol =6 destination-port >=1024&<=65535`. In a value, a blank means OR and `&` means AND, which
binds more tightly.

- Numbers: `=80`, `>1024`, `>=1024`, `<1024`, `<=1024`, `!=80`, `true`, `false`.
- Bit masks (`tcp-flags`, `fragment`): `0x12` any of these bits, `=0x02` all of them; `!0x12` and
  `!=0x02` are the opposites.
- Prefixes: `192.0.2.0/24`; an IPv6 prefix with an offset is `address/offset-length`, so that
  `::1234:0:0:0/64-80` is bits 64 to 79 (RFC 8956 section 3.1).

A component that nobody can read cannot be skipped: the rule becomes `undecodable 0x…` with all its
octets, keeps the components before, and says why in a warning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from collector.wire.addresses import ipv6, route_distinguisher
from collector.wire.cursor import Cursor, WireError
from collector.wire.flowspec_order import precedence
from collector.wire.nlri import BITS, read_prefix

END, AND = 0x80, 0x40
NUMERIC = ("false", "=", ">", ">=", "<", "<=", "!=", "true")
"""By the bits lt, gt, eq of a numeric operator (RFC 8955 section 4.2.1.1)."""
BITMASK = ("", "=", "!", "!=")
"""By the bits not, m of a bitmask operator (RFC 8955 section 4.2.1.2)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One Flowspec NLRI."""

    text: str
    components: dict[str, str]
    warnings: tuple[str, ...] = ()
    rd: str | None = None
    path_id: int | None = None
    precedence: str | None = None
    """Sorts it among the rules of its family as routers apply them (RFC 8955 section 5.1)."""


def read_rules(cursor: Cursor, afi: int, *, vpn: bool, add_path: bool) -> list[Rule]:
    """All rules of the window. Raises WireError where a length runs past the end."""
    rules: list[Rule] = []
    while cursor.remaining:
        path_id = cursor.u32("path id") if add_path else None
        length = cursor.u8("flowspec length")
        if length >= 0xF0:  # two octets, of which twelve bits count (RFC 8955 section 4.1)
            length = (length & 0x0F) << 8 | cursor.u8("flowspec length")
        nlri = cursor.window(length, "flowspec nlri")
        rd = route_distinguisher(nlri.take(8, "route distinguisher")) if vpn else None
        rules.append(_read_rule(nlri, afi, rd, path_id))
    return rules


def _read_rule(cursor: Cursor, afi: int, rd: str | None, path_id: int | None) -> Rule:
    start = cursor.position
    components: dict[str, str] = {}
    values: list[tuple[int, bytes]] = []
    warnings: list[str] = []
    last = 0
    try:
        if not cursor.remaining:
            raise WireError("flowspec component", start, "the rule is empty")
        while cursor.remaining:
            at = cursor.position
            kind = cursor.u8("flowspec component")
            name, read = _component(kind, afi, at)
            if name in components:
                raise WireError("flowspec component", at, f"{name} stands twice")
            if kind < last:
                warnings.append(f"flowspec-order: {name} stands after a component of higher type")
            last = max(kind, last)
            components[name] = read(cursor, afi)
            values.append((kind, cursor.data[at + 1 : cursor.position]))
    except WireError as error:
        octets = cursor.data[start : cursor.end].hex()
        components["undecodable"] = f"0x{octets}"
        warnings.append(f"flowspec-undecodable: {error}")
        return Rule(f"undecodable 0x{octets}", components, tuple(warnings), rd, path_id)
    text = " ".join(f"{name} {value}" for name, value in components.items())
    return Rule(text, components, tuple(warnings), rd, path_id, precedence(values, afi))


def _component(kind: int, afi: int, at: int) -> tuple[str, Callable[[Cursor, int], str]]:
    known = _COMPONENTS.get(kind)
    if known is None or (kind == 13 and afi != 2):
        raise WireError("flowspec component", at, f"type {kind} is unknown")
    return known


def _prefix(cursor: Cursor, afi: int) -> str:
    return read_prefix(cursor, BITS[afi]) if afi == 1 else _prefix_with_offset(cursor)


def _prefix_with_offset(cursor: Cursor) -> str:
    at = cursor.position
    length, offset = cursor.u8("prefix length"), cursor.u8("prefix offset")
    if length > 128 or offset > length or (offset == length and length):
        raise WireError("prefix offset", at, f"length {length}, offset {offset}")
    width = length - offset
    octets = cursor.take((width + 7) >> 3, "prefix pattern")
    pattern = int.from_bytes(octets) >> (-width % 8)
    address = ipv6((pattern << (128 - length)).to_bytes(16))
    return f"{address}/{offset}-{length}" if offset else f"{address}/{length}"


def _numeric(cursor: Cursor, _: int) -> str:
    return _operators(cursor, lambda op, value: _number(NUMERIC[op & 7], value))


def _number(sign: str, value: int) -> str:
    return sign if sign in ("true", "false") else f"{sign}{value}"


def _bitmask(cursor: Cursor, _: int) -> str:
    return _operators(cursor, lambda op, value: f"{BITMASK[op & 3]}0x{value:02x}")


def _operators(cursor: Cursor, write: Callable[[int, int], str]) -> str:
    """A list of (operator, value) pairs up to the one with the end bit."""
    parts: list[str] = []
    while True:
        op = cursor.u8("flowspec operator")
        value = int.from_bytes(cursor.take(1 << (op >> 4 & 3), "flowspec value"))
        if parts:  # the AND bit of the first operator counts as unset
            parts.append("&" if op & AND else " ")
        parts.append(write(op, value))
        if op & END:
            return "".join(parts)


_COMPONENTS: dict[int, tuple[str, Callable[[Cursor, int], str]]] = {
    1: ("destination", _prefix),
    2: ("source", _prefix),
    3: ("protocol", _numeric),
    4: ("port", _numeric),
    5: ("destination-port", _numeric),
    6: ("source-port", _numeric),
    7: ("icmp-type", _numeric),
    8: ("icmp-code", _numeric),
    9: ("tcp-flags", _bitmask),
    10: ("packet-length", _numeric),
    11: ("dscp", _numeric),
    12: ("fragment", _bitmask),
    13: ("flow-label", _numeric),
}
"""By component type (RFC 8955 section 4.2.2, RFC 8956 section 3)."""
