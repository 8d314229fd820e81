"""Reads the streams of one controller, and writes every message to standard output.

A process of its own (`python -m collector.inputs.gobgp.reader`, what to read on standard input):
GoBGP keeps in its memory, without limit, what a client does not read, and in the watch's own
process a thread that reads waits for Python's lock behind one that takes in. It ends when its
standard input does.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
from pathlib import Path
from queue import SimpleQueue

import grpc
import msgspec

from collector.inputs.gobgp.connection import ConnectError, GobgpConnection, reason
from collector.inputs.gobgp.controller import Tls

HEAD = struct.Struct("!BI")
"""Before each message: the number of its stream, or `END`; how many octets follow."""
END = 0xFF
"""Instead of a message: why a stream ended, as text."""
MOST_AT_ONCE = 1000
"""Messages that are written together."""


class Streams(msgspec.Struct, kw_only=True, frozen=True):
    """What to read."""

    address: str
    """`host:port` of the controller."""
    method: str
    """Full name of WatchEvent."""
    requests: tuple[bytes, ...]
    """One for each stream, as octets."""
    tls: dict[str, str | None] | None = None
    """The fields of `Tls`; none where the connection is not encrypted."""


def tls_of(fields: dict[str, str | None] | None) -> Tls | None:
    """What `Streams.tls` says."""
    if fields is None:
        return None
    names = ("ca", "certificate", "key")
    files = {name: Path(text) for name in names if (text := fields.get(name)) is not None}
    return Tls(**files, server_name=fields.get("server_name"))


Frames = SimpleQueue[tuple[int, bytes]]


def read(connection: GobgpConnection, streams: Streams, number: int, frames: Frames) -> None:
    """Take every message of one stream, then why it ended."""
    why = "GoBGP ended the stream"
    try:
        for data in connection.watch(streams.method, streams.requests[number]):
            frames.put((number, data))
    except grpc.RpcError as error:
        why = reason(error)
    frames.put((END, why.encode()))


def write(frames: Frames) -> None:
    """Write what was read until a stream has ended; several messages go at once."""
    out = sys.stdout.buffer.raw if hasattr(sys.stdout.buffer, "raw") else sys.stdout.buffer
    number = 0
    while number != END:
        parts: list[bytes] = []
        while number != END and len(parts) < MOST_AT_ONCE and (not parts or not frames.empty()):
            number, data = frames.get()
            parts += (HEAD.pack(number, len(data)), data)
        left = memoryview(b"".join(parts))
        while left:
            left = left[out.write(left) or 0 :]


def _end_with_input() -> None:
    """The watch is gone, or wants no more."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Read what standard input asks for, until a stream or standard input ends."""
    streams = msgspec.json.decode(sys.stdin.buffer.readline(), type=Streams)
    threading.Thread(target=_end_with_input, daemon=True).start()
    frames: Frames = SimpleQueue()
    try:
        connection = GobgpConnection(streams.address, tls_of(streams.tls))
    except ConnectError as error:
        frames.put((END, str(error).encode()))
    else:
        for number in range(len(streams.requests)):
            arguments = (connection, streams, number, frames)
            threading.Thread(target=read, args=arguments, daemon=True).start()
    write(frames)
    os._exit(0)  # the other stream may still wait for GoBGP


if __name__ == "__main__":
    main()
