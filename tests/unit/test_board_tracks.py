"""What was seen of cutovers: noted as it happens, drawn, and kept over a restart."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from anchorwatch.board import tracks as tracks_module
from anchorwatch.board.swimlanes import swimlane_of
from anchorwatch.board.tracks import Glimpse, Track, Tracks
from anchorwatch.cutover_file import TrackFile
from anchorwatch.pictures.scale import clock
from anchorwatch.pictures.swimlane import Look, in_words
from collector.event import Kind, Provenance, rfc3339
from detectors.engine import Engine
from detectors.intent import parse_intent
from tests.unit.rules.scenes import PEERS, SECOND, START, make, route, steady_state
from tests.unit.rules.test_cutover import AT, INTENT, OPENS, SERVICE, ask_back, rules, step
from tests.unit.test_board_cutovers import END, NEXT, Room, _after


def test_every_change_is_in_the_lanes() -> None:
    room = Room().steady().finished().at(AT + 30 * SECOND)
    begin = _after(room.drawn().since)
    assert begin < 0
    old = room.lane("legacy-pe")
    assert [(look, since) for look, since, _, _ in old] == [
        (Look.ADVERTISED, _after(OPENS)),
        (Look.ABSENT, 5),
    ]
    assert room.lane("new-pe1")[0][:3] == (Look.ABSENT, _after(OPENS), 0)
    assert room.lane("new-pe1")[1] == (Look.PARTLY, 0, 1, "1 of 2")
    assert room.lane("new-pe1")[2][:2] == (Look.ADVERTISED, 1)
    assert room.lane("overlap, gap")[1][:3] == (Look.BOTH, 0, 5)
    held, gone = room.lane("Flowspec rules")
    assert (held[0], held[3], gone[:2]) == (Look.HELD, "1 rule at 2 places", (Look.ABSENT, 10))
    marks = [(mark.name, _after(mark.at)) for mark in room.drawn().marks]
    assert marks == [("both", 0), ("moved", 5), ("complete", 10)]
    drawn = room.drawn()
    assert (_after(drawn.begun), _after(drawn.ended), _after(drawn.deadline)) == (0, 10, 120)


def test_the_picture_of_one_that_is_over_stays_as_it_was() -> None:
    room = Room(INTENT + NEXT).steady().finished().at(AT + 60 * SECOND)
    drawn = room.drawn()
    room.take(*step(Kind.ANNOUNCE, "legacy-pe", AT + 200 * SECOND))
    room.take(*step(Kind.WITHDRAW, "legacy-pe", AT + 900 * SECOND)).at(AT + 1000 * SECOND)
    later = room.drawn()
    assert (later.since, later.until) == (drawn.since, drawn.until)
    assert max(bar.until for lane in later.lanes for bar in lane.bars) == later.until
    assert room.lane("legacy-pe")[-1][:2] == (Look.ABSENT, 5)


def test_the_next_cutover_is_none_of_the_business_of_the_last_one() -> None:
    room = Room(INTENT + NEXT).steady().finished().at(END + 2 * SECOND)
    kept = room.item()["track"]
    room.take(*step(Kind.ANNOUNCE, "new-pe2", END + 3 * SECOND)).at(END + 4 * SECOND)
    assert room.item()["track"] == kept
    assert "new-pe2" not in [lane.name for lane in room.drawn().lanes]
    assert room.item("a/b?")["track"][-1]["sites"] == {"new-pe1": 2, "new-pe2": 2}


def test_one_that_another_one_replaced_keeps_its_picture() -> None:
    room = Room(INTENT + NEXT).steady().moved().at(END + 2 * SECOND)
    drawn = room.drawn()
    assert room.item()["stage"] == "replaced"
    assert drawn.since < AT < AT + 5 * SECOND < drawn.until
    room.take(*rules(Kind.WITHDRAW, END + 3 * SECOND)).at(END + 90 * SECOND)
    assert room.drawn() == drawn


def test_one_that_went_back_is_drawn_until_it_was_back() -> None:
    room = Room().steady().moved().take(ask_back(AT + 8 * SECOND))
    room.take(*step(Kind.ANNOUNCE, "legacy-pe", AT + 9 * SECOND))
    room.take(*step(Kind.WITHDRAW, "new-pe1", AT + 12 * SECOND))
    drawn = room.drawn()
    room.take(*rules(Kind.WITHDRAW, END + SECOND)).at(END + 2 * SECOND)
    assert (room.drawn().since, room.drawn().until) == (drawn.since, drawn.until)


def test_while_it_runs_the_deadline_is_in_the_picture() -> None:
    room = Room().steady().take(*step(Kind.ANNOUNCE, "new-pe1", AT)).at(AT + 20 * SECOND)
    drawn = room.drawn()
    assert drawn.since < AT < drawn.deadline < drawn.until
    assert (drawn.deadline, drawn.ended) == (AT + 120 * SECOND, AT + 20 * SECOND)
    assert max(bar.until for lane in drawn.lanes for bar in lane.bars) == room.now
    late = room.at(AT + 300 * SECOND).drawn()
    assert late.until > room.now > late.deadline


def test_a_feed_that_is_lost_hides_what_it_showed() -> None:
    room = Room().steady().take(*step(Kind.ANNOUNCE, "new-pe1", AT))
    lost = [make(Kind.FEED_DOWN, r, AT + 2 * SECOND, reason="lost") for r in ("r1", "r2")]
    room.take(*lost).at(AT + 3 * SECOND)
    for name in ("legacy-pe", "new-pe1", "overlap, gap", "Flowspec rules"):
        assert room.lane(name)[-1][:3] == (Look.BLIND, 2, 3), name
    assert [each["hidden"] for each in room.item()["sites"]] == [True, True]


def test_a_third_site_has_a_lane_of_its_own() -> None:
    room = Room().steady().take(*step(Kind.ANNOUNCE, "new-pe2", AT))
    (lane,) = [lane for lane in room.drawn().lanes if lane.name == "new-pe2"]
    assert lane.role == "not of the plan"


def test_what_comes_before_the_first_look_has_its_own_time() -> None:
    room = Room().take(*steady_state(OPENS), *rules(Kind.ANNOUNCE, OPENS))
    room.take(*step(Kind.ANNOUNCE, "new-pe1", AT))
    room.at(AT + SECOND // 2)
    (both,) = [each for each in room.item()["track"] if len(each.get("sites", ())) == 2]
    assert both["at"] == rfc3339(AT) == room.item()["steps"]["both"]


def test_a_restart_leaves_a_time_in_which_nobody_watched() -> None:
    before = Room().steady().moved()
    lived, back = AT + 7 * SECOND, AT + 9 * SECOND
    after = Room(kept=before.tracks.all(), lived=lived, at=back)
    after.engine = Engine(
        parse_intent(INTENT),
        cutovers=before.engine.cutovers,
        on_route=lambda _key, _: after.tracks.touch(),
    )
    state = [event for event in steady_state(back) if event.prefix != SERVICE]
    state += [
        route(Kind.ANNOUNCE, r, PEERS["new-pe1"], SERVICE, back, Provenance.DUMP)
        for r in ("r1", "r2")
    ]
    after.at(back - 1).take(*[replace(event, received=back) for event in state]).at(back + SECOND)
    bars = after.lane("new-pe1")
    blind = [(look, since, until) for look, since, until, _ in bars if 7 <= since < back]
    assert blind[0][:2] == (Look.BLIND, 7)
    assert {look for look, *_ in blind[:-1]} == {Look.BLIND}
    assert blind[-1][:2] == (Look.ADVERTISED, 9)
    assert [mark.name for mark in after.drawn().marks][:2] == ["both", "moved"]


def test_a_track_is_kept_on_disk_and_what_is_damaged_is_begun_anew(tmp_path: Path) -> None:
    room = Room().steady().finished()
    file = TrackFile(tmp_path / "tracks.json")
    file.write(room.tracks.all())
    assert TrackFile(tmp_path / "tracks.json").load() == room.tracks.all()
    (tmp_path / "tracks.json").write_text('[{"name": 1}]')
    assert TrackFile(tmp_path / "tracks.json").load() == []


def test_another_window_and_another_intent_begin_a_track_anew() -> None:
    room = Room().steady().finished()
    later = INTENT.replace(rfc3339(OPENS), rfc3339(OPENS + SECOND))
    room.tell(room.engine.adopt(parse_intent(later), AT + 20 * SECOND))
    room.at(AT + 21 * SECOND)
    (track,) = room.tracks.all()
    assert track.window[0] == OPENS + SECOND
    assert track.glimpses[0].at >= AT + 20 * SECOND
    without = INTENT[: INTENT.index("cutovers:\n")]
    room.engine.adopt(parse_intent(without), AT + 30 * SECOND)
    assert room.at(AT + 31 * SECOND).tracks.all() == []
    assert room.live.board().sections["cutovers"] == []


def test_more_time_goes_on_with_the_same_track() -> None:
    room = Room().steady()
    room.take(*step(Kind.ANNOUNCE, "new-pe1", AT, "r1"))
    (track,) = room.tracks.all()
    before = list(track.glimpses)
    longer = INTENT.replace(rfc3339(END), rfc3339(END + 600 * SECOND))
    room.tell(room.engine.adopt(parse_intent(longer), AT + 20 * SECOND))
    room.at(AT + 21 * SECOND)
    (track,) = room.tracks.all()
    assert track.glimpses[: len(before)] == before
    assert track.window == (OPENS, END + 600 * SECOND)
    assert room.item()["track"][: len(before)] != []


@pytest.mark.parametrize("moved", [-60 * SECOND, 5 * SECOND, AT - OPENS + 10 * SECOND])
def test_a_window_that_begins_earlier_or_later_keeps_the_picture_of_what_runs(moved: int) -> None:
    room = Room().steady().take(*step(Kind.ANNOUNCE, "new-pe1", AT)).at(AT + 15 * SECOND)
    before = room.item()["track"]
    other = INTENT.replace(rfc3339(OPENS), rfc3339(OPENS + moved))
    room.tell(room.engine.adopt(parse_intent(other), AT + 20 * SECOND))
    room.tracks.tick(AT + 20 * SECOND)
    assert room.item()["track"] == before
    room.take(*step(Kind.WITHDRAW, "legacy-pe", AT + 25 * SECOND))
    assert room.item()["track"][: len(before)] == before
    assert [(mark.name, _after(mark.at)) for mark in room.drawn().marks] == [
        ("both", 0),
        ("moved", 25),
    ]
    (track,) = room.tracks.all()
    assert track.window == (OPENS + moved, END)


def test_a_window_that_is_put_off_begins_its_picture_anew() -> None:
    room = Room().steady().take(*step(Kind.ANNOUNCE, "new-pe1", AT)).at(AT + 15 * SECOND)
    opens = AT + 100 * SECOND
    room.engine.adopt(parse_intent(INTENT.replace(rfc3339(OPENS), rfc3339(opens))), room.now)
    assert room.at(AT + 20 * SECOND).tracks.all() == []
    assert room.item()["track"] == []
    room.at(opens + SECOND)
    assert room.item()["track"][0]["at"] == rfc3339(opens + SECOND)


def test_a_service_that_flaps_all_night_costs_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracks_module, "MOST", 5)
    track = Track(name="move", window=(0, 1))
    for at in range(20):
        assert track.add(Glimpse(at=at, rules=at % 2))
        assert not track.add(Glimpse(at=at, rules=at % 2))
    assert [glimpse.at for glimpse in track.glimpses[-5:]] == [15, 16, 17, 18, 19]
    assert len(track.glimpses) <= 6


def test_the_first_step_of_many_vantage_points_stays_in_the_picture() -> None:
    """At each of 300 places the new site comes, and then the old one goes."""
    places = 300
    track = Track(name="move", window=(0, 1))
    track.add(Glimpse(at=0, phase="armed", sites={"old": places}, places=places))
    for n in range(1, places + 1):
        seen = {"old": places, "new": n}
        track.add(Glimpse(at=n * SECOND, phase="both", sites=seen, places=places))
    for n in range(1, places + 1):
        seen = {"old": places - n, "new": places} if n < places else {"new": places}
        phase = "both" if n < places else "moved"
        track.add(Glimpse(at=(places + n) * SECOND, phase=phase, sites=seen, places=places))
    assert len(track.glimpses) <= 200
    kept = {each.at // SECOND: each for each in track.glimpses}
    # Each moment at which it came to say something else:
    assert {0, 1, places, places + 1, 2 * places} <= kept.keys()
    gaps = [after - before for before, after in pairwise(kept)]
    assert max(gaps) < 2 * places / 10  # and the numbers between them go on


def test_incidents_of_a_cutover_stay_in_its_picture(tmp_path: Path) -> None:
    room = Room().steady().take(*step(Kind.ANNOUNCE, "new-pe1", AT)).at(AT + 40 * SECOND)
    (incident,) = room.engine.open_incidents
    file = TrackFile(tmp_path / "tracks.json")
    file.write(room.tracks.all())
    room.tracks = room.cutovers.tracks = Tracks(lambda: room.engine, file.load(), room.now)
    room.at(AT + 41 * SECOND).take(*step(Kind.WITHDRAW, "legacy-pe", AT + 50 * SECOND))
    room.take(*rules(Kind.WITHDRAW, AT + 60 * SECOND)).at(AT + 90 * SECOND)
    assert not room.engine.open_incidents
    opened = _after(incident.opened)
    marks = [(mark.name, _after(mark.at), mark.fault) for mark in room.drawn().marks]
    assert marks == [
        ("both", 0, False),
        ("incident", opened, True),
        ("moved", 50, False),
        ("complete", 60, False),
        ("resolved", 60, False),
    ]
    assert f"incident at {clock(incident.opened)}" in in_words(room.drawn())
    assert room.item()["faults"] == [
        {
            "id": incident.id,
            "opened": rfc3339(incident.opened),
            "resolved": rfc3339(AT + 60 * SECOND),
        }
    ]


def test_a_cutover_that_fails_all_night_keeps_its_latest_incidents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracks_module, "MOST_FAULTS", 2)
    room = Room().steady().take(*step(Kind.ANNOUNCE, "new-pe1", AT)).at(AT + 40 * SECOND)
    (incident,) = room.engine.open_incidents
    (track,) = room.tracks.all()
    others = [replace(incident, id=str(number)) for number in range(3)]
    assert [track.told(each) for each in [incident, *others]] == [False, True, True, True]
    assert [each.id for each in track.faults] == ["1", "2"]


def test_where_no_window_is_open_nothing_is_looked_at() -> None:
    room = Room().take(*steady_state(START)).at(START + SECOND)
    assert room.tracks.all() == []
    assert room.item()["stage"] == "planned"
    assert swimlane_of(room.item(), room.now) is None
