"""The two ways from octets to rows that are measured against each other."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pyarrow as pa

from collector.event import Event
from collector.store.rows import event_table, table_of
from collector.wire.session import BmpSession

ROUTER = "192.0.2.1"
BATCH = 50_000
READ = 1 << 20


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


class PythonBlock:
    """What the store writes today: Arrow columns, as a stream."""

    def __init__(self, events: list[Event]) -> None:
        found = event_table("routes", events)
        output = pa.BufferOutputStream()
        with pa.ipc.new_stream(output, found.schema) as writer:
            writer.write_table(found)
        self.rows = len(events)
        self.columns = tuple(found.column_names)
        self.view = memoryview(output.getvalue())

    def release(self) -> None:
        """Give its memory back."""
        self.view.release()


class PythonSession:
    """The decoder in plain Python, with an `Event` for each route."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._session = BmpSession(ROUTER)
        self._rows: list[Event] = []

    def feed(self, data: bytes | memoryview, now: int) -> list[Event]:
        """Take in octets that were read at `now` (ns)."""
        narrow: list[Event] = []
        for event in self._session.feed(bytes(data), now):
            (self._rows if table_of(event) == "routes" else narrow).append(event)
        if len(self._rows) >= BATCH:
            self.flush()
        return narrow

    def flush(self) -> None:
        """Hand out what is left."""
        if self._rows:
            self._sink(PythonBlock(self._rows))
            self._rows = []


def native() -> bool:
    """Whether the fast path is part of this installation."""
    try:
        importlib.import_module("collector.inputs.wide")
    except ImportError:
        return False
    return True


def open_session(sink: Sink, *, python: bool = False) -> Session:
    """The fastest session there is, or the one in Python."""
    if python or not native():
        return PythonSession(sink)
    wide: Any = importlib.import_module("collector.inputs.wide")
    session: Session = wide.WideSession(ROUTER, sink)
    return session


def block_format(*, python: bool = False) -> str:
    """ClickHouse's name for the format of the blocks."""
    return "ArrowStream" if python or not native() else "Native"


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


def decode(data: bytes, sink: Sink, now: int) -> None:
    """All of a stream into blocks."""
    session = open_session(sink)
    for part in parts(data):
        session.feed(part, now)
    session.flush()
