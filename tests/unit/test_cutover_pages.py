"""The pages of cutovers and of their incidents, as they are while the store is away."""

from __future__ import annotations

import asyncio
import re
from html import unescape
from io import StringIO

import httpx
import pytest
from rich.console import Console
from starlette.applications import Starlette

from anchorwatch.advice import next_step
from anchorwatch.board.now import Item
from anchorwatch.board.past import Past
from anchorwatch.board.swimlanes import swimlane_of
from anchorwatch.cli.cutover import show, show_all
from anchorwatch.cli.cutover_view import CutoverView
from anchorwatch.cutovers import standing
from anchorwatch.pictures.swimlane import Look
from anchorwatch.web.pages import cutovers as cutover_pages
from anchorwatch.web.pages.routes import board_routes
from collector.event import Kind
from collector.store.backend import Reader, StoreError
from detectors.engine import Engine
from detectors.intent import parse_intent
from tests.unit.rules.scenes import ALLOWED, SECOND, make, steady_state
from tests.unit.rules.test_cutover import AT, INTENT, OPENS, ask_back, rules, step
from tests.unit.test_board_cutovers import END, NEXT, Room


def away() -> Reader:
    raise StoreError("the store is away")


def page(room: Room, path: str = "/cutovers/move") -> str:
    """What a browser is given, each run of white space as one blank."""
    routes = board_routes(room.live, Past(away), room.cutovers, "a store", config="etc/a b.yaml")
    app = Starlette(routes=routes)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get(path)

    answer = asyncio.run(ask())
    assert answer.status_code == 200, answer.text
    return " ".join(answer.text.split())


def blind(*routers: str) -> Room:
    """The old site has gone from both routers' sight, and from one of them for certain."""
    room = Room().steady().take(*step(Kind.ANNOUNCE, "new-pe1", AT))
    return room.take(*(make(Kind.FEED_DOWN, r, AT + 2 * SECOND, reason="lost") for r in routers))


def cells(text: str, point: str) -> list[str]:
    """The row of a vantage point in the table of the page."""
    (row,) = re.findall(rf"<tr><td>{re.escape(point)}</td>(.*?)</tr>", text)
    return re.findall(r"<td>(.*?)</td>", row)


# What nobody sees


def test_a_vantage_point_that_does_not_see_says_nothing_of_who_advertises() -> None:
    text = page(blind("r1"))
    assert cells(text, "r1 bmp adj-in-pre") == ["no", "not seen now", "yes", "?"]
    assert cells(text, "r1 bmp adj-in-pre peer 10.9.9.9") == ["no", "not seen now", "no", "?"]
    assert cells(text, "r2 bmp adj-in-pre") == ["yes", "legacy-pe, new-pe1", "yes", "0"]
    assert cells(text, "r2 bmp adj-in-pre peer 10.9.9.9") == ["yes", "–", "no", "1"]


@pytest.mark.parametrize(
    ("routers", "said"),
    [
        (("r1", "r2"), 'rules of migration</span> <span class="soft">cannot be seen now'),
        (("r1",), "left at 1 place: 1 rule<"),
        ((), "left at 2 places, at most 1 rule each<"),
    ],
)
def test_rules_that_cannot_be_seen_are_not_said_to_be_gone(
    routers: tuple[str, ...], said: str
) -> None:
    text = page(blind(*routers))
    assert said in text
    assert "none is seen" not in text


def test_rules_that_are_seen_to_be_gone_are() -> None:
    assert "none is seen" in page(Room().steady().finished())


def listed(room: Room) -> str:
    """The line of the cutover in `anchorwatch cutover status`."""
    console = Console(file=StringIO(), width=200)
    (cutover,) = room.engine.intent.cutovers
    with console.capture() as capture:
        show_all([standing(room.engine, cutover, room.now)], console)
    return capture.get().splitlines()[1]


def test_the_list_says_nobody_only_where_somebody_sees() -> None:
    assert "not seen" in listed(blind("r1", "r2"))
    assert "legacy-pe, new-pe1" in listed(blind("r1"))
    gone = Room().steady().take(*step(Kind.WITHDRAW, "legacy-pe", AT))
    assert "nobody" in listed(gone)


@pytest.mark.parametrize("back", [False, True])
def test_where_nobody_sees_the_advice_is_to_see_again(back: bool) -> None:
    room = Room().steady().take(*step(Kind.ANNOUNCE, "new-pe1", AT))
    if back:
        room.take(ask_back(AT + SECOND))
    room.take(*(make(Kind.FEED_DOWN, r, AT + 2 * SECOND, reason="lost") for r in ("r1", "r2")))
    (cutover,) = room.engine.intent.cutovers
    said = next_step(standing(room.engine, cutover, room.now))
    assert said.startswith("Bring the sessions of r1 bmp adj-in-pre")


@pytest.mark.parametrize("gone", ["legacy-pe", "new-pe1"])
def test_an_overlap_ends_where_it_is_seen_to_end_not_where_sight_ends(gone: str) -> None:
    """One router's feed is lost, the other one sees one of the two sites alone."""
    room = Room().steady()
    room.take(*step(Kind.ANNOUNCE, "new-pe1", AT))
    room.take(*step(Kind.WITHDRAW, gone, AT + SECOND, "r1"))
    room.take(make(Kind.FEED_DOWN, "r2", AT + 2 * SECOND, reason="lost")).at(AT + 3 * SECOND)
    assert [each[:2] for each in room.lane("overlap, gap")[-2:]] == [
        (Look.BOTH, 0),
        (Look.BLIND, 2),
    ]


def test_a_rule_of_the_track_is_still_both_where_both_are_seen() -> None:
    room = blind("r1").at(AT + 3 * SECOND)
    assert room.lane("overlap, gap")[-1][:3] == (Look.BOTH, 0, 3)
    room.take(*rules(Kind.WITHDRAW, AT + 4 * SECOND, "r2"))
    assert room.lane("Flowspec rules")[-1][:2] == (Look.BLIND, 4)


# Rules that are left over


def left_over() -> Room:
    return Room().steady().moved().at(AT + 120 * SECOND)


def rule_of(room: Room) -> Item:
    (item,) = room.live.now.rules()
    return item


def test_a_rule_that_is_left_over_is_not_fine() -> None:
    room = left_over()
    (incident,) = room.engine.open_incidents
    item = rule_of(room)
    assert (item["state"], item["why"]) == ("violated", incident.summary)
    assert item["incidents"] == [incident.id]
    room.take(*rules(Kind.WITHDRAW, AT + 130 * SECOND))
    assert room.engine.open_incidents == []


def test_the_incident_and_the_cutover_lead_to_the_rules_that_are_left_over() -> None:
    room = left_over()
    (incident,) = room.engine.open_incidents
    link = f'href="/flowspec/{rule_of(room)["id"]}"'
    assert link in page(room, f"/incidents/{incident.id}")
    assert link in page(room)
    shown = CutoverView().picture(
        standing(room.engine, room.engine.intent.cutovers[0], room.now), room.now, 50
    )
    console = Console(file=StringIO(), width=400)
    with console.capture() as capture:
        console.print(shown)
    assert f"`{ALLOWED}`" in capture.get()


def test_where_no_rule_is_left_over_none_is_named() -> None:
    room = Room().steady().take(*step(Kind.ANNOUNCE, "new-pe1", AT)).at(AT + 40 * SECOND)
    (incident,) = room.engine.open_incidents
    assert "rules" not in incident.details
    assert 'href="/flowspec/' not in page(room)
    assert rule_of(room)["state"] == "fine"


def test_of_a_cutover_that_was_over_before_anything_was_noted_there_is_no_picture() -> None:
    before = Room().steady().finished()
    after = Room(at=AT + 300 * SECOND)
    after.engine = Engine(parse_intent(INTENT), cutovers=before.engine.cutovers)
    item = after.at(AT + 301 * SECOND).item()
    assert item["stage"] == "complete"
    assert len(item["track"]) == 1
    assert swimlane_of(item, after.now) is None


def test_what_a_watch_sees_at_its_start_is_noted_before_any_time_has_passed() -> None:
    room = Room(at=OPENS).take(*steady_state(OPENS + SECOND))
    room.take(*step(Kind.ANNOUNCE, "new-pe1", AT))
    both = [each for each in room.item()["track"] if len(each.get("sites", ())) == 2]
    assert both[0]["at"] == room.item()["steps"]["both"]


# Limits that were not kept


def late() -> Room:
    """A cutover that was complete after its deadline, with an overlap that was too long."""
    room = Room().steady().take(*step(Kind.ANNOUNCE, "new-pe1", AT)).at(AT + 40 * SECOND)
    room.take(*step(Kind.WITHDRAW, "legacy-pe", AT + 50 * SECOND)).at(AT + 130 * SECOND)
    return room.take(*rules(Kind.WITHDRAW, AT + 140 * SECOND))


def test_a_cutover_that_was_late_does_not_say_that_all_was_well() -> None:
    room = late()
    assert room.engine.open_incidents == []
    item = room.item()
    assert item["broken"] == ["the deadline was missed", "both sites advertised for too long"]
    why = (
        "At new-pe1, proven at every vantage point, but the deadline was missed and both sites "
        "advertised for too long."
    )
    assert (item["stage"], item["why"]) == ("complete", why)
    for text in (page(room), page(room, "/"), page(room, "/cutovers")):
        assert why in text
        assert 'is-warning"><svg class="shape" aria-hidden="true"><use href="#triangle"' in text
        assert (
            'is-fine"><svg class="shape" aria-hidden="true"><use href="#tick"/></svg>complete'
            not in text
        )


def test_one_that_kept_its_limits_says_that_all_was_well() -> None:
    room = Room().steady().finished()
    assert "broken" not in room.item()
    assert '#tick"/></svg>complete' in page(room)


def test_a_gap_is_a_limit_that_was_not_kept() -> None:
    room = Room().steady().take(*step(Kind.WITHDRAW, "legacy-pe", AT))
    room.at(AT + SECOND).take(*step(Kind.ANNOUNCE, "new-pe1", AT + 4 * SECOND))
    room.take(*rules(Kind.WITHDRAW, AT + 5 * SECOND))
    assert room.item()["broken"] == ["nobody advertised for too long"]
    none = Room(INTENT.replace("max_gap: 1s", "max_gap: 0s")).steady()
    none.take(*step(Kind.WITHDRAW, "legacy-pe", AT), *step(Kind.ANNOUNCE, "new-pe1", AT + SECOND))
    none.take(*rules(Kind.WITHDRAW, AT + 5 * SECOND))
    assert none.item()["broken"] == ["nobody advertised"]


def test_the_end_of_the_window_is_a_limit_too() -> None:
    room = Room().steady().moved().at(END + SECOND).take(*rules(Kind.WITHDRAW, END + 2 * SECOND))
    assert room.item()["broken"] == ["the deadline was missed", "its window was over"]


# How to go on


def commands(room: Room, path: str = "/cutovers/move") -> list[str]:
    (shown,) = re.findall(r"Go on in the terminal</h2> <pre[^>]*>(.*?)</pre>", page(room, path))
    return re.findall(r"anchorwatch (.*?)(?: (?=#)|$)", unescape(shown).strip())


def test_the_commands_of_a_cutover_can_be_typed_anywhere() -> None:
    config = "-c 'etc/a b.yaml'"
    assert commands(Room().steady().moved()) == [
        f"cutover status move {config}",
        f"cutover watch move {config}",
        f"cutover rollback move {config}",
        f"cutover report move {config}",
        "history 192.0.2.50/32 --store 'a store'",
    ]


def test_the_way_back_is_offered_where_there_is_one() -> None:
    def offered(room: Room) -> bool:
        return any("rollback" in command for command in commands(room))

    assert not offered(Room())
    assert not offered(Room().steady())
    assert offered(Room().steady().moved())
    assert offered(Room().steady().finished())
    assert not offered(Room(INTENT + NEXT).steady().finished().at(END + 2 * SECOND))


def test_the_incident_of_a_cutover_leads_to_it() -> None:
    room = left_over()
    (incident,) = room.engine.open_incidents
    path = f"/incidents/{incident.id}"
    assert '<a href="/cutovers/move"><code>cutover move</code></a>' in page(room, path)
    said = commands(room, path)
    for action in ("status", "watch", "report"):
        assert f"cutover {action} move -c 'etc/a b.yaml'" in said
    room.engine.adopt(parse_intent(INTENT[: INTENT.index("cutovers:")]), AT + 125 * SECOND)
    assert 'href="/cutovers/move"' not in page(room, path)


def test_the_incident_of_another_detector_leads_to_no_cutover() -> None:
    room = Room().steady().take(*step(Kind.ANNOUNCE, "new-pe2", AT)).at(AT + 60 * SECOND)
    incident = room.engine.open_incidents[0]
    assert incident.detector != "cutover"
    assert not [each for each in commands(room, f"/incidents/{incident.id}") if "cutover" in each]


# Odd ones


def test_a_policy_that_is_no_longer_flushed_takes_no_page_down() -> None:
    room = Room().steady().moved()
    room.take(*step(Kind.ANNOUNCE, "legacy-pe", AT + 6 * SECOND, "r1"))
    room.take(*rules(Kind.WITHDRAW, AT + 10 * SECOND))
    room.tell(room.engine.adopt(parse_intent(INTENT.replace("    flush: migration\n", "")), AT))
    item = room.at(AT + 13 * SECOND).item()
    assert (item["phase"], "flush" in item) == ("flushed", False)
    for path in ("/", "/cutovers/move", "/cutovers"):
        assert "<b>flushed</b>" in page(room, path)


def test_how_many_routes_prove_it_is_said_where_not_all_are_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = Room().steady().take(*step(Kind.ANNOUNCE, "new-pe1", AT))
    assert "These are" not in page(room)
    monkeypatch.setattr(cutover_pages, "MOST_PROOFS", 3)
    text = page(room)
    assert text.count("<details") == 3
    assert "These are 3 of 4." in text


@pytest.mark.parametrize("flush", [True, False])
def test_the_terminal_waits_for_no_flush_where_there_is_none(flush: bool) -> None:
    room = Room(INTENT if flush else INTENT.replace("    flush: migration\n", "")).steady().moved()
    console = Console(file=StringIO(), width=200)
    with console.capture() as capture:
        told = standing(room.engine, room.engine.intent.cutovers[0], room.now)
        console.print(CutoverView().picture(told, room.now, 50))
    assert ("flushed" in capture.get()) == flush


def test_a_service_with_a_slash_in_its_name_can_be_asked_for() -> None:
    room = Room(INTENT.replace("name: web,", "name: a/b,").replace("service: web", "service: a/b"))
    assert '"name":"a/b"' in page(room.steady(), "/api/v1/services/a%2Fb")


def shown(room: Room) -> list[str]:
    """The lines of `anchorwatch cutover status move`."""
    cutover = next(each for each in room.engine.intent.cutovers if each.name == "move")
    console = Console(file=StringIO(), width=200)
    with console.capture() as capture:
        show(standing(room.engine, cutover, room.now), console)
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def test_a_place_that_only_shows_rules_says_nothing_of_who_advertises() -> None:
    lines = shown(Room().steady().take(*step(Kind.ANNOUNCE, "new-pe1", AT)))
    assert "r1 bmp adj-in-pre peer 10.9.9.9 - 1" in lines
    assert "r1 bmp adj-in-pre yes legacy-pe, new-pe1" in lines
    gone = shown(Room().steady().take(*step(Kind.WITHDRAW, "legacy-pe", AT)))
    assert "r1 bmp adj-in-pre yes nobody" in gone


def test_the_status_of_one_that_was_replaced_says_so() -> None:
    room = Room(INTENT + NEXT).steady().moved()
    assert "phase moved" in shown(room)
    assert "phase moved, replaced by a/b?" in shown(room.at(END + 2 * SECOND))


@pytest.mark.parametrize("moved", [True, False])
def test_one_that_was_replaced_gives_no_advice_and_counts_no_more(moved: bool) -> None:
    room = Room(INTENT + NEXT).steady()
    room = room.moved() if moved else room.take(*step(Kind.ANNOUNCE, "new-pe1", AT))

    def told() -> tuple[str, Item, str]:
        plan = next(each for each in room.engine.intent.cutovers if each.name == "move")
        stands = standing(room.engine, plan, room.now)
        console = Console(file=StringIO(), width=200)
        with console.capture() as capture:
            console.print(CutoverView().picture(stands, room.now, 50))
        return next_step(stands), stands["timers"], capture.get()

    assert told()[0].startswith("Withdraw")
    room.at(END + 2 * SECOND)
    advice, timers, screen = told()
    assert advice == "Nothing: cutover a/b? of the service is in its place."
    assert "until another one replaced it" in screen
    took = (END + SECOND - AT) / SECOND
    assert timers["total"] == {"seconds": took, "limit": 120}
    assert timers["overlap"]["seconds"] == (5 if moved else took)
    assert room.item()["timers"] == {**timers, "gap": {"limit": 1, "seconds": 0}}
    assert "data-since" not in page(room)
    room.at(END + 60 * SECOND)
    assert told()[1] == timers
