from __future__ import annotations

import pytest
from msgspec.structs import replace

from collector.event import Event, Kind, Provenance, View, rfc3339
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from tests.unit.rules.scenes import PEERS, SECOND, START, make, play, route, steady_state

SERVICE = "192.0.2.50/32"
LIVE = Provenance.LIVE


def span(begin: int, end: int) -> str:
    return f"[{rfc3339(START + begin * SECOND)}, {rfc3339(START + end * SECOND)}]"


INTENT = f"""
version: 1
sites:
  legacy-pe: {{match: [{{peer: 10.0.0.1}}]}}
  new-pe1: {{match: [{{peer: 10.0.1.1}}]}}
  new-pe2: {{match: [{{peer: 10.0.1.2}}]}}
services:
  - {{name: web, prefix: {SERVICE}, home: [legacy-pe], hold: 5s}}
cutovers:
  - name: move
    service: web
    from: legacy-pe
    to: [new-pe1]
    window: {span(100, 300)}
    max_gap: 1s
maintenance:
  - {{site: legacy-pe, window: {span(1000, 1100)}, why: line card}}
"""


@pytest.fixture
def engine() -> Engine:
    engine = Engine(parse_intent(INTENT))
    assert play(engine, steady_state(START)) == []
    return engine


def both(kind: str, site: str, at: int) -> list[Event]:
    return [route(kind, router, PEERS[site], SERVICE, at, LIVE) for router in ("r1", "r2")]


def told(transitions: list[Incident]) -> list[tuple[str, str]]:
    return [(t.state, t.key) for t in transitions if t.detector == "unexpected_withdrawal"]


def test_gone_for_longer_than_hold_is_one_page_and_resolves(engine: Engine) -> None:
    at = START + 10 * SECOND
    assert told(play(engine, both(Kind.WITHDRAW, "legacy-pe", at))) == []
    assert engine.advance(at + 5 * SECOND - 1) == []
    (opened,) = engine.advance(at + 6 * SECOND)
    assert (opened.state, opened.key) == (State.OPEN, "web everywhere")
    assert opened.opened == at + 5 * SECOND
    assert opened.severity == "critical"
    assert opened.details["gone_everywhere"] is True
    assert opened.evidence[0].kind == Kind.WITHDRAW
    assert "web (192.0.2.50/32) is gone everywhere since" in opened.summary
    assert "Restore it at legacy-pe" in opened.summary
    (resolved,) = play(engine, both(Kind.ANNOUNCE, "legacy-pe", at + 60 * SECOND)[:1])
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def test_an_absence_shorter_than_hold_is_path_hunting(engine: Engine) -> None:
    at = START + 10 * SECOND
    assert play(engine, both(Kind.WITHDRAW, "legacy-pe", at)) == []
    assert play(engine, both(Kind.ANNOUNCE, "legacy-pe", at + 4 * SECOND)) == []
    assert engine.advance(at + 60 * SECOND) == []


def test_withdrawn_at_one_vantage_point_is_not_gone(engine: Engine) -> None:
    at = START + 10 * SECOND
    assert play(engine, both(Kind.WITHDRAW, "legacy-pe", at)[:1]) == []
    assert engine.advance(at + 60 * SECOND) == []


def test_home_gone_while_another_site_advertises_then_gone_everywhere(engine: Engine) -> None:
    at = START + 10 * SECOND
    play(engine, both(Kind.ANNOUNCE, "new-pe2", at))
    play(engine, both(Kind.WITHDRAW, "legacy-pe", at + SECOND))
    (home,) = engine.advance(at + 10 * SECOND)
    assert (home.state, home.key) == (State.OPEN, "web/legacy-pe")
    assert home.details["still_advertised_by"] == ["new-pe2"]
    assert "legacy-pe stopped advertising web" in home.summary
    transitions = play(engine, both(Kind.WITHDRAW, "new-pe2", at + 20 * SECOND))
    transitions += engine.advance(at + 30 * SECOND)
    assert (State.OPEN, "web everywhere") in told(transitions)
    assert (State.RESOLVED, "web/legacy-pe") not in told(transitions)
    back = play(engine, both(Kind.ANNOUNCE, "legacy-pe", at + 40 * SECOND))
    assert sorted(told(back)) == [
        (State.RESOLVED, "web everywhere"),
        (State.RESOLVED, "web/legacy-pe"),
    ]


def test_a_peer_down_takes_the_routes_with_it(engine: Engine) -> None:
    at = START + 10 * SECOND
    for router in ("r1", "r2"):
        down = make(
            Kind.PEER_DOWN, router, at, peer=PEERS["legacy-pe"], view=View.ADJ_IN_PRE, reason="hold"
        )
        play(engine, [down])
    (opened,) = engine.advance(at + 6 * SECOND)
    assert opened.key == "web everywhere"
    assert "(hold seen at r2)" in opened.summary


def test_a_cutover_lets_the_old_home_go_once_the_new_one_is_there(engine: Engine) -> None:
    at = START + 110 * SECOND
    play(engine, both(Kind.ANNOUNCE, "new-pe1", at))
    play(engine, both(Kind.WITHDRAW, "legacy-pe", at + SECOND))
    assert told(engine.advance(START + 900 * SECOND)) == []


def test_a_gap_in_the_cutover_pages_after_max_gap(engine: Engine) -> None:
    at = START + 110 * SECOND
    play(engine, both(Kind.WITHDRAW, "legacy-pe", at))
    (opened,) = engine.advance(at + SECOND)
    assert (opened.detector, opened.details["faults"]) == ("cutover", ["withdrawn_before_new"])
    assert "Put legacy-pe back now" in opened.summary


def test_after_the_cutover_the_new_site_is_the_home(engine: Engine) -> None:
    at = START + 110 * SECOND
    play(engine, both(Kind.ANNOUNCE, "new-pe1", at))
    play(engine, both(Kind.WITHDRAW, "legacy-pe", at + SECOND))
    assert play(engine, both(Kind.WITHDRAW, "new-pe1", at + 10 * SECOND)) == []
    (opened,) = engine.advance(at + 15 * SECOND)
    assert (opened.detector, opened.key) == ("unexpected_withdrawal", "web everywhere")
    assert "Restore it at new-pe1" in opened.summary


def test_maintenance_excuses_until_it_ends(engine: Engine) -> None:
    at = START + 1010 * SECOND
    play(engine, both(Kind.WITHDRAW, "legacy-pe", at))
    assert engine.advance(START + 1099 * SECOND) == []
    (opened,) = engine.advance(START + 1200 * SECOND)
    assert (opened.opened, opened.key) == (START + 1100 * SECOND, "web everywhere")


def test_losing_our_feeds_is_not_a_withdrawal(engine: Engine) -> None:
    at = START + 10 * SECOND
    play(engine, [make(Kind.FEED_DOWN, router, at) for router in ("r1", "r2")])
    assert engine.advance(at + 100 * SECOND) == []


def test_what_went_while_we_were_blind_is_found_by_the_sweep(engine: Engine) -> None:
    at = START + 10 * SECOND
    play(engine, [make(Kind.FEED_DOWN, router, at) for router in ("r1", "r2")])
    again = [e for e in steady_state(at + 60 * SECOND) if e.prefix != SERVICE]
    assert told(play(engine, again)) == []
    (opened,) = engine.advance(at + 70 * SECOND)
    assert opened.key == "web everywhere"


def test_a_service_that_is_in_no_table_is_told_once_all_tables_are_seen() -> None:
    engine = Engine(parse_intent(INTENT))
    events = [e for e in steady_state(START) if e.prefix != SERVICE]
    r1 = [e for e in events if e.router == "r1"]
    r2 = [e for e in events if e.router == "r2"]
    play(engine, [r2[0], *r1])
    assert engine.advance(START + 60 * SECOND) == []  # r2 has not shown its tables yet
    play(engine, [replace(e, received=START + 61 * SECOND) for e in r2[1:]])
    (opened,) = engine.advance(START + 70 * SECOND)
    assert opened.key == "web everywhere"


def test_what_went_before_a_feed_was_lost_is_not_known_while_it_sends_its_tables_again(
    engine: Engine,
) -> None:
    at = START + 10 * SECOND
    play(engine, both(Kind.WITHDRAW, "legacy-pe", at))
    play(engine, [make(Kind.FEED_DOWN, router, at + SECOND) for router in ("r1", "r2")])
    again = [e for e in steady_state(at + 60 * SECOND) if e.router == "r1"]
    begins = [e for e in again if e.kind in (Kind.FEED_UP, Kind.PEER_UP)]
    ends = [e for e in again if e.kind == Kind.END_OF_RIB]
    assert play(engine, begins) + engine.advance(at + 70 * SECOND) == []
    ends = [replace(e, received=at + 71 * SECOND) for e in ends]
    (opened,) = play(engine, ends) + engine.advance(at + 90 * SECOND)
    assert (opened.state, opened.key) == (State.OPEN, "web everywhere")


def test_names_may_have_a_slash() -> None:
    engine = Engine(parse_intent(INTENT.replace("legacy-pe", "fra1/legacy-pe")))
    assert play(engine, steady_state(START)) == []
    at = START + 10 * SECOND
    arrives = [route(Kind.ANNOUNCE, r, PEERS["new-pe2"], SERVICE, at, LIVE) for r in ("r1", "r2")]
    play(engine, [*arrives, *both(Kind.WITHDRAW, "legacy-pe", at)])
    assert told(engine.advance(at + 6 * SECOND)) == [(State.OPEN, "web/fra1/legacy-pe")]
    back = play(engine, both(Kind.ANNOUNCE, "legacy-pe", at + 60 * SECOND))
    assert told(back) == [(State.RESOLVED, "web/fra1/legacy-pe")]
