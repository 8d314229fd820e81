"""Two outages that the world read about, as a router would have shown them over BMP.

2013-03-03: a rule against packets of 99,971 to 99,985 octets, which no packet can have, went to
every edge router of a content network; the routers ran out of memory and crashed.
2020-08-30: a rule that matched too much, BGP among it, went to every router of a backbone. Each
dropped its sessions, and with them the rule; came back, learned it again, and dropped them.
Both are told in the post-mortems of those who were there.
"""

from __future__ import annotations

from collector.event import Event
from collector.wire.session import BmpSession
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from tests.unit.wire.build import (
    NOW,
    attribute,
    bgp,
    bmp,
    ext,
    initiation,
    monitoring,
    peer_header,
    peer_up,
    reach,
    unreach,
    update,
)

SECOND = 1_000_000_000
DISCARD = ext("8006000000000000")
CONTROLLER = "10.0.0.9"
PATH = attribute(1, b"\0") + attribute(2, b"") + attribute(5, b"\0\0\0\x64")
INTENT = """
version: 1
flowspec:
  - name: against-attacks
    protocol: [udp]
    actions: [discard]
    require: [destination, protocol]
protect: [tcp/179]
"""


class Network:
    """Routers that speak BMP, and the engine that hears them."""

    def __init__(self, *routers: str) -> None:
        self.engine = Engine(parse_intent(INTENT))
        self.sessions: dict[str, BmpSession] = {}
        self.now = NOW
        for router in routers:
            self.connect(router)
        self.wait(300)

    def connect(self, router: str) -> list[Incident]:
        self.sessions[router] = BmpSession(f"192.0.2.{len(self.sessions) + 1}", name=router)
        controller = peer_up(peer_header(CONTROLLER))
        return self.says(router, initiation(router), peer_up(), controller)

    def says(self, router: str, *messages: bytes) -> list[Incident]:
        return self._take(self.sessions[router].feed(b"".join(messages), self.now))

    def crashes(self, router: str) -> list[Incident]:
        return self._take(self.sessions.pop(router).close(self.now, "connection reset by peer"))

    def wait(self, seconds: int) -> list[Incident]:
        """Every second each router is looked at, as the program does."""
        told: list[Incident] = []
        for _ in range(seconds):
            self.now += SECOND
            for session in self.sessions.values():
                told += self._take(session.tick(self.now))
            told += self.engine.advance(self.now)
        return told

    def _take(self, events: list[Event]) -> list[Incident]:
        return [each for event in events for each in self.engine.process(event)]


def announce(nlri: str) -> bytes:
    octets = bytes.fromhex(nlri)
    body = PATH + DISCARD + reach(1, 133, b"", bytes([len(octets)]) + octets)
    return monitoring(update(attributes=body), peer_header(CONTROLLER))


def withdraw(nlri: str) -> bytes:
    octets = bytes.fromhex(nlri)
    body = unreach(1, 133, bytes([len(octets)]) + octets)
    return monitoring(update(attributes=body), peer_header(CONTROLLER))


def silence() -> bytes:
    """The router gave its session to the controller up: it heard nothing of it (RFC 4271)."""
    return bmp(2, peer_header(CONTROLLER) + b"\x01" + bgp(3, b"\x04\x00"))


def told(transitions: list[Incident]) -> list[tuple[str, str]]:
    return [(t.detector, t.state) for t in transitions]


# destination 198.51.100.53/32, packet-length >=99971&<=99985, as each takes four octets
IMPOSSIBLE = "0120c6336435" + "0a2300018683e500018691"
# destination 0.0.0.0/0, protocol =6
EVERYTHING = "0100" + "038106"


def test_2013_a_rule_that_no_packet_can_match() -> None:
    network = Network("edge1", "edge2", "edge3")
    arrived = network.now
    message = announce(IMPOSSIBLE)
    (paged,) = network.says("edge1", message)
    # It pages with the first router that shows it, before any router has crashed.
    assert (paged.detector, paged.state, paged.severity) == ("flowspec_policy", "open", "critical")
    assert (paged.time, paged.evidence[0].raw) == (arrived, message)
    assert paged.summary == (
        "Flowspec rule `ipv4-flowspec destination 198.51.100.53/32 packet-length >=99971&<=99985` "
        "at edge1 is out of policy since 2027-01-15T08:05:00Z: is impossible: no IPv4 packet "
        "has packet-length >=99971&<=99985; its action is discard. Withdraw it at its origin "
        "(10.0.0.9)."
    )
    for router in ("edge2", "edge3"):
        assert network.says(router, message) == []
    network.now += 2 * SECOND
    first = [transition for router in ("edge1", "edge2") for transition in network.crashes(router)]
    assert ("control_plane_loop", "open") not in told(first)
    # They come up again, learn the rule again, and crash again: now it is a loop.
    network.wait(120)
    assert ("control_plane_loop", "open") not in told(network.connect("edge1"))
    assert network.says("edge1", message) == []
    network.now += 3 * SECOND
    (loop,) = [t for t in network.crashes("edge1") if t.state == State.OPEN]
    assert (loop.detector, loop.severity) == ("control_plane_loop", "critical")
    assert loop.key == paged.key
    assert "takes sessions down at edge1 in a loop since 2027-01-15T08:05:00Z" in loop.summary
    assert [event.kind for event in loop.evidence] == [
        *("announce", "feed-down"),
        *("announce", "feed-down"),
    ]


def test_2020_a_rule_that_drops_bgp_and_comes_back_with_it() -> None:
    network = Network("edge1", "edge2")
    message, arrived = announce(EVERYTHING), network.now
    (kill,) = network.says("edge1", message)
    assert (kill.detector, kill.kill_switch, kill.time) == ("flowspec_policy", True, arrived)
    assert kill.summary.startswith("KILL SWITCH at edge1: rule `ipv4-flowspec destination 0.0.0.0")
    opened: list[tuple[int, Incident]] = []
    transitions = network.says("edge2", message)
    for bounce in (1, 2, 3):
        # Nothing gets through: the hold time runs out, and the rule goes with its session.
        transitions += network.wait(90)
        for router in network.sessions:
            transitions += network.says(router, silence())
        opened += [(bounce, t) for t in transitions if t.detector == "control_plane_loop"]
        transitions = network.wait(30)
        for router in network.sessions:
            transitions += network.says(router, peer_up(peer_header(CONTROLLER)), message)
    ((bounce, loop),) = opened
    assert (bounce, loop.state, loop.severity) == (2, State.OPEN, "critical")
    assert loop.time == arrived + 210 * SECOND
    assert loop.key == "ipv4-flowspec destination 0.0.0.0/0 protocol =6"
    assert loop.summary == (
        "Flowspec rule `destination 0.0.0.0/0 protocol =6` takes sessions down at edge1 in a loop "
        "since 2027-01-15T08:05:00Z: whenever it or a session comes back, a session drops (its "
        "action is discard). Withdraw it at its origin (10.0.0.9), and keep it out before you "
        "bring sessions up."
    )
    assert loop.evidence[0].raw == message
    assert [event.reason for event in loop.evidence if event.kind == "peer-down"] == [
        "local notification 4/0 hold timer expired",
        "local notification 4/0 hold timer expired",
    ]
    # Withdrawn at its origin: the kill switch resolves at once, the loop once sessions have held.
    gone = [t for router in network.sessions for t in network.says(router, withdraw(EVERYTHING))]
    assert told(gone) == [("flowspec_policy", State.RESOLVED)]
    resolved = network.wait(660)
    assert [(t.id, t.state) for t in resolved] == [(loop.id, State.RESOLVED)]
    assert network.engine.open_incidents == []
