"""A file of MRT records (RFC 6396, ADD-PATH by RFC 8050), sans-IO: octets in, events out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from collector.event import Event, Feed, Kind
from collector.wire import mrt_messages as messages
from collector.wire import mrt_tables as tables
from collector.wire.cursor import Cursor, WireError
from collector.wire.mrt_frames import (
    BGP,
    BGP4MP,
    BGP4MP_ET,
    EXTENDED,
    HEADER,
    TABLE_DUMP,
    TABLE_DUMP_V2,
    Damage,
    Frame,
    Framer,
    Header,
)

Fields = dict[str, Any]


def looks_like_mrt(data: bytes) -> bool:
    """Whether a file that begins so holds MRT records."""
    return len(data) >= HEADER and Header.read(data).known


class MrtReader:
    """The records of one file, from its first octet to its last.

    Any chunking of the same octets gives the same events. A record that cannot be read is one
    `undecodable` event. Where a record's length is wrong, the next record is searched for, and
    what was skipped is one `undecodable` event too, unless it is a record but for its length.
    """

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        """Records by type, and the BGP messages in them that are no UPDATE."""
        self.errors: Counter[str] = Counter()
        """What could not be read, by reason."""
        self.damage: str | None = None
        """What is wrong with the file itself, at the first place where something is."""
        self.broken = False
        """Nothing more can be read."""
        self._framer = Framer()
        self._sequence = 0
        self._peers = messages.Peers()
        self._index = tables.PeerIndex()

    def feed(self, data: bytes) -> list[Event]:
        """Take in the next octets of the file."""
        if self.broken:
            return []
        self._framer.feed(data)
        return self._records()

    def close(self) -> list[Event]:
        """The file ended."""
        self._framer.close()
        return self._records()

    def _records(self) -> list[Event]:
        events: list[Event] = []
        while not self.broken and (found := self._next()) is not None:
            events += self._damaged(found) if isinstance(found, Damage) else self._record(found)
        return events

    def _next(self) -> Frame | Damage | None:
        return self._framer.next()

    def _damaged(self, damage: Damage) -> list[Event]:
        frame = self._mended(damage.data) if damage.kind == "skipped" else None
        if frame is not None:
            self._framer.give_back(len(frame.data))
            self.errors["record-length"] += 1
            at, fewer = self._framer.position, frame.header.length - Header.read(frame.data).length
            self._damage(f"the MRT record at octet {at} says {fewer} octets fewer than it has")
            return self._record(frame)
        self.errors[damage.kind] += 1
        self.broken = damage.kind == "broken"
        self._damage(damage.problem)
        return [self._undecodable(self._framer.last or 0, damage.problem, damage.data)]

    def _mended(self, record: bytes) -> Frame | None:
        """The octets up to the next record, where they are one whose length alone is wrong."""
        if not looks_like_mrt(record):
            return None
        header = Header.read(record)._replace(length=len(record) - HEADER)
        cursor = Cursor(record, HEADER)
        try:
            self._decode(header, cursor)
        except WireError:
            return None
        return None if cursor.remaining else Frame(header, record, followed=True)

    def _damage(self, problem: str) -> None:
        self.damage = self.damage or problem

    def _record(self, frame: Frame) -> list[Event]:
        header, record = frame.header, frame.data
        cursor = Cursor(record, HEADER)
        try:
            time, fields = self._decode(header, cursor)
        except WireError as error:
            if not frame.followed:  # so its own length is what is wrong
                self._framer.distrust()
                return []
            self._framer.take(frame, len(record))
            self.messages[header.name] += 1
            self.errors[f"malformed-{header.name}"] += 1
            return [self._undecodable(header.time, f"{header.name}: {error}", record)]
        if not frame.followed and cursor.remaining:
            # What it has too much is the beginning of the next one.
            self.errors["record-length"] += 1
            at, more = self._framer.position, cursor.remaining
            self._damage(f"the MRT record at octet {at} says {more} octets more than it has")
        self._framer.take(frame, len(record) if frame.followed else cursor.position)
        self.messages[header.name] += 1
        return [self._event(time, each, record) for each in fields if not self._counted(each)]

    def _decode(self, header: Header, cursor: Cursor) -> tuple[int, list[Fields]]:
        """The time of a record (ns), and what it says."""
        time = header.time
        if header.kind in EXTENDED:
            time += cursor.u32("microseconds") * 1000
        read = _READERS.get((header.kind, header.subtype))
        if read is None:
            cursor.rest()
            return time, [{"not_decoded": header.name}]
        return time, read(self, cursor, header.subtype, time)

    def _counted(self, fields: Fields) -> bool:
        """Count what gives no event, and what could not be read."""
        if "counted" in fields:
            self.messages[fields["counted"]] += 1
        elif "not_decoded" in fields:
            self.errors[f"not-decoded-{fields['not_decoded']}"] += 1
        else:
            if fields["kind"] == Kind.UNDECODABLE:
                self.errors["malformed-route"] += 1
            return False
        return True

    def _event(self, received: int, fields: Fields, record: bytes) -> Event:
        self._sequence += 1
        feed = Feed.MRT.value
        return Event(received=received, sequence=self._sequence, feed=feed, raw=record, **fields)

    def _undecodable(self, received: int, reason: str, raw: bytes) -> Event:
        return self._event(received, {"kind": Kind.UNDECODABLE.value, "reason": reason}, raw)

    # What reads a record

    def _message(self, cursor: Cursor, subtype: int, time: int) -> list[Fields]:
        return messages.read_message(cursor, subtype, time, self._peers)

    def _state(self, cursor: Cursor, subtype: int, time: int) -> list[Fields]:
        return messages.read_state_change(cursor, subtype, time, self._peers)

    def _old(self, cursor: Cursor, subtype: int, time: int) -> list[Fields]:
        return messages.read_old(cursor, subtype, time, self._peers)

    def _table_dump(self, cursor: Cursor, subtype: int, _: int) -> list[Fields]:
        return tables.read_table_dump(cursor, subtype)

    def _peer_index(self, cursor: Cursor, _: int, __: int) -> list[Fields]:
        self._index = tables.read_peer_index(cursor)
        return []

    def _rib(self, cursor: Cursor, subtype: int, _: int) -> list[Fields]:
        return tables.read_rib(cursor, subtype, self._index)


_READERS: dict[tuple[int, int], Callable[[MrtReader, Cursor, int, int], list[Fields]]] = {
    **{(BGP, subtype): MrtReader._old for subtype in (1, 3, 5, 6, 7)},
    **{(TABLE_DUMP, subtype): MrtReader._table_dump for subtype in (1, 2, 3, 4)},
    (TABLE_DUMP_V2, 1): MrtReader._peer_index,
    **{(TABLE_DUMP_V2, s): MrtReader._rib for s in (2, 3, 4, 5, 6, 8, 9, 10, 11, 12)},
    **{(kind, s): MrtReader._state for kind in (BGP4MP, BGP4MP_ET) for s in (0, 5)},
    **{
        (kind, s): MrtReader._message
        for kind in (BGP4MP, BGP4MP_ET)
        for s in (1, 4, 6, 7, 8, 9, 10, 11)
    },
}
"""What reads a record; the deprecated ones without a line here are counted as not decoded."""
