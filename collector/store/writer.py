"""The one thread that writes: it batches what it is handed, and keeps it until it is in."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from collector.event import Event
from collector.native import Block
from collector.store.embedded import EmbeddedStore, StoreError
from collector.store.rows import event_table, incident_table, table_of

log = logging.getLogger(__name__)

DAY = 86_400_000_000_000
EVENT_OCTETS = 600
"""What one event takes in memory, about, beside its raw bytes."""

Row = Event | Mapping[str, Any] | Block
"""A row, or a block of them that the native decoder made."""
ENOUGH = 32 << 20
"""Octets for which nobody waits for more to come."""
MAX_BLOCK_ROWS = 900_000
"""Rows of one insert: from a million on the engine would make several of it."""

Target = tuple[str, int, tuple[str, ...]]
"""Table, day, and the columns of blocks: what goes in with one insert."""


class Writer:
    """Takes events and incidents without ever waiting, and writes them in batches.

    A batch that cannot be written (the disk is full, say) is kept and tried again until it is in,
    once. Meanwhile `full` says when the collector should stop reading.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_rows: int = 50_000,
        max_wait: float = 0.5,
        max_pending: int = 256 << 20,
        retry: float = 1.0,
    ) -> None:
        """Open the store at `path` in a thread of its own; raises StoreError where that fails.

        A batch is written once it has `max_rows` rows or is `max_wait` seconds old; the writer is
        `full` from `max_pending` octets in memory on, and tries again every `retry` seconds.
        """
        self.rows_written = 0
        self.inserts = 0
        self.failures = 0
        self.last_error: str | None = None
        """Why the last insert failed; None since the last one that did not."""
        self.pending_octets = 0
        self._max_rows = max_rows
        self._max_wait = max_wait
        self._max_pending = max_pending
        self._retry = retry
        self._pending: list[Row] = []
        self._changed = threading.Condition()
        self._closing = False
        self._deadline: float | None = None
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        opened: list[StoreError | None] = []
        ready = threading.Event()
        self._incoming = path.with_name(f"{path.name}-incoming")
        self._thread = threading.Thread(
            target=self._run, args=(path, opened, ready), name="store-writer", daemon=True
        )
        self._thread.start()
        ready.wait()
        if opened[0] is not None:
            raise opened[0]

    @property
    def full(self) -> bool:
        """Whether more is in memory than should be."""
        return self.pending_octets >= self._max_pending

    def put(self, rows: Sequence[Row]) -> None:
        """Hand over events, incidents as their JSON objects, or blocks. Never waits."""
        octets = sum(map(_octets, rows))
        with self._changed:
            self._pending += rows
            self.pending_octets += octets
            self._changed.notify()

    async def room(self) -> None:
        """Return once the writer is not `full`."""
        while self.full:
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            with self._changed:
                self._waiting.append((loop, future))
            if self.full:
                await future

    def close(self, timeout: float = 10.0) -> int:
        """Write out what is pending, for `timeout` seconds at most; answer the rows left over."""
        with self._changed:
            self._closing = True
            self._deadline = time.monotonic() + timeout
            self._changed.notify()
        self._thread.join(timeout + 5)
        return len(self._pending)

    # In the thread

    def _run(self, path: Path, opened: list[StoreError | None], ready: threading.Event) -> None:
        try:
            store = EmbeddedStore(path)
        except StoreError as error:
            opened.append(error)
            ready.set()
            return
        opened.append(None)
        ready.set()
        try:
            while (batch := self._next_batch()) is not None:
                if not self._write(store, batch):
                    break
        finally:
            store.close()

    def _next_batch(self) -> list[Row] | None:
        """The rows to write next; None once all are written and nothing more will come."""
        with self._changed:
            while not self._pending and not self._closing:
                self._changed.wait()
            oldest = time.monotonic()
            while len(self._pending) < self._max_rows and not self._closing:
                if self.pending_octets >= ENOUGH:
                    break
                left = oldest + self._max_wait - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return self._pending[: self._max_rows] or None

    def _write(self, store: EmbeddedStore, batch: list[Row]) -> bool:
        """Write a batch however often it takes; False where closing ran out of time."""
        for target, rows in _by_block(batch):
            token = secrets.token_hex(16)  # the same for every attempt: a block goes in once
            while not self._insert(store, target, rows, token):
                if self._deadline is not None and time.monotonic() >= self._deadline:
                    return False
                with self._changed:
                    self._changed.wait(self._retry)
        octets = sum(map(_octets, batch))
        for row in batch:
            if isinstance(row, Block):
                row.release()
        with self._changed:
            del self._pending[: len(batch)]
            self.pending_octets -= octets
            waiting, self._waiting = self._waiting, []
        for loop, future in waiting:
            loop.call_soon_threadsafe(_wake, future)
        return True

    def _insert(self, store: EmbeddedStore, target: Target, rows: list[Row], token: str) -> bool:
        table, _, columns = target
        try:
            if columns:
                self._insert_blocks(store, target, rows, token)  # type: ignore[arg-type]
            elif table == "incidents":
                store.insert(table, incident_table(rows), token)  # type: ignore[arg-type]
            else:
                store.insert(table, event_table(table, rows), token)  # type: ignore[arg-type]
        except StoreError as error:
            self.failures += 1
            if self.last_error is None:
                log.error("cannot write to the store, keeping what is pending: %s", error)
            self.last_error = str(error)
            return False
        if self.last_error is not None:
            log.info("the store takes rows again")
        self.last_error = None
        self.inserts += 1
        self.rows_written += sum(row.rows if isinstance(row, Block) else 1 for row in rows)
        return True

    def _insert_blocks(
        self, store: EmbeddedStore, target: Target, blocks: list[Block], token: str
    ) -> None:
        table, _, columns = target
        path = self._incoming / f"{token}.native"
        try:
            self._incoming.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for block in blocks:
                    file.write(block.view)
            store.insert_native(table, columns, path, token)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror or error}") from error
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _octets(row: Row) -> int:
    if isinstance(row, Block):
        return len(row.view)
    raw = len(row.raw or b"") if isinstance(row, Event) else 0
    return EVENT_OCTETS + raw


def _by_block(batch: Sequence[Row]) -> list[tuple[Target, list[Row]]]:
    """One insert for each table and day: a block of one partition goes in whole or not at all."""
    inserts: dict[Target, list[Row]] = defaultdict(list)
    blocks: dict[Target, list[list[Row]]] = defaultdict(lambda: [[]])
    for row in batch:
        if isinstance(row, Block):
            parts = blocks["routes", row.day, row.columns]
            rows = sum(each.rows for each in parts[-1] if isinstance(each, Block))
            if rows + row.rows > MAX_BLOCK_ROWS:
                parts.append([])
            parts[-1].append(row)
        elif isinstance(row, Event):
            inserts[table_of(row), row.received // DAY, ()].append(row)
        else:
            inserts["incidents", hash(row["time"][:10]), ()].append(row)
    whole = [(target, rows) for target, parts in blocks.items() for rows in parts]
    return [*inserts.items(), *whole]


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
