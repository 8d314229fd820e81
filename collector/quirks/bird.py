"""BIRD 2.20 and 3.1."""

from __future__ import annotations

from collector.event import View
from collector.quirks.base import PEER_DOWN, PEER_UP, ROUTES, Message, Profile, Quirk

SILENT = "silent-after-initiation"
"""The session opens and no peer ever comes up on it."""
EARLY = "end-of-rib-before-routes"
"""The End-of-RIB of a peer's table comes before the table."""


def _no_time(message: Message) -> bool:
    return not message.stamp


def _early(message: Message) -> bool:
    return message.ends and message.past.profile == Profile.BIRD


def _local_pref(message: Message) -> bool:
    """An external peer sends none (RFC 4271 section 5.1.5): the router has added it."""
    if message.view != View.ADJ_IN_PRE or message.path.get("local_pref") is None:
        return False
    return message.local_as is not None and message.local_as != message.peer_as


QUIRKS = (
    Quirk(SILENT),
    Quirk("zero-time", (PEER_UP, PEER_DOWN, ROUTES), _no_time),
    Quirk(EARLY, (ROUTES,), _early),
    Quirk("local-pref-of-external-peer", (ROUTES,), _local_pref, quoted=False),
)
