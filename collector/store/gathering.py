"""Rows on their way into the store, gathered into inserts: one table, one day, the same columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from collector.event import Event
from collector.native import Block
from collector.store.backend import StoreError
from collector.store.rows import DAY, event_table, table_of
from collector.store.segment import MAX_BLOCK_ROWS

EVENTS = 10_000
"""Events of which columns are made at once: these take less memory."""
PART_OCTETS = 128 << 20
"""Likewise; from 256 MiB on it would."""
MOST_OPEN = 32
"""Parts of events, and files of blocks, that are open at once."""


@dataclass(slots=True)
class Part:
    """Rows of one insert: columns in memory, or Native blocks in a file."""

    table: str
    rows: int = 0
    octets: int = 0
    span: tuple[int, int] = (0, 0)
    """Earliest and latest `received`, ns."""
    columns: tuple[str, ...] = ()
    """Of the blocks."""
    path: Path | None = None
    file: BinaryIO | None = None
    pieces: list[pa.Table] = field(default_factory=list)

    def has_room(self, rows: int, octets: int) -> bool:
        """Whether so much more can go in with the same insert."""
        return self.rows + rows <= MAX_BLOCK_ROWS and self.octets + octets <= PART_OCTETS

    def add(self, rows: int, octets: int, span: tuple[int, int]) -> None:
        """Count what was put in."""
        self.span = merged(self.span if self.rows else None, span)
        self.rows += rows
        self.octets += octets


class Gathering:
    """The rows of one batch; which parts they make depends on them alone."""

    def __init__(self, place: Path, emit: Callable[[Part], None]) -> None:
        """Keep blocks in files whose names begin as `place`; whole parts go to `emit`."""
        self._place = place
        self._emit = emit
        self._made = 0
        self._events: list[Event] = []
        self._tables: dict[tuple[str, int], Part] = {}
        self._files: dict[tuple[int, tuple[str, ...]], Part] = {}

    def add_event(self, event: Event) -> None:
        """Take in an event."""
        self._events.append(event)
        if len(self._events) >= EVENTS:
            self._sort()

    def add_block(self, block: Block) -> None:
        """Take in a block, and release it. Raises StoreError where it cannot be kept."""
        key, octets = (block.day, block.columns), len(block.view)
        part = self._files.get(key)
        if part is not None and not part.has_room(block.rows, octets):
            self._finish(self._files.pop(key))
            part = None
        if part is None:
            if len(self._files) >= MOST_OPEN:
                self._finish(_oldest(self._files))
            part = self._files[key] = Part("routes", columns=block.columns)
        try:
            if part.file is None:
                self._made += 1
                part.path = self._place.with_name(f"{self._place.name}-{self._made}.native")
                part.file = part.path.open("wb")
            part.file.write(block.view)
        except OSError as error:
            raise StoreError(f"{part.path}: {error.strerror or error}") from error
        part.add(block.rows, octets, block.span())
        block.release()

    def finish(self) -> None:
        """Hand out what is left. Raises StoreError."""
        self._sort()
        while self._tables:
            self._finish(_oldest(self._tables))
        while self._files:
            self._finish(_oldest(self._files))

    def drop(self) -> None:
        """Let go of everything."""
        for part in self._files.values():
            if part.file is not None:
                part.file.close()

    def _sort(self) -> None:
        """Make columns of the events."""
        found: defaultdict[tuple[str, int], list[Event]] = defaultdict(list)
        for event in self._events:
            found[table_of(event), event.received // DAY].append(event)
        self._events = []
        for key, events in found.items():
            piece = event_table(key[0], events)
            part = self._tables.get(key)
            if part is not None and not part.has_room(piece.num_rows, piece.nbytes):
                self._finish(self._tables.pop(key))
                part = None
            if part is None:
                if len(self._tables) >= MOST_OPEN:
                    self._finish(_oldest(self._tables))
                part = self._tables[key] = Part(key[0])
            part.pieces.append(piece)
            part.add(piece.num_rows, piece.nbytes, span(piece))

    def _finish(self, part: Part) -> None:
        if part.file is not None:
            try:
                part.file.close()
            except OSError as error:
                raise StoreError(f"{part.path}: {error.strerror or error}") from error
        self._emit(part)


def _oldest(parts: dict[Any, Part]) -> Part:
    """Take the one out that was begun first."""
    return parts.pop(next(iter(parts)))


def merged(some: tuple[int, int] | None, others: tuple[int, int]) -> tuple[int, int]:
    """The span of both."""
    return others if some is None else (min(some[0], others[0]), max(some[1], others[1]))


def span(rows: pa.Table) -> tuple[int, int]:
    """Earliest and latest `received`, ns."""
    found = pc.min_max(rows["received"].cast(pa.int64()))
    return found["min"].as_py(), found["max"].as_py()
