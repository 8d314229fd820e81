from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.event import Event, Kind
from collector.wire.cursor import Cursor
from collector.wire.flowspec import read_rules
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from detectors.packets import Packet, covers, rule_matches
from detectors.rules.flowspec_shadowed import COMPARED, FlowspecShadowed
from tests.unit.rules.scenes import SECOND, START, make, play, steady_state
from tests.unit.test_packets_brute_force import RULES, SAMPLES, V4, accepts

DROP = ({"action": "discard"},)
REDIRECT = ({"action": "redirect-to-nexthop", "next_hop": "10.100.0.254", "copy": False},)
LATER = ({"action": "sample"}, {"action": "terminal"})
TO = "0120c0000232"  # destination 192.0.2.50/32
AT = START + 10 * SECOND


def rule(octets: str, at: int, actions: object = DROP, **fields: object) -> Event:
    """The announcement of a rule by its components on the wire."""
    body = bytes.fromhex(octets)
    (read,) = read_rules(Cursor(bytes([len(body)]) + body), 1, vpn=False, add_path=False)
    assert not read.warnings
    known: dict[str, object] = {
        "family": V4,
        "rule": read.text,
        "components": read.components,
        "precedence": read.precedence,
        "actions": actions,
        "peer": "10.0.1.2",
        "view": "adj-in-pre",
    }
    return make(Kind.ANNOUNCE, str(fields.pop("router", "r1")), at, **known, **fields)


def gone(event: Event, at: int) -> Event:
    names = ("family", "rule", "components", "precedence", "peer", "view")
    fields = {name: getattr(event, name) for name in names}
    return make(Kind.WITHDRAW, event.router, at, **fields)


WIDE = TO + "030306c5ff"  # protocol >=6&<=255, whose octets sort before those of =6
NARROW = TO + "038106"


@pytest.fixture
def engine() -> Engine:
    engine = Engine(parse_intent("version: 1"), rules=[FlowspecShadowed])
    assert play(engine, steady_state(START)) == []
    return engine


def told(transitions: list[Incident]) -> list[tuple[str, str]]:
    return [(t.state, t.severity) for t in transitions]


def test_a_rule_behind_one_that_takes_all_of_it_is_dead(engine: Engine) -> None:
    wide, narrow = rule(WIDE, AT), rule(NARROW, AT + SECOND, REDIRECT)
    assert wide.precedence is not None
    assert narrow.precedence is not None
    assert wide.precedence < narrow.precedence
    assert play(engine, [wide, narrow]) == []
    (opened,) = engine.advance(AT + 60 * SECOND)
    assert (opened.state, opened.severity) == (State.OPEN, "warning")
    assert opened.time == AT + 11 * SECOND
    assert opened.key == f"ipv4-flowspec {narrow.rule}"
    assert opened.summary == (
        "Flowspec rule `destination 192.0.2.50/32 protocol =6` at r1 is dead since "
        "2027-01-15T08:00:11Z: `destination 192.0.2.50/32 protocol >=6&<=255` goes before it and "
        "matches all of its packets; they get discard, and redirect-to-nexthop 10.100.0.254 never "
        "happens. Withdraw one of the two."
    )
    assert opened.evidence == (narrow, wide)
    (resolved,) = engine.process(gone(wide, AT + 90 * SECOND))
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def test_the_order_in_which_they_come_does_not_matter(engine: Engine) -> None:
    assert play(engine, [rule(NARROW, AT), rule(WIDE, AT + SECOND)]) == []
    assert told(engine.advance(AT + 60 * SECOND)) == [(State.OPEN, "info")]


def test_a_duplicate_that_does_the_same_is_for_information(engine: Engine) -> None:
    # `=6` and `>=6&<=6` match the same packets.
    play(engine, [rule(NARROW, AT), rule(TO + "030306c506", AT)])
    (opened,) = engine.advance(AT + 60 * SECOND)
    assert opened.severity == "info"
    assert opened.details["duplicate"] is True
    assert "matches the same packets; both do discard, so it is one too many" in opened.summary


def test_two_rules_for_different_ports_live_side_by_side(engine: Engine) -> None:
    ports = [TO + "038106" + f"0591{port:04x}" for port in (80, 443, 8443)]
    play(engine, [rule(octets, AT) for octets in ports])
    assert engine.advance(AT + 600 * SECOND) == []


def test_a_wider_rule_that_comes_later_in_the_order_hides_nothing(engine: Engine) -> None:
    play(engine, [rule("0118c00002", AT), rule(TO, AT), rule(NARROW, AT)])
    assert engine.advance(AT + 600 * SECOND) == []


def test_a_rule_for_every_destination_hides_one_with_none(engine: Engine) -> None:
    play(engine, [rule("0100", AT), rule("038106", AT)])
    (opened,) = engine.advance(AT + 60 * SECOND)
    assert opened.details["hidden_by"] == "destination 0.0.0.0/0"
    assert opened.details["rule"] == "protocol =6"


def test_a_rule_after_which_others_are_evaluated_hides_nothing(engine: Engine) -> None:
    play(engine, [rule(WIDE, AT, LATER), rule(NARROW, AT)])
    assert engine.advance(AT + 600 * SECOND) == []
    # Announced again with an action that ends there, it does.
    assert told(play(engine, [rule(WIDE, AT + 700 * SECOND)])) == [(State.OPEN, "info")]


def test_rules_of_two_routers_do_not_hide_each_other(engine: Engine) -> None:
    play(engine, [rule(WIDE, AT), rule(NARROW, AT, router="r2")])
    assert engine.advance(AT + 600 * SECOND) == []


def test_a_rule_that_is_replaced_within_seconds_is_no_finding(engine: Engine) -> None:
    old = rule(NARROW, AT)
    play(engine, [old, rule(WIDE, AT + SECOND), gone(old, AT + 5 * SECOND)])
    assert engine.advance(AT + 600 * SECOND) == []


def test_a_lost_feed_resolves_nothing_and_a_restart_keeps_the_incident(engine: Engine) -> None:
    events = [rule(WIDE, AT), rule(NARROW, AT)]
    play(engine, events)
    (opened,) = engine.advance(AT + 60 * SECOND)
    (unknown,) = engine.process(make(Kind.FEED_DOWN, "r1", AT + 70 * SECOND))
    assert (unknown.state, unknown.id) == (State.UNKNOWN, opened.id)
    after = Engine(parse_intent("version: 1"), rules=[FlowspecShadowed], restored=[opened])
    again = AT + 80 * SECOND
    start = steady_state(again)
    openings = [event for event in start if event.kind in (Kind.FEED_UP, Kind.PEER_UP)]
    endings = [event for event in start if event.kind == Kind.END_OF_RIB]
    dump = [rule(WIDE, again), rule(NARROW, again)]
    transitions = play(after, [*openings, *dump, *endings]) + after.advance(again + 60 * SECOND)
    assert {t.state for t in transitions} <= {State.UNKNOWN, State.UPDATED}
    assert [incident.id for incident in after.open_incidents] == [opened.id]


def test_thousands_of_rules_for_one_destination_cost_a_bounded_number_of_comparisons() -> None:
    rules = FlowspecShadowed(parse_intent("version: 1"))
    engine = Engine(parse_intent("version: 1"), rules=[])
    play(engine, steady_state(START))
    for port in range(3 * COMPARED):
        event = rule(TO + "038106" + f"0591{port:04x}", AT)
        for change in engine._routes.apply(event):
            assert list(rules.subjects(change, engine._routes)) == [f"ipv4-flowspec {event.rule}"]
    last = rules._table.get(f"ipv4-flowspec {event.rule}")
    assert last is not None
    assert sum(1 for _ in rules._table.beside(last)) == COMPARED


@settings(max_examples=300, deadline=None)
@given(one=RULES, other=RULES, samples=SAMPLES)
def test_what_is_covered_has_no_packet_outside(
    one: dict[str, str], other: dict[str, str], samples: list[Packet]
) -> None:
    outer, inner = rule_matches(one, V4), rule_matches(other, V4)
    outside = [p for p in samples if accepts(other, p) and not accepts(one, p)]
    assert not (outside and covers(outer, inner))
    assert covers(outer, outer)
    assert covers(inner, inner)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), narrow=RULES)
def test_a_rule_with_components_left_out_covers_it(
    data: st.DataObject, narrow: dict[str, str]
) -> None:
    kept = data.draw(st.sets(st.sampled_from(sorted(narrow)))) if narrow else set()
    wide = {name: text for name, text in narrow.items() if name in kept}
    outer, inner = rule_matches(wide, V4), rule_matches(narrow, V4)
    assert covers(outer, inner)
    if not covers(inner, outer):  # then there is a packet that only the wider one matches
        assert not outer.is_empty()


# Another intent


def reload(engine: Engine, at: int) -> list[Incident]:
    intent = parse_intent("version: 1")
    engine.prepare(intent)
    return engine.adopt(intent, at)


def test_a_dead_rule_stays_dead_over_another_intent(engine: Engine) -> None:
    wide, narrow = rule(WIDE, AT), rule(NARROW, AT + SECOND, REDIRECT)
    play(engine, [wide, narrow])
    (opened,) = engine.advance(AT + 60 * SECOND)
    assert reload(engine, AT + 70 * SECOND) == []
    assert engine.advance(AT + 3600 * SECOND) == []
    (resolved,) = engine.process(gone(wide, AT + 3601 * SECOND))
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def test_a_rule_that_was_there_before_another_intent_can_be_hidden_after_it(engine: Engine) -> None:
    play(engine, [rule(NARROW, AT, REDIRECT)])
    assert reload(engine, AT + 70 * SECOND) == []
    play(engine, [rule(WIDE, AT + 80 * SECOND)])
    assert told(engine.advance(AT + 100 * SECOND)) == [(State.OPEN, "warning")]


def test_another_intent_in_the_first_seconds_of_two_rules_is_no_delay(engine: Engine) -> None:
    play(engine, [rule(WIDE, AT), rule(NARROW, AT, REDIRECT)])
    assert reload(engine, AT + 5 * SECOND) == []
    (opened,) = engine.advance(AT + 60 * SECOND)
    assert opened.time == AT + 10 * SECOND
