from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from collector.event import Event, Kind, Provenance, View
from detectors.base import Unfinished
from detectors.engine import Engine
from detectors.feed import FeedKey
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from detectors.rules.failover import BUCKETS, Failover
from tests.unit.rules.scenes import PEERS, SECOND, START, make, play, route, steady_state

PREFIX = "10.100.0.254/32"
KEY = "anchor new-pe2"
INTENT = f"""
version: 1
sites:
  legacy-pe: {{match: [{{next_hop: 10.0.0.1}}]}}
  new-pe1: {{match: [{{next_hop: 10.0.1.1}}]}}
  new-pe2: {{match: [{{next_hop: 10.0.1.2}}]}}
services:
  - {{name: web, prefix: 192.0.2.50/32, home: [legacy-pe], failover: 10s}}
anycast:
  - {{name: anchor, prefix: {PREFIX}, sites: [new-pe1, new-pe2]}}
"""
AT = START + 60 * SECOND
FAR = ("203.0.113.1", "203.0.113.2", "203.0.113.3")
"""Vantage points that hear of the sites from others."""


REFLECTORS = dict(zip(PEERS.values(), ("10.9.0.1", "10.9.0.2", "10.9.0.3"), strict=False))
"""By site: from whom `r2` hears of it; `r1` has sessions with the sites themselves."""


def placed(event: Event) -> Event:
    """An event at the vantage point where it is seen."""
    if event.router != "r2" or event.peer not in REFLECTORS:
        return event
    return replace(event, peer=REFLECTORS[event.peer])


def watching() -> Engine:
    engine = Engine(parse_intent(INTENT), rules=[Failover])
    assert play(engine, [placed(event) for event in steady_state(START)]) == []
    return engine


def left(at: int, router: str, peer: str = PEERS["new-pe2"], prefix: str = PREFIX) -> Event:
    return placed(route(Kind.WITHDRAW, router, peer, prefix, at, Provenance.LIVE))


def shows(at: int, router: str, site: str = "new-pe2", peer: str | None = None) -> Event:
    event = route(Kind.ANNOUNCE, router, PEERS[site], PREFIX, at, Provenance.LIVE)
    return replace(event, peer=peer) if peer else placed(event)


def test_a_site_that_withdraws_at_one_of_its_sessions_alone_has_not_withdrawn() -> None:
    engine = watching()
    again = shows(START + 30 * SECOND, "r2", peer=PEERS["new-pe2"])
    assert play(engine, [again, left(AT, "r1")]) == []
    assert engine.advance(AT + 100 * SECOND) == []
    assert measured(engine) is None


def told(transitions: list[Incident]) -> list[tuple[str, str, str]]:
    return [(t.state, t.key, t.severity) for t in transitions]


def measured(engine: Engine, name: str = "anchor") -> tuple[int, float] | None:
    """How many failovers were measured, and how long they took together."""
    rule = engine.rule("failover")
    assert isinstance(rule, Failover)
    found = rule.distributions.get(name)
    return None if found is None else (sum(found.counts), round(found.seconds, 6))


def test_a_failover_within_its_budget_is_measured_and_pages_nobody() -> None:
    engine = watching()
    assert play(engine, [left(AT, "r1"), left(AT + 1_500_000_000, "r2")]) == []
    assert measured(engine) is None  # it may be path hunting yet
    assert engine.advance(AT + 60 * SECOND) == []
    assert measured(engine) == (1, 1.5)
    rule = engine.rule("failover")
    assert isinstance(rule, Failover)
    assert rule.distributions["anchor"].counts[BUCKETS.index(2.5)] == 1


def test_past_its_budget_it_is_told_until_the_last_has_moved() -> None:
    engine = watching()
    first = left(AT, "r1")
    assert play(engine, [first]) == []
    (opened,) = engine.advance(AT + 45 * SECOND)
    assert (opened.state, opened.key, opened.severity) == (State.OPEN, KEY, "warning")
    assert opened.time == AT + 30 * SECOND
    assert opened.evidence[0] == first
    assert [event.router for event in opened.evidence[1:]] == ["r2"]
    assert opened.summary == (
        "new-pe2 withdrew anchor (10.100.0.254/32) at 2027-01-15T08:01:00Z (first seen at r1), and "
        "more than 30 s later r2 still sends its traffic there. Look for a stuck route there, and "
        "clear its session."
    )
    assert play(engine, [left(AT + 50 * SECOND, "r2")]) == []
    (resolved,) = engine.advance(AT + 100 * SECOND)
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)
    assert resolved.summary == (
        "All 2 vantage points have left new-pe2 for anchor (10.100.0.254/32): that took 50 s "
        "(budget 30 s)."
    )
    assert measured(engine) == (1, 50.0)


def test_a_vantage_point_moves_by_showing_another_site() -> None:
    engine = watching()
    far = FAR[0]
    play(engine, [shows(AT - SECOND, "r1", peer=far)])
    moves = [
        left(AT, "r1"),
        left(AT, "r2"),
        replace(shows(AT + 3 * SECOND, "r1", "new-pe1"), peer=far),
    ]
    play(engine, moves)
    engine.advance(AT + 60 * SECOND)
    assert measured(engine) == (1, 3.0)


def test_path_hunting_in_between_belongs_to_it() -> None:
    engine = watching()
    far = FAR[0]
    play(engine, [shows(AT - SECOND, "r1", peer=far)])
    hunting = []
    for i in range(4):  # another path to the site is tried, and lost again
        at = AT + (i + 1) * SECOND
        hunting += [left(at, "r1", far), shows(at + SECOND // 2, "r1", peer=far)]
    play(engine, [left(AT, "r1"), left(AT, "r2"), *hunting, left(AT + 6 * SECOND, "r1", far)])
    engine.advance(AT + 60 * SECOND)
    assert measured(engine) == (1, 6.0)


def test_a_withdrawal_that_is_taken_back_is_none() -> None:
    engine = watching()
    play(engine, [left(AT, "r1"), shows(AT + SECOND, "r1")])
    assert engine.advance(AT + 60 * SECOND) == []
    assert measured(engine) is None
    # And the next one is measured from its own beginning.
    at = AT + 100 * SECOND
    play(engine, [left(at, "r1"), left(at + SECOND, "r2")])
    engine.advance(at + 60 * SECOND)
    assert measured(engine) == (1, 1.0)


def test_an_open_one_resolves_where_the_site_comes_back() -> None:
    engine = watching()
    play(engine, [left(AT, "r1")])
    (opened,) = engine.advance(AT + 40 * SECOND)
    assert play(engine, [shows(AT + 50 * SECOND, "r1")]) == []
    (resolved,) = engine.advance(AT + 60 * SECOND)
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)
    assert "advertises anchor (10.100.0.254/32) again wherever it did" in resolved.summary


def test_one_far_vantage_point_is_not_the_site() -> None:
    engine = watching()
    play(engine, [shows(AT - SECOND, "r1", peer=far) for far in FAR])
    assert play(engine, [left(AT, "r1", FAR[0])]) == []
    assert engine.advance(AT + 100 * SECOND) == []
    assert measured(engine) is None
    # When most have moved it is: the rest is waited for.
    at = AT + 200 * SECOND
    play(engine, [*(left(at, "r1", far) for far in FAR[1:]), left(at, "r2")])
    (opened,) = engine.advance(at + 100 * SECOND)
    assert opened.details["still"] == ["r1"]


def test_a_session_of_one_router_is_not_the_site() -> None:
    engine = watching()
    down = make(Kind.PEER_DOWN, "r1", AT, peer=PEERS["new-pe2"], view=View.ADJ_IN_PRE)
    assert play(engine, [down]) == []
    assert engine.advance(AT + 100 * SECOND) == []
    assert measured(engine) is None


def test_a_site_that_dies_is_measured_by_its_sessions() -> None:
    engine = watching()
    down = make(Kind.PEER_DOWN, "r1", AT, peer=PEERS["new-pe2"], view=View.ADJ_IN_PRE)
    play(engine, [down, placed(replace(down, router="r2", received=AT + 7 * SECOND))])
    engine.advance(AT + 100 * SECOND)
    assert measured(engine) == (1, 7.0)


def test_our_own_lost_session_and_a_dump_are_no_failover() -> None:
    engine = watching()
    gone = [make(Kind.FEED_DOWN, "r1", AT), make(Kind.FEED_DOWN, "r2", AT + SECOND)]
    play(engine, gone)
    again = [placed(e) for e in steady_state(AT + 60 * SECOND) if e.peer != PEERS["new-pe2"]]
    play(engine, again)
    assert engine.advance(AT + 600 * SECOND) == []
    assert measured(engine) is None


def test_a_feed_that_is_lost_in_between_is_left_out_and_resolves_nothing() -> None:
    engine = watching()
    play(engine, [left(AT, "r1")])
    (opened,) = engine.advance(AT + 40 * SECOND)
    (unknown,) = play(engine, [make(Kind.FEED_DOWN, "r2", AT + 50 * SECOND)])
    assert (unknown.state, unknown.id) == (State.UNKNOWN, opened.id)
    assert engine.advance(AT + 600 * SECOND) == []
    again = [
        event
        for event in steady_state(AT + 700 * SECOND)
        if event.router == "r2"
        and not (event.kind == Kind.ANNOUNCE and event.peer == PEERS["new-pe2"])
    ]
    transitions = play(engine, again) + engine.advance(AT + 800 * SECOND)
    assert [(t.state, t.id) for t in transitions] == [(State.RESOLVED, opened.id)]
    assert measured(engine) is None  # nobody knows when r2 moved


def test_a_service_has_its_own_budget() -> None:
    engine = watching()
    play(engine, [left(AT, "r1", PEERS["legacy-pe"], "192.0.2.50/32")])
    (opened,) = engine.advance(AT + 60 * SECOND)
    assert (opened.key, opened.time) == ("web legacy-pe", AT + 10 * SECOND)


def test_the_only_vantage_point_measures_nothing() -> None:
    engine = Engine(parse_intent(INTENT), rules=[Failover])
    play(engine, [event for event in steady_state(START) if event.router == "r1"])
    play(engine, [left(AT, "r1")])
    assert engine.advance(AT + 60 * SECOND) == []
    assert measured(engine) is None


def test_it_goes_on_after_a_restart() -> None:
    engine = watching()
    play(engine, [left(AT, "r1")])
    (opened,) = engine.advance(AT + 40 * SECOND)
    after = Engine(parse_intent(INTENT), rules=[Failover], restored=[opened])
    dump = [
        placed(event)
        for event in steady_state(AT + 50 * SECOND)
        if (event.kind, event.router, event.peer) != (Kind.ANNOUNCE, "r1", PEERS["new-pe2"])
    ]
    transitions = play(after, dump) + after.advance(AT + 60 * SECOND)
    assert {t.state for t in transitions} <= {State.UNKNOWN, State.UPDATED}
    assert [incident.id for incident in after.open_incidents] == [opened.id]
    play(after, [left(AT + 70 * SECOND, "r2")])
    (resolved,) = after.advance(AT + 100 * SECOND)
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def dump(at: int, *lost: str) -> list[Event]:
    """Every table again, but for the route to new-pe2 at these routers."""
    return [
        placed(event)
        for event in steady_state(at)
        if (event.kind, event.peer) != (Kind.ANNOUNCE, PEERS["new-pe2"]) or event.router not in lost
    ]


def restarted(engine: Engine, lived: int) -> Engine:
    """The engine of a new start, with what was kept on disk of the old one."""
    held: dict[FeedKey, list[tuple[Event, int]]] = {}
    for key, seen in engine.routes.all():
        held.setdefault(key.seen_by, []).append((seen.event, seen.since))
    unfinished = msgspec.json.decode(msgspec.json.encode(engine.unfinished), type=list[Unfinished])
    return Engine(
        parse_intent(INTENT), rules=[Failover], held=held, lived=lived, unfinished=unfinished
    )


@pytest.mark.parametrize("back", [10, 50])
def test_a_restart_within_the_budget_still_finds_who_stays(back: int) -> None:
    engine = watching()
    first = left(AT, "r1")
    play(engine, [first])
    after = restarted(engine, AT + 5 * SECOND)
    again = play(after, dump(AT + back * SECOND, "r1"))
    (opened,) = again + after.advance(AT + 60 * SECOND)
    assert (opened.state, opened.key, opened.time) == (
        State.OPEN,
        KEY,
        AT + max(back, 30) * SECOND,
    )
    assert opened.evidence[0] == first
    play(after, [left(AT + 70 * SECOND, "r2")])
    (resolved,) = after.advance(AT + 100 * SECOND)
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)
    assert measured(after) is None  # nobody knows what moved while we were away


@pytest.mark.parametrize(
    "lost",
    [("r1", "r2"), ()],
    ids=["all have moved", "the site came back"],
)
def test_what_ended_during_a_restart_is_told_to_nobody(lost: tuple[str, ...]) -> None:
    engine = watching()
    play(engine, [left(AT, "r1")])
    after = restarted(engine, AT + 5 * SECOND)
    again = dump(AT + 50 * SECOND, *lost)
    # The router that still shows the site comes first: nothing is concluded before all have.
    again.sort(key=lambda event: event.router, reverse=True)
    assert play(after, again) + after.advance(AT + 600 * SECOND) == []
    assert after.unfinished == []
    assert measured(after) is None


def test_a_router_that_is_not_seen_after_a_restart_keeps_it_unknown() -> None:
    engine = watching()
    play(engine, [left(AT, "r1")])
    after = restarted(engine, AT + 5 * SECOND)
    r2 = [event for event in dump(AT + 10 * SECOND) if event.router == "r2"]
    assert play(after, r2) + after.advance(AT + 600 * SECOND) == []
    assert len(after.unfinished) == 1
    r1 = [event for event in dump(AT + 700 * SECOND, "r1") if event.router == "r1"]
    (opened,) = play(after, r1)
    assert (opened.state, opened.key) == (State.OPEN, KEY)


def test_only_what_goes_on_and_was_not_told_is_unfinished() -> None:
    engine = watching()
    assert engine.unfinished == []
    play(engine, [left(AT, "r1")])
    assert [each.key for each in engine.unfinished] == [KEY]
    engine.advance(AT + 60 * SECOND)
    assert [i.key for i in engine.open_incidents] == [KEY]
    assert engine.unfinished == []


def test_what_another_version_kept_or_the_intent_names_no_more_is_left() -> None:
    engine = watching()
    play(engine, [left(AT, "r1")])
    (kept,) = engine.unfinished
    told: list[str] = []
    odd = [
        Unfinished("failover", KEY, {"name": "anchor"}),
        Unfinished("retired", KEY, kept.values),
        Unfinished("failover", "old new-pe2", {**kept.values, "name": "old"}),
    ]
    after = Engine(
        parse_intent(INTENT),
        rules=[Failover],
        unfinished=odd,
        on_error=lambda rule, _: told.append(rule),
    )
    assert told == ["failover"]
    assert after.unfinished == []
    assert play(after, dump(AT + 10 * SECOND, "r1")) + after.advance(AT + 600 * SECOND) == []


def test_a_feed_that_is_lost_over_the_end_of_the_budget_is_judged_when_it_is_back() -> None:
    engine = watching()
    play(engine, [left(AT, "r1"), make(Kind.FEED_DOWN, "r2", AT + 5 * SECOND)])
    assert engine.advance(AT + 600 * SECOND) == []
    at = AT + 700 * SECOND
    (opened,) = play(engine, [event for event in dump(at) if event.router == "r2"])
    assert (opened.state, opened.key, opened.time) == (State.OPEN, KEY, at)
    assert opened.details["still"] == ["r2"]


def test_vantage_points_that_are_not_seen_do_not_make_a_majority() -> None:
    engine = watching()
    play(engine, [shows(AT - SECOND, "r1", peer=far) for far in FAR])
    gone = [left(AT, "r1", FAR[0]), make(Kind.FEED_DOWN, "r2", AT + SECOND)]
    assert play(engine, gone) + engine.advance(AT + 100 * SECOND) == []
    assert engine.unfinished == []  # one far vantage point was not the site
    lost = make(Kind.FEED_DOWN, "r1", AT + 201 * SECOND)
    play(engine, [left(AT + 200 * SECOND, "r1", FAR[1]), lost])
    at = AT + 700 * SECOND
    back = [event for event in dump(at) if event.router == "r1"]
    far = shows(at, "r1", peer=FAR[2])
    assert play(engine, [*back[:-1], far, back[-1]]) + engine.advance(at + 100 * SECOND) == []


@pytest.mark.parametrize("count", [1, 500])
def test_what_is_kept_does_not_grow_with_churn(count: int) -> None:
    engine = watching()
    for i in range(count):
        at = AT + i * 20 * SECOND
        play(engine, [left(at, "r1"), left(at + SECOND, "r2")])
        play(engine, [shows(at + 10 * SECOND, "r1"), shows(at + 10 * SECOND, "r2")])
    engine.advance(AT + count * 20 * SECOND)
    rule = engine.rule("failover")
    assert isinstance(rule, Failover)
    assert rule._episodes == {}
    assert measured(engine) == (count, float(count))
