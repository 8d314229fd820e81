"""The table of MRT files in the description of the data of other projects."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROW = re.compile(
    r"^\| `(?P<name>\S+)` \| \d+ \| (?P<records>(?:BGP|TABLE)[^|]*) \|[^|]*\| "
    r"(?P<announced>\d+) / (?P<withdrawn>\d+) / (?P<entries>\d+) / (?P<states>\d+) \|",
    re.MULTILINE,
)


class Row(NamedTuple):
    """What is said of one file."""

    name: str
    records: dict[str, int]
    """By type and subtype: `BGP4MP/4`."""
    announced: int
    withdrawn: int
    entries: int
    states: int


def rows(shared_data: Path) -> list[Row]:
    found = []
    for row in ROW.finditer((shared_data / "README.md").read_text()):
        records = dict(each.rsplit(":", 1) for each in row["records"].split())
        counts = (int(row[name]) for name in ("announced", "withdrawn", "entries", "states"))
        found.append(Row(row["name"], {k: int(v) for k, v in records.items()}, *counts))
    return found
