"""Cutovers made of events, and what their reports tell."""

from __future__ import annotations

from typing import Any

import msgspec

from anchorwatch.pictures.swimlane import Look, Swimlane
from anchorwatch.reports.cutover import cutover_facts
from anchorwatch.reports.lanes import picture_of
from anchorwatch.reports.page import page
from anchorwatch.reports.recording import Record, record
from collector.event import STOPPED, Event, Kind, rfc3339
from detectors.engine import Engine
from detectors.intent import parse_intent
from tests.unit.rules.scenes import HOUR, SECOND, START, play, steady_state
from tests.unit.rules.test_cutover import AT, INTENT, rules, step

ENDS = START + 600 * SECOND
SITES = ["r1 bmp adj-in-pre", "r2 bmp adj-in-pre"]
CONTROLLERS = [f"{each} peer 10.9.9.9" for each in SITES]


def recorded(
    *happened: list[Event] | Event,
    until: int = START + HOUR,
    text: str = INTENT,
    name: str = "move",
    last_word: int = 0,
) -> Record:
    """A cutover whose steady state was followed by these events."""
    events = [*steady_state(START), *rules(Kind.ANNOUNCE, START)]
    for each in happened:
        events += each if isinstance(each, list) else [each]
    events.sort(key=lambda event: event.received)
    intent = parse_intent(text)
    (cutover,) = (each for each in intent.cutovers if each.name == name)
    found = record(events, intent, cutover, until=until, last_word=last_word)
    if not any(event.reason == STOPPED for event in events):  # a watch that ran all the time
        watch = Engine(intent)
        play(watch, [event for event in events if event.received <= found.until])
        watch.advance(found.until)
        alive = [each for each in watch.cutovers if each.name == name]
        assert msgspec.to_builtins(alive) == msgspec.to_builtins(
            [each for each in found.engine.cutovers if each.name == name]
        )
    return found


def told(record: Record, *transitions: dict[str, Any]) -> dict[str, Any]:
    facts = cutover_facts(record, transitions, [], START)
    msgspec.json.encode(facts)  # it is JSON
    text = page(facts, drawn(record), [], [])
    assert "http://" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    return facts


def drawn(record: Record) -> Swimlane | None:
    service = record.engine.intent.service(record.cutover.service)
    return picture_of(record.recorder, service, record.until)


def bars(record: Record, name: str) -> list[tuple[Look, float, float, str]]:
    """A lane's bars, in seconds from the first step of most tests."""
    picture = drawn(record)
    assert picture is not None
    (lane,) = (lane for lane in picture.lanes if lane.name == name)
    return [
        (each.look, (each.since - AT) / SECOND, (each.until - AT) / SECOND, each.label)
        for each in lane.bars
    ]


def moment(seconds: float) -> str:
    return rfc3339(AT + round(seconds * SECOND))


def clean() -> list[Event]:
    """Both routers see the new site; r2 goes on a second later than r1."""
    return [
        *step(Kind.ANNOUNCE, "new-pe1", AT),
        *step(Kind.WITHDRAW, "legacy-pe", AT + 5 * SECOND, "r1"),
        *step(Kind.WITHDRAW, "legacy-pe", AT + 6 * SECOND, "r2"),
        *rules(Kind.WITHDRAW, AT + 10 * SECOND, "r1"),
        *rules(Kind.WITHDRAW, AT + 11 * SECOND, "r2"),
    ]
