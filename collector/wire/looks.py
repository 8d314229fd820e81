"""A BMP message as those see it who judge its sender, and as its events have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from collector.event import FLOWSPEC_FAMILIES, Kind
from collector.quirks import Message
from collector.quirks.base import Past
from collector.wire.bmp import PeerHeader, name_of
from collector.wire.peers import Peer

Fields = dict[str, Any]
ANNOUNCE, WITHDRAW = Kind.ANNOUNCE.value, Kind.WITHDRAW.value
EMPTY: Mapping[str, Any] = MappingProxyType({})


def look_of(
    past: Past,
    raw: bytes,
    header: PeerHeader | None = None,
    peer: Peer | None = None,
    information: Mapping[str, Any] = EMPTY,
) -> Message:
    """What quirks are told by; `peer` is what was known of it when the message came."""
    kind = name_of(raw[5])
    if header is None:
        return Message(past, kind, information=information)
    return Message(
        past,
        kind,
        header.view,
        header.key,
        header.stamp,
        header.timed,
        not header.as4,
        peer is not None,
        peer.local_as if peer is not None else None,
        header.peer_as,
        peer is not None and peer.both_as4,
        path=EMPTY,
        information=information,
    )


def add_routes(message: Message, routes: Sequence[Fields]) -> tuple[int, int]:
    """Say what routes of an UPDATE the message has; how many it announces and withdraws.

    Withdrawals come first, and those of one kind and family stand together: see `read_update`.
    """
    kinds = [route["kind"] for route in routes]
    announced, withdrawn = kinds.count(ANNOUNCE), kinds.count(WITHDRAW)
    message.withdraws, message.ends = withdrawn > 0, not announced + withdrawn
    if announced:
        message.path = routes[-1]
    if routes and not message.ends:
        ends = routes[0]["family"], routes[-1]["family"]
        message.quotes = ends[0] in FLOWSPEC_FAMILIES and ends[1] in FLOWSPEC_FAMILIES
    return announced, withdrawn


def warn(routes: Sequence[Fields], warnings: tuple[str, ...]) -> None:
    """Let each route say these, too."""
    if warnings:
        for route in routes:
            route["warnings"] = (*route.get("warnings", ()), *warnings)


def peer_fields(header: PeerHeader) -> Fields:
    """What every event about a peer has."""
    return {
        "time": header.time,
        "peer": header.peer,
        "peer_as": header.peer_as,
        "peer_bgp_id": header.bgp_id,
        "peer_rd": header.rd,
        "view": header.view,
    }
