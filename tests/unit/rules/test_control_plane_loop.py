from __future__ import annotations

import pytest
from msgspec.structs import replace

from collector.event import Event, Kind, Provenance, View
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from detectors.rules.control_plane_loop import SUSPECTS, ControlPlaneLoop
from tests.unit.rules.scenes import (
    ALLOWED,
    KILL_SWITCH,
    PEERS,
    SECOND,
    START,
    make,
    play,
    route,
    steady_state,
)

KEY = f"ipv4-flowspec {KILL_SWITCH}"
CONTROLLER, OTHER = PEERS["new-pe2"], PEERS["new-pe1"]
AT = START + 600 * SECOND
SILENCE = "local notification 4/0 hold timer expired"


@pytest.fixture
def engine() -> Engine:
    engine = Engine(parse_intent("version: 1"), rules=[ControlPlaneLoop])
    assert play(engine, steady_state(START)) == []
    return engine


def came(at: int, what: str = KILL_SWITCH, provenance: str = Provenance.LIVE) -> Event:
    return route(Kind.ANNOUNCE, "r1", CONTROLLER, what, at, provenance)


def down(at: int, peer: str = CONTROLLER, reason: str = "remote notification 6/10 cease") -> Event:
    return make(Kind.PEER_DOWN, "r1", at, peer=peer, view=View.ADJ_IN_PRE, reason=reason)


def up(at: int, peer: str = CONTROLLER, hold: int = 90) -> Event:
    information = {"hold_time": hold}
    fields: dict[str, object] = {"peer": peer, "view": View.ADJ_IN_PRE, "epoch": at}
    return make(Kind.PEER_UP, "r1", at, information=information, **fields)


def loop(times: int, at: int = AT) -> list[Event]:
    """The rule comes, the session that brought it drops, both come back."""
    events = [came(at)]
    for i in range(times):
        then = at + i * 30 * SECOND
        if i:
            events += [up(then - SECOND), came(then, provenance=Provenance.DUMP)]
        events.append(down(then + 4 * SECOND))
    return events


def told(transitions: list[Incident]) -> list[tuple[str, str, str]]:
    return [(t.state, t.key, t.severity) for t in transitions]


def test_a_rule_behind_which_sessions_drop_twice_is_named(engine: Engine) -> None:
    events = loop(2)
    transitions = play(engine, events)
    assert told(transitions) == [(State.OPEN, KEY, "critical")]
    (opened,) = transitions
    assert opened.time == AT + 34 * SECOND
    assert opened.summary == (
        f"Flowspec rule `{KILL_SWITCH}` takes sessions down at r1 in a loop since "
        "2027-01-15T08:10:00Z: whenever it or a session comes back, a session drops (its action is "
        "discard). Withdraw it at its origin (10.0.1.2), and keep it out before you bring sessions "
        "up."
    )
    assert opened.evidence == (events[0], events[1], events[3], events[4])
    assert opened.details["times"] == 2


def test_a_rule_that_the_router_mirrors_is_suspected_as_well(engine: Engine) -> None:
    """FRR shows Flowspec in no other way, and its mirror knows no dump."""
    mirror = Provenance.MIRROR.value
    events = [replace(e, provenance=mirror) if e.rule else e for e in loop(2)]
    assert told(play(engine, events)) == [(State.OPEN, KEY, "critical")]


def test_it_resolves_when_sessions_have_held_for_ten_minutes(engine: Engine) -> None:
    (opened,) = play(engine, loop(5))
    last = AT + 124 * SECOND
    assert engine.advance(last + 599 * SECOND) == []
    (resolved,) = engine.advance(last + 601 * SECOND)
    assert (resolved.state, resolved.id, resolved.time) == (
        State.RESOLVED,
        opened.id,
        last + 600 * SECOND,
    )


def test_one_drop_is_no_loop(engine: Engine) -> None:
    assert play(engine, loop(1)) == []


def test_sessions_that_come_back_to_a_rule_that_stayed_count(engine: Engine) -> None:
    """The controller's session holds; those to the others drop whenever they come up."""
    events = [came(AT)]
    for i in range(3):
        events.append(down(AT + (3 + i * 20) * SECOND, OTHER))
        events.append(up(AT + (20 + i * 20) * SECOND, OTHER))
    assert told(play(engine, events)) == [(State.OPEN, KEY, "critical")]


def test_drops_that_came_first_do_not_count(engine: Engine) -> None:
    """A session that flaps for its own reasons brings its rules back each time."""
    events = []
    for i in range(6):
        at = AT + i * 20 * SECOND
        events += [down(at), up(at + 5 * SECOND), came(at + 15 * SECOND)]
    assert play(engine, events) == []


def test_a_rule_of_a_dump_is_no_news(engine: Engine) -> None:
    events = loop(3)
    events[0] = replace(events[0], provenance=Provenance.DUMP)
    assert play(engine, events) == []


def test_a_drop_much_later_is_none_of_the_rules_doing(engine: Engine) -> None:
    events = [came(AT)]
    for i in range(3):
        at = AT + i * 100 * SECOND
        events += [down(at + 30 * SECOND), up(at + 60 * SECOND), came(at + 61 * SECOND)]
    assert play(engine, events) == []


@pytest.mark.parametrize("hold", [30, 180])
def test_a_session_that_dies_of_silence_takes_its_hold_time(engine: Engine, hold: int) -> None:
    events = [up(AT - 100 * SECOND, hold=hold), came(AT)]
    at = AT
    for _ in range(2):
        at += (hold + 5) * SECOND
        events.append(down(at, reason=SILENCE))
        events += [up(at + 10 * SECOND, hold=hold), came(at + 11 * SECOND, provenance="dump")]
        at += 11 * SECOND
    assert told(play(engine, events)) == [(State.OPEN, KEY, "critical")]


def test_a_session_that_somebody_ends_does_not_count(engine: Engine) -> None:
    reason = "remote notification 6/2 cease, administrative shutdown"
    events = [replace(e, reason=reason) if e.kind == Kind.PEER_DOWN else e for e in loop(4)]
    assert play(engine, events) == []


def test_of_rules_that_came_together_the_one_that_could_do_it_is_named(engine: Engine) -> None:
    events = loop(2)
    events.insert(1, came(AT + SECOND, ALLOWED))
    assert told(play(engine, events)) == [(State.OPEN, KEY, "critical")]


def test_five_sessions_that_drop_at_once_are_one_time(engine: Engine) -> None:
    assert play(engine, [came(AT), *(down(AT + SECOND, peer) for peer in PEERS.values())]) == []


def test_a_lost_feed_resolves_nothing(engine: Engine) -> None:
    (opened,) = play(engine, loop(2))
    play(engine, [make(Kind.FEED_DOWN, "r1", AT + 100 * SECOND)])
    (unknown,) = engine.advance(AT + 7200 * SECOND)
    assert (unknown.state, unknown.id) == (State.UNKNOWN, opened.id)
    again = steady_state(AT + 7300 * SECOND)
    assert told(play(engine, again)) == [(State.RESOLVED, KEY, "critical")]


def test_a_feed_that_is_lost_once_more_much_later_resolves_nothing(engine: Engine) -> None:
    play(engine, [*loop(2), make(Kind.FEED_DOWN, "r1", AT + 60 * SECOND)])
    later = AT + 3600 * SECOND
    assert [t.state for t in engine.advance(later)] == [State.UNKNOWN]
    comes_and_goes = [
        make(Kind.FEED_UP, "r1", later, epoch=later),
        make(Kind.FEED_DOWN, "r1", later + SECOND),
    ]
    assert play(engine, comes_and_goes) == []
    assert len(engine.open_incidents) == 1
    (resolved,) = play(engine, steady_state(later + 60 * SECOND))
    assert resolved.state == State.RESOLVED
    assert resolved.summary.startswith(
        f"No session has dropped behind Flowspec rule `{KILL_SWITCH}`"
    )


def test_the_loop_goes_on_after_a_restart(engine: Engine) -> None:
    (opened,) = play(engine, loop(2))
    after = Engine(parse_intent("version: 1"), rules=[ControlPlaneLoop], restored=[opened])
    at = AT + 60 * SECOND
    more = [*steady_state(at), came(at, provenance="dump"), down(at + 4 * SECOND)]
    assert play(after, more) == []
    (still,) = after.open_incidents
    assert still.id == opened.id
    (resolved,) = after.advance(at + 604 * SECOND)
    assert (resolved.state, resolved.id, resolved.time) == (
        State.RESOLVED,
        opened.id,
        at + 604 * SECOND,
    )


def test_what_is_kept_is_bounded() -> None:
    rule = ControlPlaneLoop(parse_intent("version: 1"))
    engine = Engine(parse_intent("version: 1"), rules=[])
    for i in range(3 * SUSPECTS):
        at = START + i * 100 * SECOND
        router = f"r{i}"
        events = [
            make(Kind.FEED_UP, router, at, epoch=at),
            *(replace(e, router=router) for e in (came(at), down(at + SECOND))),
        ]
        for event in events:
            for change in engine._routes.apply(event):
                assert list(rule.subjects(change, engine._routes)) == []
    assert len(rule._suspects) == SUSPECTS
