"""An incident in sentences and pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from anchorwatch.pictures.lanes import marks_of
from anchorwatch.pictures.marks import MOST_WORDS
from anchorwatch.pictures.story import sentences
from anchorwatch.pictures.svg import picture
from anchorwatch.pictures.terminal import lines as lines_of
from collector.event import rfc3339
from collector.store.evidence import Evidence, time_of
from collector.store.timeline import Lane, Span, State, Timeline
from tests.unit.rules.scenes import SECOND, START, route

PREFIX = "192.0.2.50/32"
MINUTE, DAY = 60, 86_400
OPEN, LATER, OVER = ("open", 0), ("updated", 5 * MINUTE), ("resolved", 10 * MINUTE)
PROOF = route("announce", "r1", "10.0.1.1", PREFIX, START, "live")

SVG = "{http://www.w3.org/2000/svg}"


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
    assert "longer than is told" not in whole
    assert "more messages" not in whole
    late = said(evidence(OPEN, ("resolved", 2 * DAY)))
    words = "It lasted longer than is told here: messages and pictures end at 2027-01-16 08:00"
    assert words in late
    assert "2 d later: it was resolved" in late
    still = said(evidence(OPEN, now=3 * DAY))
    assert words in still
    many = said(evidence(OPEN, OVER, incomplete=("routes",)))
    assert (
        "Table routes has more messages of that time than are told here: those that are nearest to "
        "its opening and to its last change." in many
    )


def test_an_incident_without_an_end_is_open_as_far_as_is_known() -> None:
    lasting = evidence(OPEN, LATER)
    assert "It is still open, as far as the store knows." in said(lasting)
    assert "It is still open." in "\n".join(sentences(lasting, live=True))
    assert "still open" not in said(evidence(OPEN, OVER))


def test_of_many_messages_those_near_a_transition_are_shown_in_order() -> None:
    told = evidence(OPEN, LATER, OVER)
    seconds: Sequence[int] = (-50, 1, 100, 299, 301, 400, 598, 700)
    events = [
        msgspec.structs.replace(PROOF, received=START + at * SECOND, sequence=at + 100)
        for at in seconds
    ]
    shown = told.nearest(events, 4)
    assert [event.sequence - 100 for event in shown] == [1, 299, 301, 598]


# Pictures


def drawn(told: Evidence, until: int = 11 * MINUTE) -> str:
    span = Span(State.ADVERTISED, told.since, START + until * SECOND, "announced")
    lane = Lane(PREFIX, "", "new-pe1", ("r1",), (span,), ())
    return picture(Timeline(PREFIX, told.since, span.until, (lane,)), marks=marks_of(told))


def parsed(drawing: str) -> ET.Element:
    return ET.fromstring(drawing)  # noqa: S314 - our own picture


def of_class(root: ET.Element, kind: str) -> list[ET.Element]:
    return [each for each in root.iter() if kind in each.get("class", "").split()]


def test_the_picture_has_a_mark_where_it_opened_changed_and_ended() -> None:
    root = parsed(drawn(evidence(OPEN, LATER, ("unknown", 6 * MINUTE), OVER)))
    (bar,) = (e for e in of_class(root, "advertised") if e.find(f"{SVG}title") is not None)
    begin, width = float(bar.get("x", "")), float(bar.get("width", ""))
    lines = of_class(root, "mark")
    places = [begin + width * minutes / 12 for minutes in (1, 6, 7, 11)]
    assert [float(line.get("x1", "")) for line in lines] == pytest.approx(places, abs=0.2)
    assert ["fault" in line.get("class", "") for line in lines] == [True, False, False, False]
    words = {each.text for each in of_class(root, "marked")}
    assert words == {
        *("opened 08:00:00.000", "updated 08:05:00.000"),
        *("not seen 08:06:00.000", "resolved 08:10:00.000"),
    }
    desc = root.findtext(f"{SVG}desc") or ""
    assert "opened at 2027-01-15 08:00:00.000." in desc
    assert "resolved at 2027-01-15 08:10:00.000." in desc


def test_words_of_marks_stand_above_the_axis_and_never_on_each_other() -> None:
    changes = [("updated", 60.0 + each) for each in range(30)]
    root = parsed(drawn(evidence(OPEN, *changes, OVER)))
    assert len(of_class(root, "mark")) == 32  # each has its line,
    words = of_class(root, "marked")
    assert len(words) == MOST_WORDS  # and the first and the last have words
    rows = [word.get("y") for word in words if (word.text or "").startswith("updated")]
    assert len({*rows}) == len(rows)
    axis = min(float(e.get("y", "")) for e in of_class(root, "dim") if "y" in e.attrib)
    top = max(float(word.get("y", "")) for word in words)
    ticks = [e for e in of_class(root, "dim") if (e.text or "").startswith("08:")]
    assert axis < min(float(word.get("y", "")) for word in words)
    assert top < min(float(tick.get("y", "")) for tick in ticks)
    assert float(root.get("height", "")) > float(ticks[0].get("y", "")) + 34


def test_the_terminal_has_the_marks_too() -> None:
    told = evidence(OPEN, ("updated", 10), OVER)
    span = Span(State.ADVERTISED, told.since, told.until, "")
    lane = Lane(PREFIX, "", "new-pe1", ("r1",), (span,), ())
    timeline = Timeline(PREFIX, told.since, told.until, (lane,))
    found = [line.plain for line in lines_of(timeline, 80, marks=marks_of(told), plain=True)]
    (first,) = (line for line in found if "opened" in line)
    (second,) = (line for line in found if "updated" in line)
    assert first.split() == ["|opened", "resolved|"]  # left of its moment, near the end
    assert second.split() == ["|updated"]
    (bar,) = (line for line in found if "####" in line)
    begin, cells = bar.index("#"), bar.count("#")
    assert first.index("|opened") == begin + cells // 12
    assert first.rindex("|") == begin + cells * 11 // 12
    assert max(map(len, (first, second))) <= 80


def test_more_than_is_drawn_is_said() -> None:
    rules = [f"destination 192.0.2.{n}/32" for n in range(9)]
    transitions = evidence(OPEN, OVER).transitions
    named = [{**each, "details": {"rules": rules}} for each in transitions]
    many = said(evidence(OPEN, OVER, transitions=tuple(named)))
    assert "Of its 9 rules 4 have a picture." in many
    assert "have a picture" not in said(evidence(OPEN, OVER))
