"""What `cutover watch` and `status --watch` show: at 80 columns, without colour, line by line."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from anchorwatch.advice import next_step
from anchorwatch.cli.cutover_view import CutoverView
from anchorwatch.cli.following import Follower, View
from anchorwatch.cli.running import UnreachableError
from anchorwatch.cli.status_view import StatusView
from anchorwatch.cutovers import rollback_event, standing
from anchorwatch.errors import UserError
from anchorwatch.pictures.digits import clock_face, large
from collector.event import Kind, rfc3339
from detectors.engine import Engine
from tests.unit.rules.scenes import SECOND, play
from tests.unit.rules.test_cutover import AT, both_advertise, engine_of, rules, step

WIDTH, HEIGHT = 80, 24


def screen(view: View, answer: dict[str, Any], now: int, height: int = HEIGHT) -> list[str]:
    """The lines of a terminal without colour."""
    console = Console(
        file=StringIO(), force_terminal=True, no_color=True, width=WIDTH, highlight=False
    )
    with console.capture() as capture:
        console.print(view.picture(answer, now, height), soft_wrap=False)
    text = capture.get()
    for code in ("\x1b[1m", "\x1b[2m", "\x1b[7m", "\x1b[1;7m", "\x1b[0m"):
        text = text.replace(code, "")
    assert "\x1b" not in text  # bold, dim and reverse are no colours
    return [line.rstrip() for line in text.splitlines()]


def under_way() -> Engine:
    """Both sites advertise; at one of two routers the old one has gone, and its rules too."""
    engine = engine_of()
    both_advertise(engine)
    play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + 5 * SECOND, "r1"))
    play(engine, rules(Kind.WITHDRAW, AT + 6 * SECOND, "r1"))
    return engine


def told(engine: Engine, seconds: int) -> dict[str, Any]:
    (cutover,) = engine.intent.cutovers
    engine.advance(AT + seconds * SECOND)
    return standing(engine, cutover, AT + seconds * SECOND)


def test_a_cutover_fits_on_one_screen_with_all_that_matters() -> None:
    lines = screen(CutoverView(), told(under_way(), 12), AT + 12 * SECOND)
    assert len(lines) <= HEIGHT
    assert max(map(len, lines)) <= WIDTH
    assert lines[:3] == [
        "cutover move",
        "web (192.0.2.50/32): legacy-pe to new-pe1",
        f"window {rfc3339(AT - 10 * SECOND)[:19]}Z to {rfc3339(AT + 490 * SECOND)[:19]}Z, open",
    ]
    # 108 s are left, in large digits.
    assert [line[31:].strip() for line in lines[4:7]] == ["_", "| . |_| |_|", "| .   | |_|"]
    assert lines[4].startswith("phase  BOTH")
    assert lines[6].startswith(f"+ begun     {rfc3339(AT)[11:23]}Z")
    assert lines[7].endswith("left until the deadline")
    assert lines[8].startswith(". moved")
    assert lines[9].endswith("total   [#.........] 108.0 s left, limit 120 s")
    assert lines[10].endswith("overlap [####......] 18.0 s left, limit 30 s")
    assert lines[13] == (
        "NEXT  Withdraw 192.0.2.50/32 at legacy-pe: 1 of 2 vantage points see it there."
    )
    assert [line.split() for line in lines[15:]] == [
        ["HERE", "VANTAGE", "POINT", "ADVERTISED", "BY", "RULES"],
        ["both", "r2", "bmp", "adj-in-pre", "legacy-pe,", "new-pe1", "-"],
        ["moved", "r1", "bmp", "adj-in-pre", "new-pe1", "-"],
        ["r2", "bmp", "adj-in-pre", "peer", "10.9.9.9", "-", "1"],
    ]


@pytest.mark.parametrize(("seconds", "style"), [(100, "green"), (140, "red")])
def test_what_it_took_is_good_news_within_its_limit_alone(seconds: int, style: str) -> None:
    engine = under_way()
    play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + seconds * SECOND, "r2"))
    play(engine, rules(Kind.WITHDRAW, AT + seconds * SECOND, "r2"))
    answer = told(engine, seconds + 1)
    assert answer["phase"] == "complete"
    console = Console(file=StringIO(), force_terminal=True, width=WIDTH, color_system="standard")
    with console.capture() as capture:
        console.print(CutoverView().picture(answer, AT + (seconds + 1) * SECOND, HEIGHT))
    (line,) = (each for each in capture.get().splitlines() if "is what it took" in each)
    assert ("PAST the deadline" in line) == (style == "red")
    assert {"green": "\x1b[32m", "red": "\x1b[31m"}[style] in line


def test_what_is_late_is_said_in_words_and_the_incident_is_told() -> None:
    text = "\n".join(screen(CutoverView(), told(under_way(), 125), AT + 125 * SECOND))
    assert "PAST the deadline" in text
    assert "overlap [!!!!!!!!!!] OVER by 95.0 s, limit 30 s" in text
    assert "\nCRITICAL " in text
    assert "Cutover move of web, phase both" in text


@pytest.mark.parametrize(("height", "shown"), [(24, 7), (18, 3), (5, 3)])
def test_of_many_vantage_points_those_to_be_looked_at_are_shown(height: int, shown: int) -> None:
    answer = told(under_way(), 12)
    moved = next(p for p in answer["vantage_points"] if p["advertised_by"] == ["new-pe1"])
    answer["vantage_points"] += [moved | {"at": f"r{n} bmp"} for n in range(100, 140)]
    dark = moved | {"at": "r99 bmp", "sees": False}
    answer["vantage_points"].append(dark)
    lines = screen(CutoverView(), answer, AT + 12 * SECOND, height)
    assert lines[16].split() == ["unseen", "r99", "bmp", "does", "not", "see", "?"]
    assert lines[17].startswith("both    r2 bmp adj-in-pre")
    assert lines[-1] == f"and {44 - shown} more vantage points"
    assert len(lines) == 16 + shown + 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-20, "until the window opens"),
        (-5, "until the window ends"),
        (600, "since the window ended"),
    ],
)
def test_before_the_first_step_the_clock_counts_to_the_window(seconds: int, words: str) -> None:
    engine = engine_of()
    lines = screen(CutoverView(), told(engine, seconds), AT + seconds * SECOND)
    assert any(line.endswith(words) for line in lines)


def test_where_nothing_was_seen_yet_it_says_so() -> None:
    answer = told(engine_of(), 0) | {"vantage_points": []}
    lines = screen(CutoverView(), answer, AT)
    assert lines[-1] == "no vantage point has shown the service or its rules yet"


def test_large_digits_and_clock_faces() -> None:
    assert large("10:5") == ["     _     _", "  | | | . |_", "  | |_| .  _|"]
    assert [clock_face(each) for each in (0, 59.9, 61, 3723, -12)] == [
        *("0:00", "0:59", "1:01", "1:02:03", "+0:12"),
    ]


# What to do next


def test_the_next_step_is_told_from_first_to_last() -> None:
    engine = engine_of()
    assert next_step(told(engine, -20)).startswith("Wait for its window, which opens at ")
    both_advertise(engine)
    assert next_step(told(engine, 1)) == (
        "Withdraw 192.0.2.50/32 at legacy-pe: 2 of 2 vantage points see it there."
    )
    for router in ("r1", "r2"):
        play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + 5 * SECOND, router))
    assert next_step(told(engine, 6)) == (
        "Withdraw the rules of migration that are left: 1 at r1 bmp adj-in-pre peer 10.9.9.9, "
        "1 at r2 bmp adj-in-pre peer 10.9.9.9."
    )
    for router in ("r1", "r2"):
        play(engine, rules(Kind.WITHDRAW, AT + 7 * SECOND, router))
    assert next_step(told(engine, 8)) == "Nothing: it is complete."
    play(engine, [rollback_event("move", AT + 9 * SECOND)])
    assert next_step(told(engine, 9)) == "Advertise 192.0.2.50/32 at legacy-pe again."


def test_where_nobody_advertises_that_comes_first() -> None:
    engine = under_way()
    play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + 7 * SECOND, "r2"))
    for router in ("r1", "r2"):
        play(engine, step(Kind.WITHDRAW, "new-pe1", AT + 8 * SECOND, router))
    assert next_step(told(engine, 9)) == (
        "Nobody advertises 192.0.2.50/32: advertise it at new-pe1."
    )


def test_what_is_not_seen_is_asked_back() -> None:
    answer = told(under_way(), 12) | {"advertised_by": ["new-pe1"], "rules_left": {}}
    for point in answer["vantage_points"]:
        point["advertised_by"], point["rules"] = ["new-pe1"], 0
    assert next_step(answer) == "Wait until every vantage point has shown it."
    answer["vantage_points"][0]["advertised_by"] = []
    assert next_step(answer) == "Wait for r1 bmp adj-in-pre: new-pe1 is not seen there yet."
    answer["vantage_points"][0]["sees"] = False
    assert next_step(answer) == (
        "Bring the sessions of r1 bmp adj-in-pre back: without them nothing is proven there."
    )
    answer["vantage_points"] = [
        p | {"sees": False, "at": f"r{n}"} for n in range(5) for p in answer["vantage_points"][:1]
    ]
    assert next_step(answer).startswith("Bring the sessions of r0, r1, r2 and 2 more back")


# Lines


def test_only_what_is_new_makes_a_line() -> None:
    engine = under_way()
    view, first = CutoverView(), told(engine, 12)
    assert [line.partition(":")[0] for line in view.changes(None, first)] == [
        "cutover move",
        "window",
        "phase",
        "step begun",
        "step both",
        "r1 bmp adj-in-pre",
        "r2 bmp adj-in-pre",
        "r2 bmp adj-in-pre peer 10.9.9.9",
        "next",
    ]
    assert list(view.changes(first, told(engine, 13))) == []
    play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + 14 * SECOND, "r2"))
    second = told(engine, 15)
    assert list(view.changes(first, second)) == [
        "phase: moved (was: both)",
        f"step moved: at {rfc3339(AT + 14 * SECOND)[:23]}Z",
        (
            "r2 bmp adj-in-pre: advertised by new-pe1, rules left - "
            "(was: advertised by legacy-pe, new-pe1, rules left -)"
        ),
        (
            "next: Withdraw the rules of migration that are left: 1 at r2 bmp adj-in-pre peer "
            "10.9.9.9. (was: Withdraw 192.0.2.50/32 at legacy-pe: 1 of 2 vantage points see it "
            "there.)"
        ),
    ]
    play(engine, rules(Kind.WITHDRAW, AT + 16 * SECOND, "r2"))
    third = list(view.changes(second, told(engine, 17)))
    assert "phase: complete (was: moved)" in third
    assert any(line.startswith("next: Nothing: it is complete. (was: Withdraw") for line in third)


def test_a_timer_over_its_limit_and_an_incident_make_lines_once() -> None:
    engine = under_way()
    first, late = told(engine, 12), told(engine, 125)
    lines = list(CutoverView().changes(first, late))
    assert "timer total: over its limit of 120 s" in lines
    assert any(line.startswith(f"incident {late['incident']['id']}: critical: ") for line in lines)
    assert list(CutoverView().changes(late, told(engine, 126))) == []


# Status


def answer_of(**values: Any) -> dict[str, Any]:
    at = rfc3339(AT)
    answer: dict[str, Any] = {
        "time": rfc3339(AT + 60 * SECOND),
        "version": "1.0",
        "decoder": "native",
        "problems": [],
        "feeds": [
            {"router": "rr1", "feed": "bmp", "state": "complete", "since": at, "heard": at,
             "peers_up": 3, "lag_seconds": 0.5},
            {"router": "rr2", "state": "absent"},
        ],
        "probers": [],
        "store": {"place": "embedded", "rows_written": 7},
        "spool": {"octets": 1 << 20, "max_octets": 4 << 30, "reading": "goes on"},
        "intent": {"file": "intent.yaml", "used_since": at},
        "incidents": [],
    }  # fmt: skip
    return answer | values


def prober(state: str = "reports", **result: Any) -> dict[str, Any]:
    asked = {"anycast": "anchor", "site": "pe1", "probe": "tcp 8443"}
    heard = {} if state == "awaited" else {"heard": rfc3339(AT + 55 * SECOND)}
    return {"prober": "pe1", "state": state, **heard, "probes": [asked | result]}


def incident(number: int, severity: str = "critical") -> dict[str, Any]:
    return {
        "id": f"{number:016}",
        "severity": severity,
        "opened": rfc3339(AT),
        "summary": f"Site {number} has gone.",
    }


def test_the_status_shows_what_is_wrong_first() -> None:
    answer = answer_of(
        problems=["the store does not take rows: disk full"],
        probers=[prober("silent", result="failed", reason="refused")],
        incidents=[incident(1, "warning"), incident(2)],
    )
    lines = [" ".join(line.split()) for line in screen(StatusView(), answer, AT) if line]
    assert lines == [
        "PROBLEM the store does not take rows: disk full",
        "store takes rows 7 rows written",
        "spool reading goes on 1.0 of 4096 MiB wait",
        "OPEN INCIDENT SEVERITY FOR WHAT",
        "0000000000000002 critical 1m Site 2 has gone.",
        "0000000000000001 warning 1m Site 1 has gone.",
        "ROUTER STATE FOR HEARD FEED",
        "rr2 absent never",
        "rr1 complete 1m 1m ago bmp 3 peers lag 0.5 s",
        "PROBER STATE HEARD PROBES RESULT",
        "pe1 silent 5s ago anchor at pe1, tcp 8443 failed: refused",
    ]


def test_the_status_of_a_large_network_stays_on_the_screen() -> None:
    down = {"router": "far", "feed": "bmp", "state": "down", "reason": "the session was " * 9}
    feeds = [{"router": f"r{n}", "feed": "bmp", "state": "complete"} for n in range(500)]
    answer = answer_of(
        feeds=[*feeds, down],
        probers=[prober(result="healthy")] * 100,
        incidents=[incident(n) for n in range(50)],
    )
    lines = screen(StatusView(), answer, AT)
    assert len(lines) <= HEIGHT
    assert max(map(len, lines)) <= WIDTH
    text = "\n".join(lines)
    assert "more open incidents" in text
    assert next(line for line in lines if line.startswith("far")).split()[:2] == ["far", "down"]


def test_changes_of_the_status_make_lines() -> None:
    view, first = StatusView(), answer_of(probers=[prober("awaited")])
    assert [line.partition(":")[0] for line in view.changes(None, first)] == [
        *("watch", "intent", "store", "spool", "feed rr1 bmp", "feed rr2"),
        *("prober pe1", "probe anchor pe1 by pe1"),
    ]
    later = answer_of(
        feeds=[{"router": "rr1", "feed": "bmp", "state": "down", "peers_up": 0, "reason": "EOF"}],
        probers=[prober(result="failed", reason="refused")],
        incidents=[incident(3)],
        problems=["reading is paused"],
    )
    later["store"]["rows_written"] = 99  # no news
    assert list(view.changes(first, later)) == [
        "problem reading is paused: yes",
        "feed rr1 bmp: down (EOF), 0 peers up (was: complete, 3 peers up)",
        "prober pe1: reports (was: awaited)",
        "probe anchor pe1 by pe1: failed (refused) (was: not yet known)",
        "incident 0000000000000003: critical: Site 3 has gone.",
        "feed rr2: gone",
    ]
    assert "incident 0000000000000003: gone" in view.changes(later, first)


# What follows


def test_what_was_seen_last_is_kept_and_marked_while_nobody_answers() -> None:
    answers: list[dict[str, Any] | UserError] = [
        UnreachableError("nobody answers"),
        {"a": 1},
        UserError("the intent has no cutover 'x'"),
        {"a": 2},
    ]

    def ask() -> dict[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, UserError):
            raise answer
        return answer

    follower = Follower(ask)
    follower.look()
    assert follower.answer is None
    assert str(follower.head()).startswith("not reachable since ")
    assert str(follower.head()).endswith(", trying again: nobody answers")
    follower.look()
    assert follower.answer == {"a": 1}
    assert follower.lost == 0
    assert str(follower.head()).startswith("live, ")
    follower.look()
    assert follower.answer == {"a": 1}
    assert str(follower.head()).startswith("OLD, of ")
    assert str(follower.head()).endswith("trying again: the intent has no cutover 'x'")
    follower.look()
    assert follower.answer == {"a": 2}
    assert follower.lost == 0


def test_what_can_never_be_answered_ends_it() -> None:
    def ask() -> dict[str, Any]:
        raise UserError("the intent has no cutover 'x'")

    with pytest.raises(UserError, match="no cutover 'x'"):
        Follower(ask).look()
