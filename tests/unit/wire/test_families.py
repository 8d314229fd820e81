"""Families beyond unicast and Flowspec: labelled, L3VPN, EVPN, and what nobody reads."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from collector.wire.bgp import read_message, read_update
from collector.wire.communities import ext_community, flowspec_action
from collector.wire.cursor import Cursor, WireError
from collector.wire.destinations import Context
from collector.wire.session import BmpSession
from collector.wire.statistics import STATISTIC_NAMES
from tests.unit.wire.build import (
    BASIC,
    NOW,
    attribute,
    bgp,
    bmp,
    ext,
    initiation,
    monitoring,
    peer_header,
    prefix,
    reach,
    tlv,
    unreach,
    update,
)

RD = b"\0\0\xfd\xe8\0\0\0\x32"
ESI = bytes(range(10))


def read(message: bytes, context: Context | None = None) -> list[dict[str, Any]]:
    _, body = read_message(Cursor(message))
    return read_update(body, context or Context())


def one(afi: int, safi: int, nlri: str) -> dict[str, Any]:
    (route,) = read(update(attributes=BASIC + reach(afi, safi, b"\x0a\0\0\1", bytes.fromhex(nlri))))
    return route


def gone(afi: int, safi: int, nlri: str) -> dict[str, Any]:
    (route,) = read(update(attributes=unreach(afi, safi, bytes.fromhex(nlri))))
    return route


def test_labels_stand_before_the_prefix() -> None:
    route = one(1, 4, "30 000641 c00002")
    assert (route["prefix"], route["labels"]) == ("192.0.2.0/24", (100,))
    route = one(1, 4, "48 000640 0007d1 c00002")
    assert (route["prefix"], route["labels"]) == ("192.0.2.0/24", (100, 125))
    route = one(2, 4, "48 000031 20010db80000")
    assert (route["family"], route["prefix"]) == ("ipv6-labelled-unicast", "2001:db8::/48")


def test_a_withdrawal_has_no_labels() -> None:
    for label in ("800000", "000000"):
        route = gone(1, 4, f"30 {label} c00002")
        assert (route["kind"], route["prefix"]) == ("withdraw", "192.0.2.0/24")
        assert "labels" not in route


def test_a_vpn_route_has_a_distinguisher() -> None:
    route = one(1, 128, "70 000641" + RD.hex() + "c00002")
    assert (route["rd"], route["prefix"]) == ("65000:50", "192.0.2.0/24")
    assert (route["family"], route["labels"]) == ("l3vpn-ipv4-unicast", (100,))
    route = gone(2, 128, "78 800000" + RD.hex() + "20010db8")
    assert (route["rd"], route["prefix"]) == ("65000:50", "2001:db8::/32")


def test_path_ids_of_vpn_routes() -> None:
    nlri = struct.pack("!I", 7) + bytes.fromhex("70 000641" + RD.hex() + "c00002")
    context = Context(add_path=frozenset({(1, 128)}))
    (route,) = read(update(attributes=BASIC + reach(1, 128, b"\x0a\0\0\1", nlri)), context)
    assert (route["path_id"], route["prefix"]) == (7, "192.0.2.0/24")


@pytest.mark.parametrize(
    "nlri",
    ["17 000641", "70 000641" + RD.hex() + "c0", "79 000641" + RD.hex() + "c0000201ff"],
)
def test_a_prefix_that_is_too_short_or_too_long_ends_the_message(nlri: str) -> None:
    with pytest.raises(WireError, match="at octet"):
        one(1, 128, nlri)


@pytest.mark.parametrize(
    ("kind", "value", "text", "labels", "found"),
    [
        (1, RD + ESI + b"\0\0\0\x07\x00\x06\x41", "ethernet-auto-discovery esi", (100,), {}),
        (
            2,
            RD + ESI + b"\0\0\0\x07\x30\x02\0\0\0\0\x01\x20\x0a\0\0\x01\0\x06\x41\0\x07\xd1",
            "mac-ip tag 7 mac 02:00:00:00:00:01 ip 10.0.0.1",
            (100, 125),
            {"esi": "00:01:02:03:04:05:06:07:08:09"},
        ),
        (
            2,
            RD + ESI + b"\0\0\0\x07\x30\x02\0\0\0\0\x01\0\0\x06\x41",
            "mac-ip tag 7 mac 02:00:00:00:00:01",
            (100,),
            {},
        ),
        (
            3,
            RD + b"\0\0\0\x07\x20\x0a\0\0\x01",
            "inclusive-multicast tag 7 originator 10.0.0.1",
            (),
            {},
        ),
        (
            4,
            RD + ESI + b"\x20\x0a\0\0\x01",
            f"ethernet-segment esi {ESI.hex(':')} originator 10.0.0.1",
            (),
            {},
        ),
        (
            5,
            RD + ESI + b"\0\0\0\x07\x18\xc0\0\x02\xff\x0a\0\0\x01\0\x06\x41",
            "ip-prefix tag 7 prefix 192.0.2.0/24",
            (100,),
            {"gateway": "10.0.0.1"},
        ),
    ],
)
def test_evpn(
    kind: int, value: bytes, text: str, labels: tuple[int, ...], found: dict[str, str]
) -> None:
    route = one(25, 70, (bytes([kind, len(value)]) + value).hex())
    assert route["nlri"].startswith(text)
    assert (route["rd"], route.get("labels", ())) == ("65000:50", labels)
    assert route["components"].items() >= found.items()


def test_an_ip_prefix_of_evpn_is_a_prefix() -> None:
    value = (
        RD + ESI + b"\0\0\0\0\x20" + bytes.fromhex("20010db8" + "0" * 24) + bytes(16) + b"\0\0\1"
    )
    route = one(25, 70, (bytes([5, len(value)]) + value).hex())
    assert route["prefix"] == "2001:db8::/32"


def test_an_evpn_type_that_nobody_knows_keeps_its_octets() -> None:
    route = one(25, 70, "09 02 abcd")
    assert (route["nlri"], route["warnings"]) == ("0x0902abcd", ("evpn-type-not-decoded: 9",))


def test_multicast_is_read_like_unicast() -> None:
    route = one(1, 2, "18 c00002")
    assert (route["family"], route["prefix"]) == ("1/2", "192.0.2.0/24")


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("0002fde80000000a", "rt:65000:10"),
        ("0202000103e8000a", "rt:66536:10"),
        ("020200000064000a", "rt:100L:10"),
        ("01020a000001000a", "rt:10.0.0.1:10"),
        ("0003fde80000000a", "soo:65000:10"),
        ("4004fde849742400", "link-bandwidth:65000:1e+06"),
        ("030b000000000064", "color:100"),
        ("030c000000000008", "encapsulation:8"),
        ("0600010000000005", "mac-mobility:5"),
        ("0603020000000001", "router-mac:02:00:00:00:00:01"),
        ("0005fde800000001", "ospf-domain:65000:1"),
        ("4300000000000002", "validation-state:2"),
        ("7f01020304050607", "0x7f01020304050607"),
    ],
)
def test_extended_communities(octets: str, text: str) -> None:
    assert ext_community(bytes.fromhex(octets)) == text


def test_redirect_to_an_indirection_id_and_an_interface_set() -> None:
    (action,) = flowspec_action(bytes.fromhex("0900010200000bb8"), None)
    assert action == {
        "action": "redirect-to-indirection-id",
        "id": 3000,
        "type": 2,
        "copy": True,
    }
    (action,) = flowspec_action(bytes.fromhex("0702 0000fde8 8005"), None)
    assert action == {
        "action": "interface-set",
        "as": 65000,
        "group": 5,
        "output": True,
        "input": False,
    }


def test_attributes_that_run_past_their_end_withdraw_the_routes_in_the_message() -> None:
    (route,) = read(update(attributes=BASIC + b"\x40\x05\x09\0", nlri=prefix("192.0.2.0/24")))
    assert (route["kind"], route["prefix"]) == ("withdraw", "192.0.2.0/24")
    assert "wanted 9 octets" in route["reason"]


def test_a_route_without_its_well_known_attributes_says_so() -> None:
    (route,) = read(update(attributes=attribute(1, b"\0"), nlri=prefix("192.0.2.0/24")))
    assert route["warnings"] == ("attribute-missing: as path", "attribute-missing: next hop")


def test_an_update_that_would_expand_to_a_gibibyte_is_one_undecodable_event() -> None:
    communities = attribute(8, bytes(20_000), 0xC0)
    session = BmpSession("192.0.2.1")
    message = monitoring(update(attributes=BASIC + communities, nlri=bytes(40_000)))
    events = session.feed(initiation() + message, NOW)
    assert [event.kind for event in events] == ["feed-up", "undecodable"]
    assert "40000 routes with 20" in (events[1].reason or "")


def indexed(kind: int, value: bytes, index: int = 0) -> bytes:
    return struct.pack("!HHH", kind, len(value), index) + value


def test_version_4_marks_single_routes() -> None:
    message = update(attributes=BASIC, nlri=prefix("192.0.2.0/24") + prefix("192.0.3.0/24"))
    body = indexed(3, b"blue") + indexed(4, message) + indexed(2, b"\0\1", 0x8001)
    body += indexed(5, b"\0\0\0\x8a", 0x8001) + indexed(5, b"\0\0\0\x10\0\x03", 2)
    session = BmpSession("192.0.2.1")
    events = session.feed(bmp(0, peer_header() + body, version=4), NOW)
    first, second = events[1:]
    assert first.path_status == ("best", "primary", "add-path")
    assert second.path_status == ("backup", "reason-3")
    assert first.table == "blue"


def test_version_4_says_how_it_encodes() -> None:
    nlri = b"\0\0\0\x09" + prefix("192.0.2.0/24") + b"\0\0\0\x0a" + prefix("192.0.2.0/24")
    capability = indexed(1, b"\x45\x04\0\x01\x01\x01")
    body = capability + indexed(4, update(attributes=BASIC, nlri=nlri))
    events = BmpSession("192.0.2.1").feed(bmp(0, peer_header() + body, version=4), NOW)
    assert [(e.path_id, e.warnings) for e in events[1:]] == [(9, ()), (10, ())]


def test_version_4_without_a_bgp_message_is_undecodable() -> None:
    body = peer_header() + indexed(3, b"blue")
    events = BmpSession("192.0.2.1").feed(bmp(0, body, version=4), NOW)
    assert events[-1].reason is not None
    assert "no BGP message among the TLVs" in events[-1].reason


def test_every_statistic_has_a_name_of_its_own() -> None:
    assert len(set(STATISTIC_NAMES.values())) == len(STATISTIC_NAMES) == 44
    body = peer_header() + struct.pack("!I", 2) + tlv(19, b"\0\1\1" + bytes(7) + b"\x05")
    events = BmpSession("192.0.2.1").feed(bmp(1, body + tlv(999, b"\0\0\0\x02")), NOW)
    assert events[-1].statistics == {"adj_rib_in_pre_routes_by_family 1/1": 5, "type_999": 2}


def test_messages_that_the_router_failed_to_mirror_are_told() -> None:
    session = BmpSession("192.0.2.1")
    events = session.feed(bmp(6, peer_header() + tlv(1, b"\0\x01")), NOW)
    assert events[-1].kind == "undecodable"
    assert "lost messages" in (events[-1].reason or "")


def test_a_mirrored_flowspec_rule_keeps_its_next_hop_and_its_action() -> None:
    rule = bytes.fromhex("05 01 18 c00002")
    message = update(
        attributes=BASIC + ext("0800000000000000") + reach(1, 133, b"\x0a\0\0\x63", rule)
    )
    session = BmpSession("192.0.2.1")
    events = session.feed(bmp(6, peer_header() + tlv(0, message) + tlv(0, bgp(4, b""))), NOW)
    (event,) = events[1:]
    assert (event.provenance, event.rule) == ("mirror", "destination 192.0.2.0/24")
    assert event.actions == (
        {"action": "redirect-to-nexthop", "copy": False, "next_hop": "10.0.0.99"},
    )


def test_an_as_path_of_another_width_than_announced_is_read_where_only_that_fits() -> None:
    others = attribute(1, b"\0") + attribute(3, b"\x0a\0\0\1")
    attributes = others + attribute(2, b"\x02\x01\xfd\xe8")
    (route,) = read(update(attributes=attributes, nlri=prefix("192.0.2.0/24")))
    assert (route["kind"], route["as_path"]) == ("announce", "65000")
    assert route["warnings"] == ("as-path-width-not-as-announced",)
    attributes = others + attribute(2, b"\x02\x02\xfd\xe8")
    (route,) = read(update(attributes=attributes, nlri=prefix("192.0.2.0/24")))
    assert (route["kind"], route["warnings"]) == ("withdraw", ("treat-as-withdraw",))


def test_a_hard_reset_says_what_it_stands_for() -> None:
    notification = bgp(3, b"\x06\x09\x06\x03")
    events = BmpSession("192.0.2.1").feed(bmp(2, peer_header() + b"\x03" + notification), NOW)
    assert events[-1].reason == (
        "remote notification 6/9 cease, hard reset: notification 6/3 cease, peer de-configured"
    )


def test_a_peer_down_without_its_notification_is_a_peer_down() -> None:
    events = BmpSession("192.0.2.1").feed(bmp(2, peer_header() + b"\x01"), NOW)
    assert (events[-1].kind, events[-1].reason) == (
        "peer-down",
        "local, its notification is missing",
    )


def test_a_mirrored_message_that_is_broken_takes_no_other_along() -> None:
    good = update(attributes=BASIC, nlri=prefix("192.0.2.0/24"))
    broken = update(withdrawn=b"\x21\0\0\0\0\0")
    session = BmpSession("192.0.2.1")
    messages = (tlv(0, each) for each in (good, broken, good))
    events = session.feed(bmp(6, peer_header() + b"".join(messages)), NOW)
    assert [event.kind for event in events] == ["feed-up", "announce", "undecodable", "announce"]
    assert [event.sequence for event in events] == [1, 2, 3, 4]
    assert "route-mirroring: prefix length at octet" in (events[2].reason or "")
    assert session.errors == {"malformed-mirrored-message": 1}


def test_a_fault_of_the_sender_is_counted_once_a_message() -> None:
    nlri = b"".join(b"\0\0\0" + bytes([n]) + prefix("192.0.2.0/24") for n in (1, 2))
    session = BmpSession("192.0.2.1")
    session.feed(initiation() + monitoring(update(attributes=BASIC, nlri=nlri)) * 3, NOW)
    assert session.errors == {}
    assert session.sender.quirks["add-path-not-as-negotiated"] == 3
