"""What flowspec_policy makes of several views, of time, of cutovers and of lost sessions."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from collector.event import Event, Kind, Provenance, View, rfc3339
from detectors.engine import Engine
from detectors.incidents import State
from detectors.intent import parse_intent
from detectors.rules.flowspec_policy import FlowspecPolicy
from tests.unit.rules.scenes import (
    ALLOWED,
    HOUR,
    KILL_SWITCH,
    PEERS,
    SECOND,
    START,
    make,
    play,
    route,
    steady_state,
)
from tests.unit.rules.test_flowspec_policy import (
    POLICY,
    PROTECT,
    SITES,
    TO_ANCHOR,
    clauses,
    engine_for,
    judge,
    rule,
)

DAY = 24 * HOUR
WINDOW = f"[{rfc3339(START + 100 * SECOND)}, {rfc3339(START + 400 * SECOND)}]"

# A view that loses the next hop


LOST: tuple[dict[str, Any], ...] = ({"action": "redirect-to-nexthop", "copy": False},)


def test_a_lost_next_hop_is_taken_from_another_view_of_the_same_router() -> None:
    engine = engine_for(POLICY, PROTECT)
    assert engine.process(rule(ALLOWED)) == []
    assert engine.process(rule(ALLOWED, LOST, view=View.LOC_RIB, peer=None)) == []
    elsewhere = ({**TO_ANCHOR, "next_hop": "203.0.113.66"},)
    (opened,) = engine.process(rule(ALLOWED, elsewhere, at=START + 2 * SECOND))
    assert clauses(opened) == ["actions"]


def test_a_lost_next_hop_that_no_view_shows_leaves_the_verdict_open() -> None:
    engine = engine_for(POLICY, PROTECT)
    bad = ({"action": "discard"},)
    (opened,) = engine.process(rule(ALLOWED, bad, view=View.LOC_RIB, peer=None))
    (unknown,) = engine.process(rule(ALLOWED, LOST, view=View.LOC_RIB, peer=None))
    assert (unknown.id, unknown.state) == (opened.id, State.UNKNOWN)
    assert judge(rule(ALLOWED, LOST)) is None
    other = rule("destination 192.0.2.50/32 protocol =6 destination-port =1", LOST)
    assert clauses(judge(other)) == ["destination_port"]


# Where a rule comes from


@pytest.mark.parametrize(
    ("fields", "names", "fine"),
    [
        ({}, "[new-pe1]", True),
        ({"peer": PEERS["new-pe2"]}, "[new-pe1]", False),
        ({"peer": "10.9.9.9"}, "[new-pe1]", False),
        ({"peer": "10.9.9.9"}, "[new-pe1, controller]", True),
        ({"peer": PEERS["new-pe2"]}, "[new-pe1, controller]", False),
        ({"peer": PEERS["new-pe2"], "router": "controller"}, "[controller]", True),
    ],
)
def test_a_rule_must_come_from_where_its_policy_says(
    fields: dict[str, Any], names: str, fine: bool
) -> None:
    incident = judge(rule(ALLOWED, **fields), POLICY, f"    from: {names}\n")
    assert clauses(incident) == ([] if fine else ["from"])


def test_a_loc_rib_shows_no_origin_but_its_adj_rib_in_does() -> None:
    policy = POLICY + "    from: [new-pe1]\n"
    local = rule(ALLOWED, view=View.LOC_RIB, peer=None, at=START + 10 * SECOND)
    engine = engine_for(policy)
    play(engine, steady_state(START))
    assert play(engine, [rule(ALLOWED), local]) == []
    engine = engine_for(policy)
    play(engine, steady_state(START))
    (injected,) = engine.process(local)
    assert "it must come from new-pe1, not router r1 itself" in injected.summary
    engine = engine_for(policy)
    engine.process(make(Kind.FEED_UP, "r1", START, epoch=START))
    assert engine.process(local) == []  # its Adj-RIB-In may follow in the same dump


# Time and number


def test_a_rule_that_stays_too_long_is_told_when_it_has() -> None:
    engine = engine_for(POLICY, "    max_age: 30d\n")
    assert engine.process(rule(ALLOWED, at=START)) == []
    assert engine.next_due == START + 30 * DAY
    assert engine.advance(START + 30 * DAY - 1) == []
    (opened,) = engine.advance(START + 30 * DAY)
    assert opened.time == START + 30 * DAY
    assert clauses(opened) == ["max_age"]
    assert "is older than the 30 days that policy migration allows" in opened.summary
    assert not opened.kill_switch
    (resolved,) = engine.process(rule(ALLOWED, kind=Kind.WITHDRAW, at=START + 31 * DAY))
    assert resolved.state == State.RESOLVED


def ported(port: int, at: int = START + SECOND, kind: str = Kind.ANNOUNCE) -> Event:
    text = f"destination 192.0.2.50/32 protocol =6 destination-port ={port}"
    return rule(text, kind=kind, at=at)


def test_too_many_rules_of_a_policy_are_one_incident() -> None:
    engine = engine_for(POLICY, "    max_rules: 2\n")
    play(engine, steady_state(START))
    assert play(engine, [ported(2001), ported(2002), ported(2001)]) == []
    (opened,) = engine.process(ported(2003))
    assert opened.key == "policy migration max_rules"
    assert "has 3 Flowspec rules, more than its max_rules 2" in opened.summary
    assert "destination-port =2003" in opened.summary
    assert engine.process(ported(2004)) == []
    assert play(engine, [ported(2001, kind=Kind.WITHDRAW)]) == []
    (resolved,) = engine.process(ported(2002, kind=Kind.WITHDRAW))
    assert (resolved.id, resolved.state) == (opened.id, State.RESOLVED)


def test_rules_out_of_policy_do_not_count_as_rules_of_it() -> None:
    engine = engine_for(POLICY, "    max_rules: 1\n")
    found = play(engine, [ported(2001), ported(22), ported(23)])
    assert [transition.key[-3:] for transition in found] == ["=22", "=23"]


def test_a_count_stays_open_over_a_restart() -> None:
    parts = (POLICY, "    max_rules: 1\n")
    engine = engine_for(*parts)
    play(engine, [*steady_state(START), ported(2001), ported(2002)])
    (known,) = engine.open_incidents
    intent = parse_intent(SITES + "".join(parts))
    after = Engine(intent, rules=[FlowspecPolicy], restored=[known])
    transitions = after.advance(START + HOUR)
    assert [transition.state for transition in transitions] == [State.UNKNOWN]
    assert after.open_incidents[0].id == known.id


MOVE = f"""
cutovers:
  - name: move
    service: web
    from: legacy-pe
    to: [new-pe1]
    window: {WINDOW}
    deadline: 180s
    flush: migration
"""


def service(kind: str, site: str, at: int) -> Event:
    return route(kind, "r1", PEERS[site], "192.0.2.50/32", at, Provenance.LIVE)


def test_a_rule_that_comes_back_after_the_cutover_is_told() -> None:
    engine = Engine(parse_intent(SITES + POLICY + MOVE))
    play(engine, [*steady_state(START), ported(2001)])
    first = START + 120 * SECOND
    moved = [
        service(Kind.ANNOUNCE, "new-pe1", first),
        replace(service(Kind.ANNOUNCE, "new-pe1", first), router="r2"),
        service(Kind.WITHDRAW, "legacy-pe", first + SECOND),
        replace(service(Kind.WITHDRAW, "legacy-pe", first + SECOND), router="r2"),
        ported(2001, first + 10 * SECOND, Kind.WITHDRAW),
    ]
    assert play(engine, moved) == []
    (opened,) = engine.process(ported(2002, first + 60 * SECOND))
    assert (opened.detector, clauses(opened)) == ("flowspec_policy", ["flush"])
    ended = rfc3339(first + 10 * SECOND)[:19]
    assert f"policy migration, which ended with cutover move at {ended}Z" in opened.summary
    (resolved,) = engine.process(ported(2002, first + 200 * SECOND, Kind.WITHDRAW))
    assert resolved.state == State.RESOLVED


# Blindness


def test_a_lost_session_neither_opens_nor_resolves() -> None:
    engine = engine_for(POLICY, PROTECT)
    play(engine, steady_state(START))
    bad = route(Kind.ANNOUNCE, "r1", PEERS["new-pe2"], KILL_SWITCH, START + 1, Provenance.LIVE)
    (opened,) = engine.process(bad)
    (unknown,) = engine.process(make(Kind.FEED_DOWN, "r1", START + 2))
    assert (unknown.id, unknown.state) == (opened.id, State.UNKNOWN)
    back = steady_state(START + 3)
    assert [t.state for t in play(engine, back)] == [State.RESOLVED]  # swept: not announced again


def test_a_kill_switch_stays_one_incident_over_a_restart() -> None:
    engine = engine_for(POLICY, PROTECT)
    bad = route(Kind.ANNOUNCE, "r1", PEERS["new-pe2"], KILL_SWITCH, START, Provenance.LIVE)
    (opened,) = engine.process(bad)
    intent = parse_intent(SITES + POLICY + PROTECT)
    after = Engine(intent, rules=[FlowspecPolicy], restored=[opened])
    found = after.advance(START + SECOND)
    found += after.process(replace(bad, received=START + 2 * SECOND, epoch=START + SECOND))
    assert {transition.id for transition in found} == {opened.id}
    (resolved,) = after.process(
        route(
            Kind.WITHDRAW, "r1", PEERS["new-pe2"], KILL_SWITCH, START + 3 * SECOND, Provenance.LIVE
        )
    )
    assert (resolved.id, resolved.state) == (opened.id, State.RESOLVED)
