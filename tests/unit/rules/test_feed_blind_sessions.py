"""Sessions that come and go, and two routers of one name."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from collector.event import Event, Kind
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from tests.unit.rules.scenes import (
    SECOND,
    START,
    make,
    play,
)
from tests.unit.rules.test_feed_blind import SITES, back, engine_of, told


def bounces(engine: Engine, up: int, down: int, until: int) -> list[Incident]:
    """The session is lost and comes back again and again, and never gets to the end of a table."""
    transitions: list[Incident] = []
    at = START + SECOND
    while at < until:
        lost = make(Kind.FEED_DOWN, "r1", at, reason="connection lost: reset")
        transitions += play(engine, [lost])
        at += down * SECOND
        transitions += engine.advance(at - 1)
        transitions += play(engine, [make(Kind.FEED_UP, "r1", at, epoch=at)])
        at += up * SECOND
        transitions += engine.advance(at - 1)
    return transitions


@pytest.mark.parametrize(("up", "down"), [(25, 5), (60, 5), (170, 9)])
def test_a_session_that_never_gets_to_show_its_tables_pages_once(up: int, down: int) -> None:
    engine = engine_of()
    (opened,) = bounces(engine, up, down, START + 3600 * SECOND)
    assert (opened.state, opened.key) == (State.OPEN, "r1 bmp")
    assert opened.time == START + (1 + 10 + 180) * SECOND  # lost_after, and dump_within
    assert opened.details["state"] == "bouncing"
    assert "since 2027-01-15T08:00:01Z" in opened.summary
    assert "connection lost: reset" in opened.summary
    assert engine.blind == ["r1"]
    resolved = play(engine, back(START + 3700 * SECOND))
    assert told(resolved) == [(State.RESOLVED, "r1 bmp")]


def test_a_session_that_never_got_to_show_its_tables_from_the_start_pages() -> None:
    engine = engine_of(steady=False)
    play(engine, [make(Kind.FEED_UP, "r1", START, epoch=START)])
    opened = bounces(engine, 25, 5, START + 600 * SECOND)
    assert [(t.details["state"], t.time) for t in opened] == [("bouncing", START + 190 * SECOND)]


def test_a_session_that_is_replaced_before_it_has_shown_its_tables_pages() -> None:
    """A router that reconnects before its old session has died says of no end."""
    engine = engine_of()
    ups = [
        make(Kind.FEED_UP, "r1", at, epoch=at)
        for at in range(START + SECOND, START + 600 * SECOND, 30 * SECOND)
    ]
    (opened,) = play(engine, ups)
    assert (opened.details["state"], opened.key) == ("bouncing", "r1 bmp")


def test_one_loss_and_one_dump_have_the_time_that_each_of_them_has() -> None:
    engine = engine_of()
    lost = START + SECOND
    play(engine, [make(Kind.FEED_DOWN, "r1", lost)])
    up = lost + 9 * SECOND
    assert play(engine, back(up)[:-1]) == []
    assert engine.advance(up + 180 * SECOND - 1) == []
    (opened,) = engine.advance(up + 180 * SECOND)
    assert opened.details["state"] == "dumping"


def test_a_session_that_shows_its_tables_each_time_is_seen() -> None:
    engine = engine_of()
    for i in range(20):
        at = START + (1 + 60 * i) * SECOND
        lost = make(Kind.FEED_DOWN, "r1", at)
        assert told(play(engine, [lost, *back(at + 5 * SECOND)])) == []
    assert engine.blind == []


def test_a_loss_that_was_told_is_told_no_more_for_the_way_back() -> None:
    engine = engine_of()
    lost = START + SECOND
    play(engine, [make(Kind.FEED_DOWN, "r1", lost)])
    (opened,) = engine.advance(lost + 3600 * SECOND)
    assert opened.details["state"] == "down"
    up = lost + 3600 * SECOND
    assert play(engine, [make(Kind.FEED_UP, "r1", up, epoch=up)]) == []
    assert engine.advance(up + 179 * SECOND) == []


# Two routers of one name

SHARED = ("quirk: shared-name",)
ELSEWHERE = "127.0.0.9"


def sharing(engine: Engine, at: int) -> list[Incident]:
    """A second router calls itself r1, from another address."""
    events = [replace(e, router_address=ELSEWHERE) for e in back(at)]
    return play(engine, [replace(events[0], warnings=SHARED), *events[1:]])


def lost_at(address: str, at: int, epoch: int) -> Event:
    return make(Kind.FEED_DOWN, "r1", at, router_address=address, epoch=epoch)


@pytest.mark.parametrize("ends", ["the older", "the newer"])
def test_two_routers_of_one_name_are_told_until_one_of_them_is_gone(ends: str) -> None:
    engine = engine_of(SITES)
    at = START + SECOND
    assert told(sharing(engine, at)) == []
    assert engine.advance(at + 60 * SECOND - 1) == []
    (opened,) = engine.advance(at + 60 * SECOND)
    assert (opened.key, opened.details["state"]) == ("r1 bmp name", "name")
    assert opened.details["addresses"] == ["127.0.0.1", ELSEWHERE]
    assert "127.0.0.1 and 127.0.0.9 both call themselves r1" in opened.summary
    assert opened.evidence[0].router_address == ELSEWHERE
    who = ("127.0.0.1", START) if ends == "the older" else (ELSEWHERE, at)
    transitions = play(engine, [lost_at(who[0], at + 90 * SECOND, who[1])])
    transitions += engine.advance(at + 200 * SECOND)
    if ends == "the newer":  # the other one has to show its tables again
        assert told(transitions) == [(State.UNKNOWN, "r1 bmp name")]
        transitions = play(engine, back(at + 300 * SECOND))
    transitions += engine.advance(at + 400 * SECOND)
    assert (State.RESOLVED, "r1 bmp name") in told(transitions)
    assert engine.open_incidents == []


def test_a_router_that_comes_back_from_another_address_is_one() -> None:
    """Its old session takes a while to die."""
    engine = engine_of(SITES)
    at = START + SECOND
    sharing(engine, at)
    assert play(engine, [lost_at("127.0.0.1", at + 30 * SECOND, START)]) == []
    assert engine.advance(at + 3600 * SECOND) == []


def test_that_two_routers_have_one_name_is_known_over_a_restart() -> None:
    engine = engine_of(SITES)
    at = START + SECOND
    sharing(engine, at)
    (opened,) = engine.advance(at + 60 * SECOND)
    after = Engine(parse_intent(SITES), restored=[opened])
    at += 100 * SECOND
    found = play(after, back(at)) + sharing(after, at + 5 * SECOND)
    found += after.advance(at + 3600 * SECOND)
    assert told(found) == [("unknown", "r1 bmp name"), ("updated", "r1 bmp name")]
