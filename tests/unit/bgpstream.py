"""A BGPStream without its library: elements and records as it gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from collector.event import Event, Kind
from collector.inputs.bgpstream_elements import VantagePoints
from collector.inputs.bgpstream_reader import elements

NOW = 1_800_000_000_000_000_000
SECOND = 1_000_000_000


@dataclass
class Elem:
    """What `pybgpstream.BGPElem` documents."""

    type: str
    fields: dict[str, Any]
    time: float = 1_553_627_987.89
    peer_address: str = "192.0.2.9"
    peer_asn: int = 64_500


@dataclass
class Record:
    """What `pybgpstream.BGPRecord` documents."""

    elems: list[Elem] = field(default_factory=list)
    project: str = "ris-live"
    collector: str = "rrc00"
    type: str = "update"
    status: str = "valid"
    dump_position: str = "start"

    def __iter__(self) -> Any:
        return iter(self.elems)


class Library:
    """Stands for the module: remembers how a stream was asked for."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.filters: list[tuple[str, str]] = []

    def BGPStream(self, **asked: Any) -> Library:  # noqa: N802 - the library's name for it
        self.asked = asked
        return self

    def add_filter(self, kind: str, value: str) -> None:
        self.filters.append((kind, value))


def route(**more: Any) -> dict[str, Any]:
    return {
        "prefix": "192.0.2.50/32",
        "next-hop": "192.0.2.9",
        "as-path": "64500 64501 64502",
        "communities": set(),
        **more,
    }


def read(*records: Record, dumps: bool = False) -> list[Event]:
    """Through the reader's lines, as they cross the pipe, to events."""
    vantage_points = VantagePoints(dumps=dumps)
    return [
        event
        for element in elements(records, lambda: 0.0)
        for event in vantage_points.take(element, NOW)
    ]


def told(events: Sequence[Event]) -> list[Event]:
    """Without what the feed says of itself."""
    own = {Kind.FEED_UP, Kind.END_OF_RIB, Kind.STATS}
    return [event for event in events if event.kind not in own]
