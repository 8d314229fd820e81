"""One router's BMP stream, sans-IO: bytes and the time in, events out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from collector.event import Event, Feed, Kind, Provenance
from collector.quirks import Sender, warning
from collector.quirks.bird import EARLY, SILENT
from collector.quirks.devices import CUT
from collector.quirks.frr import FABRICATED
from collector.quirks.gobgp import GENERIC_NAMES
from collector.quirks.huawei import TRAILING
from collector.wire import bgp, bmp
from collector.wire.bmp import PeerHeader
from collector.wire.bmp4 import read_monitored
from collector.wire.cursor import Cursor, WireError
from collector.wire.destinations import ADD_PATH_ODD
from collector.wire.looks import add_routes, look_of, peer_fields, warn
from collector.wire.peers import Peer
from collector.wire.statistics import read_statistics
from collector.wire.tables import Tables

MAX_MESSAGE = 1 << 20
QUIET = 2_000_000_000
LONGEST_DUMP = 120_000_000_000

Fields = dict[str, Any]

_LIVE, _DUMP = Provenance.LIVE.value, Provenance.DUMP.value


class BmpSession:
    """The stream of one router from its first octet to the end of the connection.

    Any chunking of the same octets at the same times gives the same events. A message that
    cannot be read is one `undecodable` event; a stream that cannot be framed is `broken`.
    """

    def __init__(
        self,
        router_address: str,
        *,
        name: str | None = None,
        max_message: int = MAX_MESSAGE,
        quiet: int = QUIET,
        longest_dump: int = LONGEST_DUMP,
    ) -> None:
        """Read what comes from `router_address`; `name` goes before the router's own sysName.

        `quiet` and `longest_dump` (ns) say when a table counts as complete without End-of-RIB.
        """
        self.router_address = router_address
        self.router = name or router_address
        self.broken: str | None = None
        """Why the stream cannot be read any further; the caller closes the connection."""
        self.messages: Counter[str] = Counter()
        """Messages by type."""
        self.errors: Counter[str] = Counter()
        """What could not be read, by reason."""
        self.sender = Sender()
        """Whose software the router runs, and the quirks that it has shown.

        Where that is known from elsewhere, put another there before the first octet.
        """
        self.is_named = name is not None
        """Whether the router's own sysName does not matter."""
        self.epoch = 0
        """When the session came up, ns; 0 before that. It stays known when it is over."""
        self._max_message = max_message
        self._buffer = bytearray()
        self._sequence = 0
        self._up_since: int | None = None
        self._begins = False  # whether a message is the first: its name is that of the session
        self._last_fed = 0
        self._tables = Tables(quiet, longest_dump)

    def feed(self, data: bytes, now: int) -> list[Event]:
        """Take in octets that were read at `now` (ns)."""
        events = self.tick(now)
        self._last_fed = now
        if self.broken is not None:
            return events
        self._buffer += data
        start = 0
        while len(self._buffer) - start >= bmp.HEADER:
            length = int.from_bytes(self._buffer[start + 1 : start + 5])
            broken = self._check_frame(self._buffer[start], length)
            if broken is not None:
                events.append(self._break(broken, bytes(self._buffer[start : start + 64]), now))
                start = len(self._buffer)
                break
            if len(self._buffer) - start < length:
                break
            events += self._message(bytes(self._buffer[start : start + length]), now)
            start += length
        del self._buffer[:start]
        return events

    def tick(self, now: int) -> list[Event]:
        """The end-of-RIBs that `now` (ns) makes due, each as of its own moment."""
        events = self._fabricated() if now > self._last_fed else []
        due = self._tables.next_due()
        while self._up_since is not None and due is not None and due <= now:
            events += self._complete(due)
            due = self._tables.next_due()
        return events

    def close(self, now: int, reason: str) -> list[Event]:
        """The connection ended at `now` (ns)."""
        events = self._fabricated() + self.tick(now)
        if self._buffer:
            text = f"stream ended inside a message, {len(self._buffer)} octets left"
            self.errors["truncated"] += 1
            self.sender.quirks[CUT] += 1
            events.append(self._undecodable(now, text, bytes(self._buffer), {}))
            self._buffer.clear()
        if self._up_since is not None:
            events.append(
                self._event(now, Kind.FEED_DOWN.value, epoch=self._up_since, reason=reason)
            )
            self._up_since = None
            self._tables.peers.clear()
        return events

    # Frames

    def _check_frame(self, version: int, length: int) -> str | None:
        if version not in bmp.VERSIONS:
            self.errors["version"] += 1
            return f"BMP version {version} at the start of a message"
        if not bmp.HEADER <= length <= self._max_message:
            self.errors["length"] += 1
            return f"BMP message length {length} is not {bmp.HEADER} to {self._max_message}"
        return None

    def _break(self, reason: str, raw: bytes, now: int) -> Event:
        """The stream cannot be read any further."""
        self.broken = reason
        return self._undecodable(now, reason, raw, {})

    def _message(self, raw: bytes, now: int) -> list[Event]:
        kind, name = raw[5], bmp.name_of(raw[5])
        self.messages[name] += 1
        events: list[Event] = []
        cursor = Cursor(raw, bmp.HEADER)
        self._begins = self._up_since is None
        if self._begins:
            self._up_since = self.epoch = now
            self._tables.begin(now)
            if kind != bmp.INITIATION:
                events.append(self._event(now, Kind.FEED_UP.value, epoch=now))
        try:
            read = self._READERS.get(kind, BmpSession._unknown)
            events += read(self, cursor, raw, now)
        except WireError as error:
            self.errors[f"malformed-{name}"] += 1
            events.append(self._undecodable(now, f"{name}: {error}", raw, self._who(raw)))
        return events

    def _who(self, raw: bytes) -> Fields:
        """The peer of a message that could not be read, as far as its header can."""
        if raw[5] in (bmp.INITIATION, bmp.TERMINATION) or raw[5] >= len(bmp.NAMES):
            return {}
        try:
            return peer_fields(bmp.read_peer_header(Cursor(raw, bmp.HEADER)))
        except WireError:
            return {}

    # Events

    def _event(self, now: int, kind: str, **fields: Any) -> Event:
        self._sequence += 1
        return Event(
            received=now,
            sequence=self._sequence,
            feed=Feed.BMP.value,
            kind=kind,
            router=self.router,
            router_address=self.router_address,
            **fields,
        )

    def _undecodable(self, now: int, reason: str, raw: bytes, who: Fields) -> Event:
        return self._event(now, Kind.UNDECODABLE.value, reason=reason, raw=raw, **who)

    def _initiation(self, cursor: Cursor, raw: bytes, now: int) -> list[Event]:
        information = bmp.read_initiation(cursor)
        name = information.get("sys_name")
        if name and self._begins and not self.is_named and name not in GENERIC_NAMES:
            self.router = name
        warnings = self.sender.look(look_of(self.sender.past, raw, information=information))
        if self.sender.profile is not None:
            information["sender"] = self.sender.profile.value
        fields = {"information": information, "raw": raw, "epoch": self._up_since}
        return [self._event(now, Kind.FEED_UP.value, **fields, warnings=warnings)]

    def _unknown(self, cursor: Cursor, raw: bytes, now: int) -> list[Event]:
        """A type that no RFC has is for nobody's table, and no reason to doubt the rest."""
        del cursor
        warnings = self.sender.look(look_of(self.sender.past, raw))
        reason = f"unknown: bmp type at octet 5: {raw[5]} is unknown"
        return [self._undecodable(now, reason, raw, {"warnings": warnings})]

    def _termination(self, cursor: Cursor, raw: bytes, now: int) -> list[Event]:
        reason = f"terminated by the router: {bmp.read_termination(cursor)}"
        since, self._up_since = self._up_since, None
        self._tables.peers.clear()
        return [self._event(now, Kind.FEED_DOWN.value, epoch=since, reason=reason, raw=raw)]

    def _peer_up(self, cursor: Cursor, raw: bytes, now: int) -> list[Event]:
        header = bmp.read_peer_header(cursor)
        message = bmp.read_peer_up(cursor)
        known = self.sender.profile
        peer = Peer.up(header, message, now)
        information = message.information
        warnings = self.sender.look(
            look_of(self.sender.past, raw, header, peer, information=information)
        )
        self._tables.add(peer, now)
        if known is None and self.sender.profile is not None:
            information["sender"] = self.sender.profile.value
        fields = {
            **peer_fields(header),
            "epoch": now,
            "table": peer.table,
            "information": information,
            "raw": raw,
        }
        return [self._event(now, Kind.PEER_UP.value, **fields, warnings=warnings)]

    def _peer_down(self, cursor: Cursor, raw: bytes, now: int) -> list[Event]:
        header = bmp.read_peer_header(cursor)
        reason = bmp.read_peer_down(cursor)
        peer = self._tables.remove(header.key)
        warnings = self.sender.look(look_of(self.sender.past, raw, header, peer))
        return [
            self._event(
                now,
                Kind.PEER_DOWN.value,
                **peer_fields(header),
                epoch=peer.epoch if peer else self._up_since,
                table=peer.table if peer else None,
                reason=reason,
                raw=raw,
                warnings=warnings,
            )
        ]

    def _statistics(self, cursor: Cursor, raw: bytes, now: int) -> list[Event]:
        header = bmp.read_peer_header(cursor)
        statistics = read_statistics(cursor)
        fields = peer_fields(header)
        return [self._event(now, Kind.STATS.value, **fields, statistics=statistics, raw=raw)]

    def _route_monitoring(self, cursor: Cursor, raw: bytes, now: int) -> list[Event]:
        header = bmp.read_peer_header(cursor)
        marked = read_monitored(cursor) if raw[0] == 4 else None
        kind, body = bgp.read_message(marked.message if marked else cursor)
        if kind != bgp.UPDATE:
            raise WireError("bgp type", body.position, f"{kind} in Route Monitoring")
        known = self._tables.peers.get(header.key)
        peer = known or self._met(header, now)
        context = peer.context(header)
        if marked and marked.add_path is not None:
            context.add_path = frozenset(marked.add_path)
        routes = bgp.read_update(body, context)
        self._count_odd(routes)
        if marked:
            marked.mark(routes)
        elif cursor.remaining:  # some senders append a TLV to version 3 messages
            self.sender.quirks[TRAILING] += 1
        seen = look_of(self.sender.past, raw, header, known)
        self.sender.tally(*add_routes(seen, routes))
        warnings = self.sender.look(seen)
        if warning(EARLY) in warnings:  # its table is still to come, and ends when no more comes
            return []
        warn(routes, warnings)
        common = {
            **peer_fields(header),
            "received": now,
            "feed": Feed.BMP.value,
            "router": self.router,
            "router_address": self.router_address,
            "epoch": peer.epoch,
            "table": (marked and marked.table) or peer.table,
            "raw": raw,
        }
        return [self._route(header.view, peer, common, route) for route in routes]

    def _count_odd(self, routes: list[Fields]) -> None:
        """Count each kind of sender's fault once a message; the routes themselves carry it."""
        kinds = {word.partition(":")[0] for route in routes for word in route.get("warnings", ())}
        if ADD_PATH_ODD in kinds:
            kinds.remove(ADD_PATH_ODD)
            self.sender.quirks[ADD_PATH_ODD] += 1
        self.errors.update(kinds)

    def _route(self, view: str, peer: Peer, common: Fields, route: Fields) -> Event:
        family = route["family"]
        provenance = _LIVE
        if peer.is_dump(view, family):
            provenance = _DUMP
            self._tables.dumped(peer, common["received"])
        peer.views.add(view)
        if route["kind"] == Kind.END_OF_RIB:
            peer.ended.add((view, family))
        self._sequence += 1
        return Event(sequence=self._sequence, provenance=provenance, **common, **route)

    def _mirroring(self, cursor: Cursor, raw: bytes, now: int) -> list[Event]:
        header = bmp.read_peer_header(cursor)
        messages, codes = bmp.read_mirrored(cursor)
        for code in codes:
            self.errors[f"mirror-{code}".replace(" ", "-").lower()] += 1
        events: list[Event] = []
        who = peer_fields(header)
        if bmp.MESSAGES_LOST in codes:
            reason = "route-mirroring: the router lost messages that it should have mirrored"
            events.append(self._undecodable(now, reason, raw, who))
        up = self._tables.peers.get(header.key)
        warnings = self.sender.look(look_of(self.sender.past, raw, header, up))
        known = up or Peer(header, self._up_since or now, now)
        common = {**who, "epoch": known.epoch, "table": known.table, "raw": raw}
        common["provenance"] = Provenance.MIRROR.value
        for message in messages:
            try:
                routes = bgp.read_routes(message, known.context(header))
            except WireError as error:
                # Routers mirror what they could not read, too: one such takes no other along.
                self.errors["malformed-mirrored-message"] += 1
                events.append(self._undecodable(now, f"route-mirroring: {error}", raw, who))
                continue
            self._count_odd(routes)
            warn(routes, warnings)
            events += [self._event(now, **common, **route) for route in routes]
        return events

    # Tables that become complete

    def _met(self, header: PeerHeader, now: int) -> Peer:
        """The peer of a route that had no Peer Up: it is taken as up since the feed is."""
        peer = Peer(header, self._up_since or now, now)
        self._tables.add(peer, now)
        return peer

    def _complete(self, due: int) -> list[Event]:
        """The synthetic end-of-RIBs of one moment."""
        synthetic = Provenance.SYNTHETIC.value
        events = []
        for peer in self._tables.complete(due):
            for view in peer.all_views():
                fields = {**peer_fields(peer.header), "view": view, "time": None}
                fields |= {"epoch": peer.epoch, "table": peer.table, "reason": "quiet"}
                events.append(
                    self._event(due, Kind.END_OF_RIB.value, provenance=synthetic, **fields)
                )
        if not events and not self._tables.heard:
            self.sender.quirks[SILENT] += 1
            return [self._fault(due, SILENT, {"peers_up": 0})]
        if not events:
            fields = {"epoch": self._up_since, "reason": "initial tables complete"}
            events.append(self._event(due, Kind.END_OF_RIB.value, provenance=synthetic, **fields))
        return events

    # Faults of the sender that no message shows alone

    def _fabricated(self) -> list[Event]:
        """Tell of withdrawals of what was never announced, once many have come."""
        excess = self.sender.fabricated()
        if excess is None or self._up_since is None:
            return []
        counted = {"withdrawals_of_unannounced": excess}
        return [self._fault(self._last_fed, FABRICATED, counted)]

    def _fault(self, now: int, quirk: str, statistics: dict[str, int]) -> Event:
        return self._event(
            now,
            Kind.STATS.value,
            provenance=Provenance.SYNTHETIC.value,
            epoch=self._up_since,
            statistics=statistics,
            warnings=(warning(quirk),),
        )

    # Of the class: a session that held bound methods of its own would outlive its connection.
    _READERS: ClassVar[dict[int, Callable[[BmpSession, Cursor, bytes, int], list[Event]]]] = {
        bmp.ROUTE_MONITORING: _route_monitoring,
        bmp.STATISTICS: _statistics,
        bmp.PEER_DOWN: _peer_down,
        bmp.PEER_UP: _peer_up,
        bmp.INITIATION: _initiation,
        bmp.TERMINATION: _termination,
        bmp.MIRRORING: _mirroring,
    }
