"""One router's BMP stream, sans-IO: bytes and the time in, events out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from collector.event import Event, Feed, Kind, Provenance
from collector.wire import bgp, bmp
from collector.wire.bmp import PeerHeader
from collector.wire.bmp4 import Monitored, read_monitored
from collector.wire.cursor import Cursor, WireError
from collector.wire.destinations import Context
from collector.wire.peers import Peer
from collector.wire.statistics import read_statistics

MAX_MESSAGE = 1 << 20
QUIET = 2_000_000_000
LONGEST_DUMP = 120_000_000_000
GENERIC_NAMES = frozenset({"GoBGP"})
"""What a sender calls itself until somebody names it: two routers of that name are not one."""

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
        self._named = name is not None
        self._max_message = max_message
        self._quiet = quiet
        self._longest_dump = longest_dump
        self._buffer = bytearray()
        self._sequence = 0
        self._up_since: int | None = None
        self._last_opening = 0
        self._settled = False
        self._peers: dict[tuple[str, str | None, str | None], Peer] = {}
        self._due: int | None = None
        self._read: dict[int, Callable[[Cursor, bytes, int], list[Event]]] = {
            bmp.ROUTE_MONITORING: self._route_monitoring,
            bmp.STATISTICS: self._statistics,
            bmp.PEER_DOWN: self._peer_down,
            bmp.PEER_UP: self._peer_up,
            bmp.INITIATION: self._initiation,
            bmp.TERMINATION: self._termination,
            bmp.MIRRORING: self._mirroring,
        }

    def feed(self, data: bytes, now: int) -> list[Event]:
        """Take in octets that were read at `now` (ns)."""
        events = self.tick(now)
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
        events: list[Event] = []
        while self._up_since is not None and (due := self._next_due()) is not None and due <= now:
            events += self._complete(due)
        return events

    def close(self, now: int, reason: str) -> list[Event]:
        """The connection ended at `now` (ns)."""
        events = self.tick(now)
        if self._buffer:
            text = f"stream ended inside a message, {len(self._buffer)} octets left"
            self.errors["truncated"] += 1
            events.append(self._undecodable(now, text, bytes(self._buffer), {}))
            self._buffer.clear()
        if self._up_since is not None:
            events.append(
                self._event(now, Kind.FEED_DOWN.value, epoch=self._up_since, reason=reason)
            )
            self._up_since = None
            self._peers.clear()
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
        kind = raw[5]
        name = bmp.NAMES[kind] if kind < len(bmp.NAMES) else "unknown"
        self.messages[name] += 1
        events: list[Event] = []
        cursor = Cursor(raw, bmp.HEADER)
        if self._up_since is None:
            self._up_since = self._last_opening = now
            self._settled, self._due = False, None
            if kind != bmp.INITIATION:
                events.append(self._event(now, Kind.FEED_UP.value, epoch=now))
        try:
            read = self._read.get(kind)
            if read is None:
                raise WireError("bmp type", 5, f"{kind} is unknown")
            events += read(cursor, raw, now)
        except WireError as error:
            self.errors[f"malformed-{name}"] += 1
            events.append(self._undecodable(now, f"{name}: {error}", raw, self._who(raw)))
        return events

    def _who(self, raw: bytes) -> Fields:
        """The peer of a message that could not be read, as far as its header can."""
        if raw[5] in (bmp.INITIATION, bmp.TERMINATION) or raw[5] >= len(bmp.NAMES):
            return {}
        try:
            return _peer_fields(bmp.read_peer_header(Cursor(raw, bmp.HEADER)))
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
        if name and not self._named and name not in GENERIC_NAMES:
            self.router = name
        fields = {"information": information, "raw": raw, "epoch": self._up_since}
        return [self._event(now, Kind.FEED_UP.value, **fields)]

    def _termination(self, cursor: Cursor, raw: bytes, now: int) -> list[Event]:
        reason = f"terminated by the router: {bmp.read_termination(cursor)}"
        since, self._up_since = self._up_since, None
        self._peers.clear()
        return [self._event(now, Kind.FEED_DOWN.value, epoch=since, reason=reason, raw=raw)]

    def _peer_up(self, cursor: Cursor, raw: bytes, now: int) -> list[Event]:
        header = bmp.read_peer_header(cursor)
        message = bmp.read_peer_up(cursor)
        peer = self._peers[header.key] = Peer.up(header, message, now)
        self._opened(now)
        return [
            self._event(
                now,
                Kind.PEER_UP.value,
                **_peer_fields(header),
                epoch=now,
                table=peer.table,
                information=message.information,
                raw=raw,
            )
        ]

    def _peer_down(self, cursor: Cursor, raw: bytes, now: int) -> list[Event]:
        header = bmp.read_peer_header(cursor)
        reason = bmp.read_peer_down(cursor)
        peer = self._peers.pop(header.key, None)
        self._due = None
        return [
            self._event(
                now,
                Kind.PEER_DOWN.value,
                **_peer_fields(header),
                epoch=peer.epoch if peer else self._up_since,
                table=peer.table if peer else None,
                reason=reason,
                raw=raw,
            )
        ]

    def _statistics(self, cursor: Cursor, raw: bytes, now: int) -> list[Event]:
        header = bmp.read_peer_header(cursor)
        statistics = read_statistics(cursor)
        fields = _peer_fields(header)
        return [self._event(now, Kind.STATS.value, **fields, statistics=statistics, raw=raw)]

    def _route_monitoring(self, cursor: Cursor, raw: bytes, now: int) -> list[Event]:
        header = bmp.read_peer_header(cursor)
        marked = read_monitored(cursor) if raw[0] == 4 else None
        kind, body = bgp.read_message(marked.message if marked else cursor)
        if kind != bgp.UPDATE:
            raise WireError("bgp type", body.position, f"{kind} in Route Monitoring")
        peer = self._peer(header, now)
        context = peer.context(header)
        if marked and marked.add_path is not None:
            context.add_path = frozenset(marked.add_path)
        routes = bgp.read_update(body, context)
        self._count_odd(routes)
        if marked:
            _mark(routes, marked)
        trailing = not marked and cursor.remaining
        common = {
            **_peer_fields(header),
            "received": now,
            "feed": Feed.BMP.value,
            "router": self.router,
            "router_address": self.router_address,
            "epoch": peer.epoch,
            "table": (marked and marked.table) or peer.table,
            "raw": raw,
        }
        events = [self._route(now, header.view, peer, common, route) for route in routes]
        if trailing:  # some senders append a TLV to version 3 messages
            self.errors["trailing-octets"] += 1
        return events

    def _count_odd(self, routes: list[Fields]) -> None:
        """Count each kind of sender's fault once a message; the routes themselves carry it."""
        kinds = {word.partition(":")[0] for route in routes for word in route.get("warnings", ())}
        self.errors.update(kinds)

    def _route(self, now: int, view: str, peer: Peer, common: Fields, route: Fields) -> Event:
        family = route["family"]
        provenance = _LIVE
        if peer.is_dump(view, family):
            provenance = _DUMP
            peer.last_dumped = now
            self._due = None
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
        who = _peer_fields(header)
        if bmp.MESSAGES_LOST in codes:
            reason = "route-mirroring: the router lost messages that it should have mirrored"
            events.append(self._undecodable(now, reason, raw, who))
        known = self._peers.get(header.key) or Peer(header, self._up_since or now, now)
        common = {**who, "epoch": known.epoch, "table": known.table, "raw": raw}
        common["provenance"] = Provenance.MIRROR.value
        for message in messages:
            try:
                routes = _mirrored_routes(message, known.context(header))
            except WireError as error:
                # Routers mirror what they could not read, too: one such takes no other along.
                self.errors["malformed-mirrored-message"] += 1
                events.append(self._undecodable(now, f"route-mirroring: {error}", raw, who))
                continue
            self._count_odd(routes)
            events += [self._event(now, **common, **route) for route in routes]
        return events

    # Tables that become complete

    def _peer(self, header: PeerHeader, now: int) -> Peer:
        """The peer of a route; one that never said Peer Up is taken as up since the feed is."""
        peer = self._peers.get(header.key)
        if peer is None:
            peer = self._peers[header.key] = Peer(header, self._up_since or now, now)
            self._opened(now)
        return peer

    def _opened(self, now: int) -> None:
        self._last_opening = now
        self._due = None

    def _next_due(self) -> int | None:
        """When the next table is complete, or all of them are; None where that was said."""
        if self._due is None:
            waiting = [
                peer.due(self._quiet, self._longest_dump)
                for peer in self._peers.values()
                if not peer.complete
            ]
            if not waiting and not self._settled:
                waiting = [self._last_opening + self._quiet]
            self._due = min(waiting, default=-1)
        return None if self._due < 0 else self._due

    def _complete(self, due: int) -> list[Event]:
        """The synthetic end-of-RIBs of one moment."""
        self._due = None
        self._last_opening = max(self._last_opening, due - self._quiet)
        synthetic = Provenance.SYNTHETIC.value
        events: list[Event] = []
        for peer in self._peers.values():
            if peer.complete or peer.due(self._quiet, self._longest_dump) > due:
                continue
            peer.complete = True
            for view in peer.all_views():
                fields = {**_peer_fields(peer.header), "view": view, "time": None}
                fields |= {"epoch": peer.epoch, "table": peer.table, "reason": "quiet"}
                events.append(
                    self._event(due, Kind.END_OF_RIB.value, provenance=synthetic, **fields)
                )
        if not events:
            self._settled = True
            events.append(
                self._event(
                    due,
                    Kind.END_OF_RIB.value,
                    provenance=synthetic,
                    epoch=self._up_since,
                    reason="initial tables complete",
                )
            )
        return events


def _mirrored_routes(message: Cursor, context: Context) -> list[Fields]:
    kind, body = bgp.read_message(message)
    return bgp.read_update(body, context) if kind == bgp.UPDATE else []


def _mark(routes: list[Fields], marked: Monitored) -> None:
    """Give each route what the TLVs of version 4 say of it."""
    for index, route in enumerate(routes, 1):
        status = marked.path_status.get(index, ()) + marked.path_status.get(0, ())
        if status:
            route["path_status"] = status


def _peer_fields(header: PeerHeader) -> Fields:
    return {
        "time": header.time,
        "peer": header.peer,
        "peer_as": header.peer_as,
        "peer_bgp_id": header.bgp_id,
        "peer_rd": header.rd,
        "view": header.view,
    }
