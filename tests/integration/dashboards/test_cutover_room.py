"""What the cutover room says of moves that do not go, or are not seen, as planned."""

from __future__ import annotations

import pytest

from collector.event import rfc3339
from dashboards.build import content, demo_intent
from detectors.engine import Engine
from detectors.progress import Progress
from tests.integration.dashboards.made import MOVES, heard
from tests.integration.dashboards.played import Played


def phase(played: Played, at: float, cutover: str) -> str:
    (row,) = played.answer("cutover.json", "Phase", at, cutover=cutover)
    return str(row["phase"])


def progress(played: Played, cutover: str, at: float) -> Progress:
    """What the detector remembers of a cutover at that moment."""
    engine = Engine(played.intent)
    for event in heard(MOVES):
        if event.received <= (played.begin + at * 1000) * 10**6:
            engine.process(event)
    (found,) = (each for each in engine.cutovers if each.name == cutover)
    return found


def timers(played: Played, cutover: str, at: float) -> dict[str, tuple[float, float, float]]:
    rows = played.answer("cutover.json", "Timers", at, cutover=cutover)
    return {
        row["step"]: (round(row["taken"], 3), row["allowed"], round(row["used"], 3)) for row in rows
    }


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (29, "armed"),
        (30.5, "both"),
        (31.5, "not seen"),  # only the new site is seen; the old one may be there
        (32.5, "both"),
        (34, "not seen"),  # only the old site is seen, and the first step was taken
        (35.5, "both"),
        (37, "complete"),
    ],
)
def test_a_feed_that_is_lost_takes_no_step_back_or_forth(
    moves: Played, at: float, told: str
) -> None:
    assert phase(moves, at, "beast-cutover") == told
    (limits,) = moves.answer("cutover.json", "Limits", at, cutover="beast-cutover")
    assert limits["cannot see"] == (1 if told == "not seen" else 0)


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (9, "armed"),
        (12, "both"),
        (14, "armed"),  # the new site withdrew, and everybody could see it
        (16, "both"),
        (17.5, "moved"),
        (19, "nobody"),
        (22.2, "moved"),
        (22.5, "moved"),  # its rule cannot be seen, which does not prove it gone
        (22.8, "moved"),
        (24, "complete"),
        (45, "complete"),  # a feed is lost that had seen the old site go
    ],
)
def test_what_is_seen_counts_and_what_is_hidden_does_not(
    moves: Played, at: float, told: str
) -> None:
    assert phase(moves, at, "web-cutover") == told


def test_the_longest_overlap_and_gap_count_as_the_detector_has_them(moves: Played) -> None:
    told = timers(moves, "web-cutover", 24)
    assert told["both advertise"] == (3.2, 4.0, 0.8)
    assert told["nobody advertises"] == (2.0, 5.0, 0.4)
    known = progress(moves, "web-cutover", 24)
    assert (known.overlap / 1e9, known.gap / 1e9) == (3.2, 2.0)
    (limits,) = moves.answer("cutover.json", "Limits", 24, cutover="web-cutover")
    assert limits["overlap used"] == pytest.approx(0.8, abs=0.001)
    assert limits["gap used"] == pytest.approx(0.4, abs=0.001)


def test_an_overlap_goes_on_while_one_of_the_two_cannot_be_seen(moves: Played) -> None:
    assert timers(moves, "beast-cutover", 34)["both advertise"] == (4.0, 4.0, 1.0)
    told = timers(moves, "beast-cutover", 38)
    assert told["both advertise"] == (6.0, 4.0, 1.5)
    assert told["nobody advertises"] == (0.0, 5.0, 0.0)
    assert progress(moves, "beast-cutover", 38).overlap == 6 * 10**9
    (limits,) = moves.answer("cutover.json", "Limits", 38, cutover="beast-cutover")
    assert limits["overlap used"] == pytest.approx(1.5, abs=0.001)


def test_shares_of_a_limit_turn_orange_before_it_and_red_at_it() -> None:
    panels = {p["title"]: p for p in content("cutover.json", demo_intent())["panels"]}
    shares = [("Limits", f"{name} used") for name in ("deadline", "overlap", "gap")]
    for title, column in (*shares, ("Timers", "used")):
        (override,) = (
            each["properties"]
            for each in panels[title]["fieldConfig"]["overrides"]
            if each["matcher"]["options"] == column
        )
        of = {each["id"]: each["value"] for each in override}
        assert of["unit"] == "percentunit"
        assert [(step["value"], step["color"]) for step in of["thresholds"]["steps"]] == [
            (None, "dark-green"),
            (0.75, "dark-orange"),
            (1.0, "dark-red"),
        ]
        if title == "Timers":
            assert of["custom.cellOptions"]["type"] == "color-background"


def test_phases_follow_each_other(story: Played, moves: Played) -> None:
    def told(played: Played, cutover: str) -> list[tuple[float, str]]:
        (lane,) = played.lanes("cutover.json", "Phases", 32, cutover=cutover).values()
        return lane

    assert told(story, "web-cutover") == [
        (0.0, "not seen"),
        (0.0, "armed"),
        (5.02, "both"),
        (6.61, "moved"),
        (7.77, "complete"),
    ]
    assert told(story, "beast-cutover")[2:] == [
        (11.87, "both"),
        (17.97, "moved"),
        (30.16, "complete"),
    ]
    assert told(moves, "beast-cutover")[-3:] == [(30.0, "both"), (31.0, "not seen"), (32.0, "both")]


def test_the_plan_is_that_of_the_intent(story: Played) -> None:
    (row,) = story.answer("cutover.json", "The plan", cutover="beast-cutover")
    window = [row.pop("window_begins"), row.pop("window_ends")]
    assert f"[{', '.join(rfc3339(round(m.timestamp() * 1000) * 10**6) for m in window)}]" == (
        story.window
    )
    assert row == {
        "cutover": "beast-cutover",
        "service": "beast",
        "prefix": "192.0.2.60/32",
        "from_site": "legacy-pe",
        "to_sites": "new-pe1",
        "policy": "migration-beast",
    }


def test_events_tell_what_happened_the_newest_first(story: Played) -> None:
    rows = story.answer("cutover.json", "Events", 32, cutover="web-cutover")
    told = [(story.seconds(row["time"]), row["what"], row["place"]) for row in rows]
    place = "controller from 10.0.9.9", "controller loc-rib"
    rules = [(at, "rule gone", where) for at in (7.77, 7.67, 7.57) for where in reversed(place)]
    assert [(at, *rest) for at, *rest in told if 3 < at < 10] == [
        *rules,
        (6.61, "advertised by new-pe1", "controller loc-rib"),
        (6.61, "not advertised", "controller from 10.0.0.1"),
        (5.02, "advertised by new-pe1", "controller from 10.0.1.1"),
    ]
    beast = story.answer("cutover.json", "Events", 32, cutover="beast-cutover")
    assert [
        (story.seconds(row["time"]), row["what"])
        for row in beast
        if row["what"].startswith("incident")
    ] == [
        (30.16, "incident resolved"),
        (21.87, "incident updated"),
        (17.97, "incident updated"),
        (15.87, "incident open"),
    ]
    (wall,) = story.answer("overview.json", "Open incidents", 20)
    assert {row["id"] for row in beast} == {"", wall["id"]}
    assert all(bool(row["id"]) == row["what"].startswith("incident") for row in beast)


@pytest.mark.parametrize(
    ("cutover", "at", "deadline", "overlap"),
    [
        ("web-cutover", 32, (7.766 - 5.016) / 10, (6.613 - 5.016) / 4),
        ("web-cutover", None, (7.766 - 5.016) / 10, (6.613 - 5.016) / 4),  # nothing is seen then
        ("beast-cutover", 17, (17 - 11.870) / 10, (17 - 11.870) / 4),
        ("beast-cutover", 26, (26 - 11.870) / 10, (17.971 - 11.870) / 4),
    ],
)
def test_limits_are_told_as_shares(
    story: Played, cutover: str, at: float | None, deadline: float, overlap: float
) -> None:
    (limits,) = story.answer("cutover.json", "Limits", at, cutover=cutover)
    assert limits["deadline used"] == pytest.approx(deadline, abs=0.001)
    assert limits["overlap used"] == pytest.approx(overlap, abs=0.001)
    assert limits["gap used"] == 0
