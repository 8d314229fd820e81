"""The report of a cutover: what it tells of one that went well, and what else stands in it."""

from __future__ import annotations

from typing import Any

from anchorwatch.pictures.scale import clock
from anchorwatch.pictures.swimlane import Look
from anchorwatch.reports.cutover import cutover_facts, headline, sentences
from anchorwatch.reports.page import page
from collector.event import Kind, parse_rfc3339, rfc3339
from tests.unit.recorded_cutovers import (
    CONTROLLERS,
    ENDS,
    SITES,
    bars,
    clean,
    drawn,
    moment,
    recorded,
    told,
)
from tests.unit.rules.scenes import SECOND, START
from tests.unit.rules.test_cutover import AT, INTENT, OPENS, step


def test_a_clean_one_is_told_to_the_moment_and_place_by_place() -> None:
    record = recorded(clean())
    facts = told(record)
    assert (facts["outcome"], facts["broken"], facts["phase"]) == ("complete", [], "complete")
    assert [(each["step"], each["time"], each["after"]) for each in facts["steps"]] == [
        ("begun", moment(0), 0),
        ("both", moment(0), 0),
        ("moved", moment(6), 6),
        ("flushed", moment(11), 11),
        ("complete", moment(11), 11),
    ]
    assert facts["timers"]["total"] == {
        "seconds": 11,
        "limit": 120,
        "kept": True,
        "from": moment(0),
        "until": moment(11),
    }
    assert facts["timers"]["overlap"] == {"seconds": 6, "limit": 30, "kept": True}
    assert facts["timers"]["gap"] == {"seconds": 0, "limit": 1, "kept": True}
    assert facts["overlaps"] == [{"from": moment(0), "until": moment(6), "seconds": 6}]
    assert facts["gaps"] == []
    assert [
        (each["at"], each["new_seen"], each["old_gone"], each["advertised_by"])
        for each in facts["vantage_points"]
    ] == [
        (SITES[0], moment(0), moment(5), ["new-pe1"]),
        (SITES[1], moment(0), moment(6), ["new-pe1"]),
    ]
    assert [
        (each["at"], each["proof"], each["gone"], each["how"], each["rules_at_most"])
        for each in facts["flush"]
    ] == [
        (CONTROLLERS[0], "seen gone", moment(10), "withdrawn", 1),
        (CONTROLLERS[1], "seen gone", moment(11), "withdrawn", 1),
    ]
    assert facts["rules_left"] == []
    assert headline(facts) == "Complete, within every limit"
    assert list(sentences(facts))[1:] == [
        (
            "It began at 2027-01-15 08:01:50.000 UTC, and it was complete at "
            "2027-01-15 08:02:01.000: 11 s of 2 min at most."
        ),
        "Both sites advertised for 6 s at the longest (30 s at most).",
        "It was never seen that nobody advertised.",
        (
            "Rules of migration: seen gone at 2 of 2 vantage points, the last at "
            "2027-01-15 08:02:01.000 UTC."
        ),
    ]


def test_what_happened_is_in_order_and_names_each_place() -> None:
    facts = told(recorded(clean()))
    assert [(each["time"], each["at"], each["what"]) for each in facts["happened"]] == [
        (moment(0), SITES[0], "shows new-pe1"),
        (moment(0), SITES[1], "shows new-pe1"),
        (moment(0), "", "the first step: it has begun"),
        (moment(0), "", "old and new site both advertise"),
        (moment(5), SITES[0], "shows legacy-pe no more"),
        (moment(6), SITES[1], "shows legacy-pe no more"),
        (moment(6), "", "moved: every vantage point that saw the old site sees a new one instead"),
        (moment(10), CONTROLLERS[0], "holds no rule any more"),
        (moment(11), CONTROLLERS[1], "holds no rule any more"),
        (moment(11), "", "flushed: every vantage point that showed rules shows none"),
        (moment(11), "", "complete"),
    ]


def test_the_picture_has_a_lane_for_each_site_and_for_the_rules() -> None:
    record = recorded(clean())
    end = (record.until - AT) / SECOND
    opens = (OPENS - AT) / SECOND
    assert bars(record, "legacy-pe") == [
        (Look.ADVERTISED, opens, 5, "2 of 2"),
        (Look.PARTLY, 5, 6, "1 of 2"),
        (Look.ABSENT, 6, end, ""),
    ]
    assert bars(record, "new-pe1") == [
        (Look.ABSENT, opens, 0, ""),
        (Look.ADVERTISED, 0, end, "2 of 2"),
    ]
    assert bars(record, "migration") == [
        (Look.HELD, opens, 10, "1 rule at 2"),
        (Look.HELD, 10, 11, "1 rule at 1"),
        (Look.ABSENT, 11, end, ""),
    ]
    assert bars(record, "overlap") == [(Look.BOTH, 0, 6, "6 s")]
    assert bars(record, "gap") == []


def test_a_rehearsal_is_compared_with_the_plan() -> None:
    window = f"[{rfc3339(ENDS + 100 * SECOND)}, {rfc3339(ENDS + 700 * SECOND)}]"
    real = (
        f"  - {{name: real, service: web, from: new-pe1, to: [new-pe2], window: {window},\n"
        "     deadline: 60s}\n"
    )
    text = INTENT.replace("flush: migration\n", "flush: migration\n    rehearsal_of: real\n") + real
    facts = told(recorded(clean(), text=text))
    assert facts["plan"]["rehearsal_of"] == "real"
    assert "Cutover move, a rehearsal of real, moves web" in next(sentences(facts))
    begin = ENDS + 200 * SECOND
    facts = told(
        recorded(
            clean(),
            step(Kind.ANNOUNCE, "new-pe2", begin),
            step(Kind.WITHDRAW, "new-pe1", begin + SECOND),
            text=text,
            name="real",
            until=begin + 2 * SECOND,
        )
    )
    assert facts["outcome"] == "complete"
    assert [(each["name"], each["seconds"]["total"]) for each in facts["earlier"]] == [
        ("move", 11.0)
    ]


def test_incidents_are_of_the_cutover_or_of_its_time() -> None:
    def transition(key: str, state: str, at: float, detector: str = "cutover") -> dict[str, Any]:
        return {
            "id": f"{detector}-{key}",
            "detector": detector,
            "key": key,
            "state": state,
            "severity": "critical",
            "summary": f"{key} {state}",
            "time": moment(at),
            "opened": moment(30),
        }

    facts = told(
        recorded(clean()),
        transition("move", "open", 30),
        transition("move", "resolved", 40),
        transition("move", "open", 35, "feed_blind"),
    )
    (mine,), (other,) = facts["incidents"], facts["other_incidents"]
    assert (mine["id"], mine["state"], mine["resolved"]) == ("cutover-move", "resolved", moment(40))
    assert [each["summary"] for each in mine["transitions"]] == ["move open", "move resolved"]
    assert (other["detector"], other["state"], other["resolved"]) == ("feed_blind", "open", None)
    assert facts["broken"] == ["its incident was opened"]
    many = [transition("move", "open", each, f"rule{each}") for each in range(40)]
    record = recorded(clean())
    text = page(cutover_facts(record, many, [], START), drawn(record), [], [])
    assert text.count("anchorwatch incident rule") == 30
    assert "The JSON beside this page has 10 more." in text


def test_hostile_names_stay_names_on_the_page() -> None:
    hostile = '<img src=x onerror=alert(1)>&"'
    text = INTENT.replace("name: move", f"name: '{hostile}'")
    record = recorded(clean(), text=text, name=hostile)
    shown = page(
        cutover_facts(record, [], [], START), drawn(record), [hostile], [(hostile, hostile)]
    )
    assert "<img" not in shown
    assert shown.count("&lt;img src=x onerror=alert(1)&gt;") > 5


def test_a_routers_clock_that_is_days_off_shows_its_date() -> None:
    record = recorded(clean())
    facts = told(record)
    (first, second, *_) = (each for each in facts["happened"] if each["at"])
    first["router_time"] = rfc3339(parse_rfc3339(first["time"]) - 86_400 * SECOND)
    second["router_time"] = second["time"]
    text = page(facts, drawn(record), [], [])
    was, same = clock(parse_rfc3339(first["router_time"])), clock(parse_rfc3339(second["time"]))
    assert f'<td class="when">{was}</td>' in text
    assert f'<td class="when">{same}</td><td class="when">{same[11:]}</td>' in text
