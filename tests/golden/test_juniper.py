"""What stands after each of the captures of a Juniper vMX, as akvorado's own tests expect it.

The facts are those of akvorado's root_test.go; the captures come from vincentbernat's network-lab.
"""

from __future__ import annotations

from pathlib import Path

from collector.event import Event, Kind
from collector.inputs.files import capture_streams
from collector.wire.session import BmpSession
from tests.golden.rows import Tally, report

FOLDER = "akvorado+akvorado/outlet/routing/provider/bmp/testdata"
LAB = "vincentbernat+network-lab/lab-juniper-vmx-bmp/juniper-bmp-ok.pcap"
SECOND = 1_000_000_000
Key = tuple[str | int | None, ...]

REACHED = """
2001:db8::3 ipv6-unicast - 2001:db8:1::/64 2001:db8::3 65013 65013 174 174 174|65013:10 65013:20|
2001:db8::3 ipv6-unicast - 2001:db8:2::/64 2001:db8::3 65013 65013 1299 1299 1299 12322|65013:30|
2001:db8::3 ipv6-unicast - 2001:db8::2/127 2001:db8::3 65013||
2001:db8::7 ipv4-unicast - 192.0.2.6/31 192.0.2.7 65017||
2001:db8::7 ipv6-unicast - 2001:db8:1::/64 2001:db8::7 65017 65013 174 174 174|65017:10 65017:20|\
65017:300:4
2001:db8::7 ipv6-unicast - 2001:db8:2::/64 2001:db8::7 65017 65017 1299 1299 1299 12322|65017:30|\
65017:400:2
2001:db8::7 ipv6-unicast - 2001:db8::6/127 2001:db8::7 65017||
2001:db8::7 l2vpn-evpn 65017:104 198.51.100.0/26 2001:db8::7 65017 65017 3356 64476|65017:1103|
2001:db8::7 l3vpn-ipv4-unicast 65017:101 198.51.100.0/25 192.0.2.7 65017 65017 174 1299 64476|\
65017:10 65017:20|
2001:db8::7 l3vpn-ipv4-unicast 65017:102 198.51.100.0/25 192.0.2.7 65017 65017 174 3356 3356 3356 \
64476|65017:10 65017:20|
2001:db8::7 l3vpn-ipv4-unicast 65017:103 198.51.100.0/26 192.0.2.7 65017 65017 3356 64476|\
65017:1103|
2001:db8::7 l3vpn-ipv4-unicast 65017:101 198.51.100.128/25 192.0.2.7 65017 65017 174 29447 396919|\
65017:12|
2001:db8::7 l3vpn-ipv4-unicast 65017:102 198.51.100.128/25 192.0.2.7 65017 65017 6453 396919|\
65017:19|
2001:db8::7 l3vpn-ipv6-unicast 65017:101 2001:db8:4::/64 2001:db8::7 65017 65017 1299 1299 1299 \
29447|65017:300|
192.0.2.1 ipv4-unicast - 192.0.2.0/31 192.0.2.1 65011||
192.0.2.1 ipv4-unicast - 198.51.100.0/25 192.0.2.1 65011 65011 174 1299 64476|65011:10 65011:20|
192.0.2.1 ipv4-unicast - 198.51.100.128/25 192.0.2.1 65011 65011 174 29447 396919|65011:12|
"""
"""Peer, family, RD, prefix, next hop, AS path|communities|large communities."""
BEHIND_VRF = """
192.0.2.9 ipv4-unicast 65500:108 192.0.2.8/31 192.0.2.9 65019||
192.0.2.9 ipv4-unicast 65500:108 198.51.100.0/29 192.0.2.9 65019 65019 64476||
"""


class Rib:
    """One BMP session that plays captures one after the other, and the routes that it leaves."""

    def __init__(self, shared_data: Path) -> None:
        self._shared_data = shared_data
        self._session = BmpSession("192.0.2.250")
        self._now = SECOND
        self.events: list[Event] = []
        self.routes: dict[Key, Event] = {}

    def play(self, *names: str) -> None:
        for name in names:
            for stream in capture_streams(self._shared_data / name):
                for _, data in stream.chunks:
                    self._now += 1
                    for event in self._session.feed(data, self._now):
                        self.take(event)

    def take(self, event: Event) -> None:
        self.events.append(event)
        route = (event.family, event.rd, event.prefix, event.path_id)
        if event.kind == Kind.ANNOUNCE:
            self.routes[(event.peer, event.peer_rd, *route)] = event
        elif event.kind == Kind.WITHDRAW:
            self.routes.pop((event.peer, event.peer_rd, *route), None)
        elif event.kind == Kind.PEER_DOWN:
            gone = [key for key in self.routes if key[:2] == (event.peer, event.peer_rd)]
            for key in gone:
                del self.routes[key]

    def lines(self) -> list[str]:
        return sorted(map(line, self.routes.values()))

    def messages(self) -> dict[str, int]:
        return dict(self._session.messages)


def line(event: Event) -> str:
    rd = event.rd or event.peer_rd or "-"
    head = f"{event.peer} {event.family} {rd} {event.prefix} {event.next_hop} {event.as_path}"
    return f"{head}|{' '.join(event.communities)}|{' '.join(event.large_communities)}"


def captures(*names: str) -> list[str]:
    return [f"{FOLDER}/bmp-{name}.pcap" for name in names]


def rows(text: str) -> list[str]:
    return sorted(text.strip().splitlines())


def test_the_rib_after_the_announcements_is_that_of_akvorado(shared_data: Path) -> None:
    rib = Rib(shared_data)
    rib.play(*captures("init", "peers-up", "eor", "reach"))
    assert rib.lines() == rows(REACHED)
    expected = {"initiation": 1, "peer-up": 4, "route-monitoring": 25, "statistics": 4}
    assert rib.messages() == expected
    count = len(rib.routes)
    report(Tally("akvorado RIB after announcements", 25, count, count * 8))


def test_routes_of_peers_that_never_came_up_are_the_same(shared_data: Path) -> None:
    rib = Rib(shared_data)
    rib.play(*captures("init", "reach"))
    assert rib.lines() == rows(REACHED)
    assert rib.messages() == {"initiation": 1, "route-monitoring": 17}


def test_after_the_withdrawals_one_route_is_left(shared_data: Path) -> None:
    rib = Rib(shared_data)
    rib.play(*captures("init", "peers-up", "eor", "reach", "unreach", "unreach"))
    # Its RD was changed by hand in the capture of the announcements, and not in the other.
    assert [event.rd for event in rib.routes.values()] == ["65017:104"]
    assert rib.messages()["route-monitoring"] == 41
    assert not [e.reason for e in rib.events if e.kind == Kind.UNDECODABLE]


def test_the_end_of_the_table_is_told_for_each_family_of_each_peer(shared_data: Path) -> None:
    rib = Rib(shared_data)
    rib.play(*captures("init", "peers-up", "eor"))
    ended = [(e.peer, e.family) for e in rib.events if e.kind == Kind.END_OF_RIB]
    families = ("ipv4-unicast", "l3vpn-ipv4-unicast", "ipv6-unicast", "l3vpn-ipv6-unicast")
    assert ended == [
        ("192.0.2.1", "ipv4-unicast"),
        ("192.0.2.5", "ipv4-unicast"),
        ("2001:db8::3", "ipv6-unicast"),
        *(("2001:db8::7", family) for family in (*families, "l2vpn-evpn")),
    ]
    assert not rib.routes


def test_a_peer_that_goes_down_takes_its_routes_with_it(shared_data: Path) -> None:
    rib = Rib(shared_data)
    rib.play(*captures("init", "peers-up", "eor", "reach", "peer-down"))
    assert rib.lines() == [text for text in rows(REACHED) if not text.startswith("192.0.2.1 ")]


def test_routes_of_a_vrf_have_the_distinguisher_of_its_peer(shared_data: Path) -> None:
    rib = Rib(shared_data)
    rib.play(*captures("init", "l3vpn"))
    assert rib.lines() == rows(BEHIND_VRF)


def test_a_terminated_session_says_why(shared_data: Path) -> None:
    rib = Rib(shared_data)
    rib.play(*captures("init", "terminate"))
    ends = [e.reason for e in rib.events if e.kind == Kind.FEED_DOWN]
    cause = "station removed from config: administratively closed"
    assert ends == [f"terminated by the router: {cause}"]


def test_the_whole_session_of_the_lab_leaves_nothing(shared_data: Path) -> None:
    rib = Rib(shared_data)
    rib.play(LAB)
    assert not rib.routes
    announced = [e for e in rib.events if e.kind == Kind.ANNOUNCE]
    assert len(announced) == 18
    # The one route of the peer with ADD-PATH: the captures above lack its announcement.
    with_id = [(e.prefix, e.path_id, e.as_path) for e in announced if e.path_id is not None]
    assert with_id == [("192.0.2.4/31", 1, "")]
    expected = {"initiation": 1, "peer-up": 4, "route-monitoring": 34, "statistics": 4}
    assert rib.messages() == {**expected, "termination": 1}
    report(Tally("network-lab session", 44, 36, 0))
