"""Junos."""

from __future__ import annotations

from collector.quirks.base import PEER_DOWN, PEER_UP, ROUTES, Message, Quirk


def _age(message: Message) -> bool:
    return message.stamp > 0 and not message.timed


QUIRKS = (Quirk("age-as-time", (PEER_UP, PEER_DOWN, ROUTES), _age),)
