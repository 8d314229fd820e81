"""What it means when a sender says something, on recordings of real senders where there are any."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from collector.event import Event, Kind, Provenance, View
from detectors.engine import Engine
from detectors.feed import FeedKey
from detectors.incidents import Incident, State
from detectors.intent import Intent, parse_intent
from detectors.route import Cause, Change
from detectors.routes import Routes
from tests.quirks.recordings import LAB, STORY, recorded

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
WEB, BEAST, ANCHOR = "192.0.2.50/32", "192.0.2.60/32", "10.100.0.254/32"
CONTROLLER = FeedKey("controller", "bmp")

INTENT = """
version: 1
sites:
  legacy-pe: {match: [{peer: 10.0.0.1}, {next_hop: 10.0.0.1}]}
  new-pe1: {match: [{peer: 10.0.1.1}, {next_hop: 10.0.1.1}]}
  new-pe2: {match: [{peer: 10.0.1.2}, {next_hop: 10.0.1.2}]}
services:
  - {name: web, prefix: 192.0.2.50/32, home: [legacy-pe], hold: 5s}
  - {name: beast, prefix: 192.0.2.60/32, home: [legacy-pe], hold: 5s}
anycast:
  - {name: anchor, prefix: 10.100.0.254/32, sites: [new-pe1, new-pe2]}
protect: [tcp/179]
flowspec: []
"""
FEEDS = "feeds: [{router: controller, silent_after: 1h}]\n"


@pytest.fixture
def intent() -> Intent:
    return parse_intent(INTENT)


def story() -> list[Event]:
    """A cutover and a kill switch, as GoBGP told of them; not the end of the recording."""
    return recorded(STORY).events[:-1]


def steady() -> list[Event]:
    """What of the story comes before anything happens."""
    events = story()
    return [event for event in events if event.received < events[0].received + 4 * SECOND]


def later(events: list[Event], by: int) -> list[Event]:
    """The same once more: a router that reconnects and says the same."""
    return [replace(e, received=e.received + by, epoch=e.epoch and e.epoch + by) for e in events]


def play(engine: Engine, events: list[Event]) -> list[Incident]:
    return [transition for event in events for transition in engine.process(event)]


def told(transitions: list[Incident]) -> list[tuple[str, str, str]]:
    return [(t.detector, t.key, t.state) for t in transitions]


def lost(at: int) -> Event:
    return Event(
        received=at, sequence=1, feed="bmp", kind=Kind.FEED_DOWN.value, router="controller",
        reason="connection lost",
    )  # fmt: skip


# Order


def test_order_is_that_of_receipt_whatever_routers_say_of_time(intent: Intent) -> None:
    chance = random.Random(5)
    events = story()
    wild = [replace(e, time=chance.randrange(10**18)) for e in events]
    plain, other = play(Engine(intent), events), play(Engine(intent), wild)
    assert len(plain) > 5
    assert [(t.id, t.state, t.time) for t in other] == [(t.id, t.state, t.time) for t in plain]


def test_the_skew_of_each_router_is_told(intent: Intent) -> None:
    """Times of this GoBGP are whole seconds, so what it says is up to a second old."""
    engine = Engine(intent)
    play(engine, story())
    skew = engine.feed_states()[CONTROLLER].skew
    assert skew is not None
    assert 0 <= skew < SECOND + SECOND // 20


# Our own sight


def test_a_redump_is_neither_a_flap_nor_news(intent: Intent) -> None:
    engine = Engine(intent)
    play(engine, steady())
    opened = {i.id for i in engine.open_incidents}
    transitions: list[Incident] = []
    for i in range(1, 8):
        transitions += play(engine, later(steady(), i * 60 * SECOND))
    changed = [t for t in transitions if t.state in (State.OPEN, State.RESOLVED)]
    assert changed == []
    assert {i.id for i in engine.open_incidents} == opened
    gap = engine.feed_states()[CONTROLLER].gap
    assert gap is not None
    assert gap.found == ()


def test_losing_our_session_is_no_withdrawal(intent: Intent) -> None:
    engine = Engine(intent)
    play(engine, steady())
    at = steady()[-1].received + SECOND
    transitions = play(engine, [lost(at)]) + engine.advance(at + HOUR)
    assert [t for t in transitions if t.state in (State.OPEN, State.RESOLVED)] == []
    assert engine.blind == ["controller"]


def test_blind_on_a_router_since_a_time_is_an_incident_of_its_own() -> None:
    engine = Engine(parse_intent(INTENT + FEEDS))
    play(engine, steady())
    at = steady()[-1].received + SECOND
    transitions = play(engine, [lost(at)]) + engine.advance(at + 60 * SECOND)
    (blind,) = [t for t in transitions if t.state == State.OPEN]
    assert (blind.detector, blind.key) == ("feed_blind", "controller bmp")
    assert "controller is not seen over BMP since " in blind.summary
    assert "connection lost" in blind.summary


def test_nothing_is_resolved_because_data_stopped(intent: Intent) -> None:
    engine = Engine(intent)
    kill = next(n for n, e in enumerate(story()) if e.rule and "0.0.0.0/0" in e.rule)
    play(engine, story()[: kill + 1])
    before = {i.id for i in engine.open_incidents}
    assert "flowspec_policy" in {i.detector for i in engine.open_incidents}
    at = story()[kill].received + SECOND
    transitions = play(engine, [lost(at)]) + engine.advance(at + 100 * HOUR)
    assert [t for t in transitions if t.state == State.RESOLVED] == []
    assert {i.id for i in engine.open_incidents} == before
    assert {i.state for i in engine.open_incidents} == {State.UNKNOWN}


def test_what_went_in_a_gap_is_swept_after_end_of_rib_and_marked_synthetic() -> None:
    """Also in Loc-RIB, which has no End-of-RIB from GoBGP: there a timer ends the table."""
    routes = Routes([WEB, BEAST, ANCHOR])
    for event in steady():
        routes.apply(event)
    views = {key.view for key in routes.keys_of("controller") if key.destination == BEAST}
    assert {View.ADJ_IN_PRE, View.LOC_RIB} <= views
    again = [event for event in later(steady(), HOUR) if event.prefix != BEAST]
    changes = [change for event in again for change in routes.apply(event)]
    swept = [change for change in changes if change.cause is Cause.SWEEP]
    assert {change.event.view for change in swept} == views
    assert {change.event.provenance for change in swept} == {Provenance.SYNTHETIC}
    assert {(c.event.kind, c.event.prefix) for c in swept} == {(Kind.WITHDRAW, BEAST)}
    assert list(routes.of_prefix(BEAST)) == []
    assert len(list(routes.of_prefix(WEB))) == 2


# Routes


def test_end_of_rib_withdraws_nothing_that_was_announced() -> None:
    routes = Routes([WEB, BEAST, ANCHOR])
    events = steady()
    changes = [change for event in events for change in routes.apply(event)]
    assert len([e for e in events if e.kind == Kind.END_OF_RIB]) > 5
    assert {c.cause for c in changes if c.key is not None} == {Cause.ANNOUNCE}


def test_a_move_of_the_next_hop_is_an_event_and_is_the_cutover() -> None:
    routes = Routes([WEB])
    changes = [change for event in story() for change in routes.apply(event)]
    moved = [c for c in changes if c.key and (c.key.view, c.key.destination) == (View.LOC_RIB, WEB)]
    assert [(_hop(c.before), _hop(c.after)) for c in moved] == [
        (None, "10.0.0.1"),
        ("10.0.0.1", "10.0.1.1"),
    ]


def test_a_med_of_1000_is_an_event() -> None:
    """Built from the recording: ExaBGP drains a site so by default."""
    routes = Routes([ANCHOR])
    for event in steady():
        routes.apply(event)
    event = next(e for e in steady() if e.prefix == ANCHOR and e.view == View.ADJ_IN_PRE)
    drained = replace(event, med=1000, provenance=Provenance.LIVE.value)
    (change,) = routes.apply(drained)
    assert change.cause is Cause.ANNOUNCE
    assert change.before is not None
    assert change.after is not None
    assert (change.before.med, change.after.med) == (None, 1000)


def _hop(event: Event | None) -> str | None:
    return event.next_hop if event else None


def test_withdrawals_that_belong_to_a_peer_down_page_once(intent: Intent) -> None:
    """Built from the recording: the legacy PE's session is lost, with withdrawals on both sides."""
    engine = Engine(intent)
    play(engine, steady())
    at = steady()[-1].received + SECOND
    held = [e for e in steady() if e.prefix == BEAST]
    withdrawn = [
        replace(e, kind=Kind.WITHDRAW.value, provenance="live", received=at + n) for n, e in
        enumerate(held)
    ]  # fmt: skip
    down = replace(
        next(e for e in steady() if e.kind == Kind.PEER_UP and e.peer == "10.0.0.1"),
        kind=Kind.PEER_DOWN.value,
        received=at + 1,
    )
    transitions = play(engine, [withdrawn[0], down, *withdrawn[1:]])
    transitions += engine.advance(at + 60 * SECOND)
    opened = [t.key for t in transitions if t.state == State.OPEN and t.key.startswith("beast")]
    assert opened == ["beast everywhere"]


def test_a_withdrawal_followed_by_an_announcement_within_hold_is_no_loss(intent: Intent) -> None:
    """The recording flaps an anycast address; here it is a service with one home."""
    service = INTENT.split("anycast:", maxsplit=1)[0] + (
        "  - {name: anchor, prefix: 10.100.0.254/32, home: [new-pe2], hold: 5s}\n"
    )
    pre_policy = (None, View.ADJ_IN_PRE)
    recording = recorded(LAB / "flap.pcap.gz").events[:-1]
    events = [e for e in recording if e.peer != "10.0.1.1" and e.view in pre_policy]
    flaps = [e for e in events if e.kind == Kind.WITHDRAW and e.view == View.ADJ_IN_PRE]
    assert len(flaps) == 6
    engine = Engine(parse_intent(service))
    transitions = play(engine, events) + engine.advance(events[-1].received + 60 * SECOND)
    assert [t for t in transitions if t.key.startswith("anchor")] == []


def test_withdrawn_in_one_place_is_not_gone(intent: Intent) -> None:
    """A second vantage point, built from the same recording, keeps what the first has withdrawn."""
    engine = Engine(intent)
    second = [replace(e, router="rr2", router_address="10.0.0.253") for e in steady()]
    play(engine, [*steady(), *second])
    at = steady()[-1].received + SECOND
    held = [e for e in steady() if e.prefix == BEAST]
    gone = [replace(e, kind=Kind.WITHDRAW.value, received=at) for e in held]
    transitions = play(engine, gone) + engine.advance(at + HOUR)
    assert [t for t in transitions if t.key.startswith("beast")] == []


def test_a_rule_that_one_peer_still_holds_is_not_flushed() -> None:
    """GoBGP: flushed locally, the peer kept it."""
    routes = Routes()
    for event in steady():
        routes.apply(event)
    rule = next(rule for rule in routes.rules() if "8443" in rule.rule)
    held = [(key, route) for key, route in routes.of_rule(rule)]
    assert {key.view for key, _ in held} == {View.ADJ_IN_PRE, View.LOC_RIB}
    (local,) = [route.event for key, route in held if key.view == View.LOC_RIB]
    (change,) = routes.apply(replace(local, kind=Kind.WITHDRAW.value))
    assert isinstance(change, Change)
    assert [key.peer for key, _ in routes.of_rule(rule)] == ["10.0.9.9"]
