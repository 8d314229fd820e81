from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from collector.event import Event, Family, Kind, Provenance, View
from collector.wire.communities import flowspec_action
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from detectors.route import RouteKey
from detectors.routes import Routes
from detectors.rules.redirect_target import RedirectTarget
from tests.unit.rules.scenes import HOUR, PEERS, SECOND, START, make, play, route, steady_state

ANCHOR = "10.100.0.254/32"
HOP = "10.100.0.254"
SCRUBBER = "198.51.100.9"
RULE = "destination 192.0.2.50/32 protocol =6 destination-port =8443"
OTHER = "destination 192.0.2.51/32"
LATER = START + 10 * SECOND
INTENT = f"""
version: 1
sites:
  legacy-pe: {{match: [{{peer: 10.0.0.1}}]}}
  new-pe1: {{match: [{{peer: 10.0.1.1}}]}}
  new-pe2: {{match: [{{peer: 10.0.1.2}}]}}
anycast:
  - {{name: anchor, prefix: {ANCHOR}, sites: [new-pe1, new-pe2]}}
  - {{name: six, prefix: "2001:db8:100::/48", sites: [new-pe1]}}
  - {{name: wide, prefix: 10.200.0.0/16, sites: [new-pe1]}}
flowspec:
  - name: migration
    destination: [192.0.2.0/24, "2001:db8::/32"]
    actions: [{{redirect-to-nexthop: [{HOP}, {SCRUBBER}, "2001:db8:100::1", 10.200.1.1]}}]
"""


def rule(
    at: int,
    hop: str | None = HOP,
    what: str = RULE,
    router: str = "r1",
    kind: str = Kind.ANNOUNCE,
    **fields: object,
) -> Event:
    event = route(Kind.ANNOUNCE, router, PEERS["legacy-pe"], ANCHOR, at, Provenance.LIVE)
    action: dict[str, object] = {"action": "redirect-to-nexthop", "copy": False}
    if hop is not None:
        action["next_hop"] = hop
    values: dict[str, object] = {
        "kind": kind,
        "family": Family.IPV4_FLOWSPEC,
        "prefix": None,
        "next_hop": None,
        "rule": what,
        "components": {"destination": what.split()[1]},
        "actions": (action,) if kind == Kind.ANNOUNCE else (),
    }
    return replace(event, **(values | fields))


def announce(
    at: int, site: str = "new-pe1", prefix: str = ANCHOR, router: str = "r1", **fields: object
) -> Event:
    event = route(Kind.ANNOUNCE, router, PEERS[site], prefix, at, Provenance.LIVE)
    return replace(event, **fields)


def withdraw(
    at: int, site: str = "new-pe1", prefix: str = ANCHOR, router: str = "r1", **fields: object
) -> Event:
    event = route(Kind.WITHDRAW, router, PEERS[site], prefix, at, Provenance.LIVE)
    return replace(event, **fields)


def found(engine: Engine, *events: Event) -> list[Incident]:
    return [t for t in play(engine, events) if t.detector == "redirect_target"]


def later(engine: Engine) -> list[Incident]:
    """What an hour brings."""
    return [t for t in engine.advance(LATER + HOUR) if t.detector == "redirect_target"]


def watch(*, anchor: bool = True, intent: str = INTENT) -> Engine:
    """One router whose tables are complete, with or without the anchor in them."""
    engine = Engine(parse_intent(intent))
    events = [e for e in steady_state(START) if e.router == "r1" and e.prefix in (None, ANCHOR)]
    assert found(engine, *(e for e in events if anchor or e.prefix is None)) == []
    return engine


def test_the_last_route_to_it_opens_and_the_first_one_back_resolves() -> None:
    engine = watch()
    installed = rule(LATER)
    assert found(engine, installed) == []
    assert found(engine, withdraw(LATER + 1, "new-pe1")) == []
    last = withdraw(LATER + SECOND, "new-pe2")
    (opened,) = found(engine, last)
    assert (opened.state, opened.severity, opened.key) == (State.OPEN, "critical", HOP)
    assert opened.evidence == (last, installed)
    assert opened.details == {
        "next_hop": HOP,
        "vpn": None,
        "watched": [ANCHOR],
        "rules": [f"ipv4-flowspec {RULE}"],
        "rules_total": 1,
        "routers": ["r1"],
    }
    assert opened.summary == (
        f"Flowspec rule `ipv4-flowspec {RULE}` redirects to {HOP} at r1, which no live route "
        "covers since 2027-01-15T08:00:11Z (withdraw seen at r1): what matches is lost. "
        "Bring back anchor at new-pe1, new-pe2, or withdraw it."
    )
    assert found(engine, announce(LATER + 2 * SECOND, "new-pe2")) == []
    (resolved,) = later(engine)
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)
    assert resolved.summary == f"Redirect target {HOP} is covered by {ANCHOR} again."


def test_a_route_that_flaps_is_one_incident_and_the_rule_that_goes_ends_it_at_once() -> None:
    engine = watch()
    transitions = found(engine, rule(LATER), withdraw(LATER, "new-pe1"))
    for number in range(20):
        at = LATER + number * SECOND
        transitions += found(engine, withdraw(at, "new-pe2"))
        transitions += found(engine, announce(at + SECOND // 2, "new-pe2"))
    assert [t.state for t in transitions] == [State.OPEN]
    (resolved,) = found(engine, rule(LATER + 20 * SECOND, kind=Kind.WITHDRAW))
    assert (resolved.state, resolved.time) == (State.RESOLVED, LATER + 20 * SECOND)
    assert later(engine) == []


def test_the_rule_that_goes_resolves() -> None:
    engine = watch(anchor=False)
    (opened,) = found(engine, rule(LATER))
    (resolved,) = found(engine, rule(LATER + 1, kind=Kind.WITHDRAW))
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)
    assert resolved.summary == f"No Flowspec rule redirects to {HOP} now."


def test_the_same_rule_with_another_target_resolves() -> None:
    engine = watch(anchor=False)
    (opened,) = found(engine, rule(LATER))
    (resolved,) = found(engine, rule(LATER + 1, SCRUBBER))
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def test_many_rules_with_one_target_are_one_incident() -> None:
    engine = watch()
    found(engine, rule(LATER), rule(LATER + 1, what=OTHER))
    found(engine, withdraw(LATER + 2, "new-pe1"))
    (opened,) = found(engine, withdraw(LATER + 3, "new-pe2"))
    assert opened.summary.startswith("2 Flowspec rules redirect (such as `ipv4-flowspec ")
    assert len(opened.details["rules"]) == 2
    (updated,) = found(engine, rule(LATER + 4, kind=Kind.WITHDRAW))
    assert (updated.state, updated.id) == (State.UPDATED, opened.id)
    (resolved,) = found(engine, rule(LATER + 5, what=OTHER, kind=Kind.WITHDRAW))
    assert resolved.state == State.RESOLVED


@pytest.mark.parametrize(
    ("community", "attribute", "hop"),
    [
        ("0800000000000000", HOP, HOP),  # draft-simpson: the address is the NEXT_HOP
        ("010c0a6400fe0000", None, HOP),  # draft-ietf-idr-flowspec-redirect-ip
        ("010c0a6400fe0001", None, HOP),  # the same, of a copy
        ("0800000000000000", "2001:db8:100::1", "2001:db8:100::1"),
    ],
)
def test_every_encoding_of_the_next_hop(community: str, attribute: str | None, hop: str) -> None:
    engine = watch(anchor=False)
    actions = tuple(flowspec_action(bytes.fromhex(community), attribute))
    (opened,) = found(engine, rule(LATER, actions=actions))
    assert opened.key == hop


def test_a_next_hop_that_one_view_loses_is_read_from_another() -> None:
    """GoBGP loses it in Loc-RIB."""
    engine = watch(anchor=False)
    assert found(engine, rule(LATER, None, view=View.LOC_RIB, peer=None)) == []
    (opened,) = found(engine, rule(LATER + 1))
    assert opened.key == HOP


# What covers, and what nobody watches


@pytest.mark.parametrize(
    ("prefix", "covers"),
    [
        ("10.200.0.0/16", True),
        ("10.200.1.0/24", True),
        ("10.200.1.1/32", True),
        ("10.200.2.0/24", False),
    ],
)
def test_a_route_covers_what_lies_in_its_prefix(prefix: str, covers: bool) -> None:
    engine = watch()
    play(engine, [announce(LATER, prefix=prefix)])
    assert bool(found(engine, rule(LATER + 1, "10.200.1.1"))) is not covers


def test_the_longest_match_may_go_while_a_shorter_one_holds() -> None:
    engine = watch()
    wide, narrow = "10.200.0.0/16", "10.200.1.1/32"
    events = [announce(LATER, prefix=wide), announce(LATER, prefix=narrow)]
    assert found(engine, *events, rule(LATER + 1, "10.200.1.1")) == []
    assert found(engine, withdraw(LATER + 2, prefix=narrow)) == []
    (opened,) = found(engine, withdraw(LATER + 3, prefix=wide))
    assert opened.evidence[0].prefix == wide


def test_a_default_route_leads_to_nothing_in_particular() -> None:
    intent = INTENT.replace("10.200.0.0/16", "0.0.0.0/0")
    engine = watch(anchor=False, intent=intent)
    play(engine, [announce(LATER, prefix="0.0.0.0/0")])
    (opened,) = found(engine, rule(LATER + 1))
    assert opened.details["watched"] == [ANCHOR, "0.0.0.0/0"]


def test_a_target_that_nothing_watches_is_not_judged() -> None:
    engine = watch()
    assert found(engine, rule(LATER, "203.0.113.7")) == []
    assert engine.errors == {}


def test_a_target_that_only_a_policy_names_is_judged_once_it_was_seen() -> None:
    intent = parse_intent(INTENT)
    assert f"{SCRUBBER}/32" in intent.watched_prefixes()
    assert f"{SCRUBBER}/32" not in intent.advertised_prefixes()
    assert f"{HOP}/32" in intent.advertised_prefixes()
    engine = watch()
    assert found(engine, rule(LATER, SCRUBBER)) == []
    assert found(engine, announce(LATER + 1, prefix=f"{SCRUBBER}/32")) == []
    (opened,) = found(engine, withdraw(LATER + 2, prefix=f"{SCRUBBER}/32"))
    assert "Bring its route back, or withdraw it." in opened.summary


def test_an_ipv6_rule_asks_for_an_ipv6_route() -> None:
    engine = watch()
    six: dict[str, Any] = {"family": Family.IPV6_FLOWSPEC}
    (opened,) = found(engine, rule(LATER, "2001:db8:100::1", "destination 2001:db8::/64", **six))
    there = announce(LATER + 1, prefix="2001:db8:100::/48", family=Family.IPV6_UNICAST)
    assert found(engine, there) == []
    (resolved,) = later(engine)
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


# Blindness and restarts


def test_what_cannot_be_seen_may_be_there() -> None:
    engine = watch()
    found(engine, rule(LATER))
    lost = make(Kind.FEED_DOWN, "r1", LATER + 1)
    assert found(engine, lost) == []
    assert [
        t for t in engine.advance(LATER + 3600 * SECOND) if t.detector == "redirect_target"
    ] == []


def test_before_all_tables_are_seen_nothing_opens() -> None:
    engine = Engine(parse_intent(INTENT))
    up = make(Kind.FEED_UP, "r1", START, epoch=START)
    peer = make(
        Kind.PEER_UP, "r1", START, peer=PEERS["legacy-pe"], view=View.ADJ_IN_PRE, epoch=START
    )
    assert found(engine, up, peer, rule(START + 1)) == []
    (opened,) = found(engine, make(Kind.END_OF_RIB, "r1", START + 2))
    assert opened.key == HOP
    assert opened.evidence == (rule(START + 1),)


def test_a_router_that_saw_it_go_may_see_it_come_back_while_it_dumps() -> None:
    engine = watch()
    others = [e for e in steady_state(START) if e.router == "r2" and e.prefix is None]
    play(engine, [*others, rule(LATER, router="r2"), withdraw(LATER, "new-pe1")])
    (opened,) = found(engine, withdraw(LATER + 1, "new-pe2"))
    at = LATER + SECOND
    states = [t.state for t in found(engine, make(Kind.FEED_DOWN, "r1", at))]
    again = [e for e in steady_state(at + 1) if e.router == "r1" and e.prefix is None]
    states += [t.state for t in found(engine, *again[:-1])]
    assert states == [State.UNKNOWN]
    (updated,) = found(engine, again[-1])
    assert (updated.state, updated.id) == (State.UPDATED, opened.id)


def test_an_open_one_is_unknown_when_blind() -> None:
    engine = watch(anchor=False)
    (opened,) = found(engine, rule(LATER))
    (unknown,) = found(engine, make(Kind.FEED_DOWN, "r1", LATER + 1))
    assert (unknown.state, unknown.id) == (State.UNKNOWN, opened.id)


def test_a_target_that_is_there_when_it_is_seen_again_was_not_missed_until_then() -> None:
    engine = watch(anchor=False)
    (opened,) = found(engine, rule(LATER))
    (unknown,) = found(engine, make(Kind.FEED_DOWN, "r1", LATER + SECOND))
    assert unknown.state == State.UNKNOWN
    at = LATER + 60 * SECOND
    back = [e for e in steady_state(at) if e.router == "r1"]
    transitions = found(engine, *back[:2], rule(at), *back[2:]) + later(engine)
    assert [(t.state, t.id) for t in transitions] == [(State.RESOLVED, opened.id)]
    assert transitions[0].time == at + 5 * SECOND


def test_after_a_restart_it_goes_on_with_its_id() -> None:
    engine = watch()
    play(engine, [rule(LATER), withdraw(LATER + 1, "new-pe1")])
    (opened,) = found(engine, withdraw(LATER + 2, "new-pe2"))
    after = Engine(parse_intent(INTENT), restored=engine.open_incidents)
    at = LATER + 60 * SECOND
    (unknown,) = [t for t in after.advance(at) if t.detector == "redirect_target"]
    assert (unknown.state, unknown.id) == (State.UNKNOWN, opened.id)
    dump = [e for e in steady_state(at) if e.router == "r1" and e.prefix is None]
    up = [e for e in dump if e.kind != Kind.END_OF_RIB]
    done = [e for e in dump if e.kind == Kind.END_OF_RIB]
    (updated,) = found(after, *up, rule(at), *done)
    assert (updated.state, updated.id) == (State.UPDATED, opened.id)
    assert found(after, announce(at + SECOND, "new-pe2")) == []
    (resolved,) = later(after)
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def test_another_intent_knows_that_a_router_that_sees_saw_it_go() -> None:
    """Whatever the other router, which is not seen, may show."""
    intent = parse_intent(INTENT + "feeds: [{router: r2}]\n")
    engine = Engine(intent)
    play(engine, [event for event in steady_state(START) if event.router == "r1"])
    play(engine, [rule(LATER)])
    (opened,) = found(engine, withdraw(LATER + SECOND), withdraw(LATER + SECOND, "new-pe2"))
    engine.prepare(intent)
    again = engine.adopt(intent, LATER + 2 * SECOND) + engine.advance(LATER + 60 * SECOND)
    assert [each for each in again if each.detector == "redirect_target"] == []
    assert opened.id in [incident.id for incident in engine.open_incidents]


def test_rules_known_from_before_a_restart_are_judged_like_new_ones() -> None:
    engine = watch()
    play(engine, [rule(LATER)])
    held = [rule(LATER), *(announce(LATER, site) for site in ("new-pe1", "new-pe2"))]
    by_feed = {RouteKey.of(held[0]).seen_by: [(event, LATER) for event in held]}
    after = Engine(parse_intent(INTENT), held=by_feed, lived=LATER + 1)
    at = LATER + 60 * SECOND
    dump = [e for e in steady_state(at) if e.router == "r1" and e.prefix is None]
    up = [e for e in dump if e.kind != Kind.END_OF_RIB]
    done = [e for e in dump if e.kind == Kind.END_OF_RIB]
    transitions = found(after, *up, rule(at), *done)
    assert [(t.state, t.key) for t in transitions] == [(State.OPEN, HOP)]


def test_nothing_is_kept_of_rules_that_are_gone() -> None:
    routes, detector = Routes([ANCHOR]), RedirectTarget(parse_intent(INTENT))
    for number in range(100):
        what = f"destination 192.0.2.{number}/32"
        for kind in (Kind.ANNOUNCE, Kind.WITHDRAW):
            for change in routes.apply(rule(LATER + number, what=what, kind=kind)):
                for key in detector.subjects(change, routes):
                    detector.judge(key, routes, LATER + number)
    kept = [v for v in vars(detector).values() if isinstance(v, dict | set)]
    assert len(kept) == 6
    assert not any(kept)


def test_rules_that_redirect_nowhere_are_not_judged() -> None:
    routes, detector = Routes([ANCHOR]), RedirectTarget(parse_intent(INTENT))
    (change,) = routes.apply(rule(LATER, actions=({"action": "discard"},)))
    assert list(detector.subjects(change, routes)) == []
