"""What the Flowspec dashboard says of known rules, and of those that an incident only lists."""

from __future__ import annotations

import pytest

from tests.integration.dashboards.made import LEFT_OVER
from tests.integration.dashboards.played import Played
from tests.unit.rules.scenes import ALLOWED, KILL_SWITCH


@pytest.mark.parametrize(
    ("at", "detector", "why"),
    [
        (5, "redirect_target", "10.100.0.254"),  # which nobody advertises yet
        (21, "cutover", "left"),  # at the deadline
    ],
)
def test_a_rule_that_an_incident_lists_has_a_finding(
    moves: Played, at: float, detector: str, why: str
) -> None:
    (rule,) = moves.answer("flowspec.json", "Rules now", at)
    assert (rule["rule"], rule["verdict"]) == (ALLOWED, "critical")
    assert why in rule["why"]
    assert moves.answer("flowspec.json", "Rules with a finding", at) == [{"rules": 1}]
    assert moves.answer("flowspec.json", "Kill switches", at) == [{"rules": 0}]
    (finding,) = (
        row for row in moves.answer("flowspec.json", "Findings", at) if row["state"] != "resolved"
    )
    assert (finding["rule"], finding["summary"]) == (ALLOWED, rule["why"])
    (opened,) = (
        row
        for row in moves.answer("overview.json", "Open incidents", at)
        if row["id"] == finding["id"]
    )
    assert opened["detector"] == detector


def test_a_rule_is_without_a_finding_when_no_open_incident_lists_it(moves: Played) -> None:
    (rule,) = moves.answer("flowspec.json", "Rules now", 14)
    assert (rule["rule"], rule["verdict"], rule["why"]) == (ALLOWED, "no finding", "")
    assert moves.answer("flowspec.json", "Rules with a finding", 14) == [{"rules": 0}]


@pytest.mark.parametrize(
    ("at", "rules", "oldest"), [(4, 6, 4), (10, 3, 10), (20, 1, 20), (26, 2, 26), (31, 0, 0)]
)
def test_rules_are_counted_and_the_oldest_is_told(
    story: Played, at: float, rules: int, oldest: float
) -> None:
    assert story.answer("flowspec.json", "Rules", at) == [{"rules": rules}]
    (row,) = story.answer("flowspec.json", "Oldest rule", at)
    assert row["oldest"] == pytest.approx(oldest, abs=0.01)


@pytest.mark.parametrize(("at", "found"), [(4, 0), (21, 0), (23, 1), (26, 2), (29.5, 1), (31, 0)])
def test_rules_with_a_finding_are_counted(story: Played, at: float, found: int) -> None:
    """One is left over from 21.87 to 30.16, and there is a kill switch from 25.14 to 29.15."""
    assert story.answer("flowspec.json", "Rules with a finding", at) == [{"rules": found}]


def test_the_age_of_a_rule_is_since_it_came(story: Played) -> None:
    ages = {row["rule"]: row["age"] for row in story.answer("flowspec.json", "Rules now", 26)}
    assert ages == {
        KILL_SWITCH: pytest.approx(26 - 25.139, abs=0.01),
        LEFT_OVER: pytest.approx(26, abs=0.01),
    }


def test_changes_of_rules_are_counted(story: Played) -> None:
    # 6 in each of three views, and the kill switch; each goes at the peer and in the Loc-RIB.
    assert story.totals("flowspec.json", "Changes") == {"announce": 19, "withdraw": 13}


def test_a_finding_says_which_clause_fails_and_when(story: Played) -> None:
    (found,) = (r for r in story.answer("flowspec.json", "Findings") if r["kill_switch"])
    assert (found["rule"], found["state"], found["severity"]) == (
        KILL_SWITCH,
        "resolved",
        "critical",
    )
    assert (story.seconds(found["opened"]), story.seconds(found["changed"])) == (25.14, 29.15)
    assert "tcp/179" in story.answer("flowspec.json", "Rules now", 26)[0]["why"]
    assert story.answer("flowspec.json", "Findings", 11) == []
    (left,) = story.answer("flowspec.json", "Findings", 23)
    assert (left["rule"], left["state"], left["kill_switch"]) == (LEFT_OVER, "updated", 0)


def test_the_life_of_a_rule_is_told_at_each_place(story: Played) -> None:
    lanes = story.lanes("flowspec.json", "Lives of rules", 32)
    redirects = "redirect-to-nexthop 10.100.0.254"
    first = "destination 192.0.2.50/32 protocol =6 destination-port =8443 at controller"
    for place in ("from 10.0.9.9", "loc-rib"):
        assert lanes[f"{first} {place}"][-2:] == [(0.0, redirects), (7.57, "gone")]
        assert lanes[f"{LEFT_OVER} at controller {place}"][-2:] == [
            (0.0, redirects),
            (30.16, "gone"),
        ]
    assert lanes[f"{KILL_SWITCH} at controller loc-rib"][-2:] == [
        (25.14, "discard"),
        (29.15, "gone"),
    ]
    assert len(lanes) == 13  # six rules at the peer and in the Loc-RIB, and one in that alone
