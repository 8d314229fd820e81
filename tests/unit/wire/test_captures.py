"""Every BMP capture that others published, and those of real daemons, message by message."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from collector.event import Event, Kind
from collector.inputs.files import FileError, Summary, read_events

NAMES = {
    "initiation": "initiation",
    "peer-up": "peer-up",
    "peer-down": "peer-down",
    "route-mon": "route-monitoring",
    "stats": "statistics",
    "termination": "termination",
    "mirroring": "route-mirroring",
}
ROW = re.compile(r"^\| `(?P<path>[^`]+)` \| \d+ \| (?P<content>.*)$", re.MULTILINE)
TRUNCATED = re.compile(r"(\d+) of (\d+) bytes framed")


def rows(readme: str) -> dict[str, str]:
    """The captures of the section on BMP, and what is said of each."""
    section = readme.split("## 2. BMP captures")[1].split("## 3.", maxsplit=1)[0]
    return {row["path"]: row["content"] for row in ROW.finditer(section)}


def expected(content: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, count in re.findall(r"(?:bmp:)?([a-z][a-z-]+):(\d+)", content):
        if name in NAMES and f"rm:{name}" not in content:
            found[NAMES[name]] += int(count)
    return found


def read(path: Path) -> tuple[list[Event], Summary, str]:
    summary, events, failure = Summary(), [], ""
    try:
        for event in read_events(path, summary=summary):
            events.append(event)  # noqa: PERF402 - what came before a failure counts
    except FileError as error:
        failure = str(error)
    return events, summary, failure


def test_message_counts_of_every_capture_are_those_of_its_description(shared_data: Path) -> None:
    captures = rows((shared_data / "README.md").read_text())
    assert len(captures) >= 28
    for name, content in captures.items():
        events, summary, failure = read(shared_data / name)
        bmp = {kind: n for kind, n in summary.messages.items() if kind in NAMES.values()}
        assert bmp == expected(content), name
        assert events, name
        # A capture that is known to end inside a message says so as an event, not as an error.
        assert not failure, name
        cut = [e for e in events if "inside a message" in (e.reason or "")]
        assert bool(cut) == bool(TRUNCATED.search(content)), name


FAULTS = {
    # FRR mirrors the rules that GoBGP 3.10 breaks where ADD-PATH is negotiated in the same session.
    "frr84.46124.bmp": {"flowspec-undecodable": 6},
}
"""The senders' faults that these streams hold, by messages."""


def test_captures_of_real_daemons_decode_whole(shared_data: Path) -> None:
    paths = sorted((shared_data / "_daemons").glob("*.bmp"))
    assert len(paths) >= 11
    for path in paths:
        events, summary, failure = read(path)
        assert not failure
        assert [e.reason for e in events if e.kind == Kind.UNDECODABLE] == []
        assert dict(summary.errors) == FAULTS.get(path.name, {}), path
        assert [e.sequence for e in events] == list(range(1, len(events) + 1))
        assert [e.received for e in events] == sorted(e.received for e in events)
