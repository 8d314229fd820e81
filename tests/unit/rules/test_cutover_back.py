"""Cutovers that are not seen, go back, are remembered over a restart, or are rehearsals."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from collector.event import Kind, View, rfc3339
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from detectors.progress import Phase, Progress
from tests.unit.rules.scenes import (
    HOUR,
    SECOND,
    START,
    make,
    play,
    steady_state,
)
from tests.unit.rules.test_cutover import (
    AT,
    CONTROLLER,
    INTENT,
    OPENS,
    ask_back,
    both_advertise,
    engine_of,
    faults,
    finish,
    move,
    moved_state,
    progress,
    rules,
    step,
)


@pytest.fixture
def engine() -> Engine:
    return engine_of()


# Blindness


def test_a_vantage_point_that_does_not_see_proves_nothing(engine: Engine) -> None:
    both_advertise(engine)
    play(engine, [make(Kind.FEED_DOWN, "r2", AT + SECOND)])
    assert play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + 2 * SECOND, "r1")) == []
    play(engine, rules(Kind.WITHDRAW, AT + 3 * SECOND, "r1"))
    assert [t for t in engine.advance(AT + HOUR) if t.detector == "cutover"] == []
    assert progress(engine).phase is Phase.BOTH
    back = AT + HOUR + SECOND
    dump = [event for event in moved_state(back) if event.router == "r2"]
    play(engine, dump)
    assert progress(engine).phase is Phase.COMPLETE


def test_blindness_makes_an_open_incident_unknown(engine: Engine) -> None:
    both_advertise(engine)
    (opened,) = engine.advance(AT + 30 * SECOND)
    found = play(engine, [make(Kind.FEED_DOWN, r, AT + 40 * SECOND) for r in ("r1", "r2")])
    assert [(t.state, t.id) for t in found if t.detector == "cutover"] == [("unknown", opened.id)]


def test_rules_that_went_with_their_session_are_not_flushed(engine: Engine) -> None:
    move(engine)
    down = make(Kind.PEER_DOWN, "r2", AT + 9 * SECOND, peer=CONTROLLER, view=View.ADJ_IN_PRE)
    play(engine, [down, *rules(Kind.WITHDRAW, AT + 10 * SECOND, "r1")])
    assert progress(engine).phase is Phase.MOVED
    up = make(Kind.PEER_UP, "r2", AT + 20 * SECOND, peer=CONTROLLER, view=View.ADJ_IN_PRE)
    play(engine, [up])
    assert progress(engine).phase is Phase.MOVED
    end = make(Kind.END_OF_RIB, "r2", AT + 21 * SECOND, peer=CONTROLLER, view=View.ADJ_IN_PRE)
    play(engine, [end])
    assert progress(engine).phase is Phase.COMPLETE


# Going back


def test_going_back_as_asked_is_no_alarm_and_ends_where_it_began(engine: Engine) -> None:
    move(engine)
    found = play(engine, [ask_back(AT + 20 * SECOND)])
    found += play(engine, step(Kind.ANNOUNCE, "legacy-pe", AT + 25 * SECOND))
    found += play(engine, step(Kind.WITHDRAW, "new-pe1", AT + 30 * SECOND, "r1"))
    assert progress(engine).rollback == AT + 20 * SECOND
    found += play(engine, step(Kind.WITHDRAW, "new-pe1", AT + 31 * SECOND, "r2"))
    assert found + engine.advance(START + HOUR) == []
    assert progress(engine).phase is Phase.ARMED
    assert progress(engine).rolled_back == AT + 31 * SECOND


def test_going_back_after_the_end_makes_the_old_site_the_home_again(engine: Engine) -> None:
    finish(engine)
    found = play(engine, [ask_back(AT + 60 * SECOND)])
    found += play(engine, step(Kind.ANNOUNCE, "legacy-pe", AT + 65 * SECOND))
    found += play(engine, step(Kind.WITHDRAW, "new-pe1", AT + 66 * SECOND))
    found += play(engine, rules(Kind.ANNOUNCE, AT + 70 * SECOND))
    assert found + engine.advance(START + HOUR) == []
    (opened,) = play(engine, step(Kind.ANNOUNCE, "new-pe1", START + 2 * HOUR))
    assert opened.details["home"] == ["legacy-pe"]


def test_going_back_has_limits_too(engine: Engine) -> None:
    move(engine)
    play(engine, [ask_back(AT + 20 * SECOND)])
    play(engine, step(Kind.ANNOUNCE, "legacy-pe", AT + 25 * SECOND))
    (opened,) = engine.advance(AT + 55 * SECOND)
    assert faults(opened) == ["overlap"]
    assert "Withdraw it at new-pe1." in opened.summary
    (worse,) = engine.advance(AT + 140 * SECOND)
    assert faults(worse) == ["overlap", "rollback_stuck"]
    (done,) = play(engine, step(Kind.WITHDRAW, "new-pe1", AT + 150 * SECOND))
    assert (done.state, done.id) == (State.RESOLVED, opened.id)
    assert "was rolled back as asked" in done.summary


def test_after_going_back_the_cutover_may_begin_again(engine: Engine) -> None:
    both_advertise(engine)
    play(engine, [ask_back(AT + 10 * SECOND), *step(Kind.WITHDRAW, "new-pe1", AT + 12 * SECOND)])
    assert progress(engine).phase is Phase.ARMED
    finish(engine, AT + 100 * SECOND)
    assert progress(engine).phase is Phase.COMPLETE


def test_asking_back_before_the_first_step_is_nothing(engine: Engine) -> None:
    engine.advance(OPENS)
    assert play(engine, [ask_back(AT), ask_back(AT, "nothing of that name")]) == []
    assert progress(engine).rollback == 0


def test_what_a_later_cutover_has_replaced_does_not_go_back() -> None:
    later = f"window: [{rfc3339(START + 600 * SECOND)}, {rfc3339(START + 900 * SECOND)}]"
    engine = engine_of(
        INTENT + f"  - {{name: on, service: web, from: new-pe1, to: [new-pe2], {later}}}\n"
    )
    finish(engine)
    engine.advance(START + 600 * SECOND)
    assert not engine.may_go_back(engine.intent.cutovers[0], START + 610 * SECOND)
    at = START + 610 * SECOND
    assert play(engine, [ask_back(at)]) == []
    found = play(engine, step(Kind.ANNOUNCE, "new-pe2", at + SECOND))
    found += play(engine, step(Kind.WITHDRAW, "new-pe1", at + 2 * SECOND))
    assert found + engine.advance(START + HOUR) == []
    assert [each.phase for each in engine.cutovers] == [Phase.COMPLETE, Phase.COMPLETE]
    (opened,) = play(engine, step(Kind.ANNOUNCE, "new-pe1", START + 2 * HOUR, "r1"))
    assert opened.details["home"] == ["new-pe2"]


# Over a restart


def test_what_is_remembered_survives_a_restart(engine: Engine) -> None:
    move(engine)
    (opened,) = play(engine, step(Kind.ANNOUNCE, "legacy-pe", AT + 20 * SECOND))[:1]
    kept = [
        msgspec.json.decode(msgspec.json.encode(each), type=Progress) for each in engine.cutovers
    ]
    assert kept == engine.cutovers
    back = AT + 40 * SECOND
    after = Engine(parse_intent(INTENT), restored=engine.open_incidents, cutovers=kept)
    dump = [
        *steady_state(back)[:-1],
        *step(Kind.ANNOUNCE, "new-pe1", back),
        *rules(Kind.ANNOUNCE, back),
    ]
    ends = [make(Kind.END_OF_RIB, router, back) for router in ("r1", "r2")]
    play(after, [*dump, *ends])
    (incident,) = after.open_incidents
    assert (incident.id, faults(incident)) == (opened.id, ["old_returned"])
    done = play(
        after,
        [*step(Kind.WITHDRAW, "legacy-pe", back + 1), *rules(Kind.WITHDRAW, back + SECOND)],
    )
    assert (done[-1].state, done[-1].id) == (State.RESOLVED, opened.id)


# Rehearsals


def test_a_rehearsal_takes_the_limits_of_its_plan_and_warns() -> None:
    text = INTENT + (
        "  - {name: try, service: lab, from: legacy-pe, to: [new-pe1], rehearsal_of: move,\n"
        f"     max_gap: 0s, window: [{rfc3339(OPENS)}, {rfc3339(START + 600 * SECOND)}]}}\n"
    )
    text = text.replace(
        "flowspec:\n",
        "  - {name: lab, prefix: 198.51.100.1/32, home: [legacy-pe]}\nflowspec:\n",
    )
    intent = parse_intent(text)
    plan, rehearsal = intent.cutovers
    assert (rehearsal.deadline, rehearsal.max_overlap) == (plan.deadline, plan.max_overlap)
    assert (rehearsal.max_gap, rehearsal.flush) == (0, None)
    engine = Engine(intent)
    play(engine, steady_state(START))
    lab = [replace(e, prefix="198.51.100.1/32") for e in step(Kind.ANNOUNCE, "legacy-pe", START)]
    play(engine, lab)
    play(engine, [replace(e, received=AT) for e in lab])
    new = step(Kind.ANNOUNCE, "new-pe1", AT)
    play(engine, [replace(event, prefix="198.51.100.1/32") for event in new])
    (opened,) = engine.advance(AT + 30 * SECOND)
    assert (opened.key, opened.severity, faults(opened)) == ("try", "warning", ["overlap"])
    assert opened.summary.startswith("Rehearsal try of lab, phase both: ")


# Another window


def moved_to(engine: Engine, begins: int, ends: int, now: int) -> list[Incident]:
    before = f"window: [{rfc3339(OPENS)}, {rfc3339(START + 600 * SECOND)}]"
    assert before in INTENT
    intent = parse_intent(INTENT.replace(before, f"window: [{rfc3339(begins)}, {rfc3339(ends)}]"))
    engine.prepare(intent)
    return engine.adopt(intent, now)


@pytest.mark.parametrize("begins", [OPENS, OPENS - 60 * SECOND, OPENS + 5 * SECOND])
def test_more_time_for_what_is_stuck_proves_nothing(engine: Engine, begins: int) -> None:
    play(engine, step(Kind.ANNOUNCE, "new-pe1", AT, "r1"))
    play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + SECOND))
    (stuck,) = engine.advance(AT + 60 * SECOND)
    assert faults(stuck) == ["not_everywhere"]
    assert moved_to(engine, begins, START + HOUR, AT + 70 * SECOND) == []
    assert progress(engine).phase is Phase.BOTH
    assert progress(engine).window == (begins, START + HOUR)
    assert [incident.id for incident in engine.open_incidents] == [stuck.id]
    play(engine, rules(Kind.WITHDRAW, AT + 80 * SECOND))
    ends = play(engine, step(Kind.ANNOUNCE, "new-pe1", AT + 81 * SECOND, "r2"))
    assert [(each.id, each.state) for each in ends] == [(stuck.id, State.RESOLVED)]


def test_a_longer_window_does_not_undo_what_is_complete(engine: Engine) -> None:
    finish(engine)
    assert moved_to(engine, OPENS, START + HOUR, AT + 70 * SECOND) == []
    assert progress(engine).phase is Phase.COMPLETE
    assert engine.advance(START + HOUR) == []


def test_a_later_window_begins_anew(engine: Engine) -> None:
    finish(engine)
    at = START + 300 * SECOND
    earlier = progress(engine)
    moved_to(engine, at, START + HOUR, at + SECOND)
    assert engine.cutovers == [earlier, progress(engine)]
    assert progress(engine).begun > at > earlier.complete


def test_rules_that_came_back_before_it_was_asked_for_count_on_the_way_back(
    engine: Engine,
) -> None:
    finish(engine)
    play(engine, rules(Kind.ANNOUNCE, AT + 50 * SECOND))
    play(engine, [ask_back(AT + 60 * SECOND)])
    play(engine, step(Kind.ANNOUNCE, "legacy-pe", AT + 65 * SECOND))
    play(engine, step(Kind.WITHDRAW, "new-pe1", AT + 66 * SECOND))
    again = AT + 200 * SECOND
    both_advertise(engine, again)
    play(engine, step(Kind.WITHDRAW, "legacy-pe", again + 5 * SECOND))
    assert progress(engine).phase is Phase.MOVED
    (left,) = [each for each in engine.advance(START + HOUR) if each.detector == "cutover"]
    assert faults(left) == ["leftover"]
