"""What a lost session takes along is one incident, and nothing waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from collector.event import Event, Kind, View
from detectors.base import FINE, UNKNOWN, Rule, Severity, Status, Verdict
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import Intent, parse_intent
from detectors.route import Change
from detectors.routes import Routes
from tests.unit.rules.scenes import (
    KILL_SWITCH,
    PEERS,
    SECOND,
    START,
    make,
    play,
    route,
    steady_state,
)

PREFIXES = ("192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32")
PEER, ANOTHER = "10.0.0.1", "10.0.0.2"
INTENT = parse_intent(
    "version: 1\nsites: {a: {match: [{peer: 10.0.0.1}]}, b: {match: [{peer: 10.0.0.2}]}}\n"
    "anycast:\n"
    + "".join(f"  - {{name: x{n}, prefix: {p}, sites: [a, b]}}\n" for n, p in enumerate(PREFIXES))
)


class Gone(Rule):
    """Each watched prefix that a peer of r1 withdrew, or that went down with it."""

    name = "gone"
    severity = Severity.WARNING

    def __init__(self, intent: Intent) -> None:
        self._gone: dict[str, Event] = {}

    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        if change.key is None:
            return []
        key = f"{change.key.destination} {change.key.peer}"
        if change.after is None:
            self._gone[key] = change.event
        else:
            self._gone.pop(key, None)
        return [key]

    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        if key not in self._gone:
            return FINE
        if not routes.feeds.any_up():
            return UNKNOWN
        return Verdict(
            status=Status.VIOLATED,
            severity=self.severity,
            summary=f"{key} is gone.",
            details={"of": key},
            evidence=(self._gone[key],),
        )

    def restore(self, key: str, details: Mapping[str, Any], at: int) -> None:
        self._gone[key] = make(Kind.WITHDRAW, "r1", at)


class Worse(Gone):
    """The same, and worse."""

    name = "worse"
    severity = Severity.CRITICAL


class Service(Gone):
    """The same of something that pages on its own."""

    name = "service"
    alone = True


def engine(*rules: type[Rule], restored: Iterable[Incident] = ()) -> Engine:
    """One that sees r1 with two peers; each shows all prefixes."""
    made = Engine(INTENT, rules=rules or [Gone], restored=restored)
    up = [make(Kind.FEED_UP, "r1", START, epoch=START)]
    up += [
        make(Kind.PEER_UP, "r1", START, peer=peer, view=View.ADJ_IN_PRE, epoch=START)
        for peer in (PEER, ANOTHER)
    ]
    assert play(made, up) == []
    for peer in (PEER, ANOTHER):
        play(made, [said(Kind.ANNOUNCE, prefix, START, peer) for prefix in PREFIXES])
    return made


def said(kind: str, prefix: str, at: int, peer: str = PEER) -> Event:
    return route(kind, "r1", peer, prefix, at, "live")


def peer_down(at: int, peer: str = PEER) -> Event:
    return make(
        Kind.PEER_DOWN, "r1", at, peer=peer, view=View.ADJ_IN_PRE, reason="hold timer expired"
    )


AT = START + 60 * SECOND


def test_what_a_lost_session_takes_along_is_one_incident_that_names_it() -> None:
    made = engine()
    transitions = made.process(peer_down(AT))
    assert [(t.state, t.time) for t in transitions] == [
        (State.OPEN, AT),
        (State.UPDATED, AT),
        (State.UPDATED, AT),
    ]
    assert len({t.id for t in transitions}) == 1
    (one,) = made.open_incidents
    assert one.summary.startswith(
        "The session of r1 with 10.0.0.1 was lost at 2027-01-15T08:01:00Z (hold timer expired) and "
        "took 3 findings along"
    )
    assert all(f"{prefix} 10.0.0.1 is gone." in one.summary for prefix in PREFIXES)
    lost = {"router": "r1", "peer": PEER, "lost": "2027-01-15T08:01:00.000000000Z"}
    assert one.details["session"] == lost
    keys = [(each["detector"], each["key"]) for each in one.details["took_along"]]
    assert keys == [("gone", f"{prefix} 10.0.0.1") for prefix in PREFIXES[1:]]
    assert [event.kind for event in one.evidence] == [Kind.PEER_DOWN]
    assert made.advance(AT + 3600 * SECOND) == []


def test_withdrawals_before_the_peer_down_are_told_at_once_and_together() -> None:
    made = engine()
    found = [
        made.process(said(Kind.WITHDRAW, prefix, AT + n * SECOND // 10))
        for n, prefix in enumerate(PREFIXES)
    ]
    assert [[t.state for t in each] for each in found] == [["open"], ["updated"], ["updated"]]
    told = found[2][0].summary
    assert told.startswith("3 findings by withdrawals of one session, that of r1 with 10.0.0.1: ")
    (named,) = made.process(peer_down(AT + SECOND))
    assert (named.id, named.state) == (found[0][0].id, State.UPDATED)
    assert named.summary.startswith("The session of r1 with 10.0.0.1 was lost")
    assert named.evidence[-1].kind != Kind.ANNOUNCE
    assert Kind.PEER_DOWN in [event.kind for event in named.evidence]
    assert made.advance(AT + 3600 * SECOND) == []
    assert len(made.open_incidents) == 1


def test_without_a_lost_session_each_opens_on_its_own_when_the_window_ends() -> None:
    made = engine()
    (first,) = made.process(said(Kind.WITHDRAW, PREFIXES[0], AT))
    made.process(said(Kind.WITHDRAW, PREFIXES[1], AT + SECOND))
    transitions = made.advance(AT + 60 * SECOND)
    assert [(t.key, t.state, t.time) for t in transitions] == [
        (f"{PREFIXES[0]} 10.0.0.1", State.UPDATED, AT + 2 * SECOND),
        (f"{PREFIXES[1]} 10.0.0.1", State.OPEN, AT + 2 * SECOND),
    ]
    assert transitions[0].id == first.id
    assert transitions[0].summary == first.summary
    assert "took_along" not in transitions[0].details
    # As if there were no grouping: the id is that of its own opening event.
    alone = engine()
    assert transitions[1].id == alone.process(said(Kind.WITHDRAW, PREFIXES[1], AT + SECOND))[0].id
    # A Peer Down that comes later has nothing to do with them.
    assert made.process(peer_down(AT + 60 * SECOND))[0].state == State.OPEN
    assert len(made.open_incidents) == 3


def test_another_session_and_another_time_are_another_incident() -> None:
    made = engine()
    made.process(said(Kind.WITHDRAW, PREFIXES[0], AT))
    (other,) = made.process(said(Kind.WITHDRAW, PREFIXES[0], AT, ANOTHER))
    assert other.state == State.OPEN
    (later,) = made.process(said(Kind.WITHDRAW, PREFIXES[1], AT + 3 * SECOND))
    assert later.state == State.OPEN
    assert len(made.open_incidents) == 3


def test_it_resolves_when_all_of_it_has() -> None:
    made = engine()
    opened = made.process(peer_down(AT))[0]
    back = AT + 60 * SECOND
    play(made, [make(Kind.PEER_UP, "r1", back, peer=PEER, view=View.ADJ_IN_PRE, epoch=back)])
    states = [
        [(t.id == opened.id, t.state) for t in made.process(said(Kind.ANNOUNCE, prefix, back))]
        for prefix in PREFIXES
    ]
    assert states == [[(True, "updated")], [(True, "updated")], [(True, "resolved")]]
    assert made.open_incidents == []
    assert made.process(peer_down(back + 60 * SECOND))[0].state == State.OPEN


def test_the_worst_finding_says_how_bad_it_is() -> None:
    made = engine(Gone, Worse)
    opened, *updates = made.process(peer_down(AT))
    assert (opened.detector, opened.severity) == ("gone", "warning")
    assert updates[-1].severity == "critical"
    assert len(made.open_incidents) == 1


def test_what_stands_alone_pages_once_each_and_at_once() -> None:
    made = engine(Service, Gone)
    transitions = made.process(peer_down(AT))
    alone = [t for t in transitions if t.detector == "service"]
    assert [(t.state, t.key) for t in alone] == [
        (State.OPEN, f"{prefix} 10.0.0.1") for prefix in PREFIXES
    ]
    assert len({t.id for t in transitions if t.detector == "gone"}) == 1


def test_a_kill_switch_is_never_told_with_others() -> None:
    class Kill(Gone):
        name = "kill"

        def judge(self, key: str, routes: Routes, now: int) -> Verdict:
            verdict = super().judge(key, routes, now)
            if verdict.status is not Status.VIOLATED:
                return verdict
            return Verdict(
                status=verdict.status,
                details={"kill_switch": True},
                summary=KILL_SWITCH,
                evidence=verdict.evidence,
            )

    transitions = engine(Kill).process(peer_down(AT))
    assert [t.state for t in transitions] == [State.OPEN] * 3
    assert len({t.id for t in transitions}) == 3


def test_our_own_lost_session_makes_it_unknown_and_resolves_nothing() -> None:
    made = engine()
    opened = made.process(peer_down(AT))[0]
    (unknown,) = made.process(make(Kind.FEED_DOWN, "r1", AT + SECOND))
    assert (unknown.id, unknown.state) == (opened.id, State.UNKNOWN)
    assert made.advance(AT + 3600 * SECOND) == []


def test_after_a_restart_it_goes_on_with_the_same_id_and_the_same_findings() -> None:
    before = engine()
    before.process(peer_down(AT))
    (one,) = before.open_incidents
    after = Engine(INTENT, rules=[Gone], restored=[Incident.from_dict(one.to_dict())])
    at = AT + 60 * SECOND
    play(after, [make(Kind.FEED_UP, "r1", at, epoch=at)])
    (again,) = after.open_incidents
    assert again.id == one.id
    keys = [each["key"] for each in again.details["took_along"]]
    assert keys == [each["key"] for each in one.details["took_along"]]
    up = make(Kind.PEER_UP, "r1", at, peer=PEER, view=View.ADJ_IN_PRE, epoch=at)
    back = [said(Kind.ANNOUNCE, prefix, at) for prefix in PREFIXES]
    states = [(t.id, t.state) for t in play(after, [up, *back])]
    assert states[-1] == (one.id, State.RESOLVED)
    assert after.open_incidents == []


def test_after_a_restart_each_rule_has_what_it_had_measured() -> None:
    class Measured(Gone):
        def judge(self, key: str, routes: Routes, now: int) -> Verdict:
            return replace(super().judge(key, routes, now), measures={"figure": len(key)})

        def restore(self, key: str, details: Mapping[str, Any], at: int) -> None:
            assert details["of"] == key
            taken[key] = details["figure"]

    taken: dict[str, int] = {}
    before = engine(Measured)
    before.process(peer_down(AT))
    (one,) = before.open_incidents
    after = Engine(INTENT, rules=[Measured], restored=[Incident.from_dict(one.to_dict())])
    assert not after.errors
    assert taken == {f"{prefix} {PEER}": len(f"{prefix} {PEER}") for prefix in PREFIXES}


def test_a_session_that_flaps_does_not_keep_the_next_start_from_beginning() -> None:
    """Redundancy and flapping, told as one: with the rules that there are."""
    peer, anchor = PEERS["new-pe2"], "10.100.0.254/32"
    intent = parse_intent(
        "version: 1\nsites: {new-pe1: {match: [{peer: 10.0.1.1}]}, "
        "new-pe2: {match: [{peer: 10.0.1.2}]}}\n"
        f"anycast: [{{name: a, prefix: {anchor}, sites: [new-pe1, new-pe2], minimum: 2}}]\n"
    )
    made = Engine(intent)
    play(made, [event for event in steady_state(START) if event.router == "r1"])
    at = AT
    for _ in range(3):
        play(made, [peer_down(at, peer)])
        made.advance(at + 40 * SECOND)
        (one,) = made.open_incidents
        at += 60 * SECOND
        back = make(Kind.PEER_UP, "r1", at, peer=peer, view=View.ADJ_IN_PRE, epoch=at)
        play(made, [back, said(Kind.ANNOUNCE, anchor, at, peer)])
        made.advance(at + 40 * SECOND)
        at += 60 * SECOND
    assert [each["detector"] for each in one.details["took_along"]] == ["flapping"]
    after = Engine(intent, restored=[Incident.from_dict(one.to_dict())])
    assert not after.errors
    assert [each.id for each in after.open_incidents] == [one.id]


def test_what_a_rule_cannot_take_up_again_keeps_nothing_else_from_it() -> None:
    class Other(Gone):
        def restore(self, key: str, details: Mapping[str, Any], at: int) -> None:
            raise KeyError(key)

    before = engine()
    before.process(peer_down(AT))
    (one,) = before.open_incidents
    after = Engine(INTENT, rules=[Other], restored=[Incident.from_dict(one.to_dict())])
    assert after.errors == {"gone": len(PREFIXES)}
    assert [each.id for each in after.open_incidents] == [one.id]


@pytest.mark.parametrize("step", [SECOND // 7, SECOND, 3 * SECOND])
def test_however_often_time_is_told_the_incidents_are_the_same(step: int) -> None:
    events = [
        said(Kind.WITHDRAW, PREFIXES[0], AT),
        said(Kind.WITHDRAW, PREFIXES[1], AT + SECOND // 2),
        said(Kind.WITHDRAW, PREFIXES[0], AT + SECOND, ANOTHER),
        peer_down(AT + 2 * SECOND, ANOTHER),
        said(Kind.ANNOUNCE, PREFIXES[0], AT + 4 * SECOND),
    ]
    plain = engine()
    expected = play(plain, events) + plain.advance(AT + 10 * SECOND)
    ticked = engine()
    found: list[Incident] = []
    now = AT
    for event in events:
        while now < event.received:
            found += ticked.advance(now)
            now += step
        found += ticked.process(event)
    found += ticked.advance(AT + 10 * SECOND)
    assert found == expected
