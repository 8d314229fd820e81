from __future__ import annotations

from math import log2

import pytest
from msgspec.structs import replace

from collector.event import Event, Kind, Provenance, View, rfc3339
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from detectors.rules import flapping
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


def flapping_of(transitions: list[Incident]) -> list[Incident]:
    return [t for t in transitions if t.detector == "flapping"]


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
        told = play(engine, [replace(e, local_pref=i) if e.prefix else e for e in again])
        assert {incident.detector for incident in told} <= {"feed_blind"}


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


def changes(count: int, at: int, apart: float) -> list[Event]:
    base = route(Kind.ANNOUNCE, "r1", PEERS["new-pe2"], PREFIX, at, Provenance.LIVE)
    step = int(apart * SECOND)
    return [replace(base, received=at + i * step, med=1 + at % 1000 + i) for i in range(count)]


def test_attribute_changes_count_half_and_path_hunting_counts_once(engine: Engine) -> None:
    assert play(engine, changes(40, START + 10 * SECOND, 3)) == []
    slow = changes(4, START + 1000 * SECOND, 40)
    transitions = play(engine, slow)
    assert told(transitions) == [(State.OPEN, KEY, "warning")]
    assert transitions[0].opened == slow[-1].received
    hunt = 500 * 2 ** (-(slow[-1].received - START - 10 * SECOND) / HALF_LIFE)
    separate = sum(500 * 2 ** (-i * 40 * SECOND / HALF_LIFE) for i in range(4))
    assert transitions[0].details["penalty"] == pytest.approx(hunt + separate, abs=0.1)


def test_changes_that_never_end_are_no_path_hunting(engine: Engine) -> None:
    """A path that oscillates has no last one; a hunt ends within minutes (HUNTING_ENDS)."""
    transitions = play(engine, changes(400, START + 10 * SECOND, 5))
    assert told(transitions)[0] == (State.OPEN, KEY, "warning")


def test_path_hunting_around_a_withdrawal_adds_nothing_to_it(engine: Engine) -> None:
    """Worse and worse paths before it, and better and better ones after it: one loss each."""
    transitions: list[Incident] = []
    for i in range(3):
        at = START + (10 + i * 400) * SECOND
        transitions += play(engine, changes(4, at, 10))
        gone, back = flaps(1, at + 40 * SECOND)
        transitions += play(engine, [gone, back, *changes(4, back.received + SECOND, 20)])
        if i == 1:
            assert told(transitions) == []
    assert told(transitions) == [(State.OPEN, KEY, "warning")]
    third = transitions[0].opened
    assert third == START + 850 * SECOND
    expected = 1000 * sum(2 ** (-i * 400 * SECOND / HALF_LIFE) for i in range(3))
    assert transitions[0].details["penalty"] == pytest.approx(expected, abs=0.1)


def test_networks_that_follow_rfc_7196_bear_more() -> None:
    intent = INTENT.replace("minimum: 1", "minimum: 1, flap: {profile: rfc7196}")
    engine = Engine(parse_intent(intent))
    play(engine, steady_state(START))
    transitions = flapping_of(play(engine, flaps(20, START + 10 * SECOND)))
    assert [(t.severity, int(t.details["penalty"])) for t in transitions] == [
        ("warning", 6967),
        ("critical", 12880),
        ("critical", 18739),
    ]
    assert transitions[0].details["suppress"] == 6000
    assert transitions[0].details["upstream"] == 12000


def test_what_is_given_goes_before_the_profile() -> None:
    intent = INTENT.replace("minimum: 1", "flap: {profile: rfc7196, suppress: 1500}")
    (anycast,) = parse_intent(intent).anycast
    assert (anycast.flap.suppress, anycast.flap.upstream) == (1500, 12000)


def test_the_finding_says_since_when_and_shows_the_first_and_the_last_event(
    engine: Engine,
) -> None:
    at = START + 10 * SECOND
    transitions = play(engine, flaps(3, at))
    (opened,) = flapping_of(transitions)
    assert f"since {rfc3339(at)[:19]}Z at r1" in opened.summary
    assert [event.received for event in opened.evidence] == [at + 4 * SECOND, at]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flapping, "MAX_FIGURES", 100)
    monkeypatch.setattr(flapping, "FEW", 50)
    rule = flapping.Flapping(parse_intent(INTENT))
    engine = Engine(parse_intent(INTENT), rules=[lambda _: rule])  # type: ignore[list-item]
    play(engine, steady_state(START))
    opened = play(engine, flaps(3, START + 10 * SECOND))
    for i in range(2000):
        at = START + 60 * SECOND + i * SECOND // 100
        hop = f"10.9.{i // 250}.{i % 250}"
        up = route(Kind.ANNOUNCE, "r1", hop, PREFIX, at, Provenance.LIVE)
        play(engine, [up, replace(up, kind=Kind.WITHDRAW)])
    assert sum(map(len, rule._figures.values())) <= 100
    assert [i.id for i in engine.open_incidents] == [opened[0].id]


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
    assert play(after, steady_state(at + 20 * SECOND)) == []
    (resolved,) = after.advance(at + 10 * HOUR)
    assert (resolved.state, resolved.id) == (State.RESOLVED, told_before.id)
    penalty = float(told_before.details["penalty"])
    due = told_before.time + HALF_LIFE * log2(penalty / 750)
    assert resolved.time == pytest.approx(due, abs=SECOND)


def test_it_does_not_calm_down_while_nobody_sees(engine: Engine) -> None:
    """Nothing is ever resolved because data stopped; a penalty that decays unseen is no calm."""
    at = START + 10 * SECOND
    (opened,) = [t for t in play(engine, flaps(6, at)) if t.state == State.OPEN]
    lost = [make(Kind.FEED_DOWN, router, at + 20 * SECOND) for router in ("r1", "r2")]
    transitions = play(engine, lost) + engine.advance(at + 10 * HOUR)
    assert [t.state for t in transitions] == [State.UNKNOWN]
    resolved = play(engine, steady_state(at + 10 * HOUR))
    assert (opened.id, State.RESOLVED) in [(t.id, t.state) for t in resolved]


def test_a_more_specific_that_flaps_is_named() -> None:
    """It draws the address's packets too; what must be drained is told by its own name."""
    at = START + 10 * SECOND
    intent = INTENT.replace(PREFIX, "10.100.0.0/24")
    engine = Engine(parse_intent(intent))
    play(engine, steady_state(START))
    transitions = flapping_of(play(engine, flaps(3, at)))
    assert [t.details["prefix"] for t in transitions] == ["10.100.0.0/24"]
    assert transitions[0].details["flaps"] == PREFIX
    assert f"({PREFIX} in 10.100.0.0/24)" in transitions[0].summary


def test_what_is_calm_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flapping, "FEW", 10)
    rule = flapping.Flapping(parse_intent(INTENT))
    engine = Engine(parse_intent(INTENT), rules=[lambda _: rule])  # type: ignore[list-item]
    play(engine, steady_state(START))
    for i in range(200):
        up = route(
            Kind.ANNOUNCE, "r1", f"10.9.0.{i}", PREFIX, START + i * HOUR // 10, Provenance.LIVE
        )
        play(engine, [up, replace(up, kind=Kind.WITHDRAW)])
    assert sum(map(len, rule._figures.values())) == rule._count <= 40
    assert set(rule._latest) <= {place for each in rule._figures.values() for place in each}
