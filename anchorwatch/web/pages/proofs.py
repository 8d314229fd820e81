"""A message as a page shows it: decoded, and as it was on the wire."""

from __future__ import annotations

from typing import Any

import msgspec

from anchorwatch.board.now import Item
from anchorwatch.pictures.page import hex_lines
from collector.event import Event


def proof(event: Event, title: str = "") -> Item:
    """What a page shows of a message; its `key` is the same whenever it is shown."""
    return {
        "key": f"{event.router}-{event.received}-{event.sequence}",
        "title": title or f"{event.kind} {event.rule or event.prefix or event.router}",
        "fields": [(name, _text(value)) for name, value in event.to_dict().items()],
        "hex": hex_lines(event.raw) if event.raw else "",
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
