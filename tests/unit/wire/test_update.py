"""Attributes, communities and Flowspec rules, octet by octet; faults by RFC 7606."""

from __future__ import annotations

import json
import struct
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.wire.bgp import read_message, read_update
from collector.wire.cursor import Cursor, WireError
from collector.wire.destinations import Context
from tests.unit.wire.build import BASIC, attribute, ext, prefix, reach, unreach, update

NET = prefix("192.0.2.0/24")


def read(message: bytes, **context: Any) -> list[dict[str, Any]]:
    _, body = read_message(Cursor(message))
    return read_update(body, Context(**context))


def one(attributes: bytes, **context: Any) -> dict[str, Any]:
    (route,) = read(update(attributes=attributes, nlri=NET), **context)
    return route


def rule(nlri: str, *communities: str, afi: int = 1, hop: bytes = b"") -> dict[str, Any]:
    octets = bytes.fromhex(nlri.replace(" ", ""))
    attributes = BASIC[:13] + (ext(*communities) if communities else b"")
    (found,) = read(
        update(attributes=attributes + reach(afi, 133, hop, bytes([len(octets)]) + octets))
    )
    return found


def test_every_common_attribute() -> None:
    route = one(
        BASIC
        + attribute(4, struct.pack("!I", 50), 0x80)
        + attribute(5, struct.pack("!I", 200))
        + attribute(6, b"")
        + attribute(7, struct.pack("!I", 65002) + b"\x0a\0\0\x09", 0xC0)
        + attribute(8, bytes.fromhex("fdea0001ffffff01"), 0xC0)
        + attribute(9, b"\x0a\0\0\x07", 0x80)
        + attribute(10, b"\x0a\0\0\x08\x0a\0\0\x09", 0x80)
        + ext("0002fdea00000064", "0103c00002010064", "4004fdea4b3ebc20", "030b000000000064")
        + attribute(32, struct.pack("!III", 65002, 1, 2), 0xC0)
        + attribute(35, b"\0\x11", 0xC0)
    )
    assert route == {
        "kind": "announce",
        "family": "ipv4-unicast",
        "prefix": "192.0.2.0/24",
        "origin": "igp",
        "as_path": "65002",
        "origin_as": 65002,
        "next_hop": "10.0.0.1",
        "med": 50,
        "local_pref": 200,
        "atomic_aggregate": True,
        "aggregator": "65002 10.0.0.9",
        "communities": ("65002:1", "no-export"),
        "originator_id": "10.0.0.7",
        "cluster_list": ("10.0.0.8", "10.0.0.9"),
        "ext_communities": (
            "rt:65002:100",
            "soo:192.0.2.1:100",
            "link-bandwidth:65002:1.25e+07",
            "color:100",
        ),
        "large_communities": ("65002:1:2",),
        "unknown_attributes": ("35 0xc0 0011",),
    }


def test_as_path_segments() -> None:
    path = b"\x03\x01" + struct.pack("!I", 65100) + b"\x02\x02" + struct.pack("!II", 65001, 65002)
    path += b"\x01\x02" + struct.pack("!II", 3, 4) + b"\x04\x01" + struct.pack("!I", 9)
    route = one(attribute(1, b"\0") + attribute(2, path))
    assert route["as_path"] == "(65100) 65001 65002 {3,4} [9]"
    assert "origin_as" not in route


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        (attribute(1, b"\x09"), "origin is 9"),
        (attribute(1, b""), "origin at octet"),
        (attribute(2, b"\x09\x01\0\0\0\x01"), "as path has a segment of type 9"),
        (attribute(2, b"\x02\0"), "as path has an empty segment"),
        (attribute(2, b"\x02\x05\0\0"), "as path at octet"),
        (attribute(3, b"\x0a\0\0"), "next hop at octet"),
        (attribute(4, b"\0", 0x80), "med at octet"),
        (attribute(5, b"\0\0\0\0\0"), "local pref at octet"),
        (attribute(8, b"\0\0\0", 0xC0), "communities has 3 octets"),
        (attribute(9, b"\0", 0x80), "originator id at octet"),
        (attribute(10, b"\0", 0x80), "cluster list has 1 octets"),
        (attribute(16, b"\0" * 9, 0xC0), "extended communities has 9 octets"),
        (attribute(32, b"\0" * 13, 0xC0), "large communities has 13 octets"),
    ],
)
def test_treat_as_withdraw(attributes: bytes, why: str) -> None:
    """RFC 7606 section 7: the route goes, and the reason is told."""
    route = one(attributes)
    assert (route["kind"], route["warnings"]) == ("withdraw", ("treat-as-withdraw",))
    assert route["reason"].startswith(f"treat-as-withdraw: {why}")


@pytest.mark.parametrize("code", [6, 7, 17, 18])
def test_attribute_discard(code: int) -> None:
    """RFC 7606 section 7.6 and 7.7, RFC 6793 section 6: the route stays."""
    route = one(BASIC + attribute(code, b"\x01\x02\x03", 0xC0))
    assert route["kind"] == "announce"
    assert any(w.startswith("attribute-discarded: ") for w in route["warnings"])


def test_a_repeated_attribute_counts_once() -> None:
    route = one(BASIC + attribute(4, struct.pack("!I", 1), 0x80) + attribute(4, bytes(4), 0x80))
    assert (route["med"], route["warnings"]) == (1, ("attribute-repeated: 4",))


def test_wrong_flags_are_a_warning() -> None:
    route = one(BASIC + attribute(4, struct.pack("!I", 1), 0x40))
    assert route["warnings"] == ("attribute-flags: med 0x40",)


@pytest.mark.parametrize(
    "message",
    [
        update(attributes=BASIC + b"\x40\x05\x09\0"),
        update(attributes=reach(1, 133, b"", b"\x05\x01")),
        update(attributes=unreach(1, 1, b"\x18\x0a")),
        update(attributes=unreach(1, 1, NET) + unreach(1, 1, NET)),
        update(withdrawn=b"\x21\0\0\0\0\0"),
    ],
)
def test_what_cannot_be_told_apart_ends_the_message(message: bytes) -> None:
    with pytest.raises(WireError, match="at octet"):
        read(message)


def test_a_family_without_a_decoder_is_kept_as_such() -> None:
    (route,) = read(update(attributes=BASIC + reach(99, 9, b"", b"abc")))
    assert (route["family"], route["nlri"]) == ("99/9", "0x616263")
    assert route["warnings"] == ("family-not-decoded",)


def test_host_bits_are_cleared() -> None:
    (route,) = read(update(attributes=BASIC, nlri=b"\x19\xc0\0\x02\xff"))
    assert route["prefix"] == "192.0.2.128/25"


@pytest.mark.parametrize(
    ("nlri", "text"),
    [
        ("01 18 c00002", "destination 192.0.2.0/24"),
        ("01 00 04 81 b3", "destination 0.0.0.0/0 port =179"),
        ("03 01 06 81 11", "protocol =6 =17"),
        ("05 13 0400 d5 ffff", "destination-port >=1024&<=65535"),
        ("06 02 50 84 51", "source-port >80 <81"),
        ("0a 96 ff86", "packet-length !=65414"),
        ("0b 80 2e", "dscp false"),
        ("0b 87 2e", "dscp true"),
        ("09 81 02", "tcp-flags =0x02"),
        ("09 00 02 c3 01", "tcp-flags 0x02&!=0x01"),
        ("0c 82 01", "fragment !0x01"),
    ],
)
def test_components(nlri: str, text: str) -> None:
    found = rule(nlri)
    assert found["rule"] == text
    assert found["warnings"] == ()
    assert " ".join(f"{k} {v}" for k, v in found["components"].items()) == text


@pytest.mark.parametrize(
    ("nlri", "text"),
    [
        ("01 20 00 20010db8", "destination 2001:db8::/32"),
        ("01 50 40 1234", "destination ::1234:0:0:0/64-80"),
        ("0d 91 0064", "flow-label =100"),
    ],
)
def test_ipv6_components(nlri: str, text: str) -> None:
    assert rule(nlri, afi=2)["rule"] == text


@pytest.mark.parametrize(
    ("nlri", "why"),
    [
        ("0e 81 01", "type 14 is unknown"),
        ("0d 81 01", "type 13 is unknown"),
        ("01 21 c000020100", "33 is more than 32"),
        ("03 81", "wanted 1 octets, had 0"),
        ("03 01 06", "wanted 1 octets, had 0"),
        ("03 81 06 03 81 11", "protocol stands twice"),
    ],
)
def test_an_undecodable_rule_keeps_its_octets(nlri: str, why: str) -> None:
    found = rule(nlri)
    octets = nlri.replace(" ", "")
    assert found["rule"] == f"undecodable 0x{octets}"
    assert found["components"]["undecodable"] == f"0x{octets}"
    assert why in found["warnings"][-1]


def test_components_out_of_order_are_a_warning() -> None:
    found = rule("05 81 50 01 18 c00002")
    assert found["rule"] == "destination-port =80 destination 192.0.2.0/24"
    assert found["warnings"] == (
        "flowspec-order: destination stands after a component of higher type",
    )


def test_a_rule_of_240_octets_and_more() -> None:
    operators = b"".join(b"\x11" + struct.pack("!H", port) for port in range(100)) + b"\x81\x50"
    octets = b"\x05" + operators
    nlri = struct.pack("!H", 0xF000 | len(octets)) + octets
    (found,) = read(update(attributes=BASIC + reach(1, 133, b"", nlri)))
    assert found["components"]["destination-port"].split()[:2] == ["=0", "=1"]
    assert found["components"]["destination-port"].count("=") == 101


@pytest.mark.parametrize(
    ("communities", "actions"),
    [
        ((), [{"action": "accept"}]),
        (("8006fde800000000",), [{"action": "discard"}]),
        (("8006fde880000000",), [{"action": "discard"}]),  # -0.0
        (("8006fde8c2c80000",), [{"action": "discard"}]),  # negative
        (("8006fde87fc00000",), [{"action": "discard"}]),  # not a number
        (("8006fde849742400",), [{"action": "rate-limit-bytes", "rate": 1e6, "as": 65000}]),
        (("800cfde8447a0000",), [{"action": "rate-limit-packets", "rate": 1e3, "as": 65000}]),
        (("8006fde87f800000",), [{"action": "rate-limit-bytes", "rate": None, "as": 65000}]),
        (("800cfde87f800000",), [{"action": "rate-limit-packets", "rate": None, "as": 65000}]),
        (("8006fde8ff800000",), [{"action": "discard"}]),  # minus infinity
        (("8007000000000003",), [{"action": "sample"}, {"action": "terminal"}]),
        (("8008fde800000064",), [{"action": "redirect-to-vrf", "target": "65000:100"}]),
        (("8108c00002010064",), [{"action": "redirect-to-vrf", "target": "192.0.2.1:100"}]),
        (("82080001000a0064",), [{"action": "redirect-to-vrf", "target": "65546:100"}]),
        (("800900000000000a",), [{"action": "mark", "dscp": 10}]),
    ],
)
def test_actions(communities: tuple[str, ...], actions: list[dict[str, Any]]) -> None:
    assert list(rule("01 18 c00002", *communities)["actions"]) == actions


def test_a_limit_that_is_infinite_is_the_same_from_json_as_from_the_wire() -> None:
    """JSON has no such number, and what is judged again after a restart comes from JSON."""
    (action,) = rule("01 18 c00002", "8006fde87f800000")["actions"]
    assert json.loads(msgspec.json.encode(action)) == action


def test_redirect_to_next_hop_in_all_three_encodings() -> None:
    hop = bytes([10, 100, 0, 254])
    to = {"action": "redirect-to-nexthop", "next_hop": "10.100.0.254", "copy": False}
    assert rule("01 18 c00002", "0800000000000000", hop=hop)["actions"] == (to,)
    assert rule("01 18 c00002", "010c0a6400fe0000")["actions"] == (to,)
    copied = {**to, "copy": True}
    assert rule("01 18 c00002", "010c0a6400fe0001")["actions"] == (copied,)
    assert rule("01 18 c00002", "0800000000000001", hop=hop)["actions"] == (copied,)
    v6 = attribute(25, bytes.fromhex("000c20010db8") + bytes(11) + b"\x01\0\0", 0xC0)
    nlri = bytes.fromhex("0501 18 c00002".replace(" ", ""))
    (found,) = read(update(attributes=BASIC[:13] + v6 + reach(1, 133, b"", nlri)))
    assert found["actions"] == ({**to, "next_hop": "2001:db8::1"},)


def test_a_redirect_whose_next_hop_was_lost_names_none() -> None:
    """GoBGP loses it wherever it writes the rule again."""
    assert rule("01 18 c00002", "0800000000000000")["actions"] == (
        {"action": "redirect-to-nexthop", "copy": False},
    )


def vectors(shared_data: Path, name: str) -> list[dict[str, Any]]:
    text = (shared_data / "_vectors" / name).read_text()
    return [json.loads(line) for line in text.splitlines()]


def numbers(text: str) -> str:
    """ExaBGP's words for protocols as numbers."""
    for word, number in (("tcp", "6"), ("udp", "17"), ("icmp", "1")):
        text = text.replace(f"={word}", f"={number}")
    return text


def test_exabgp_flowspec_vectors(shared_data: Path) -> None:
    """Prefixes, ports and numbers as ExaBGP says them."""
    compared = 0
    for vector in vectors(shared_data, "exabgp_flowspec.jsonl"):
        announced = (vector.get("expect") or {}).get("update", {}).get("announce", {})
        rules = [each for hops in announced.values() for hop in hops.values() for each in hop]
        if "ipv4 flow" not in announced or len(rules) != 1 or not isinstance(rules[0], dict):
            continue
        (found,) = read(bytes.fromhex(vector["hex"]))
        for theirs, ours in (
            ("destination-ipv4", "destination"),
            ("source-ipv4", "source"),
            ("protocol", "protocol"),
            ("port", "port"),
            ("destination-port", "destination-port"),
            ("source-port", "source-port"),
            ("packet-length", "packet-length"),
            ("dscp", "dscp"),
        ):
            if theirs in rules[0]:
                assert found["components"][ours] == numbers(" ".join(rules[0][theirs]))
                compared += 1
    assert compared > 40


@pytest.mark.parametrize("name", ["exabgp_encoding.jsonl", "pcap_flowspec_updates.open.jsonl"])
def test_published_updates_decode(shared_data: Path, name: str) -> None:
    decoded = 0
    for vector in vectors(shared_data, name):
        octets = bytes.fromhex(vector.get("hex") or vector.get("update") or "")
        if len(octets) < 19 or octets[18] != 2:
            continue
        assert read(octets)
        decoded += 1
    assert decoded >= 5


def test_hostile_messages_of_others_end_in_a_wire_error_at_worst(shared_data: Path) -> None:
    """Inputs that a fuzzer made against FRR."""
    tried = 0
    with tarfile.open(shared_data / "qlyoung+corpi.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            octets = file.read()
            for as4 in (True, False):
                with suppress(WireError):
                    read(octets, as4=as4)
                tried += 1
    assert tried > 1000
