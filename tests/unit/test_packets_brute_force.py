from __future__ import annotations

from ipaddress import ip_address, ip_network
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.intent import FLAGS, Policy, ProtectedPort, Span
from detectors.packets import Packet, rule_matches, touches, violations
from detectors.packets.addresses import Pattern
from detectors.packets.notation import parse_numbers
from detectors.packets.numbers import NumberSet

V4 = "ipv4-flowspec"
BGP = ProtectedPort(6, 179, 179)

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


@settings(max_examples=300, deadline=None)
@given(components=RULES, samples=SAMPLES)
def test_a_rule_matches_a_packet_exactly_when_a_router_would(
    components: dict[str, str], samples: list[Packet]
) -> None:
    match = rule_matches(components, V4)
    for each in samples:
        just_this = {
            name: NumberSet(((value, value),))
            for name in match.numbers
            if (value := getattr(each, name)) is not None
        }
        found = match.pick(
            just_this,
            destination=Pattern.prefix(f"{each.destination}/32"),
            source=Pattern.prefix(f"{each.source}/32"),
        )
        assert (found is not None) == accepts(components, each)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_numbers_and_masks_are_read_as_they_are_written(data: st.DataObject) -> None:
    everything = NumberSet(((0, 300),))
    number = data.draw(numeric([0, 1, 79, 80, 300]))
    mask = data.draw(bitmask([0x00, 0x01, 0x02, 0x12, 0x10]))
    for text, is_mask in ((number, False), (mask, True)):
        found = parse_numbers(text, everything, bitmask=is_mask)
        expected = {n for n in range(301) if holds(text, n, bitmask=is_mask)}
        assert {n for n in range(301) if n in found} == expected


@settings(max_examples=300, deadline=None)
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


@settings(max_examples=300, deadline=None)
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


@settings(max_examples=300, deadline=None)
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
    *(st.integers(0, 4), st.integers(4, 6)),
) | st.builds(
    Pattern.slice,
    st.integers(0, 2**32 - 1).map(lambda n: str(ip_address(n))),
    *(st.integers(0, 1), st.integers(1, 2)),
)


@settings(max_examples=300, deadline=None)
@given(pattern=PATTERNS, others=st.lists(PATTERNS, max_size=6))
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
