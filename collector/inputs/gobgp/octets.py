"""GoBGP's messages as the octets that BGP has for them.

`collector.wire` reads these, so that a route from gRPC says the same, in the same words, as one
from BMP. Messages are told apart by their names, which GoBGP 3 and 4 have in common.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from collector.wire.cursor import WireError
from collector.wire.nlri import WITHDRAWN_LABELS

Message = Any
Unwrap = Callable[[Message], Message]
"""Takes what holds one of several messages (an Any in version 3, a oneof in 4); answers that one.

Raises WireError where nobody knows what it holds.
"""

NO_LABEL = max(WITHDRAWN_LABELS).to_bytes(3)


def name_of(message: Message) -> str:
    """The name of a message's type."""
    return str(message.DESCRIPTOR.name)


def address_octets(text: str) -> bytes:
    """Four or sixteen octets of an address; none where GoBGP has none (`<nil>`, `invalid IP`)."""
    parts = text.split(".")
    try:
        if len(parts) == 4 and ":" not in text:  # a tenth of the time, and most are of IPv4
            return bytes(map(int, parts))
        return ip_address(text).packed
    except ValueError:
        return b""


@lru_cache(maxsize=4096)
def address_text(text: str) -> str | None:
    """An address in the one form that all feeds have, or None."""
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def ipv4_octets(text: str, field: str) -> bytes:
    """Four octets of an address that must be one of IPv4."""
    octets = address_octets(text)
    if len(octets) != 4:
        raise WireError(field, 0, f"{text!r} is no IPv4 address")
    return octets


def number(value: int, octets: int, field: str) -> bytes:
    """A number in so many octets; WireError where it does not fit."""
    try:
        return value.to_bytes(octets)
    except OverflowError:
        raise WireError(field, 0, f"{value} does not fit in {octets} octets") from None


# Destinations


def nlri_octets(message: Message, unwrap: Unwrap) -> tuple[bytes, bytes]:
    """A destination as NLRI, and as a withdrawal has it, which tells one from another.

    Raises WireError where there is no encoder for it, or where it cannot be so.
    """
    encode = _NLRI.get(name_of(message))
    if encode is None:
        raise WireError("nlri", 0, f"{name_of(message)} is not decoded from gRPC")
    return encode(message, unwrap)


def _plain(message: Message, _: Unwrap) -> tuple[bytes, bytes]:
    octets = _prefix(message.prefix, message.prefix_len)
    return octets, octets


def _labelled(message: Message, _: Unwrap) -> tuple[bytes, bytes]:
    return _with_labels(message, b"")


def _vpn(message: Message, unwrap: Unwrap) -> tuple[bytes, bytes]:
    return _with_labels(message, _rd(message, unwrap))


def _with_labels(message: Message, rd: bytes) -> tuple[bytes, bytes]:
    prefix = _prefix(message.prefix, message.prefix_len)
    stack = b"".join(number(label << 4, 3, "label") for label in message.labels)
    if stack:
        stack = stack[:-1] + bytes((stack[-1] | 1,))  # the bottom of the stack (RFC 8277)
    whole, bare = ((labels + rd) for labels in (stack or NO_LABEL, NO_LABEL))
    return tuple(  # type: ignore[return-value]  # a pair goes in, so a pair comes out
        number(prefix[0] + 8 * len(head), 1, "prefix length") + head + prefix[1:]
        for head in (whole, bare)
    )


def _prefix(text: str, length: int) -> bytes:
    octets = address_octets(text)
    if not octets or not 0 <= length <= 8 * len(octets):
        raise WireError("prefix", 0, f"{text!r} with length {length} is none")
    return bytes((length,)) + octets[: (length + 7) >> 3]


def _rd(message: Message, unwrap: Unwrap) -> bytes:
    rd = unwrap(message.rd)
    name = name_of(rd)
    if name == "RouteDistinguisherTwoOctetASN":
        kind, octets = 0, number(rd.admin, 2, "rd") + number(rd.assigned, 4, "rd")
    elif name == "RouteDistinguisherIPAddress":
        kind, octets = 1, ipv4_octets(rd.admin, "rd") + number(rd.assigned, 2, "rd")
    elif name == "RouteDistinguisherFourOctetASN":
        kind, octets = 2, number(rd.admin, 4, "rd") + number(rd.assigned, 2, "rd")
    else:
        raise WireError("rd", 0, f"{name} is no route distinguisher")
    return number(kind, 2, "rd") + octets


def _flowspec(message: Message, unwrap: Unwrap) -> tuple[bytes, bytes]:
    return _rule(b"", message, unwrap)


def _vpn_flowspec(message: Message, unwrap: Unwrap) -> tuple[bytes, bytes]:
    return _rule(_rd(message, unwrap), message, unwrap)


def _rule(rd: bytes, message: Message, unwrap: Unwrap) -> tuple[bytes, bytes]:
    octets = rd + b"".join(_component(unwrap(rule)) for rule in message.rules)
    if len(octets) > 0xFFF:
        raise WireError("flowspec length", 0, f"{len(octets)} octets are too many")
    length = (
        number(len(octets), 1, "") if len(octets) < 0xF0 else number(0xF000 | len(octets), 2, "")
    )
    return length + octets, length + octets


def _component(rule: Message) -> bytes:
    kind = number(rule.type, 1, "flowspec component")
    name = name_of(rule)
    if name == "FlowSpecComponent":
        last = len(rule.items) - 1
        return kind + b"".join(_item(item, i == last) for i, item in enumerate(rule.items))
    if name != "FlowSpecIPPrefix":
        raise WireError("flowspec component", 0, f"{name} is not decoded from gRPC")
    prefix = _prefix(rule.prefix, rule.prefix_len)
    if ":" not in rule.prefix:
        return kind + prefix
    # GoBGP keeps the pattern as it came, at the start of the address, whatever the offset.
    width = max(0, rule.prefix_len - rule.offset)
    offset = number(rule.offset, 1, "prefix offset")
    return kind + prefix[:1] + offset + prefix[1 : 1 + ((width + 7) >> 3)]


def _item(item: Message, last: bool) -> bytes:
    """An operator and its value; where a list ends GoBGP marks only as it sends it."""
    op = item.op & 0x7F | (0x80 if last else 0)
    size = op >> 4 & 3
    while item.value >> (8 << size) and size < 3:
        size += 1
    op = op & ~0x30 | size << 4
    return number(op, 1, "flowspec operator") + number(item.value, 1 << size, "flowspec value")


_NLRI: dict[str, Callable[[Message, Unwrap], tuple[bytes, bytes]]] = {
    "IPAddressPrefix": _plain,
    "LabeledIPAddressPrefix": _labelled,
    "LabeledVPNIPAddressPrefix": _vpn,
    "FlowSpecNLRI": _flowspec,
    "VPNFlowSpecNLRI": _vpn_flowspec,
}
"""By the name of the message. A new family is a new line."""
