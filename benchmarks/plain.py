"""How the decoder in plain Python makes rows: an `Event` for each, then Arrow columns."""

from __future__ import annotations

import pyarrow as pa

from benchmarks.sessions import ROUTER, Sink
from collector.event import Event
from collector.store.rows import event_table, table_of
from collector.wire.session import BmpSession

BATCH = 50_000


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
