"""A file of MRT records (RFC 6396), sans-IO: octets in, events out."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from collector.event import Event, Feed, Kind
from collector.wire import mrt_messages as messages
from collector.wire import mrt_tables as tables
from collector.wire.cursor import Cursor, WireError

HEADER = 12
MAX_RECORD = 1 << 22
"""A peer index or a prefix with thousands of paths is large, but never so large."""
MAX_DAMAGE = 1 << 20
"""Octets that are searched for the next record before a file is given up."""
SECOND = 1_000_000_000
DAY = 86_400 * SECOND
EXTENDED = frozenset({17, 33, 49})
"""Types whose body begins with microseconds (RFC 6396 section 3)."""
BGP, TABLE_DUMP, TABLE_DUMP_V2, BGP4MP, BGP4MP_ET = 5, 12, 13, 16, 17
LARGEST_TYPE = 49

_BGP4MP = dict(
    enumerate(
        (
            *("state-change", "message", "entry", "snapshot", "message-as4", "state-change-as4"),
            *("message-local", "message-as4-local", "message-addpath", "message-as4-addpath"),
            *("message-local-addpath", "message-as4-local-addpath"),
        )
    )
)
NAMES: dict[int, tuple[str, dict[int, str]]] = {
    BGP: (
        "bgp",
        dict(
            enumerate(
                (
                    *("null", "update", "pref-update", "state-change", "sync", "open"),
                    *("notification", "keepalive"),
                )
            )
        ),
    ),
    TABLE_DUMP: ("table-dump", {1: "ipv4", 2: "ipv6", 3: "ipv4-as4", 4: "ipv6-as4"}),
    TABLE_DUMP_V2: (
        "table-dump-v2",
        dict(
            enumerate(
                (
                    *("peer-index-table", "rib-ipv4-unicast", "rib-ipv4-multicast"),
                    *("rib-ipv6-unicast", "rib-ipv6-multicast", "rib-generic", "geo-peer-table"),
                    *("rib-ipv4-unicast-addpath", "rib-ipv4-multicast-addpath"),
                    *("rib-ipv6-unicast-addpath", "rib-ipv6-multicast-addpath"),
                    "rib-generic-addpath",
                ),
                start=1,
            )
        ),
    ),
    BGP4MP: ("bgp4mp", _BGP4MP),
    BGP4MP_ET: ("bgp4mp-et", _BGP4MP),
}
"""Types and subtypes that carry BGP (RFC 6396 section 4, RFC 8050, and appendix B for type 5)."""

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Header:
    """The common header of a record (RFC 6396 section 2)."""

    time: int
    """ns, of whole seconds."""
    kind: int
    subtype: int
    length: int

    @classmethod
    def read(cls, data: bytes | bytearray, at: int = 0) -> Header:
        """The header that begins at octet `at`; twelve octets must be there."""
        seconds, kind, subtype, length = struct.unpack_from("!IHHI", data, at)
        return cls(seconds * SECOND, kind, subtype, length)

    @property
    def known(self) -> bool:
        """Whether this is the header of a record that carries BGP."""
        names = NAMES.get(self.kind)
        return names is not None and self.subtype in names[1] and self.length <= MAX_RECORD

    def near(self, last: int | None) -> bool:
        """Whether it can be the header of any record that follows one of the time `last`."""
        possible = 0 < self.kind <= LARGEST_TYPE and self.length <= MAX_RECORD
        return possible and (last is None or abs(self.time - last) <= DAY)

    @property
    def name(self) -> str:
        """Type and subtype in words; numbers where they have none here."""
        if self.kind not in NAMES:
            return f"type-{self.kind}"
        kind, subtypes = NAMES[self.kind]
        return f"{kind}-{subtypes.get(self.subtype, self.subtype)}"


def looks_like_mrt(data: bytes) -> bool:
    """Whether a file that begins so holds MRT records."""
    return len(data) >= HEADER and Header.read(data).known


class MrtReader:
    """The records of one file, from its first octet to its last.

    Any chunking of the same octets gives the same events. A record that cannot be read is one
    `undecodable` event. Where a record's length is wrong, the next record is searched for, and
    what was skipped is one `undecodable` event too.
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
        self._buffer = bytearray()
        self._start = 0
        """Where in the buffer the next record begins."""
        self._read = 0
        """Octets of the file that are no longer in the buffer."""
        self._scan = 0
        """How far the search for a record has come, from `_start`; 0 while there is none."""
        self._last: int | None = None
        self._sequence = 0
        self._peers = messages.Peers()
        self._index = tables.PeerIndex()

    def feed(self, data: bytes) -> list[Event]:
        """Take in the next octets of the file."""
        if self.broken:
            return []
        self._buffer += data
        events = self._records(closed=False)
        del self._buffer[: self._start]
        self._read += self._start
        self._start = 0
        return events

    def close(self) -> list[Event]:
        """The file ended."""
        return [] if self.broken else self._records(closed=True)

    # Frames

    def _records(self, *, closed: bool) -> list[Event]:
        events: list[Event] = []
        while not self.broken:
            before = self._start
            events += self._resume(closed) if self._scan else self._next(closed)
            if self._start == before and not self._scan:
                break  # more octets are needed
            if self._scan and not closed and self._start == before and self._waiting():
                break
        return events

    def _waiting(self) -> bool:
        """Whether the search for a record cannot go on with what is there."""
        return self._find(closed=False) is None

    def _next(self, closed: bool) -> list[Event]:
        """The record at the front, where it is whole."""
        buffer, start = self._buffer, self._start
        left = len(buffer) - start
        if left < HEADER:
            return self._truncated() if closed and left else []
        header = Header.read(buffer, start)
        size = HEADER + header.length
        if not header.known:
            follows = self._plausible(start + size, closed) if header.near(self._last) else False
            if follows is None:
                return []
            if not follows:
                self._scan = 1
                return []
        if left < size:
            if closed:
                self._scan = HEADER
            return []
        record = bytes(buffer[start : start + size])
        fields, fault = self._decode(header, record)
        if fault is not None:
            # Its own length may be what is wrong: then the next record begins inside it.
            follows = self._plausible(start + size, closed)
            if follows is None:
                return []
            if not follows:
                self._scan = HEADER
                return []
        return self._take(header, record, fields, fault)

    def _plausible(self, at: int, closed: bool) -> bool | None:
        """Whether a record can begin there, or the file ends there; None where that is not known."""
        left = len(self._buffer) - at
        if left < HEADER:
            return left == 0 if closed else None
        header = Header.read(self._buffer, at)
        return header.known or header.near(self._last)

    def _find(self, *, closed: bool) -> int | None:
        """Octets to the next record, as far as one can be found; None where more are needed."""
        buffer, start = self._buffer, self._start
        while (at := start + self._scan) + HEADER <= len(buffer) and self._scan <= MAX_DAMAGE:
            header = Header.read(buffer, at)
            if header.known and header.near(self._last):
                follows = self._plausible(at + HEADER + header.length, closed)
                if follows is None:
                    return None
                if follows:
                    return self._scan
            self._scan += 1
        return None

    def _resume(self, closed: bool) -> list[Event]:
        """Go on at the next record after octets that are none."""
        found = self._find(closed=closed)
        here = self._read + self._start
        if found is not None:
            reason = f"octets {here} to {here + found} are no MRT record"
            self.errors["skipped"] += 1
            return self._skip(found, reason)
        if self._scan > MAX_DAMAGE:
            self.broken = True
            self.errors["broken"] += 1
            return self._skip(HEADER, f"no MRT record in the octets from {here}")
        if not closed:
            return []
        header = Header.read(self._buffer, self._start)
        if header.known:
            return self._truncated()
        self.errors["skipped"] += 1
        return self._skip(len(self._buffer) - self._start, f"no MRT record from octet {here} on")

    def _truncated(self) -> list[Event]:
        left = len(self._buffer) - self._start
        self.errors["truncated"] += 1
        return self._skip(left, f"the file ends inside an MRT record, {left} octets left")

    def _skip(self, count: int, reason: str) -> list[Event]:
        self.damage = self.damage or reason
        raw = bytes(self._buffer[self._start : self._start + count])
        self._start += count
        self._scan = 0
        return [self._event(self._last or 0, {"reason": reason, "raw": raw, **_UNDECODABLE})]

    # Records

    def _decode(self, header: Header, record: bytes) -> tuple[list[Fields], WireError | None]:
        read = _READERS.get((header.kind, header.subtype))
        if read is None:
            return [], None
        try:
            cursor = Cursor(record, HEADER)
            time = header.time
            if header.kind in EXTENDED:
                time += cursor.u32("microseconds") * 1000
            return read(self, cursor, header.subtype, time), None
        except WireError as error:
            return [], error

    def _take(
        self, header: Header, record: bytes, fields: list[Fields], fault: WireError | None
    ) -> list[Event]:
        self._start += len(record)
        self._last = time = header.time
        self.messages[header.name] += 1
        if header.kind in EXTENDED and header.length >= 4:
            time += int.from_bytes(record[HEADER : HEADER + 4]) * 1000
        if fault is not None:
            self.errors[f"malformed-{header.name}"] += 1
            reason = f"{header.name}: {fault}"
            return [self._event(time, {"reason": reason, "raw": record, **_UNDECODABLE})]
        if (header.kind, header.subtype) not in _READERS:
            self.errors[f"not-decoded-{header.name}"] += 1
        events = []
        for each in fields:
            counted = each.pop("counted", None)
            if counted is not None:
                self.messages[counted] += 1
                continue
            if each["kind"] == Kind.UNDECODABLE:
                self.errors[f"malformed-{header.name}"] += 1
            events.append(self._event(time, {**each, "raw": record}))
        return events

    def _event(self, received: int, fields: Fields) -> Event:
        self._sequence += 1
        return Event(received=received, sequence=self._sequence, feed=Feed.MRT.value, **fields)

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


_UNDECODABLE: Fields = {"kind": Kind.UNDECODABLE.value}
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
