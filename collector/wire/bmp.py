"""BMP messages (RFC 7854, RFC 8671, RFC 9069): the header, the per-peer header, and each type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from collector.event import View
from collector.wire.addresses import address, ipv4, route_distinguisher
from collector.wire.bgp import Open, read_message, read_notification, read_open
from collector.wire.cursor import Cursor, WireError
from collector.wire.texts import read_text

HEADER = 6
VERSIONS = (3, 4)
ROUTE_MONITORING, STATISTICS, PEER_DOWN, PEER_UP, INITIATION, TERMINATION, MIRRORING = range(7)
NAMES = (
    "route-monitoring",
    "statistics",
    "peer-down",
    "peer-up",
    "initiation",
    "termination",
    "route-mirroring",
)
"""By message type (RFC 7854 section 4.1)."""

LOC_RIB_PEER = 3
IPV6, POST_POLICY, TWO_OCTET_AS, ADJ_RIB_OUT = 0x80, 0x40, 0x20, 0x10
EARLIEST = 946_684_800
"""2000-01-01, seconds: no router spoke BMP before, so an earlier time is an age or a defect."""
TABLE_NAME, ADMIN_LABEL = 3, 4
"""TLVs of a Peer Up (RFC 9069 section 5.3, RFC 9736 section 3.3)."""


def name_of(kind: int) -> str:
    """The type of a message as a word."""
    return NAMES[kind] if kind < len(NAMES) else "unknown"


@dataclass(frozen=True, slots=True)
class PeerHeader:
    """The per-peer header (RFC 7854 section 4.2)."""

    view: str
    peer: str | None
    rd: str | None
    peer_as: int
    bgp_id: str
    as4: bool
    """Whether AS numbers of the AS_PATH have four octets."""
    stamp: int
    """The time as it was sent, nanoseconds since 1970; 0 says that the sender knows none."""
    timed: bool
    """Whether the time can be one: some senders put the age of a route in its place."""

    @property
    def time(self) -> int | None:
        """When the router says that it happened, nanoseconds since 1970, where it says so."""
        return self.stamp if self.timed else None

    @property
    def key(self) -> tuple[str, str | None, str | None]:
        """What tells this peer from others: direction, address, distinguisher; flags do not."""
        return (direction(self.view), self.peer, self.rd)


def direction(view: str) -> str:
    """One Peer Up speaks for both policies of a direction."""
    return view.removesuffix("-pre").removesuffix("-post")


def read_peer_header(cursor: Cursor) -> PeerHeader:
    """The 42 octets that begin every message about a peer."""
    kind, flags = cursor.u8("peer type"), cursor.u8("peer flags")
    rd = cursor.take(8, "peer distinguisher")
    octets = cursor.take(16, "peer address")
    number = cursor.u32("peer as")
    bgp_id = ipv4(cursor.take(4, "peer bgp id"))
    seconds, microseconds = cursor.u32("timestamp"), cursor.u32("timestamp microseconds")
    loc_rib = kind == LOC_RIB_PEER
    # Of a Loc-RIB peer's flags only F is defined, and its address is zero (RFC 9069 section 4.1).
    peer = None if loc_rib else address(octets if flags & IPV6 else octets[12:])
    return PeerHeader(
        view=View.LOC_RIB.value if loc_rib else _view(flags),
        peer=peer,
        rd=route_distinguisher(rd) if any(rd) else None,
        peer_as=number,
        bgp_id=bgp_id,
        as4=loc_rib or not flags & TWO_OCTET_AS,
        stamp=seconds * 1_000_000_000 + microseconds * 1000,
        timed=seconds >= EARLIEST,
    )


def _view(flags: int) -> str:
    if flags & ADJ_RIB_OUT:
        view = View.ADJ_OUT_POST if flags & POST_POLICY else View.ADJ_OUT_PRE
    else:
        view = View.ADJ_IN_POST if flags & POST_POLICY else View.ADJ_IN_PRE
    return view.value


@dataclass(frozen=True, slots=True)
class PeerUp:
    """A Peer Up (RFC 7854 section 4.10)."""

    sent: Open
    received: Open
    table: str | None
    information: dict[str, Any]


def read_peer_up(cursor: Cursor) -> PeerUp:
    """Both OPENs, the local end of the session, and what the TLVs add."""
    octets = cursor.take(16, "local address")
    local = address(octets[12:] if not any(octets[:12]) else octets)
    local_port, remote_port = cursor.u16("local port"), cursor.u16("remote port")
    sent, received = _open(cursor, "sent open"), _open(cursor, "received open")
    texts = read_tlvs(cursor)
    information: dict[str, Any] = {
        "local_address": local,
        "local_port": local_port,
        "remote_port": remote_port,
        "hold_time": min(sent.hold_time, received.hold_time),
        "families": [family for family in received.families if family in sent.families],
        "capabilities": received.capabilities,
        "sent_capabilities": sent.capabilities,
    }
    words = [text for kind, text in texts if kind == 0]
    if words:
        information["text"] = " ".join(words)
    labels = [text for kind, text in texts if kind == ADMIN_LABEL]
    if labels:
        information["admin_labels"] = labels
    table = next((text for kind, text in texts if kind == TABLE_NAME), None)
    return PeerUp(sent, received, table, information)


def _open(cursor: Cursor, field: str) -> Open:
    kind, body = read_message(cursor)
    if kind != 1:
        raise WireError(field, body.position, f"BGP message type {kind} is not OPEN")
    return read_open(body)


def read_tlvs(cursor: Cursor) -> list[tuple[int, str]]:
    """Information TLVs (RFC 7854 section 4.4) as (type, text)."""
    found: list[tuple[int, str]] = []
    while cursor.remaining >= 4:
        kind, length = cursor.u16("tlv type"), cursor.u16("tlv length")
        value = cursor.take(length, "tlv value")
        found.append((kind, read_text(value.rstrip(b"\0"))))
    return found


_INITIATION = {0: "text", 1: "sys_descr", 2: "sys_name"}


def read_initiation(cursor: Cursor) -> dict[str, str]:
    """What a router says of itself."""
    found: dict[str, str] = {}
    for kind, text in read_tlvs(cursor):
        found[_INITIATION.get(kind, f"tlv_{kind}")] = text
    return found


_TERMINATION = {
    0: "administratively closed",
    1: "unspecified reason",
    2: "out of resources",
    3: "redundant connection",
    4: "permanently administratively closed",
}


def read_termination(cursor: Cursor) -> str:
    """Why the router ends the session (RFC 7854 section 4.5)."""
    words: list[str] = []
    while cursor.remaining >= 4:
        kind, length = cursor.u16("tlv type"), cursor.u16("tlv length")
        value = cursor.take(length, "tlv value")
        if kind == 1 and length == 2:
            code = int.from_bytes(value)
            words.append(_TERMINATION.get(code, f"reason {code}"))
        else:
            words.append(read_text(value))
    return ": ".join(words) or "no reason given"


def read_peer_down(cursor: Cursor) -> str:
    """Why a BGP session ended (RFC 7854 section 4.9). Many senders name the wrong reason."""
    reason = cursor.u8("peer down reason")
    if reason in (1, 3):
        side = "local" if reason == 1 else "remote"
        if not cursor.remaining:  # the session is down, whatever else was to be said
            return f"{side}, its notification is missing"
        kind, body = read_message(cursor)
        text = read_notification(body) if kind == 3 else f"BGP message type {kind}"
        return f"{side} {text}"
    if reason == 2:
        event = cursor.u16("fsm event") if cursor.remaining >= 2 else 0
        return f"local, without notification, FSM event {event}"
    if reason == 6:
        tables = [text for kind, text in read_tlvs(cursor) if kind == TABLE_NAME]
        return " ".join(["local system closed", *(f"table {table}" for table in tables)])
    return _PEER_DOWN.get(reason, f"reason {reason}")


_PEER_DOWN = {
    4: "remote, without notification",
    5: "no longer monitored",
}


def read_mirrored(cursor: Cursor) -> tuple[list[Cursor], list[str]]:
    """Route Mirroring (RFC 7854 section 4.7): the mirrored BGP messages, and information codes."""
    messages: list[Cursor] = []
    codes: list[str] = []
    while cursor.remaining:
        kind, length = cursor.u16("mirroring tlv type"), cursor.u16("mirroring tlv length")
        value = cursor.window(length, "mirroring tlv")
        if kind == 0:
            messages.append(value)
        elif kind == 1 and length == 2:
            code = value.u16("information code")
            codes.append(_MIRRORING.get(code, f"information code {code}"))
    return messages, codes


MESSAGES_LOST = "messages lost"
_MIRRORING = {0: "errored PDU", 1: MESSAGES_LOST}
