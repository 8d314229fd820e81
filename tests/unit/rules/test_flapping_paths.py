"""Flapping where a session carries several paths of one route (RFC 7911): ids mean nothing."""

from __future__ import annotations

from msgspec.structs import replace

from collector.event import Event, Kind, Provenance
from detectors.engine import Engine
from detectors.incidents import State
from detectors.intent import parse_intent
from detectors.rules.flapping import Flapping
from tests.unit.rules.scenes import PEERS, SECOND, START, make, play, route, steady_state
from tests.unit.rules.test_flapping import INTENT, KEY, PREFIX, told

MINUTE = 60 * SECOND


def watching() -> Engine:
    engine = Engine(parse_intent(INTENT), rules=[Flapping])
    events = [replace(e, path_id=1) if e.prefix else e for e in steady_state(START)]
    assert play(engine, events) == []
    return engine


def says(kind: str, at: int, path_id: int, **fields: object) -> Event:
    event = route(kind, "r1", PEERS["new-pe2"], PREFIX, at, Provenance.LIVE)
    return replace(event, path_id=path_id, **fields)


def penalty(engine: Engine) -> float:
    rule = engine.rule("flapping")
    assert isinstance(rule, Flapping)
    return max((f.value for figures in rule._figures.values() for f in figures.values()), default=0)


def test_a_path_that_comes_back_with_another_id_each_time_flaps() -> None:
    engine = watching()
    transitions = []
    for number in range(1, 7):
        at = START + number * MINUTE
        gone, back = says(Kind.WITHDRAW, at, number), says(Kind.ANNOUNCE, at + SECOND, number + 1)
        transitions += play(engine, [gone, back])
    assert told(transitions)[0] == (State.OPEN, KEY, "warning")
    assert transitions[0].opened == START + 3 * MINUTE


def test_a_path_that_gets_another_id_has_not_gone() -> None:
    engine = watching()
    for number in range(1, 20):
        at = START + number * MINUTE
        new, old = says(Kind.ANNOUNCE, at, number + 1), says(Kind.WITHDRAW, at, number)
        assert play(engine, [new, old]) == []
    assert penalty(engine) == 0


def test_several_paths_that_go_together_are_one_withdrawal() -> None:
    engine = watching()
    play(engine, [says(Kind.ANNOUNCE, START + SECOND, number) for number in (2, 3)])
    at = START + MINUTE
    play(engine, [says(Kind.WITHDRAW, at, number) for number in (1, 2, 3)])
    assert penalty(engine) == 1000


def test_several_paths_of_a_session_that_goes_down_are_one_withdrawal() -> None:
    engine = watching()
    play(engine, [says(Kind.ANNOUNCE, START + SECOND, number) for number in (2, 3)])
    down = make(Kind.PEER_DOWN, "r1", START + MINUTE, peer=PEERS["new-pe2"], view="adj-in-pre")
    play(engine, [down])
    assert penalty(engine) == 1000


def test_another_path_is_no_return_and_excuses_no_change() -> None:
    engine = watching()
    play(engine, [says(Kind.ANNOUNCE, START + MINUTE, 2)])
    play(engine, [says(Kind.ANNOUNCE, START + MINUTE + SECOND, 1, med=5)])
    assert penalty(engine) == 500
    play(engine, [says(Kind.ANNOUNCE, START + 5 * MINUTE, 3)])
    play(engine, [says(Kind.ANNOUNCE, START + 5 * MINUTE + SECOND, 1, med=6)])
    assert 800 < penalty(engine) < 1000
