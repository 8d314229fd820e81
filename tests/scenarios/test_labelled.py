"""Labelled scenarios of ARTEMIS and BGPalerter, judged by our detectors (README.md beside this)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from collector.event import Event, Family, Kind, Provenance, View
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import Intent, parse_intent
from tests.unit.rules.scenes import SECOND, START, make, play

README = Path(__file__).with_name("README.md")
Scenario = Mapping[str, Any]


@pytest.fixture(scope="module")
def scenarios(shared_data: Path) -> dict[str, Scenario]:
    lines = (shared_data / "_scenarios" / "scenarios.open.jsonl").read_text().splitlines()
    return {scenario["id"]: scenario for scenario in map(json.loads, lines)}


def said() -> dict[str, str]:
    """What the table says of each scenario."""
    rows = re.findall(r"^\| (\S+/\S+) \| (.+) \|$", README.read_text(), re.MULTILINE)
    return dict(rows)


def test_every_scenario_is_played_or_explained(scenarios: dict[str, Scenario]) -> None:
    assert set(said()) == set(scenarios)
    for name, words in said().items():
        assert words.startswith(("played: `", "not our question: ")), name
        seen = "Played to see that nothing opens" in words
        assert (name in PLAYED) == (words.startswith("played") or seen), name


# One router with many peers, all of them at a site that is everybody's home


def services(entries: Mapping[str, Iterable[int] | None], more: str = "") -> str:
    lines = [
        f"  - {{name: s{number}, prefix: '{prefix}', home: [anywhere]"
        + (f", origin_as: {sorted(asns)}}}" if asns else "}")
        for number, (prefix, asns) in enumerate(entries.items())
    ]
    sites = "sites: {anywhere: {match: [{router: collector}]}}"
    return "\n".join(["version: 1", sites, "services:", *lines, more])


def peer_of(message: Mapping[str, Any]) -> str:
    number = message.get("peer_asn", 0)
    return str(message.get("peer") or f"10.255.{number >> 8}.{number & 0xFF}")


def path_text(path: Iterable[int | list[int]]) -> str:
    return " ".join(
        "{" + ",".join(map(str, part)) + "}" if isinstance(part, list) else str(part)
        for part in path
    )


def event_of(message: Mapping[str, Any], at: int, peer: str = "") -> Event:
    """A message as the router's peer sent it: what came later was received later."""
    path = message.get("path") or []
    peer = peer or peer_of(message)
    prefix = canonical(message["prefix"])
    fields: dict[str, Any] = {
        "time": START + message["t"] * SECOND if message.get("t") else at,
        "peer": peer,
        "view": View.ADJ_IN_PRE,
        "provenance": Provenance.LIVE,
        "family": Family.IPV6_UNICAST if ":" in prefix else Family.IPV4_UNICAST,
        "prefix": prefix,
    }
    if message["type"] == "W":
        return make(Kind.WITHDRAW, "collector", at, **fields)
    fields |= {"as_path": path_text(path), "next_hop": message.get("next_hop", peer)}
    if isinstance(path[-1], int):
        fields["origin_as"] = path[-1]
    return make(Kind.ANNOUNCE, "collector", at, **fields)


def canonical(prefix: str) -> str:
    """Host bits cleared, as every decoder does it."""
    return str(ip_network(prefix, strict=False))


def opening(peers: Iterable[str], at: int = START) -> list[Event]:
    return [
        make(Kind.FEED_UP, "collector", at, epoch=at),
        *(
            make(Kind.PEER_UP, "collector", at, peer=peer, view=View.ADJ_IN_PRE, epoch=at)
            for peer in sorted(set(peers))
        ),
    ]


def of(detector: str, transitions: Iterable[Incident]) -> list[Incident]:
    return [t for t in transitions if t.detector == detector]


# ARTEMIS

ARTEMIS = {
    "10.0.0.0/8": [1],
    "11.0.0.0/8": [1],
    "10.0.1.0/24": None,
    "10.0.2.0/24": [242],
    "10.0.3.0/24": [243],
    "10.0.5.0/24": [245],
    "10.10.0.0/23": [444],
    "10.11.0.0/23": [444],
    "10.12.0.0/16": [444],
    "10.13.0.0/16": [444],
    "10.0.30.0/24": [6777],
    "2001:db8:abcd:10::/64": [777, 888, 999],
    "2001:db8:abcd:12::/64": [777, 888, 999],
}
"""The prefixes of its configuration that the scenarios touch, and who may originate them."""
ANYCAST = """
version: 1
sites: {anywhere: {match: [{router: collector}]}}
anycast: [{name: s0, prefix: 10.0.1.0/24, sites: [anywhere]}]
"""
FORTH = {"139.91.0.0/16": [8522]}
RPKI = [{"asn": "AS8522", "prefix": "139.91.0.0/16", "maxLength": 24, "ta": "ripe"}]
NO_QUESTION = (
    "artemis/detection/mult_exact_type1",
    "artemis/detection/simple_exact_no_export_violation",
    "artemis/rpki/test_VD",
)
PLAYED = {
    *("artemis/detection/as_set", "artemis/detection/implicit_withdrawal"),
    *("artemis/detection/legit_updates", "artemis/detection/out_of_order_withdraw"),
    *("artemis/detection/rfc2622", "artemis/detection/simple_exact_type0"),
    *("artemis/detection/simple_sub_type0", "artemis/detection/single_sub_unknown"),
    *("artemis/detection/withdrawn_inorder", "artemis/rpki/legit_updates", "artemis/rpki/test_IA"),
    *("bgpalerter/hijack", "bgpalerter/visibility", "bgpalerter/rpki", "bgpalerter/fade-in"),
    *NO_QUESTION,
}
STILL_HELD = {("artemis/detection/withdrawn_inorder", 5)}
"""Steps after which ARTEMIS has ended an alert, and a peer still holds the route."""


def intent_for(name: str, folder: Path) -> Intent:
    if name == "artemis/detection/single_sub_unknown":
        return parse_intent(ANYCAST)
    if not name.startswith("artemis/rpki/"):
        return parse_intent(services(ARTEMIS))
    (folder / "vrps.json").write_text(json.dumps({"roas": RPKI}))
    return parse_intent(services(FORTH, "rpki: {vrps: vrps.json}"), str(folder / "intent.yaml"))


@pytest.mark.parametrize("name", sorted(n for n in PLAYED if n.startswith("artemis/")))
def test_artemis(name: str, scenarios: dict[str, Scenario], tmp_path: Path) -> None:
    """After each message, what is open here is what ARTEMIS asserts to be active."""
    steps = scenarios[name]["steps"]
    engine = Engine(intent_for(name, tmp_path))
    play(engine, opening(peer_of(step["msg"]) for step in steps))
    active: dict[str, dict[str, Any]] = {}
    for number, step in enumerate(steps, 1):
        at = START + number * SECOND
        event = event_of(step["msg"], at)
        transitions = of("origin", play(engine, [event]))
        told = [] if name in NO_QUESTION else step["expect"].get("state", [])
        for state in told:
            if state["active"]:
                active.setdefault(str(event.prefix), state)
            elif (name, number) not in STILL_HELD:
                active.pop(str(event.prefix))
        if name == "artemis/detection/withdrawn_inorder" and number == len(steps):
            active.clear()
        shown = [
            offence
            for incident in of("origin", engine.open_incidents)
            for offence in incident.details["offences"]
        ]
        assert {offence["prefix"] for offence in shown} == set(active), number
        for offence in shown:
            label = active[offence["prefix"]]
            assert offence["reasons"] == reasons(name, label)
            if label["hijack_as"] != -1:
                assert offence["origin"] == f"AS{label['hijack_as']}"
        if step["expect"].get("alert", {}).get("time_started") == step["msg"]["t"] and told:
            opened = [t for t in transitions if t.state == State.OPEN]
            assert [t.evidence for t in opened] == [(event,)]


def reasons(name: str, label: Mapping[str, Any]) -> list[str]:
    """What an ARTEMIS type (prefix|path|dataplane|policy) is here."""
    found = ["origin"] if label["type"].split("|")[1] == "0" else ["more-specific"]
    return [*found, "rpki"] if name == "artemis/rpki/test_IA" else found


def test_out_of_order_resolves_when_the_last_peer_withdraws(
    scenarios: dict[str, Scenario],
) -> None:
    steps = scenarios["artemis/detection/out_of_order_withdraw"]["steps"]
    engine = Engine(parse_intent(services(ARTEMIS)))
    play(engine, opening(peer_of(step["msg"]) for step in steps))
    play(engine, [event_of(s["msg"], START + n * SECOND) for n, s in enumerate(steps, 1)])
    withdrawals = [
        event_of({"type": "W", "prefix": "10.0.0.0/8", "peer_asn": peer}, START + 10 * SECOND)
        for peer in (9, 10)
    ]
    assert of("origin", play(engine, withdrawals[:1])) == []
    (resolved,) = of("origin", play(engine, withdrawals[1:]))
    assert resolved.state == State.RESOLVED


# BGPalerter

HIJACK = {
    "193.0.0.0/21": [1234],
    "175.254.205.0/24": None,  # excluded from that detector: here, no origin_as
    "170.254.205.0/24": None,
    "165.254.255.0/24": [15562],
    "2a00:5884::/32": [204092, 45],
}
OVERRULED = {"193.0.0.0/21": "AS3333"}
"""Where a ROA excuses a route at BGPalerter, and not here."""


def test_bgpalerter_hijack(scenarios: dict[str, Scenario]) -> None:
    scenario = scenarios["bgpalerter/hijack"]
    engine = Engine(parse_intent(services(HIJACK)))
    messages = scenario["messages"]
    play(engine, opening(map(peer_of, messages)))
    verdicts = []
    for number, message in enumerate(messages, 1):
        event = event_of(message, START + number * SECOND)
        opened = of("origin", play(engine, [event]))
        verdicts += [(event.prefix, path_text(message["path"]), bool(opened))]
        play(engine, [event_of(message | {"type": "W"}, START + number * SECOND + 1)])
        assert of("origin", engine.open_incidents) == []
    alerted = [f"{path.rpartition(' ')[2]} {prefix}" for prefix, path, opened in verdicts if opened]
    assert alerted == [
        "3333 193.0.0.0/21",
        "{4,15562} 165.254.255.0/25",
        "208585 2a00:5884:ffff::/48",
        "{15563} 2a00:5884::/32",
    ]
    theirs = {alert["id"].rpartition("-")[2] for alert in scenario["alerts"]}
    ours = {entry.rpartition(" ")[2] for entry in alerted}
    assert ours - set(OVERRULED) == theirs


def test_bgpalerter_hijack_sent_again_and_again_is_one_incident(
    scenarios: dict[str, Scenario],
) -> None:
    messages = scenarios["bgpalerter/hijack"]["messages"]
    engine = Engine(parse_intent(services(HIJACK)))
    play(engine, opening(map(peer_of, messages)))
    # The last three are of one peer, so the last of them, which is right, is what is held.
    events = [event_of(m, START + n * SECOND) for n, m in enumerate(messages * 5, 1)]
    transitions = of("origin", play(engine, events))
    opened = [t.id for t in transitions if t.state == State.OPEN]
    assert len(set(opened)) == len(opened) == 3
    assert {i.details["prefix"] for i in of("origin", engine.open_incidents)} == {
        *("193.0.0.0/21", "165.254.255.0/24", "2a00:5884::/32"),
    }


LISTED = ("165.254.225.0/24", "2a00:5884::/32", "2001:db8:123::/48", "165.24.225.0/24")


def vantage_points(prefixes: Iterable[str], count: int) -> tuple[Engine, list[str]]:
    """An engine whose router has this many peers, all of them announcing these prefixes."""
    engine = Engine(parse_intent(services(dict.fromkeys(prefixes))))
    peers = [f"124.0.0.{number}" for number in range(1, count + 1)]
    state = opening(peers)
    for peer in peers:
        for prefix in (*prefixes, "2a00:5884:ffff::/48", "2a0e:f40::/32"):
            message = {"type": "A", "prefix": prefix, "path": [1, 2, 3]}
            state.append(event_of(message, START, peer))
        state.append(make(Kind.END_OF_RIB, "collector", START, peer=peer, view=View.ADJ_IN_PRE))
    state.append(make(Kind.END_OF_RIB, "collector", START))
    assert play(engine, state) == []
    return engine, peers


def lost(engine: Engine, until: int) -> list[Incident]:
    """What is told of losses; that some peers see one and others not is `failover`'s question."""
    return of("unexpected_withdrawal", engine.advance(until))


def test_bgpalerter_visibility(scenarios: dict[str, Scenario]) -> None:
    scenario = scenarios["bgpalerter/visibility"]
    engine, peers = vantage_points(LISTED[:3], scenario["thresholdMinPeers"])
    for number, peer in enumerate(peers, 1):
        at = START + number * SECOND
        gone = [event_of(message, at, peer) for message in scenario["messages"]]
        assert play(engine, gone) == []  # within the hold, and before the last one anyway
        if peer != peers[-1]:
            assert lost(engine, at + SECOND - 1) == []
    transitions = lost(engine, START + 60 * SECOND)
    assert all(t.state == State.OPEN and t.details["gone_everywhere"] for t in transitions)
    alerted = {t.details["prefix"] for t in transitions}
    assert alerted == {alert["id"] for alert in scenario["alerts"]}


def test_bgpalerter_visibility_of_three_peers_of_four_is_no_loss(
    scenarios: dict[str, Scenario],
) -> None:
    engine, peers = vantage_points(LISTED[:3], 4)
    for peer in peers[:3]:
        messages = scenarios["bgpalerter/visibility"]["messages"]
        assert play(engine, [event_of(m, START + SECOND, peer) for m in messages]) == []
    assert lost(engine, START + 3600 * SECOND) == []


def test_bgpalerter_visibility_of_a_more_specific_alone_is_no_loss() -> None:
    engine, peers = vantage_points(LISTED[:3], 4)
    part = {"type": "W", "prefix": "2a00:5884:ffff::/48"}
    assert play(engine, [event_of(part, START + SECOND, peer) for peer in peers]) == []
    assert lost(engine, START + 3600 * SECOND) == []


def test_bgpalerter_fade_in(scenarios: dict[str, Scenario]) -> None:
    scenario = scenarios["bgpalerter/fade-in"]
    engine, _ = vantage_points(LISTED[3:], 4)
    for message in scenario["messages"]:
        assert play(engine, [event_of(message, START + message["at"] * SECOND)]) == []
    last = START + scenario["messages"][-1]["at"] * SECOND
    assert lost(engine, last + 5 * SECOND - 1) == []
    (opened,) = lost(engine, last + 5 * SECOND)
    assert (opened.state, opened.details["prefix"]) == (State.OPEN, scenario["alerts"][0]["id"])


ROAS = [
    {"asn": "AS2914", "prefix": "82.112.100.0/24", "maxLength": 24, "ta": "ripe"},
    {"asn": "AS0", "prefix": "103.21.244.0/23", "maxLength": 24, "ta": "apnic"},
]


def test_bgpalerter_rpki(scenarios: dict[str, Scenario], tmp_path: Path) -> None:
    scenario = scenarios["bgpalerter/rpki"]
    prefixes = {canonical(message["prefix"]): None for message in scenario["messages"]}
    (tmp_path / "vrps.json").write_text(json.dumps({"roas": ROAS}))
    text = services(prefixes, "rpki: {vrps: vrps.json}")
    engine = Engine(parse_intent(text, str(tmp_path / "intent.yaml")))
    play(engine, opening(map(peer_of, scenario["messages"])))
    events = [event_of(m, START + n * SECOND) for n, m in enumerate(scenario["messages"], 1)]
    (opened,) = of("origin", play(engine, events))
    assert opened.details["offences"] == [
        {
            "prefix": "103.21.244.0/24",
            "origin": "AS13335",
            "site": "anywhere",
            "reasons": ["rpki"],
        }
    ]
    theirs = [alert["id"] for alert in scenario["alerts"] if alert["id"].endswith("-false")]
    assert theirs == ["a103_21_244_0_24-13335-false"]
