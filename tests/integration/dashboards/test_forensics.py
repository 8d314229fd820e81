"""What forensics answers where what is looked into is no prefix, and how a row leads to it."""

from __future__ import annotations

import pytest

from dashboards.build import content, demo_intent
from tests.integration.dashboards.played import Played

PANELS = [panel["title"] for panel in content("forensics.json", demo_intent())["panels"]]


@pytest.mark.parametrize("title", PANELS)
def test_what_is_no_prefix_has_no_rows(title: str, story: Played) -> None:
    for typed in (
        *("", " ", "/", "web", "it's", "192.0.2.60", "192.0.2.60/", "192.0.2.60/33"),
        *("192.0.2/24", "192.0.2.60/32/1", "192.0.2.60/0x20", "2001:db8::/129", "2001:db8::g/48"),
    ):
        assert story.answer("forensics.json", title, 26, prefix=typed) == [], typed


def test_an_incident_leads_to_the_dashboard_that_can_tell_more(
    story: Played, moves: Played
) -> None:
    def told(played: Played, at: float) -> dict[str, tuple[str, str]]:
        rows = played.answer("overview.json", "Open incidents", at)
        return {row["detector"]: (row["look_into"], row["prefix"]) for row in rows}

    assert told(story, 26) == {
        "cutover": ("forensics", "192.0.2.60/32"),
        "flowspec_policy": ("flowspec", ""),
    }
    assert told(moves, 75)["feed_blind"] == ("collector", "")


BEAST = "192.0.2.60/32"


def test_the_timeline_tells_who_advertised_it_at_each_place(story: Played) -> None:
    lanes = story.lanes("forensics.json", "Who advertised the prefix", 32, prefix=BEAST)
    assert {lane: told[1:] for lane, told in lanes.items()} == {
        "controller from 10.0.0.1": [(0.0, "legacy-pe"), (17.97, "nobody")],
        "controller from 10.0.1.1": [(0.0, "nobody"), (11.87, "new-pe1")],
        "controller loc-rib": [(0.0, "legacy-pe"), (17.97, "new-pe1")],
    }


def test_changes_of_the_prefix_are_counted_in_all_views(story: Played) -> None:
    assert story.totals("forensics.json", "Changes", prefix=BEAST) == {
        "controller announce": 6,  # three of the tables, and three of the new site
        "controller withdraw": 2,  # before policy and after it; the Loc-RIB only changes
    }


def test_messages_tell_routes_rules_sessions_and_incidents(story: Played) -> None:
    rows = story.answer("forensics.json", "Messages", prefix=BEAST)
    assert [row["timestamp"] for row in rows] == sorted(
        (r["timestamp"] for r in rows), reverse=True
    )

    def told(words: str) -> list[tuple[float, str, str]]:
        return [
            (story.seconds(row["timestamp"]), row["level"], row["body"])
            for row in rows
            if words in row["body"]
        ]

    assert (
        told(f"withdraw {BEAST}")
        == [
            (17.97, "warning", f"controller 10.0.0.1 withdraw {BEAST}"),
        ]
        * 2
    )
    assert len(told(f"announce {BEAST} next hop 10.0.0.1")) == 3
    assert len(told(f"announce {BEAST} next hop 10.0.1.1")) == 3
    rules = told(f"rule destination {BEAST}")
    assert [at for at, level, _ in rules if level == "warning"] == [
        *(30.16, 30.16, 19.02, 19.02, 18.92, 18.92),
    ]
    assert len(rules) == 15  # and three rules that came in three views
    assert all(" raw 03" in body for _, _, body in rules)
    assert [(at, body.split()[2]) for at, _, body in told("incident ")] == [
        (30.16, "resolved:"),
        (21.87, "updated:"),
        (17.97, "updated:"),
        (15.87, "open:"),
    ]
    assert [(at, level) for at, level, _ in told("feed-down")] == [(32.76, "error")]
    assert len(told("peer-up")) == 4
    assert not told("192.0.2.50")
