"""BGP messages (RFC 4271 section 4) as they stand inside BMP: OPEN, UPDATE, NOTIFICATION."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from collector.event import Kind
from collector.wire.addresses import ipv4
from collector.wire.attributes import Attributes, read_attributes
from collector.wire.cursor import Cursor, WireError
from collector.wire.destinations import FLOWSPEC, FLOWSPEC_VPN, Context, read_destinations
from collector.wire.families import family_name
from collector.wire.texts import read_text

MARKER = b"\xff" * 16
OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE_REFRESH = 1, 2, 3, 4, 5
HEADER = 19
LARGEST = 65_535
"""Extended messages (RFC 8654) are always accepted: the router has accepted them already."""
LARGEST_EXPANSION = 16 << 20
"""Routes times octets of attributes of one UPDATE. Real ones stay below a million; one of 64 KiB
can be made to say a gibibyte."""

Fields = dict[str, Any]
"""Some of the fields of an `Event`, by name."""


@dataclass(slots=True)
class Open:
    """An OPEN message."""

    as_number: int
    hold_time: int
    bgp_id: str
    as4: bool = False
    families: list[str] = field(default_factory=list)
    add_path: dict[tuple[int, int], int] = field(default_factory=dict)
    """(AFI, SAFI) -> 1 receive, 2 send, 3 both (RFC 7911 section 4)."""
    capabilities: list[str] = field(default_factory=list)
    """Names of the capabilities, or their numbers where they have none here."""


def read_message(cursor: Cursor) -> tuple[int, Cursor]:
    """One message: its type, and its body. Raises WireError where it cannot be framed."""
    at = cursor.position
    if cursor.take(16, "bgp marker") != MARKER:
        raise WireError("bgp marker", at, "not all ones")
    length = cursor.u16("bgp length")
    if length < HEADER:
        raise WireError("bgp length", at + 16, f"{length} is less than {HEADER}")
    kind = cursor.u8("bgp type")
    return kind, cursor.window(length - HEADER, "bgp message")


def read_open(body: Cursor) -> Open:
    """The body of an OPEN, extended optional parameters (RFC 9072) included."""
    body.u8("bgp version")
    number, hold = body.u16("open as"), body.u16("hold time")
    found = Open(number, hold, ipv4(body.take(4, "bgp identifier")))
    length = body.u8("optional parameters length")
    extended = length == 255 and body.remaining > 2 and body.data[body.position] == 255
    if extended:
        body.u8("extended optional parameters")
        length = body.u16("extended optional parameters length")
    parameters = body.window(length, "optional parameters")
    while parameters.remaining:
        kind = parameters.u8("parameter type")
        size = parameters.u16("parameter length") if extended else parameters.u8("parameter length")
        value = parameters.window(size, "parameter")
        if kind == 2:
            read_capabilities(value, found)
    return found


def read_capabilities(cursor: Cursor, found: Open | None = None) -> Open:
    """Capabilities (RFC 5492) into the OPEN that they belong to, or into an empty one."""
    found = found or Open(0, 0, "")
    while cursor.remaining:
        code = cursor.u8("capability code")
        _capability(found, code, cursor.window(cursor.u8("capability length"), "capability"))
    return found


def _capability(found: Open, code: int, value: Cursor) -> None:
    found.capabilities.append(_CAPABILITIES.get(code, str(code)))
    if code == 1 and value.remaining == 4:
        afi = value.u16("capability afi")
        value.u8("capability reserved octet")
        found.families.append(family_name(afi, value.u8("capability safi")))
    elif code == 65 and value.remaining == 4:
        found.as4 = True
        found.as_number = value.u32("capability as")
    elif code == 69:
        while value.remaining >= 4:
            family = (value.u16("add-path afi"), value.u8("add-path safi"))
            found.add_path[family] = value.u8("add-path mode")


_CAPABILITIES = {
    1: "multiprotocol",
    2: "route-refresh",
    5: "extended-next-hop",
    6: "extended-message",
    9: "role",
    64: "graceful-restart",
    65: "four-octet-as",
    69: "add-path",
    70: "enhanced-route-refresh",
    71: "long-lived-graceful-restart",
    73: "fqdn",
}


def read_notification(body: Cursor) -> str:
    """A NOTIFICATION as text: `code/subcode`, with its words where it has any (RFC 9003)."""
    code, subcode = body.u8("error code"), body.u8("error subcode")
    text = f"notification {code}/{subcode}"
    name = _ERRORS.get(code)
    if name:
        text += f" {name}"
    if code == 6:
        text += f", {_CEASE.get(subcode, 'subcode ' + str(subcode))}"
        if subcode == HARD_RESET and body.remaining >= 2:
            return f"{text}: {read_notification(body)}"
        if subcode in (2, 4) and body.remaining:
            size = body.u8("shutdown communication length")
            words = body.take(min(size, body.remaining), "shutdown communication")
            text += f": {read_text(words)}" if words else ""
    return text


HARD_RESET = 9
"""Its data is the notification that it stands for (RFC 8538 section 3)."""
_ERRORS = {
    1: "message header error",
    2: "open message error",
    3: "update message error",
    4: "hold timer expired",
    5: "finite state machine error",
    6: "cease",
    7: "route-refresh message error",
}
_CEASE = {
    1: "maximum number of prefixes reached",
    2: "administrative shutdown",
    3: "peer de-configured",
    4: "administrative reset",
    5: "connection rejected",
    6: "other configuration change",
    7: "connection collision resolution",
    8: "out of resources",
    9: "hard reset",
    10: "bfd down",
}


def read_routes(message: Cursor, context: Context) -> list[Fields]:
    """The routes of a whole message: none where it is no UPDATE. Raises WireError."""
    kind, body = read_message(message)
    return read_update(body, context) if kind == UPDATE else []


def read_update(body: Cursor, context: Context) -> list[Fields]:
    """The routes of an UPDATE in the order withdrawn, unreachable, reachable, announced.

    One UPDATE may carry all four. An UPDATE that carries none is an End-of-RIB (RFC 4724
    section 2). Raises WireError where it cannot be read as a whole.
    """
    withdrawn = body.window(body.u16("withdrawn routes length"), "withdrawn routes")
    attributes_window = body.window(body.u16("path attributes length"), "path attributes")
    has_attributes = bool(attributes_window.remaining)
    size = attributes_window.remaining
    attributes = read_attributes(attributes_window, as4=context.as4)
    # NLRI is not repeated for each route, and a full message of it is nothing odd.
    size -= sum(mp.nlri.remaining for mp in (attributes.reach, attributes.unreach) if mp)
    empty = not withdrawn.remaining and not body.remaining
    if empty and not has_attributes:
        return [{"kind": Kind.END_OF_RIB.value, "family": family_name(1, 1)}]
    unreach = attributes.unreach
    if empty and unreach and not unreach.nlri.remaining and not attributes.reach:
        family = family_name(unreach.afi, unreach.safi)
        return [{"kind": Kind.END_OF_RIB.value, "family": family}]
    routes: list[Fields] = []
    if withdrawn.remaining:
        routes += _withdrawals(withdrawn, 1, 1, context)
    if unreach and unreach.nlri.remaining:
        routes += _withdrawals(unreach.nlri, unreach.afi, unreach.safi, context)
    _check_mandatory(attributes, in_body=bool(body.remaining))
    if attributes.reach:
        reach = attributes.reach
        routes += _announcements(
            reach.nlri, (reach.afi, reach.safi), attributes, reach.next_hop, context
        )
    if body.remaining:
        next_hop = attributes.values.get("next_hop")
        routes += _announcements(body, (1, 1), attributes, next_hop, context)
    if len(routes) * size > LARGEST_EXPANSION:
        problem = f"{len(routes)} routes with {size} octets of attributes each"
        raise WireError("update", body.position, f"{problem} are more than are believed")
    if attributes.treat_as_withdraw and not routes:
        # Whatever it was about stands behind the fault.
        raise WireError("path attributes", body.position, attributes.treat_as_withdraw)
    return routes


def _check_mandatory(attributes: Attributes, *, in_body: bool) -> None:
    """Name the well-known attributes that are not there.

    RFC 7606 section 3, item d, would withdraw the routes, but GoBGP's Loc-RIB holds its own routes
    without AS_PATH, and a route that a router holds must be seen.
    """
    wanted = ["origin", "as_path"] if in_body or attributes.reach else []
    if in_body:
        wanted.append("next_hop")
    attributes.warnings += [
        f"attribute-missing: {name.replace('_', ' ')}"
        for name in wanted
        if name not in attributes.values
    ]


def _withdrawals(nlri: Cursor, afi: int, safi: int, context: Context) -> list[Fields]:
    kind = {"kind": Kind.WITHDRAW.value}
    return [{**kind, **route} for route in read_destinations(nlri, afi, safi, context)]


def _announcements(
    nlri: Cursor,
    family: tuple[int, int],
    attributes: Attributes,
    next_hop: str | None,
    context: Context,
) -> list[Fields]:
    routes = read_destinations(nlri, *family, context)
    if attributes.treat_as_withdraw:
        reason = f"treat-as-withdraw: {attributes.treat_as_withdraw}"
        warning = ("treat-as-withdraw",)
        common: Fields = {"kind": Kind.WITHDRAW.value, "reason": reason}
        return [
            {**common, **route, "warnings": route.get("warnings", ()) + warning} for route in routes
        ]
    common = {**attributes.values, "kind": Kind.ANNOUNCE.value, "next_hop": next_hop}
    if family[1] in (FLOWSPEC, FLOWSPEC_VPN):
        # A redirect's next hop may stand in the NEXT_HOP attribute too.
        hop = next_hop or attributes.values.get("next_hop")
        common |= {"actions": attributes.actions(hop), "next_hop": hop}
    warnings = tuple(attributes.warnings)
    if warnings:
        return [
            {**common, **route, "warnings": warnings + route.get("warnings", ())}
            for route in routes
        ]
    return [{**common, **route} for route in routes]
