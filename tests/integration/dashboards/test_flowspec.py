"""What the Flowspec dashboard says of rules that an incident names among others."""

from __future__ import annotations

import pytest

from tests.integration.dashboards.played import Played
from tests.unit.rules.scenes import ALLOWED


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
