"""A service in a VRF, seen by the VRF's own sessions: these name its route distinguisher once."""

from __future__ import annotations

from msgspec.structs import replace

from collector.event import Event, Kind, Provenance, View, rfc3339
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from tests.unit.rules.scenes import PEERS, SECOND, START, make, play, route

SERVICE, VRF, OTHER = "192.0.2.50/32", "65000:50", "65000:51"
LATER = START + 10 * SECOND
SITES = """
version: 1
sites:
  legacy-pe: {match: [{peer: 10.0.0.1}]}
  new-pe1: {match: [{peer: 10.0.1.1}]}
"""
WEB = f"{{name: web, prefix: {SERVICE}, home: [legacy-pe], origin_as: [65001]"
INTENT = f'{SITES}services:\n  - {WEB}, rd: "{VRF}"}}\n'
WINDOW = f"[{rfc3339(START)}, {rfc3339(START + 600 * SECOND)}]"
MOVE = f"{{name: move, service: web, from: legacy-pe, to: [new-pe1], window: {WINDOW}}}"


def said(kind: str, site: str, at: int, rd: str = VRF, origin: int = 65001) -> Event:
    provenance = Provenance.DUMP if at == START else Provenance.LIVE
    event = replace(route(kind, "r1", PEERS[site], SERVICE, at, provenance), peer_rd=rd)
    if kind == Kind.ANNOUNCE:
        event = replace(event, as_path=str(origin), origin_as=origin)
    return event


def watch(text: str = INTENT) -> Engine:
    """A router that shows the service by the session of legacy-pe in the VRF."""
    engine = Engine(parse_intent(text))
    events = [make(Kind.FEED_UP, "r1", START, epoch=START)]
    for rd in (VRF, OTHER):
        for site in ("legacy-pe", "new-pe1"):
            session = {"peer": PEERS[site], "peer_rd": rd, "view": View.ADJ_IN_PRE}
            events.append(make(Kind.PEER_UP, "r1", START, epoch=START, **session))
    events += [said(Kind.ANNOUNCE, "legacy-pe", START), make(Kind.END_OF_RIB, "r1", START)]
    play(engine, [replace(event, sequence=number) for number, event in enumerate(events)])
    assert engine.advance(LATER - 1) == []
    return engine


def opened(transitions: list[Incident]) -> list[tuple[str, str]]:
    return [(each.detector, each.key) for each in transitions if each.state == State.OPEN]


def test_its_home_is_seen_to_advertise_it_and_to_withdraw_it() -> None:
    engine = watch()
    gone = play(engine, [said(Kind.WITHDRAW, "legacy-pe", LATER)])
    assert opened(gone + engine.advance(LATER + 10 * SECOND)) == [
        ("unexpected_withdrawal", "web everywhere")
    ]


def test_another_site_and_another_origin_in_the_vrf_are_told() -> None:
    engine = watch()
    found = opened(play(engine, [said(Kind.ANNOUNCE, "new-pe1", LATER, origin=65666)]))
    assert ("dual_advertisement", "web") in found
    assert any(detector == "origin" for detector, _ in found)


def test_the_same_prefix_in_another_vrf_is_another_service() -> None:
    engine = watch()
    found = play(engine, [said(Kind.ANNOUNCE, "new-pe1", LATER, rd=OTHER, origin=65666)])
    assert opened(found + engine.advance(LATER + 10 * SECOND)) == []


def test_a_cutover_in_the_vrf_is_followed() -> None:
    engine = watch(f"{INTENT}cutovers:\n  - {MOVE}\n")
    steps = [said(Kind.ANNOUNCE, "new-pe1", LATER), said(Kind.WITHDRAW, "legacy-pe", LATER + 1)]
    assert opened(play(engine, steps) + engine.advance(LATER + 300 * SECOND)) == []
    back = said(Kind.ANNOUNCE, "legacy-pe", LATER + 400 * SECOND)
    assert opened(play(engine, [back])) == [("dual_advertisement", "web")]
