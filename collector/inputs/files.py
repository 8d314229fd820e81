"""Recorded BMP: raw streams, pcap and pcapng, gzip around any of them, and lines of hex."""

from __future__ import annotations

import gzip
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from collector.event import Event
from collector.inputs.capture import CutShortError, Flow, Segment, read_segments
from collector.wire import bmp
from collector.wire.cursor import Cursor, WireError
from collector.wire.session import MAX_MESSAGE, BmpSession

PCAP_MAGIC = {
    *(b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1"),
    b"\x0a\x0d\x0d\x0a",
}
CHUNK = 65_536
WITH_PEER_HEADER = {
    *(bmp.ROUTE_MONITORING, bmp.STATISTICS, bmp.PEER_DOWN, bmp.PEER_UP, bmp.MIRRORING),
}

Progress = Callable[[int], None]
"""Told the octets of the file that have been read so far."""


class FileError(Exception):
    """A file that cannot be read, or not to its end: which one, where, and why."""

    def __init__(self, path: Path | str, cause: str) -> None:
        super().__init__(f"{path}: {cause}")


@dataclass(slots=True)
class Summary:
    """What a file held, filled while its events are read."""

    messages: Counter[str] = field(default_factory=Counter)
    """BMP messages by type."""
    errors: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    """Directions of TCP connections that do not carry BMP."""


@dataclass(slots=True)
class Stream:
    """One recorded BMP connection, as octets with their times."""

    router_address: str
    chunks: list[tuple[int, bytes]] = field(default_factory=list)
    """Capture time (ns) and octets."""


def read_events(
    path: Path | str, *, summary: Summary | None = None, progress: Progress | None = None
) -> Iterator[Event]:
    """The events of a recording in the order in which they were received.

    `-` reads lines of hex from standard input, one BMP message a line. Raises FileError: where
    a file breaks off, after all the events that could be read.
    """
    summary = summary or Summary()
    if str(path) == "-":
        yield from _hex_lines(summary)
        return
    try:
        with _open(Path(path), progress) as file:
            head = file.read(4)
            file.seek(0)
            if head in PCAP_MAGIC:
                yield from _capture(path, file, summary)
            elif len(head) == 4 and head[0] in bmp.VERSIONS:
                yield from _raw(path, file, summary)
            elif not head:
                raise FileError(path, "is empty")
            else:
                cause = f"is neither BMP nor a capture file: it begins with {head.hex()}"
                raise FileError(path, cause)
    except OSError as error:  # gzip raises it too, for a damaged file
        raise FileError(path, f"cannot be read: {error.strerror or error}") from error
    except EOFError as error:
        raise FileError(path, "is cut short: its gzip stream has no end") from error


def capture_streams(path: Path) -> list[Stream]:
    """The BMP connections of a capture, to be played again. Raises FileError."""
    streams: dict[Flow, Stream] = {}
    with _open(path, None) as file:
        for segment in _segments(path, file):
            if segment.flow not in streams:
                if not looks_like_bmp(segment.data):
                    continue
                streams[segment.flow] = Stream(segment.flow[0])
            if segment.data:
                streams[segment.flow].chunks.append((segment.time, segment.data))
    return list(streams.values())


def looks_like_bmp(data: bytes) -> bool:
    """Whether a stream that begins so carries BMP."""
    if len(data) < bmp.HEADER or data[0] not in bmp.VERSIONS:
        return False
    length = int.from_bytes(data[1:5])
    return bmp.HEADER <= length <= MAX_MESSAGE and data[5] < len(bmp.NAMES)


@contextmanager
def _open(path: Path, progress: Progress | None) -> Iterator[BinaryIO]:
    """The file's octets, out of gzip where they are in it."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        reported = _Reported(file, progress)
        if packed:
            with gzip.GzipFile(fileobj=cast("BinaryIO", reported)) as unpacked:
                yield cast("BinaryIO", unpacked)
        else:
            yield cast("BinaryIO", reported)


class _Reported:
    """A file that tells how far it has been read."""

    def __init__(self, file: BinaryIO, progress: Progress | None) -> None:
        self._file = file
        self._progress = progress

    def read(self, count: int = -1) -> bytes:
        data = self._file.read(count)
        if self._progress is not None:
            self._progress(self._file.tell())
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _segments(path: Path | str, file: BinaryIO) -> Iterator[Segment]:
    try:
        yield from read_segments(file)
    except CutShortError:
        raise FileError(path, "is cut short: it ends inside a packet") from None
    except ValueError as error:
        raise FileError(path, f"is not a whole capture file: {error}") from error


def _capture(path: Path | str, file: BinaryIO, summary: Summary) -> Iterator[Event]:
    sessions: dict[Flow, BmpSession | None] = {}
    failure: FileError | None = None
    now = 0
    try:
        for segment in _segments(path, file):
            now = max(now, segment.time)
            for other in sessions.values():
                if other is not None:
                    yield from other.tick(now)
            yield from _segment(sessions, segment, now, summary)
    except FileError as error:
        failure = error
    for session in sessions.values():
        if session is not None:
            yield from session.close(now, "end of the recording")
            _count(session, summary)
    if failure is None and not summary.messages:
        failure = FileError(path, "holds no BMP session")
    if failure is not None:
        raise failure


def _segment(
    sessions: dict[Flow, BmpSession | None], segment: Segment, now: int, summary: Summary
) -> Iterator[Event]:
    if segment.flow not in sessions:
        if not segment.data:
            return
        known = looks_like_bmp(segment.data)
        sessions[segment.flow] = BmpSession(segment.flow[0]) if known else None
        summary.skipped += not known
    session = sessions[segment.flow]
    if session is None:
        return
    if segment.lost:
        # What follows cannot be framed for sure; the capture, not the router, is to blame.
        summary.errors["capture-gap"] += 1
        yield from session.close(now, f"the capture lacks {segment.lost} octets")
        _count(session, summary)
        fresh = looks_like_bmp(segment.data)
        session = sessions[segment.flow] = BmpSession(segment.flow[0]) if fresh else None
        if session is None:
            return
    yield from session.feed(segment.data, now)
    if segment.closed:
        yield from session.close(now, "router closed the connection")
        _count(session, summary)
        del sessions[segment.flow]


def _raw(path: Path | str, file: BinaryIO, summary: Summary) -> Iterator[Event]:
    """A raw stream has no receive times: the routers' own, never running back, stand in."""
    session = BmpSession("unknown")
    now = 0
    held: list[bytes] = []
    for message in _frames(file):
        now = max(now, _router_time(message))
        held.append(message)
        if not now:
            continue  # what comes before the first time is given that time
        for each in held:
            yield from session.feed(each, now)
        held.clear()
    for each in held:
        yield from session.feed(each, now)
    broken = session.broken
    yield from session.close(now, broken or "end of the recording")
    _count(session, summary)
    if broken is not None:
        raise FileError(path, f"cannot be read to its end: {broken}")
    if summary.errors["truncated"]:
        raise FileError(path, "is cut short: it ends inside a BMP message")


def _frames(file: BinaryIO) -> Iterator[bytes]:
    """Single messages as long as they can be told apart, then what is left."""
    buffer = b""
    while chunk := file.read(CHUNK):
        buffer += chunk
        start = 0
        while len(buffer) - start >= bmp.HEADER:
            length = int.from_bytes(buffer[start + 1 : start + 5])
            if buffer[start] not in bmp.VERSIONS or not bmp.HEADER <= length <= MAX_MESSAGE:
                yield buffer[start:]
                return
            if len(buffer) - start < length:
                break
            yield buffer[start : start + length]
            start += length
        buffer = buffer[start:]
    if buffer:
        yield buffer


def _router_time(message: bytes) -> int:
    """The time in the per-peer header, ns; 0 where there is none."""
    if len(message) <= bmp.HEADER or message[5] not in WITH_PEER_HEADER:
        return 0
    try:
        return bmp.read_peer_header(Cursor(message, bmp.HEADER)).time or 0
    except WireError:
        return 0


def _hex_lines(summary: Summary) -> Iterator[Event]:
    session = BmpSession("unknown")
    now = 0
    failure: FileError | None = None
    for number, line in enumerate(sys.stdin, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            message = bytes.fromhex(text)
        except ValueError:
            failure = failure or FileError("-", f"line {number} is not hex")
            continue
        now = max(now, _router_time(message))
        yield from session.feed(message, now)
    yield from session.close(now, session.broken or "end of the recording")
    _count(session, summary)
    if session.broken is not None:
        raise FileError("-", f"cannot be read to its end: {session.broken}")
    if failure is not None:
        raise failure


def _count(session: BmpSession, summary: Summary) -> None:
    summary.messages += session.messages
    summary.errors += session.errors
