"""What a quirk is, and what of a BMP message it is judged by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

INITIATION, PEER_UP, PEER_DOWN = "initiation", "peer-up", "peer-down"
ROUTES, MIRRORING, UNKNOWN = "route-monitoring", "route-mirroring", "unknown"
"""Types of BMP messages, as `BmpSession.messages` counts them."""

PeerKey = tuple[str, str | None, str | None]
"""Direction, address and distinguisher of a peer."""


class Profile(StrEnum):
    """Whose software a sender is."""

    GOBGP = "gobgp"
    FRR = "frr"
    BIRD = "bird"
    JUNOS = "junos"
    HUAWEI = "huawei"
    IOS_XR = "ios-xr"


@dataclass(slots=True)
class Past:
    """What a sender has done so far that later messages are judged by."""

    profile: Profile | None = None
    been_up: set[PeerKey] = field(default_factory=set)
    """Peers that have had a Peer Up in this session."""
    downs: dict[PeerKey, int] = field(default_factory=dict)
    """The time that the latest Peer Down of a peer gave, ns."""
    newest: dict[tuple[PeerKey, str], int] = field(default_factory=dict)
    """The latest time that routes of a peer had in a view, ns."""


@dataclass(slots=True)
class Message:
    """A BMP message as far as quirks are told by it, and what was known when it came."""

    past: Past
    kind: str
    view: str = ""
    key: PeerKey = ("", None, None)
    stamp: int = 0
    """The time in the per-peer header as it was sent, ns; 0 where it has none."""
    timed: bool = True
    """Whether that time can be one."""
    two_octet_as: bool = False
    """What the flags of the per-peer header say."""
    known: bool = True
    """Whether the peer is up, or has shown routes."""
    local_as: int | None = None
    """Of the session with the peer, from its Peer Up."""
    peer_as: int | None = None
    both_four_octet: bool = False
    """Whether both OPENs of the Peer Up have AS numbers of four octets."""
    withdraws: bool = False
    ends: bool = False
    """Whether it is an End-of-RIB."""
    path: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its first announcement, whose path attributes are those of all others too."""
    quotes: bool = True
    """Whether its events may name quirks.

    Those of plain routes may not: full tables pass in the native decoder, which looks for none.
    """
    information: Mapping[str, Any] = field(default_factory=dict)
    """Of an Initiation or a Peer Up."""


Shows = Callable[[Message], bool]


@dataclass(frozen=True, slots=True)
class Quirk:
    """One thing that some senders do."""

    name: str
    """The label of the metric, and `quirk: NAME` in warnings."""
    at: tuple[str, ...] = ()
    """Types of the messages in which it shows; none where the session counts it itself."""
    shows: Shows = bool
    """Whether a message of such a type shows it."""
    quoted: bool = True
    """Whether the events of the message name it."""


def warning(name: str) -> str:
    """What an event says of the quirk."""
    return f"quirk: {name}"
