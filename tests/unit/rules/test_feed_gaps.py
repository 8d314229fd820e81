"""What changed while nobody saw it is reported once, and as such."""

from __future__ import annotations

from msgspec.structs import replace

from collector.event import Kind, rfc3339
from detectors.engine import Engine
from detectors.incidents import State
from detectors.intent import parse_intent
from tests.unit.rules.scenes import (
    ALLOWED,
    PEERS,
    SECOND,
    START,
    make,
    play,
    route,
    steady_state,
)
from tests.unit.rules.test_feed_blind import (
    ANCHOR,
    DUMP,
    LEGACY,
    R1,
    SERVICE,
    SITES,
    back,
    engine_of,
    told,
)


def test_what_changed_while_nobody_saw_is_reported_once_and_as_such() -> None:
    engine = engine_of(SITES)
    play(engine, [make(Kind.FEED_DOWN, "r1", START + 10 * SECOND)])
    again = back(START + 40 * SECOND)
    rule = route(Kind.ANNOUNCE, "r1", LEGACY, ALLOWED, START + 40 * SECOND, DUMP)
    gone = [e for e in again if e.peer == PEERS["new-pe2"] and e.kind == Kind.ANNOUNCE]
    changed = [
        replace(e, med=1000) if e.peer == LEGACY and e.kind == Kind.ANNOUNCE else e
        for e in again
        if e not in gone
    ]
    transitions = play(engine, [*changed[:2], rule, *changed[2:]])
    (report,) = transitions
    assert (report.detector, report.severity) == ("feed_blind", "info")
    assert report.key == "r1 bmp gap 2027-01-15T08:00:40Z"
    assert report.summary.startswith("Found after a gap at r1: ")
    assert report.details["from"] == rfc3339(START + 10 * SECOND)
    assert report.details["until"] == rfc3339(START + 40 * SECOND)
    found = {each["destination"]: each for each in report.details["changed"]}
    assert {name: each["what"] for name, each in found.items()} == {
        ALLOWED: "is new",
        SERVICE: "changed",
        ANCHOR: "changed",
    }
    assert found[SERVICE]["now"] == ["adj-in-pre of 10.0.0.1: next hop 10.0.0.1 med 1000"]
    assert found[ANCHOR]["was"] == [
        "adj-in-pre of 10.0.1.1: next hop 10.0.1.1",
        "adj-in-pre of 10.0.1.2: next hop 10.0.1.2",
    ]
    assert found[ANCHOR]["now"] == ["adj-in-pre of 10.0.1.1: next hop 10.0.1.1"]
    (resolved,) = engine.advance(START + 3600 * SECOND)
    assert (resolved.id, resolved.state) == (report.id, State.RESOLVED)


def test_the_first_tables_are_no_change() -> None:
    assert told(play(engine_of(steady=False), steady_state(START))) == []


def test_a_gap_within_a_gap_is_one_gap() -> None:
    engine = engine_of(SITES)
    again = back(START + 20 * SECOND)
    play(engine, [make(Kind.FEED_DOWN, "r1", START + 10 * SECOND), *again[:3]])
    play(engine, [make(Kind.FEED_DOWN, "r1", START + 21 * SECOND)])
    kept = [e for e in back(START + 30 * SECOND) if not (e.prefix and e.peer == PEERS["new-pe2"])]
    (report,) = play(engine, kept)
    assert report.details["from"] == rfc3339(START + 10 * SECOND)
    assert [each["destination"] for each in report.details["changed"]] == [ANCHOR]


def test_a_restart_is_a_gap_too() -> None:
    held = {
        R1: [
            (e, e.received)
            for e in steady_state(START)
            if e.router == "r1" and e.kind == "announce"
        ]
    }
    engine = Engine(parse_intent(SITES), held=held, lived=START + 10 * SECOND)
    assert engine.blind == ["r1"]
    again = back(START + 40 * SECOND)
    (report,) = play(engine, [e for e in again if not (e.prefix and e.peer == PEERS["new-pe2"])])
    assert report.details["from"] == rfc3339(START + 10 * SECOND)
    assert [each["destination"] for each in report.details["changed"]] == [ANCHOR]


def test_a_report_survives_a_restart_without_being_told_again() -> None:
    engine = engine_of(SITES)
    play(engine, [make(Kind.FEED_DOWN, "r1", START + 10 * SECOND)])
    kept = [e for e in back(START + 30 * SECOND) if not (e.prefix and e.peer == PEERS["new-pe2"])]
    (report,) = play(engine, kept)
    after = Engine(parse_intent(SITES), restored=engine.open_incidents)
    assert after.advance(START + 60 * SECOND) == []
    (resolved,) = after.advance(START + 3600 * SECOND)
    assert (resolved.id, resolved.state) == (report.id, State.RESOLVED)
