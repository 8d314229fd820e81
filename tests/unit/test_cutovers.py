"""Where cutovers stand, as people are told, and the file that keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest

from anchorwatch.cutover_file import CutoverFile, CutoverFileError, UnfinishedFile
from anchorwatch.cutovers import durations, standing
from collector.event import Kind
from detectors.base import Unfinished
from detectors.engine import Engine
from detectors.intent import parse_intent
from detectors.progress import KEPT, Progress, Progresses, Vantage
from tests.unit.rules.scenes import SECOND, START, play
from tests.unit.rules.test_cutover import AT, INTENT, both_advertise, engine_of, finish, rules, step


def earlier(number: int, plan: str = "move", took: int = 60) -> Progress:
    """A completed one of an earlier window."""
    begun = START - (1000 - number) * 100 * SECOND
    return Progress(
        name=f"try {number}",
        plan=plan,
        window=(begun - SECOND, begun + 90 * SECOND),
        begun=begun,
        moved=begun + 10 * SECOND,
        flushed=begun + took * SECOND,
        complete=begun + took * SECOND,
        overlap=10 * SECOND,
        saw={Vantage("r1", "bmp", "adj-in-pre", "", "", "")},
    )


def test_it_tells_phase_steps_timers_places_and_rules() -> None:
    engine = engine_of()
    both_advertise(engine)
    play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + 5 * SECOND, "r1"))
    play(engine, rules(Kind.WITHDRAW, AT + 6 * SECOND, "r1"))
    (cutover,) = engine.intent.cutovers
    told = standing(engine, cutover, AT + 12 * SECOND)
    assert (told["phase"], told["window"]["state"]) == ("both", "open")
    assert set(told["steps"]) == {"begun", "both"}
    assert told["timers"] == {
        "total": {"seconds": 12.0, "limit": 120.0},
        "overlap": {"seconds": 12.0, "limit": 30.0},
        "gap": {"seconds": 0.0, "limit": 1.0},
    }
    assert told["advertised_by"] == ["legacy-pe", "new-pe1"]
    assert told["rules_left"] == {"r2 bmp adj-in-pre peer 10.9.9.9": 1}
    routes = {p["at"]: p["advertised_by"] for p in told["vantage_points"] if p["saw_old"]}
    assert routes == {
        "r1 bmp adj-in-pre": ["new-pe1"],
        "r2 bmp adj-in-pre": ["legacy-pe", "new-pe1"],
    }
    assert "incident" not in told
    engine.advance(AT + 30 * SECOND)
    told = standing(engine, cutover, AT + 31 * SECOND)
    assert told["incident"]["severity"] == "critical"


def test_earlier_ones_of_the_plan_are_compared_the_newest_first() -> None:
    kept = [earlier(1), earlier(2, took=40), earlier(3, plan="another")]
    engine = Engine(parse_intent(INTENT), cutovers=kept)
    (cutover,) = engine.intent.cutovers
    told = standing(engine, cutover, START)["earlier"]
    assert [each["name"] for each in told] == ["try 2", "try 1"]
    assert told[0]["seconds"] == {
        "moved": 10.0,
        "flushed": 30.0,
        "total": 40.0,
        "overlap": 10.0,
        "gap": 0.0,
    }


def test_the_durations_of_one_that_was_done() -> None:
    engine = engine_of()
    finish(engine)
    (progress,) = engine.cutovers
    assert durations(progress) == {
        "moved": 5.0,
        "flushed": 5.0,
        "total": 10.0,
        "overlap": 5.0,
        "gap": 0.0,
    }


def test_the_same_name_in_another_window_is_history_and_history_ends() -> None:
    known = Progresses()
    for number in range(KEPT + 10):
        again = earlier(number)
        again.name = "move"
        known.put(again)
    assert len(known.all()) == KEPT + 1
    assert known.all()[-1].saw
    assert not any(each.saw for each in known.all()[:-1])
    newest = known.get("move")
    assert newest is not None
    assert newest.window == max(each.window for each in known.all())
    older = earlier(0)
    older.name = "move"
    known.put(older)
    assert known.get("move") is newest


def test_the_file_gives_back_what_was_kept(tmp_path: Path) -> None:
    engine = engine_of()
    finish(engine)
    file = CutoverFile(tmp_path / "cutovers.json")
    assert file.load() == []
    file.write([])
    assert not (tmp_path / "cutovers.json").exists()
    file.write(engine.cutovers, sure=True)
    assert CutoverFile(tmp_path / "cutovers.json").load() == engine.cutovers
    (tmp_path / "cutovers.json").unlink()
    file.write(engine.cutovers)  # nothing has changed
    assert not (tmp_path / "cutovers.json").exists()


def test_what_was_kept_of_the_last_run_and_is_over_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "unfinished.json"
    begun = Unfinished("failover", "anchor new-pe2", {"began": 1})
    UnfinishedFile(path).write([begun])
    file = UnfinishedFile(path)
    assert file.load() == [begun]
    file.write([])
    assert file.load() == []


def test_a_file_that_cannot_be_written_is_said_and_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    file = CutoverFile(folder / "cutovers.json")
    with pytest.raises(CutoverFileError, match=r"cannot write .*cutovers.json: No such file"):
        file.write([earlier(1)])
    folder.mkdir()
    file.write([earlier(1)])
    assert file.load() == [earlier(1)]
