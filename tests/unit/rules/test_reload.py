"""Another intent while the engine runs: as if it had been the intent from the start."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.event import Event, Kind, Provenance, View
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import Intent, parse_intent
from detectors.routes import Routes
from detectors.rules import discover
from tests.unit.rules.scenes import (
    ALLOWED,
    HOUR,
    KILL_SWITCH,
    PEERS,
    SECOND,
    START,
    make,
    play,
    route,
    steady_state,
)
from tests.unit.rules.test_contract import INTENT, NERVOUS, NETWORK, Faulty, histories

OTHER = "203.0.113.0/24"
MORE = INTENT.replace(
    "services:\n", f"services:\n  - {{name: other, prefix: {OTHER}, home: [new-pe1], hold: 5s}}\n"
)


@pytest.fixture(scope="module")
def nervous() -> Intent:
    return parse_intent(INTENT + NERVOUS, "nervous.yaml")


@settings(max_examples=60, deadline=None)
@given(events=histories(), at=st.integers(0, 40))
def test_the_same_intent_again_changes_nothing(
    nervous: Intent, events: list[Event], at: int
) -> None:
    plain, reloaded = Engine(nervous), Engine(nervous)
    expected = play(plain, events) + plain.advance(events[-1].received + HOUR)
    first, rest = events[:at], events[at:]
    found = play(reloaded, first)
    if first:
        assert reloaded.prepare(nervous) == []
        found += reloaded.adopt(nervous, first[-1].received)
    found += play(reloaded, rest) + reloaded.advance(events[-1].received + HOUR)
    assert of_network(found) == of_network(expected)


def of_network(incidents: list[Incident]) -> list[Incident]:
    """A feed that behaves as none would is judged once more, and so may be told of earlier."""
    return [each for each in incidents if each.detector in NETWORK]


@settings(max_examples=60, deadline=None)
@given(events=histories(), at=st.integers(1, 40), learning=st.integers(0, 5))
def test_what_both_intents_watch_is_judged_as_if_the_new_one_had_been_there_all_along(
    events: list[Event], at: int, learning: int
) -> None:
    """The new prefix too: what was known of it is learnt while events go on."""
    old, new = parse_intent(INTENT + NERVOUS), parse_intent(MORE + NERVOUS)
    plain, reloaded = Engine(new), Engine(old)
    history = [*steady_state(START - HOUR), *events]
    at += len(history) - len(events)
    play(plain, history)
    first, meanwhile, rest = history[:at], history[at : at + learning], history[at + learning :]
    play(reloaded, first)
    assert reloaded.prepare(new) == [OTHER]
    play(reloaded, meanwhile)
    learnt = Routes([OTHER])
    for event in first:
        learnt.apply(event)
    now = [*first, *meanwhile][-1].received
    reloaded.adopt(new, now, learnt)
    play(reloaded, rest)
    end = events[-1].received + 20 * SECOND
    plain.advance(end)
    reloaded.advance(end)

    def judged(engine: Engine) -> list[tuple[str, str, str, str]]:
        return sorted((i.detector, i.key, i.severity, i.id) for i in engine.open_incidents)

    def of_both(engine: Engine) -> list[tuple[str, str, str, str]]:
        return [each for each in judged(engine) if not each[1].startswith("other")]

    assert of_both(reloaded) == of_both(plain)
    assert seen_sites(reloaded) == seen_sites(plain)


def seen_sites(engine: Engine) -> dict[str, object]:
    """Who advertises what, as far as it is seen now."""
    seen = [i for i in engine.open_incidents if i.state != State.UNKNOWN]
    return {i.key: i.details["sites"] for i in seen if "sites" in i.details}


def test_open_incidents_are_judged_by_the_new_intent() -> None:
    engine = Engine(parse_intent(INTENT))
    play(engine, steady_state(START))
    at = START + SECOND
    stranger = route(Kind.ANNOUNCE, "r1", PEERS["new-pe1"], "192.0.2.50/32", at, Provenance.LIVE)
    rule = route(Kind.ANNOUNCE, "r1", PEERS["new-pe2"], KILL_SWITCH, at, Provenance.LIVE)
    opened = play(engine, [stranger, rule])
    assert [i.detector for i in opened] == ["dual_advertisement", "flowspec_policy"]
    lenient = INTENT.replace("home: [legacy-pe]", "home: [legacy-pe, new-pe1]")
    transitions = engine.adopt(parse_intent(lenient), at + SECOND)
    assert [(i.id, i.state, i.time) for i in transitions] == [
        (opened[0].id, State.RESOLVED, at + SECOND)
    ]
    assert [i.id for i in engine.open_incidents] == [opened[1].id]
    (again,) = engine.adopt(parse_intent(INTENT), at + 2 * SECOND)
    assert (again.detector, again.state, again.id) == ("dual_advertisement", "open", opened[0].id)


def test_a_policy_that_goes_makes_its_rules_wrong_at_once() -> None:
    engine = Engine(parse_intent(INTENT))
    at = START + SECOND
    play(engine, steady_state(START))
    allowed = route(Kind.ANNOUNCE, "r1", PEERS["new-pe2"], ALLOWED, at, Provenance.LIVE)
    assert engine.process(allowed) == []
    strict = INTENT[: INTENT.index("flowspec:")] + "flowspec: []\n"
    (opened,) = engine.adopt(parse_intent(strict), at + SECOND)
    assert (opened.detector, opened.state) == ("flowspec_policy", State.OPEN)
    assert opened.evidence[0] == allowed


def test_a_service_that_goes_takes_its_incident_along() -> None:
    engine = Engine(parse_intent(INTENT))
    play(engine, steady_state(START))
    gone = [
        route(Kind.WITHDRAW, router, PEERS["legacy-pe"], "192.0.2.50/32", START + SECOND, "live")
        for router in ("r1", "r2")
    ]
    play(engine, gone)
    (opened,) = engine.advance(START + 10 * SECOND)
    without = INTENT.replace("  - {name: web,", "  - {name: shop,").replace(".50/32", ".51/32")
    transitions = engine.adopt(parse_intent(without), START + 11 * SECOND)
    assert [(i.id, i.state) for i in transitions if i.id == opened.id] == [
        (opened.id, State.RESOLVED)
    ]


def test_what_is_not_watched_any_more_is_forgotten_and_said_to_be() -> None:
    noted: dict[str, object] = {}
    engine = Engine(
        parse_intent(INTENT), on_route=lambda key, held: noted.update({key.destination: held})
    )
    play(engine, steady_state(START))
    assert noted["192.0.2.50/32"] is not None
    without = INTENT.replace("192.0.2.50/32, home", "192.0.2.51/32, home")
    engine.adopt(parse_intent(without), START + SECOND)
    assert noted["192.0.2.50/32"] is None
    assert noted["10.100.0.254/32"] is not None


def test_a_router_that_must_be_seen_from_now_on() -> None:
    engine = Engine(parse_intent(INTENT))
    play(engine, steady_state(START))
    engine.advance(START + HOUR)
    expecting = INTENT + "feeds: [{router: r3, silent_after: 60s}]\n"
    (opened,) = engine.adopt(parse_intent(expecting), START + HOUR)
    assert (opened.detector, opened.key) == ("feed_blind", "r3")
    (resolved,) = engine.process(make(Kind.FEED_UP, "r3", START + HOUR + SECOND, epoch=1))[:1]
    assert (resolved.id, resolved.state) == (opened.id, State.RESOLVED)


def test_what_came_while_a_prefix_was_learnt_goes_before_what_was_learnt() -> None:
    engine = Engine(parse_intent(INTENT))
    start = steady_state(START)
    peer = PEERS["new-pe2"]
    held = route(Kind.ANNOUNCE, "r1", peer, OTHER, START + 1, Provenance.LIVE)
    play(engine, [*start, held])
    new = parse_intent(MORE)
    assert engine.prepare(new) == [OTHER]
    learnt = Routes([OTHER])
    for event in [*start, held]:
        learnt.apply(event)
    gone = route(Kind.WITHDRAW, "r1", peer, OTHER, START + 2, Provenance.LIVE)
    assert engine.process(gone) == []
    engine.adopt(new, START + 3, learnt)
    (opened,) = engine.advance(START + 10 * SECOND)  # by nobody, and not by new-pe2
    assert (opened.detector, opened.key) == ("unexpected_withdrawal", "other everywhere")
    back = make(
        Kind.ANNOUNCE, "r1", START + 11 * SECOND, peer=PEERS["new-pe1"], prefix=OTHER,
        view=View.ADJ_IN_PRE, family="ipv4-unicast", next_hop=PEERS["new-pe1"],
    )  # fmt: skip
    assert [i.state for i in engine.process(back)] == [State.RESOLVED]


class Fragile(Faulty):
    """A rule of which one word is wrong where the intent has a prefix more."""

    wrong = ""

    def __init__(self, intent: Intent) -> None:
        self.more = OTHER in intent.watched_prefixes()

    def subjects(self, change: object, routes: object) -> list[str]:
        return []

    def _say(self, word: str) -> None:
        if self.more and self.wrong == word:
            raise ZeroDivisionError(word)

    def standing(self) -> list[str]:
        self._say("standing")
        return []

    def prefixes(self) -> None:
        self._say("prefixes")

    def succeed(self, other: object) -> None:
        self._say("succeed")


@pytest.mark.parametrize("word", ["standing", "prefixes", "succeed"])
def test_a_rule_that_fails_leaves_no_half_of_an_intent(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine goes by the one intent or by the other, whatever a rule does."""
    monkeypatch.setattr(Fragile, "wrong", word)
    intent, new = parse_intent(INTENT), parse_intent(MORE)
    engine = Engine(intent, rules=[*discover(), Fragile])
    play(engine, steady_state(START))
    assert engine.prepare(new) == [OTHER]
    with contextlib.suppress(ZeroDivisionError):
        engine.adopt(new, START + SECOND, Routes([OTHER]))
    assert engine.prepare(new) == ([] if engine.intent is new else [OTHER])
    told = engine.advance(START + HOUR)
    assert [i.key for i in told] == (["other everywhere"] if engine.intent is new else [])
    assert (engine.intent is new) == (word == "standing")


def test_a_rule_that_fails_at_the_start_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fragile, "wrong", "standing")
    told: list[str] = []
    engine = Engine(
        parse_intent(MORE),
        rules=[*discover(), Fragile],
        on_error=lambda rule, error: told.append(rule),
    )
    play(engine, steady_state(START))
    assert told == ["faulty"]
    assert [i.key for i in engine.advance(START + HOUR)] == ["other everywhere"]
