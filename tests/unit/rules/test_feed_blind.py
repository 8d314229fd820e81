"""A router that is not seen, not seen in time, or that shows what is not so."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from collector.event import Event, Feed, Kind, Provenance, View, rfc3339
from detectors.engine import Engine
from detectors.feed import FeedKey
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from tests.unit.rules.scenes import (
    PEERS,
    SECOND,
    START,
    make,
    play,
    route,
    steady_state,
)

ANCHOR = "10.100.0.254/32"
SERVICE = "192.0.2.50/32"
LIVE, DUMP = Provenance.LIVE, Provenance.DUMP
PRE, POST, LOC = View.ADJ_IN_PRE, View.ADJ_IN_POST, View.LOC_RIB
LEGACY = PEERS["legacy-pe"]
R1 = FeedKey("r1", Feed.BMP)

SITES = """
version: 1
sites:
  legacy-pe: {match: [{peer: 10.0.0.1}]}
  new-pe1: {match: [{peer: 10.0.1.1}]}
  new-pe2: {match: [{peer: 10.0.1.2}]}
services:
  - {name: web, prefix: 192.0.2.50/32, home: [legacy-pe], hold: 1s}
anycast:
  - {name: anchor, prefix: 10.100.0.254/32, sites: [new-pe1, new-pe2], minimum: 1}
"""
FEEDS = SITES + "feeds:\n  - {router: r1, silent_after: 60s}\n"
WINDOW = f"[{rfc3339(START + 100 * SECOND)}, {rfc3339(START + 200 * SECOND)}]"
CUTOVER = f"""
cutovers:
  - {{name: move, service: web, from: legacy-pe, to: [new-pe1], window: {WINDOW}}}
"""


def engine_of(text: str = FEEDS, *, steady: bool = True) -> Engine:
    engine = Engine(parse_intent(text))
    if steady:
        assert play(engine, steady_state(START)) == []
    return engine


def told(transitions: list[Incident]) -> list[tuple[str, str]]:
    return [(t.state, t.key) for t in transitions if t.detector == "feed_blind"]


def back(at: int, router: str = "r1") -> list[Event]:
    """The router's session comes up again and dumps the steady state."""
    return [event for event in steady_state(at) if event.router == router]


# Absent


def test_a_router_that_is_expected_and_never_comes_is_absent() -> None:
    engine = engine_of(steady=False)
    assert engine.advance(START) == []
    assert engine.advance(START + 60 * SECOND - 1) == []
    (opened,) = engine.advance(START + 60 * SECOND)
    assert (opened.state, opened.key, opened.severity) == (State.OPEN, "r1", "warning")
    assert opened.details["state"] == "absent"
    assert "r1 must be seen and is not" in opened.summary
    assert "since 2027-01-15T08:00:00Z" in opened.summary
    resolved = play(engine, back(START + 90 * SECOND))
    assert told(resolved) == [(State.RESOLVED, "r1")]


def test_a_router_may_be_expected_by_its_address() -> None:
    engine = engine_of(FEEDS.replace("router: r1", "router: 127.0.0.1"))
    assert engine.blind == []
    assert engine.advance(START + 59 * SECOND) == []


def test_a_feed_of_the_wrong_kind_is_not_the_one_that_is_expected() -> None:
    engine = engine_of(FEEDS.replace("router: r1", "router: r1, feed: gobgp"))
    assert engine.blind == ["r1"]
    (opened,) = engine.advance(START + 60 * SECOND)
    assert (opened.key, opened.details["state"]) == ("r1 gobgp", "absent")


def test_a_router_that_nobody_asked_to_see_may_go() -> None:
    engine = engine_of(SITES)
    assert play(engine, [make(Kind.FEED_DOWN, "r1", START + SECOND)]) == []
    assert engine.advance(START + 3600 * SECOND) == []
    assert engine.blind == ["r1"]


# Down


def test_a_lost_session_pages_after_its_limit_and_resolves_when_tables_are_complete() -> None:
    engine = engine_of()
    down = START + SECOND
    lost = make(Kind.FEED_DOWN, "r1", down, reason="connection lost: reset")
    assert play(engine, [lost]) == []
    assert engine.advance(down + 10 * SECOND - 1) == []
    (opened,) = engine.advance(down + 10 * SECOND)
    assert (opened.state, opened.key) == (State.OPEN, "r1 bmp")
    assert opened.details["state"] == "down"
    assert "connection lost: reset" in opened.summary
    assert "since 2027-01-15T08:00:01Z" in opened.summary
    assert opened.evidence == (lost,)
    again = back(down + 30 * SECOND)
    assert told(play(engine, again[:-1])) == []  # up, but its tables are not complete
    resolved = play(engine, again[-1:])
    assert told(resolved) == [(State.RESOLVED, "r1 bmp")]
    assert "Nothing that is watched had changed" in resolved[0].summary


def test_a_short_loss_is_a_reconnect() -> None:
    engine = engine_of()
    assert play(engine, [make(Kind.FEED_DOWN, "r1", START + SECOND)]) == []
    assert play(engine, back(START + 5 * SECOND)) == []
    assert engine.advance(START + 60 * SECOND) == []


def test_blindness_in_the_window_of_a_cutover_is_critical() -> None:
    engine = engine_of(FEEDS + CUTOVER)
    assert play(engine, [make(Kind.FEED_DOWN, "r1", START + 50 * SECOND)]) == []
    (opened,) = engine.advance(START + 60 * SECOND)
    assert opened.severity == "warning"
    (worse,) = engine.advance(START + 100 * SECOND)
    assert (worse.state, worse.severity) == (State.UPDATED, "critical")
    found = engine.advance(START + 200 * SECOND)
    (better,) = [t for t in found if t.detector == "feed_blind"]
    assert (better.state, better.severity) == (State.UPDATED, "warning")


# Silent


def test_a_session_that_is_up_and_says_nothing_is_silent() -> None:
    engine = engine_of()
    assert engine.advance(START + 60 * SECOND - 1) == []
    (opened,) = engine.advance(START + 60 * SECOND)
    assert (opened.key, opened.details["state"]) == ("r1 bmp", "silent")
    assert "statistics" in opened.summary
    resolved = play(engine, [make(Kind.STATS, "r1", START + 90 * SECOND)])
    assert told(resolved) == [(State.RESOLVED, "r1 bmp")]


def test_statistics_are_a_sign_of_life() -> None:
    engine = engine_of()
    for i in range(1, 20):
        assert play(engine, [make(Kind.STATS, "r1", START + i * 30 * SECOND)]) == []


def test_routes_that_make_no_events_are_a_sign_of_life() -> None:
    engine = engine_of()
    engine.hear(R1, START + 30 * SECOND)
    assert engine.advance(START + 89 * SECOND) == []
    (opened,) = engine.advance(START + 90 * SECOND)
    assert opened.details["state"] == "silent"
    engine.hear(R1, START + 100 * SECOND)
    (resolved,) = engine.advance(START + 101 * SECOND)
    assert (resolved.id, resolved.state) == (opened.id, State.RESOLVED)


def test_grpc_has_a_keepalive_so_that_silence_is_none() -> None:
    engine = engine_of(steady=False)
    events = [replace(e, feed=Feed.GOBGP.value) for e in back(START)]
    play(engine, events)
    assert engine.advance(START + 3600 * SECOND) == []


# Dump


def test_a_dump_that_does_not_end() -> None:
    engine = engine_of(steady=False)
    play(engine, back(START)[:-1])
    at = START
    while at < START + 170 * SECOND:
        at += 10 * SECOND
        assert play(engine, [make(Kind.STATS, "r1", at)]) == []
    (opened,) = engine.advance(START + 180 * SECOND)
    assert (opened.key, opened.details["state"]) == ("r1 bmp", "dumping")
    resolved = play(engine, [make(Kind.END_OF_RIB, "r1", START + 181 * SECOND)])
    assert told(resolved) == [(State.RESOLVED, "r1 bmp")]


# Lag


def news(at: int, late: int, **fields: object) -> Event:
    event = route(Kind.ANNOUNCE, "r1", LEGACY, SERVICE, at, LIVE)
    return replace(event, time=at - late, **fields)


def test_news_that_comes_later_and_later() -> None:
    engine = engine_of()
    ahead = 3600 * SECOND  # the router's clock is wrong by an hour: that is no lag
    transitions = play(engine, [news(START + i * SECOND, -ahead) for i in range(1, 4)])
    late = [news(START + i * SECOND, -ahead + 40 * SECOND) for i in range(5, 8)]
    assert told(transitions + play(engine, late[:2])) == []
    (opened,) = play(engine, late[2:])
    assert (opened.key, opened.details["state"]) == ("r1 bmp lag", "lag")
    assert opened.details["lag_seconds"] == 40
    resolved = play(engine, [news(START + 9 * SECOND, -ahead)])
    assert told(resolved) == [(State.RESOLVED, "r1 bmp lag")]


@pytest.mark.parametrize(
    "fields",
    [
        {"provenance": DUMP.value},
        {"view": LOC.value, "peer": None},
        {"warnings": ("quirk: age-as-time",)},
    ],
    ids=["a dump", "Loc-RIB", "a known fault of the sender"],
)
def test_times_that_are_not_to_be_believed_are_no_lag(fields: dict[str, object]) -> None:
    engine = engine_of(
        SITES.split("services", maxsplit=1)[0]
        + "anycast:\n"
        + SITES.split("anycast:\n")[1]
        + "feeds:\n  - {router: r1}\n"
    )
    events = [replace(news(START + i * SECOND, 0), prefix=ANCHOR) for i in range(1, 4)]
    events += [
        replace(news(START + i * SECOND, 900 * SECOND), prefix=ANCHOR, **fields)
        for i in range(5, 10)
    ]
    assert told(play(engine, events)) == []


def test_a_leap_of_our_clock_is_no_lag_but_one_after_it_is() -> None:
    engine = engine_of()
    play(engine, [news(START + i * SECOND, 0) for i in range(1, 4)])
    leap = 40 * SECOND
    engine.hear(R1, START + 4 * SECOND + leap, missed=leap)
    late = [news(START + i * SECOND + leap, leap) for i in range(5, 20)]
    assert told(play(engine, late)) == []
    state = engine.feed_states()[R1]
    assert state.lag(START + 20 * SECOND + leap) == 0
    later = [news(START + i * SECOND + leap, 2 * leap) for i in range(20, 23)]
    assert told(play(engine, later)) == [(State.OPEN, "r1 bmp lag")]


def test_what_waited_while_we_stood_still_is_no_lag() -> None:
    """The time was right, so that what comes next is in time again."""
    engine = engine_of()
    play(engine, [news(START + i * SECOND, 0) for i in range(1, 4)])
    engine.hear(R1, START + 44 * SECOND, missed=40 * SECOND)
    waited = [news(START + 44 * SECOND + i, 35 * SECOND + i) for i in range(4)]
    assert told(play(engine, waited)) == []
    in_time = [news(START + i * SECOND, 0) for i in range(45, 48)]
    assert told(play(engine, in_time)) == []
    late = [news(START + i * SECOND, 31 * SECOND) for i in range(48, 51)]
    assert told(play(engine, late)) == [(State.OPEN, "r1 bmp lag")]


def test_a_lag_ends_with_its_session() -> None:
    engine = engine_of()
    play(engine, [news(START + i * SECOND, 0) for i in range(1, 4)])
    (opened,) = play(engine, [news(START + i * SECOND, 40 * SECOND) for i in range(5, 8)])
    transitions = play(engine, back(START + 9 * SECOND))
    assert told(transitions)[:1] == [(State.RESOLVED, opened.key)]


# Errors


def odd(at: int) -> Event:
    return make(Kind.UNDECODABLE, "r1", at, reason="route-monitoring: bad", raw=b"\x03")


def test_decode_errors_that_rise() -> None:
    engine = engine_of(SITES)
    assert play(engine, [odd(START + i * SECOND) for i in range(1, 5)]) == []
    (opened,) = play(engine, [odd(START + 5 * SECOND)])
    assert (opened.key, opened.details["state"]) == ("r1 bmp errors", "errors")
    assert "route-monitoring: bad" in opened.summary
    assert opened.evidence[0].raw == b"\x03"
    (resolved,) = engine.advance(START + 70 * SECOND)
    assert (resolved.state, resolved.time) == (State.RESOLVED, START + 61 * SECOND)


def test_an_error_now_and_then_is_none_that_pages() -> None:
    engine = engine_of(SITES)
    assert play(engine, [odd(START + i * 20 * SECOND) for i in range(1, 50)]) == []


# Sender faults


def fabricated(i: int) -> Event:
    what = ANCHOR if i % 2 else SERVICE
    peer = PEERS["legacy-pe"] if i % 2 else PEERS["new-pe2"]
    return replace(
        route(Kind.WITHDRAW, "r1", peer, what, START + i * SECOND, LIVE), path_id=1000 + i
    )


def test_withdrawals_of_what_was_never_announced_are_a_fault_and_no_outage() -> None:
    engine = engine_of(SITES)
    transitions = play(engine, [fabricated(i) for i in range(1, 21)])
    ((opened),) = transitions
    assert (opened.detector, opened.key) == ("feed_blind", "r1 bmp sender")
    assert opened.details["unknown_withdrawals"] == 20
    assert "no outage" in opened.summary
    (resolved,) = engine.advance(START + 3600 * SECOND)
    assert (resolved.state, resolved.time) == (State.RESOLVED, START + 320 * SECOND)


def test_withdrawals_of_unwatched_routes_count_by_their_sum() -> None:
    """FRR once sent 1,966,176 withdrawals, and announced nothing."""
    engine = engine_of(SITES)
    counted = {"withdrawals_of_unannounced": 1_966_176}
    (opened,) = play(engine, [make(Kind.STATS, "r1", START + 5 * SECOND, statistics=counted)])
    assert (opened.key, opened.details["surplus"]) == ("r1 bmp sender", 1_966_176)
    resolved = play(engine, back(START + 9 * SECOND))
    assert (State.RESOLVED, "r1 bmp sender") in told(resolved)


def test_withdrawals_that_follow_a_peer_down_are_late_and_no_fault() -> None:
    """GoBGP 4.8 under graceful restart: Peer Down at once, the withdrawals 8 seconds later."""
    engine = engine_of(SITES)
    down = make(Kind.PEER_DOWN, "r1", START + SECOND, peer=PEERS["new-pe2"], view=PRE)
    late = [
        replace(
            route(Kind.WITHDRAW, "r1", PEERS["new-pe2"], ANCHOR, START + 9 * SECOND, LIVE),
            path_id=i,
        )
        for i in range(40)
    ]
    assert told(play(engine, [down, *late])) == []


# Restart


def test_an_open_loss_stays_open_over_a_restart_until_the_router_is_back() -> None:
    engine = engine_of()
    play(engine, [make(Kind.FEED_DOWN, "r1", START + SECOND)])
    (opened,) = engine.advance(START + 20 * SECOND)
    after = Engine(parse_intent(FEEDS), restored=[opened])
    transitions = after.advance(START + 30 * SECOND) + after.advance(START + 500 * SECOND)
    assert [t for t in transitions if t.state == State.RESOLVED] == []
    resolved = play(after, back(START + 600 * SECOND))
    assert (State.RESOLVED, "r1 bmp") in told(resolved)
    assert after.open_incidents == []
