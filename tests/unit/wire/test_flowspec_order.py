"""The order of rules, against the comparison as the RFCs spell it out."""

from __future__ import annotations

from itertools import permutations, zip_longest

from hypothesis import given
from hypothesis import strategies as st

from collector.wire.cursor import Cursor
from collector.wire.flowspec import read_rules
from collector.wire.flowspec_order import precedence

Component = tuple[int, bytes]


def compare(one: list[Component], other: list[Component], afi: int) -> int:
    """RFC 8955 section 5.1 and RFC 8956 section 4, step by step: below 0 is applied first."""
    for mine, theirs in zip_longest(one, other):
        if mine is None or theirs is None:
            return 1 if mine is None else -1
        if mine[0] != theirs[0]:
            return int(mine[0]) - int(theirs[0])
        if mine[0] in (1, 2):
            found = compare_prefixes(mine[1], theirs[1], afi)
        else:
            common = min(len(mine[1]), len(theirs[1]))
            a, b = mine[1][:common], theirs[1][:common]
            found = (a > b) - (a < b) or len(theirs[1]) - len(mine[1])
        if found:
            return found
    return 0


def compare_prefixes(one: bytes, other: bytes, afi: int) -> int:
    head = 1 if afi == 1 else 2
    offsets = (0, 0) if afi == 1 else (one[1], other[1])
    if offsets[0] != offsets[1]:
        return offsets[0] - offsets[1]
    lengths = one[0] - offsets[0], other[0] - offsets[1]
    common = min(lengths)
    a, b = (int.from_bytes(v[head:].ljust(17, b"\0")[:17]) >> 136 - common for v in (one, other))
    return (a > b) - (a < b) or lengths[1] - lengths[0]


@st.composite
def prefix(draw: st.DrawFn, afi: int) -> bytes:
    length = draw(st.integers(0, 32 if afi == 1 else 128))
    offset = draw(st.integers(0, max(0, length - 1))) if afi == 2 else 0
    width = length - offset
    # Few different octets, so that prefixes often cover each other.
    octets = draw(st.lists(st.sampled_from([0, 1, 0x80]), min_size=16, max_size=16))
    kept = int.from_bytes(bytes(octets)) >> (128 - width) << (-width % 8)
    head = bytes([length]) if afi == 1 else bytes([length, offset])
    return head + kept.to_bytes((width + 7) // 8)


@st.composite
def rule(draw: st.DrawFn, afi: int) -> list[Component]:
    kinds = sorted(draw(st.sets(st.integers(1, 6), min_size=1, max_size=4)))
    value = st.binary(min_size=1, max_size=4)
    return [(kind, draw(prefix(afi) if kind < 3 else value)) for kind in kinds]


@given(st.sampled_from([1, 2]).flatmap(lambda afi: st.tuples(st.just(afi), rule(afi), rule(afi))))
def test_it_is_the_order_of_the_rfcs(case: tuple[int, list[Component], list[Component]]) -> None:
    afi, one, other = case
    mine, theirs = precedence(one, afi), precedence(other, afi)
    assert (mine > theirs) - (mine < theirs) == ((found := compare(one, other, afi)) > 0) - (
        found < 0
    )


def test_rules_as_they_come_sort_as_they_are_applied() -> None:
    rules = [
        "0118c000020381060591ffff",  # the more specific destination first
        "0118c00002038106",
        "0110c000038106",
        "0100038106",
        "0218c00002",  # a source sorts after any destination
        "038106048150",
    ]
    octets = [bytes.fromhex(text) for text in rules]
    for shuffled in list(permutations(octets))[::37]:
        nlri = b"".join(bytes([len(each)]) + each for each in shuffled)
        found = read_rules(Cursor(nlri), 1, vpn=False, add_path=False)
        places = [each.precedence or "" for each in found]
        assert [each for _, each in sorted(zip(places, shuffled, strict=True))] == octets


def test_a_rule_that_nobody_can_read_has_no_place() -> None:
    (found,) = read_rules(Cursor(b"\x03\x0e\x81\x01"), 1, vpn=False, add_path=False)
    assert found.precedence is None
