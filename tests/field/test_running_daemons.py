"""The gobgpd and the FRR of this machine, running: what they send is what was written of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from collector.event import Event, Kind, Provenance, View
from collector.wire.session import BmpSession
from detectors.engine import Engine
from detectors.intent import parse_intent
from tests.field.daemons import Gobgp, Station, frr, wait
from tests.waiting import free_port

PREFIX, RULE = "203.0.113.0/24", "destination 203.0.113.7/32"
MATCH = "match destination 203.0.113.7/32 then discard"
LOCAL = "destination 203.0.113.9/32"
SECOND = 1_000_000_000
pytestmark = pytest.mark.timeout(180)


@dataclass
class Heard:
    """What one daemon sent, and what its session showed."""

    events: list[Event]
    session: BmpSession

    def of(self, **fields: object) -> list[Event]:
        return [e for e in self.events if all(getattr(e, n) == v for n, v in fields.items())]


def announced(events: list[Event], view: str) -> bool:
    seen = {e.prefix or e.rule for e in events if e.kind == Kind.ANNOUNCE and e.view == view}
    return {PREFIX, RULE} <= seen


def withdrawn(events: list[Event], view: str) -> bool:
    seen = {e.prefix or e.rule for e in events if e.kind == Kind.WITHDRAW and e.view == view}
    return {PREFIX, RULE} <= seen


@pytest.fixture(scope="module")
def gobgp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    """BMP connects, the peer withdraws, a rule is injected here, the peer ends."""
    folder = tmp_path_factory.mktemp("gobgp")
    one, two = "127.0.1.1", "127.0.1.2"
    with ExitStack() as stack:
        port = free_port(one)
        station = Station()
        stack.callback(station.close)
        router = Gobgp(stack, folder / "router", one, 65001, port, {two: 65002})
        peer = Gobgp(stack, folder / "peer", two, 65002, port, {one: 65001})
        wait("the session", lambda: router.established() == 1)
        peer.run(f"global rib add {PREFIX} nexthop 192.0.2.5")
        peer.run(f"global rib -a ipv4-flowspec add {MATCH}")
        wait("the route", lambda: router.holds("ipv4", PREFIX))
        time.sleep(2)  # so that the time of what comes later is another
        router.run(f"bmp add 127.0.0.1:{station.port} all")
        station.wait("the tables", lambda events: announced(events, View.ADJ_IN_POST))
        station.wait("the Loc-RIB", lambda events: announced(events, View.LOC_RIB))
        peer.run(f"global rib del {PREFIX}")
        peer.run(f"global rib -a ipv4-flowspec del {MATCH}")
        station.wait("the withdrawals", lambda events: withdrawn(events, View.LOC_RIB))
        router.run(f"global rib -a ipv4-flowspec add match {LOCAL} then discard")
        station.wait("the rule", lambda events: any(e.rule == LOCAL for e in events))
        peer.daemon.stop()
        station.wait("Peer Down", lambda events: events[-1].kind == Kind.PEER_DOWN)
        yield Heard(station.events, station.sessions[-1])


def test_gobgp_withdraws_what_it_dumped_before_policy_and_never_after(gobgp: Heard) -> None:
    for what in ({"prefix": PREFIX}, {"rule": RULE}):
        assert len(gobgp.of(kind="withdraw", view=View.ADJ_IN_PRE, **what)) == 1
        assert len(gobgp.of(kind="announce", view=View.ADJ_IN_POST, **what)) == 1
        assert gobgp.of(kind="withdraw", view=View.ADJ_IN_POST, **what) == []


def test_gobgp_withdraws_from_loc_rib_with_the_old_time(gobgp: Heard) -> None:
    for what in ({"prefix": PREFIX}, {"rule": RULE}):
        (old,) = gobgp.of(kind="announce", view=View.LOC_RIB, **what)
        (gone,) = gobgp.of(kind="withdraw", view=View.LOC_RIB, **what)
        assert gone.time == old.time
        assert gone.received - (gone.time or 0) > SECOND


def test_gobgp_shows_a_rule_injected_at_it_in_loc_rib_alone(gobgp: Heard) -> None:
    assert [e.view for e in gobgp.of(rule=LOCAL)] == [View.LOC_RIB]


def test_gobgp_says_end_of_rib_per_family_and_none_for_loc_rib(gobgp: Heard) -> None:
    ends = [e for e in gobgp.of(kind="end-of-rib") if e.provenance != Provenance.SYNTHETIC]
    assert {(e.view, e.family) for e in ends} == {
        (view, family)
        for view in (View.ADJ_IN_PRE, View.ADJ_IN_POST)
        for family in ("ipv4-unicast", "ipv4-flowspec")
    }


def test_gobgp_is_known_and_so_is_what_it_does(gobgp: Heard) -> None:
    sender = gobgp.session.sender
    assert sender.profile == "gobgp"
    assert set(sender.quirks) == {
        *("default-name", "end-of-rib-flags", "loc-rib-without-peer-up", "post-policy-ghosts"),
    }


def test_gobgp_notices_a_restarted_collector_when_it_has_something_to_say(
    tmp_path: Path,
) -> None:
    """It was told of no `statistics-timeout`: until then, nothing."""
    with ExitStack() as stack:
        station = Station()
        stack.callback(station.close)
        port = free_port("127.0.1.3")
        router = Gobgp(stack, tmp_path / "router", "127.0.1.3", 65001, port, {})
        router.run(f"bmp add 127.0.0.1:{station.port} all")
        station.wait("Initiation", bool)
        station.hang_up()
        time.sleep(5)
        assert len(station.sessions) == 1
        router.run(f"global rib -a ipv4-flowspec add match {LOCAL} then discard")
        router.run(f"global rib add {PREFIX} nexthop 192.0.2.5")
        wait("another session", lambda: len(station.sessions) == 2, 60)
        station.wait("the table", lambda events: any(e.prefix == PREFIX for e in events))
        told = {e.rule or e.prefix for e in station.events if e.kind == Kind.ANNOUNCE}
        assert told == {LOCAL, PREFIX}


@pytest.fixture(scope="module")
def frr84(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    """The peer comes after BMP, announces, ends."""
    folder = tmp_path_factory.mktemp("frr")
    one, two = "127.0.1.4", "127.0.1.2"
    with ExitStack() as stack:
        port = free_port(one)
        station = Station()
        stack.callback(station.close)
        frr(stack, folder / "router", one, two, port, station.port)
        station.wait("Initiation", bool)
        peer = Gobgp(stack, folder / "peer", two, 65002, port, {one: 65004})
        wait("the session", lambda: peer.established() == 1, 60)
        peer.run(f"global rib add {PREFIX} nexthop 192.0.2.5")
        peer.run(f"global rib -a ipv4-flowspec add {MATCH}")
        station.wait("the rule", lambda events: any(e.rule == RULE for e in events))
        station.wait("the route", announced_once)
        peer.daemon.stop()
        station.wait("Peer Down", lambda events: len(downs(events)) > 1)
        yield Heard(station.events, station.sessions[-1])


def announced_once(events: list[Event]) -> bool:
    return any(e.prefix == PREFIX and e.provenance != Provenance.MIRROR for e in events)


def downs(events: list[Event]) -> list[Event]:
    return [e for e in events if e.kind == Kind.PEER_DOWN]


def test_frr_sends_rules_in_mirrored_messages_alone(frr84: Heard) -> None:
    assert {e.provenance for e in frr84.of(rule=RULE, kind="announce")} == {Provenance.MIRROR}


def test_frr_puts_its_own_as_before_the_path(frr84: Heard) -> None:
    seen = frr84.of(prefix=PREFIX, kind="announce")
    paths = {(e.provenance == Provenance.MIRROR, e.as_path) for e in seen}
    assert paths == {(True, "65002"), (False, "65004 65002")}
    assert {e.path_id for e in seen} == {None}


def test_frr_says_peer_down_of_a_peer_that_never_was_up(frr84: Heard) -> None:
    first = downs(frr84.events)[0]
    assert first.peer_bgp_id == "0.0.0.0"  # noqa: S104 - the identifier of nobody
    assert first.warnings == ("quirk: peer-down-without-peer-up",)
    assert first.sequence < frr84.of(kind="peer-up")[0].sequence


def test_frr_is_known_and_so_is_what_it_does(frr84: Heard) -> None:
    sender = frr84.session.sender
    assert sender.profile == "frr"
    always = {"own-as-prepended", "peer-down-without-peer-up", "peer-up-with-old-time"}
    assert always <= set(sender.quirks)


WATCHED = f"""
version: 1
sites:
  here: {{match: [{{next_hop: 192.0.2.5}}]}}
  home: {{match: [{{next_hop: 192.0.2.6}}]}}
services: [{{name: web, prefix: {PREFIX}, home: [home]}}]
"""


def test_a_router_that_monitors_post_policy_alone_is_believed(tmp_path: Path) -> None:
    """FRR's Peer Up says pre-policy even so: it is for both views (RFC 7854 section 3.1)."""
    one, two = "127.0.1.4", "127.0.1.2"
    with ExitStack() as stack:
        port = free_port(one)
        station = Station()
        stack.callback(station.close)
        frr(stack, tmp_path / "router", one, two, port, station.port, ("post-policy",))
        station.wait("Initiation", bool)
        peer = Gobgp(stack, tmp_path / "peer", two, 65002, port, {one: 65004})
        wait("the session", lambda: peer.established() == 1, 60)
        peer.run(f"global rib add {PREFIX} nexthop 192.0.2.5")
        station.wait("the route", announced_once)
        events = station.events
    assert {e.view for e in events if e.kind == Kind.PEER_UP} == {View.ADJ_IN_PRE}
    shown = [e for e in events if e.prefix == PREFIX and e.provenance != Provenance.MIRROR]
    assert {e.view for e in shown} == {View.ADJ_IN_POST}
    engine = Engine(parse_intent(WATCHED))
    (opened,) = [t for event in events for t in engine.process(event)]
    assert (opened.detector, opened.state) == ("dual_advertisement", "open")
