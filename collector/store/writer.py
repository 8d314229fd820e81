"""What stands between the feeds and the store: rows go to the spool at once, and on from there."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from collector.event import Event, Kind
from collector.native import Block
from collector.store.backend import Store, StoreError
from collector.store.embedded import EmbeddedStore
from collector.store.inserts import inserts
from collector.store.open_feeds import OpenFeeds
from collector.store.segment import Row, is_writable, read_segment
from collector.store.spool import Sealed, Spool

log = logging.getLogger(__name__)

EVENT_OCTETS = 600
"""What one event takes in memory, about, beside its raw bytes."""
ENOUGH = 32 << 20
"""Octets from which on a segment is complete."""
LONGEST = 10.0
"""Seconds after which a segment is complete even if the store is busy with earlier ones."""
MOST_PENDING = 64 << 20
"""Octets in memory from which on nothing is read, whatever the disk does."""
PATIENCE = 0.5
"""Seconds that a feed waits for a slow disk before it reads on: a page must not wait for it."""
BEHIND = 10
"""How much nicer the thread is that stores rows (nice(1)) than those that read and judge."""
LIVES = 0.5
"""Seconds between two signs of life."""
ATTEMPTS = 3
"""What a fault stops so often, not the store or the disk, will not go in: it is set aside."""
MOST_ASIDE = 100
"""Segments set aside from which on it is no row that is odd, but we: all is kept waiting then."""
PASSING = (StoreError, OSError, MemoryError)
"""What may go well the next time."""
MOMENT = 0.05
"""Seconds between two looks at what may be complete."""


class Writer:
    """Takes events, incidents and blocks without ever waiting, and brings them into the store.

    One thread writes them to the spool as they come; another inserts what is there, again and
    again until the store has it. What it has not taken when the program ends, the next run stores.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        spool: Spool,
        *,
        max_wait: float = 0.5,
        retry: float = 1.0,
        wait_for_store: bool = False,
    ) -> None:
        """Open the store in a thread of its own; raises StoreError where that fails.

        With `wait_for_store`, a store that cannot be opened is tried again and again instead. Rows
        are in the store after about `max_wait` seconds; what fails is tried again every `retry`.
        """
        self.rows_spooled = 0
        self.rows_written = 0
        self.inserts = 0
        self.failures = 0
        self.store_error: str | None = None
        """Why the store did not take rows the last time; None since it did."""
        self.spool_error: str | None = None
        """Likewise of the spool."""
        self.refusal: str | None = None
        """Why a segment was last set aside; None where this run has set none aside."""
        self.rows_left_out = 0
        """Rows that were lost, as the spool cannot write them."""
        self.pending_octets = 0
        """Octets in memory that are not in the spool yet."""
        self.ahead = 0
        """How far the times of receipt are before the system's clock, ns."""
        self.spool = spool
        self._open_store = open_store
        self._max_wait = max_wait
        self._retry = retry
        self._wait_for_store = wait_for_store
        self._pending: list[Row] = []
        self._changed = threading.Condition()
        self._closing = False
        self._spooled_all = threading.Event()
        self._deadline: float | None = None
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._idle = True
        self._feeds = OpenFeeds(spool.folder / "feeds.json")
        last = spool.newest
        left = self._feeds.left(read_segment(last.folder).events if last else [])
        opened: list[StoreError | None] = []
        ready = threading.Event()
        self._storing = threading.Thread(
            target=self._store_rows, args=(opened, ready), name="store", daemon=True
        )
        self._storing.start()
        ready.wait()
        if opened[0] is not None:
            self._storing.join()
            raise opened[0]
        self.put(left)
        self._spooling = threading.Thread(target=self._spool_rows, name="spool", daemon=True)
        self._spooling.start()

    @classmethod
    def embedded(cls, path: Path, **options: Any) -> Writer:
        """One that writes into the embedded store at `path`, by way of a spool beside it."""
        spool = Spool(path.with_name(f"{path.name}-spool"))
        try:
            return cls(partial(EmbeddedStore, path), spool, **options)
        except StoreError:
            spool.close()
            raise

    @property
    def lived(self) -> int:
        """When an earlier run last lived, ns; 0 where there was none."""
        return self._feeds.lived

    @property
    def full(self) -> bool:
        """Whether no more should be read."""
        return self.spool.full or self.pending_octets >= MOST_PENDING

    @property
    def last_error(self) -> str | None:
        """What is the matter with spool or store now."""
        return self.spool_error or self.store_error

    def put(self, rows: Sequence[Row]) -> None:
        """Hand over events, incidents as their JSON objects, or blocks. Never waits."""
        if not rows:
            return
        octets = sum(map(_octets, rows))
        with self._changed:
            self._pending += rows
            self.pending_octets += octets
            self._changed.notify_all()

    async def room(self) -> None:
        """Return once all that was handed over is in the spool, and the spool is not full.

        A disk that is slow holds a feed up for a moment only, until too much is in memory.
        """
        waited = False
        while self.full or (self.pending_octets and not waited):
            waited = not self.full
            future = asyncio.get_running_loop().create_future()
            with self._changed:
                self._waiting.append((asyncio.get_running_loop(), future))
                if not self.pending_octets and not self.full:
                    return
            with suppress(TimeoutError):
                await asyncio.wait_for(future, PATIENCE if waited else self._retry)

    def close(self, timeout: float = 10.0) -> int:
        """Bring what is pending into the store, for `timeout` seconds at most.

        Answers how many rows are left in memory, and so lost: none, unless the disk is full. What
        is in the spool is stored by the next run.
        """
        with self._changed:
            self._closing = True
            self._deadline = time.monotonic() + timeout
            self._changed.notify_all()
        self._spooling.join(timeout + 5)
        self._storing.join(timeout + 5)
        self.spool.close()
        return len(self._pending)

    def _out_of_time(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    # To the spool

    def _spool_rows(self) -> None:
        while True:
            with self._changed:
                if not self._pending and not self._closing:
                    self._changed.wait(MOMENT if self.spool.filling else LIVES)
                batch, self._pending = self._pending, []
            try:
                self._to_spool(batch)
            except Exception as error:  # noqa: BLE001 - a defect must be told, not end the thread
                with self._changed:
                    self._pending = batch + self._pending
                    if self._out_of_time():
                        break
                    self.spool_error = self._failed(error, self.spool_error)
                    self._changed.wait(self._retry)
            else:
                self.spool_error = None
                if self._closing and not self._pending:
                    break
        self._spooled_all.set()

    def _to_spool(self, batch: list[Row]) -> None:
        """Raises StoreError or OSError; then nothing of the batch was taken."""
        events = [row for row in batch if isinstance(row, Event)]
        self._feeds.note(Kind.FEED_UP, events)
        if batch:
            try:
                self.spool.append(batch)
            except PASSING:
                raise
            except Exception as error:  # noqa: BLE001 - one row must not stop the others
                self._leave_out(batch, error)
                self.spool.append(batch)
            octets = sum(map(_octets, batch))
            self.rows_spooled += sum(map(_rows, batch))
            with self._changed:
                self.pending_octets -= octets
            for row in batch:
                if isinstance(row, Block):
                    row.release()
            batch.clear()
            self._wake()
        self._feeds.note(Kind.FEED_DOWN, events)
        self._feeds.touch(time.time_ns() + self.ahead)
        wait = self._max_wait if self._idle else LONGEST
        if self._closing or self.spool.due(octets=ENOUGH, seconds=wait):
            self.spool.seal()

    def _leave_out(self, batch: list[Row], error: Exception) -> None:
        """Forget the rows that cannot be written; raises `error` where there is none."""
        lost = [row for row in batch if not is_writable(row)]
        if not lost:
            raise error
        log.error("%d rows cannot be written and are lost: %s: %r", len(lost), error, lost[0])
        batch[:] = [row for row in batch if is_writable(row)]
        self.rows_left_out += len(lost)
        with self._changed:
            self.pending_octets -= sum(map(_octets, lost))

    def _wake(self) -> None:
        with self._changed:
            waiting, self._waiting = self._waiting, []
        for loop, future in waiting:
            with suppress(RuntimeError):  # a loop that has ended waits for nothing
                loop.call_soon_threadsafe(_resolve, future)

    # To the store

    def _store_rows(self, opened: list[StoreError | None], ready: threading.Event) -> None:
        if self._wait_for_store:
            opened.append(None)
            ready.set()
        store = None
        while store is None:
            try:
                store = self._open_store()
            except StoreError as error:
                if not self._wait_for_store:
                    opened.append(error)
                    ready.set()
                    return
                if not self._pause(error):
                    return
        _go_behind()
        opened.append(None)
        ready.set()
        try:
            while (segment := self._next_segment()) is not None:
                if not self._take(store, segment):
                    break
        finally:
            store.close()

    def _next_segment(self) -> Sealed | None:
        """The segment to store next; None where nothing more will come."""
        while True:
            last = self._spooled_all.is_set()
            segment = self.spool.oldest(0 if last else MOMENT)
            self._idle = segment is None
            if segment is not None or last:
                return segment

    def _take(self, store: Store, segment: Sealed) -> bool:
        """Store a segment however often it takes; False where closing ran out of time."""
        doubtful, faults = segment.left, 0
        while True:
            try:
                rows, fault = self._insert(store, segment, doubtful=doubtful)
                faults += fault is not None
                if fault is None:
                    self.spool.remove(segment)
                elif faults >= ATTEMPTS and self.spool.set_aside < MOST_ASIDE:
                    self._set_aside(segment, fault)
                else:
                    raise fault
            except Exception as error:  # noqa: BLE001 - a defect must be told, not end the thread
                doubtful = True
                if not self._pause(error):
                    return False
            else:
                if self.store_error is not None:
                    log.info("the store takes rows again")
                self.store_error = None
                self.rows_written += rows
                self._wake()
                return True

    def _insert(
        self, store: Store, segment: Sealed, *, doubtful: bool
    ) -> tuple[int, Exception | None]:
        """Put in what goes in: how many rows that is, and what kept the others from it, if any.

        Raises what may pass. Anything else is the fault of some row, and the others go on.
        """
        rows, fault = 0, None
        try:
            for number, insert in enumerate(inserts(read_segment(segment.folder))):
                try:
                    # The same for every attempt, also of the next run: rows go in once.
                    insert.once(store, f"{segment.name}-{number}", doubtful=doubtful)
                except PASSING:
                    raise
                except Exception as error:  # noqa: BLE001 - see above
                    fault = error
                else:
                    self.inserts += 1
                    rows += insert.rows
        except PASSING:
            raise
        except Exception as error:  # noqa: BLE001 - the segment itself cannot be understood
            fault = error
        return rows, fault

    def _set_aside(self, segment: Sealed, fault: Exception) -> None:
        """Raises StoreError."""
        aside = self.spool.put_aside(segment)
        self.refusal = str(fault) or type(fault).__name__
        log.error("rows that can never be stored are set aside in %s: %s", aside, self.refusal)

    def _pause(self, error: Exception) -> bool:
        """Wait before the next attempt; False where closing ran out of time."""
        if self._out_of_time():
            return False
        self.store_error = self._failed(error, self.store_error)
        with self._changed:
            self._changed.wait(self._retry)
        return True

    def _failed(self, error: Exception, known: str | None) -> str:
        self.failures += 1
        if known is None:
            ours = isinstance(error, StoreError | OSError)
            log.error(
                "rows cannot be stored now, keeping them: %s", error, exc_info=not ours and error
            )
        return str(error) or type(error).__name__


def _octets(row: Row) -> int:
    if isinstance(row, Block):
        return len(row.view)
    raw = len(row.raw or b"") if isinstance(row, Event) else 0
    return EVENT_OCTETS + raw


def _rows(row: Row) -> int:
    return row.rows if isinstance(row, Block) else 1


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _go_behind() -> None:
    """Let the others go first where there are too few cores: before this one, and the engine's own.

    What waits for them is on disk, and a page must not wait. The engine's threads are those that
    Python does not know.
    """
    if sys.platform != "linux":  # there the whole process would go behind
        return
    behind = min(19, os.getpriority(os.PRIO_PROCESS, os.getpid()) + BEHIND)
    others = {thread.native_id for thread in threading.enumerate()} - {threading.get_native_id()}
    for task in Path("/proc/self/task").iterdir():
        if int(task.name) not in others:
            with suppress(OSError):  # it has ended, or must not be told
                os.setpriority(os.PRIO_PROCESS, int(task.name), behind)
