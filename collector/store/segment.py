"""One segment of the spool: a folder with a journal, and files of Native blocks.

The journal is a row of records: length and CRC-32 of what follows, then MessagePack. A record
holds events, incidents, and how far each file of blocks reaches with the blocks that were handed
over with them. So what one `append` took is there as a whole or not at all, whenever the program
was stopped, and a file of blocks is one that ClickHouse reads as it is.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from collector.event import Event
from collector.native import Block

MAX_BLOCK_ROWS = 900_000
"""Rows of one insert: from a million on the engine would make several of it."""

Row = Event | Mapping[str, Any] | Block
"""An event, an incident as its JSON object, or a block of routes."""
Target = tuple[int, tuple[str, ...]]
"""Day and columns: what the blocks of one file have in common."""

JOURNAL = "journal"
_RECORD = struct.Struct(">II")
_encoder = msgspec.msgpack.Encoder()


class _Piece(msgspec.Struct, array_like=True):
    """Where in a file one block is."""

    file: str
    begin: int
    end: int
    rows: int
    crc: int


class _File(msgspec.Struct, array_like=True):
    """A file of blocks that begins here."""

    file: str
    day: int
    columns: tuple[str, ...]


class _Record(msgspec.Struct, array_like=True):
    events: list[Event] = []
    incidents: list[dict[str, Any]] = []
    files: list[_File] = []
    pieces: list[_Piece] = []


_decoder = msgspec.msgpack.Decoder(_Record)


@dataclass(slots=True)
class BlockFile:
    """A file of blocks of routes, all of one day and with the same columns."""

    path: Path
    day: int
    columns: tuple[str, ...]
    rows: int = 0
    end: int = 0


@dataclass(slots=True)
class Contents:
    """What a segment holds."""

    events: list[Event] = field(default_factory=list)
    incidents: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, BlockFile] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows of tables that is."""
        return len(self.events) + len(self.incidents) + sum(f.rows for f in self.files.values())

    def add(self, record: _Record, folder: Path) -> None:
        """Take in what one record says."""
        self.events += record.events
        self.incidents += record.incidents
        for file in record.files:
            self.files[file.file] = BlockFile(folder / file.file, file.day, file.columns)
        for piece in record.pieces:
            found = self.files[piece.file]
            found.rows += piece.rows
            found.end = piece.end


class SegmentWriter:
    """A segment that is being filled, by one thread."""

    def __init__(self, folder: Path) -> None:
        """Make the folder. Raises OSError."""
        self.folder = folder
        self.octets = 0
        """Written so far."""
        self.rows = 0
        folder.mkdir()
        try:
            self._journal = os.open(folder / JOURNAL, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except OSError:
            folder.rmdir()
            raise
        self._end = 0
        self._handles: dict[str, int] = {}
        self._files: dict[str, BlockFile] = {}
        self._current: dict[Target, str] = {}

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows, all or none of them. Raises OSError; then none was added.

        Likewise raises what it is that keeps a row from being written: see `is_writable`.
        """
        record = _Record()
        try:
            for row in rows:
                if isinstance(row, Block):
                    self._write_block(row, record)
                elif isinstance(row, Event):
                    record.events.append(row)
                else:
                    record.incidents.append(dict(row))
            self._write_record(_encoder.encode(record))
        except Exception:
            self._take_back(record)
            raise
        for file in record.files:
            self._current[file.day, file.columns] = file.file
        for piece in record.pieces:
            found = self._files[piece.file]
            self.octets += piece.end - piece.begin
            found.end, found.rows = piece.end, found.rows + piece.rows
            self.rows += piece.rows
        self.rows += len(record.events) + len(record.incidents)

    def sync(self) -> None:
        """Make all of it durable. Raises OSError."""
        for handle in (*self._handles.values(), self._journal):
            os.fsync(handle)
        sync_folder(self.folder)

    def close(self) -> None:
        """Nothing is added any more."""
        for handle in (*self._handles.values(), self._journal):
            os.close(handle)

    def _write_block(self, block: Block, record: _Record) -> None:
        file = self._file_for(block, record)
        last = next((p for p in reversed(record.pieces) if p.file == file.path.name), None)
        begin = last.end if last else file.end
        _write(self._handles[file.path.name], block.view, begin)
        crc = zlib.crc32(block.view)
        end = begin + len(block.view)
        record.pieces.append(_Piece(file.path.name, begin, end, block.rows, crc))

    def _file_for(self, block: Block, record: _Record) -> BlockFile:
        target = (block.day, block.columns)
        made = [f.file for f in record.files if (f.day, f.columns) == target]
        name = made[-1] if made else self._current.get(target)
        if name is not None:
            held = self._files[name].rows + sum(p.rows for p in record.pieces if p.file == name)
            if held + block.rows <= MAX_BLOCK_ROWS:
                return self._files[name]
        name = f"{len(self._files)}.native"
        flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC
        self._handles[name] = os.open(self.folder / name, flags)
        self._files[name] = BlockFile(self.folder / name, *target)
        record.files.append(_File(name, *target))
        return self._files[name]

    def _write_record(self, payload: bytes) -> None:
        whole = _RECORD.pack(len(payload), zlib.crc32(payload)) + payload
        _write(self._journal, whole, self._end)
        self._end += len(whole)
        self.octets += len(whole)

    def _take_back(self, record: _Record) -> None:
        """What was written of a record that failed is not there; the next one overwrites it."""
        for file in record.files:
            os.close(self._handles.pop(file.file))
            (self.folder / file.file).unlink()
            del self._files[file.file]
        os.truncate(self._journal, self._end)
        for name, handle in self._handles.items():
            os.truncate(handle, self._files[name].end)


def is_writable(row: Row) -> bool:
    """Whether a journal can hold a row: an integer beyond 64 bits it cannot."""
    try:
        _encoder.encode(row if isinstance(row, Event | Block) else dict(row))
    except Exception:  # noqa: BLE001 - whatever it is, it is this row's
        return isinstance(row, Block)  # that goes into a file of its own, as it is
    return True


def _write(handle: int, data: bytes | memoryview, at: int) -> None:
    """Write all of it at one place, in however many pieces the system takes it."""
    view = memoryview(data)
    while view:
        written = os.pwrite(handle, view, at)
        view, at = view[written:], at + written


def sync_folder(folder: Path) -> None:
    """Make a folder's list of files durable. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_segment(folder: Path) -> Contents:
    """What a sealed segment holds. Raises OSError."""
    contents = Contents()
    for record, _ in _records((folder / JOURNAL).read_bytes()):
        contents.add(record, folder)
    return contents


def recover(folder: Path) -> int:
    """Cut a segment that was never sealed back to what is whole in it, and make that durable.

    Answers how many octets were cut off. Raises OSError. What comes behind the first record that is
    not whole, or whose blocks are not what it says (as after a power cut), is not there either.
    """
    journal = folder / JOURNAL
    data = journal.read_bytes() if journal.exists() else b""
    contents = Contents()
    end = 0
    for record, after in _records(data):
        if not all(_is_whole(folder / piece.file, piece) for piece in record.pieces):
            break
        contents.add(record, folder)
        end = after
    cut = len(data) - end
    journal.touch()
    _truncate(journal, end)
    for path in folder.glob("*.native"):
        file = contents.files.get(path.name)
        cut += path.stat().st_size - (file.end if file else 0)
        _truncate(path, file.end if file else 0)
    sync_folder(folder)
    return cut


def _records(data: bytes) -> Iterator[tuple[_Record, int]]:
    """The records of a journal, and where each ends, up to the first that is not whole."""
    at = 0
    while at + _RECORD.size <= len(data):
        length, crc = _RECORD.unpack_from(data, at)
        at += _RECORD.size + length
        payload = data[at - length : at]
        if len(payload) < length or zlib.crc32(payload) != crc:
            return
        yield _decoder.decode(payload), at


def _is_whole(path: Path, piece: _Piece) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(piece.begin)
            data = file.read(piece.end - piece.begin)
    except FileNotFoundError:
        return False
    return len(data) == piece.end - piece.begin and zlib.crc32(data) == piece.crc


def _truncate(path: Path, end: int) -> None:
    with path.open("r+b") as file:
        file.truncate(end)
        os.fsync(file.fileno())
