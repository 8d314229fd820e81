"""Recordings of real senders, and what was met in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec

from collector.event import Event
from collector.inputs.files import Summary, read_events
from collector.quirks import warning

ROOT = Path(__file__).parents[2]
STORY = ROOT / "anchorwatch" / "demo" / "story.pcap.gz"
"""GoBGP 3.10, its BMP recorded in our own lab; so are these."""
LAB = ROOT / "tests" / "captures" / "lab"


def changed(event: Event, **fields: object) -> Event:
    """The same event but for these fields."""
    return msgspec.structs.replace(event, **fields)


@dataclass
class Recording:
    """One file, read."""

    events: list[Event]
    quirks: Counter[str]

    def of(self, **fields: object) -> list[Event]:
        """The events that have these values."""
        return [e for e in self.events if all(getattr(e, n) == v for n, v in fields.items())]

    def saying(self, quirk: str) -> list[Event]:
        """The events that name a quirk."""
        return [e for e in self.events if warning(quirk) in e.warnings]


def recorded(path: Path) -> Recording:
    """All events of a recording, and the quirks that its senders showed."""
    summary = Summary()
    events = list(read_events(path, summary=summary))
    return Recording(events, summary.quirks)


def daemon(shared_data: Path, name: str) -> Recording:
    """A stream of one of the real daemons that others' captures come with."""
    return recorded(shared_data / "_daemons" / f"{name}.bmp")
