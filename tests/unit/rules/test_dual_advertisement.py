from __future__ import annotations

import pytest
from msgspec.structs import replace

from collector.event import Event, Kind, Provenance, rfc3339
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import Intent, parse_intent
from tests.unit.rules.scenes import HOUR, PEERS, SECOND, START, make, play, route, steady_state

SERVICE = "192.0.2.50/32"
LIVE = Provenance.LIVE
WINDOW = f"[{rfc3339(START + 100 * SECOND)}, {rfc3339(START + 300 * SECOND)}]"
INTENT = f"""
version: 1
sites:
  legacy-pe: {{match: [{{peer: 10.0.0.1}}]}}
  new-pe1: {{match: [{{peer: 10.0.1.1}}]}}
  new-pe2: {{match: [{{peer: 10.0.1.2}}]}}
services:
  - {{name: web, prefix: {SERVICE}, home: [legacy-pe], hold: 5s}}
cutovers:
  - {{name: move, service: web, from: legacy-pe, to: [new-pe1], window: {WINDOW}, max_overlap: 30s}}
"""


@pytest.fixture
def engine() -> Engine:
    engine = Engine(parse_intent(INTENT))
    assert play(engine, steady_state(START)) == []
    return engine


def announce(
    at: int, site: str = "new-pe2", prefix: str = SERVICE, router: str = "r1"
) -> list[Event]:
    return [route(Kind.ANNOUNCE, router, PEERS[site], prefix, at, LIVE)]


def withdraw(
    at: int, site: str = "new-pe2", prefix: str = SERVICE, router: str = "r1"
) -> list[Event]:
    return [route(Kind.WITHDRAW, router, PEERS[site], prefix, at, LIVE)]


def dual(transitions: list[Incident]) -> list[tuple[str, str]]:
    return [(t.state, t.key) for t in transitions if t.detector == "dual_advertisement"]


def test_a_second_site_opens_and_its_withdrawal_resolves(engine: Engine) -> None:
    at = START + 10 * SECOND
    (opened,) = play(engine, announce(at))
    assert (opened.state, opened.severity) == (State.OPEN, "critical")
    assert opened.opened == at
    assert opened.details["sites"] == ["legacy-pe", "new-pe2"]
    assert opened.details["offenders"] == ["new-pe2"]
    assert "web (192.0.2.50/32) is advertised by new-pe2 while legacy-pe still does" in (
        opened.summary
    )
    assert opened.evidence[0].peer == PEERS["new-pe2"]
    (resolved,) = play(engine, withdraw(at + SECOND))
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)
    assert "has one home again: legacy-pe advertises it" in resolved.summary


def test_the_same_offender_at_a_second_vantage_point_is_not_told_again(engine: Engine) -> None:
    at = START + 10 * SECOND
    assert len(play(engine, announce(at))) == 1
    assert play(engine, announce(at + 1, router="r2")) == []
    assert play(engine, withdraw(at + 2)) == []
    assert dual(play(engine, withdraw(at + 3, router="r2"))) == [(State.RESOLVED, "web")]


def test_a_more_specific_counts() -> None:
    text = INTENT.replace(SERVICE, "192.0.2.0/24")
    engine = Engine(parse_intent(text))
    events = [e for e in steady_state(START) if e.prefix != SERVICE]
    play(engine, events)
    play(engine, announce(START + SECOND, "legacy-pe", "192.0.2.0/24"))
    (opened,) = play(engine, announce(START + 2 * SECOND, "new-pe2", "192.0.2.128/25"))
    assert opened.details["advertised"] == ["192.0.2.128/25"]


def test_an_unknown_place_is_named_by_what_is_seen(engine: Engine) -> None:
    event = route(Kind.ANNOUNCE, "r1", "203.0.113.9", SERVICE, START + SECOND, LIVE)
    (opened,) = play(engine, [event])
    assert opened.details["offenders"] == ["unknown site (next hop 203.0.113.9, peer 203.0.113.9)"]


def test_overlap_in_the_window_is_told_by_the_cutover_alone(engine: Engine) -> None:
    at = START + 110 * SECOND
    for router in ("r1", "r2"):
        assert play(engine, announce(at, "new-pe1", router=router)) == []
    (opened,) = engine.advance(at + 31 * SECOND)
    assert (opened.detector, opened.details["faults"]) == ("cutover", ["overlap"])


def test_a_cutover_in_time_is_quiet_and_the_new_site_is_home_from_then_on(engine: Engine) -> None:
    at = START + 110 * SECOND
    for router in ("r1", "r2"):
        assert play(engine, announce(at, "new-pe1", router=router)) == []
    for router in ("r1", "r2"):
        assert play(engine, withdraw(at + 5 * SECOND, "legacy-pe", router=router)) == []
    assert engine.advance(START + HOUR) == []
    back = announce(START + HOUR + 1, "legacy-pe")
    assert dual(play(engine, back)) == [(State.OPEN, "web")]


def test_the_target_before_the_window_is_a_dual_advertisement(engine: Engine) -> None:
    assert dual(play(engine, announce(START + 50 * SECOND, "new-pe1"))) == [(State.OPEN, "web")]


def test_a_site_that_the_cutover_does_not_name_gets_no_overlap(engine: Engine) -> None:
    assert dual(play(engine, announce(START + 110 * SECOND, "new-pe2"))) == [(State.OPEN, "web")]


def test_the_target_after_a_window_without_a_step_is_a_dual_advertisement(engine: Engine) -> None:
    engine.advance(START + 300 * SECOND)
    late = announce(START + 310 * SECOND, "new-pe1")
    assert dual(play(engine, late)) == [(State.OPEN, "web")]


def test_the_target_before_the_window_is_the_cutovers_once_that_begins(engine: Engine) -> None:
    play(engine, announce(START + 50 * SECOND, "new-pe1"))
    assert dual(engine.advance(START + 101 * SECOND)) == [(State.RESOLVED, "web")]


def test_a_lost_feed_makes_it_unknown_not_resolved(engine: Engine) -> None:
    (opened,) = play(engine, announce(START + SECOND))
    down = make(Kind.FEED_DOWN, "r1", START + 2 * SECOND)
    (unknown,) = [t for t in play(engine, [down]) if t.detector == "dual_advertisement"]
    assert (unknown.state, unknown.id) == (State.UNKNOWN, opened.id)
    back = steady_state(START + 60 * SECOND)
    resolved = play(engine, back)
    assert dual(resolved) == [(State.RESOLVED, "web")]


def test_post_policy_ghosts_do_not_count_where_pre_policy_is_seen(engine: Engine) -> None:
    """GoBGP never withdraws some routes from its post-policy view."""
    at = START + SECOND
    ghost = route(Kind.ANNOUNCE, "r1", PEERS["new-pe2"], SERVICE, at, LIVE)
    assert play(engine, [replace(ghost, view="adj-in-post")]) == []
    play(engine, [ghost])
    assert dual(play(engine, withdraw(at + 1))) == [(State.RESOLVED, "web")]


def test_post_policy_counts_where_nothing_else_is_sent() -> None:
    """A Peer Up says pre-policy whatever is monitored: it shows no view of routes."""
    engine = Engine(parse_intent(INTENT))
    play(engine, [in_post_policy(event) for event in steady_state(START - HOUR)])
    assert engine.advance(START) == []
    (opened,) = play(engine, [in_post_policy(event) for event in announce(START)])
    assert dual([opened]) == [(State.OPEN, "web")]


def in_post_policy(event: Event) -> Event:
    same = event.kind == Kind.PEER_UP or event.view is None
    return event if same else replace(event, view="adj-in-post")


def test_a_post_policy_route_of_no_peer_does_not_count(engine: Engine) -> None:
    """GoBGP dumps its own routes as post-policy of peer `::`, and never withdraws them."""
    own = route(Kind.ANNOUNCE, "r1", "::", SERVICE, START + SECOND, "dump")
    assert play(engine, [replace(own, view="adj-in-post")]) == []


def test_rd_separates_vpns() -> None:
    intent: Intent = parse_intent(INTENT.replace("hold: 5s", 'hold: 5s, rd: "65000:50"'))
    engine = Engine(intent)
    event = replace(announce(START)[0], family="l3vpn-ipv4-unicast", rd="65000:51")
    assert play(engine, [event]) == []
    assert dual(play(engine, [replace(event, rd="65000:50")])) == [(State.OPEN, "web")]


def test_in_loc_rib_the_overlap_begins_when_the_other_site_is_shown(engine: Engine) -> None:
    """One Loc-RIB route replaces another under the same key: its age is not the site's."""
    at = START + 110 * SECOND
    old, new = (
        route(Kind.ANNOUNCE, "r1", PEERS[site], SERVICE, START + SECOND, LIVE)
        for site in ("legacy-pe", "new-pe1")
    )
    shown = replace(old, view="loc-rib", originator_id="10.0.0.1")
    assert play(engine, [shown]) == []
    moved = replace(new, view="loc-rib", originator_id="10.0.1.1", received=at)
    assert play(engine, [*announce(at, "new-pe1"), moved]) == []
    assert engine.advance(at + 29 * SECOND) == []
