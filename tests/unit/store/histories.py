"""Random histories of routers, and what they mean: a model that is written to be understood.

The model takes a router's events one by one and asks of each route what became of it. It shares
nothing with the store but the meaning of the words.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from collector.event import FLOWSPEC_FAMILIES, Event, Family, Kind, Provenance, View

SECOND = 1_000_000_000
START = 1_800_000_000 * SECOND
"""05:20 UTC, so that no history reaches the next day."""
LENGTH = 600 * SECOND

Key = tuple[Any, ...]
Held = tuple[int, str, str, int | None]
"""received of the announcement, next hop, provenance, blind since."""

PEERS = ("10.0.0.1", "10.0.0.2", "2001:db8::9")
VIEWS = (View.ADJ_IN_PRE, View.ADJ_IN_POST, View.ADJ_OUT_PRE, View.ADJ_OUT_POST)
IN_FAMILY: dict[str, tuple[str, ...]] = {
    Family.IPV4_UNICAST: ("192.0.2.0/24", "192.0.2.50/32", "0.0.0.0/0"),
    Family.IPV6_UNICAST: ("2001:db8::/32", "::ffff:192.0.2.0/120"),
    Family.L3VPN_IPV4: ("192.0.2.0/24", "198.51.100.0/24"),
    Family.L2VPN_EVPN: ("mac-ip tag 7 mac 02:00:00:00:00:01",),
    Family.IPV4_FLOWSPEC: ("destination 192.0.2.50/32", "destination 0.0.0.0/0 port =179"),
}
FAMILIES = tuple(IN_FAMILY)


@dataclass(slots=True)
class _Session:
    peer: str | None
    rd: str | None
    view: str
    up: bool = False
    epoch: int = 0


@dataclass(slots=True)
class Simulator:
    """One router as it may behave, faults included, from one seed."""

    seed: int
    router: str = ""
    feed: str = "bmp"
    now: int = START
    epoch: int = 0
    older: int = 0
    sequence: int = 0
    up: bool = False
    events: list[Event] = field(default_factory=list)
    sessions: list[_Session] = field(default_factory=list)

    def run(self) -> list[Event]:
        """Its events, in the order in which they are received."""
        dice = random.Random(self.seed)
        self.router = self.router or f"r{self.seed}"
        self.sessions = [_Session(None, None, View.LOC_RIB)]
        for peer in PEERS[: dice.randint(1, 3)]:
            self.sessions.append(_Session(peer, None, View.ADJ_IN_PRE))
        if dice.random() < 0.3:  # RFC 8671: what it tells a peer is a session of its own
            self.sessions.append(_Session(PEERS[0], None, View.ADJ_OUT_PRE))
        if dice.random() < 0.3:  # the same address in a VRF is another peer
            self.sessions.append(_Session(PEERS[0], "65000:1", View.ADJ_IN_PRE))
        self._connect(dice)
        for _ in range(dice.randint(10, 70)):
            self._pass_time(dice)
            self._act(dice)
        return self.events

    def _pass_time(self, dice: random.Random) -> None:
        if dice.random() < 0.25:
            return  # the same read: only the sequence tells what was first
        self.now += dice.choice((1, SECOND // 1000, SECOND, dice.randint(1, 25 * SECOND)))

    def _act(self, dice: random.Random) -> None:
        if not self.up and dice.random() < 0.8:
            self._connect(dice)
            return
        acts = (
            *((self._announce, 34), (self._withdraw, 12), (self._mirror, 3)),
            *((self._peer_down, 6), (self._peer_up, 9), (self._end_of_rib, 12)),
            *((self._all_complete, 6), (self._disconnect, 4), (self._reconnect, 2)),
            *((self._say_more, 2), (self._old_connection, 2)),
        )
        chosen = dice.choices([act for act, _ in acts], [weight for _, weight in acts])[0]
        chosen(dice)

    def _add(self, dice: random.Random, kind: str, epoch: int | None = None, **said: Any) -> None:
        self.sequence += 1
        lag = dice.choice((None, 0, 0, SECOND, 40 * SECOND, -20 * SECOND, dice.randint(0, SECOND)))
        values: dict[str, Any] = {"provenance": Provenance.LIVE, **said}
        self.events.append(
            Event(
                received=self.now,
                sequence=self.sequence,
                time=None if lag is None else self.now - lag,
                feed=self.feed,
                kind=kind,
                router=self.router,
                router_address="127.0.0.1",
                epoch=self.epoch if epoch is None else epoch,
                **values,
            )
        )

    def _connect(self, dice: random.Random) -> None:
        self.now += 1  # a connection begins after all that an older one said
        self.older, self.epoch, self.sequence, self.up = self.epoch, self.now, 0, True
        for session in self.sessions:
            session.up = False
        self._add(dice, Kind.FEED_UP)
        for session in self.sessions:
            if dice.random() < 0.7:
                self._bring_up(dice, session)

    def _bring_up(self, dice: random.Random, session: _Session) -> None:
        session.up, session.epoch = True, self.now
        self._session(dice, Kind.PEER_UP, session)

    def _session(self, dice: random.Random, kind: str, session: _Session, **said: Any) -> None:
        fields = {"peer": session.peer, "peer_rd": session.rd, "view": session.view, **said}
        self._add(dice, kind, session.epoch or self.epoch, **fields)

    def _peer_up(self, dice: random.Random) -> None:
        self._bring_up(dice, dice.choice(self.sessions))

    def _peer_down(self, dice: random.Random) -> None:
        session = dice.choice(self.sessions)
        self._session(dice, Kind.PEER_DOWN, session)
        session.up = False

    def _views(self, session: _Session) -> tuple[str, ...]:
        if session.view == View.LOC_RIB:
            return (View.LOC_RIB,)
        return VIEWS[:2] if session.view == View.ADJ_IN_PRE else VIEWS[2:]

    def _end_of_rib(self, dice: random.Random) -> None:
        session = dice.choice(self.sessions)
        view = dice.choice(self._views(session))
        if dice.random() < 0.5:
            synthetic = {"provenance": Provenance.SYNTHETIC, "view": view}
            self._session(dice, Kind.END_OF_RIB, session, **synthetic)
        else:
            family = dice.choice(FAMILIES)
            self._session(dice, Kind.END_OF_RIB, session, view=view, family=family)

    def _all_complete(self, dice: random.Random) -> None:
        self._add(dice, Kind.END_OF_RIB, provenance=Provenance.SYNTHETIC)

    def _disconnect(self, dice: random.Random) -> None:
        self._add(dice, Kind.FEED_DOWN, reason="closed")
        self.up = False

    def _reconnect(self, dice: random.Random) -> None:
        """The collector was killed, or the router opened a second connection."""
        self._connect(dice)

    def _say_more(self, dice: random.Random) -> None:
        self._add(dice, Kind.FEED_UP)

    def _old_connection(self, dice: random.Random) -> None:
        """What is left of an older connection ends, or still speaks."""
        if not self.older:
            return
        self.now += 1
        kind = dice.choice((Kind.FEED_DOWN, Kind.END_OF_RIB))
        self._add(dice, kind, self.older, provenance=Provenance.LIVE)

    def _announce(self, dice: random.Random) -> None:
        hop = dice.choice(("10.9.9.1", "10.9.9.2"))
        provenance = dice.choice((Provenance.LIVE, Provenance.DUMP))
        self._route(dice, Kind.ANNOUNCE, provenance, next_hop=hop)

    def _withdraw(self, dice: random.Random) -> None:
        self._route(dice, Kind.WITHDRAW, Provenance.LIVE)

    def _mirror(self, dice: random.Random) -> None:
        kind = dice.choice((Kind.ANNOUNCE, Kind.WITHDRAW))
        self._route(dice, kind, Provenance.MIRROR)

    def _route(self, dice: random.Random, kind: str, provenance: str, **said: Any) -> None:
        session = dice.choice(self.sessions)
        family = dice.choice(FAMILIES)
        what = dice.choice(IN_FAMILY[family])
        name = "nlri" if family == Family.L2VPN_EVPN else "prefix"
        fields: dict[str, Any] = {
            "family": family,
            "rule" if family in FLOWSPEC_FAMILIES else name: what,
            "rd": dice.choice(("65000:1", "65000:2")) if family == Family.L3VPN_IPV4 else None,
            "path_id": dice.choice((None, None, 0, 1, 2)),
            "view": dice.choice(self._views(session)),
            "table": "blue" if dice.random() < 0.1 else None,
            "provenance": provenance,
            **said,
        }
        self._session(dice, kind, session, **fields)


def key_of(event: Event) -> Key:
    """What makes two announcements the same route."""
    return (
        *(event.router, event.feed, event.peer or "", event.peer_rd or "", event.view or ""),
        *(event.table or "", event.family or "", event.rd or ""),
        *(event.rule or event.prefix or event.nlri, event.path_id),
    )


def rib_at(events: list[Event], at: int, clock: str) -> dict[Key, Held]:
    """What one router held at a moment, by its events in the order of their reception."""
    counted = [event for event in events if _moment(event, clock) <= at]
    last: dict[Key, tuple[int, Event]] = {}
    for place, event in enumerate(counted):
        if event.kind in (Kind.ANNOUNCE, Kind.WITHDRAW) and event.provenance != Provenance.MIRROR:
            last[key_of(event)] = (place, event)
    told = [place for place, event in _news(counted)]
    held: dict[Key, Held] = {}
    for key, (place, event) in last.items():
        if event.kind == Kind.WITHDRAW:
            continue
        blind, gone = _fate(event, [counted[i] for i in told if i > place])
        if not gone:
            held[key] = (event.received, event.next_hop or "", event.provenance, blind)
    return held


def _moment(event: Event, clock: str) -> int:
    return event.received if clock == "received" or event.time is None else event.time


def _news(events: list[Event]) -> Iterator[tuple[int, Event]]:
    """What sessions did, without what is known and without what an older connection says."""
    newest = 0
    for place, event in enumerate(events):
        epoch = event.epoch or 0
        if event.kind in (Kind.ANNOUNCE, Kind.WITHDRAW) or epoch < newest:
            continue
        if event.kind == Kind.FEED_UP:
            if epoch == newest:
                continue
            newest = epoch
        yield place, event


def _fate(route: Event, later: list[Event]) -> tuple[int | None, bool]:
    """Since when nobody could see a route, and whether it is gone, by what sessions did later."""
    blind: int | None = None
    asked_again = False
    for event in later:
        whole_router = not event.peer and not event.view
        its_peer = _of_peer(route, event)
        if event.kind == Kind.PEER_DOWN and its_peer:
            return None, True
        if event.kind == Kind.FEED_UP or (event.kind == Kind.PEER_UP and its_peer):
            asked_again = True
            blind = blind or event.received
        if event.kind == Kind.FEED_DOWN:
            blind = blind or event.received
        if event.kind == Kind.END_OF_RIB and asked_again:
            its_table = its_peer and event.view == route.view
            if whole_router or (its_table and event.family in (None, route.family)):
                return None, True
    return blind, False


def _of_peer(route: Event, event: Event) -> bool:
    def direction(view: str | None) -> str:
        return (view or "").replace("-pre", "").replace("-post", "")

    same = (route.peer, route.peer_rd) == (event.peer, event.peer_rd)
    return same and bool(event.view) and direction(route.view) == direction(event.view)
