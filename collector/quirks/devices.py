"""Devices of several makers."""

from __future__ import annotations

from collector.event import View
from collector.quirks.base import ROUTES, UNKNOWN, Message, Quirk

CUT = "ends-inside-message"
"""The stream ends inside a message."""


def _unknown(message: Message) -> bool:
    return message.kind == UNKNOWN


def _no_peer_up(message: Message) -> bool:
    return not message.known and message.view != View.LOC_RIB


QUIRKS = (
    Quirk("unknown-message-type", (UNKNOWN,), _unknown),
    Quirk("no-peer-up", (ROUTES,), _no_peer_up),
    Quirk(CUT),
)
