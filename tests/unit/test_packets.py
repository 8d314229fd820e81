from __future__ import annotations

import pytest

from detectors.intent import Policy, ProtectedPort, parse_intent
from detectors.packets import (
    Match,
    UnreadableRuleError,
    is_wildcard,
    rule_matches,
    touches,
    violations,
)

V4, V6 = "ipv4-flowspec", "ipv6-flowspec"
WEB = {"destination": "192.0.2.50/32", "protocol": "=6", "destination-port": "=8443"}
MIGRATION = """
version: 1
flowspec:
  - name: migration
    destination: [192.0.2.50/32, 2001:db8::/32]
    protocol: [tcp]
    destination_port: [1024-65535]
    actions: [discard]
"""
BGP = ProtectedPort(6, 179, 179)


def policy(clauses: str) -> Policy:
    return parse_intent(
        f"version: 1\nflowspec: [{{name: p, actions: [accept], {clauses}}}]"
    ).flowspec[0]


@pytest.fixture(scope="module")
def migration() -> Policy:
    return parse_intent(MIGRATION).flowspec[0]


# Known answers


@pytest.mark.parametrize(
    ("components", "broken"),
    [
        (WEB, []),
        (WEB | {"destination-port": ">=1024&<=65535"}, []),
        (WEB | {"destination-port": ">1023"}, []),
        (WEB | {"destination-port": "!=80&>=1024 =5000"}, []),
        (WEB | {"destination-port": "=8443 =443"}, ["destination_port"]),
        (WEB | {"destination-port": ">=1023"}, ["destination_port"]),
        (WEB | {"port": "=80"}, []),
        ({"destination": "192.0.2.50/32", "destination-port": "=8443"}, ["protocol"]),
        ({"destination": "192.0.2.50/32", "protocol": "=6"}, ["destination_port"]),
        ({"destination": "192.0.2.50/32"}, ["protocol", "destination_port"]),
        (WEB | {"destination": "192.0.2.0/24"}, ["destination"]),
        ({"protocol": "=6", "destination-port": "=8443"}, ["destination"]),
        (
            {"destination": "192.0.2.50/32", "protocol": "=6", "tcp-flags": "=0x02"},
            ["destination_port"],
        ),
        (WEB | {"source": "0.0.0.0/0", "packet-length": "<=100", "dscp": "=46"}, []),
    ],
)
def test_clauses_that_a_rule_breaks(
    components: dict[str, str], broken: list[str], migration: Policy
) -> None:
    match = rule_matches(components, V4)
    assert [violation.clause for violation in violations(match, migration)] == broken


def test_a_violation_says_what_must_be_and_shows_a_packet(migration: Policy) -> None:
    match = rule_matches(WEB | {"destination-port": "=80 =8443"}, V4)
    (violation,) = violations(match, migration)
    assert violation.message == "destination-port must be 1024-65535"
    assert str(violation.packet) == "tcp from 198.51.100.1:49152 to 192.0.2.50:80"


def test_later_fragments_show_no_port(migration: Policy) -> None:
    match = rule_matches({"destination": "192.0.2.50/32", "protocol": "=6", "fragment": "0x02"}, V4)
    (violation,) = violations(match, migration)
    assert violation.clause == "destination_port"
    assert "fragment after the first" in violation.message


@pytest.mark.parametrize(
    ("clauses", "components", "inside"),
    [
        ("port: [80]", {"port": "=80"}, True),
        ("port: [80]", {"destination-port": "=80"}, True),
        ("port: [80]", {"source-port": "=80", "destination-port": "=9"}, True),
        ("port: [80]", {"port": "=81", "destination-port": "=80"}, True),
        ("port: [80]", {"port": "=81"}, False),
        ("port: [80, 81]", {"port": "=80 =81"}, True),
        ("destination_port: [80]", {"port": "=80"}, False),
        ("destination_port: [80]", {"port": "=80", "source-port": "!=80"}, True),
        ("destination_port: [80]", {"destination-port": "=80"}, True),
        ("protocol: [tcp, udp]", {"destination-port": "=80"}, True),
        ("protocol: [tcp]", {"tcp-flags": "0x12"}, True),
        ("tcp_flags: [syn]", {"tcp-flags": "=0x02"}, True),
        ("tcp_flags: [syn]", {"tcp-flags": "=0x12"}, True),
        ("tcp_flags: [syn]", {"tcp-flags": "0x12"}, False),
        ("tcp_flags: [syn+ack, none]", {"tcp-flags": "=0x12 !0xfff"}, True),
        ("fragment: [none, first-fragment]", {"fragment": "!0x03"}, True),
        ("fragment: [is-fragment]", {"fragment": "=0x08"}, True),
        ("fragment: [last-fragment]", {"fragment": "=0x02"}, False),
        ("icmp_type: [8]", {"icmp-type": "=8"}, True),
        ("icmp_type: [8]", {"protocol": "=1"}, False),
        ("packet_length: [0-1500]", {"packet-length": "<=1500"}, True),
        ("packet_length: [0-1500]", {"protocol": "=1"}, False),
        ("packet_length: [0-65535]", {"protocol": "=1"}, True),
        ("destination: [10.0.0.0/9, 10.128.0.0/9]", {"destination": "10.0.0.0/8"}, True),
        ("destination: [10.128.0.0/10, 10.0.0.0/9]", {"destination": "10.0.0.0/8"}, False),
        ("destination: [10.0.0.0/9]", {"destination": "10.0.0.0/8"}, False),
        ("destination: ['::/0']", {"destination": "10.0.0.0/8"}, False),
        ("flow_label: [1]", {"protocol": "=6"}, False),
        ("max_rules: 1", {}, True),
    ],
)
def test_whether_every_packet_is_allowed(
    clauses: str, components: dict[str, str], inside: bool
) -> None:
    assert (not violations(rule_matches(components, V4), policy(clauses))) is inside


@pytest.mark.parametrize(
    ("components", "family", "why"),
    [
        (
            {"packet-length": ">=99971&<=99985"},
            V4,
            "no IPv4 packet has packet-length >=99971&<=99985",
        ),
        ({"packet-length": "=19"}, V4, "no IPv4 packet has packet-length =19"),
        ({"packet-length": "=39"}, V6, "no IPv6 packet has packet-length =39"),
        ({"protocol": "=6&=17"}, V4, "no IPv4 packet has protocol =6&=17"),
        ({"protocol": "false"}, V4, "no IPv4 packet has protocol false"),
        ({"dscp": ">63"}, V4, "no IPv4 packet has dscp >63"),
        ({"fragment": "=0x06"}, V4, "no IPv4 packet has fragment =0x06"),
        ({"fragment": "0x01"}, V6, "no IPv6 packet has fragment 0x01"),
        (
            {"protocol": "=1", "destination-port": "=80"},
            V4,
            "a packet with protocol =1 has no destination-port",
        ),
        ({"protocol": "=1", "icmp-type": "=8"}, V6, "a packet with protocol =1 has no icmp-type"),
        (
            {"destination-port": "=80", "fragment": "=0x02"},
            V4,
            "a packet with fragment =0x02 has no destination-port",
        ),
        (
            {"port": "=1", "source-port": "=2", "destination-port": "=3"},
            V4,
            "no packet has ports that fit all of its port components",
        ),
    ],
)
def test_impossible_rules(components: dict[str, str], family: str, why: str) -> None:
    match = rule_matches(components, family)
    assert match.is_empty()
    assert match.impossible == why
    assert not violations(match, policy("protocol: [udp]"))
    assert touches(match, BGP) is None


@pytest.mark.parametrize(
    ("components", "family", "message"),
    [
        ({"undecodable": "0x0e01"}, V4, "IPv4 has no component 'undecodable' (0x0e01)"),
        ({"flow-label": "=1"}, V4, "IPv4 has no component 'flow-label' (=1)"),
        ({"protocol": "tcp"}, V4, "cannot read 'tcp'"),
        ({"protocol": ""}, V4, "cannot read ''"),
        ({"protocol": "=6&"}, V4, "cannot read ''"),
        ({"tcp-flags": ">=0x02"}, V4, "cannot read '>=0x02'"),
        ({"destination": "2001:db8::/32"}, V4, "2001:db8::/32 is not IPv4 (32 bits)"),
        ({"destination": "::/64-200"}, V6, "cannot read '::/64-200'"),
    ],
)
def test_unreadable_rules(components: dict[str, str], family: str, message: str) -> None:
    with pytest.raises(UnreadableRuleError) as caught:
        rule_matches(components, family)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("components", "packet"),
    [
        ({}, "tcp from 198.51.100.1:49152 to 192.0.2.1:179"),
        ({"protocol": "=6"}, "tcp from 198.51.100.1:49152 to 192.0.2.1:179"),
        ({"port": "=179"}, "tcp from 198.51.100.1:49152 to 192.0.2.1:179"),
        ({"source-port": "=179"}, "tcp from 198.51.100.1:179 to 192.0.2.1:179"),
        (
            {"source-port": "=179", "destination-port": ">=1024"},
            "tcp from 198.51.100.1:179 to 192.0.2.1:1024",
        ),
        ({"destination-port": ">1024"}, "tcp from 198.51.100.1:179 to 192.0.2.1:1025"),
        (WEB, None),
        (
            WEB | {"destination-port": ">=100&<=200"},
            "tcp from 198.51.100.1:49152 to 192.0.2.50:179",
        ),
        (WEB | {"protocol": "=17", "destination-port": "=179"}, None),
        ({"icmp-type": "=8"}, None),
        (
            {"fragment": "=0x02", "protocol": "=6"},
            "tcp from 198.51.100.1:49152 to 192.0.2.1:179 fragment is-fragment",
        ),
    ],
)
def test_what_touches_bgp(components: dict[str, str], packet: str | None) -> None:
    found = touches(rule_matches(components, V4), BGP)
    assert (str(found) if found else None) == packet


@pytest.mark.parametrize(
    ("components", "packet"),
    [
        ({"destination": "10.0.0.0/8"}, "tcp from 198.51.100.1:49152 to 10.0.0.1:443"),
        ({"destination": "10.0.0.7/32"}, "tcp from 198.51.100.1:49152 to 10.0.0.7:443"),
        ({"destination": "10.0.1.0/24"}, None),
        (
            {"destination": "192.0.2.0/24", "source": "10.0.0.0/25"},
            "tcp from 10.0.0.1:49152 to 192.0.2.1:443",
        ),
        ({"destination": "192.0.2.0/24", "source": "0.0.0.0/0"}, None),
        ({"source": "198.51.100.0/24"}, "tcp from 198.51.100.1:49152 to 10.0.0.1:443"),
    ],
)
def test_what_touches_a_prefix(components: dict[str, str], packet: str | None) -> None:
    found = touches(rule_matches(components, V4), "10.0.0.0/24")
    assert (str(found) if found else None) == packet
    assert touches(rule_matches({}, V6), "10.0.0.0/24") is None


@pytest.mark.parametrize(
    ("components", "family", "wildcard"),
    [
        ({}, V4, True),
        ({"destination": "0.0.0.0/0"}, V4, True),
        ({"destination": "10.0.0.0/8"}, V4, True),
        ({"destination": "10.0.0.0/9"}, V4, False),
        ({"source": "10.0.0.1/32"}, V4, True),
        ({"destination": "2001::/16"}, V6, True),
        ({"destination": "2001:db8::/32"}, V6, False),
        ({"destination": "::1234:0:0:0/64-72"}, V6, True),
        ({"destination": "::1234:0:0:0/64-96"}, V6, False),
    ],
)
def test_wildcards(components: dict[str, str], family: str, wildcard: bool) -> None:
    assert is_wildcard(rule_matches(components, family)) is wildcard


def test_packets_of_ipv6_are_written_so_that_ports_can_be_told() -> None:
    match = rule_matches({"destination": "2001:db8::/32", "flow-label": "=7"}, V6)
    packet = touches(match, BGP)
    assert str(packet) == "tcp from [2001:db8:1::1]:49152 to [2001:db8::1]:179 flow-label 7"


def test_a_rule_as_long_as_can_be_is_read_in_no_time() -> None:
    flags = " ".join(f"=0x{mask:03x}&!0x001" for mask in range(2, 2000, 2))
    ports = "&".join(f"!={port}" for port in range(2, 4000, 2))
    match = rule_matches({"tcp-flags": flags, "destination-port": ports}, V4)
    assert not match.is_empty()
    assert 4001 in match.numbers["destination_port"]


def test_a_match_of_nothing_named_is_everything() -> None:
    match = rule_matches({}, V4)
    assert isinstance(match, Match)
    assert not match.is_empty()
    assert match.named == frozenset()
