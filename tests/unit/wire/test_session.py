from __future__ import annotations

import random
import struct
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.event import Event, Kind, Provenance
from collector.inputs.files import capture_streams
from collector.wire.session import BmpSession
from tests.unit.wire.build import (
    BASIC,
    NOW,
    add_path,
    bgp,
    bgp_open,
    bmp,
    initiation,
    monitoring,
    peer_header,
    peer_up,
    prefix,
    reach,
    tlv,
    unreach,
    update,
)

SECOND = 1_000_000_000
STORY = Path(__file__).parents[3] / "anchorwatch" / "demo" / "story.pcap.gz"
ROUTE = monitoring(update(attributes=BASIC, nlri=prefix("192.0.2.0/24")))
END = monitoring(update())


def session(*messages: bytes, now: int = NOW) -> tuple[BmpSession, list[Event]]:
    made = BmpSession("10.0.0.254")
    return made, made.feed(b"".join(messages), now)


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


def test_a_session_from_its_first_octet_to_its_end() -> None:
    made, events = session(initiation("rr1"), peer_up(), ROUTE, END)
    assert kinds(events) == ["feed-up", "peer-up", "announce", "end-of-rib"]
    assert {e.router for e in events} == {"rr1"}
    assert events[0].information == {"sys_name": "rr1", "sys_descr": "a router"}
    up, announced = events[1], events[2]
    assert up.information is not None
    assert up.information["local_address"] == "10.0.0.254"
    assert (announced.prefix, announced.as_path, announced.origin_as) == (
        "192.0.2.0/24",
        "65002",
        65002,
    )
    assert (announced.next_hop, announced.origin, announced.peer) == ("10.0.0.1", "igp", "10.0.0.1")
    assert announced.time == 1_700_000_000_250_000_000
    assert announced.raw == ROUTE
    assert made.messages == {"initiation": 1, "peer-up": 1, "route-monitoring": 2}
    (down,) = made.close(NOW + 1, "gone")
    assert (down.kind, down.reason, down.sequence) == ("feed-down", "gone", 5)


def test_a_name_from_the_settings_goes_before_the_routers_own() -> None:
    made = BmpSession("10.0.0.254", name="rr1")
    assert made.feed(initiation("localhost"), NOW)[0].router == "rr1"


def test_a_name_that_every_such_sender_has_is_no_name() -> None:
    made = BmpSession("10.0.0.254")
    assert made.feed(initiation("GoBGP"), NOW)[0].router == "10.0.0.254"


@pytest.mark.parametrize("first", [initiation("rr1"), peer_up()], ids=["renamed", "late"])
def test_a_name_that_is_said_later_is_that_of_the_next_session(first: bytes) -> None:
    """It may come again at any point (RFC 7854 section 4.3); what was shown has a name already."""
    made, events = session(first, peer_up(), ROUTE, initiation("new"), ROUTE)
    (called,) = {event.router for event in events}
    assert called == ("rr1" if first != peer_up() else "10.0.0.254")
    again = events[-2]
    assert (again.kind, again.epoch) == ("feed-up", events[0].epoch)
    assert again.information is not None
    assert again.information["sys_name"] == "new"
    over = made.feed(bmp(5, tlv(1, b"\0\x02")) + initiation("new"), NOW)
    assert [(event.kind, event.router) for event in over] == [
        ("feed-down", called),
        ("feed-up", "new"),
    ]


def test_routes_are_dump_until_end_of_rib_and_news_after() -> None:
    _, events = session(initiation(), peer_up(), ROUTE, END, ROUTE)
    assert [e.provenance for e in events[2:]] == ["dump", "dump", "live"]
    assert {e.epoch for e in events} == {NOW}


def test_without_end_of_rib_silence_ends_the_dump() -> None:
    made, _ = session(initiation(), peer_up(), ROUTE)
    assert made.tick(NOW + 2 * SECOND - 1) == []
    ends = made.tick(NOW + 10 * SECOND)
    assert [(e.view, e.received, e.provenance) for e in ends] == [
        ("adj-in-pre", NOW + 2 * SECOND, "synthetic"),
        (None, NOW + 2 * SECOND, "synthetic"),
    ]
    assert made.feed(ROUTE, NOW + 11 * SECOND)[0].provenance == Provenance.LIVE
    assert made.tick(NOW + 100 * SECOND) == []


def test_a_dump_that_never_pauses_ends_after_the_longest_time() -> None:
    made, _ = session(initiation(), peer_up())
    for second in range(1, 121):
        (event,) = made.feed(ROUTE, NOW + second * SECOND - 1)
        assert event.provenance == "dump"
    events = made.feed(ROUTE, NOW + 121 * SECOND)
    assert (events[0].kind, events[0].received) == ("end-of-rib", NOW + 120 * SECOND)
    assert events[-1].provenance == "live"


def test_a_peer_without_routes_is_complete_too() -> None:
    made, _ = session(initiation(), peer_up())
    ends = made.tick(NOW + 2 * SECOND)
    assert [e.view for e in ends] == ["adj-in-post", "adj-in-pre", None]


def test_a_new_peer_up_is_a_new_epoch_and_a_new_dump() -> None:
    made, _ = session(initiation(), peer_up(), ROUTE, END)
    made.feed(bmp(2, peer_header() + b"\x04"), NOW + SECOND)
    events = made.feed(peer_up() + ROUTE, NOW + 5 * SECOND)
    assert [(e.kind, e.epoch, e.provenance) for e in events[-2:]] == [
        ("peer-up", NOW + 5 * SECOND, "live"),
        ("announce", NOW + 5 * SECOND, "dump"),
    ]


def test_loc_rib_without_peer_up_has_the_feeds_epoch_and_no_peer() -> None:
    header = peer_header("0.0.0.0", kind=3)  # noqa: S104 - the address of no peer
    route = monitoring(update(attributes=BASIC, nlri=prefix("192.0.2.0/24")), header)
    _, events = session(initiation(), route)
    assert (events[1].view, events[1].peer, events[1].epoch) == ("loc-rib", None, NOW)
    assert events[1].provenance == "dump"


@pytest.mark.parametrize(
    ("flags", "view"),
    [(0, "adj-in-pre"), (0x40, "adj-in-post"), (0x10, "adj-out-pre"), (0x50, "adj-out-post")],
)
def test_views_by_flag(flags: int, view: str) -> None:
    header = peer_header(flags=flags)
    message = monitoring(update(attributes=BASIC, nlri=prefix("192.0.2.0/24")), header)
    assert session(initiation(), message)[1][1].view == view


def test_an_end_of_rib_with_other_flags_than_its_routes_is_one_all_the_same() -> None:
    """GoBGP sends 0x60 where its routes carry 0x40."""
    header = peer_header(flags=0x60)
    _, events = session(initiation(), monitoring(update(), header))
    assert (events[1].kind, events[1].view, events[1].family) == (
        "end-of-rib",
        "adj-in-post",
        "ipv4-unicast",
    )


def test_one_update_with_all_four_kinds_of_routes() -> None:
    attributes = (
        BASIC
        + unreach(2, 1, prefix("2001:db8:1::/48"))
        + reach(2, 1, bytes(15) + b"\x01", prefix("2001:db8:2::/48"))
    )
    message = monitoring(update(prefix("198.51.100.0/24"), attributes, prefix("192.0.2.0/24")))
    _, events = session(initiation(), message)
    assert [(e.kind, e.prefix, e.next_hop) for e in events[1:]] == [
        ("withdraw", "198.51.100.0/24", None),
        ("withdraw", "2001:db8:1::/48", None),
        ("announce", "2001:db8:2::/48", "::1"),
        ("announce", "192.0.2.0/24", "10.0.0.1"),
    ]


def test_peer_down_reasons() -> None:
    cease = bgp(3, b"\x06\x02\x05hello")
    texts = {
        b"\x01" + cease: "local notification 6/2 cease, administrative shutdown: hello",
        b"\x02\0\x18": "local, without notification, FSM event 24",
        b"\x03" + cease: "remote notification 6/2 cease, administrative shutdown: hello",
        b"\x04": "remote, without notification",
        b"\x05": "no longer monitored",
        b"\x63": "reason 99",
    }
    for body, text in texts.items():
        _, events = session(initiation(), bmp(2, peer_header() + body))
        assert (events[1].kind, events[1].reason) == ("peer-down", text)


def test_statistics_known_and_unknown() -> None:
    values = struct.pack("!I", 3)
    values += struct.pack("!HHI", 0, 4, 7) + struct.pack("!HHQ", 8, 8, 900_000)
    values += struct.pack("!HHI", 65531, 4, 1)
    _, events = session(initiation(), bmp(1, peer_header() + values))
    assert events[1].statistics == {
        "rejected_by_policy": 7,
        "loc_rib_routes": 900_000,
        "type_65531": 1,
    }


def test_termination_ends_the_feed() -> None:
    _, events = session(initiation(), bmp(5, tlv(1, b"\0\x02") + tlv(0, b"bye")))
    assert (events[1].kind, events[1].reason) == (
        "feed-down",
        "terminated by the router: out of resources: bye",
    )


def test_mirrored_updates_are_events_also_before_peer_up() -> None:
    rule = bytes.fromhex("0501180a0901")
    message = update(attributes=BASIC + reach(1, 133, b"", rule) + b"")
    body = tlv(0, bgp(4, b"")) + tlv(0, message)
    _, events = session(initiation(), bmp(6, peer_header() + body))
    assert [(e.kind, e.provenance, e.rule) for e in events[1:]] == [
        ("announce", "mirror", "destination 10.9.1.0/24")
    ]


def test_lost_mirrored_messages_are_counted() -> None:
    made, _ = session(initiation(), bmp(6, peer_header() + tlv(1, b"\0\x01")))
    assert made.errors == {"mirror-messages-lost": 1}


def test_add_path_as_negotiated_and_otherwise() -> None:
    negotiated = peer_up(ours=add_path(1, 1, 1), theirs=add_path(1, 1, 2))
    with_id = monitoring(update(attributes=BASIC, nlri=b"\0\0\0\x07" + prefix("192.0.2.0/24")))
    _, events = session(initiation(), negotiated, with_id, ROUTE)
    assert [(e.prefix, e.path_id, e.warnings) for e in events[2:]] == [
        ("192.0.2.0/24", 7, ()),
        ("192.0.2.0/24", None, ("add-path-not-as-negotiated",)),
    ]


def test_flowspec_with_path_ids_that_nobody_negotiated() -> None:
    """GoBGP 4.8 does so in Loc-RIB."""
    nlri = bytes.fromhex("00000001 09 01 20 0a000001 05 81 b3 ".replace(" ", ""))
    header = peer_header("0.0.0.0", kind=3)  # noqa: S104
    _, events = session(
        initiation(), monitoring(update(attributes=BASIC + reach(1, 133, b"", nlri)), header)
    )
    assert [(e.rule, e.path_id, e.warnings) for e in events[1:]] == [
        (
            "destination 10.0.0.1/32 destination-port =179",
            1,
            ("add-path-not-as-negotiated", "quirk: loc-rib-without-peer-up"),
        )
    ]


def test_trailing_octets_after_the_update_are_tolerated_and_counted() -> None:
    made, events = session(initiation(), bmp(0, ROUTE[6:] + tlv(1, b"\0")))
    assert events[1].prefix == "192.0.2.0/24"
    assert made.sender.quirks["trailing-octets"] == 1
    assert made.errors == {}


def test_a_zero_time_is_no_time() -> None:
    header = peer_header(seconds=0)[:-4] + bytes(4)
    _, events = session(initiation(), monitoring(update(), header))
    assert events[1].time is None


def test_a_message_that_cannot_be_read_is_one_event_and_the_next_is_read() -> None:
    bad = monitoring(update(attributes=BASIC, nlri=b"\x21\x0a\0\0\0\0"))
    made, events = session(initiation(), bad, ROUTE)
    assert kinds(events) == ["feed-up", "undecodable", "announce"]
    assert events[1].reason == "route-monitoring: prefix length at octet 91: 33 is more than 32"
    assert events[1].peer == "10.0.0.1"
    assert events[1].raw == bad
    assert made.errors == {"malformed-route-monitoring": 1}
    assert made.broken is None


def test_an_unknown_message_type_is_kept() -> None:
    made, events = session(initiation(), bmp(200, b"abc"), ROUTE)
    assert kinds(events) == ["feed-up", "undecodable", "announce"]
    assert made.messages["unknown"] == 1


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"GET / HTTP/1.1\r\n", "BMP version 71 at the start of a message"),
        (struct.pack("!BIB", 3, 5, 0), "BMP message length 5 is not 6 to 1048576"),
        (struct.pack("!BIB", 3, 2**31, 0), "BMP message length 2147483648 is not 6 to 1048576"),
    ],
)
def test_a_stream_that_cannot_be_framed_is_broken(octets: bytes, words: str) -> None:
    made, events = session(initiation(), octets)
    assert made.broken == words
    assert (events[-1].kind, events[-1].reason) == ("undecodable", words)
    assert made.feed(ROUTE, NOW + 1) == []


def test_a_stream_that_ends_inside_a_message_says_so() -> None:
    made, _ = session(initiation(), ROUTE[:-3])
    cut, down = made.close(NOW, "closed")
    assert cut.reason == f"stream ended inside a message, {len(ROUTE) - 3} octets left"
    assert down.kind == Kind.FEED_DOWN


def test_two_octet_as_numbers_by_the_header_flag() -> None:
    path = b"\x40\x02\x06\x02\x02\x5b\xa0\xfd\xea"  # AS_TRANS 65002
    as4 = b"\xc0\x11\x0a\x02\x02" + struct.pack("!II", 4_200_000_001, 65002)
    attributes = b"\x40\x01\x01\0" + path + b"\x40\x03\x04\x0a\0\0\x01" + as4
    message = monitoring(
        update(attributes=attributes, nlri=prefix("192.0.2.0/24")), peer_header(flags=0x20)
    )
    _, events = session(initiation(), message)
    assert (events[1].as_path, events[1].origin_as) == ("4200000001 65002", 65002)


def test_four_octet_as_in_the_open_of_a_peer_up() -> None:
    capability = struct.pack("!BBI", 65, 4, 4_200_000_001)
    assert len(bgp_open(capability)) == 37
    _, events = session(initiation(), peer_up(ours=capability, theirs=capability))
    assert events[1].information is not None
    assert events[1].information["capabilities"] == ["four-octet-as"]


STREAM = b"".join(data for stream in capture_streams(STORY) for _, data in stream.chunks)


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=60))
def test_any_chunking_of_a_real_session_gives_the_same_events(cuts: list[int]) -> None:
    whole = BmpSession("10.0.0.254")
    expected = whole.feed(STREAM, NOW)
    assert len(expected) > 80
    chunked = BmpSession("10.0.0.254")
    edges = [0, *sorted(cuts), len(STREAM)]
    found = [
        event for start, end in pairwise(edges) for event in chunked.feed(STREAM[start:end], NOW)
    ]
    assert found == expected


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_octets_raise(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(STREAM[: chance.randrange(200, len(STREAM))])
    for _ in range(chance.randrange(1, 12)):
        place = chance.randrange(len(data))
        data[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
    made = BmpSession("10.0.0.254")
    events = made.feed(bytes(data), NOW) + made.tick(NOW + 300 * SECOND) + made.close(NOW, "end")
    assert [e.sequence for e in events] == list(range(1, len(events) + 1))
    for event in events:
        assert Event.from_dict(event.to_dict(raw=True)) == event


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=400))
def test_no_random_body_raises(data: bytes) -> None:
    for kind in range(8):
        made, _ = session(initiation(), bmp(kind, data), bmp(kind, peer_header() + data), ROUTE)
        made.close(NOW, "end")
