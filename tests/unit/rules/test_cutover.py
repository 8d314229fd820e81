"""The cutover's machine: what each step needs, what is wrong when, and that it is one incident."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from collector.event import Event, Feed, Kind, Provenance, View, rfc3339
from detectors.engine import Engine
from detectors.incidents import Incident, State, incident_id
from detectors.intent import parse_intent
from detectors.progress import Phase, Progress
from tests.unit.rules.scenes import (
    ALLOWED,
    HOUR,
    KILL_SWITCH,
    PEERS,
    SECOND,
    START,
    make,
    play,
    route,
    steady_state,
)

SERVICE = "192.0.2.50/32"
CONTROLLER = "10.9.9.9"
OPENS = START + 100 * SECOND
AT = START + 110 * SECOND
"""When the first step of most tests is taken."""
INTENT = f"""
version: 1
sites:
  legacy-pe: {{match: [{{peer: 10.0.0.1}}, {{originator_id: 10.0.0.1}}]}}
  new-pe1: {{match: [{{peer: 10.0.1.1}}, {{originator_id: 10.0.1.1}}]}}
  new-pe2: {{match: [{{peer: 10.0.1.2}}]}}
services:
  - {{name: web, prefix: {SERVICE}, home: [legacy-pe], hold: 5s}}
flowspec:
  - name: migration
    destination: [192.0.2.50/32]
    protocol: [tcp]
    destination_port: [1024-65535]
    actions: [redirect-to-nexthop]
  - {{name: other, destination: [203.0.113.0/24], actions: [discard]}}
protect: [tcp/179]
cutovers:
  - name: move
    service: web
    from: legacy-pe
    to: [new-pe1]
    window: [{rfc3339(OPENS)}, {rfc3339(START + 600 * SECOND)}]
    deadline: 120s
    max_overlap: 30s
    max_gap: 1s
    flush: migration
"""


def rules(kind: str, at: int, *routers: str) -> list[Event]:
    return [
        route(kind, router, CONTROLLER, ALLOWED, at, Provenance.LIVE)
        for router in routers or ("r1", "r2")
    ]


def step(kind: str, site: str, at: int, *routers: str) -> list[Event]:
    return [
        route(kind, router, PEERS[site], SERVICE, at, Provenance.LIVE)
        for router in routers or ("r1", "r2")
    ]


def ask_back(at: int, name: str = "move") -> Event:
    return make(Kind.ROLLBACK, "", at, feed=Feed.OPERATOR, reason=name)


def engine_of(text: str = INTENT) -> Engine:
    engine = Engine(parse_intent(text))
    assert play(engine, [*steady_state(START), *rules(Kind.ANNOUNCE, START)]) == []
    return engine


@pytest.fixture
def engine() -> Engine:
    return engine_of()


def progress(engine: Engine) -> Progress:
    return engine.cutovers[-1]


def both_advertise(engine: Engine, at: int = AT) -> None:
    assert play(engine, step(Kind.ANNOUNCE, "new-pe1", at)) == []


def move(engine: Engine, at: int = AT) -> None:
    both_advertise(engine, at)
    assert play(engine, step(Kind.WITHDRAW, "legacy-pe", at + 5 * SECOND)) == []


def finish(engine: Engine, at: int = AT) -> None:
    move(engine, at)
    assert play(engine, rules(Kind.WITHDRAW, at + 10 * SECOND)) == []


def faults(incident: Incident) -> list[str]:
    assert incident.detector == "cutover"
    found: list[str] = incident.details["faults"]
    return found


def moved_state(at: int) -> list[Event]:
    """The tables of both routers as they are after the cutover."""
    state = [event for event in steady_state(at) if event.prefix != SERVICE]
    openings = [event for event in state if event.kind in (Kind.FEED_UP, Kind.PEER_UP)]
    others = [event for event in state if event not in openings]
    return [*openings, *step(Kind.ANNOUNCE, "new-pe1", at), *others]


# Step by step


def test_a_clean_cutover_goes_through_its_phases_and_opens_nothing(engine: Engine) -> None:
    assert engine.advance(OPENS) == []
    assert progress(engine).phase is Phase.ARMED
    both_advertise(engine)
    assert progress(engine).phase is Phase.BOTH
    play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + 5 * SECOND, "r1"))
    assert progress(engine).phase is Phase.BOTH
    play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + 6 * SECOND, "r2"))
    assert progress(engine).phase is Phase.MOVED
    play(engine, rules(Kind.WITHDRAW, AT + 10 * SECOND, "r1"))
    assert progress(engine).phase is Phase.MOVED
    play(engine, rules(Kind.WITHDRAW, AT + 11 * SECOND, "r2"))
    assert progress(engine).phase is Phase.COMPLETE
    assert engine.advance(START + HOUR) == []
    done = progress(engine)
    times = (done.begun, done.both, done.moved, done.flushed, done.complete)
    assert [(t - AT) // SECOND for t in times] == [0, 0, 6, 11, 11]
    assert (done.overlap // SECOND, done.gap) == (6, 0)


def test_moved_needs_the_new_site_at_every_point_that_saw_the_old_one(engine: Engine) -> None:
    play(engine, step(Kind.ANNOUNCE, "new-pe1", AT, "r1"))
    assert play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + SECOND)) == []
    assert progress(engine).phase is Phase.BOTH
    (opened,) = engine.advance(AT + 6 * SECOND)
    assert faults(opened) == ["not_everywhere"]
    assert "r2 bmp adj-in-pre saw legacy-pe advertise" in opened.summary
    (better,) = play(engine, step(Kind.ANNOUNCE, "new-pe1", AT + 9 * SECOND, "r2"))
    assert (better.state, better.id, faults(better)) == (State.UPDATED, opened.id, [])
    (done,) = play(engine, rules(Kind.WITHDRAW, AT + 12 * SECOND))
    assert (done.state, done.id) == (State.RESOLVED, opened.id)
    assert "Cutover move is complete" in done.summary


def test_a_session_that_reflects_is_a_vantage_point_of_its_own(engine: Engine) -> None:
    def reflected(origin: str, at: int) -> Event:
        event = route(Kind.ANNOUNCE, "r1", "10.0.9.1", SERVICE, at, Provenance.LIVE)
        return replace(event, next_hop=origin, originator_id=origin)

    play(engine, [reflected("10.0.0.1", START + SECOND)])
    both_advertise(engine)
    assert play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + SECOND)) == []
    assert progress(engine).phase is Phase.BOTH
    play(engine, [reflected("10.0.1.1", AT + 2 * SECOND)])
    assert progress(engine).phase is Phase.MOVED


def test_the_new_site_may_come_by_another_session_of_the_table(engine: Engine) -> None:
    event = route(Kind.ANNOUNCE, "r1", "10.0.9.1", SERVICE, START + SECOND, Provenance.LIVE)
    play(engine, [replace(event, next_hop="10.0.0.1", originator_id="10.0.0.1")])
    both_advertise(engine)
    play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + SECOND))
    assert progress(engine).phase is Phase.BOTH
    play(engine, [replace(event, kind=Kind.WITHDRAW, received=AT + 2 * SECOND)])
    assert progress(engine).phase is Phase.MOVED


def test_a_router_that_is_the_new_site_need_not_be_told_of_its_own_route() -> None:
    engine = engine_of(INTENT.replace("[{peer: 10.0.1.1},", "[{peer: 10.0.1.1}, {router: r2},"))
    play(engine, step(Kind.ANNOUNCE, "new-pe1", AT, "r1"))
    assert play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + SECOND)) == []
    assert progress(engine).phase is Phase.MOVED


def test_post_policy_is_asked_nothing_where_pre_policy_is_seen(engine: Engine) -> None:
    """GoBGP tells both, and post-policy of some routes comes first."""
    engine.advance(OPENS)
    ghost = route(Kind.ANNOUNCE, "r3", PEERS["legacy-pe"], SERVICE, AT, Provenance.LIVE)
    both = [replace(ghost, view=View.ADJ_IN_POST), ghost]
    play(engine, [make(Kind.FEED_UP, "r3", AT, epoch=AT), *both, make(Kind.END_OF_RIB, "r3", AT)])
    assert len({v.view for v in progress(engine).saw if v.router == "r3"}) == 2
    at = AT + SECOND
    play(engine, step(Kind.ANNOUNCE, "new-pe1", at, "r1", "r2", "r3"))
    play(engine, step(Kind.WITHDRAW, "legacy-pe", at + SECOND, "r1", "r2", "r3"))
    assert progress(engine).phase is Phase.MOVED


def test_without_a_flush_policy_moved_is_complete() -> None:
    engine = engine_of(INTENT.replace("    flush: migration\n", ""))
    move(engine)
    assert progress(engine).phase is Phase.COMPLETE


# Faults


def test_overlap_longer_than_allowed_and_its_end(engine: Engine) -> None:
    both_advertise(engine)
    assert engine.advance(AT + 30 * SECOND - 1) == []
    (opened,) = engine.advance(AT + 30 * SECOND)
    assert (opened.key, opened.severity, opened.opened) == ("move", "critical", AT + 30 * SECOND)
    assert faults(opened) == ["overlap"]
    assert "longer than the 30 s of overlap that cutover move allows" in opened.summary
    assert "Withdraw it at legacy-pe, or roll new-pe1 back." in opened.summary
    assert {event.peer for event in opened.evidence} == {"10.0.0.1", "10.0.1.1"}
    (better,) = play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + 40 * SECOND))
    assert (better.state, better.details["phase"], faults(better)) == ("updated", "moved", [])
    (done,) = play(engine, rules(Kind.WITHDRAW, AT + 50 * SECOND))
    assert (done.state, done.id) == (State.RESOLVED, opened.id)


def test_withdrawn_before_the_new_site_advertises(engine: Engine) -> None:
    play(engine, step(Kind.WITHDRAW, "legacy-pe", AT))
    assert engine.advance(AT + SECOND - 1) == []
    (opened,) = engine.advance(AT + SECOND)
    assert faults(opened) == ["withdrawn_before_new"]
    assert opened.evidence[0].kind == Kind.WITHDRAW
    (better,) = play(engine, step(Kind.ANNOUNCE, "new-pe1", AT + 3 * SECOND, "r1", "r2"))[:1]
    assert better.id == opened.id


def test_a_gap_after_the_new_site_was_there(engine: Engine) -> None:
    move(engine)
    play(engine, step(Kind.WITHDRAW, "new-pe1", AT + 20 * SECOND))
    (opened,) = engine.advance(AT + 21 * SECOND)
    assert faults(opened) == ["gap"]


def test_the_rules_go_before_the_service_has_moved(engine: Engine) -> None:
    both_advertise(engine)
    play(engine, rules(Kind.WITHDRAW, AT + 10 * SECOND))
    assert engine.advance(AT + 15 * SECOND - 1) == []
    (opened,) = engine.advance(AT + 15 * SECOND)
    assert faults(opened) == ["flushed_before_moved"]
    (done,) = play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + 20 * SECOND))
    assert done.state == State.RESOLVED


def test_flushing_may_be_the_first_wrong_step(engine: Engine) -> None:
    play(engine, rules(Kind.WITHDRAW, AT))
    (opened,) = engine.advance(AT + 5 * SECOND)
    assert faults(opened) == ["flushed_before_moved"]


def test_stuck_says_where(engine: Engine) -> None:
    both_advertise(engine)
    play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + 5 * SECOND, "r1"))
    engine.advance(AT + 30 * SECOND)
    (worse,) = engine.advance(AT + 120 * SECOND)
    assert faults(worse) == ["overlap", "stuck"]
    assert "legacy-pe is still seen by r2 bmp adj-in-pre" in worse.summary


def test_leftover_rules_are_told_at_the_deadline_with_their_places(engine: Engine) -> None:
    move(engine)
    play(engine, rules(Kind.WITHDRAW, AT + 10 * SECOND, "r1"))
    assert engine.advance(AT + 120 * SECOND - 1) == []
    (opened,) = engine.advance(AT + 120 * SECOND)
    assert faults(opened) == ["leftover"]
    assert opened.details["rules_left"] == {"r2 bmp adj-in-pre peer 10.9.9.9": 1}
    assert "1 rule of policy migration left over" in opened.summary
    assert opened.details["rules"] == [f"ipv4-flowspec {ALLOWED}"]
    assert f"r2 bmp adj-in-pre peer 10.9.9.9 (1); `{ALLOWED}`" in opened.summary
    assert [(e.router, e.rule) for e in opened.evidence] == [("r2", ALLOWED)]
    # What opened it is the time: the same rule may be left over in the next window, too.
    assert opened.id == incident_id("cutover", "move", None, AT + 120 * SECOND)
    (done,) = play(engine, rules(Kind.WITHDRAW, AT + 200 * SECOND, "r2"))
    assert (done.state, done.id) == (State.RESOLVED, opened.id)


def test_of_many_rules_each_is_shown_before_any_is_shown_twice(engine: Engine) -> None:
    texts = [f"{ALLOWED} source 198.51.100.{n}/32" for n in range(1, 13)]
    more = [
        replace(rule, rule=text, sequence=n)
        for n, text in enumerate(texts, 1)
        for rule in rules(Kind.ANNOUNCE, START + SECOND)
    ]
    play(engine, more)
    move(engine)
    (opened,) = engine.advance(AT + 120 * SECOND)
    assert "13 rules of policy migration left over" in opened.summary
    assert "and 12 more" in opened.summary
    assert len(opened.details["rules"]) == 13
    assert len({event.rule for event in opened.evidence}) == len(opened.evidence) == 10


def test_what_is_withdrawn_of_the_rules_left_over_is_no_news_by_itself(engine: Engine) -> None:
    play(engine, [replace(e, rule=f"{ALLOWED} dscp =0") for e in rules(Kind.ANNOUNCE, AT)])
    move(engine)
    (opened,) = engine.advance(AT + 120 * SECOND)
    assert len(opened.details["rules"]) == 2
    assert play(engine, rules(Kind.WITHDRAW, AT + 130 * SECOND)) == []


def test_the_end_of_the_window_is_a_deadline_too(engine: Engine) -> None:
    late = START + 560 * SECOND
    move(engine, late)
    (opened,) = engine.advance(START + 600 * SECOND)
    assert faults(opened) == ["leftover"]
    assert "when its window was over" in opened.summary


def test_a_window_without_a_step_is_a_warning(engine: Engine) -> None:
    (opened,) = engine.advance(START + 600 * SECOND)
    assert (opened.severity, faults(opened)) == ("warning", ["not_begun"])
    play(engine, step(Kind.ANNOUNCE, "new-pe1", START + 700 * SECOND))
    play(engine, step(Kind.WITHDRAW, "legacy-pe", START + 701 * SECOND))
    done = play(engine, rules(Kind.WITHDRAW, START + 702 * SECOND))
    assert [(t.state, t.id) for t in done] == [(State.RESOLVED, opened.id)]


def test_the_old_site_comes_back_unasked(engine: Engine) -> None:
    move(engine)
    (opened,) = play(engine, step(Kind.ANNOUNCE, "legacy-pe", AT + 20 * SECOND, "r2"))
    assert faults(opened) == ["old_returned"]
    assert "anchorwatch cutover rollback move" in opened.summary
    (better,) = play(engine, step(Kind.WITHDRAW, "legacy-pe", AT + 30 * SECOND, "r2"))
    assert (better.id, faults(better)) == (opened.id, [])


def test_the_new_site_goes_unasked(engine: Engine) -> None:
    both_advertise(engine)
    play(engine, step(Kind.WITHDRAW, "new-pe1", AT + 10 * SECOND))
    assert engine.advance(AT + 15 * SECOND - 1) == []
    (opened,) = engine.advance(AT + 15 * SECOND)
    assert faults(opened) == ["new_gone"]


def test_what_has_nothing_to_do_with_it_pages_as_ever(engine: Engine) -> None:
    both_advertise(engine)
    third = play(engine, step(Kind.ANNOUNCE, "new-pe2", AT + SECOND, "r1"))
    kill = route(Kind.ANNOUNCE, "r1", CONTROLLER, KILL_SWITCH, AT + 2 * SECOND, Provenance.LIVE)
    found = [*third, *play(engine, [kill])]
    assert [t.detector for t in found] == ["dual_advertisement", "flowspec_policy"]
    assert found[0].details["offenders"] == ["new-pe2"]


# After it


def test_after_it_the_new_site_is_the_home_and_the_old_one_is_not(engine: Engine) -> None:
    finish(engine)
    (opened,) = play(engine, step(Kind.ANNOUNCE, "legacy-pe", AT + 60 * SECOND, "r1"))
    assert (opened.detector, opened.details["offenders"]) == ("dual_advertisement", ["legacy-pe"])
    assert opened.details["home"] == ["new-pe1"]


def test_a_watch_that_starts_after_it_takes_it_as_done() -> None:
    engine = Engine(parse_intent(INTENT))
    late = START + 700 * SECOND
    events = moved_state(late)
    transitions = play(engine, events) + engine.advance(late + HOUR)
    assert [(t.state, t.summary) for t in transitions if t.detector == "cutover"] == []
    assert progress(engine).phase is Phase.COMPLETE
    assert [t.detector for t in engine.open_incidents] == []
