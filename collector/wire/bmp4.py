"""What version 4 adds to Route Monitoring: TLVs around the BGP message (draft-ietf-grow-bmp-tlv).

Each TLV may speak of single routes of the message: its index counts them from 1, 0 means all of
them, and one with the top bit set names a group that a Group TLV lists.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from collector.wire.bgp import read_capabilities
from collector.wire.cursor import Cursor, WireError
from collector.wire.texts import read_text

CAPABILITIES, GROUP, TABLE_NAME, BGP_MESSAGE, PATH_STATUS = 1, 2, 3, 4, 5
MARKER = b"\xff" * 16

_STATUS = (
    *("invalid", "best", "non-selected", "primary", "backup", "non-installed", "best-external"),
    *("add-path", "filtered-inbound", "filtered-outbound", "stale", "suppressed"),
)
"""By bit, from the lowest (draft-ietf-grow-bmp-path-marking-tlv)."""


@dataclass(slots=True)
class Monitored:
    """A version 4 Route Monitoring message behind its per-peer header."""

    message: Cursor
    table: str | None = None
    add_path: dict[tuple[int, int], int] | None = None
    """The ADD-PATH capability that this message was encoded with, where it says so."""
    path_status: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """By index of the route, from 1; 0 is every route."""

    def mark(self, routes: list[dict[str, Any]]) -> None:
        """Give each route what the TLVs say of it."""
        for index, route in enumerate(routes, 1):
            status = self.path_status.get(index, ()) + self.path_status.get(0, ())
            if status:
                route["path_status"] = status


def read_monitored(cursor: Cursor) -> Monitored:
    """All TLVs of the message. Raises WireError where none is a BGP message.

    The drafts have numbered the TLV of the BGP message differently; its marker tells it.
    """
    message: Cursor | None = None
    found = Monitored(cursor)
    groups: dict[int, tuple[int, ...]] = {}
    statuses: list[tuple[int, tuple[str, ...]]] = []
    while cursor.remaining:
        kind, length = cursor.u16("tlv type"), cursor.u16("tlv length")
        index = cursor.u16("tlv index")
        value = cursor.window(length, "tlv")
        if value.data[value.position : value.position + 16] == MARKER:
            message = value
        elif kind == CAPABILITIES:
            found.add_path = read_capabilities(value).add_path
        elif kind == GROUP:
            groups[index] = tuple(value.u16("group member") for _ in range(length // 2))
        elif kind == TABLE_NAME:
            found.table = read_text(value.rest())
        elif kind == PATH_STATUS:
            statuses.append((index, _status(value)))
    if message is None:
        raise WireError("tlv", cursor.position, "no BGP message among the TLVs")
    found.message = message
    for index, status in statuses:
        for member in groups.get(index, (index,)):
            found.path_status[member] = found.path_status.get(member, ()) + status
    return found


def _status(value: Cursor) -> tuple[str, ...]:
    bits = value.u32("path status")
    names = tuple(name for bit, name in enumerate(_STATUS) if bits >> bit & 1)
    return (*names, f"reason-{value.u16('path status reason')}") if value.remaining >= 2 else names
