"""Recordings into the store: in batches, each once, however often the import breaks off.

A batch is so many octets of the recording, whatever is in them and whichever decoder reads them,
and is recorded in the table `imports` once it is in. An import that broke off goes on behind the
last batch that is recorded. Of the next one some rows may be in: those it leaves out, row by row.
For that, all of that batch is decoded in Python, as blocks cannot be compared.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from collector.event import Event
from collector.native import Block
from collector.store.backend import Store, StoreError
from collector.store.gathering import Gathering, Part, merged, span
from collector.store.rows import NS, NUMBER, TEXT

STRIDE = 16 << 20
"""Octets of a recording, unpacked, that are one batch. Imports that broke off know theirs by it."""
OVERLAP = 1 << 16
"""Octets before a batch from which on rows are compared, if any are.

What is read at once: of that, one decoder may hand out the last record before the pause, another
one behind it.
"""
MOST_WAITING = 2
"""Parts that wait to be inserted."""
READ = 1 << 20
KEYS = (
    *("sequence", "feed", "router", "router_address", "peer", "peer_rd"),
    *("view", "kind", "family", "rd", "length", "nlri", "next_hop", "as_path_text", "rule", "raw"),
)
"""Columns that, with `received`, tell a row from those of other recordings, too.

Those may have no times.

None of them may be null: nulls are never equal.
"""

_KNOWN = """
SELECT batch, finished, fault, path FROM imports
WHERE fingerprint = {fingerprint:String} ORDER BY finished DESC, batch DESC LIMIT 1
"""
_STORED = """
SELECT toUnixTimestamp64Nano(received) AS at, {columns} FROM {table}
WHERE received >= fromUnixTimestamp64Nano({{first:Int64}})
  AND received <= fromUnixTimestamp64Nano({{last:Int64}})
  AND sequence >= {{low:UInt64}} AND sequence <= {{high:UInt64}}
"""


class ChangedError(Exception):
    """One sentence: which recording changed while it was imported."""


class Decoding(Protocol):
    """What decodes the recording."""

    def flush(self) -> None:
        """Hand out the blocks of all that was read."""

    def narrow(self, on: bool) -> None:
        """From here on, whether all routes come as events, none in blocks."""


@dataclass(frozen=True, slots=True)
class Source:
    """A recording, known by what is in it."""

    path: Path
    fingerprint: str
    """SHA-256 of the file as it lies there, hex."""
    state: tuple[int, int]

    @classmethod
    def of(cls, path: Path, progress: Callable[[int], None] | None = None) -> Source:
        """Read all of the file, telling `progress` how many octets. Raises OSError."""
        digest, octets = hashlib.sha256(), 0
        with path.open("rb") as file:
            state = _state(os.fstat(file.fileno()))
            while data := file.read(READ):
                digest.update(data)
                octets += len(data)
                if progress is not None:
                    progress(octets)
        return cls(path, digest.hexdigest(), state)

    def check(self) -> None:
        """Raises ChangedError where the file is not what it was."""
        with suppress(OSError):
            if _state(self.path.stat()) == self.state:
                return
        raise ChangedError(f"{self.path}: changed while it was imported")


def _state(found: os.stat_result) -> tuple[int, int]:
    return found.st_size, found.st_mtime_ns


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of a recording."""

    batches: int
    """How many are in; the next one may be in partly."""
    finished: bool
    fault: str
    """Why the recording could not be read to its end, if so."""
    path: str


class Importer:
    """Puts recordings into a store, in a thread of its own while the next rows are decoded.

    Once the store has refused something it takes nothing more.
    """

    def __init__(
        self, open_store: Callable[[], Store], folder: Path, *, stride: int = STRIDE
    ) -> None:
        """Open the store in that thread; blocks wait in files in `folder`. Raises StoreError.

        What is in `folder` is deleted, also at the end; it is for one import at a time.
        """
        self.rows = 0
        """Rows that were put in."""
        self.skipped = 0
        """Batches that were in already."""
        self.span: tuple[int, int] | None = None
        """Earliest and latest `received` of these rows, ns."""
        self.folder = folder
        self.stride = stride
        self._lock = _locked(folder)
        self._error: StoreError | None = None
        self._waiting: deque[Future[Any]] = deque()
        self._thread = ThreadPoolExecutor(1, "store-import")
        try:
            self._store = self._thread.submit(open_store).result()
        except StoreError:
            self._thread.shutdown()
            self._clear()
            raise

    def begin(self, source: Source) -> Import:
        """Take in a recording from its first octet on, or what is missing of it."""
        found = self._thread.submit(
            self._store.query, _KNOWN, {"fingerprint": source.fingerprint}
        ).result()
        rows = found.to_pylist()
        known = None
        if rows:
            row = rows[0]
            known = Known(row["batch"], row["finished"], row["fault"], row["path"])
        return Import(self, source, known)

    def close(self) -> None:
        """Give the store back, after what is being inserted."""
        for future in self._waiting:
            future.cancel()
        self._thread.submit(self._store.close).result()
        self._thread.shutdown()
        self._clear()

    def _clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)

    def insert(self, part: Part, token: str, *, compare: bool) -> None:
        """Have a part inserted; of events only what is not in, if `compare`. Raises StoreError."""
        self._do(self._insert, part, token, compare)

    def record(self, row: dict[str, Any]) -> None:
        """Have it recorded that all before is in."""
        self._do(self._record, row)

    def wait(self, most: int = 0) -> None:
        """Until at most so much is left to be done. Raises StoreError."""
        while len(self._waiting) > most:
            self._waiting.popleft().result()

    def _do(self, work: Callable[..., None], *words: object) -> None:
        self.wait(MOST_WAITING - 1)
        self._waiting.append(self._thread.submit(self._try, work, *words))

    # In the thread

    def _try(self, work: Callable[..., None], *words: object) -> None:
        if self._error is not None:
            raise self._error  # nothing may be recorded behind what is not in
        try:
            work(*words)
        except StoreError as error:
            self._error = error
            raise

    def _insert(self, part: Part, token: str, compare: bool) -> None:
        if part.path is not None:
            self._store.insert_native(part.table, part.columns, part.path, token)
            part.path.unlink(missing_ok=True)
            self._count(part.rows, part.span)
            return
        rows = pa.concat_tables(part.pieces).combine_chunks()
        if compare:
            rows = self._missing(part.table, rows)
        if rows.num_rows:
            self._store.insert(part.table, rows, token)
            self._count(rows.num_rows, span(rows))

    def _count(self, rows: int, found: tuple[int, int]) -> None:
        self.rows += rows
        self.span = merged(self.span, found)

    def _missing(self, table: str, rows: pa.Table) -> pa.Table:
        """Those of the rows that are not in the table."""
        keys = [name for name in KEYS if name in rows.column_names]
        first, last = span(rows)
        numbers = pc.min_max(rows["sequence"]).as_py()
        limits = {"first": first, "last": last, "low": numbers["min"], "high": numbers["max"]}
        sql = _STORED.format(columns=", ".join(keys), table=table)
        stored = self._store.query(sql, limits)
        if not stored.num_rows:
            return rows
        ours = rows.select(keys).append_column("at", rows["received"].cast(pa.int64()))
        theirs = stored.select(ours.column_names).cast(ours.schema)
        numbered = ours.append_column("row", pa.array(range(rows.num_rows)))
        left = numbered.join(theirs, ours.column_names, join_type="left anti")
        return rows.take(left["row"].sort())

    def _record(self, row: dict[str, Any]) -> None:
        token = f"{row['fingerprint']}-{row['batch']}-{row['finished']}"
        columns = [pa.array([row[name]], kind) for name, kind in _RECORD.items()]
        self._store.insert("imports", pa.table(columns, names=list(_RECORD)), token)


def _locked(folder: Path) -> int:
    """Make an empty folder, and hold it until what this answers is closed. Raises StoreError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise StoreError(f"another import is under way, with its files in {folder}") from None
        for left in folder.iterdir():
            left.unlink()
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror or error}") from error
    return lock


_RECORD = {
    **dict.fromkeys(("fingerprint", "path"), TEXT),
    "batch": NUMBER,
    "octets": pa.uint64(),
    "finished": pa.bool_(),
    "fault": TEXT,
    "recorded": NS,
}


class Import:
    """One recording on its way in: its rows in their order, with the pauses between them."""

    def __init__(self, importer: Importer, source: Source, known: Known | None) -> None:
        """Begin at the first octet, whatever is `known`."""
        self.source = source
        self.known = known
        self._importer = importer
        self._begun = known is not None
        self._batch = 1
        """The number of the batch that is being gathered; the first has 1."""
        self._octets = 0
        self._skip = self._compare = False
        self._gathering: Gathering | None = None
        self._parts = 0

    @property
    def finished(self) -> bool:
        """Whether all of it is in already."""
        return self.known is not None and self.known.finished

    def add_event(self, event: Event) -> None:
        """Take in an event. Raises StoreError."""
        if not self._skip:
            self._gathered().add_event(event)

    def add_block(self, block: Block) -> None:
        """Take in a block, and release it. Raises StoreError."""
        if self._skip:
            block.release()
            return
        if self._compare:
            raise AssertionError("a block came where routes should be events")
        self._gathered().add_block(block)

    def pause(self, octets: int, decoding: Decoding) -> None:
        """So many octets are decoded. Raises StoreError and ChangedError."""
        self._octets = octets
        batch = octets // self._importer.stride + 1
        skip = compare = False
        if self.known is not None:
            border = self.known.batches * self._importer.stride
            skip = octets < border - OVERLAP
            compare = not skip and octets < border + self._importer.stride
        if octets and (batch, skip, compare) == (self._batch, self._skip, self._compare):
            return
        decoding.flush()
        if batch != self._batch:
            self._finish_batch(batch - 1)
        self._batch, self._skip, self._compare = batch, skip, compare
        decoding.narrow(compare)

    def finish(self, fault: str = "") -> None:
        """There are no more rows: all is in once this returns. Raises StoreError, ChangedError.

        `fault` says why the recording could not be read to its end, if so.
        """
        if fault and not self._begun and self._gathering is None:
            return  # it is no recording at all
        self._finish_batch(self._batch, finished=True, fault=fault)
        self._importer.wait()

    def drop(self) -> None:
        """Let go of what is not in."""
        if self._gathering is not None:
            self._gathering.drop()

    def _gathered(self) -> Gathering:
        if self._gathering is None:
            place = self._importer.folder / f"{self.source.fingerprint}-{self._batch}"
            self._gathering = Gathering(place, self._insert)
        return self._gathering

    def _insert(self, part: Part) -> None:
        if not self._begun:
            # From now on something of it may be in.
            self._begun = True
            self._record(0)
        self._parts += 1
        token = f"{self.source.fingerprint}-{self._batch}-{self._parts}"
        if self._compare:
            # What is left of a part is another part, which was not inserted before.
            token += f"-{secrets.token_hex(8)}"
        self._importer.insert(part, token, compare=self._compare)

    def _finish_batch(self, number: int, *, finished: bool = False, fault: str = "") -> None:
        self.source.check()
        if self._gathering is not None:
            self._gathering.finish()
        self._gathering, self._parts = None, 0
        if finished or self.known is None or number > self.known.batches:
            self._record(number, finished=finished, fault=fault)
        else:
            self._importer.skipped += 1

    def _record(self, number: int, *, finished: bool = False, fault: str = "") -> None:
        self._importer.record(
            {
                "fingerprint": self.source.fingerprint,
                "path": os.fsencode(self.source.path).decode(errors="replace"),
                "batch": number,
                "octets": self._octets,
                "finished": finished,
                "fault": fault,
                "recorded": time.time_ns(),
            }
        )
