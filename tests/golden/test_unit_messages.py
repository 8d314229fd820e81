"""Whole BMP and BGP messages out of the unit tests of other projects, and what those expect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collector.event import Event, Kind
from collector.wire import bgp
from collector.wire.cursor import Cursor, WireError
from collector.wire.destinations import Context
from collector.wire.session import BmpSession
from tests.golden.rows import Tally, report
from tests.golden.test_flowspec_bytes import Vector, vectors

BAD_BMP = {
    "valid version 3, RouteMonitor (type=0)",  # a header without a message
    "invalid version (1)",
    "full message with payload",  # of four octets that are no TLV
    "small message",
    "5 bytes (one short)",
    # bio-rd serialises with version 1 in its own tests.
    "Test #1",
    "Test case #1",
}
"""BMP messages, by name, that are none: each has to be told as undecodable."""
NO_NOTIFICATION = "peer_down_lacking_notification"


def events_of(vector: Vector) -> list[Event]:
    session = BmpSession("192.0.2.250")
    return session.feed(bytes.fromhex(vector["hex"]), 1_000_000_000)


def the(shared_data: Path, func: str, name: str = "unit_bmp_messages") -> Vector:
    (vector,) = [v for v in vectors(shared_data, name) if v["func"] == func]
    return vector


def event(shared_data: Path, func: str) -> Event:
    return [e for e in events_of(the(shared_data, func)) if e.raw is not None][-1]


def update(shared_data: Path, func: str, context: Context | None = None) -> list[dict[str, Any]]:
    vector = the(shared_data, func, "unit_bgp_messages")
    kind, body = bgp.read_message(Cursor(bytes.fromhex(vector["hex"])))
    assert kind == bgp.UPDATE
    return bgp.read_update(body, context or Context())


def test_every_bmp_message_is_read_or_told_as_undecodable(shared_data: Path) -> None:
    found = vectors(shared_data, "unit_bmp_messages")
    for vector in found:
        if vector["func"] == NO_NOTIFICATION:
            continue
        reasons = [e.reason for e in events_of(vector) if e.kind == Kind.UNDECODABLE]
        assert bool(reasons) == (vector["name"] in BAD_BMP), (vector["src"], reasons)
    report(Tally("unit tests: BMP messages", len(found), 0, len(found)))


def test_a_peer_down_without_its_notification_is_still_a_peer_down(shared_data: Path) -> None:
    # routecore: local notification as the reason, and no NOTIFICATION behind it.
    found = event(shared_data, NO_NOTIFICATION)
    assert found.kind == Kind.PEER_DOWN
    assert found.peer == "2001:db8::1"


def test_peer_downs_have_the_reason_that_the_tests_of_others_expect(shared_data: Path) -> None:
    reasons = {
        "peer_down_local_fsm": "local, without notification, FSM event 258",
        "test_bmp_peer_down_notification": "local, without notification, FSM event 2",
        "test_bmp_v4_peer_down_notification": "local, without notification, FSM event 2",
        "TestBmp_RealWorld_PeerDownNotification": (
            "remote notification 6/2 cease, administrative shutdown"
        ),
    }
    for func, reason in reasons.items():
        found = event(shared_data, func)
        assert (found.kind, found.reason) == (Kind.PEER_DOWN, reason)


def test_a_peer_up_of_bgpfix_has_all_that_it_says(shared_data: Path) -> None:
    found = event(shared_data, "TestBmp_RealWorld_PeerUpNotification")
    said = found.information or {}
    assert (found.peer, found.peer_as, found.peer_bgp_id) == ("10.255.0.101", 64496, "10.10.10.1")
    assert found.time == 1_419_906_571_920_608_000
    assert (said["local_address"], said["local_port"]) == ("10.255.0.83", 36974)
    assert (said["remote_port"], said["hold_time"]) == (179, 90)
    names = ["multiprotocol", "128", "route-refresh"]
    assert said["sent_capabilities"] == [*names, "four-octet-as", "graceful-restart"]
    assert said["capabilities"] == [*names, "graceful-restart", "four-octet-as"]


def test_statistics_are_those_that_routecore_and_netgauze_expect(shared_data: Path) -> None:
    found = event(shared_data, "TestBmp_RealWorld_StatisticsReport").statistics
    values = (176, 1246, 0, 0, 10, 0, 0, 37, 28, 139540, 139540, 139540, 139540)
    assert tuple((found or {}).values()) == values
    assert list(found or {})[-1] == "adj_rib_out_post_routes_by_family 2/1"
    found = event(shared_data, "test_bmp_stats").statistics
    assert len(found or {}) == 26
    assert sum((found or {}).values()) == 2
    # Counters that nobody has registered are kept by their number.
    found = event(shared_data, "Test_RouteMonitoringUnknownType").statistics
    assert (found or {})["type_32774"] == 1440


@pytest.mark.parametrize(
    ("func", "reason"),
    [
        ("TestBmp_RealWorld_TerminationMessage", "redundant connection"),
        ("test_bmp_termination", "test"),
        ("test_bmp_termination_with_reason", "config removed: administratively closed"),
    ],
)
def test_a_termination_says_why(func: str, reason: str, shared_data: Path) -> None:
    found = event(shared_data, func)
    assert found.reason == f"terminated by the router: {reason}"


@pytest.mark.parametrize(
    ("func", "path_id", "status", "table"),
    [
        ("test_bmp_v4_route_monitoring", None, (), "global"),
        ("test_bmp_v4_route_monitoring_with_groups", None, (), "global"),
        ("test_bmp_v4_route_monitoring_with_stateless_parsing", 69, (), None),
        # NetGauze refuses it where it knows no Peer Up; only one reading uses up the octets.
        ("test_bmp_v4_route_monitoring_without_stateless_parsing", 69, (), None),
        ("test_bmp_v4_path_marking", None, ("best", "primary"), "C10"),
        ("test_bmp_v4_path_marking_invalid_with_reason", None, ("invalid", "reason-1"), "C10"),
    ],
)
def test_version_4_routes_are_as_netgauze_expects_them(
    func: str, path_id: int | None, status: tuple[str, ...], table: str | None, shared_data: Path
) -> None:
    found = event(shared_data, func)
    prefix = "1.1.1.0/24" if "marking" in func else "198.51.100.19/32"
    assert (found.kind, found.prefix, found.path_id) == (Kind.ANNOUNCE, prefix, path_id)
    assert (found.path_status, found.table) == (status, table)


def test_a_mirrored_message_is_counted_and_makes_no_route(shared_data: Path) -> None:
    vector = the(shared_data, "test_bmp_router_mirroring")
    session = BmpSession("192.0.2.250")
    events = session.feed(bytes.fromhex(vector["hex"]), 1_000_000_000)
    assert [e.kind for e in events] == [Kind.FEED_UP]  # it mirrors a KEEPALIVE
    assert session.messages == {"route-mirroring": 1}
    assert not session.errors


BAD_BGP = {
    "TestDecode SentOpenMsg": "parameter length",
    "invalid_withdrawals": "prefix length",
    "invalid_mp_unreach_nlri": "flowspec nlri",
    "test_update_bad_length": "path attributes",
}
"""Messages that are refused, as their owners expect (bio-rd makes its OPEN up and never reads it),
and the field that is wrong."""


def test_every_bgp_message_is_read_or_refused(shared_data: Path) -> None:
    found = vectors(shared_data, "unit_bgp_messages")
    for vector in found:
        cursor = Cursor(bytes.fromhex(vector["hex"]))
        refused = ""
        try:
            kind, body = bgp.read_message(cursor)
            if kind == bgp.UPDATE:
                assert bgp.read_update(body, Context(as4=vector["func"] != "as4path"))
            elif kind == bgp.OPEN:
                assert bgp.read_open(body).as_number
        except WireError as error:
            refused = error.field
        names = (vector["func"], f"{vector['func']} {vector['var']}")
        assert refused == next((BAD_BGP[n] for n in names if n in BAD_BGP), ""), vector["src"]
    report(Tally("unit tests: BGP messages", len(found), 0, len(found)))


def test_a_path_of_two_octets_has_the_numbers_of_its_as4_path(shared_data: Path) -> None:
    (route,) = update(shared_data, "as4path", Context(as4=False))
    assert (route["prefix"], route["kind"]) == ("10.1.4.0/22", Kind.ANNOUNCE)
    numbers = (*range(64496, 64500), *(65536,) * 4, 65537, 65546)
    assert route["as_path"] == " ".join(map(str, numbers))


def test_routecore_finds_the_same_attributes(shared_data: Path) -> None:
    (route,) = update(shared_data, "large_communities")
    assert route["large_communities"] == ("65536:1:1", "65536:1:2", "65536:1:3")
    (route,) = update(shared_data, "atomic_aggregate")
    assert route["atomic_aggregate"] is True
    assert route["aggregator"] == "101 198.51.100.1"
    first = update(shared_data, "local_pref_multi_exit_disc")[0]
    assert (first["local_pref"], first["med"]) == (100, 0)
    assert first["as_path"] == "(65002) 400 300 500"
    context = Context(add_path=frozenset({(1, 1)}))
    (route,) = update(shared_data, "pa_communities", context)
    assert route["communities"] == ("42:518", "no-export", "no-export-subconfed")
    assert route["ext_communities"] == ("0x00060000449c4000", "link-bandwidth:0:1250")
    assert (route["path_id"], route["originator_id"]) == (1, "10.0.0.3")


def test_routes_of_vpns_and_labels_are_as_routecore_and_netgauze_expect(shared_data: Path) -> None:
    labels = [route["labels"] for route in update(shared_data, "v4_mpls_unicast")]
    assert labels == [(8000,), (8001,), (8002,), (8003,), (8009,)]
    (route,) = update(shared_data, "v6_mpls_vpn_unicast")
    assert (route["rd"], route["labels"], route["prefix"]) == ("100:1", (2012,), "fc00::1/128")
    (route,) = update(shared_data, "test_rd_announce")
    assert (route["rd"], route["labels"], route["prefix"]) == (
        "6553800:300",
        (11269,),
        "1.1.1.1/32",
    )
    (route,) = update(shared_data, "test_rd_withdraw")
    assert (route["kind"], route["rd"], route["prefix"]) == (
        Kind.WITHDRAW,
        "6553800:300",
        "1.1.1.1/32",
    )


def test_evpn_withdrawals_are_as_netgauze_expects_them(shared_data: Path) -> None:
    found = update(shared_data, "test_evpn_withdraw")
    esi = "esi 00:00:00:00:00:00:10:00:00:05"
    assert [(route["rd"], route["nlri"]) for route in found][:4] == [
        ("120.0.2.1:100", f"ethernet-auto-discovery {esi} tag 0"),
        ("120.0.2.1:0", f"ethernet-segment {esi} originator 120.0.2.1"),
        ("120.0.2.1:0", f"ethernet-auto-discovery {esi} tag 4294967295"),
        ("120.0.2.1:100", "inclusive-multicast tag 100 originator 120.0.2.1"),
    ]
    assert {route["kind"] for route in found} == {Kind.WITHDRAW}


def test_opens_are_as_netgauze_expects_them(shared_data: Path) -> None:
    vector = the(shared_data, "test_bgp_role_otc_open", "unit_bgp_messages")
    _, body = bgp.read_message(Cursor(bytes.fromhex(vector["hex"])))
    found = bgp.read_open(body)
    assert (found.as_number, found.hold_time, found.bgp_id) == (65002, 180, "192.168.10.17")
    assert "role" in found.capabilities
    assert found.add_path == {(1, 1): 1}
