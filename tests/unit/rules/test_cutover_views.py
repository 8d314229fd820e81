"""A router that is set to show another view of its peers while a cutover is under way."""

from __future__ import annotations

from itertools import permutations

import pytest

from collector.event import rfc3339
from collector.wire.session import BmpSession
from detectors.engine import Engine
from detectors.incidents import Incident
from detectors.intent import parse_intent
from detectors.progress import Phase
from tests.unit.rules.scenes import SECOND, START, play
from tests.unit.wire import build

SERVICE = "192.0.2.50/32"
PEERS = {"old": "10.0.0.1", "new": "10.0.1.1"}
VALUES = tuple(PEERS.values())
FLAGS = {"adj-in-pre": 0, "adj-in-post": 0x40}
VIEWS = (*FLAGS, "loc-rib")
ROUTERS = {"r1": "10.9.0.1", "r2": "10.9.0.2"}
INTENT = f"""
version: 1
sites:
  old: {{match: [{{next_hop: 10.0.0.1}}]}}
  new: {{match: [{{next_hop: 10.0.1.1}}]}}
services:
  - {{name: web, prefix: {SERVICE}, home: [old], hold: 5s}}
cutovers:
  - name: move
    service: web
    from: old
    to: [new]
    window: [{rfc3339(START + 100 * SECOND)}, {rfc3339(START + 600 * SECOND)}]
    deadline: 120s
    max_overlap: 30s
"""


def header(site: str, view: str) -> bytes:
    if view == "loc-rib":
        return build.peer_header("0.0.0.0", kind=3)  # noqa: S104 - RFC 9069 has no other
    return build.peer_header(PEERS[site], flags=FLAGS[view])


def says(site: str, view: str, *, advertise: bool = True) -> bytes:
    if not advertise:
        return build.monitoring(build.update(build.prefix(SERVICE)), header(site, view))
    hop = bytes(map(int, PEERS[site].split(".")))
    path = build.attribute(2, b"\x02\x01\0\0\xfd\xea")
    attributes = build.attribute(1, b"\0") + path + build.attribute(3, hop)
    update = build.update(b"", attributes, build.prefix(SERVICE))
    return build.monitoring(update, header(site, view))


class Network:
    """Two routers over BMP, from their octets on."""

    def __init__(self) -> None:
        self.engine = Engine(parse_intent(INTENT))
        self.sessions: dict[str, BmpSession] = {}
        self.told: list[Incident] = []

    def hear(self, router: str, octets: bytes, at: int) -> None:
        self.told += play(self.engine, self.sessions[router].feed(octets, START + at * SECOND))
        self.until(at)

    def until(self, at: int) -> None:
        for session in self.sessions.values():
            self.told += play(self.engine, session.tick(START + at * SECOND))
        self.told += self.engine.advance(START + at * SECOND)

    def comes(self, router: str, at: int, view: str, *sites: str, ends: bool) -> None:
        """Its session begins, with its tables; `ends` says whether they have an End-of-RIB."""
        self.sessions[router] = BmpSession(ROUTERS[router])
        peers = [header("old", view)] if view == "loc-rib" else map(build.peer_header, VALUES)
        octets = build.initiation(router) + b"".join(map(build.peer_up, peers))
        octets += b"".join(says(site, view) for site in sites)
        if ends:
            octets += b"".join(
                build.monitoring(build.update(), header(site, view)) for site in PEERS
            )
        self.hear(router, octets, at)
        for later in range(1, 6):
            self.until(at + later)

    def goes(self, router: str, at: int) -> None:
        self.told += play(self.engine, self.sessions[router].close(START + at * SECOND, "reset"))
        self.until(at)

    def of_cutover(self) -> list[Incident]:
        return [incident for incident in self.told if incident.detector != "feed_blind"]

    def phase(self) -> Phase:
        return self.engine.cutovers[-1].phase


CHANGES = list(permutations(VIEWS, 2))
ends = pytest.mark.parametrize("ends", [False, True], ids=["quiet", "end-of-rib"])


def begun(view: str) -> Network:
    """Both routers show the old site, and the window is open."""
    network = Network()
    for router in ROUTERS:
        network.comes(router, 0, view, "old", ends=False)
    network.until(105)
    return network


@pytest.mark.parametrize(("before", "after"), CHANGES)
@ends
def test_another_view_before_the_first_step(before: str, after: str, ends: bool) -> None:
    network = begun(before)
    network.goes("r2", 106)
    network.comes("r2", 107, after, "old", ends=ends)
    views = {"r1": before, "r2": after}
    for router, view in views.items():
        network.hear(router, says("new", view), 120)
    network.until(130)
    for router, view in views.items():
        if view != "loc-rib":
            network.hear(router, says("old", view, advertise=False), 140)
    network.until(300)
    assert network.of_cutover() == []
    assert network.phase() == Phase.COMPLETE


@pytest.mark.parametrize(("before", "after"), [c for c in CHANGES if c[0] != "loc-rib"])
@ends
def test_another_view_while_both_advertise(before: str, after: str, ends: bool) -> None:
    network = begun(before)
    network.hear("r1", says("new", before), 120)
    network.hear("r2", says("new", before), 125)
    network.goes("r2", 126)
    network.comes("r2", 127, after, *(["new"] if after == "loc-rib" else PEERS), ends=ends)
    for router, view in (("r1", before), ("r2", after)):
        if view != "loc-rib":
            network.hear(router, says("old", view, advertise=False), 140)
    network.until(300)
    assert network.of_cutover() == []
    assert network.phase() == Phase.COMPLETE


@ends
def test_a_router_that_sees_nobody_in_its_other_view_is_told(ends: bool) -> None:
    network = begun("adj-in-pre")
    network.goes("r2", 106)
    network.comes("r2", 107, "adj-in-post", "old", ends=ends)
    network.hear("r1", says("new", "adj-in-pre"), 120)
    network.hear("r2", says("old", "adj-in-post", advertise=False), 125)
    network.hear("r1", says("old", "adj-in-pre", advertise=False), 125)
    network.until(300)
    first = network.of_cutover()[0]
    assert first.details["faults"] == ["not_everywhere"]
    assert "r2 bmp adj-in-post" in first.summary
    assert network.phase() == Phase.BOTH
    network.hear("r2", says("new", "adj-in-post"), 310)
    assert network.phase() == Phase.COMPLETE


def test_a_router_that_comes_back_with_nothing_is_told() -> None:
    network = begun("adj-in-pre")
    network.hear("r1", says("new", "adj-in-pre"), 120)
    network.goes("r2", 121)
    network.comes("r2", 122, "adj-in-post", ends=True)
    network.hear("r1", says("old", "adj-in-pre", advertise=False), 130)
    network.until(300)
    assert network.of_cutover()[0].details["faults"] == ["not_everywhere"]
    assert "r2 bmp adj-in-pre saw old" in network.of_cutover()[0].summary
