"""What every rule must hold, checked over all of them by discovery."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.event import Event, Feed, Kind, Provenance, View
from detectors.base import Rule, Unfinished
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import Intent, parse_intent
from detectors.rules import discover
from tests.unit.rules.scenes import (
    HOUR,
    KILL_SWITCH,
    PEERS,
    RULES,
    SECOND,
    START,
    UNICAST,
    make,
    play,
    route,
    steady_state,
)

INTENT = """
version: 1
sites:
  legacy-pe: {match: [{peer: 10.0.0.1}]}
  new-pe1: {match: [{peer: 10.0.1.1}]}
  new-pe2: {match: [{peer: 10.0.1.2}]}
services:
  - {name: web, prefix: 192.0.2.50/32, home: [legacy-pe], hold: 5s, failover: 10s}
anycast:
  - name: anchor
    prefix: 10.100.0.254/32
    sites: [new-pe1, new-pe2]
    minimum: 1
    failover: 10s
flowspec:
  - name: migration
    destination: [192.0.2.50/32]
    protocol: [tcp]
    destination_port: [1024-65535]
    actions: [{redirect-to-nexthop: 10.100.0.254}]
    require: [destination, protocol, destination_port]
    max_age: 30d
protect: [tcp/179]
"""
FEEDS = """
feeds:
  - {router: r1, silent_after: 1000h}
  - {router: r2, feed: bmp, silent_after: 1000h}
"""
"""Silence is well here: a history that has ended is one."""
NERVOUS = """
feeds:
  - {router: r1, silent_after: 2s, lost_after: 1s, dump_within: 3s, lag: 1s, settle: 1s}
  - {router: r2, feed: bmp}
cutovers:
  - name: move
    service: web
    from: legacy-pe
    to: [new-pe1]
    window: [2027-01-15T08:00:04Z, 2027-01-15T09:00:00Z]
    flush: migration
"""


@pytest.fixture(scope="module")
def intent() -> Intent:
    return parse_intent(INTENT + FEEDS, "contract.yaml")


@pytest.fixture(scope="module")
def nervous() -> Intent:
    probed = "    minimum: 1\n    probe: {tcp: 80, fall: 1, rise: 1}\n"
    return parse_intent(INTENT.replace("    minimum: 1\n", probed) + NERVOUS, "nervous.yaml")


def results(at: int) -> st.SearchStrategy[Event]:
    """Any result of a prober, or none."""

    def event(site: str, result: str) -> Event:
        said = {"anycast": "anchor", "site": site, "result": result}
        return make(Kind.PROBE, site, at, feed=Feed.PROBE, router_address="", information=said)

    sites = st.sampled_from(["new-pe1", "new-pe2"])
    return st.builds(event, sites, st.sampled_from(["healthy", "failed", "failed", "awaited", "?"]))


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Any sequence of events: also ones that no router would send."""
    events: list[Event] = []
    at = START
    for _ in range(draw(st.integers(1, 40))):
        at += draw(st.sampled_from([0, 1, SECOND // 2, 4 * SECOND, 6 * SECOND, HOUR]))
        router = draw(st.sampled_from(["r1", "r2"]))
        peer = draw(st.sampled_from(list(PEERS.values())))
        kind = draw(st.sampled_from([*Kind, Kind.ANNOUNCE, Kind.ANNOUNCE, Kind.WITHDRAW]))
        if kind in (Kind.ANNOUNCE, Kind.WITHDRAW):
            what = draw(st.sampled_from([*UNICAST, *RULES]))
            provenance = draw(st.sampled_from([Provenance.LIVE, Provenance.DUMP]))
            events.append(route(kind, router, peer, what, at, provenance))
        elif kind in (Kind.PEER_UP, Kind.PEER_DOWN):
            events.append(make(kind, router, at, peer=peer, view=View.ADJ_IN_PRE, epoch=at))
        elif kind == Kind.PROBE:
            events.append(draw(results(at)))
        elif kind == Kind.END_OF_RIB and draw(st.booleans()):
            events.append(make(kind, router, at, peer=peer, view=View.ADJ_IN_PRE))
        elif kind == Kind.ROLLBACK:
            events.append(make(kind, "", at, feed=Feed.OPERATOR, reason="move"))
        else:
            events.append(make(kind, router, at))
    return [msgspec.structs.replace(e, sequence=i) for i, e in enumerate(events, 1)]


def test_the_rules_are_found() -> None:
    assert {rule.name for rule in discover()} >= {
        "anchor_redundancy",
        "anycast_black_hole",
        "control_plane_loop",
        "failover",
        "flowspec_shadowed",
        "cutover",
        "dual_advertisement",
        "feed_blind",
        "flapping",
        "flowspec_policy",
        "origin",
        "redirect_target",
        "unexpected_withdrawal",
    }


@settings(max_examples=150, deadline=None)
@given(events=histories(), data=st.data())
def test_any_batching_gives_the_same_findings(
    nervous: Intent, events: list[Event], data: st.DataObject
) -> None:
    end = events[-1].received + HOUR
    plain = Engine(nervous)
    expected = play(plain, events) + plain.advance(end)
    ticked = Engine(nervous)
    found: list[Incident] = []
    for this, following in zip(events, [*events[1:], None], strict=True):
        found += ticked.process(this)
        until = following.received if following else end
        for moment in sorted(data.draw(st.lists(st.integers(this.received, until), max_size=3))):
            found += ticked.advance(moment)
    found += ticked.advance(end)
    assert found == expected


@settings(max_examples=200, deadline=None)
@given(events=histories())
def test_no_event_sequence_makes_a_rule_fail(nervous: Intent, events: list[Event]) -> None:
    failures: list[tuple[str, Exception]] = []
    engine = Engine(nervous, on_error=lambda rule, error: failures.append((rule, error)))
    play(engine, events)
    engine.advance(events[-1].received + 100 * HOUR)
    assert failures == []


@settings(max_examples=150, deadline=None)
@given(events=histories())
def test_every_finding_resolves_once_all_is_well(intent: Intent, events: list[Event]) -> None:
    engine = Engine(intent)
    transitions = play(engine, events)
    at = events[-1].received + SECOND
    transitions += play(engine, steady_state(at))
    transitions += engine.advance(at + 100 * HOUR)
    assert engine.open_incidents == []
    for transition in transitions:
        last = [t for t in transitions if t.id == transition.id][-1]
        assert last.state == State.RESOLVED
        assert last.summary


@settings(max_examples=100, deadline=None)
@given(events=histories())
def test_a_transition_is_told_once_and_in_order(nervous: Intent, events: list[Event]) -> None:
    engine = Engine(nervous)
    state: dict[str, str] = {}
    for transition in play(engine, events) + engine.advance(events[-1].received + 100 * HOUR):
        before = state.get(transition.id)
        if transition.state == State.OPEN:
            assert before in (None, State.RESOLVED)
        else:
            assert before in (State.OPEN, State.UPDATED, State.UNKNOWN)
        state[transition.id] = transition.state


@settings(max_examples=100, deadline=None)
@given(events=histories())
def test_a_restart_opens_nothing_and_resolves_nothing_wrongly(
    intent: Intent, events: list[Event]
) -> None:
    """The collector is killed, comes back, and every router dumps the very tables it had."""
    start = steady_state(START - HOUR)
    lived = [event for event in events if event.kind in (Kind.ANNOUNCE, Kind.WITHDRAW)]
    at = events[-1].received + 20 * SECOND  # past every hold
    before = Engine(intent)
    play(before, [*start, *lived])
    before.advance(at)
    after = Engine(intent, restored=before.open_incidents)
    transitions = play(after, redump([*start, *lived], at)) + after.advance(at + 6 * SECOND)
    before.advance(at + 6 * SECOND)
    assert [t for t in transitions if t.state in (State.OPEN, State.RESOLVED)] == []
    assert ids(after) == ids(before)


NETWORK = {rule.name for rule in discover()} - {"anycast_black_hole", "feed_blind"}
"""The detectors that judge the network, and not how it is seen."""


@settings(max_examples=150, deadline=None)
@given(events=histories())
def test_nothing_opens_and_nothing_resolves_because_data_stopped(
    nervous: Intent, events: list[Event]
) -> None:
    """Every feed is lost, and nobody comes back for a hundred hours."""
    engine = Engine(nervous)
    play(engine, [*steady_state(START - HOUR), *events])
    at = events[-1].received + 20 * SECOND  # past every hold
    engine.advance(at)
    known = ids(engine)
    lost = [make(Kind.FEED_DOWN, router, at + SECOND) for router in ("r1", "r2")]
    blind = play(engine, lost) + engine.advance(at + 100 * HOUR)
    told = [t for t in blind if t.detector in NETWORK]
    assert [t for t in told if t.state in (State.OPEN, State.RESOLVED)] == []
    of_network = {key: i for key, i in ids(engine).items() if key[0] in NETWORK}
    assert of_network == {key: i for key, i in known.items() if key[0] in NETWORK}
    unseen = {i.key: i.state for i in engine.open_incidents if i.detector == "feed_blind"}
    assert "r1 bmp" in unseen


def redump(history: list[Event], at: int) -> list[Event]:
    """The session start that shows the tables as they are after a history."""
    tables: dict[object, Event] = {}
    for event in history:
        key = (event.router, event.peer, event.prefix or event.rule)
        if event.kind == Kind.ANNOUNCE:
            tables[key] = msgspec.structs.replace(
                event, received=at, epoch=at, provenance=Provenance.DUMP
            )
        elif event.kind == Kind.WITHDRAW:
            tables.pop(key, None)
    state = steady_state(at)
    openings = [e for e in state if e.kind in (Kind.FEED_UP, Kind.PEER_UP)]
    endings = [e for e in state if e.kind == Kind.END_OF_RIB]
    return [*openings, *tables.values(), *endings]


def ids(engine: Engine) -> dict[tuple[str, str], str]:
    return {(i.detector, i.key): i.id for i in engine.open_incidents}


def test_an_incident_of_a_detector_that_is_gone_resolves(intent: Intent) -> None:
    engine = Engine(intent)
    event = route(Kind.ANNOUNCE, "r1", PEERS["new-pe2"], KILL_SWITCH, START, Provenance.LIVE)
    (opened,) = engine.process(event)
    old = msgspec.structs.replace(opened, detector="retired")
    (resolved,) = Engine(intent, restored=[old]).advance(START + HOUR)
    assert (resolved.id, resolved.state) == (opened.id, State.RESOLVED)


class Faulty(Rule):
    """A rule with a bug."""

    name = "faulty"

    def __init__(self, intent: Intent) -> None:
        pass

    def subjects(self, change: object, routes: object) -> list[str]:
        return ["anything"]

    def judge(self, key: str, routes: object, now: int) -> object:  # type: ignore[override]
        raise RuntimeError("a bug")

    def unfinished(self) -> list[Unfinished]:
        raise RuntimeError("another bug")


def test_a_faulty_rule_is_counted_and_the_others_go_on(intent: Intent) -> None:
    told: list[str] = []
    engine = Engine(
        intent, rules=[Faulty, *discover()], on_error=lambda rule, error: told.append(rule)
    )
    event = route(Kind.ANNOUNCE, "r1", PEERS["new-pe2"], KILL_SWITCH, START, Provenance.LIVE)
    transitions = engine.process(event)
    assert [t.detector for t in transitions] == ["flowspec_policy"]
    assert engine.errors == {"faulty": 1}
    assert told == ["faulty"]
    assert engine.unfinished == []
    assert told == ["faulty", "faulty"]
