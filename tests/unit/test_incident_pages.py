"""An incident in sentences and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from anchorwatch.pictures.story import sentences
from collector.event import rfc3339
from collector.store.evidence import Evidence, time_of
from tests.unit.rules.scenes import SECOND, START, route

PREFIX = "192.0.2.50/32"
MINUTE, DAY = 60, 86_400
OPEN, LATER, OVER = ("open", 0), ("updated", 5 * MINUTE), ("resolved", 10 * MINUTE)
PROOF = route("announce", "r1", "10.0.1.1", PREFIX, START, "live")


def transition(state: str, at: float) -> dict[str, Any]:
    of = {"id": "a1", "detector": "cutover", "key": "move", "severity": "critical"}
    times = {"opened": rfc3339(START), "time": rfc3339(START + round(at * SECOND))}
    said = {"state": state, "summary": f"it is {state}.", "details": {}, "evidence": []}
    return of | times | said


def evidence(*states: tuple[str, float], now: int = 0, **more: Any) -> Evidence:
    """What is told of an incident at so many seconds after its opening."""
    transitions = tuple(transition(*each) for each in states)
    until, cut = time_of(transitions, START + now * SECOND)
    told = Evidence(
        id="a1",
        transitions=transitions,
        opened=START,
        since=START - MINUTE * SECOND,
        until=until,
        proof=(PROOF,),
        around=(PROOF,),
        cut=cut,
    )
    return Evidence(**{name: getattr(told, name) for name in told.__slots__} | more)


def said(told: Evidence) -> str:
    return "\n".join(sentences(told))


def test_what_is_left_out_is_said() -> None:
    whole = said(evidence(OPEN, LATER, OVER))
    assert "longer than a day" not in whole
    assert "more messages" not in whole
    late = said(evidence(OPEN, ("resolved", 2 * DAY)))
    assert "It lasted longer than a day: its messages and pictures end then." in late
    assert "2 d later: it was resolved" in late
    still = said(evidence(OPEN, now=3 * DAY))
    assert "It lasted longer than a day" in still
    many = said(evidence(OPEN, OVER, incomplete=("routes",)))
    assert (
        "Table routes has more messages of that time than are told here: those that are nearest to "
        "its opening and to its last change." in many
    )


def test_of_many_messages_those_near_a_transition_are_shown_in_order() -> None:
    told = evidence(OPEN, LATER, OVER)
    seconds: Sequence[int] = (-50, 1, 100, 299, 301, 400, 598, 700)
    events = [
        msgspec.structs.replace(PROOF, received=START + at * SECOND, sequence=at + 100)
        for at in seconds
    ]
    shown = told.nearest(events, 4)
    assert [event.sequence - 100 for event in shown] == [1, 299, 301, 598]
