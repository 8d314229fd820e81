"""How FRR, BIRD and others behave as senders, in recordings of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.event import FLOWSPEC_FAMILIES, Event, Kind, Provenance, View
from collector.wire.session import BmpSession
from detectors.engine import Engine
from detectors.intent import parse_intent
from detectors.routes import RouteKey, Routes
from tests.quirks.recordings import STORY, changed, daemon, recorded
from tests.unit.wire.build import (
    BASIC,
    NOW,
    initiation,
    monitoring,
    peer_header,
    peer_up,
    prefix,
    update,
)

FRR = ("frr84.35002", "frr84.46124", "frr84.55774", "frr103.35778")
SECOND = 1_000_000_000
HUAWEI = "pmacct+pmacct/tests/200-BMP-HUAWEI-locrib_instance/traffic-00.pcap"
IOS_XR = "pmacct+pmacct/tests/202-BMP-CISCO-HUAWEI-multiple-sources/traffic-02.pcap"
REFLECTED = "_derived/bmp-multi-sources.open.pcap"


@pytest.mark.parametrize("name", FRR)
def test_frr_sends_flowspec_in_mirrored_messages_alone(name: str, shared_data: Path) -> None:
    heard = daemon(shared_data, name)
    rules = [e for e in heard.events if e.rule and e.family in FLOWSPEC_FAMILIES]
    assert len(rules) > 8
    assert {e.provenance for e in rules} == {Provenance.MIRROR}


@pytest.mark.parametrize("name", FRR)
def test_frr_never_sends_path_ids(name: str, shared_data: Path) -> None:
    heard = daemon(shared_data, name)
    monitored = [e for e in heard.events if e.prefix and e.provenance != Provenance.MIRROR]
    assert {e.path_id for e in monitored} <= {None}
    assert heard.quirks["add-path-not-as-negotiated"] == 0


def test_withdrawals_of_what_was_never_announced_are_no_outage() -> None:
    """Built: the service's home withdraws its prefix, which it never had, a thousand times."""
    intent = """
version: 1
sites: {pe: {match: [{peer: 10.0.0.1}]}, other: {match: [{peer: 10.0.0.2}]}}
services: [{name: web, prefix: 192.0.2.50/32, home: [pe], hold: 1s}]
"""
    engine = Engine(parse_intent(intent, "intent.yaml"))
    session = BmpSession("10.0.0.254")
    route = monitoring(update(attributes=BASIC, nlri=prefix("192.0.2.50/32")))
    other = peer_header("10.0.0.2")
    never = monitoring(update(withdrawn=prefix("192.0.2.50/32")), other)
    told = []
    for octets in (initiation() + peer_up() + peer_up(other), route, never * 1500):
        for event in session.feed(octets, NOW):
            told += engine.process(event)
    for event in session.tick(NOW + 30 * SECOND):
        told += engine.process(event)
    told += engine.advance(NOW + 60 * SECOND)
    assert [(t.detector, t.details["surplus"]) for t in told] == [("feed_blind", 1499)]
    assert session.sender.quirks["fabricated-withdrawals"] == 1499


def test_time_zero_is_no_time(shared_data: Path) -> None:
    heard = daemon(shared_data, "bird317.35324")
    assert {e.time for e in heard.of(kind=Kind.PEER_UP)} == {None}


def test_time_of_boot_is_not_when_the_peer_came_up(shared_data: Path) -> None:
    """FRR had been up for 48 minutes when its peer was: the order is that of receipt."""
    heard = daemon(shared_data, "frr84.55774")
    (up,) = heard.of(kind=Kind.PEER_UP)
    first = heard.of(kind=Kind.ANNOUNCE, peer="127.0.1.2")[0]
    assert up.time is not None
    assert first.time is not None
    assert first.time - up.time > 40 * 60 * SECOND
    assert (up.received, up.sequence) < (first.received, first.sequence)


def test_tables_of_the_loc_rib_are_told_apart_without_a_peer_address(shared_data: Path) -> None:
    heard = recorded(shared_data / IOS_XR)
    ups = heard.of(kind=Kind.PEER_UP, view=View.LOC_RIB)
    assert {e.peer for e in ups} == {None}
    tables = [(k.peer_rd, k.table) for k in map(RouteKey.of, ups)]
    assert len(set(tables)) == len(tables) == 5
    assert ("64499:15", "A10") in tables


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("router", "another"),
        *(("peer", "10.0.0.9"), ("peer_rd", "65000:1"), ("view", "adj-in-post")),
        *(("table", "vrf"), ("family", "l3vpn-ipv4-unicast"), ("rd", "65000:50")),
        *(("prefix", "192.0.2.51/32"), ("path_id", 7)),
    ],
)
def test_a_route_is_another_where_its_key_differs(field: str, value: object) -> None:
    route = recorded(STORY).of(kind=Kind.ANNOUNCE, view=View.ADJ_IN_PRE, prefix="192.0.2.50/32")[0]
    assert RouteKey.of(changed(route, **{field: value})) != RouteKey.of(route)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("router_address", "192.0.2.1"), ("epoch", 1), ("time", 1), ("peer_bgp_id", "1.1.1.1")),
        *(("next_hop", "192.0.2.1"), ("as_path", "1 2"), ("med", 1000), ("raw", b"")),
    ],
)
def test_a_route_is_the_same_whatever_else_is_said_of_it(field: str, value: object) -> None:
    route = recorded(STORY).of(kind=Kind.ANNOUNCE, view=View.ADJ_IN_PRE, prefix="192.0.2.50/32")[0]
    assert RouteKey.of(changed(route, **{field: value})) == RouteKey.of(route)


def test_a_peer_is_no_other_for_its_flags() -> None:
    """End-of-RIB with flags 0x60 speaks of the table whose routes have 0x40."""
    story = recorded(STORY)
    post = [e for e in story.of(view=View.ADJ_IN_POST, peer="10.0.1.1") if e.raw]
    assert {e.raw[7] for e in post if e.raw} == {0x40, 0x60}
    assert len({(e.router, e.peer, e.peer_rd, e.view, e.table) for e in post}) == 1


def test_a_router_is_no_other_for_its_port(shared_data: Path) -> None:
    """Three connections of one FRR, from three ports."""
    keys = set()
    for name in FRR[:3]:
        for event in daemon(shared_data, name).of(kind=Kind.ANNOUNCE, prefix="10.9.8.0/24"):
            keys.add((RouteKey.of(event).router, event.peer))
    assert keys == {("frr4", "127.0.1.2")}


def test_peer_down_reasons_are_noise(shared_data: Path) -> None:
    """The peer's administrator shut the session down, each time."""
    reasons, left = {}, set()
    for name in ("g310.33976", "frr84.35002", "bird317.35324"):
        routes = Routes(["10.9.0.0/24"])
        events = daemon(shared_data, name).events
        down = next(e for e in events if e.kind == Kind.PEER_DOWN and e.peer_bgp_id == "10.0.0.2")
        for event in events[: down.sequence]:
            routes.apply(event)
        reasons[name] = (down.reason or "").split(" ")[0:2]
        left |= {key for key, _ in routes.of_prefix("10.9.0.0/24") if key.peer}
    assert reasons == {
        "g310.33976": ["remote", "notification"],
        "frr84.35002": ["remote", "notification"],
        "bird317.35324": ["remote,", "without"],
    }
    assert left == set()


def test_the_end_of_one_of_two_sessions_of_a_router_ends_no_route() -> None:
    """The router reconnects before its old connection has died: that one's end is no news."""
    old = recorded(STORY).events[:64]
    hour = 3600 * SECOND
    routes = Routes(["192.0.2.50/32"])
    for event in [*old, *(moved(event, hour) for event in old)]:
        routes.apply(event)
    held = dict(routes.of_prefix("192.0.2.50/32"))
    assert len(held) == 2
    assert {route.stale for route in held.values()} == {False}
    ended = Event(
        received=old[-1].received + 2 * hour,
        sequence=65,
        feed="bmp",
        kind="feed-down",
        router="controller",
        epoch=old[0].epoch,
    )
    assert routes.apply(ended) == []
    assert dict(routes.of_prefix("192.0.2.50/32")) == held


def moved(event: Event, by: int) -> Event:
    return changed(event, received=event.received + by, epoch=(event.epoch or 0) + by)


def test_a_reflected_copy_and_the_clients_own_route_are_two_observations(shared_data: Path) -> None:
    heard = recorded(shared_data / REFLECTED)
    copies = [e for e in heard.of(kind=Kind.ANNOUNCE, view=View.ADJ_IN_PRE) if e.originator_id]
    assert copies
    first = copies[0]
    assert (first.originator_id, first.cluster_list) == ("198.51.100.8", ("198.51.100.72",))
    assert first.peer != first.originator_id
    assert {RouteKey.of(e).peer for e in copies}.isdisjoint({first.originator_id})
