"""One controller's gRPC streams: messages and the time in, events out. No clock, no I/O.

WatchEvent says what is so now, then what changes. It is silent on much that BMP says: a peer that
goes down takes its routes along without a word, a table that is sent again leaves out what is gone,
and a route that came again unchanged comes again. So the session knows what it was told, and says
what follows of it: such withdrawals are `synthetic`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collector.event import Event, Feed, Kind, Provenance, View
from collector.inputs.gobgp.dialect import BATCH, Dialect
from collector.inputs.gobgp.octets import address_text
from collector.inputs.gobgp.table import Destination, Table
from collector.inputs.gobgp.update import LARGEST, Fields, Read, Reader, fields_of
from collector.inputs.gobgp.update import withdrawals as withdrawals_of
from collector.wire.cursor import WireError
from collector.wire.families import family_name
from collector.wire.session import LONGEST_DUMP, QUIET
from collector.wire.texts import shown

Message = Any

ESTABLISHED = 6
INIT, END_OF_INIT, STATE = 1, 2, 3
"""Types of a peer event, the same in both versions."""
LAST_OF_DUMP = BATCH + 1
"""A message of so many paths has more of its table behind it; any other is the last."""
MESSAGES_OF_FAMILY = 2
"""Last messages that each family of each peer sends: its routes, and an empty one."""

_LOC_RIB, _ADJ_IN = View.LOC_RIB.value, View.ADJ_IN_PRE.value


@dataclass(slots=True)
class _Peer:
    """A BGP peer of the controller."""

    who: Fields
    """The fields of events that name it."""
    table: Table
    up: bool = False
    is_counted: bool = False
    """Its table is part of the dump whose messages are counted; others end when they are silent."""

    def due(self, quiet: int, longest: int) -> int:
        """When its table is complete if nothing more comes, ns."""
        last = self.table.epoch + longest
        return last if self.is_counted else min(self.table.last_told + quiet, last)


class GobgpSession:
    """What one controller says, over all connections to it."""

    def __init__(
        self,
        router: str,
        router_address: str,
        *,
        quiet: int = QUIET,
        longest_dump: int = LONGEST_DUMP,
    ) -> None:
        """Nothing is known yet; `quiet` and `longest_dump` (ns) as in `BmpSession`."""
        self.router = router
        self.router_address = router_address
        self.paths: Counter[str] = Counter()
        """Paths that came, by view."""
        self.errors: Counter[str] = Counter()
        """What could not be read, by reason."""
        self.unchanged: Counter[str] = Counter()
        """Paths that said nothing new, by view."""
        self._quiet = quiet
        self._longest = longest_dump
        self._sequence = 0
        self._epoch: int | None = None
        self._reader: Reader | None = None
        self._best = Table(0, 0)
        self._peers: dict[str, _Peer] = {}
        self._families: Mapping[str, int] = {}
        self._to_come: int | None = None
        """Last messages still to come of the peers' dump; None before they can be counted."""
        self._settled = False

    @property
    def up(self) -> bool:
        """Whether there is a connection."""
        return self._epoch is not None

    @property
    def settled(self) -> bool:
        """Whether all tables of this connection are complete."""
        return self._settled and self.up

    def open(
        self, dialect: Dialect, now: int, information: Fields, families: Mapping[str, int]
    ) -> list[Event]:
        """A connection is there; `families` says how many each peer is configured with."""
        self._reader = Reader(dialect.unwrap)
        self._sequence = 0
        self._epoch, self._settled = now, False
        self._families, self._to_come = families, None
        self._best.begin(now)
        for peer in self._peers.values():
            peer.up = False
            peer.table.begin(now)
        return [self._event(now, Kind.FEED_UP, epoch=now, information=information)]

    def close(self, now: int, reason: str) -> list[Event]:
        """The connection ended. What is known stays, to be compared with what comes next."""
        events = self.tick(now)
        if self._epoch is not None:
            events.append(self._event(now, Kind.FEED_DOWN, epoch=self._epoch, reason=reason))
            self._epoch = None
        return events

    def forget(self) -> None:
        """What was told may not have been taken in: whatever comes next is told again."""
        self._best = Table(0, 0)
        self._peers.clear()

    def best(self, response: Message, now: int) -> list[Event]:
        """A message of the stream of the controller's own table."""
        if response.WhichOneof("event") != "table":
            return self._unknown(response, now)
        paths = response.table.paths
        self.paths[_LOC_RIB] += len(paths)
        self._best.last_told = now
        events = self._routes(paths, now, is_best=True)
        if not self._best.complete and len(paths) != LAST_OF_DUMP:
            events += self._complete(self._best, {"view": _LOC_RIB}, now, Provenance.DUMP)
        return events + self._settle(now)

    def adj_in(self, response: Message, now: int) -> list[Event]:
        """A message of the stream of the peers and their tables."""
        kind = response.WhichOneof("event")
        if kind == "peer":
            return self._peer_event(response.peer, now) + self._settle(now)
        if kind != "table":
            return self._unknown(response, now)
        paths = response.table.paths
        self.paths[_ADJ_IN] += len(paths)
        events = self._routes(paths, now, is_best=False)
        is_end_of_rib = any(not path.HasField("nlri") for path in paths)
        if self._to_come and len(paths) != LAST_OF_DUMP and not is_end_of_rib:
            self._to_come -= 1
            if not self._to_come:
                events += self._dump_ended(now)
        return events + self._settle(now)

    def tick(self, now: int) -> list[Event]:
        """What `now` (ns) makes due: tables that fell silent without saying that they end."""
        events: list[Event] = []
        if self._epoch is None:
            return events
        for peer in self._peers.values():
            if peer.up and not peer.table.complete and peer.due(self._quiet, self._longest) <= now:
                events += self._complete(peer.table, peer.who, now, Provenance.SYNTHETIC)
        overdue = self._epoch + self._longest <= now
        if overdue and not self._best.complete:
            events += self._complete(self._best, {"view": _LOC_RIB}, now, Provenance.SYNTHETIC)
        if overdue:
            self._to_come = 0
        return events + self._settle(now)

    # Routes

    def _routes(self, paths: Iterable[Message], now: int, *, is_best: bool) -> list[Event]:
        events: list[Event] = []
        group: list[Read] = []
        who: tuple[Table, Fields] | None = None
        size = 0
        for path in paths:
            if not path.HasField("nlri"):
                events += self._flush(group, who, now) + self._end_of_rib(path, now)
                continue
            its = (self._best, {"view": _LOC_RIB}) if is_best else self._owner(path, now)
            read = self._read(path, now, its, events, is_best=is_best)
            if read is None:
                continue
            if group and (who is None or who[0] is not its[0] or not read.goes_with(group[-1])):
                events += self._flush(group, who, now)
            if size > LARGEST:
                events += self._flush(group, who, now)
            if not group:
                size = 0
            group.append(read)
            size += len(read.nlri)
            who = its
        return events + self._flush(group, who, now)

    def _read(
        self,
        path: Message,
        now: int,
        its: tuple[Table, Fields],
        events: list[Event],
        *,
        is_best: bool,
    ) -> Read | None:
        """A path that says something new, or None; what cannot be read becomes an event."""
        assert self._reader is not None  # noqa: S101 - `open` comes before anything else
        table, who = its
        try:
            read = self._reader.read(path, with_path_id=not is_best)
        except WireError as error:
            events.append(self._undecodable(path, who, now, error))
            return None
        table.last_told = now
        if read.is_withdraw:
            is_news = table.withdraw(read.destination)
        else:
            is_news = table.announce(read.destination, read.says)
        if not is_news:
            self.unchanged[who["view"]] += 1
            return None
        return read

    def _flush(self, group: list[Read], who: tuple[Table, Fields] | None, now: int) -> list[Event]:
        """The events of paths that go together; the group is empty afterwards."""
        if not group or who is None:
            return []
        table, fields = who
        reads, events = list(group), []
        group.clear()
        provenance = Provenance.LIVE if table.complete else Provenance.DUMP
        common = {**fields, "epoch": table.epoch, "provenance": provenance.value}
        try:
            return [self._event(now, **common, **route) for route in fields_of(reads)]
        except WireError as error:
            if len(reads) > 1:  # one that cannot be read takes no other along
                for read in reads:
                    events += self._flush([read], who, now)
                return events
            self.errors["malformed-path"] += 1
            reason = f"path: {error}"
            return [self._event(now, Kind.UNDECODABLE, **fields, reason=reason)]

    def _undecodable(self, path: Message, who: Fields, now: int, error: WireError) -> Event:
        self.errors["malformed-path"] += 1
        family = family_name(path.family.afi, path.family.safi)
        verb = "withdrawal" if path.is_withdraw else "path"
        fields = {**who, "family": family, "reason": f"{verb}: {error}"}
        return self._event(now, Kind.UNDECODABLE, **fields, raw=path.SerializePartialToString())

    def _unknown(self, response: Message, now: int) -> list[Event]:
        self.errors["unknown-message"] += 1
        raw = response.SerializePartialToString()
        return [self._event(now, Kind.UNDECODABLE, reason="a message of no known kind", raw=raw)]

    # Peers

    def _owner(self, path: Message, now: int) -> tuple[Table, Fields]:
        """The table of a peer's path; a peer that was not introduced is up since now."""
        name = address_text(path.neighbor_ip) or ""
        peer = self._peers.get(name)
        if peer is None:
            peer = self._peers[name] = _Peer(
                _who(name, path.source_asn, path.source_id), Table(now, now), up=True
            )
        return peer.table, peer.who

    def _peer_event(self, event: Message, now: int) -> list[Event]:
        if event.type == END_OF_INIT:
            return self._count_dump(now)
        state = event.peer.state
        name = address_text(state.neighbor_address)
        if name is None:
            return []
        is_up = state.session_state == ESTABLISHED
        peer = self._peers.get(name)
        if is_up and (peer is None or not peer.up):
            return self._peer_up(name, event, now)
        if not is_up and peer is not None and peer.up:
            return self._peer_down(peer, state, now)
        return []

    def _peer_up(self, name: str, event: Message, now: int) -> list[Event]:
        state, transport = event.peer.state, event.peer.transport
        who = _who(name, state.peer_asn, state.router_id)
        peer = self._peers.get(name)
        if peer is None:
            peer = self._peers[name] = _Peer(who, Table(now, now))
        peer.who, peer.up, peer.is_counted = who, True, False
        if event.type == STATE:
            peer.table.begin(now)
        else:
            # A session that was up before we looked: it came up no later than the feed.
            peer.table.epoch = peer.table.last_told = now
            peer.is_counted = name in self._families
        said = {
            "local_address": address_text(transport.local_address),
            "local_port": transport.local_port,
            "remote_port": transport.remote_port,
            "local_as": state.local_asn,
        }
        information = {key: value for key, value in said.items() if value}
        fields = {**who, "epoch": now, "information": information}
        return [self._event(now, Kind.PEER_UP, **fields)]

    def _peer_down(self, peer: _Peer, state: Message, now: int) -> list[Event]:
        """The peer is down, and with it all its routes: GoBGP says nothing of them."""
        peer.up = False
        message = getattr(state, "disconnect_message", "")
        reason = f"said by GoBGP: {shown(message)}" if message else "GoBGP does not say why"
        fields = {**peer.who, "epoch": peer.table.epoch}
        events = [self._event(now, Kind.PEER_DOWN, **fields, reason=reason)]
        return events + self._gone(peer.table.clear(), fields, now, "the peer is down")

    def _end_of_rib(self, path: Message, now: int) -> list[Event]:
        """The peer itself said that it has sent all of a family."""
        table, who = self._owner(path, now)
        provenance = Provenance.LIVE if table.complete else Provenance.DUMP
        fields = {**who, "epoch": table.epoch, "provenance": provenance.value}
        family = family_name(path.family.afi, path.family.safi)
        return [self._event(now, Kind.END_OF_RIB, **fields, family=family)]

    # Tables that become complete

    def _count_dump(self, now: int) -> list[Event]:
        """All peers are known: so is how many messages their tables take."""
        counted = [name for name, peer in self._peers.items() if peer.up and peer.is_counted]
        self._to_come = MESSAGES_OF_FAMILY * sum(self._families[name] for name in counted)
        if any(peer.up and not peer.is_counted for peer in self._peers.values()):
            # Whose messages are whose cannot be told: all end when they fall silent.
            self._to_come = 0
            for name in counted:
                self._peers[name].is_counted = False
        return self._dump_ended(now) if not self._to_come else []

    def _dump_ended(self, now: int) -> list[Event]:
        events: list[Event] = []
        for peer in self._peers.values():
            if peer.up and peer.is_counted and not peer.table.complete:
                events += self._complete(peer.table, peer.who, now, Provenance.DUMP)
            elif not peer.up:  # it went down while nobody looked
                fields = {**peer.who, "epoch": peer.table.epoch}
                events += self._gone(peer.table.clear(), fields, now, "the peer is down")
        return events

    def _complete(self, table: Table, who: Fields, now: int, provenance: Provenance) -> list[Event]:
        """A table has been sent as a whole: what was not in it is gone."""
        table.complete = True
        fields = {**who, "epoch": table.epoch}
        events = self._gone(table.sweep(), fields, now, "not in the table any more")
        if provenance == Provenance.SYNTHETIC:
            fields["reason"] = "quiet"
        end = self._event(now, Kind.END_OF_RIB, provenance=provenance.value, **fields)
        return [*events, end]

    def _gone(
        self, destinations: Sequence[Destination], who: Fields, now: int, reason: str
    ) -> list[Event]:
        common = {**who, "provenance": Provenance.SYNTHETIC.value, "reason": reason}
        return [self._event(now, **common, **route) for route in withdrawals_of(destinations)]

    def _settle(self, now: int) -> list[Event]:
        """Once a connection: all tables are complete."""
        if self._settled or self._epoch is None or not self._best.complete or self._to_come != 0:
            return []
        if any(peer.up and not peer.table.complete for peer in self._peers.values()):
            return []
        self._settled = True
        fields = {"epoch": self._epoch, "reason": "initial tables complete"}
        provenance = Provenance.SYNTHETIC.value
        return [self._event(now, Kind.END_OF_RIB, provenance=provenance, **fields)]

    def _event(self, now: int, kind: str, **fields: Any) -> Event:
        self._sequence += 1
        return Event(
            received=now,
            sequence=self._sequence,
            feed=Feed.GOBGP.value,
            kind=str(kind),
            router=self.router,
            router_address=self.router_address,
            **fields,
        )


def _who(name: str, number: int, bgp_id: str) -> Fields:
    return {
        "peer": name,
        "peer_as": number or None,
        "peer_bgp_id": address_text(bgp_id),
        "view": _ADJ_IN,
    }
