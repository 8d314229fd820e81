"""The cutovers that the board shows: what was seen, what is told of them, how it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest

from anchorwatch.board.cutovers import Cutovers
from anchorwatch.board.live import Live
from anchorwatch.board.now import Item, Now
from anchorwatch.board.swimlanes import swimlane_of
from anchorwatch.board.tracks import LATELY, Track, Tracks
from anchorwatch.pictures.swimlane import Bar, Look, Swimlane
from anchorwatch.web.pages.render import Html
from collector.event import Event, Kind, rfc3339
from detectors.engine import Engine
from detectors.incidents import Incident
from detectors.intent import parse_intent
from tests.unit.rules.scenes import SECOND, START, steady_state
from tests.unit.rules.test_cutover import AT, INTENT, OPENS, ask_back, rules, step

END = START + 600 * SECOND
NEXT = f"""
  - {{name: 'a/b?', service: web, from: new-pe1, to: [new-pe2],
     window: [{rfc3339(END + SECOND)}, {rfc3339(END + 600 * SECOND)}]}}
"""


class Room:
    """An engine with its cutovers on a board, as the watch wires them."""

    def __init__(
        self, text: str = INTENT, kept: Sequence[Track] = (), lived: int = 0, at: int = START
    ) -> None:
        self.now = at
        self.engine = Engine(parse_intent(text), on_route=lambda _key, _: self.tracks.touch())
        self.tracks = Tracks(lambda: self.engine, kept, lived)
        self.cutovers = Cutovers(lambda: self.engine, self.tracks, lambda: self.now)
        self.live = Live(Now(lambda: self.engine, cutovers=self.cutovers.shown))

    def steady(self) -> Room:
        return self.take(*steady_state(START), *rules(Kind.ANNOUNCE, START)).at(OPENS)

    def take(self, *events: Event) -> Room:
        for event in events:
            self.now = max(self.now, event.received)
            self.tell(self.engine.process(event))
            self.tracks.after(event)
        return self

    def tell(self, transitions: Sequence[Incident]) -> None:
        self.live.told(transitions)
        self.tracks.told(transitions)

    def at(self, moment: int) -> Room:
        """Time passes until this moment (ns)."""
        self.now = moment
        self.tell(self.engine.advance(moment))
        self.tracks.tick(moment)
        return self

    def moved(self) -> Room:
        self.take(*step(Kind.ANNOUNCE, "new-pe1", AT, "r1"))
        self.take(*step(Kind.ANNOUNCE, "new-pe1", AT + SECOND, "r2"))
        return self.take(*step(Kind.WITHDRAW, "legacy-pe", AT + 5 * SECOND))

    def finished(self) -> Room:
        return self.moved().take(*rules(Kind.WITHDRAW, AT + 10 * SECOND))

    def item(self, name: str = "move") -> Item:
        item = self.cutovers.one(name)
        assert item is not None
        return item

    def drawn(self, name: str = "move") -> Swimlane:
        drawn = swimlane_of(self.item(name), self.now)
        assert drawn is not None
        return drawn

    def lane(self, name: str) -> list[tuple[Look, float, float, str]]:
        """Bars of a lane: look, from, until (seconds after the first step), words."""
        (lane,) = [each for each in self.drawn().lanes if each.name == name]
        return [(b.look, _after(b.since), _after(b.until), b.label) for b in lane.bars]


def _after(at: int) -> float:
    return (at - AT) / SECOND


# What is told


def test_an_armed_cutover_has_its_plan_and_who_advertises() -> None:
    item = Room().steady().item()
    assert (item["stage"], item["phase"], item["state"]) == ("armed", "armed", "fine")
    assert item["steps"] == {}
    assert [(s["site"], s["role"], s["seen"], s["places"]) for s in item["sites"]] == [
        ("legacy-pe", "old site", 2, 2),
        ("new-pe1", "new site", 0, 2),
    ]
    assert item["timers"] == {
        "total": {"limit": 120, "seconds": 0},
        "overlap": {"limit": 30, "seconds": 0},
        "gap": {"limit": 1, "seconds": 0},
    }
    assert sum(item["rules_left"].values()) == 2


def test_what_counts_is_told_by_when_it_began() -> None:
    room = Room().steady().take(*step(Kind.ANNOUNCE, "new-pe1", AT))
    item = room.item()
    assert (item["stage"], item["phase"]) == ("under way", "both")
    assert item["timers"]["total"] == {"limit": 120, "since": rfc3339(AT)}
    assert item["timers"]["overlap"] == {"limit": 30, "since": rfc3339(AT)}
    later = room.at(AT + 4 * SECOND).item()
    assert later == item  # time alone is no news
    room.take(*step(Kind.WITHDRAW, "legacy-pe", AT + 5 * SECOND))
    assert room.item()["timers"]["overlap"] == {"limit": 30, "seconds": 5}


def test_at_the_end_all_that_was_reached_is_told() -> None:
    item = Room().steady().finished().item()
    assert (item["stage"], item["state"]) == ("complete", "fine")
    assert item["why"] == "At new-pe1, proven at every vantage point."
    steps = {name: _after_text(at) for name, at in item["steps"].items()}
    assert steps == {"begun": 0, "both": 0, "moved": 5, "flushed": 10, "complete": 10}
    assert item["timers"]["total"] == {"limit": 120, "seconds": 10}
    assert item["rules_left"] == {}


def _after_text(text: str) -> int:
    return next(n for n in range(100) if rfc3339(AT + n * SECOND) == text)


def test_a_fault_names_its_incident() -> None:
    room = Room().steady().take(*step(Kind.ANNOUNCE, "new-pe1", AT)).at(AT + 40 * SECOND)
    (incident,) = room.engine.open_incidents
    item = room.item()
    assert (item["state"], item["why"]) == ("violated", incident.summary)
    assert item["incident"] == {"id": incident.id, "opened": rfc3339(incident.opened)}
    assert room.drawn().marks[-1].fault


def test_going_back_is_told_until_it_is_proven() -> None:
    room = Room().steady().moved().take(ask_back(AT + 8 * SECOND))
    assert (room.item()["stage"], room.item()["rollback"]) == (
        "going back",
        rfc3339(AT + 8 * SECOND),
    )
    room.take(*step(Kind.ANNOUNCE, "legacy-pe", AT + 9 * SECOND))
    room.take(*step(Kind.WITHDRAW, "new-pe1", AT + 12 * SECOND))
    item = room.item()
    assert (item["stage"], item["rolled_back"]) == ("rolled back", rfc3339(AT + 12 * SECOND))
    assert [mark.name for mark in room.drawn().marks] == ["both", "moved", "rollback asked", "back"]
    assert room.lane("legacy-pe")[-1][:2] == (Look.ADVERTISED, 9)


# Which ones are shown


def stages(room: Room) -> list[tuple[str, str]]:
    return [(item["name"], item["stage"]) for item in room.cutovers.shown()]


def test_what_runs_comes_first_then_the_next_one() -> None:
    room = Room(INTENT + NEXT)
    assert stages(room.at(START)) == [("move", "planned")]
    assert stages(room.steady()) == [("move", "armed"), ("a/b?", "planned")]
    room.finished()
    assert stages(room) == [("move", "complete"), ("a/b?", "planned")]
    room.at(END + 2 * SECOND)
    assert stages(room) == [("a/b?", "armed"), ("move", "complete")]
    room.at(AT + 10 * SECOND + LATELY)
    assert ("move", "complete") not in stages(room)
    assert [item["name"] for item in room.cutovers.all()] == ["a/b?", "move"]


def test_of_those_that_begin_together_none_is_left_out() -> None:
    together = NEXT.replace(rfc3339(END + SECOND), rfc3339(OPENS)).replace("web", "mail")
    mail = "  - {name: mail, prefix: 192.0.2.60/32, home: [new-pe1]}\nflowspec:"
    room = Room(INTENT.replace("flowspec:", mail) + together).at(START)
    assert stages(room) == [("move", "planned"), ("a/b?", "planned")]


def test_one_that_never_began_is_shown_for_a_while_after_its_window() -> None:
    room = Room().steady().at(END + SECOND)
    assert stages(room) == [("move", "not begun")]
    assert stages(room.at(END + LATELY)) == []


# How it is shown


def test_the_cutover_is_told_by_the_board_as_it_happens() -> None:
    room = Room().steady()
    with room.live.listening() as listener:
        room.take(*step(Kind.ANNOUNCE, "new-pe1", AT))
        room.live.board()
        (put,) = listener.waiting[-1].put["cutovers"]
        assert (put.item["id"], put.item["phase"]) == ("cutover move", "both")
        number = room.live.number
        room.at(AT + 3 * SECOND).live.board()
        assert room.live.number == number


def test_who_follows_an_incident_is_told_that_it_has_news() -> None:
    room = Room().steady().take(*step(Kind.ANNOUNCE, "new-pe1", AT))
    with room.live.listening() as listener:
        room.at(AT + 40 * SECOND)
        (incident,) = room.engine.open_incidents
        room.live.board()
        assert listener.waiting[-1].told == [incident.id]
        room.take(*step(Kind.WITHDRAW, "legacy-pe", AT + 41 * SECOND))
        room.take(*rules(Kind.WITHDRAW, AT + 42 * SECOND))
        room.live.board()
        assert listener.waiting[-1].told == [incident.id]
        assert listener.waiting[-1].gone["incidents"] == [incident.id]


@pytest.mark.parametrize("stage", ["planned", "armed", "under way", "complete"])
def test_each_stage_has_its_words_and_its_picture(stage: str) -> None:
    room = Room()
    if stage != "planned":
        room.steady()
    if stage == "under way":
        room.moved()
    if stage == "complete":
        room.finished()
    html = Html(lambda: room.now)
    item = room.item()
    assert item["stage"] == stage
    text = html.item("cutovers", item)["html"]
    assert 'data-id="cutover move"' in text
    assert ('<svg xmlns="http://www.w3.org/2000/svg" class="swimlane"' in text) == (
        stage != "planned"
    )
    assert ("data-moves" in text) == (stage in ("armed", "under way"))
    assert {"planned": "next", "armed": "armed", "under way": "of 2 min", "complete": "took"}[
        stage
    ] in text


def test_what_a_cutover_is_called_is_escaped() -> None:
    hostile = "<img src=x onerror=alert(1)>\\"
    text = INTENT.replace("name: move", f"name: '{hostile}'")
    room = Room(text).steady().moved()
    shown = Html(lambda: room.now).item("cutovers", room.item(hostile))["html"]
    assert "<img" not in shown
    assert 'href="/cutovers/%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%5C"' in shown


def test_a_picture_is_drawn_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room().steady().moved()
    html = Html(lambda: room.now)
    first = html.swimlane(room.item())
    assert html.swimlane(room.item()) is first
    room.at(room.now + 2 * SECOND)
    assert html.swimlane(room.item()) != first


def test_bars_follow_each_other() -> None:
    room = Room().steady().finished().at(AT + 30 * SECOND)
    for lane in room.drawn().lanes:
        bars: tuple[Bar, ...] = lane.bars
        for before, after in pairwise(bars):
            assert before.until == after.since
            assert (before.look, before.label) != (after.look, after.label) or not after.label
