"""BGP sessions as they stand in captures, without BMP around them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from collector.inputs.capture import Flow, read_segments
from collector.wire import bgp
from collector.wire.cursor import Cursor, WireError

PORT = 179


def streams(path: Path) -> dict[Flow, bytes]:
    """What each side of each TCP connection of a capture sent."""
    found: dict[Flow, bytearray] = defaultdict(bytearray)
    with path.open("rb") as file:
        for segment in read_segments(file):
            found[segment.flow] += segment.data
    if not found:  # a link layer that captures of BMP do not have, such as PPP
        octets = path.read_bytes()
        start = octets.find(bgp.MARKER)
        if start >= 0:
            found[("", 0, "", 0)] += octets[start:]
    return {flow: bytes(data) for flow, data in found.items()}


def messages(data: bytes) -> Iterator[tuple[int, Cursor]]:
    """Type and body of the BGP messages of one side, up to the first that cannot be framed."""
    cursor = Cursor(data)
    while cursor.remaining:
        try:
            yield bgp.read_message(cursor)
        except WireError:
            return
