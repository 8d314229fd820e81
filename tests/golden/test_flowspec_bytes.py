"""Flowspec octets out of the unit tests of gobmp, bgpfix and bgp-rs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from collector.wire import bgp
from collector.wire.communities import flowspec_action
from collector.wire.cursor import Cursor, WireError
from collector.wire.destinations import Context
from collector.wire.flowspec import read_rules
from tests.golden import flowspec_bytes
from tests.golden.flowspec_bytes import REFUSED
from tests.golden.rows import Tally, report

Vector = dict[str, Any]


def vectors(shared_data: Path, name: str) -> list[Vector]:
    lines = (shared_data / "_vectors" / f"{name}.jsonl").read_text().splitlines()
    assert lines
    return [json.loads(line) for line in lines]


def is_ipv6(vector: Vector) -> bool:
    return "IPv6" in (vector["func"] or "") or "rfc8956" in vector["src"]


def read(data: bytes, *, ipv6: bool = False, vpn: bool = False) -> str:
    """The rules as text, or that they are refused."""
    try:
        rules = read_rules(Cursor(data), 2 if ipv6 else 1, vpn=vpn, add_path=False)
    except WireError:
        return REFUSED
    if any(rule.text.startswith("undecodable") for rule in rules):
        assert any("flowspec-undecodable" in rule.warnings[-1] for rule in rules if rule.warnings)
        return REFUSED
    return "; ".join(f"rd {rule.rd} {rule.text}" if rule.rd else rule.text for rule in rules)


def with_length(data: bytes) -> bytes:
    return bytes((len(data), *data))


def test_rules_of_gobmp_are_read_or_refused_as_the_rfc_has_it(shared_data: Path) -> None:
    compared = 0
    for vector in vectors(shared_data, "unit_flowspec_bytes.open"):
        if vector["hex"] not in flowspec_bytes.GOBMP:
            continue
        vpn = "VPN" in (vector["func"] or "")
        found = read(bytes.fromhex(vector["hex"]), ipv6=is_ipv6(vector), vpn=vpn)
        assert found == flowspec_bytes.GOBMP[vector["hex"]], vector
        compared += 1
    assert compared >= len(flowspec_bytes.GOBMP)
    report(Tally("gobmp Flowspec octets", compared, compared, compared))


def test_rules_with_a_length_that_is_too_high_are_refused_and_read_without_it(
    shared_data: Path,
) -> None:
    compared = 0
    for vector in vectors(shared_data, "unit_flowspec_bytes.open"):
        if vector["hex"] in flowspec_bytes.COUNTED_TOO_HIGH:
            data = bytes.fromhex(vector["hex"])
            assert read(data) == REFUSED
            expected = flowspec_bytes.COUNTED_TOO_HIGH[vector["hex"]]
            assert read(with_length(data[1:])) == expected, vector
            compared += 1
    assert compared == len(flowspec_bytes.COUNTED_TOO_HIGH) == 29
    report(Tally("gobmp Flowspec table", compared, compared, compared))


def test_the_six_rules_of_an_arista_are_read_whole(shared_data: Path) -> None:
    (vector,) = [
        each
        for each in vectors(shared_data, "unit_flowspec_bytes.open")
        if each["func"] == "TestUnmarshalAllFlowspecNLRI_SixNLRIs"
    ]
    assert read(bytes.fromhex(vector["hex"])).split("; ") == [
        "destination 1.2.4.0/24 source 1.2.0.0/16 protocol =6 =17 port =80",
        "destination 1.2.6.0/24 fragment =0x02",
        (
            "destination 1.2.5.0/24 source 1.2.0.0/16 destination-port =3128 >8080&<8088 "
            "source-port >1000&<=2000 tcp-flags =0x03 dscp =42"
        ),
        "source 1.2.0.0/16",
        "destination 1.2.3.0/24",
        "destination 1.2.4.0/24 icmp-type =15 =16 icmp-code =0 =1",
    ]


@pytest.mark.parametrize("octets", sorted(flowspec_bytes.COMPONENTS))
def test_a_component_of_bgpfix_ends_where_it_says(octets: str, shared_data: Path) -> None:
    found = [v for v in vectors(shared_data, "unit_flowspec_bytes.open") if v["hex"] == octets]
    assert found
    ipv6 = "Prefix6" in found[0]["func"]
    kind = b"\x01" if "Prefix" in found[0]["func"] else b"\x05"
    whole = bytes.fromhex(octets)
    data = whole.removesuffix(b"\xbe\xef")
    expected = flowspec_bytes.COMPONENTS[octets]
    assert read(with_length(kind + data), ipv6=ipv6) == expected
    if data != whole:  # the octets behind it are no component
        assert read(with_length(kind + whole), ipv6=ipv6) == REFUSED


def test_actions_of_bgp_rs_are_a_discard_and_a_redirect(shared_data: Path) -> None:
    found = [
        flowspec_action(bytes.fromhex(vector["hex"]), None)
        for vector in vectors(shared_data, "unit_flowspec_bytes.open")
        if "bgp-rs" in vector["src"]
    ]
    assert found == [[{"action": "discard"}], [{"action": "redirect-to-vrf", "target": "6:302"}]]


def test_no_vector_makes_the_decoder_fail_otherwise(shared_data: Path) -> None:
    for vector in vectors(shared_data, "unit_flowspec_bytes.open"):
        data = bytes.fromhex(vector["hex"])
        for ipv6 in (False, True):
            for vpn in (False, True):
                read(data, ipv6=ipv6, vpn=vpn)


DISCARD: Vector = {"action": "discard"}
REDIRECT: Vector = {"action": "redirect-to-vrf", "target": "6:302"}
CAPTURED: list[tuple[str, str, Vector]] = [
    # Expedited Forwarding, Assured Forwarding 12, Class Selector 3 and Default, says tshark.
    ("ipv6-flowspec", "dscp =46 =12 =24 =0", {"action": "accept"}),
    ("ipv6-flowspec", "destination 3001:99:b::10/128 source 3001:99:a::10/128", REDIRECT),
    ("ipv6-flowspec", "end-of-rib", {}),
    ("ipv6-flowspec", "destination 3001:4:b::10/128 source 3001:1:a::10/128", REDIRECT),
    (
        "ipv4-flowspec",
        (
            "destination 192.168.0.1/32 source 10.0.0.9/32 protocol =17 =6 port =80 =8080 "
            "destination-port >8080&<8088 =3128 source-port >1024"
        ),
        DISCARD,
    ),
    ("ipv6-flowspec", "destination 2100::/16", DISCARD),
    ("ipv6-flowspec", "end-of-rib", {}),
]
"""The captured UPDATEs of bgp-rs, in the order of the file."""


def test_captured_updates_with_flowspec_are_as_tshark_decoded_them(shared_data: Path) -> None:
    found = []
    for vector in vectors(shared_data, "pcap_flowspec_updates.open"):
        _, body = bgp.read_message(Cursor(bytes.fromhex(vector["hex"])))
        (route,) = bgp.read_update(body, Context())
        (action,) = route.get("actions", ({},))
        found.append((route["family"], route.get("rule", route["kind"]), action))
        assert not route.get("warnings")
    assert found == CAPTURED
    report(Tally("bgp-rs captures", len(found), len(found), len(found) * 3))
