"""FRRouting 8.4 and 10.3."""

from __future__ import annotations

from collector.event import View
from collector.quirks.base import MIRRORING, PEER_DOWN, PEER_UP, ROUTES, Message, Quirk

FABRICATED = "fabricated-withdrawals"
"""Withdrawals of routes that were never announced."""
SAME = 1_000_000
"""Within so many ns no session ends and begins again."""


def _own_as(message: Message) -> bool:
    external = message.local_as != message.peer_as or message.view == View.LOC_RIB
    if not external or message.local_as is None:
        return False
    path = message.path.get("as_path") or ""
    return f"{path} ".startswith(f"{message.local_as} ")


def _old_up(message: Message) -> bool:
    """A peer comes up after it went down, and FRR stamps both with about the same moment."""
    return 0 < message.stamp < message.past.downs.get(message.key, 0) + SAME


def _never_up(message: Message) -> bool:
    return not message.known and message.key not in message.past.been_up


def _down_again(message: Message) -> bool:
    return not message.known and message.key in message.past.been_up


QUIRKS = (
    Quirk("own-as-prepended", (ROUTES,), _own_as, quoted=False),
    Quirk("peer-up-with-old-time", (PEER_UP,), _old_up),
    Quirk("peer-down-without-peer-up", (PEER_DOWN,), _never_up),
    Quirk("repeated-peer-down", (PEER_DOWN,), _down_again),
    Quirk("mirrored-before-peer-up", (MIRRORING,), _never_up),
    Quirk(FABRICATED),
)
