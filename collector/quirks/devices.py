"""Devices of several makers."""

from __future__ import annotations

from collector.event import View
from collector.quirks.base import ROUTES, UNKNOWN, Message, Quirk

CUT = "ends-inside-message"
"""The stream ends inside a message."""
SHARED_NAME = "shared-name"
"""Sessions from two addresses, that the settings give no name, have one sysName at once."""


def _unknown(message: Message) -> bool:
    return message.kind == UNKNOWN


def _no_peer_up(message: Message) -> bool:
    return not message.known and message.view != View.LOC_RIB


QUIRKS = (
    Quirk("unknown-message-type", (UNKNOWN,), _unknown),
    Quirk("no-peer-up", (ROUTES,), _no_peer_up),
    Quirk(CUT),
    Quirk(SHARED_NAME),
)
