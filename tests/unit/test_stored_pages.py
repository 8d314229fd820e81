"""Pages that ask a store: what is said of moments at which nobody saw, or which are yet to come."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from html import unescape
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from msgspec.structs import replace
from starlette.applications import Starlette

from anchorwatch.board.past import Past
from anchorwatch.web.pages.routes import board_routes
from collector.event import Event, Family, Kind, rfc3339
from collector.store.backend import Reader, StoreError
from collector.store.embedded import EmbeddedStore
from collector.store.rows import event_table, table_of
from detectors.engine import Engine
from detectors.intent import parse_intent
from tests.unit.rules.scenes import SECOND, make, route
from tests.unit.rules.test_cutover import AT, OPENS, step
from tests.unit.rules.test_cutover import INTENT as MOVE
from tests.unit.test_board_cutovers import Room

ROOT = Path(__file__).parents[2]
ASKED = "import sys; from tests.unit.test_stored_pages import asked; asked(sys.argv[1])"
"""In a process of its own: a store takes one folder for the life of one."""
PREFIX = "192.0.2.50/32"
RIB = f"/prefix/{PREFIX}/rib?at="
API = f"/api/v1/history?prefix={PREFIX}"
INTENT = f"""
version: 1
sites:
  red: {{match: [{{peer: 10.0.0.1}}]}}
services:
  - {{name: one, prefix: {PREFIX}, rd: '65000:1', home: [red]}}
  - {{name: two, prefix: {PREFIX}, rd: '65000:2', home: [red]}}
"""
PATHS = {
    "to come": RIB + "{to_come}",
    "API to come": f"/api/v1/rib?prefix={PREFIX}&at={{to_come}}",
    "rules to come": "/api/v1/flowspec?at={to_come}",
    "difference to come": f"/api/v1/diff?prefix={PREFIX}&from=-1m&to={{to_come}}",
    "history to come": API + "&until={to_come}",
    "history backwards": API + "&since=now&until=-1h",
    "before": RIB + "{before}",
    "watched": RIB + "{watched}",
    "lost": RIB + "{lost}",
    "prefix": f"/prefix/{PREFIX}",
    "prefix before": f"/prefix/{PREFIX}?at={{before}}",
    "zone": "/prefix/fe80::1" + quote("%eth0"),
    "command": "/prefix/fe80::1" + quote("%;touch x #"),
}
Answers = dict[str, tuple[int, str]]


def answer(room: Room, path: str, store: Callable[[], Reader]) -> tuple[int, str]:
    """The status, and what a browser is given, each run of white space as one blank."""
    app = Starlette(routes=board_routes(room.live, Past(store), room.cutovers, "a store"))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get(path)

    told = asyncio.run(ask())
    return told.status_code, " ".join(unescape(told.text).split())


def story(began: int) -> list[Event]:
    """A router that is watched, lost for five minutes, and back with routes of two VPNs."""
    again = began + 420 * SECOND
    seen = route(Kind.ANNOUNCE, "r1", "10.0.0.1", PREFIX, again + SECOND, "live")
    return [
        make(Kind.FEED_UP, "r1", began, epoch=began),
        make(Kind.END_OF_RIB, "r1", began + SECOND, epoch=began),
        make(Kind.FEED_DOWN, "r1", began + 120 * SECOND, reason="lost"),
        make(Kind.FEED_UP, "r1", again, epoch=again),
        *(
            replace(seen, family=Family.L3VPN_IPV4, rd=rd, epoch=again, sequence=number)
            for number, rd in enumerate(("65000:1", "65000:2"), 2)
        ),
    ]


def moved() -> tuple[Room, str]:
    """A cutover that runs, whose window was moved behind its incident: and that one's id."""
    room = Room().steady().take(*step(Kind.ANNOUNCE, "new-pe1", AT)).at(AT + 40 * SECOND)
    (incident,) = room.engine.open_incidents
    later = MOVE.replace(rfc3339(OPENS), rfc3339(AT + 35 * SECOND))
    room.tell(room.engine.adopt(parse_intent(later), AT + 45 * SECOND))
    return room, incident.id


def asked(folder: str) -> None:
    """Fill a store and print what pages say of it."""
    began = time.time_ns() - 600 * SECOND
    store = EmbeddedStore(Path(folder))
    by_table = defaultdict(list)
    for event in story(began):
        by_table[table_of(event)].append(event)
    for name, events in by_table.items():
        store.insert(name, event_table(name, events), name)
    store.close()

    def reader() -> Reader:
        return EmbeddedStore(Path(folder), create=False)

    room = Room()
    room.engine = Engine(parse_intent(INTENT))
    seconds = {"to_come": 4200, "before": -3600, "watched": 60, "lost": 240}
    moments = {name: rfc3339(began + at * SECOND) for name, at in seconds.items()}
    answers = {name: answer(room, path.format(**moments), reader) for name, path in PATHS.items()}
    cutover, identity = moved()
    answers["moved"] = answer(cutover, "/cutovers/move", reader)
    answers |= {"id": (0, identity), "before at": (0, moments["before"])}
    print(json.dumps(answers))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    command = [sys.executable, "-c", ASKED, str(tmp_path_factory.mktemp("pages") / "store")]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    answers: Answers = json.loads(done.stdout)
    return answers


def test_nobody_knows_the_routes_of_a_moment_to_come(told: Answers) -> None:
    status, text = told["to come"]
    assert status == 200
    assert "is yet to come" in text
    assert "routes at" not in text
    for name in ("API to come", "rules to come", "difference to come"):
        assert told[name][0] == 400
        assert "is yet to come" in told[name][1]
    spans = json.loads(told["history to come"][1])["spans"]
    assert spans
    assert max(span["until"] for span in spans) < rfc3339(time.time_ns())


def test_a_history_that_ends_before_it_begins_is_refused(told: Answers) -> None:
    status, text = told["history backwards"]
    assert status == 400
    assert "turn them round" in text


def test_before_the_first_event_nothing_was_watched(told: Answers) -> None:
    _, text = told["before"]
    assert "0</b> routes" in text
    assert "as far as the store has seen" in text
    assert "Nothing was watched then: the store begins at" in text


def test_no_routes_while_nobody_saw_is_no_proof(told: Answers) -> None:
    _, lost = told["lost"]
    assert "0</b> routes" in lost
    assert "r1 was not seen (its session with us was down: lost)" in lost
    _, watched = told["watched"]
    assert "0</b> routes" in watched
    assert "not seen" not in watched


def test_routes_of_two_vpns_can_be_told_apart(told: Answers) -> None:
    _, text = told["prefix"]
    for rd in ("65000:1", "65000:2"):
        assert f"RD <code>{rd}</code>" in text  # of the service
        assert f"<td>{rd}</td>" in text  # of the route


def test_the_moment_that_is_shown_is_the_one_that_was_asked_for(told: Answers) -> None:
    _, text = told["prefix before"]
    shown = text.partition('<output id="moment" for="slider">')[2].partition(" UTC")[0]
    assert shown.replace(" ", "T") == told["before at"][1][:23]


@pytest.mark.parametrize("name", ["zone", "command"])
def test_a_zone_makes_no_command(told: Answers, name: str) -> None:
    status, text = told[name]
    assert status == 404
    assert "anchorwatch history" not in text


def test_a_window_that_is_moved_hides_no_incident_of_what_runs(told: Answers) -> None:
    status, text = told["moved"]
    assert status == 200
    assert f'<a href="/incidents/{told["id"][1]}">' in text


def test_the_slider_is_told_in_a_sentence_that_the_store_is_away() -> None:
    def away() -> Reader:
        raise StoreError("the store is away")

    status, text = answer(Room(), RIB + "now", away)
    assert status == 503
    assert "The store does not answer: the store is away" in text
    assert "<header>" not in text
