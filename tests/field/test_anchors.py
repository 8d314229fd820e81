"""Anycast addresses and the Flowspec rules that redirect to them, on recordings of GoBGP 3.10."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.event import Event, Kind, Provenance, View
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from tests.quirks.recordings import LAB, STORY, recorded

SECOND = 1_000_000_000
ANCHOR = "10.100.0.254/32"
RULE = "ipv4-flowspec destination 192.0.2.50/32 protocol =6 destination-port =8443"
INTENT = f"""
version: 1
sites:
  new-pe1: {{match: [{{next_hop: 10.0.1.1}}]}}
  new-pe2: {{match: [{{next_hop: 10.0.1.2}}]}}
anycast:
  - {{name: anchor, prefix: {ANCHOR}, sites: [new-pe1, new-pe2], minimum: 2}}
feeds: [{{router: controller}}]
"""


def play(engine: Engine, events: list[Event], *detectors: str) -> list[Incident]:
    transitions = [transition for event in events for transition in engine.process(event)]
    assert not engine.errors
    return [transition for transition in transitions if transition.detector in detectors]


def test_a_site_whose_health_check_flaps_is_one_incident_with_its_octets() -> None:
    events = recorded(LAB / "flap.pcap.gz").events
    withdrawals = [
        e for e in events if (e.kind, e.view, e.prefix) == (Kind.WITHDRAW, View.ADJ_IN_PRE, ANCHOR)
    ]
    assert len(withdrawals) > 3
    engine = Engine(parse_intent(INTENT))
    (opened,) = play(engine, events[:-1], "anchor_redundancy")
    assert (opened.state, opened.severity) == (State.OPEN, "critical")
    assert opened.evidence == (withdrawals[0],)
    assert opened.evidence[0].raw
    assert "is advertised by only new-pe1 since " in opened.summary


def test_a_session_that_is_lost_says_why() -> None:
    engine = Engine(parse_intent(INTENT))
    events = recorded(LAB / "session-loss.pcap.gz").events
    opened, *_ = play(engine, events, "anchor_redundancy")
    assert "(new-pe2: remote notification 6/2 cease, administrative shutdown seen at" in (
        opened.summary
    )
    assert opened.evidence[0].kind == Kind.PEER_DOWN


@pytest.mark.parametrize("encoding", [0, 1])
def test_a_rule_outlives_what_it_redirects_to(encoding: int) -> None:
    """Built: the anchors withdraw while the rule, in either encoding of the recording, stays."""
    events = recorded(LAB / "redirects.pcap.gz").events
    rules = [e for e in events if e.rule and e.view == View.ADJ_IN_PRE and e.actions]
    assert [e.next_hop for e in rules] == ["10.100.0.254", None, None]
    until = events.index(rules[encoding + 1])
    engine = Engine(parse_intent(INTENT))
    assert play(engine, events[:until], "redirect_target") == []
    anchors = [e for e in events[:until] if e.prefix == ANCHOR and e.kind == Kind.ANNOUNCE]
    assert {e.view for e in anchors} == {View.ADJ_IN_PRE, View.ADJ_IN_POST, View.LOC_RIB}
    at = events[until - 1].received + SECOND
    lost = [
        replace(e, kind=Kind.WITHDRAW, received=at, next_hop=None, provenance=Provenance.LIVE)
        for e in anchors
        if e.view != View.ADJ_IN_POST  # GoBGP withdraws nothing there that it dumped
    ]
    (opened,) = play(engine, lost, "redirect_target")
    assert (opened.state, opened.key) == (State.OPEN, "10.100.0.254")
    assert opened.details["rules"] == [RULE]
    assert rules[encoding] in opened.evidence


@pytest.mark.parametrize("name", [STORY, LAB / "redirects.pcap.gz", LAB / "ipv6.pcap.gz"])
def test_all_is_well_where_the_anchors_stay(name: Path) -> None:
    events = recorded(name).events
    engine = Engine(parse_intent(INTENT))
    assert play(engine, events, "anchor_redundancy", "redirect_target", "origin") == []
    assert engine.feeds() == {"controller": "down"}  # the recording ends
