"""The report of a cutover, of each way in which one can go wrong, back, or unseen."""

from __future__ import annotations

import pytest

from anchorwatch.pictures.swimlane import Look
from anchorwatch.reports.cutover import headline, sentences
from anchorwatch.reports.page import page
from anchorwatch.reports.recording import record
from collector.event import STOPPED, Event, Kind, rfc3339
from detectors.intent import parse_intent
from tests.unit.recorded_cutovers import (
    CONTROLLERS,
    ENDS,
    SITES,
    bars,
    drawn,
    moment,
    recorded,
    told,
)
from tests.unit.rules.scenes import HOUR, SECOND, START, make
from tests.unit.rules.test_cutover import AT, INTENT, OPENS, ask_back, moved_state, rules, step


def test_rules_that_are_left_are_named_at_their_place() -> None:
    record = recorded(
        step(Kind.ANNOUNCE, "new-pe1", AT),
        step(Kind.WITHDRAW, "legacy-pe", AT + 5 * SECOND),
        rules(Kind.WITHDRAW, AT + 10 * SECOND, "r1"),
        until=AT + 300 * SECOND,
    )
    facts = told(record)
    assert (facts["outcome"], facts["phase"]) == ("under way", "moved")
    assert facts["broken"] == [
        "the deadline was missed",
        "rules are left at 1 vantage point",
    ]
    assert facts["timers"]["total"]["seconds"] == 300
    assert facts["timers"]["total"]["until"] is None
    picture = drawn(record)
    assert picture is not None
    assert (picture.begun, picture.ended) == (AT, AT + 300 * SECOND)  # it is told so far
    assert [(each["at"], each["proof"], each["left"]) for each in facts["flush"]] == [
        (CONTROLLERS[0], "seen gone", 0),
        (CONTROLLERS[1], "left", 1),
    ]
    (left,) = facts["rules_left"]
    assert (left["rule"], left["routers"]) == (
        "destination 192.0.2.50/32 protocol =6 destination-port =8443",
        ["r2"],
    )
    assert f"left at {CONTROLLERS[1]} (1)" in " ".join(sentences(facts))


def test_a_rule_that_went_with_its_session_is_not_proven_gone() -> None:
    lost = make(Kind.FEED_DOWN, "r2", AT + 9 * SECOND, reason="connection lost")
    moved: list[list[Event] | Event] = [
        step(Kind.ANNOUNCE, "new-pe1", AT),
        step(Kind.WITHDRAW, "legacy-pe", AT + 5 * SECOND),
        rules(Kind.WITHDRAW, AT + 8 * SECOND, "r1"),
        lost,
    ]
    facts = told(recorded(*moved, until=AT + 60 * SECOND))
    assert [(each["at"], each["proof"]) for each in facts["flush"]] == [
        (CONTROLLERS[0], "seen gone"),
        (CONTROLLERS[1], "not seen"),
    ]
    assert [each["sees"] for each in facts["vantage_points"]] == [True, False]
    said = " ".join(sentences(facts))
    assert f"not seen at {CONTROLLERS[1]}" in said
    assert f"these vantage points did not see: {SITES[1]}" in said
    what = [(each["at"], each["what"]) for each in facts["happened"] if each["time"] == moment(9)]
    assert (SITES[1], "does not see any more: the feed went down") in what
    assert not any("no more" in each for _, each in what)

    again = [event for event in moved_state(AT + 30 * SECOND) if event.router == "r2"]
    facts = told(recorded(*moved, again))
    assert facts["outcome"] == "complete"
    assert [
        (each["at"], each["proof"], each.get("gone"), each.get("how")) for each in facts["flush"]
    ] == [
        (CONTROLLERS[0], "seen gone", moment(8), "withdrawn"),
        (CONTROLLERS[1], "seen gone", moment(30), "its table came again without them"),
    ]


def test_an_overlap_and_a_gap_that_are_too_long_are_told_each_on_its_own() -> None:
    facts = told(
        recorded(
            step(Kind.ANNOUNCE, "new-pe1", AT),
            step(Kind.WITHDRAW, "new-pe1", AT + 40 * SECOND),
            step(Kind.WITHDRAW, "legacy-pe", AT + 41 * SECOND),
            step(Kind.ANNOUNCE, "new-pe1", AT + 43 * SECOND),
            rules(Kind.WITHDRAW, AT + 50 * SECOND),
        )
    )
    assert facts["overlaps"] == [{"from": moment(0), "until": moment(40), "seconds": 40}]
    assert facts["gaps"] == [{"from": moment(41), "until": moment(43), "seconds": 2}]
    assert facts["broken"] == [
        "both sites advertised for too long",
        "nobody advertised for too long",
    ]
    assert headline(facts).startswith("Complete, but both sites advertised for too long and ")


def test_one_that_was_rolled_back_tells_the_word_and_the_proof() -> None:
    asked = AT + 20 * SECOND
    record = recorded(
        step(Kind.ANNOUNCE, "new-pe1", AT),
        step(Kind.WITHDRAW, "legacy-pe", AT + 5 * SECOND),
        ask_back(asked),
        step(Kind.ANNOUNCE, "legacy-pe", asked + 2 * SECOND),
        step(Kind.WITHDRAW, "new-pe1", asked + 4 * SECOND),
        last_word=asked,
    )
    facts = told(record)
    assert (facts["outcome"], facts["broken"]) == ("rolled back", [])
    assert [each["step"] for each in facts["steps"]] == [
        *("begun", "both", "moved", "rollback", "rolled_back"),
    ]
    assert facts["timers"]["total"]["until"] == rfc3339(asked)
    assert facts["timers"]["going_back"] == {
        "seconds": 4,
        "limit": 120,
        "kept": True,
        "from": rfc3339(asked),
        "until": rfc3339(asked + 4 * SECOND),
    }
    assert [each["seconds"] for each in facts["overlaps"]] == [5, 2]
    said = " ".join(sentences(facts))
    assert "Going back was asked for at" in said
    assert f"held at {CONTROLLERS[0]} (1), {CONTROLLERS[1]} (1)" in said
    picture = drawn(record)
    assert picture is not None
    assert (picture.begun, picture.ended) == (asked, asked + 4 * SECOND)


def test_one_whose_going_back_never_ends_is_under_the_deadline() -> None:
    facts = told(
        recorded(
            step(Kind.ANNOUNCE, "new-pe1", AT),
            ask_back(AT + 10 * SECOND),
            until=AT + 200 * SECOND,
            last_word=AT + 10 * SECOND,
        )
    )
    assert facts["outcome"] == "going back"
    assert facts["broken"] == ["going back took too long", "both sites advertised for too long"]


@pytest.mark.parametrize(
    ("until", "outcome", "line"),
    [
        (OPENS - SECOND, "ahead", "Its window is still ahead"),
        (AT, "waiting", "Its window is open; the first step is still to come"),
        (
            START + HOUR,
            "not begun",
            "Not begun: its window passed without a first step",
        ),
    ],
)
def test_one_that_never_began(until: int, outcome: str, line: str) -> None:
    record = recorded(until=until)
    facts = told(record)
    assert (facts["outcome"], headline(facts)) == (outcome, line)
    assert (facts["steps"], facts["happened"], facts["overlaps"]) == ([], [], [])
    assert "total" not in facts["timers"]
    assert record.until == min(until, ENDS + 1)
    assert {each["proof"] for each in facts["flush"]} <= {"held"}


def test_where_nobody_looked_nothing_is_said_of_it() -> None:
    intent = parse_intent(INTENT)
    nobody = record([], intent, intent.cutovers[0], until=START + HOUR)
    facts = told(nobody)
    assert (facts["outcome"], facts["broken"], facts["routers"]) == ("not seen", [], [])
    assert headline(facts).startswith("Nothing was seen of it")
    text = page(facts, drawn(nobody), [], [])
    assert "No router has ever been connected: nothing could be seen." in text
    assert "saw all that its feeds show" not in text


def test_a_later_cutover_of_the_service_ends_the_record() -> None:
    later = (
        f"  - {{name: again, service: web, from: legacy-pe, to: [new-pe2],\n"
        f"     window: [{rfc3339(ENDS)}, {rfc3339(ENDS + 60 * SECOND)}]}}\n"
    )
    record = recorded(step(Kind.ANNOUNCE, "new-pe1", AT), text=INTENT + later)
    facts = told(record)
    assert (facts["until"], facts["superseded_by"]) == (rfc3339(ENDS), "again")
    assert headline(facts).startswith("Never completed: again came in its place: the deadline")


def test_while_the_watch_is_stopped_nothing_is_known() -> None:
    down = [
        make(Kind.FEED_DOWN, router, AT + 20 * SECOND, reason=STOPPED, epoch=START)
        for router in ("r1", "r2")
    ]
    record = recorded(
        step(Kind.ANNOUNCE, "new-pe1", AT),
        step(Kind.WITHDRAW, "legacy-pe", AT + 5 * SECOND),
        down,
        moved_state(AT + 60 * SECOND),
        until=AT + 90 * SECOND,
    )
    facts = told(record)
    what = {each["time"]: each["what"] for each in facts["happened"] if not each["at"]}
    assert what[moment(20)] == "the watch was stopped"
    assert what[moment(60)] in ("complete", "the watch runs again")
    assert facts["steps"][-1] == {"step": "complete", "time": moment(60), "after": 60}
    blind = [each for each in bars(record, "new-pe1") if each[0] is Look.BLIND]
    assert blind[0][:3] == (Look.BLIND, 20, 60)
