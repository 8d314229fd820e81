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
