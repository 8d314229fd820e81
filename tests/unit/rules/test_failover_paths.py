"""Failovers where a session carries several paths of one route (RFC 7911): ids mean nothing."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from collector.event import Event, Kind
from detectors.engine import Engine
from detectors.incidents import State
from detectors.intent import parse_intent
from detectors.rules.failover import Failover
from tests.unit.rules.scenes import SECOND, START, make, play, steady_state
from tests.unit.rules.test_failover import AT, INTENT, KEY, left, measured, placed, shows, told


def numbered(event: Event, path_id: int) -> Event:
    return replace(event, path_id=path_id) if event.prefix is not None else event


def watching() -> Engine:
    engine = Engine(parse_intent(INTENT), rules=[Failover])
    assert play(engine, [numbered(placed(event), 1) for event in steady_state(START)]) == []
    return engine


def changed(at: int, router: str, old: int, new: int) -> list[Event]:
    """A path gets another id, as it does where its session or its router was begun anew."""
    return [numbered(shows(at, router), new), numbered(left(at, router), old)]


@pytest.mark.parametrize("first", ["announces", "withdraws"])
def test_a_path_with_another_id_is_no_withdrawal(first: str) -> None:
    engine = watching()
    for number in range(1, 4):
        at = AT + 60 * number * SECOND
        for delay, router in enumerate(("r1", "r2")):
            events = changed(at + delay * SECOND, router, number, number + 1)
            assert play(engine, events if first == "announces" else events[::-1]) == []
    assert engine.advance(AT + 600 * SECOND) == []
    assert measured(engine) is None


def test_a_vantage_point_has_left_with_its_last_path() -> None:
    engine = watching()
    play(engine, [numbered(shows(AT, router), 2) for router in ("r1", "r2")])
    for number in (1, 2):
        at = AT + number * SECOND
        assert play(engine, [numbered(left(at, "r1"), number)]) == []
    assert play(engine, [numbered(left(AT + 3 * SECOND, "r2"), 1)]) == []
    assert told(engine.advance(AT + 40 * SECOND)) == [(State.OPEN, KEY, "warning")]
    (incident,) = engine.open_incidents
    assert incident.details["began"] == "2027-01-15T08:01:02.000000000Z"
    assert incident.details["still"] == ["r2"]
    assert incident.details["vantage_points"] == 2
    play(engine, [numbered(left(AT + 52 * SECOND, "r2"), 2)])
    assert told(engine.advance(AT + 60 * SECOND)) == [(State.RESOLVED, KEY, "warning")]
    assert measured(engine) == (1, 50.0)


def test_a_path_that_is_swept_takes_no_vantage_point_along_that_has_another() -> None:
    """After a gap the paths of `r2` have other ids: the old ones are swept, and it still shows."""
    engine = watching()
    play(engine, [numbered(left(AT, "r1"), 1)])
    play(engine, [make(Kind.FEED_DOWN, "r2", AT + SECOND, epoch=START)])
    again = [event for event in steady_state(AT + 2 * SECOND) if event.router == "r2"]
    assert play(engine, [numbered(placed(event), 7) for event in again]) == []
    assert told(engine.advance(AT + 40 * SECOND)) == [(State.OPEN, KEY, "warning")]
    (incident,) = engine.open_incidents
    assert incident.details["vantage_points"] == 2
