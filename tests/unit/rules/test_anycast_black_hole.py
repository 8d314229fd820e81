from __future__ import annotations

import pytest
from msgspec.structs import replace

from collector.event import Event, Feed, Kind, Provenance, View
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import Intent, parse_intent
from detectors.rules.anycast_black_hole import AnycastBlackHole
from tests.unit.rules.scenes import PEERS, SECOND, START, make, play, route, steady_state

PREFIX = "10.100.0.254/32"
INTENT = """
version: 1
sites:
  legacy-pe: {{match: [{{peer: 10.0.0.1}}]}}
  new-pe1: {{match: [{{peer: 10.0.1.1}}]}}
  new-pe2: {{match: [{{peer: 10.0.1.2}}]}}
anycast:
  - name: anchor
    prefix: 10.100.0.254/32
    sites: [new-pe1, new-pe2]
    minimum: {minimum}
    probe: {{tcp: 8443, every: 5s, from: {prober}}}
maintenance:
  - {{site: new-pe2, window: [2027-01-15T08:10:00Z, 2027-01-15T08:20:00Z], why: line card}}
"""
AT = START + 60 * SECOND
KEY = "anchor new-pe2"


def intent(prober: str = "site", minimum: int = 1) -> Intent:
    return parse_intent(INTENT.format(prober=prober, minimum=minimum))


def watching(prober: str = "site", minimum: int = 1) -> Engine:
    engine = Engine(intent(prober, minimum), rules=[AnycastBlackHole])
    assert play(engine, steady_state(START)) == []
    return engine


def result(at: int, word: str, site: str | None = "new-pe2", prober: str | None = None) -> Event:
    information: dict[str, object] = {"anycast": "anchor", "probe": "tcp 8443", "result": word}
    if site is not None:
        information["site"] = site
    reason = "timed out after 2s" if word == "failed" else None
    return make(
        Kind.PROBE,
        prober or site or "",
        at,
        feed=Feed.PROBE,
        router_address="",
        prefix=PREFIX,
        information=information,
        reason=reason,
    )


def results(at: int, words: str, site: str | None = "new-pe2", **kwargs: str) -> list[Event]:
    """One every five seconds: `+` healthy, `-` failed."""
    names = {"+": "healthy", "-": "failed"}
    return [result(at + i * 5 * SECOND, names[w], site, **kwargs) for i, w in enumerate(words)]


def told(transitions: list[Incident]) -> list[tuple[str, str, str]]:
    return [(t.state, t.key, t.severity) for t in transitions]


def withdraw(at: int, router: str, site: str = "new-pe2") -> Event:
    return route(Kind.WITHDRAW, router, PEERS[site], PREFIX, at, Provenance.LIVE)


def test_a_site_that_advertises_while_its_probe_fails() -> None:
    engine = watching()
    events = results(AT, "++---")
    transitions = play(engine, events)
    assert told(transitions) == [(State.OPEN, KEY, "critical")]
    (opened,) = transitions
    assert opened.time == AT + 20 * SECOND
    assert opened.evidence[0] == events[2]
    assert {(e.kind, e.router, e.next_hop) for e in opened.evidence[1:]} == {
        ("announce", "r1", "10.0.1.2"),
        ("announce", "r2", "10.0.1.2"),
    }
    assert opened.summary == (
        "new-pe2 advertises anchor (10.100.0.254/32) and does not serve it since "
        "2027-01-15T08:01:10Z (tcp 8443 fails: timed out after 2s): its traffic is lost. "
        "Withdraw it at new-pe2, or mend the service there."
    )
    (resolved,) = play(engine, results(AT + 25 * SECOND, "++"))
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)
    assert resolved.time == AT + 30 * SECOND


def test_it_resolves_when_the_site_withdraws() -> None:
    engine = watching()
    (opened,) = play(engine, results(AT, "---"))
    at = AT + 11 * SECOND
    assert play(engine, [withdraw(at, "r1")]) == []
    (resolved,) = play(engine, [withdraw(at, "r2")])
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)
    assert resolved.summary == (
        "new-pe2 no longer advertises anchor (10.100.0.254/32), so its failing probe harms nobody."
    )


@pytest.mark.parametrize("words", ["+--+--+--", "--+--+", "+-+-+-+-+-", "--"])
def test_a_nervous_probe_pages_nobody(words: str) -> None:
    assert play(watching(), results(AT, words)) == []


def test_one_answer_in_between_does_not_resolve() -> None:
    engine = watching()
    (opened,) = play(engine, results(AT, "---+-+--"))
    assert [incident.id for incident in engine.open_incidents] == [opened.id]


def test_a_silent_prober_is_told_once_and_what_it_looked_at_is_unknown() -> None:
    engine = watching()
    (opened,) = play(engine, results(AT, "---"))
    last = AT + 10 * SECOND
    unknown, blind = sorted(engine.advance(AT + 3600 * SECOND), key=lambda t: t.key)
    assert (unknown.key, unknown.state, unknown.id) == (KEY, State.UNKNOWN, opened.id)
    assert unknown.time == last + 30 * SECOND
    assert (blind.key, blind.state, blind.severity) == ("prober new-pe2", State.OPEN, "warning")
    assert blind.summary == (
        "Prober new-pe2 sends no results since 2027-01-15T08:01:10Z: how anchor is there is not "
        "known. See that it runs (anchorwatch probe) and reaches this watch."
    )
    back = play(engine, results(AT + 3600 * SECOND, "-"))
    assert told(back) == [
        (State.UPDATED, KEY, "critical"),
        (State.RESOLVED, "prober new-pe2", "warning"),
    ]


def test_a_prober_that_never_comes_is_told_where_it_is_awaited() -> None:
    engine = watching()
    assert engine.advance(AT) == []
    assert play(engine, [result(AT, "awaited", None, "new-pe1")]) == []
    (blind,) = engine.advance(AT + 3600 * SECOND)
    assert (blind.key, blind.time) == ("prober new-pe1", AT + 30 * SECOND)


def test_a_recording_without_probes_says_nothing_of_them() -> None:
    engine = watching()
    assert engine.advance(AT + 3600 * SECOND) == []


def test_a_healthy_site_that_stopped_advertising() -> None:
    engine = watching()
    play(engine, results(AT, "++++++++++++++++++++"))
    gone = AT + 100 * SECOND
    assert play(engine, [withdraw(gone, "r1"), withdraw(gone, "r2")]) == []
    transitions = play(engine, results(gone, "++++++++"))
    assert told(transitions) == [(State.OPEN, KEY, "warning")]
    (opened,) = transitions
    assert opened.time == gone + 30 * SECOND
    assert opened.summary == (
        "new-pe2 is healthy (tcp 8443 answers) and does not advertise anchor (10.100.0.254/32) "
        "since 2027-01-15T08:02:40Z; new-pe1 carries its share. See why new-pe2 does not announce "
        "it: its BGP speaker, its health check, or a drain that was forgotten."
    )
    at = gone + 40 * SECOND
    back = route(Kind.ANNOUNCE, "r1", PEERS["new-pe2"], PREFIX, at, Provenance.LIVE)
    (resolved,) = play(engine, [back])
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def test_it_is_critical_where_too_few_are_left() -> None:
    engine = watching(minimum=2)
    play(engine, results(AT, "++"))
    at = AT + 6 * SECOND
    play(engine, [withdraw(at, "r1"), withdraw(at, "r2")])
    assert told(play(engine, results(at, "+++++++"))) == [(State.OPEN, KEY, "critical")]


def test_a_site_in_maintenance_may_be_silent() -> None:
    engine = watching()
    at = START + 601 * SECOND
    play(engine, [withdraw(at, "r1"), withdraw(at, "r2")])
    transitions = play(engine, results(at, "+" * 130))
    assert told(transitions) == [(State.OPEN, KEY, "warning")]
    assert transitions[0].time == START + 1200 * SECOND


def test_a_site_hidden_by_a_better_path_is_not_silent() -> None:
    engine = Engine(intent(), rules=[AnycastBlackHole])
    scene = [
        replace(event, view=View.LOC_RIB, peer=None)
        for event in steady_state(START)
        if event.peer in (None, PEERS["new-pe1"])
    ]
    play(engine, [replace(e, next_hop="10.0.1.1") if e.prefix else e for e in scene])
    assert play(engine, results(AT, "+" * 40)) == []


def test_a_prober_elsewhere_speaks_for_the_address() -> None:
    engine = watching(prober="vantage")
    events = results(AT, "---", None, prober="vantage")
    transitions = play(engine, events)
    assert told(transitions) == [(State.OPEN, "anchor from vantage", "critical")]
    assert transitions[0].summary == (
        "anchor (10.100.0.254/32) does not answer vantage since 2027-01-15T08:01:00Z (tcp 8443 "
        "fails: timed out after 2s), though new-pe1, new-pe2 advertises it. Find the site that "
        "vantage reaches, and withdraw it there."
    )
    at = AT + 12 * SECOND
    gone = [
        withdraw(at, router, site) for router in ("r1", "r2") for site in PEERS if "new" in site
    ]
    (resolved,) = play(engine, gone)
    assert resolved.state == State.RESOLVED


def test_where_the_routes_are_not_seen_nothing_is_known() -> None:
    engine = watching()
    (opened,) = play(engine, results(AT, "---"))
    down = [make(Kind.FEED_DOWN, router, AT + 11 * SECOND) for router in ("r1", "r2")]
    (unknown,) = play(engine, down)
    assert (unknown.state, unknown.id) == (State.UNKNOWN, opened.id)
    assert play(engine, results(AT + 12 * SECOND, "++")) == []


def test_an_open_incident_goes_on_after_a_restart() -> None:
    engine = watching()
    (opened,) = play(engine, results(AT, "---"))
    after = Engine(intent(), rules=[AnycastBlackHole], restored=[opened])
    play(after, steady_state(AT + 12 * SECOND))
    play(after, results(AT + 15 * SECOND, "-"))
    assert [(i.id, i.opened) for i in after.open_incidents] == [(opened.id, opened.opened)]
    (resolved,) = play(after, results(AT + 20 * SECOND, "++"))
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def test_a_silent_prober_stays_silent_over_a_restart() -> None:
    engine = watching()
    play(engine, results(AT, "++"))
    (blind,) = engine.advance(AT + 100 * SECOND)
    after = Engine(intent(), rules=[AnycastBlackHole], restored=[blind])
    again = AT + 200 * SECOND
    assert play(after, [result(again, "awaited", None, "new-pe2"), *steady_state(again)]) == []
    assert after.advance(again + 100 * SECOND) == []
    (resolved,) = play(after, results(again + 200 * SECOND, "+"))
    assert (resolved.state, resolved.id) == (State.RESOLVED, blind.id)


@pytest.mark.parametrize(
    "fields",
    [
        {"information": None},
        {"information": {"anycast": "nobody", "site": "new-pe2", "result": "failed"}},
        {"information": {"anycast": "anchor", "site": "new-pe2", "result": "odd"}},
        {"router": "new-pe1"},
        {"router": "stranger"},
    ],
    ids=["nothing", "anycast", "result", "another-site", "stranger"],
)
def test_results_that_nobody_asked_for_count_for_nothing(fields: dict[str, object]) -> None:
    events = [replace(event, **fields) for event in results(AT, "---")]
    assert play(watching(), events) == []
