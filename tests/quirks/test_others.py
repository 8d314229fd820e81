"""The quirks of Huawei, Junos and other devices; and that each quirk has its line and its test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collector.event import Kind
from collector.quirks import QUIRKS, Profile, Sender
from collector.wire.session import BmpSession
from tests.quirks.recordings import recorded
from tests.unit.test_bmp_input import NAMELESS, Station
from tests.unit.wire.build import (
    BASIC,
    NOW,
    bmp,
    initiation,
    monitoring,
    peer_header,
    peer_up,
    prefix,
    tlv,
    update,
)

ROOT = Path(__file__).parents[2]
ROUTE = monitoring(update(attributes=BASIC, nlri=prefix("192.0.2.0/24")))
PMACCT = "pmacct+pmacct/tests"
HUAWEI = f"{PMACCT}/200-BMP-HUAWEI-locrib_instance/traffic-00.pcap"
IOS_XR = f"{PMACCT}/202-BMP-CISCO-HUAWEI-multiple-sources/traffic-02.pcap"
JUNOS = "akvorado+akvorado/outlet/routing/provider/bmp/testdata/bmp-reach.pcap"
VMX = "vincentbernat+network-lab/lab-juniper-vmx-bmp/juniper-bmp-ok.pcap"


def test_trailing_octets(shared_data: Path) -> None:
    """Built: RFC 7854 section 4.6 ends the message with the UPDATE; a TLV stands behind it."""
    session = BmpSession("192.0.2.1")
    with_tlv = bmp(0, ROUTE[6:] + tlv(1, b"\0"))
    events = session.feed(initiation() + peer_up() + with_tlv + ROUTE, NOW)
    assert [e.prefix for e in events[2:]] == ["192.0.2.0/24"] * 2
    assert session.sender.quirks == {"trailing-octets": 1}
    assert session.errors == {}
    assert recorded(shared_data / HUAWEI).quirks["trailing-octets"] == 0


def test_age_as_time(shared_data: Path) -> None:
    """Built: a route of 2 hours says 1970-01-01 02:00."""
    header = peer_header(seconds=7200)
    route = monitoring(update(attributes=BASIC, nlri=prefix("192.0.2.0/24")), header)
    session = BmpSession("192.0.2.1")
    events = session.feed(initiation() + peer_up() + route + route, NOW)
    assert [e.time for e in events[2:]] == [None, None]
    assert session.sender.quirks == {"age-as-time": 1}
    assert recorded(shared_data / VMX).quirks["age-as-time"] == 0


def test_no_peer_up(shared_data: Path) -> None:
    heard = recorded(shared_data / JUNOS)
    peers = {(e.peer, e.peer_rd) for e in heard.of(kind=Kind.ANNOUNCE)}
    assert heard.of(kind=Kind.PEER_UP) == []
    assert heard.quirks["no-peer-up"] == len(peers) == 3


def test_unknown_message_type() -> None:
    """Built: RFC 7854 has the types 0 to 6."""
    session = BmpSession("192.0.2.1")
    events = session.feed(initiation() + bmp(100, b"abc") + ROUTE, NOW)
    assert [e.kind for e in events] == ["feed-up", "undecodable", "announce"]
    assert events[1].warnings == ("quirk: unknown-message-type",)
    assert events[1].raw == bmp(100, b"abc")
    assert session.sender.quirks["unknown-message-type"] == 1
    assert session.errors == {}


def test_ends_inside_message(shared_data: Path) -> None:
    heard = recorded(shared_data / IOS_XR)
    assert heard.quirks["ends-inside-message"] == 1
    (cut,) = heard.of(kind=Kind.UNDECODABLE)
    assert cut.reason == "stream ended inside a message, 156 octets left"


@pytest.mark.parametrize(
    ("description", "profile"),
    [
        ("FRRouting 10.3", Profile.FRR),
        ("GoBGP", Profile.GOBGP),
        ("Gobgp Version: 3.10.0", Profile.GOBGP),
        ("BIRD 3.1.7", Profile.BIRD),
        ("Juniper Networks, Inc. vmx internet router, kernel FreeBSD", Profile.JUNOS),
        ("Huawei Versatile Routing Platform Software VRP (R) software", Profile.HUAWEI),
        (" 7.10.1.30I", None),
        ("a router of the songbird company", None),
    ],
)
def test_senders_by_their_description(description: str, profile: Profile | None) -> None:
    session = BmpSession("192.0.2.1")
    session.feed(bmp(4, tlv(1, description.encode()) + tlv(2, b"r1")), NOW)
    assert session.sender.profile == profile


def test_the_settings_say_it_where_the_sender_does_not() -> None:
    session = BmpSession("192.0.2.1")
    session.sender = Sender(Profile.GOBGP)
    (up,) = session.feed(initiation("r1"), NOW)
    assert up.information is not None
    assert up.information["sender"] == "gobgp"


def test_shared_name() -> None:
    async def story(here: Station) -> None:
        await here.session("127.0.0.2")
        assert here.quirks == {}
        await here.session("127.0.0.3")
        assert [e.warnings for e in here.of(Kind.FEED_UP)] == [(), ("quirk: shared-name",)]
        assert here.quirks == {("r1", "shared-name"): 1}

    Station(NAMELESS).run(story)


def test_each_quirk_has_a_name_of_its_own_a_line_in_the_reference_and_a_test() -> None:
    names = [quirk.name for quirk in QUIRKS]
    assert len(set(names)) == len(names) > 20
    lines = (ROOT / "docs" / "reference" / "senders.md").read_text()
    assert re.findall(r"^\| [\w ]+ \| `([^`]+)`", lines, re.MULTILINE) == names
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    for name in names:
        assert f"def test_{name.replace('-', '_')}(" in tests
