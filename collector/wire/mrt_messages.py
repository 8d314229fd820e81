"""BGP messages and state changes in MRT: BGP4MP (RFC 6396 section 4.4) and the old type 5."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from collector.event import Kind, View
from collector.wire import bgp
from collector.wire.addresses import address
from collector.wire.cursor import Cursor, WireError
from collector.wire.destinations import Context
from collector.wire.families import NAMES

Fields = dict[str, Any]

AS4 = frozenset({4, 5, 7, 9, 11})
"""Subtypes of BGP4MP with AS numbers of four octets."""
LOCAL = frozenset({6, 7, 10, 11})
"""Subtypes for messages that the recording router itself sent (RFC 6396 section 4.4.5)."""
ADD_PATH = frozenset({8, 9, 10, 11})
"""Subtypes whose NLRI has path ids (RFC 8050 section 3)."""
ESTABLISHED = 6
OLD_UPDATE, OLD_STATE_CHANGE = 1, 3
_OLD_COUNTED = {5: "open", 6: "notification", 7: "keepalive"}
_ALL_FAMILIES = frozenset(NAMES) | {(1, 2), (2, 2)}
_NO_FAMILIES = frozenset[tuple[int, int]]()
_COUNTED = {1: "open", 3: "notification", 4: "keepalive", 5: "route-refresh"}
_SIZES = {1: 4, 2: 16}
_STATES = 4
"""Octets of the two states."""

Key = tuple[str, str | None, int]
"""Router, peer and its AS."""


@dataclass(slots=True)
class Peers:
    """What earlier records said of the peers."""

    epochs: dict[Key, int] = field(default_factory=dict)
    """When a session came up, ns."""
    notifications: dict[Key, str] = field(default_factory=dict)
    """What a NOTIFICATION said before the session's end."""


class Session(NamedTuple):
    """The head of a BGP4MP record: between whom the message went."""

    peer: str | None
    peer_as: int
    local: str

    @property
    def key(self) -> Key:
        """What tells this session from others of the file."""
        return self.local, self.peer, self.peer_as

    def fields(self, peers: Peers, subtype: int = 1) -> Fields:
        """The session as fields of an event."""
        out: Fields = {"router": self.local, "router_address": self.local}
        out |= {"peer": self.peer, "peer_as": self.peer_as, "epoch": peers.epochs.get(self.key)}
        if subtype in LOCAL:
            out["view"] = View.ADJ_OUT_POST.value
        return out


def read_session(cursor: Cursor, subtype: int) -> Session:
    """The fields that all records of BGP4MP begin with."""
    number = cursor.u32 if subtype in AS4 else cursor.u16
    peer_as = number("peer as")
    number("local as")
    if _is_shortened(cursor):
        return Session(None, peer_as, "")
    cursor.u16("interface index")
    at = cursor.position
    afi = cursor.u16("address family")
    if afi not in _SIZES:
        raise WireError("address family", at, f"{afi} is neither 1 nor 2")
    size = _SIZES[afi]
    peer, local = cursor.take(size, "peer address"), cursor.take(size, "local address")
    return Session(address(peer), peer_as, address(local))


def _is_shortened(cursor: Cursor) -> bool:
    """Whether no addresses follow, as in what collectors of 2000 wrote before a session was up."""
    marker = cursor.data[cursor.position : cursor.position + len(bgp.MARKER)]
    return cursor.remaining == _STATES or marker == bgp.MARKER


def read_message(cursor: Cursor, subtype: int, time: int, peers: Peers) -> list[Fields]:
    """One BGP message: its routes, or only its count where it is no UPDATE."""
    session = read_session(cursor, subtype)
    kind, body = bgp.read_message(cursor)
    if kind != bgp.UPDATE:
        if kind == bgp.NOTIFICATION:
            peers.notifications[session.key] = bgp.read_notification(body)
        return [{"counted": _COUNTED.get(kind, f"bgp-type-{kind}")}]
    families = _ALL_FAMILIES if subtype in ADD_PATH else _NO_FAMILIES
    context = Context(as4=subtype in AS4, add_path=families)
    return _routes(session.fields(peers, subtype), body, context, time)


def _routes(common: Fields, body: Cursor, context: Context, time: int) -> list[Fields]:
    common = {**common, "time": time}
    try:
        return [{**common, **route} for route in bgp.read_update(body, context)]
    except WireError as error:
        body.rest()
        return [{**common, "kind": Kind.UNDECODABLE.value, "reason": f"update: {error}"}]


def read_state_change(cursor: Cursor, subtype: int, time: int, peers: Peers) -> list[Fields]:
    """A change of the session's state; only those from and to Established are events."""
    session = read_session(cursor, subtype)
    return _state_change(cursor, session, time, peers)


def _state_change(cursor: Cursor, session: Session, time: int, peers: Peers) -> list[Fields]:
    old, new = cursor.u16("old state"), cursor.u16("new state")
    if ESTABLISHED not in (old, new) or old == new:
        peers.notifications.pop(session.key, None)  # it ended no session that was up
        return []
    if new == ESTABLISHED:
        peers.epochs[session.key] = time
        return [{**session.fields(peers), "time": time, "kind": Kind.PEER_UP.value}]
    fields = session.fields(peers)
    peers.epochs.pop(session.key, None)
    words = peers.notifications.pop(session.key, None)
    reason = f"state {old} to {new}" + (f", {words}" if words else "")
    return [{**fields, "time": time, "kind": Kind.PEER_DOWN.value, "reason": reason}]


def read_old(cursor: Cursor, subtype: int, time: int, peers: Peers) -> list[Fields]:
    """A record of type 5 (RFC 6396 appendix B.2), as collectors wrote them until 2000."""
    if subtype in _OLD_COUNTED:
        cursor.rest()
        return [{"counted": _OLD_COUNTED[subtype]}]
    peer_as = cursor.u16("peer as")
    peer = address(cursor.take(4, "peer address"))
    if subtype == OLD_STATE_CHANGE:
        # It does not say whose session it was.
        return _state_change(cursor, Session(peer, peer_as, ""), time, peers)
    cursor.u16("local as")
    local = address(cursor.take(4, "local address"))
    session = Session(peer, peer_as, local)
    fields = {**session.fields(peers), "epoch": peers.epochs.get(("", peer, peer_as))}
    return _routes(fields, cursor, Context(as4=False), time)
