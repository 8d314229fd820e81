"""The two ways from octets to rows that are measured against each other."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from collector.event import Event

ROUTER = "192.0.2.1"
READ = 1 << 20
NOW = 1_760_000_000_000_000_000


class Block(Protocol):
    """Rows of the table `routes`, in the format that their session writes."""

    rows: int
    view: memoryview
    columns: tuple[str, ...]

    def release(self) -> None:
        """Give its memory back."""


Sink = Callable[[Any], None]


class Session(Protocol):
    """Takes in octets, hands out blocks, and returns what the narrow path needs."""

    def feed(self, data: bytes | memoryview, now: int) -> list[Event]:
        """Take in octets that were read at `now` (ns)."""

    def flush(self) -> None:
        """Hand out what is left."""


def native() -> bool:
    """Whether the fast path is part of this installation."""
    try:
        importlib.import_module("collector.inputs.wide")
    except ImportError:
        return False
    return True


def open_session(sink: Sink) -> Session:
    """The fastest session there is.

    What a process does not use it does not load, so that its memory is its own.
    """
    session: Session
    if native():
        session = importlib.import_module("collector.inputs.wide").WideSession(ROUTER, sink)
    else:
        session = importlib.import_module("benchmarks.plain").PythonSession(sink)
    return session


def block_format() -> str:
    """ClickHouse's name for the format of the blocks."""
    return "Native" if native() else "ArrowStream"


class Count:
    """A sink that counts rows and lets them go."""

    def __init__(self) -> None:
        self.rows = self.octets = 0

    def __call__(self, block: Block) -> None:
        """Count one block."""
        self.rows += block.rows
        self.octets += len(block.view)
        block.release()


def parts(data: bytes) -> Iterator[memoryview]:
    """A stream as it comes from a socket, in reads of 1 MiB."""
    window = memoryview(data)
    for start in range(0, len(data), READ):
        yield window[start : start + READ]


def decode(data: bytes, sink: Sink, times: int = 1) -> None:
    """All of a stream into blocks, by one session that takes it in so many times."""
    session = open_session(sink)
    for _ in range(times):
        for part in parts(data):
            session.feed(part, NOW)
    session.flush()
