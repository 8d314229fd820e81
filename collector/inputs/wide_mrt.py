"""A file of MRT records whose routes never become Python objects."""

from __future__ import annotations

from collections.abc import Callable

from collector.event import Event, Feed
from collector.inputs.wide import EVERYTHING, MAX_OCTETS, MAX_ROWS, Sink
from collector.native import FAMILIES, MRT, Core, Stop, Told, address_of
from collector.wire.cursor import Cursor, WireError
from collector.wire.mrt import MrtReader
from collector.wire.mrt_frames import (
    BGP4MP,
    BGP4MP_ET,
    EXTENDED,
    HEADER,
    SECOND,
    TABLE_DUMP_V2,
    Damage,
    Frame,
    Header,
)
from collector.wire.mrt_messages import ADD_PATH, AS4, read_session

MESSAGES = (1, 4, 8, 9)
"""Subtypes of BGP4MP that the native decoder reads."""
STATES = (0, 5)
INDEX = 1
EVERY_FAMILY = (1 << len(FAMILIES)) - 1
INDEXED = b"\xff"
"""Before a peer's place in the index, in its key."""


class WideMrt(MrtReader):
    """`MrtReader`, but that the routes of plain records go to a sink in blocks."""

    def __init__(self, sink: Sink, *, limits: tuple[int, int] = (MAX_ROWS, MAX_OCTETS)) -> None:
        """Hand out blocks of about so many rows or octets. The native decoder must be there."""
        super().__init__()
        self._sink = sink
        self._core = Core(max_rows=limits[0], max_octets=limits[1])
        self._told: set[bytes] = set()
        """Keys that the native decoder was told of."""

    def close(self) -> list[Event]:
        """The file ended; what waits is flushed."""
        events = super().close()
        self.flush()
        return events

    def flush(self) -> None:
        """Hand out the routes that wait, if any."""
        if self._core.pending:
            self._sink(self._core.take())

    def narrow(self, on: bool) -> None:
        """From here on, whether all routes become events; what waits is not flushed."""
        self._core.watch(EVERYTHING if on else ())

    def _next(self) -> Frame | Damage | None:
        while (ahead := self._framer.ahead()) is not None:
            buffer, start = ahead
            stop, done = self._core.decode(
                address_of(buffer) + start, len(buffer) - start, MRT, self._sequence
            )
            if done.octets:
                self._framer.skip(done.octets, done.seconds * SECOND)
            self._sequence += done.rows
            if stop != Stop.FULL:
                break
            self.flush()
        counts = self._core.counts()
        if counts["messages"]:
            self.messages["records"] += counts["messages"]
        return super()._next()

    def _record(self, frame: Frame) -> list[Event]:
        events = super()._record(frame)
        kind, subtype = frame.header.kind, frame.header.subtype
        if kind == TABLE_DUMP_V2 and subtype == INDEX:
            self._tell_index()
        elif kind in (BGP4MP, BGP4MP_ET) and subtype in STATES:
            self._forget(lambda key: not key.startswith(INDEXED))
        elif kind in (BGP4MP, BGP4MP_ET) and subtype in MESSAGES and events:
            self._tell(frame.header, frame.data)
        return events

    # What the native decoder must know of the peers

    def _tell(self, header: Header, record: bytes) -> None:
        start = HEADER + (4 if header.kind in EXTENDED else 0)
        cursor = Cursor(record, start)
        try:
            session = read_session(cursor, header.subtype)
        except WireError:
            return  # which was told already
        key = bytes((header.subtype,)) + record[start : cursor.position]
        if session.peer is None or key in self._told:
            return
        told = Told(
            names=(Feed.MRT.value, session.local, session.local, session.peer, "", "", "", ""),
            peer_as=session.peer_as,
            epoch=self._peers.epochs.get(session.key) or 0,
            as4=header.subtype in AS4,
            add_path=EVERY_FAMILY if header.subtype in ADD_PATH else 0,
        )
        self._core.add_peer(key, told)
        self._told.add(key)

    def _tell_index(self) -> None:
        self._forget(lambda key: key.startswith(INDEXED))
        index = self._index
        for number, peer in enumerate(index.peers):
            key = INDEXED + number.to_bytes(2)
            router = (index.view or index.collector, index.collector)
            names = (Feed.MRT.value, *router, peer.address, peer.bgp_id, "", "", "")
            self._core.add_peer(key, Told(names, peer.as_number, dumping=EVERY_FAMILY))
            self._told.add(key)

    def _forget(self, which: Callable[[bytes], bool]) -> None:
        for key in [key for key in self._told if which(key)]:
            self._core.forget(key)
            self._told.discard(key)
