"""Timelines: who advertised when, of rows that are made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from collector.store.life import ROUTE_CONTENT, ROUTE_KEY, Lives
from collector.store.timeline import State, Timeline, draw_up, end_of, seen_as

PREFIX = "192.0.2.50/32"
FIELDS = dict.fromkeys(
    (
        *("table_name", "rd", "nlri", "path_id", "as_path", "origin", "med", "local_pref"),
        *("labels", "communities", "ext_communities", "large_communities", "originator_id"),
        *("cluster_list", "next_hop", "peer_rd", "reason", "family"),
    ),
    "",
)
A, B, C, D = State.ADVERTISED, State.ABSENT, State.BLIND, State.NOT_YET_KNOWN
UP: list[tuple[Any, ...]] = [(1, "feed-up"), (2, "peer-up")]
MIRROR = {"provenance": "mirror"}
WHOLE = (5, "end-of-rib", {"peer": "", "view": ""})


def rows(events: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    made = []
    epoch = 0
    for sequence, (at, kind, *more) in enumerate(events):
        of_feed = kind.startswith("feed")
        epoch = at if kind == "feed-up" else epoch
        row = {
            **FIELDS,
            "at": at,
            "sequence": sequence,
            "epoch_at": epoch,
            "kind": kind,
            "provenance": "live",
            "router": "r1",
            "feed": "bmp",
            "peer": "" if of_feed else "10.0.0.1",
            "view": "" if of_feed else "adj-in-pre",
            "address": b"",
            "length": 128,
            "subject": PREFIX,
            "session": kind not in ("announce", "withdraw"),
            **(more[0] if more else {}),
        }
        if kind == "announce" and not row["next_hop"]:
            row["next_hop"] = row["peer"] or "10.0.0.1"
        made.append(row)
    return made


def drawn(events: list[tuple[Any, ...]], since: int | None = None, until: int = 30) -> Timeline:
    lives = Lives(ROUTE_KEY, ROUTE_CONTENT)
    return draw_up(PREFIX, rows(events), lives, seen_as, (since, until))


def spans(timeline: Timeline) -> dict[str, list[tuple[State, int, int]]]:
    return {
        lane.place: [(span.state, span.since, span.until) for span in lane.spans]
        for lane in timeline.lanes
    }


ONE = "r1 from 10.0.0.1 via 10.0.0.1"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([*UP, (3, "announce"), (9, "withdraw")], [(D, 1, 3), (A, 3, 9), (D, 9, 30)]),
        ([*UP, (3, "announce"), WHOLE, (9, "withdraw")], [(D, 1, 3), (A, 3, 9), (B, 9, 30)]),
        ([*UP, WHOLE, (9, "announce")], [(D, 1, 5), (B, 5, 9), (A, 9, 30)]),
        (
            [*UP, (3, "announce"), WHOLE, (9, "feed-down", {"reason": "gone"})],
            [(D, 1, 3), (A, 3, 9), (C, 9, 30)],
        ),
        (
            [*UP, (3, "announce"), WHOLE, (9, "feed-down"), (12, "feed-up"), (13, "announce")],
            [(D, 1, 3), (A, 3, 9), (C, 9, 13), (A, 13, 30)],
        ),
        (
            [*UP, (3, "announce"), WHOLE, (9, "feed-up"), (12, *WHOLE[1:])],
            [(D, 1, 3), (A, 3, 9), (C, 9, 12), (B, 12, 30)],
        ),
        (
            [*UP, (3, "announce"), WHOLE, (7, "withdraw"), (9, "feed-down"), (12, "feed-up")],
            [(D, 1, 3), (A, 3, 7), (B, 7, 9), (C, 9, 30)],
        ),
        (
            [*UP, (3, "announce"), WHOLE, (9, "peer-down"), (12, "peer-up"), (13, "announce")],
            [(D, 1, 3), (A, 3, 9), (B, 9, 13), (A, 13, 30)],
        ),
        # A recording of another collector says nothing of its own sight.
        ([(3, "announce"), (9, "withdraw")], [(A, 3, 9), (B, 9, 30)]),
        (
            [*UP, (3, "announce"), (4, "withdraw", {"provenance": "mirror"})],
            [(D, 1, 3), (A, 3, 30)],
        ),
    ],
    ids=lambda value: " ".join(str(e[1]) for e in value) if isinstance(value[0][1], str) else "",
)
def test_states(events: list[tuple[Any, ...]], expected: list[tuple[State, int, int]]) -> None:
    assert spans(drawn(events)) == {ONE: expected}


def test_a_span_says_what_began_it() -> None:
    events = [
        *(*UP, (3, "announce"), WHOLE, (7, "withdraw"), (8, "announce")),
        *((9, "peer-down", {"reason": "hold timer"}), (10, "announce")),
        (11, "feed-down", {"reason": "closed"}),
    ]
    (lane,) = drawn(events).lanes
    assert [span.reason for span in lane.spans] == [
        "feed-up at r1",
        "announced",
        "withdrawn",
        "announced",
        "peer down at r1: hold timer",
        "announced",
        "feed-down at r1: closed",
    ]


def test_a_route_that_moves_leaves_one_place_and_comes_to_another() -> None:
    loc = {"peer": "", "view": "loc-rib"}
    timeline = drawn(
        [
            *UP,
            (3, "announce", {**loc, "next_hop": "10.0.0.1"}),
            WHOLE,
            (9, "announce", {**loc, "next_hop": "10.0.1.1"}),
        ]
    )
    assert spans(timeline) == {
        "r1 loc-rib via 10.0.0.1": [(D, 1, 3), (A, 3, 9), (B, 9, 30)],
        "r1 loc-rib via 10.0.1.1": [(D, 1, 5), (B, 5, 9), (A, 9, 30)],
    }


def test_what_changes_without_moving_is_noted() -> None:
    (lane,) = drawn(
        [*UP, (3, "announce"), (5, "announce", {"med": 7}), (6, "announce", {"med": 7})]
    ).lanes
    assert lane.changes == (5,)
    assert [span.state for span in lane.spans] == [D, A]


def test_policy_views_count_only_where_they_tell_something_new() -> None:
    post, out = {"view": "adj-in-post"}, {"view": "adj-out-post"}
    both = [*UP, (3, "announce"), (4, "announce", {**post, "next_hop": "10.9.9.9"})]
    assert list(spans(drawn(both))) == [ONE]
    assert list(spans(drawn([*UP[:1], (3, "announce", post)]))) == [ONE]
    assert spans(drawn([*UP[:1], (3, "announce", out)])) == {}
    own = {**post, "peer": "0.0.0.0"}  # noqa: S104 - nothing is bound
    assert spans(drawn([*UP[:1], (3, "announce", own)])) == {}


def test_it_is_cut_to_the_time_asked_about() -> None:
    events = [*UP, (3, "announce"), WHOLE, (9, "withdraw"), (20, "announce"), (25, "withdraw")]
    assert spans(drawn(events, 6, 22)) == {ONE: [(A, 6, 9), (B, 9, 20), (A, 20, 22)]}
    assert spans(drawn(events, 10, 15)) == {ONE: [(B, 10, 15)]}


def test_a_place_is_seen_by_whoever_sees_it() -> None:
    other = {"router": "r2", "peer": "", "view": "", "epoch_at": 1}
    at_other = {**other, "peer": "10.0.0.1", "view": "adj-in-pre"}
    events = [
        *(*UP, (1, "feed-up", other), (3, "announce"), (4, "announce", at_other), WHOLE),
        *((6, "end-of-rib", other), (8, "feed-down"), (10, "withdraw", at_other)),
    ]
    lives = Lives(ROUTE_KEY, ROUTE_CONTENT)
    timeline = draw_up(PREFIX, rows(events), lives, lambda row: "home", (None, 30))
    # r1 is blind from 8 on and holds the route still; r2 saw it go.
    assert spans(timeline) == {"home": [(D, 1, 3), (A, 3, 10), (C, 10, 30)]}
    assert timeline.lanes[0].routers == ("r1", "r2")


def test_it_ends_now_while_a_router_is_connected() -> None:
    assert end_of(rows([*UP, (3, "announce")]), None, 99) == 99
    assert end_of(rows([*UP, (3, "announce"), (9, "feed-down")]), None, 99) == 9
    assert end_of(rows([(3, "announce")]), None, 99) == 3
    assert end_of(rows([(3, "announce")]), 7, 99) == 7


def test_as_a_table() -> None:
    table = drawn([*UP, (3, "announce"), WHOLE, (9, "withdraw")]).table()
    assert table.column_names == [
        *("subject", "rd", "place", "state", "since", "until", "reason", "routers"),
    ]
    last = table.to_pylist()[-1]
    assert (last["state"], last["since"].value, last["until"].value) == ("absent", 9, 30)
    assert last["routers"] == ["r1"]
