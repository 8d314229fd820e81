"""The two ways from octets to rows that are measured against each other."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from collector import native
from collector.event import Event, Kind
from collector.inputs.wide import WideSession

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


def is_native() -> bool:
    """Whether the native decoder is part of this installation, and wanted."""
    return native.library() is not None


def open_session(sink: Sink) -> Session:
    """The fastest session there is.

    What a process does not use it does not load, so that its memory is its own.
    """
    if is_native():
        return WideSession(ROUTER, sink)
    session: Session = importlib.import_module("benchmarks.plain").PythonSession(sink)
    return session


def routes(events: Sequence[Event]) -> int:
    """Those of the events that are rows of the table `routes` too: a peer's first ones."""
    return sum(
        event.kind in (Kind.ANNOUNCE, Kind.WITHDRAW) and event.rule is None for event in events
    )


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


def decode(data: bytes, sink: Sink, times: int = 1) -> int:
    """All of a stream into blocks, by one session that takes it in so many times.

    Answers how many routes came as events instead.
    """
    apart = 0
    session = open_session(sink)
    for _ in range(times):
        for part in parts(data):
            apart += routes(session.feed(part, NOW))
    session.flush()
    return apart
