"""Extended communities from gRPC as octets (RFC 4360, RFC 5701, RFC 8955 section 7)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from collector.inputs.gobgp.octets import address_octets, ipv4_octets, name_of, number
from collector.wire.cursor import WireError

Message = Any


def community_octets(message: Message) -> bytes:
    """Eight octets of an extended community. Raises WireError where it has no encoder."""
    encode = _ENCODERS.get(name_of(message))
    if encode is None:
        raise WireError("extended community", 0, f"{name_of(message)} is not decoded from gRPC")
    octets = encode(message)
    if len(octets) != 8:
        raise WireError("extended community", 0, f"{name_of(message)} has {len(octets)} octets")
    return octets


def ipv6_community_octets(message: Message) -> bytes:
    """Twenty octets of an IPv6 address specific extended community. Raises WireError."""
    name, address = name_of(message), address_octets(message.address)
    if len(address) != 16:
        raise WireError(name, 0, f"{message.address!r} is no IPv6 address")
    if name == "RedirectIPv6AddressSpecificExtended":
        head = b"\x80\x0b"  # as GoBGP writes it
    else:
        head = _high(0x00, message) + number(message.sub_type, 1, name)
    return head + address + number(message.local_admin, 2, name)


def _high(kind: int, message: Message) -> bytes:
    return bytes((kind if message.is_transitive else kind | 0x40,))


def _two_octet_as(message: Message) -> bytes:
    return _high(0, message) + number(message.sub_type, 1, "subtype") + _as2(message)


def _ipv4(message: Message) -> bytes:
    return _high(1, message) + number(message.sub_type, 1, "subtype") + _address(message)


def _four_octet_as(message: Message) -> bytes:
    return _high(2, message) + number(message.sub_type, 1, "subtype") + _as4(message)


def _as2(message: Message) -> bytes:
    return number(message.asn, 2, "as") + number(message.local_admin, 4, "number")


def _address(message: Message) -> bytes:
    return ipv4_octets(message.address, "address") + number(message.local_admin, 2, "number")


def _as4(message: Message) -> bytes:
    return number(message.asn, 4, "as") + number(message.local_admin, 2, "number")


def _rate(head: bytes, asn: int, value: float) -> bytes:
    # An AS that does not fit is left out: it says who asked, and does nothing (RFC 8955).
    return head + number(asn if asn <= 0xFFFF else 0, 2, "as") + struct.pack("!f", value)


def _traffic_action(message: Message) -> bytes:
    bits = (1 if message.terminal else 0) | (2 if message.sample else 0)
    return b"\x80\x07" + bytes(5) + bytes((bits,))


def _mac(low: int, text: str) -> bytes:
    try:
        return bytes((0x06, low)) + bytes.fromhex(text.replace(":", ""))
    except ValueError:
        raise WireError("mac address", 0, f"{text!r} is none") from None


def _mobility(message: Message) -> bytes:
    return bytes((6, 0, int(message.is_sticky), 0)) + number(message.sequence_num, 4, "sequence")


def _esi_label(message: Message) -> bytes:
    head = bytes((6, 1, int(message.is_single_active), 0, 0))
    return head + number(message.label, 3, "label")


_ENCODERS: dict[str, Callable[[Message], bytes]] = {
    "UnknownExtended": lambda m: number(m.type, 1, "type") + m.value,
    "TwoOctetAsSpecificExtended": _two_octet_as,
    "IPv4AddressSpecificExtended": _ipv4,
    "FourOctetAsSpecificExtended": _four_octet_as,
    "LinkBandwidthExtended": lambda m: _rate(b"\x40\x04", m.asn, m.bandwidth),
    "ValidationExtended": lambda m: b"\x43\x00" + number(m.state, 6, "state"),
    "ColorExtended": lambda m: b"\x03\x0b" + number(m.color, 6, "color"),
    "EncapExtended": lambda m: b"\x03\x0c" + number(m.tunnel_type, 6, "tunnel type"),
    "DefaultGatewayExtended": lambda _: b"\x03\x0d" + bytes(6),
    "OpaqueExtended": lambda m: _high(3, m) + m.value,
    "ESILabelExtended": _esi_label,
    "ESImportRouteTarget": lambda m: _mac(2, m.es_import),
    "MacMobilityExtended": _mobility,
    "RouterMacExtended": lambda m: _mac(3, m.mac),
    "TrafficRateExtended": lambda m: _rate(b"\x80\x06", m.asn, m.rate),
    "TrafficActionExtended": _traffic_action,
    "RedirectTwoOctetAsSpecificExtended": lambda m: b"\x80\x08" + _as2(m),
    "RedirectIPv4AddressSpecificExtended": lambda m: b"\x81\x08" + _address(m),
    "RedirectFourOctetAsSpecificExtended": lambda m: b"\x82\x08" + _as4(m),
    "TrafficRemarkExtended": lambda m: b"\x80\x09" + number(m.dscp, 6, "dscp"),
}
"""By the name of the message."""
