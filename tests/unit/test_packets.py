from __future__ import annotations

from ipaddress import ip_address, ip_network
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.intent import FLAGS, Policy, ProtectedPort, Span, parse_intent
from detectors.packets import (
    Match,
    Packet,
    UnreadableRuleError,
    is_wildcard,
    rule_matches,
    touches,
    violations,
)
from detectors.packets.addresses import Pattern
from detectors.packets.numbers import NumberSet

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
    assert violations(match, policy("protocol: [udp]")) == []
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


# Against brute force: an oracle that looks at one packet and one operator at a time


NUMBERS = {
    "protocol": [1, 6, 17, 58],
    "destination-port": [1, 79, 80, 179, 1024],
    "source-port": [1, 79, 80, 179, 1024],
    "port": [1, 79, 80, 179, 1024],
    "icmp-type": [0, 3, 8],
    "icmp-code": [0, 1],
    "packet-length": [20, 40, 100, 1500],
    "dscp": [0, 46],
}
MASKS = {"tcp-flags": [0x01, 0x02, 0x12, 0x10], "fragment": [0x1, 0x2, 0x4, 0x8, 0x6]}
PREFIXES = ["10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "10.0.0.0/24", "192.0.2.0/24", "0.0.0.0/0"]
TRANSPORT = {
    **dict.fromkeys(("destination-port", "source-port", "port"), (6, 17)),
    "tcp-flags": (6,),
    "icmp-type": (1,),
    "icmp-code": (1,),
}
OPERATORS = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
BITS = {
    "": lambda a, b: a & b != 0,
    "=": lambda a, b: a & b == b,
    "!": lambda a, b: a & b == 0,
    "!=": lambda a, b: a & b != b,
}


def holds(text: str, value: int, *, bitmask: bool) -> bool:
    def one(operator: str) -> bool:
        sign = operator.rstrip("0123456789abcdefx")
        table = BITS if bitmask else OPERATORS
        return bool(table[sign](value, int(operator[len(sign) :], 0)))

    return any(all(one(part) for part in term.split("&")) for term in text.split())


def accepts(components: dict[str, str], packet: Packet) -> bool:
    """Whether a router would match this packet, by the words of RFC 8955."""
    for name, text in components.items():
        if name in ("destination", "source"):
            if ip_address(getattr(packet, name)) not in ip_network(text):
                return False
            continue
        if name in TRANSPORT and (packet.protocol not in TRANSPORT[name] or packet.fragment & 0x2):
            return False
        fields = ("source-port", "destination-port") if name == "port" else (name,)
        values = [getattr(packet, field.replace("-", "_")) for field in fields]
        if not any(holds(text, value, bitmask=name in MASKS) for value in values):
            return False
    return True


def within(clauses: Policy, packet: Packet) -> bool:
    """Whether a policy allows this packet."""
    for name in ("destination", "source"):
        prefixes = getattr(clauses, name)
        address = ip_address(getattr(packet, name))
        if prefixes is not None and not any(address in ip_network(p) for p in prefixes):
            return False
    for name in (*NUMBERS, *MASKS):
        clause = name.replace("-", "_")
        allowed = getattr(clauses, clause)
        if allowed is None:
            continue
        if name in TRANSPORT and (packet.protocol not in TRANSPORT[name] or packet.fragment & 0x2):
            return False
        fields = ("source_port", "destination_port") if name == "port" else (clause,)
        values = [getattr(packet, field) for field in fields]
        if name in MASKS:
            fits = any(
                value & mask == mask if mask else value == 0 for value in values for mask in allowed
            )
        else:
            fits = any(span.first <= value <= span.last for value in values for span in allowed)
        if not fits:
            return False
    return True


@st.composite
def numeric(draw: st.DrawFn, values: list[int]) -> str:
    operator = st.builds("{}{}".format, st.sampled_from(list(OPERATORS)), st.sampled_from(values))
    terms = draw(st.lists(st.lists(operator, min_size=1, max_size=2), min_size=1, max_size=2))
    return " ".join("&".join(term) for term in terms)


@st.composite
def bitmask(draw: st.DrawFn, values: list[int]) -> str:
    operator = st.builds("{}0x{:02x}".format, st.sampled_from(list(BITS)), st.sampled_from(values))
    terms = draw(st.lists(st.lists(operator, min_size=1, max_size=2), min_size=1, max_size=2))
    return " ".join("&".join(term) for term in terms)


RULES = st.fixed_dictionaries(
    {},
    optional={
        "destination": st.sampled_from(PREFIXES),
        "source": st.sampled_from(PREFIXES),
        **{name: numeric(values) for name, values in NUMBERS.items()},
        **{name: bitmask(values) for name, values in MASKS.items()},
    },
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    def spans(values: list[int]) -> st.SearchStrategy[tuple[Span, ...]]:
        pairs = st.tuples(st.sampled_from(values), st.sampled_from(values))
        span = pairs.map(lambda pair: Span(min(pair), max(pair)))
        return st.lists(span, min_size=1, max_size=2).map(tuple)

    clauses = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "destination": st.lists(st.sampled_from(PREFIXES), min_size=1, max_size=3),
                "source": st.lists(st.sampled_from(PREFIXES), min_size=1, max_size=3),
                **{
                    n.replace("-", "_"): spans([*v, 65535 if "port" in n else 0])
                    for n, v in NUMBERS.items()
                },
                **{
                    name.replace("-", "_"): st.lists(
                        st.sampled_from([*FLAGS[name.replace("-", "_")], "none"]),
                        min_size=1,
                        max_size=2,
                    )
                    for name in MASKS
                },
            },
        )
    )
    return Policy.model_validate({"name": "p", "actions": ["accept"], **clauses})


EDGES = sorted(
    {n + d for values in NUMBERS.values() for n in values for d in (-1, 0, 1) if n + d >= 0}
)


def packet(random: Random) -> Packet:
    protocol = random.choice([1, 6, 17, 58, 0])
    port = [*(edge for edge in EDGES if edge <= 65535), 65535]
    small = [edge for edge in EDGES if edge <= 63]
    address = ["10.0.0.1", "10.0.1.1", "10.200.0.1", "192.0.2.1", "203.0.113.1"]
    return Packet(
        destination=random.choice(address),
        source=random.choice(address),
        protocol=protocol,
        destination_port=random.choice(port) if protocol in (6, 17) else None,
        source_port=random.choice(port) if protocol in (6, 17) else None,
        packet_length=random.choice([*(edge for edge in EDGES if edge >= 20), 65535]),
        dscp=random.choice(small),
        fragment=random.choice([0, 1, 2, 3, 4, 5, 10, 11]),
        tcp_flags=random.choice([0, 1, 2, 3, 0x10, 0x12, 0xFFF]) if protocol == 6 else None,
        icmp_type=random.choice(small) if protocol == 1 else None,
        icmp_code=random.choice(small) if protocol == 1 else None,
    )


SAMPLES = st.integers(0, 2**32).map(lambda seed: [packet(Random(seed + n)) for n in range(40)])


@settings(max_examples=400, deadline=None)
@given(components=RULES, samples=SAMPLES)
def test_an_empty_rule_matches_no_packet_and_any_other_matches_its_example(
    components: dict[str, str], samples: list[Packet]
) -> None:
    match = rule_matches(components, V4)
    example = match.pick()
    if match.is_empty():
        assert example is None
        assert not any(accepts(components, packet) for packet in samples)
    else:
        assert example is not None
        assert accepts(components, example)


@settings(max_examples=600, deadline=None)
@given(components=RULES, clauses=policies(), samples=SAMPLES)
def test_a_rule_is_within_a_policy_if_every_packet_is(
    components: dict[str, str], clauses: Policy, samples: list[Packet]
) -> None:
    match = rule_matches(components, V4)
    broken = violations(match, clauses)
    for violation in broken:  # what it shows is a packet of the rule that this clause forbids
        only = Policy.model_validate(
            {
                "name": "p",
                "actions": ["accept"],
                violation.clause: clauses.model_dump()[violation.clause],
            }
            if violation.clause in ("destination", "source")
            else {"name": "p", "actions": ["accept"]}
        )
        only = only.model_copy(update={violation.clause: getattr(clauses, violation.clause)})
        assert accepts(components, violation.packet)
        assert not within(only, violation.packet)
    if not broken:
        for packet in [*samples, *filter(None, [match.pick()])]:
            assert not accepts(components, packet) or within(clauses, packet)


@settings(max_examples=400, deadline=None)
@given(
    components=RULES,
    protected=st.sampled_from([BGP, ProtectedPort(17, 79, 80), "10.0.0.0/24", "192.0.0.0/8"]),
    samples=SAMPLES,
)
def test_what_touches_is_matched_and_protected(
    components: dict[str, str], protected: ProtectedPort | str, samples: list[Packet]
) -> None:
    def to_protected(packet: Packet) -> bool:
        if isinstance(protected, str):
            return ip_address(packet.destination) in ip_network(protected)
        return (
            packet.protocol == protected.protocol
            and protected.first <= (packet.destination_port or 0) <= protected.last
        )

    def from_protected(packet: Packet) -> bool:
        if isinstance(protected, str):
            return ip_address(packet.source) in ip_network(protected)
        return (
            packet.protocol == protected.protocol
            and protected.first <= (packet.source_port or 0) <= protected.last
        )

    match = rule_matches(components, V4)
    found = touches(match, protected)
    if found is not None:
        assert accepts(components, found)
        assert to_protected(found) or from_protected(found)
    else:
        assert not any(accepts(components, p) and to_protected(p) for p in samples)


PATTERNS = st.builds(
    Pattern.slice,
    st.integers(0, 2**32 - 1).map(lambda n: str(ip_address(n))),
    st.integers(0, 3),
    st.integers(3, 6),
)


@settings(max_examples=300, deadline=None)
@given(pattern=PATTERNS, others=st.lists(PATTERNS, max_size=4))
def test_addresses_outside_are_found_exactly(pattern: Pattern, others: list[Pattern]) -> None:
    def has(one: Pattern, address: int) -> bool:
        return address & one.mask == one.value

    every = [n << 26 for n in range(64)]  # all that these patterns can tell apart
    left = [n for n in every if has(pattern, n) and not any(has(other, n) for other in others)]
    found = pattern.outside(others)
    assert (found is not None) == bool(left)
    if found is not None:
        inside = [n for n in every if has(found, n)]
        assert inside
        assert set(inside) <= set(left)


SETS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=5).map(NumberSet.of)


@given(one=SETS, other=SETS)
def test_number_sets_are_sets(one: NumberSet, other: NumberSet) -> None:
    a, b = ({n for n in range(40) if n in numbers} for numbers in (one, other))
    for made, expected in ((one & other, a & b), (one | other, a | b), (one - other, a - b)):
        assert {n for n in range(40) if n in made} == expected
        assert made == NumberSet.of(made.spans)
    assert (one <= other) == (a <= b)
    assert bool(one) == bool(a)


def test_a_match_of_nothing_named_is_everything() -> None:
    match = rule_matches({}, V4)
    assert isinstance(match, Match)
    assert not match.is_empty()
    assert match.named == frozenset()
