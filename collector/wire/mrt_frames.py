"""Where the records of an MRT file begin and end (RFC 6396 section 2), damaged files included."""

from __future__ import annotations

import struct
from typing import NamedTuple

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
_TEXTS = {
    (kind, subtype): f"{name}-{text}"
    for kind, (name, subtypes) in NAMES.items()
    for subtype, text in subtypes.items()
}
_HEADER = struct.Struct("!IHHI")


class Header(NamedTuple):
    """The common header of a record (RFC 6396 section 2)."""

    time: int
    """ns, of whole seconds."""
    kind: int
    subtype: int
    length: int

    @classmethod
    def read(cls, data: bytes | bytearray, at: int = 0) -> Header:
        """The header that begins at octet `at`; twelve octets must be there."""
        seconds, kind, subtype, length = _HEADER.unpack_from(data, at)
        return cls(seconds * SECOND, kind, subtype, length)

    @property
    def known(self) -> bool:
        """Whether this is the header of a record that carries BGP."""
        return (self.kind, self.subtype) in _TEXTS and self.length <= MAX_RECORD

    def near(self, last: int | None) -> bool:
        """Whether it can be the header of any record that follows one of the time `last`."""
        possible = 0 < self.kind <= LARGEST_TYPE and self.length <= MAX_RECORD
        return possible and (last is None or abs(self.time - last) <= DAY)

    @property
    def name(self) -> str:
        """Type and subtype in words; numbers where they have none here."""
        return _TEXTS.get((self.kind, self.subtype)) or f"type-{self.kind}"


class Frame(NamedTuple):
    """One record, its header included."""

    header: Header
    data: bytes
    followed: bool
    """Whether another record, or the end of the file, follows: its length is right then."""


class Damage(NamedTuple):
    """Octets that belong to no record."""

    data: bytes
    kind: str
    """`skipped`, `truncated` or `broken`: nothing more can be read."""
    problem: str


class Framer:
    """Cuts a file into records; after damage it searches for the next one."""

    def __init__(self) -> None:
        self.last: int | None = None
        """Time of the last record (ns); the next one found is not far from it."""
        self._buffer = bytearray()
        self._start = 0
        """Where in the buffer the next record begins."""
        self._dropped = 0
        """Octets of the file that are no longer in the buffer."""
        self._scan = 0
        """How far the search for a record has come, from `_start`; 0 while there is none."""
        self._closed = False

    @property
    def position(self) -> int:
        """How many octets of the file have been taken."""
        return self._dropped + self._start

    def feed(self, data: bytes) -> None:
        """Take in the next octets of the file."""
        del self._buffer[: self._start]
        self._dropped += self._start
        self._start = 0
        self._buffer += data

    def close(self) -> None:
        """No more octets come."""
        self._closed = True

    def next(self) -> Frame | Damage | None:
        """What comes next; None where more octets are needed, or nothing is left.

        A frame comes again and again until it is taken, or distrusted.
        """
        while True:
            if self._scan:
                return self._search()
            found = self._frame()
            if not self._scan:
                return found

    def ahead(self) -> tuple[bytearray, int] | None:
        """The octets that wait and where the next record begins; None while it is searched for."""
        return None if self._scan else (self._buffer, self._start)

    def skip(self, size: int, last: int) -> None:
        """Go on behind whole records of so many octets, which somebody else has read.

        `last` is the time of the last of them, ns.
        """
        self._start += size
        self.last = last

    def take(self, frame: Frame, size: int) -> None:
        """Go on behind the first `size` octets of this frame."""
        self._start += size
        self.last = frame.header.time

    def give_back(self, size: int) -> None:
        """The last `size` octets that were taken are a record after all."""
        self._start -= size

    def distrust(self) -> None:
        """The length of this frame is wrong: search for the next record inside it."""
        self._scan = HEADER

    def _frame(self) -> Frame | Damage | None:
        left = len(self._buffer) - self._start
        if left < HEADER:
            return self._truncated() if self._closed and left else None
        header = Header.read(self._buffer, self._start)
        end = self._start + HEADER + header.length
        followed = self._begins(end) if header.known or header.near(self.last) else False
        if followed is None and not self._closed:
            return None
        if followed is None or not (header.known or followed):
            # The file ends before the record does, or this is no record.
            self._scan = HEADER if header.known else 1
            return None
        return Frame(header, bytes(self._buffer[self._start : end]), followed)

    def _begins(self, at: int) -> bool | None:
        """Whether a record begins there, or the file ends; None where that cannot be known."""
        left = len(self._buffer) - at
        if left < HEADER:
            if not self._closed or left < 0:
                return None
            return not left
        header = Header.read(self._buffer, at)
        return header.known or header.near(self.last)

    def _search(self) -> Damage | None:
        """The octets up to the next record, as soon as that is found."""
        here = self.position
        while (at := self._start + self._scan) + HEADER <= len(self._buffer):
            if self._scan > MAX_DAMAGE:
                return self._cut(HEADER, "broken", f"no MRT record in the octets from {here} on")
            header = Header.read(self._buffer, at)
            if header.known and header.near(self.last):
                # Type, subtype, length and time that all fit do not come by chance.
                problem = f"octets {here} to {here + self._scan - 1} are no MRT record"
                return self._cut(self._scan, "skipped", problem)
            self._scan += 1
        if not self._closed:
            return None
        if Header.read(self._buffer, self._start).known:
            return self._truncated()
        left = len(self._buffer) - self._start
        return self._cut(left, "skipped", f"no MRT record in the octets from {here} on")

    def _truncated(self) -> Damage:
        left = len(self._buffer) - self._start
        problem = f"the file ends inside an MRT record, {left} octets left"
        return self._cut(left, "truncated", problem)

    def _cut(self, count: int, kind: str, problem: str) -> Damage:
        data = bytes(self._buffer[self._start : self._start + count])
        self._start += count
        self._scan = 0
        return Damage(data, kind, problem)
