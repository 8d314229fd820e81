"""Recordings without capture times: raw BMP and BGP streams, MRT, and lines of hex."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from collector.event import Event
from collector.inputs.recording import FileError, Pause, Plain, Summary, chunks
from collector.inputs.wide import Sink, WideSession
from collector.inputs.wide_mrt import WideMrt
from collector.native import library
from collector.wire import bmp
from collector.wire.bgp import MARKER
from collector.wire.bgp_session import BgpSession
from collector.wire.mrt import MrtReader
from collector.wire.session import MAX_MESSAGE, BmpSession

WITH_PEER_HEADER = {
    *(bmp.ROUTE_MONITORING, bmp.STATISTICS, bmp.PEER_DOWN, bmp.PEER_UP, bmp.MIRRORING),
}

TIME = slice(40, 48)
"""Seconds and microseconds, in a message with a per-peer header."""


def read_mrt(
    path: Path | str,
    file: BinaryIO,
    summary: Summary,
    sink: Sink | None = None,
    pause: Pause | None = None,
) -> Iterator[Event]:
    """A file of MRT records; damage is told after all that could be read."""
    reader = WideMrt(sink) if sink and library() else MrtReader()
    decoding = reader if isinstance(reader, WideMrt) else Plain()
    try:
        for chunk in chunks(file, decoding, pause):
            yield from reader.feed(chunk)
            if reader.broken:
                break
    finally:
        # What was read counts, also where the packing around it is damaged.
        summary.add(reader.messages, reader.errors)
        reader.messages.clear()
        reader.errors.clear()
    yield from reader.close()
    summary.add(reader.messages, reader.errors)
    if reader.errors["truncated"]:
        raise FileError(path, "is cut short: it ends inside an MRT record")
    if reader.damage is not None:
        raise FileError(path, f"is damaged: {reader.damage}")


def read_bgp(
    path: Path | str,
    file: BinaryIO,
    summary: Summary,
    sink: Sink | None = None,
    pause: Pause | None = None,
) -> Iterator[Event]:
    """One side's BGP messages, nothing before, between or after them; times are not known."""
    del sink  # nobody has tables of this kind
    session = BgpSession("", "")
    for chunk in chunks(file, Plain(), pause):
        yield from session.feed(0, chunk, 0)
    yield from session.close(0, "end of the recording")
    summary.add(session.messages, session.errors)
    if session.errors["truncated"]:
        raise FileError(path, "is cut short: it ends inside a BGP message")
    if session.errors["skipped"]:
        raise FileError(path, "is damaged: not all of it is BGP messages")


def read_bmp(
    path: Path | str,
    file: BinaryIO,
    summary: Summary,
    sink: Sink | None = None,
    pause: Pause | None = None,
) -> Iterator[Event]:
    """A raw BMP stream: the routers' own times, never running back, stand in for receive times."""
    session = WideSession("unknown", sink) if sink else BmpSession("unknown")
    decoding = session if isinstance(session, WideSession) else Plain()
    now = 0
    held: list[bytes] = []
    for message in _frames(chunks(file, decoding, pause)):
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
    summary.add(session.messages, session.errors, session.sender.quirks)
    if broken is not None:
        raise FileError(path, f"cannot be read to its end: {broken}")
    if summary.errors["truncated"]:
        raise FileError(path, "is cut short: it ends inside a BMP message")


def _frames(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Single messages as long as they can be told apart, then what is left."""
    buffer = b""
    for chunk in parts:
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
    """The time in the per-peer header (RFC 7854 section 4.2), ns; 0 where there is none."""
    if len(message) < TIME.stop or message[5] not in WITH_PEER_HEADER:
        return 0
    seconds, microseconds = struct.unpack("!II", message[TIME])
    return int(seconds) * 1_000_000_000 + int(microseconds) * 1000


def read_hex_lines(lines: Iterable[str], summary: Summary) -> Iterator[Event]:
    """Lines of hex, each one BMP message of the same stream, or one BGP message."""
    session = BmpSession("unknown")
    bare = BgpSession("", "")
    now = 0
    failure: FileError | None = None
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            message = bytes.fromhex(text)
        except ValueError:
            failure = failure or FileError("-", f"line {number} is not hex")
            continue
        if message.startswith(MARKER):
            yield from bare.feed(0, message, now)
            yield from bare.finish(0, now)
            continue
        now = max(now, _router_time(message))
        yield from session.feed(message, now)
    yield from bare.close(now, "end of the recording")
    yield from session.close(now, session.broken or "end of the recording")
    summary.add(session.messages + bare.messages, session.errors + bare.errors)
    if session.broken is not None:
        raise FileError("-", f"cannot be read to its end: {session.broken}")
    if failure is not None:
        raise failure
