from __future__ import annotations

import pytest
from msgspec.structs import replace

from collector.event import Event, Kind, Provenance, View, rfc3339
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from detectors.routes import Routes
from detectors.rules.anchor_redundancy import AnchorRedundancy
from tests.unit.rules.scenes import PEERS, SECOND, START, make, play, route, steady_state

ANCHOR = "10.100.0.254/32"
LATER = START + 10 * SECOND


def window(first: int, last: int) -> str:
    return f"[{rfc3339(START + first * SECOND)}, {rfc3339(START + last * SECOND)}]"


def intent(minimum: int = 2, sites: str = "new-pe1, new-pe2", maintenance: str = "") -> str:
    return f"""
version: 1
sites:
  legacy-pe: {{match: [{{peer: 10.0.0.1}}]}}
  new-pe1: {{match: [{{peer: 10.0.1.1}}]}}
  new-pe2: {{match: [{{peer: 10.0.1.2}}]}}
anycast:
  - {{name: anchor, prefix: {ANCHOR}, sites: [{sites}], minimum: {minimum}}}
maintenance: [{maintenance}]
"""


def watch(text: str) -> Engine:
    engine = Engine(parse_intent(text))
    steady = [e for e in steady_state(START) if e.prefix in (None, ANCHOR)]
    assert found(engine, *steady) == []
    return engine


def announce(
    at: int, site: str, router: str = "r1", prefix: str = ANCHOR, communities: tuple[str, ...] = ()
) -> Event:
    event = route(Kind.ANNOUNCE, router, PEERS[site], prefix, at, Provenance.LIVE)
    return replace(event, communities=communities)


def withdraw(at: int, site: str, router: str = "r1", prefix: str = ANCHOR) -> Event:
    return route(Kind.WITHDRAW, router, PEERS[site], prefix, at, Provenance.LIVE)


def gone(at: int, site: str) -> list[Event]:
    return [withdraw(at, site), withdraw(at + 1, site, "r2")]


def found(engine: Engine, *events: Event) -> list[Incident]:
    return [t for t in play(engine, events) if t.detector == "anchor_redundancy"]


def advanced(engine: Engine, at: int) -> list[Incident]:
    return [t for t in engine.advance(at) if t.detector == "anchor_redundancy"]


THREE = intent(3, "legacy-pe, new-pe1, new-pe2")


def three_sites() -> Engine:
    engine = Engine(parse_intent(THREE))
    steady = [
        replace(e, prefix=ANCHOR) if e.prefix == "192.0.2.50/32" else e for e in steady_state(START)
    ]
    assert found(engine, *steady) == []
    return engine


def test_below_the_minimum_warns_then_one_left_is_critical_then_gone_everywhere() -> None:
    engine = three_sites()
    assert found(engine, withdraw(LATER, "legacy-pe")) == []  # r2 still sees it
    last = withdraw(LATER + 1, "legacy-pe", "r2")
    (opened,) = found(engine, last)
    assert (opened.state, opened.severity, opened.key) == (State.OPEN, "warning", "anchor")
    assert opened.evidence == (last,)
    assert opened.details["sites"] == ["new-pe1", "new-pe2"]
    assert opened.details["absent"] == ["legacy-pe"]
    assert opened.summary == (
        f"anchor ({ANCHOR}) is advertised by new-pe1, new-pe2 since 2027-01-15T08:00:10Z "
        "(legacy-pe: withdraw seen at r2): 2 of the 3 sites that must be. Bring back legacy-pe."
    )
    (worse,) = found(engine, *gone(LATER + SECOND, "new-pe1"))
    assert (worse.state, worse.severity, worse.id) == (State.UPDATED, "critical", opened.id)
    assert "is advertised by only new-pe2" in worse.summary
    (worst,) = found(engine, *gone(LATER + 2 * SECOND, "new-pe2"))
    assert (worst.severity, worst.details["sites"]) == ("critical", [])
    assert "is gone everywhere since 2027-01-15T08:00:12Z (new-pe2: withdraw seen at r2)" in (
        worst.summary
    )
    back = [announce(LATER + 3 * SECOND, site) for site in PEERS]
    assert [(t.state, t.severity) for t in found(engine, *back)] == [
        (State.UPDATED, "critical"),
        (State.UPDATED, "warning"),
    ]
    assert advanced(engine, LATER + 8 * SECOND - 1) == []
    (resolved,) = advanced(engine, LATER + 8 * SECOND)
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)
    assert "has enough sites again: legacy-pe, new-pe1, new-pe2" in resolved.summary


def test_a_site_that_flaps_is_one_incident() -> None:
    engine = watch(intent())
    transitions = []
    for number in range(20):
        at = LATER + number * SECOND
        transitions += found(engine, *gone(at, "new-pe2"))
        transitions += found(engine, announce(at + SECOND // 2, "new-pe2"))
    assert [t.state for t in transitions] == [State.OPEN]
    (resolved,) = advanced(engine, LATER + 3600 * SECOND)
    assert resolved.time == LATER + 24 * SECOND + SECOND // 2


def test_the_last_of_one_site_is_critical() -> None:
    engine = watch(intent(1))
    assert found(engine, *gone(LATER, "new-pe1")) == []
    (opened,) = found(engine, *gone(LATER + SECOND, "new-pe2"))
    assert (opened.severity, opened.details["absent"]) == ("critical", ["new-pe1", "new-pe2"])


def test_a_lost_session_counts_as_a_loss() -> None:
    engine = watch(intent())
    down = [
        make(Kind.PEER_DOWN, r, LATER, peer=PEERS["new-pe1"], view=View.ADJ_IN_PRE, reason="reset")
        for r in ("r1", "r2")
    ]
    (opened,) = found(engine, *down)
    assert "(new-pe1: reset seen at r2)" in opened.summary
    assert opened.evidence[0].kind == Kind.PEER_DOWN


def test_a_stranger_and_a_more_specific_do_not_make_up_for_a_site() -> None:
    text = intent().replace(ANCHOR, "10.100.0.0/24")
    engine = Engine(parse_intent(text))
    whole = {"prefix": "10.100.0.0/24"}
    play(engine, [replace(e, **whole) if e.prefix == ANCHOR else e for e in steady_state(START)])
    assert engine.open_incidents == []
    events = [replace(e, **whole) for e in gone(LATER, "new-pe1")]
    part = announce(LATER, "new-pe1", prefix="10.100.0.0/25")
    stranger = announce(LATER, "legacy-pe", prefix="10.100.0.0/24")
    (opened,) = found(engine, part, stranger, *events)
    assert opened.details["sites"] == ["new-pe2"]


def test_absent_from_the_start_opens_once_all_tables_are_seen() -> None:
    feeds = "feeds: [{router: r1}, {router: r2}]"
    engine = Engine(parse_intent(intent() + feeds))
    events = [
        e
        for e in steady_state(START)
        if e.prefix is None or (e.prefix == ANCHOR and e.peer == PEERS["new-pe1"])
    ]
    assert found(engine, *events[:-1]) == []
    (opened,) = found(engine, events[-1])
    assert (opened.details["sites"], opened.severity) == (["new-pe1"], "critical")
    assert opened.evidence == (events[-1],)


# About to go


@pytest.mark.parametrize("community", ["graceful-shutdown", "llgr-stale"])
def test_the_last_advertiser_is_leaving(community: str) -> None:
    engine = watch(intent(1))
    found(engine, *gone(LATER, "new-pe1"))
    leaving = [
        announce(LATER + SECOND, "new-pe2", router, communities=("65000:1", community))
        for router in ("r1", "r2")
    ]
    assert found(engine, leaving[0]) == []  # r2 still hears it as ever
    (opened,) = found(engine, leaving[1])
    assert opened.severity == "critical"
    assert opened.details["leaving"] == {"new-pe2": community}
    assert f"its last advertiser is leaving (new-pe2 is {community})" in opened.summary
    assert "Bring back new-pe1 before it goes." in opened.summary
    assert found(engine, announce(LATER + 2 * SECOND, "new-pe2")) == []
    (resolved,) = advanced(engine, LATER + 7 * SECOND)
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def test_one_of_two_that_leaves_is_no_finding_yet() -> None:
    engine = watch(intent())
    bye = ("graceful-shutdown",)
    leaving = [announce(LATER, "new-pe1", r, communities=bye) for r in ("r1", "r2")]
    assert found(engine, *leaving) == []
    both = [announce(LATER + 1, "new-pe2", r, communities=bye) for r in ("r1", "r2")]
    (opened,) = found(engine, *both)
    assert set(opened.details["leaving"]) == {"new-pe1", "new-pe2"}
    assert opened.evidence[0].communities == bye


def test_the_last_advertiser_is_leaving_when_its_maintenance_begins() -> None:
    planned = f"{{site: new-pe2, window: {window(100, 200)}, why: line card}}"
    engine = watch(intent(1, maintenance=planned))
    found(engine, *gone(LATER, "new-pe1"))
    assert advanced(engine, START + 100 * SECOND - 1) == []
    (opened,) = advanced(engine, START + 100 * SECOND)
    assert "new-pe2 is in maintenance: line card" in opened.summary
    assert opened.evidence[0].prefix == ANCHOR
    (resolved,) = advanced(engine, START + 300 * SECOND)
    assert (resolved.state, resolved.time) == (State.RESOLVED, START + 205 * SECOND)


# Maintenance


def test_a_site_in_maintenance_is_not_counted_upon_until_it_ends() -> None:
    planned = f"{{site: new-pe2, window: {window(5, 100)}, why: line card}}"
    engine = watch(intent(maintenance=planned))
    assert found(engine, *gone(LATER, "new-pe2")) == []
    assert advanced(engine, START + 100 * SECOND - 1) == []
    (opened,) = advanced(engine, START + 101 * SECOND)
    assert (opened.opened, opened.details["absent"]) == (START + 100 * SECOND, ["new-pe2"])
    assert opened.evidence[0].kind == Kind.WITHDRAW


def test_maintenance_of_one_does_not_excuse_another() -> None:
    planned = f"{{site: legacy-pe, window: {window(5, 100)}, why: line card}}"
    text = intent(2, "legacy-pe, new-pe1, new-pe2", planned)
    engine = Engine(parse_intent(text))
    play(engine, [e for e in steady_state(START) if e.prefix in (None, ANCHOR)])
    engine.advance(LATER)
    assert engine.open_incidents == []
    (opened,) = found(engine, *gone(LATER, "new-pe1"))
    assert (opened.details["needed"], opened.severity) == (2, "critical")


def test_all_of_them_in_maintenance_ask_for_nothing() -> None:
    planned = ", ".join(
        f"{{site: {site}, window: {window(5, 100)}, why: move}}" for site in ("new-pe1", "new-pe2")
    )
    engine = watch(intent(maintenance=planned))
    assert found(engine, *gone(LATER, "new-pe1"), *gone(LATER, "new-pe2")) == []
    (opened,) = advanced(engine, START + 100 * SECOND)
    assert "gone everywhere" in opened.summary


# Blindness and restarts


def test_what_cannot_be_seen_is_neither_here_nor_gone() -> None:
    engine = watch(intent())
    lost = [make(Kind.FEED_DOWN, router, LATER) for router in ("r1", "r2")]
    assert found(engine, *lost) == []
    assert advanced(engine, START + 3600 * SECOND) == []


def test_a_loss_that_one_router_proves_waits_for_one_that_is_blind() -> None:
    engine = watch(intent())
    assert found(engine, make(Kind.FEED_DOWN, "r2", LATER)) == []
    assert found(engine, withdraw(LATER + 1, "new-pe1")) == []
    up = [
        make(Kind.FEED_UP, "r2", LATER + 2, epoch=LATER + 2),
        announce(LATER + 3, "new-pe2", "r2"),
    ]
    assert found(engine, *up) == []
    (opened,) = found(engine, make(Kind.END_OF_RIB, "r2", LATER + 4))
    assert opened.details["sites"] == ["new-pe2"]


def test_an_open_one_is_unknown_when_blind_and_goes_on_afterwards() -> None:
    engine = watch(intent())
    (opened,) = found(engine, *gone(LATER, "new-pe1"))
    lost = [make(Kind.FEED_DOWN, router, LATER + SECOND) for router in ("r1", "r2")]
    assert [t.state for t in found(engine, *lost)] == [State.UNKNOWN]
    steady = [e for e in steady_state(LATER + 2 * SECOND) if e.peer != PEERS["new-pe1"]]
    *dump, complete = steady
    assert found(engine, *dump) == []  # until the end, the dump may still show it
    (again,) = found(engine, complete)
    assert (again.state, again.id) == (State.UPDATED, opened.id)


def test_what_is_well_when_it_is_seen_again_was_not_bad_until_then() -> None:
    engine = watch(intent())
    (opened,) = found(engine, *gone(LATER, "new-pe1"))
    lost = [make(Kind.FEED_DOWN, router, LATER + SECOND) for router in ("r1", "r2")]
    assert [t.state for t in found(engine, *lost)] == [State.UNKNOWN]
    at = LATER + 3600 * SECOND
    transitions = found(engine, *steady_state(at)) + advanced(engine, at + 60 * SECOND)
    assert [(t.state, t.id, t.time) for t in transitions] == [
        (State.RESOLVED, opened.id, at + 5 * SECOND)
    ]


def test_what_is_seen_again_to_be_bad_within_seconds_is_told_as_it_is() -> None:
    engine = watch(intent())
    found(engine, *gone(LATER, "new-pe1"))
    found(engine, *(make(Kind.FEED_DOWN, router, LATER + SECOND) for router in ("r1", "r2")))
    at = LATER + 3600 * SECOND
    assert found(engine, *steady_state(at)) == []
    (worse,) = found(engine, *gone(at + SECOND, "new-pe2"))
    assert (worse.state, worse.details["sites"]) == (State.UPDATED, ["new-pe1"])
    back = [announce(at + 2 * SECOND, "new-pe2", router) for router in ("r1", "r2")]
    (resolved,) = found(engine, *back) + advanced(engine, at + 60 * SECOND)
    assert (resolved.state, resolved.time) == (State.RESOLVED, at + 7 * SECOND)


def test_after_a_restart_it_goes_on_with_its_id() -> None:
    engine = watch(intent())
    (opened,) = found(engine, *gone(LATER, "new-pe1"))
    after = Engine(parse_intent(intent()), restored=engine.open_incidents)
    at = LATER + 60 * SECOND
    (unknown,) = advanced(after, at)
    assert (unknown.state, unknown.id) == (State.UNKNOWN, opened.id)
    dump = [e for e in steady_state(at) if e.peer != PEERS["new-pe1"]]
    transitions = found(after, *dump)
    assert [(t.state, t.id) for t in transitions] == [(State.UPDATED, opened.id)]
    assert found(after, announce(at + SECOND, "new-pe1")) == []
    (resolved,) = advanced(after, at + 6 * SECOND)
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def test_an_address_that_the_intent_names_no_longer_resolves() -> None:
    engine = watch(intent())
    (opened,) = found(engine, *gone(LATER, "new-pe1"))
    after = Engine(parse_intent("version: 1"), restored=[opened])
    (resolved,) = advanced(after, LATER + SECOND)
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def test_repetitions_are_not_judged() -> None:
    meant = parse_intent(intent(1))
    rule, routes = AnchorRedundancy(meant), Routes([ANCHOR], site_of=meant.site_of)
    (first,) = routes.apply(announce(LATER, "new-pe1"))
    assert list(rule.subjects(first, routes)) == ["anchor"]
    rule.judge("anchor", routes, LATER)
    (again,) = routes.apply(announce(LATER + 1, "new-pe1"))
    assert list(rule.subjects(again, routes)) == []
    other = ("graceful-shutdown",)
    (changed,) = routes.apply(announce(LATER + 2, "new-pe1", communities=other))
    assert list(rule.subjects(changed, routes)) == ["anchor"]
