"""A BMP session whose tables never become Python objects.

What somebody watches, and all that is no plain route, is decoded by `collector.wire` as ever. The
other routes go from octets to ClickHouse blocks in the native decoder, in the same order and with
the same sequence numbers. Where the native decoder was not built, everything is decoded in Python.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from collector.event import Event, Feed, Kind
from collector.native import (
    FAMILIES,
    FAMILY_NUMBERS,
    Block,
    Core,
    Stop,
    Told,
    address_of,
    library,
)
from collector.quirks.huawei import TRAILING
from collector.wire import bmp
from collector.wire.cursor import Cursor, WireError
from collector.wire.destinations import ADD_PATH_ODD
from collector.wire.peers import Peer
from collector.wire.session import BmpSession

KEY = 34
"""Octets of a per-peer header that say whose it is (RFC 7854 section 4.2)."""
MAX_ROWS = 16_384
MAX_OCTETS = 32 << 20
ROOM = 1 << 17
"""Octets of the memory that is read from, at first: more than a server reads at once."""
EVERYTHING = ("::/0",)
"""Watched, it takes all routes from the native decoder; IPv4 is mapped into it."""
PATIENCE = 500_000_000
"""How long a route may wait for others of its block, ns."""

Sink = Callable[[Block], None]
"""Takes a block, and releases it when it is done with."""


class WideSession(BmpSession):
    """The stream of one router: its watched events, and blocks of all other routes."""

    def __init__(
        self,
        router_address: str,
        sink: Sink,
        *,
        name: str | None = None,
        watched: Iterable[str] = (),
        limits: tuple[int, int] = (MAX_ROWS, MAX_OCTETS),
    ) -> None:
        """Read what comes from `router_address`; whole blocks go to `sink`.

        Routes of `watched` prefixes, of more-specific and of less-specific ones become events. A
        block has at most about `limits` rows or octets; `flush` hands out a smaller one.
        """
        super().__init__(router_address, name=name)
        self.last_flush = 0
        """When blocks were last handed out on time's account, ns."""
        self.counted: Counter[str] = Counter()
        """Routes in blocks by kind of event, since somebody last cleared it."""
        self._sink = sink
        self._watched = tuple(watched)
        self._narrow = False
        self._room = bytearray(ROOM)
        self._waiting = 0
        """Octets of a message that is not whole yet, at the front of the room."""
        self._keys: defaultdict[tuple[str, str | None, str | None], set[bytes]] = defaultdict(set)
        """Headers that the native decoder was told of, by peer."""
        self._core: Core | None = None
        if library() is not None:
            self._core = Core(max_rows=limits[0], max_octets=limits[1])
            self._core.watch(self._watched)

    def feed(self, data: bytes | memoryview, now: int) -> list[Event]:
        """Take in octets that were read at `now` (ns); the events that somebody must see."""
        core = self._core
        if core is None:
            return super().feed(bytes(data), now)
        events = self.tick(now)
        self._last_fed = now
        if self.broken is not None:
            return events
        length, at = self._append(data), 0
        whole, address = self._room, address_of(self._room)
        while True:
            stop, done = core.decode(address + at, length - at, now, self._sequence)
            at += done.octets
            self._sequence += done.rows
            if stop == Stop.MORE:
                break
            if stop == Stop.FULL:
                self.flush()
            elif stop == Stop.DECLINED:
                size = int.from_bytes(whole[at + 1 : at + 5])
                events += self._declined(core, bytes(whole[at : at + size]), now)
                at += size
            else:
                size = int.from_bytes(whole[at + 1 : at + 5])
                reason = self._check_frame(whole[at], size) or "the stream cannot be framed"
                raw = bytes(whole[at : min(at + 64, length)])
                events.append(self._break(reason, raw, now))
                at = length
                break
        self._waiting = length - at
        whole[: self._waiting] = whole[at:length]
        self._count(core)
        return events

    def _append(self, data: bytes | memoryview) -> int:
        """Put the data behind what waits; how many octets there are now."""
        length = self._waiting + len(data)
        if length > len(self._room):
            # Another one, as the native decoder may still have the address of this one.
            self._room = self._room[: self._waiting].ljust(2 * length, b"\0")
        self._room[self._waiting : length] = data
        return length

    def tick(self, now: int) -> list[Event]:
        """The end-of-RIBs that `now` (ns) makes due, each as of its own moment."""
        if self._core is not None and ((due := self._tables.next_due()) is None or due <= now):
            self._note_dumps(self._core)
        events = super().tick(now)
        if events and self._core is not None:
            for key in [key for key, peer in self._tables.peers.items() if peer.complete]:
                self._forget(self._core, key)
        if now - self.last_flush >= PATIENCE:
            self.last_flush = now
            self.flush()
        return events

    def excuse(self, span: int) -> None:
        """Take note that for so long (ns) nobody read what the router may have sent."""
        if self._core is not None:
            self._note_dumps(self._core)
        self._tables.excuse(span)

    def close(self, now: int, reason: str) -> list[Event]:
        """The connection ended at `now` (ns); what waits is flushed."""
        self._buffer += self._room[: self._waiting]
        self._waiting = 0
        events = super().close(now, reason)
        self.flush()
        return events

    def flush(self) -> None:
        """Hand out the routes that wait, if any."""
        if self._core is not None and self._core.pending:
            self._sink(self._core.take())

    def watch(self, watched: Iterable[str]) -> None:
        """From here on, routes of these prefixes become events."""
        self._watched = tuple(watched)
        self.narrow(self._narrow)

    def narrow(self, on: bool) -> None:
        """From here on, whether all routes become events; what waits is not flushed."""
        self._narrow = on
        if self._core is not None:
            self._core.watch(EVERYTHING if on else self._watched)

    # The native decoder's copy of what is known about the peers

    def _declined(self, core: Core, raw: bytes, now: int) -> list[Event]:
        """Decode one message in Python; tell the native decoder what it could not know."""
        events = self._message(raw, now)
        kind = raw[5]
        if kind in (bmp.INITIATION, bmp.TERMINATION):
            for key in list(self._keys):
                self._forget(core, key)
        elif kind in (bmp.PEER_UP, bmp.PEER_DOWN, bmp.ROUTE_MONITORING):
            try:
                header = bmp.read_peer_header(Cursor(raw, bmp.HEADER))
            except WireError:
                return events
            if kind != bmp.ROUTE_MONITORING or _ends_table(events):
                self._forget(core, header.key)
            elif header.key in self._tables.peers:
                self._tell(core, raw[bmp.HEADER : bmp.HEADER + KEY], header)
        return events

    def _tell(self, core: Core, octets: bytes, header: bmp.PeerHeader) -> None:
        if octets in self._keys[header.key]:
            return
        peer = self._tables.peers[header.key]
        context = peer.context(header)
        add_path = _bits(numbers in context.add_path for numbers in FAMILY_NUMBERS)
        dumping = _bits(peer.is_dump(header.view, family) for family in FAMILIES)
        where = (Feed.BMP.value, self.router, self.router_address)
        who = (header.peer or "", header.bgp_id, header.rd or "")
        told = Told(
            names=(*where, *who, header.view, peer.table or ""),
            peer_as=header.peer_as,
            epoch=peer.epoch,
            as4=context.as4,
            add_path=add_path,
            dumping=dumping,
        )
        core.add_peer(octets, told)
        self._keys[header.key].add(octets)

    def _forget(self, core: Core, key: tuple[str, str | None, str | None]) -> None:
        peer = self._tables.peers.get(key)
        for octets in self._keys.pop(key, ()):
            if peer is not None:
                self._note_dump(core, peer, octets)
            core.forget(octets)

    def _note_dumps(self, core: Core) -> None:
        for key, headers in self._keys.items():
            peer = self._tables.peers.get(key)
            if peer is not None and not peer.complete:
                for octets in headers:
                    self._note_dump(core, peer, octets)

    def _note_dump(self, core: Core, peer: Peer, octets: bytes) -> None:
        last = core.last_dumped(octets)
        if last > peer.last_dumped:
            self._tables.dumped(peer, last)

    def _count(self, core: Core) -> None:
        counts = core.counts()
        if counts["messages"]:
            self.messages["route-monitoring"] += counts["messages"]
            self.counted[Kind.ANNOUNCE.value] += counts["announced"]
            self.counted[Kind.WITHDRAW.value] += counts["withdrawn"]
            self.sender.tally(counts["announced"], counts["withdrawn"])
        for name, quirk in (("trailing", TRAILING), ("odd", ADD_PATH_ODD)):
            if counts[name]:
                self.sender.quirks[quirk] += counts[name]


def _ends_table(events: list[Event]) -> bool:
    return any(event.kind == Kind.END_OF_RIB for event in events)


def _bits(flags: Iterable[bool]) -> int:
    return sum(flag << bit for bit, flag in enumerate(flags))
