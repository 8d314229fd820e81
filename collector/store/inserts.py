"""What a segment becomes in the store: one insert for each table and day, each exactly once.

A token makes the store drop what it was told before. But ClickHouse notes a token before the rows
are in for good: where it is killed between the two, it drops rows that it does not have. So an
insert that may have been tried before is looked for afterwards, and done again if it is not there.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from collector.event import Event, parse_rfc3339
from collector.store.backend import Store
from collector.store.native_format import read_number, read_text
from collector.store.rows import DAY, event_table, incident_table, table_of
from collector.store.segment import BlockFile, Contents

HEAD = 1 << 20
"""Octets of a file in which the first two columns of its first block are."""
_EVENT = "received = fromUnixTimestamp64Nano({received:Int64}) AND sequence = {sequence:UInt64}"
_INCIDENT = "time = fromUnixTimestamp64Nano({time:Int64}) AND id = {id:String}"


@dataclass(frozen=True, slots=True)
class Insert:
    """Rows of one table and day: they go in all together, or not at all."""

    table: str
    put: Callable[[Store, str], None]
    """Into a store, under a token."""
    sample: Callable[[], tuple[str, dict[str, Any]]]
    """A condition that one of the rows meets and no other row of the table, with its parameters."""
    rows: int

    def once(self, store: Store, token: str, *, doubtful: bool) -> None:
        """Put the rows in, once; `doubtful` where that may have been tried before.

        Raises StoreError; then it is doubtful whether they are in.
        """
        self.put(store, token)
        attempt = 0
        while doubtful and store.may_forget and not self._is_in(store):
            attempt += 1
            self.put(store, f"{token}-{attempt}")

    def _is_in(self, store: Store) -> bool:
        condition, parameters = self.sample()
        sql = f"SELECT count() > 0 AS found FROM {self.table} WHERE {condition}"  # noqa: S608 - our own words
        return bool(store.query(sql, parameters)["found"][0].as_py())


def inserts(contents: Contents) -> Iterator[Insert]:
    """What a segment holds, always in the same order."""
    by_table: dict[tuple[str, int], list[Event]] = defaultdict(list)
    for event in contents.events:
        by_table[table_of(event), event.received // DAY].append(event)
    for (table, _), events in by_table.items():
        make, sample = partial(event_table, table, events), partial(_of_event, events[0])
        yield _of_rows(table, make, sample, len(events))
    by_day: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for incident in contents.incidents:
        by_day[incident["time"][:10]].append(incident)
    for some in by_day.values():
        make, sample = partial(incident_table, some), partial(_of_incident, some[0])
        yield _of_rows("incidents", make, sample, len(some))
    for file in contents.files.values():
        if file.rows:
            put, sample = partial(_put_file, file=file), partial(_of_file, file.path)
            yield Insert("routes", put, sample, file.rows)


def _of_rows(
    table: str,
    make: Callable[[], pa.Table],
    sample: Callable[[], tuple[str, dict[str, Any]]],
    rows: int,
) -> Insert:
    return Insert(table, lambda store, token: store.insert(table, make(), token), sample, rows)


def _put_file(store: Store, token: str, *, file: BlockFile) -> None:
    store.insert_native("routes", file.columns, file.path, token)


def _of_event(event: Event) -> tuple[str, dict[str, Any]]:
    return _EVENT, {"received": event.received, "sequence": event.sequence}


def _of_incident(incident: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return _INCIDENT, {"time": parse_rfc3339(incident["time"]), "id": incident["id"]}


def _of_file(path: Path) -> tuple[str, dict[str, Any]]:
    """The first row of a file of blocks. Raises OSError."""
    with path.open("rb") as file:
        received, sequence = first_values(file.read(HEAD), ("received", "sequence"))
    return _EVENT, {"received": received, "sequence": sequence}


def first_values(data: bytes, names: Sequence[str]) -> list[int]:
    """The first values of the first columns of a block, whose names and 64-bit values are known."""
    at = 0
    _, at = read_number(data, at)
    rows, at = read_number(data, at)
    values = []
    for name in names:
        for expected in (name, None):
            length, at = read_number(data, at)
            text, at = read_text(data, at, length)
            if expected not in (text, None):
                raise ValueError(f"column {text} of a block, where {name} should be")
        values.append(struct.unpack_from("<q", data, at)[0])
        at += 8 * rows
    return values
