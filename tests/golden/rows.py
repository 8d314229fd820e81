"""What a decoder says of a capture, as rows that can be held against another decoder's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from collector.event import Event, Provenance
from collector.inputs.files import read_events

Row = dict[str, Any]

ROUTE = (
    *("kind", "time", "peer", "peer_as", "peer_bgp_id", "peer_rd", "view"),
    *("family", "rd", "prefix", "path_id", "labels", "next_hop", "as_path", "origin", "med"),
    *("local_pref", "communities", "ext_communities", "large_communities"),
    *("originator_id", "cluster_list", "nlri", "aggregator", "atomic_aggregate"),
)
"""The fields of a route that other decoders print too."""


@dataclass(slots=True)
class Tally:
    """How much was compared."""

    source: str
    messages: int = 0
    routes: int = 0
    fields: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.source,
            self.messages + other.messages,
            self.routes + other.routes,
            self.fields + other.fields,
        )

    def __str__(self) -> str:
        return (
            f"{self.source}: {self.messages} messages, {self.routes} routes, "
            f"{self.fields} fields compared"
        )


TALLIES: list[Tally] = []
"""What was reported in this run."""


def report(tally: Tally) -> None:
    """Say how much was compared (pytest -s shows it), and keep it for the sum at the end."""
    print(tally)
    TALLIES.append(tally)


def heard(path: Path) -> list[Event]:
    """What the routers of a capture said, without what anchorwatch concluded."""
    return [e for e in read_events(path) if e.provenance != Provenance.SYNTHETIC]


def host(text: str | None) -> str | None:
    """An address in one notation: texts of IPv4-mapped ones differ between decoders."""
    return str(ip_address(text)) if text else None


def unmapped(text: str | None) -> str | None:
    """An address, and of an IPv4-mapped one the IPv4 address."""
    if not text:
        return None
    found = ip_address(text)
    return str(getattr(found, "ipv4_mapped", None) or found)


def route_row(event: Event) -> Row:
    """A route of ours with all fields of `ROUTE`, none left out."""
    row: Row = {name: getattr(event, name) for name in ROUTE}
    row["next_hop"] = host(event.next_hop)
    return row


def without(row: Row, *names: str) -> Row:
    """A row without the fields that the other side does not print."""
    return {name: value for name, value in row.items() if name not in names}


def fields_of(rows: Iterable[Row]) -> int:
    """How many values are compared that say something; that both say nothing does not count."""
    values = [value for row in rows for value in row.values()]
    return sum(value not in (None, (), []) and value is not False for value in values)


def difference(expected: Iterable[Row], ours: Iterable[Row], shown: int = 4) -> str:
    """What one side has and the other has not; empty where both say the same, in any order."""
    want, have = Counter(map(_frozen, expected)), Counter(map(_frozen, ours))
    missing, extra = want - have, have - want
    if not missing and not extra:
        return ""
    lines = [f"{missing.total()} of {want.total()} rows are missing, {extra.total()} too many"]
    for gone, near in zip(sorted(missing)[:shown], sorted(extra)[:shown], strict=False):
        lines.append(f"  expected {sorted(set(gone) - set(near))}")
        lines.append(f"  ours     {sorted(set(near) - set(gone))} at {gone[:3]}")
    lines += [f"  missing {row}" for row in sorted(missing - extra)[:shown]]
    lines += [f"  too many {row}" for row in sorted(extra - missing)[:shown]]
    return "\n".join(lines)


def _frozen(row: Row) -> tuple[tuple[str, str], ...]:
    return tuple((name, repr(row[name])) for name in sorted(row))
