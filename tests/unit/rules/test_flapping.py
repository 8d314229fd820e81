from __future__ import annotations

from math import log2

import pytest
from msgspec.structs import replace

from collector.event import Event, Kind, Provenance, View
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from tests.unit.rules.scenes import HOUR, PEERS, SECOND, START, make, play, route, steady_state

PREFIX = "10.100.0.254/32"
KEY = "anchor new-pe2"
HALF_LIFE = 900 * SECOND
INTENT = f"""
version: 1
sites:
  legacy-pe: {{match: [{{peer: 10.0.0.1}}]}}
  new-pe1: {{match: [{{next_hop: 10.0.1.1}}]}}
  new-pe2: {{match: [{{next_hop: 10.0.1.2}}]}}
anycast:
  - {{name: anchor, prefix: {PREFIX}, sites: [new-pe1, new-pe2], minimum: 1}}
"""


@pytest.fixture
def engine() -> Engine:
    engine = Engine(parse_intent(INTENT))
    assert play(engine, steady_state(START)) == []
    return engine


def flaps(count: int, at: int, router: str = "r1", provenance: str = "live") -> list[Event]:
    return [
        route(kind, router, PEERS["new-pe2"], PREFIX, at + (2 * i + j) * SECOND, provenance)
        for i in range(count)
        for j, kind in enumerate((Kind.WITHDRAW, Kind.ANNOUNCE))
    ]


def told(transitions: list[Incident]) -> list[tuple[str, str, str]]:
    return [(t.state, t.key, t.severity) for t in transitions if t.detector == "flapping"]


def test_six_flaps_open_and_the_penalty_decays_to_resolved(engine: Engine) -> None:
    at = START + 10 * SECOND
    transitions = play(engine, flaps(6, at))
    assert told(transitions)[0] == (State.OPEN, KEY, "warning")
    assert told(transitions)[-1] == (State.UPDATED, KEY, "critical")
    third = at + 4 * SECOND
    assert transitions[0].opened == third
    expected = 1000 * sum(2 ** (-(third - at - i * 2 * SECOND) / HALF_LIFE) for i in range(3))
    assert transitions[0].details["penalty"] == pytest.approx(expected, abs=0.1)
    last = at + 10 * SECOND
    peak = 1000 * sum(2 ** (-(last - at - i * 2 * SECOND) / HALF_LIFE) for i in range(6))
    assert transitions[-1].details["penalty"] == pytest.approx(5000 - 20, abs=30)
    (resolved,) = engine.advance(last + 10 * HOUR)
    assert resolved.state == State.RESOLVED
    assert resolved.time == pytest.approx(last + HALF_LIFE * log2(peak / 750), abs=SECOND)


def test_two_flaps_are_not_flapping(engine: Engine) -> None:
    assert play(engine, flaps(2, START + SECOND)) == []


def test_five_vantage_points_that_see_one_flap_are_one_flap(engine: Engine) -> None:
    at = START + SECOND
    views = [
        replace(event, view=view, router=router)
        for router in ("r1", "r2")
        for view in (View.ADJ_IN_PRE, View.LOC_RIB)
        for event in flaps(2, at)
    ]
    assert play(engine, sorted(views, key=lambda e: e.received)) == []


def test_redumps_do_not_count(engine: Engine) -> None:
    for i in range(6):
        at = START + i * 60 * SECOND
        assert play(engine, [make(Kind.FEED_DOWN, "r1", at)]) == []
        again = [e for e in steady_state(at + SECOND) if e.router == "r1"]
        assert play(engine, [replace(e, local_pref=i) if e.prefix else e for e in again]) == []


def test_sessions_that_bounce_count(engine: Engine) -> None:
    transitions: list[Incident] = []
    for i in range(4):
        at = START + (1 + i * 10) * SECOND
        fields = {"peer": PEERS["new-pe2"], "view": View.ADJ_IN_PRE}
        transitions += play(
            engine,
            [
                make(Kind.PEER_DOWN, "r1", at, **fields),
                make(Kind.PEER_UP, "r1", at + SECOND, epoch=at + SECOND, **fields),
                route(Kind.ANNOUNCE, "r1", PEERS["new-pe2"], PREFIX, at + SECOND, "dump"),
            ],
        )
    assert told(transitions)[0][0] == State.OPEN


def test_attribute_changes_count_half_and_a_burst_counts_once(engine: Engine) -> None:
    base = route(Kind.ANNOUNCE, "r1", PEERS["new-pe2"], PREFIX, START, Provenance.LIVE)
    burst = [
        replace(base, received=START + 10 * SECOND + i * SECOND // 10, med=i) for i in range(40)
    ]
    assert play(engine, burst) == []
    slow = [replace(base, received=START + (60 + 5 * i) * SECOND, med=100 + i) for i in range(4)]
    transitions = play(engine, slow)
    assert told(transitions) == [(State.OPEN, KEY, "warning")]
    assert transitions[0].opened == slow[-1].received


def test_a_router_that_prefers_another_site_blames_nobody(engine: Engine) -> None:
    """In Loc-RIB, one site's flap moves the best path to and fro between two sites."""
    loc = [
        route(Kind.ANNOUNCE, "r1", PEERS[site], PREFIX, START + (10 + i) * SECOND, "live")
        for i, site in enumerate(["new-pe1", "new-pe2"] * 10)
    ]
    shown = [replace(e, view=View.LOC_RIB, peer=None) for e in loc]
    assert play(engine, shown) == []


def test_an_announcement_that_says_the_same_is_no_change(engine: Engine) -> None:
    base = route(Kind.ANNOUNCE, "r1", PEERS["new-pe2"], PREFIX, START, Provenance.LIVE)
    again = [replace(base, received=START + i * 10 * SECOND) for i in range(1, 50)]
    assert play(engine, again) == []


def test_the_penalty_goes_on_after_a_restart(engine: Engine) -> None:
    at = START + 10 * SECOND
    play(engine, flaps(6, at))
    (told_before,) = engine.open_incidents
    after = Engine(parse_intent(INTENT), restored=engine.open_incidents)
    assert after.advance(at + 20 * SECOND) == []
    (resolved,) = after.advance(at + 10 * HOUR)
    assert (resolved.state, resolved.id) == (State.RESOLVED, told_before.id)
    penalty = float(told_before.details["penalty"])
    due = told_before.time + HALF_LIFE * log2(penalty / 750)
    assert resolved.time == pytest.approx(due, abs=SECOND)
