from __future__ import annotations

from typing import Any

import pytest

from collector.event import Event, Family, Kind, Provenance, View
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import COMPONENTS, parse_intent
from detectors.rules.flowspec_policy import FlowspecPolicy
from tests.unit.rules.scenes import (
    ALLOWED,
    KILL_SWITCH,
    PEERS,
    RULES,
    SECOND,
    START,
    make,
    play,
    route,
)

SITES = """
version: 1
sites:
  legacy-pe: {match: [{peer: 10.0.0.1}]}
  new-pe1: {match: [{peer: 10.0.1.1}]}
  new-pe2: {match: [{peer: 10.0.1.2}]}
services:
  - {name: web, prefix: 192.0.2.50/32, home: [legacy-pe], hold: 5s}
"""
POLICY = """
flowspec:
  - name: migration
    destination: [192.0.2.50/32]
    protocol: [tcp]
    destination_port: [1024-65535]
    actions: [{redirect-to-nexthop: 10.100.0.254}]
    require: [destination, protocol, destination_port]
"""
PROTECT = "protect: [tcp/179, udp/3784, 10.0.0.0/24]\n"
TO_ANCHOR: dict[str, Any] = {"action": "redirect-to-nexthop", "next_hop": "10.100.0.254"}
TO_PATH: dict[str, Any] = {"action": "redirect-to-indirection-id", "id": 7, "type": 0}


def engine_for(*parts: str) -> Engine:
    return Engine(parse_intent(SITES + "".join(parts)), rules=[FlowspecPolicy])


def rule(
    text: str,
    actions: tuple[dict[str, Any], ...] = (TO_ANCHOR,),
    *,
    kind: str = Kind.ANNOUNCE,
    at: int = START + SECOND,
    router: str = "r1",
    **fields: Any,
) -> Event:
    """A rule as the decoder writes it; `text` is all of it."""
    named: dict[str, list[str]] = {}
    for word in text.split():
        if word.replace("-", "_") in COMPONENTS:
            named[word] = []
        else:
            named[list(named)[-1]].append(word)
    values: dict[str, Any] = {
        "peer": PEERS["new-pe1"],
        "view": View.ADJ_IN_PRE,
        "family": Family.IPV4_FLOWSPEC,
        "rule": text,
        "components": {name: " ".join(terms) for name, terms in named.items()},
        "actions": actions if kind == Kind.ANNOUNCE else (),
    }
    return make(kind, router, at, **(values | fields))


def judge(event: Event, *parts: str) -> Incident | None:
    """The one incident that this event opens by itself, if any."""
    transitions = engine_for(*parts or (POLICY, PROTECT)).process(event)
    assert len(transitions) <= 1
    return transitions[0] if transitions else None


def clauses(incident: Incident | None) -> list[str]:
    return list(incident.details["clauses"]) if incident else []


def test_a_rule_within_policy_is_fine() -> None:
    assert judge(rule(ALLOWED)) is None


def test_a_kill_switch_says_so_first_and_resolves_when_it_is_gone() -> None:
    engine = engine_for(POLICY, PROTECT)
    event = route(Kind.ANNOUNCE, "r1", PEERS["new-pe2"], KILL_SWITCH, START, Provenance.LIVE)
    (opened,) = engine.process(event)
    assert opened.kill_switch
    assert opened.severity == "critical"
    assert opened.key == f"ipv4-flowspec {KILL_SWITCH}"
    assert opened.summary.startswith(
        "KILL SWITCH at r1: rule `ipv4-flowspec destination 0.0.0.0/0 port =179` discards traffic "
        "since 2027-01-15T08:00:00Z: could touch tcp/179, which is protected "
        "(tcp from 198.51.100.1:49152 to 192.0.2.1:179)"
    )
    assert opened.summary.endswith("Withdraw it at its origin (10.0.1.2).")
    assert opened.evidence == (event,)
    gone = route(Kind.WITHDRAW, "r1", PEERS["new-pe2"], KILL_SWITCH, START + 1, Provenance.LIVE)
    (resolved,) = engine.process(gone)
    assert (resolved.id, resolved.state) == (opened.id, State.RESOLVED)
    assert "is gone" in resolved.summary


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("destination 192.0.2.50/32 protocol =6 destination-port =443", ["destination_port"]),
        ("destination 192.0.2.51/32 protocol =6 destination-port =8443", ["destination"]),
        ("destination 192.0.2.50/32 protocol =17 destination-port =8443", ["protocol"]),
        ("destination 192.0.2.50/32 protocol =6 source-port =53", ["protect", "destination_port"]),
        ("destination 192.0.2.50/32 destination-port =8443", ["protocol"]),
        ("destination 10.0.0.7/32 protocol =6 destination-port =8443", ["protect", "destination"]),
        ("packet-length >=99971&<=99985", ["impossible"]),
        ("protocol =6&=17", ["impossible"]),
    ],
)
def test_the_failing_clauses_are_named(text: str, broken: list[str]) -> None:
    incident = judge(rule(text))
    assert clauses(incident) == broken
    assert incident is not None
    assert incident.severity == "critical"


def test_the_summary_names_clause_policy_packet_and_action() -> None:
    incident = judge(rule("destination 192.0.2.50/32 protocol =6 destination-port =443"))
    assert incident is not None
    assert incident.summary == (
        "Flowspec rule `ipv4-flowspec destination 192.0.2.50/32 protocol =6 destination-port =443` "
        "at r1 is out of policy since 2027-01-15T08:00:01Z: destination-port must be 1024-65535 "
        "(nearest policy: migration); its action is redirect-to-nexthop 10.100.0.254, and matches "
        "for example tcp from 198.51.100.1:49152 to 192.0.2.50:443. "
        "Withdraw it at its origin (10.0.1.1)."
    )


def test_a_required_component_must_be_named_even_where_any_would_do() -> None:
    open_policy = "flowspec: [{name: p, actions: [discard], require: [source]}]\n"
    text = "destination 192.0.2.50/32"
    assert clauses(judge(rule(text, ({"action": "discard"},)), open_policy)) == ["source"]
    named = f"{text} source 0.0.0.0/0"
    assert judge(rule(named, ({"action": "discard"},)), open_policy) is None


ACTIONS = """
flowspec:
  - name: p
    destination: [192.0.2.0/24]
    actions:
      - sample
      - {rate-limit-bytes: 1000}
      - {redirect-to-vrf: "65000:100"}
      - {redirect-to-nexthop: [10.0.0.1, 10.0.0.2]}
      - {mark: 10}
"""


@pytest.mark.parametrize(
    ("actions", "fine"),
    [
        ([{"action": "sample"}], True),
        ([{"action": "accept"}], False),
        ([], False),
        ([{"action": "discard"}], False),
        ([{"action": "rate-limit-bytes", "rate": 1000.0, "as": 1}], True),
        ([{"action": "rate-limit-bytes", "rate": 2e9, "as": 1}], True),
        ([{"action": "rate-limit-bytes", "rate": 999.0, "as": 1}], False),
        ([{"action": "rate-limit-bytes", "rate": None, "as": 1}], True),
        ([{"action": "rate-limit-packets", "rate": 5000.0, "as": 1}], False),
        ([{"action": "redirect-to-vrf", "target": "65000:100"}], True),
        ([{"action": "redirect-to-vrf", "target": "65000:101"}], False),
        ([{"action": "redirect-to-nexthop", "next_hop": "10.0.0.2", "copy": False}], True),
        ([{"action": "redirect-to-nexthop", "next_hop": "10.0.0.3", "copy": False}], False),
        ([{"action": "mark", "dscp": 10}, {"action": "sample"}], True),
        ([{"action": "mark", "dscp": 10}, {"action": "discard"}], False),
    ],
)
def test_every_action_of_a_rule_must_be_allowed(actions: list[dict[str, Any]], fine: bool) -> None:
    incident = judge(rule("destination 192.0.2.1/32", tuple(actions)), ACTIONS)
    assert clauses(incident) == ([] if fine else ["actions"])


def test_an_undecodable_rule_is_out_of_policy() -> None:
    event = route(
        Kind.ANNOUNCE, "r1", PEERS["new-pe2"], "undecodable 0x0e0102", START, Provenance.LIVE
    )
    incident = judge(event)
    assert clauses(incident) == ["undecodable"]
    assert incident is not None
    assert "cannot be decoded" in incident.summary
    disordered = rule(ALLOWED, warnings=("flowspec-order: protocol stands after …",))
    assert clauses(judge(disordered)) == ["undecodable"]
    assert judge(rule(ALLOWED, warnings=("attribute-flags: med 0x40",))) is None


def test_what_is_protected_is_so_whatever_a_policy_allows() -> None:
    anything = "flowspec: [{name: p, actions: [discard, accept]}]\n"
    text = "destination 192.0.2.50/32 protocol =6"
    incident = judge(rule(text, ({"action": "discard"},)), anything, PROTECT)
    assert clauses(incident) == ["protect"]
    assert incident is not None
    assert incident.kill_switch
    harmless = judge(rule(text, ()), anything, PROTECT)
    assert clauses(harmless) == ["protect"]
    assert harmless is not None
    assert not harmless.kill_switch


@pytest.mark.parametrize(
    ("text", "action", "kill"),
    [
        ("protocol =17", {"action": "discard"}, True),
        ("destination 10.0.0.0/8", {"action": "discard"}, True),
        ("destination 10.0.0.0/9", {"action": "discard"}, False),
        ("protocol =17", {"action": "rate-limit-bytes", "rate": 1000.0}, True),
        ("protocol =17", {"action": "rate-limit-bytes", "rate": 1e9}, False),
        ("protocol =17", {"action": "rate-limit-packets", "rate": 1.0}, True),
        ("protocol =17", {"action": "rate-limit-bytes", "rate": None}, False),  # no limit
        ("protocol =17", {"action": "rate-limit-packets", "rate": None}, False),
        ("protocol =17", {"action": "redirect-to-vrf", "target": "1:1"}, True),
        ("protocol =17", TO_PATH, True),
        ("protocol =17", TO_PATH | {"copy": True}, False),
        ("protocol =17", {"action": "redirect-to-nexthop"}, True),
        ("protocol =17", TO_ANCHOR | {"copy": True}, False),
        ("protocol =17", {"action": "mark", "dscp": 0}, False),
    ],
)
def test_a_wildcard_that_stops_or_diverts_traffic_is_a_kill_switch(
    text: str, action: dict[str, Any], kill: bool
) -> None:
    incident = judge(rule(text, (action,)), POLICY)
    assert incident is not None
    assert incident.kill_switch is kill
    assert incident.summary.startswith("KILL SWITCH") is kill


def test_a_wildcard_that_a_policy_allows_is_fine() -> None:
    blocklist = "flowspec: [{name: block, source: [198.51.100.0/24], actions: [discard]}]\n"
    assert judge(rule("source 198.51.100.7/32", ({"action": "discard"},)), blocklist) is None


def test_flowspec_is_judged_only_where_the_intent_speaks_of_it() -> None:
    assert judge(rule("protocol =6", ({"action": "discard"},)), "flowspec: []\n") is not None
    assert judge(rule("protocol =6", ({"action": "discard"},)), PROTECT) is not None
    assert judge(rule("protocol =6", ({"action": "discard"},)), "maintenance: []\n") is None


def test_one_rule_is_one_incident_wherever_it_is_seen() -> None:
    engine = engine_for(POLICY)
    bad = "destination 192.0.2.50/32 protocol =6 destination-port =22"
    (opened,) = engine.process(rule(bad))
    more = play(engine, [rule(bad, router="r2"), rule(bad, router="r1", peer=PEERS["new-pe2"])])
    assert {transition.id for transition in more} <= {opened.id}
    assert play(engine, [rule(bad, kind=Kind.WITHDRAW)]) == []
    last = play(
        engine,
        [
            rule(bad, kind=Kind.WITHDRAW, router="r2"),
            rule(bad, kind=Kind.WITHDRAW, peer=PEERS["new-pe2"]),
        ],
    )
    assert [transition.state for transition in last] == [State.RESOLVED]


def test_a_vpn_rule_has_its_rd_in_the_key() -> None:
    event = rule("protocol =6", family=Family.L3VPN_IPV4_FLOWSPEC, rd="65000:1")
    incident = judge(event)
    assert incident is not None
    assert incident.key == "l3vpn-ipv4-flowspec rd 65000:1 protocol =6"


def test_a_rule_of_ipv6_is_judged_by_ipv6_prefixes() -> None:
    policy = POLICY.replace("[192.0.2.50/32]", "[2001:db8::/32]")
    text = "destination 2001:db8::50/128 protocol =6 destination-port =8443"
    assert judge(rule(text, family=Family.IPV6_FLOWSPEC), policy) is None
    assert clauses(judge(rule(ALLOWED), policy)) == ["destination"]


def test_a_replaced_rule_is_judged_anew() -> None:
    engine = engine_for(POLICY, PROTECT)
    assert engine.process(rule(ALLOWED)) == []
    (opened,) = engine.process(rule(ALLOWED, ({"action": "discard"},), at=START + 2 * SECOND))
    assert clauses(opened) == ["actions"]
    (resolved,) = engine.process(rule(ALLOWED, at=START + 3 * SECOND))
    assert (resolved.id, resolved.state) == (opened.id, State.RESOLVED)
    assert "within policy" in resolved.summary


def test_the_scenes_of_all_rules_are_what_they_are_called() -> None:
    verdicts = {
        what: clauses(
            judge(route(Kind.ANNOUNCE, "r1", PEERS["new-pe1"], what, START, Provenance.LIVE))
        )
        for what in RULES
    }
    assert verdicts[ALLOWED] == []
    assert verdicts[KILL_SWITCH][0] == "protect"
