"""What the panels say of known moments of the recordings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.dashboards.played import Played


@pytest.mark.parametrize(("at", "critical"), [(4.0, 0), (17.0, 1), (23.0, 1), (26.0, 2), (32.0, 0)])
def test_the_wall_counts_what_is_open(story: Played, at: float, critical: int) -> None:
    assert story.answer("overview.json", "Critical", at) == [{"open": critical}]
    assert len(story.answer("overview.json", "Open incidents", at)) == critical


def test_the_wall_tells_who_advertises_what(story: Played) -> None:
    def told(at: float | None) -> dict[str, tuple[str, str]]:
        rows = story.answer("overview.json", "Services and anycast addresses", at)
        return {row["name"]: (row["state"], row["advertised_by"]) for row in rows}

    calm = "no incident"
    anchor = (calm, "new-pe1, new-pe2")
    assert told(4) == {
        "web": (calm, "legacy-pe"),
        "beast": (calm, "legacy-pe"),
        "flowspec-anchor": anchor,
    }
    assert told(17) == {
        "web": (calm, "new-pe1"),
        "beast": ("critical", "legacy-pe, new-pe1"),
        "flowspec-anchor": anchor,
    }
    assert told(32)["beast"] == (calm, "new-pe1")
    assert set(told(None).values()) == {(calm, "not seen")}  # the recording's session has ended


def test_the_wall_tells_how_each_address_fared(story: Played) -> None:
    rows = story.answer("overview.json", "How each watched address fared")
    assert [row["state"] for row in rows if row["lane"] == "beast"] == [
        "no incident",
        "critical",
        "no incident",
    ]
    assert [row["state"] for row in rows if row["lane"] == "web"] == ["no incident"]


def test_the_wall_tells_which_feeds_are_seen(story: Played) -> None:
    rows = story.answer("overview.json", "Feeds")
    assert [(row["lane"], row["state"]) for row in rows] == [
        ("controller (bmp)", "dumping"),
        ("controller (bmp)", "seen"),
        ("controller (bmp)", "down"),
    ]
    (now,) = story.answer("overview.json", "Feeds now", 20)
    assert (now["state"], now["peers_up"]) == ("seen", 4)


@pytest.mark.parametrize(
    ("cutover", "at", "phase", "rules"),
    [
        ("web-cutover", 4, "armed", 3),
        ("web-cutover", 6, "both", 3),
        ("web-cutover", 7, "moved", 3),
        ("web-cutover", 10, "complete", 0),
        ("beast-cutover", 10, "armed", 3),
        ("beast-cutover", 17, "both", 3),
        ("beast-cutover", 20, "moved", 1),
        ("beast-cutover", 31, "complete", 0),
    ],
)
def test_the_cutover_room_follows_the_phases(
    story: Played, cutover: str, at: float, phase: str, rules: int
) -> None:
    def one(title: str) -> Any:
        (row,) = story.answer("cutover.json", title, at, cutover=cutover)
        (value,) = row.values()
        return value

    assert one("Phase") == phase
    assert one("Rules left") == rules
    (limits,) = story.answer("cutover.json", "Limits", at, cutover=cutover)
    assert (limits["gap used"], limits["cannot see"]) == (0, 0)
    assert (limits["deadline used"] > 0) == (phase != "armed")
    left = story.answer("cutover.json", "Flowspec rules left", at, cutover=cutover)
    assert len(left) == rules
    assert all(row["shown_by"] == "controller from 10.0.9.9, controller loc-rib" for row in left)


def test_the_cutover_room_measures_each_step(story: Played) -> None:
    def timers(cutover: str) -> dict[str, tuple[float, float]]:
        rows = story.answer("cutover.json", "Timers", 32, cutover=cutover)
        return {row["step"]: (round(row["taken"], 2), row["allowed"]) for row in rows}

    assert timers("web-cutover") == {
        "first step to last": (2.75, 10.0),
        "both advertise": (1.6, 4.0),
        "nobody advertises": (0.0, 0.0),
    }
    assert timers("beast-cutover") == {
        "first step to last": (18.29, 10.0),
        "both advertise": (6.1, 4.0),
        "nobody advertises": (0.0, 0.0),
    }


def test_the_cutover_room_shows_who_advertises_at_each_vantage_point(story: Played) -> None:
    rows = story.answer("cutover.json", "Who advertises the address", 32, cutover="beast-cutover")
    lanes: dict[str, list[str]] = {}
    for row in rows:
        lanes.setdefault(row["lane"], []).append(row["state"])
    assert lanes == {
        "controller from 10.0.0.1": ["not seen", "legacy-pe", "nobody"],
        "controller from 10.0.1.1": ["not seen", "nobody", "new-pe1"],
        "controller loc-rib": ["not seen", "legacy-pe", "new-pe1"],
    }


def test_flowspec_tells_the_kill_switch_first(story: Played) -> None:
    rows = story.answer("flowspec.json", "Rules now", 26)
    assert [(row["verdict"], row["rule"], row["actions"]) for row in rows] == [
        ("kill switch", "destination 0.0.0.0/0 port =179", "discard"),
        (
            "critical",  # it is left over by the cutover, which lists it
            "destination 192.0.2.60/32 protocol =6 destination-port =2883",
            "redirect-to-nexthop 10.100.0.254",
        ),
    ]
    assert story.answer("flowspec.json", "Kill switches", 26) == [{"rules": 1}]
    assert story.answer("flowspec.json", "Kill switches", 30) == [{"rules": 0}]


def test_flowspec_counts_the_rules_over_time(story: Played) -> None:
    rows = story.answer("flowspec.json", "Rules over time")
    counts = [row["rules"] for row in rows]
    assert max(counts) == 6
    distinct = [n for i, n in enumerate(counts) if i == 0 or counts[i - 1] != n]
    assert distinct == [1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1, 2, 1, 0]


def test_forensics_tells_the_rib_and_the_incidents(story: Played) -> None:
    def sites(at: float) -> set[tuple[str, str]]:
        rows = story.answer(
            "forensics.json", "RIB at the end of the time range", at, prefix="192.0.2.60/32"
        )
        return {(row["peer"] or row["view"], row["site"]) for row in rows}

    assert sites(4) == {("10.0.0.1", "legacy-pe"), ("loc-rib", "legacy-pe")}
    assert sites(17) == {*sites(4), ("10.0.1.1", "new-pe1")}
    assert sites(20) == {("10.0.1.1", "new-pe1"), ("loc-rib", "new-pe1")}
    named = story.answer("forensics.json", "Incidents that name it", prefix="192.0.2.60/32")
    assert [row["detector"] for row in named] == ["cutover"]
    evidence = story.answer("forensics.json", "Evidence", prefix="192.0.2.60/32")
    assert evidence
    assert all(" raw 03" in row["body"] for row in evidence)  # BMP of version 3


def test_a_router_can_be_chosen(story: Played) -> None:
    title = "History"
    some = story.answer("forensics.json", title, prefix="192.0.2.60/32", router="controller")
    assert len(some) == 8
    none = story.answer("forensics.json", title, prefix="192.0.2.60/32", router="it's another")
    assert none == []


def test_anycast_agrees_with_the_detector_about_the_penalty(flap: Played) -> None:
    findings = {row["detector"]: row for row in flap.answer("anycast.json", "Findings")}
    assert set(findings) == {"anchor_redundancy", "flapping"}
    told = findings["flapping"]
    assert told["severity"] == "critical"
    said = float(told["summary"].partition("flap penalty ")[2].split()[0])
    at = told["changed"].timestamp() - flap.begin / 1000
    rows = flap.answer("anycast.json", "Flap penalty", at + 0.001)
    assert {row["name"] for row in rows} == {"flowspec-anchor new-pe2"}
    assert rows[-1]["penalty"] == pytest.approx(said, abs=2)
    limits = [
        dict(zip(("time", "name", "penalty"), row, strict=True))
        for row in flap.ask(flap.question("anycast.json", "Flap penalty")[1])[1]
    ]
    assert {(row["name"], row["penalty"]) for row in limits} == {
        ("flowspec-anchor suppress", 2000.0),
        ("flowspec-anchor reuse", 750.0),
    }


def test_anycast_tells_each_move(flap: Played) -> None:
    moves = flap.answer("anycast.json", "Moves")
    assert {(row["name"], row["lost"]) for row in moves} == {("flowspec-anchor", "new-pe2")}
    assert all(row["vantage_points"] >= 1 and row["seconds"] >= 0 for row in moves)
    counts = [row["sites"] for row in flap.answer("anycast.json", "Sites over time")]
    steps = [n for i, n in enumerate(counts) if i == 0 or counts[i - 1] != n]
    assert steps == [1, *[2, 1] * 6, 2, 0]  # six withdrawals, and then the recording ends


def test_anycast_tells_what_probes_found(flap: Played) -> None:
    rows = flap.answer("anycast.json", "Probes")
    assert {row["lane"] for row in rows} == {"flowspec-anchor at new-pe2 by new-pe2"}
    assert [row["state"] for row in rows] == ["healthy", "failed", "healthy"]
