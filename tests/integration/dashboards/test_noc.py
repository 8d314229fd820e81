"""What the wall counts and tells of known moments of the recordings."""

from __future__ import annotations

import pytest

from tests.integration.dashboards.played import Played


@pytest.mark.parametrize(
    ("at", "critical", "warnings", "unknown"),
    [
        (2.9, 0, 0, 0),
        (4.0, 1, 0, 0),  # a site withdrew at 3.01
        (5.5, 1, 1, 0),  # it flaps since 5.03
        (6.5, 2, 0, 0),  # and is likely to be suppressed since 6.04
        (None, 1, 0, 1),  # the session ended: whether the site is there, is not known
    ],
)
def test_the_wall_counts_by_severity_and_what_cannot_be_judged(
    flap: Played, at: float | None, critical: int, warnings: int, unknown: int
) -> None:
    for title, count in (
        ("Critical", critical),
        ("Warnings", warnings),
        ("Cannot be judged", unknown),
    ):
        assert flap.answer("overview.json", title, at) == [{"open": count}], title


def test_the_wall_tells_who_advertised_each_address_where(story: Played) -> None:
    lanes = story.lanes("overview.json", "Who advertised each watched address", 32)
    assert {lane: told[1:] for lane, told in lanes.items()} == {
        "web at controller from 10.0.0.1": [(0.0, "legacy-pe"), (6.61, "nobody")],
        "web at controller from 10.0.1.1": [(0.0, "nobody"), (5.02, "new-pe1")],
        "web at controller loc-rib": [(0.0, "legacy-pe"), (6.61, "new-pe1")],
        "beast at controller from 10.0.0.1": [(0.0, "legacy-pe"), (17.97, "nobody")],
        "beast at controller from 10.0.1.1": [(0.0, "nobody"), (11.87, "new-pe1")],
        "beast at controller loc-rib": [(0.0, "legacy-pe"), (17.97, "new-pe1")],
        "flowspec-anchor at controller from 10.0.1.1": [(0.0, "new-pe1")],
        "flowspec-anchor at controller from 10.0.1.2": [(0.0, "new-pe2")],
        "flowspec-anchor at controller loc-rib": [(0.0, "new-pe1")],
    }
    assert {told[0] for told in lanes.values()} == {(0.0, "not seen")}
    ended = story.lanes("overview.json", "Who advertised each watched address")
    assert {told[-1] for told in ended.values()} == {(32.76, "not seen")}


def test_the_wall_counts_transitions_and_changes(story: Played) -> None:
    # The cutover opens, gets better, leaves a rule over, ends; the kill switch comes and goes.
    assert story.totals("overview.json", "Incident transitions") == {
        "open": 2,
        "updated": 2,
        "resolved": 2,
    }
    # Of routes: 11 of the tables, and 3 for each site that comes; 2 for each that goes. Of rules:
    # 6 in each of three views, and the kill switch; each goes at the peer and in the Loc-RIB.
    assert story.totals("overview.json", "Route and rule changes") == {
        "announce": 17,
        "withdraw": 4,
        "rule announce": 19,
        "rule withdraw": 13,
    }
