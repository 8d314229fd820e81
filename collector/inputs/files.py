"""Recordings of every kind: raw BMP and BGP, MRT, pcap and pcapng, gzip or bzip2 around them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from collector.event import Event
from collector.inputs.capture import Flow
from collector.inputs.raw import read_bgp, read_bmp, read_hex_lines, read_mrt
from collector.inputs.recording import FileError, Pause, Progress, Summary, opened
from collector.inputs.sessions import looks_like_bmp, read_capture, segments
from collector.inputs.wide import Sink
from collector.wire import bmp
from collector.wire.bgp import MARKER
from collector.wire.mrt import looks_like_mrt

__all__ = ["FileError", "Pause", "Progress", "Stream", "Summary", "capture_streams", "read_events"]

PCAP_MAGIC = {
    *(b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1"),
    b"\x0a\x0d\x0d\x0a",
}
HEAD = 16
"""Octets that tell what a file is."""

Reader = Callable[[Path | str, BinaryIO, Summary, Sink | None, Pause | None], Iterator[Event]]


@dataclass(slots=True)
class Stream:
    """One recorded BMP connection, as octets with their times."""

    router_address: str
    chunks: list[tuple[int, bytes]] = field(default_factory=list)
    """Capture time (ns) and octets."""


def read_events(
    path: Path | str,
    *,
    summary: Summary | None = None,
    progress: Progress | None = None,
    sink: Sink | None = None,
    pause: Pause | None = None,
) -> Iterator[Event]:
    """The events of a recording in the order in which they were received.

    `-` reads lines of hex from standard input, one message a line. With a `sink`, and where the
    native decoder runs, routes go to it in blocks and are no events; `pause` is told how far a file
    is read. Raises FileError: where a file breaks off, after all the events that could be read.
    """
    summary = summary or Summary()
    if str(path) == "-":
        yield from read_hex_lines(sys.stdin, summary)
        return
    with opened(Path(path), progress) as file:
        head = file.read(HEAD)
        file.seek(0)
        read = _reader(head)
        if read is None:
            if not head:
                raise FileError(path, "is empty")
            cause = f"is neither BMP, BGP, MRT nor a capture file: it begins with {head[:4].hex()}"
            raise FileError(path, cause)
        yield from read(path, file, summary, sink, pause)


def _reader(head: bytes) -> Reader | None:
    """What reads a file that begins so."""
    if head[:4] in PCAP_MAGIC:
        return read_capture
    if len(head) >= 4 and head[0] in bmp.VERSIONS:
        return read_bmp
    if head == MARKER:
        return read_bgp
    return read_mrt if looks_like_mrt(head) else None


def capture_streams(path: Path) -> list[Stream]:
    """The BMP connections of a capture, to be played again. Raises FileError."""
    streams: dict[Flow, Stream] = {}
    with opened(path) as file:
        for segment in segments(path, file):
            if segment.flow not in streams:
                if not looks_like_bmp(segment.data):
                    continue
                streams[segment.flow] = Stream(segment.flow[0])
            if segment.data:
                streams[segment.flow].chunks.append((segment.time, segment.data))
    return list(streams.values())
