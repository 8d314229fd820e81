from __future__ import annotations

import struct

import pytest

from collector.event import Event
from collector.wire.bgp_session import BgpSession
from tests.unit.wire.build import (
    NOW,
    add_path,
    attribute,
    bgp,
    bgp_open,
    prefix,
    unreach,
    update,
)

NET = prefix("192.0.2.0/24")
REST = attribute(1, b"\0") + attribute(3, b"\x0a\0\0\x01")
WIDE = update(attributes=REST + attribute(2, b"\x02\x01\0\0\xfd\xea"), nlri=NET)
NARROW = update(attributes=REST + attribute(2, b"\x02\x01\xfd\xea"), nlri=NET)
EITHER = update(attributes=REST + attribute(2, b""), nlri=NET)
AS4 = struct.pack("!BBI", 65, 4, 655_360)
DOWN = bgp(3, b"\x06\x02")


def session() -> BgpSession:
    return BgpSession("10.0.0.1", "10.0.0.2")


def read(*sent: tuple[int, bytes]) -> list[Event]:
    """What two speakers sent, in this order, with a second between."""
    both = session()
    events = [
        event
        for at, (sender, data) in enumerate(sent)
        for event in both.feed(sender, data, NOW + at * 1_000_000_000)
    ]
    return events + both.close(NOW + len(sent) * 1_000_000_000, "end")


def opened(first: bytes = AS4, second: bytes = AS4) -> list[tuple[int, bytes]]:
    return [(0, bgp_open(first)), (1, bgp_open(second, as_number=65001))]


def test_the_receiver_is_the_router_and_the_sender_its_peer() -> None:
    up, other, route, down, _ = read(*opened(), (0, WIDE))
    assert [event.kind for event in (up, other, route, down)] == [
        *("peer-up", "peer-up", "announce", "peer-down"),
    ]
    assert (up.router, up.router_address, up.peer) == ("10.0.0.2", "10.0.0.2", "10.0.0.1")
    assert (other.router, other.peer) == ("10.0.0.1", "10.0.0.2")
    assert (route.router, route.peer, route.peer_as) == ("10.0.0.2", "10.0.0.1", 655_360)
    assert (route.feed, route.view, route.prefix) == ("bgp", None, "192.0.2.0/24")
    assert route.peer_bgp_id == "10.0.0.1"
    assert route.epoch == up.epoch == NOW + 1_000_000_000
    assert (down.reason, down.epoch) == ("end", up.epoch)


def test_what_both_said_they_can_is_in_the_peer_up() -> None:
    v4, v6 = b"\x01\x04\0\x01\0\x01", b"\x01\x04\0\x02\0\x01"
    up, *_ = read(*opened(AS4 + v4 + v6, v4))
    assert up.information == {
        "hold_time": 90,
        "families": ["ipv4-unicast"],
        "capabilities": ["four-octet-as", "multiprotocol", "multiprotocol"],
        "sent_capabilities": ["multiprotocol"],
    }


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [(AS4, AS4, WIDE), (AS4, b"", NARROW), (b"", AS4, NARROW), (b"", b"", NARROW)],
)
def test_both_must_know_as_numbers_of_four_octets(
    first: bytes, second: bytes, message: bytes
) -> None:
    *_, route, _, _ = read(*opened(first, second), (0, message))
    assert route.as_path == "65002"


def test_without_opens_the_path_itself_says_how_wide_its_numbers_are() -> None:
    for message in (WIDE, NARROW):
        early, route, later = read((0, EITHER), (0, message), (1, message))
        assert (early.as_path, route.as_path, later.as_path) == ("", "65002", "65002")
        assert route.peer_as is None


def test_one_old_speaker_is_enough_to_know() -> None:
    *_, route = read((1, bgp_open()), (0, NARROW))
    assert route.as_path == "65002"


@pytest.mark.parametrize(
    ("first", "second", "path_id"), [(2, 1, 7), (3, 3, 7), (1, 2, None), (2, 2, None)]
)
def test_path_ids_are_in_what_one_sends_and_the_other_takes(
    first: int, second: int, path_id: int | None
) -> None:
    nlri = b"\0\0\0\x07" + NET if path_id else NET
    message = update(attributes=REST + attribute(2, b""), nlri=nlri)
    sent = opened(AS4 + add_path(1, 1, first), AS4 + add_path(1, 1, second))
    *_, route, _, _ = read(*sent, (0, message))
    assert (route.prefix, route.path_id, route.warnings) == ("192.0.2.0/24", path_id, ())


def test_a_notification_ends_the_session_for_both_once() -> None:
    events = read(*opened(), (1, DOWN))
    downs = [event for event in events if event.kind == "peer-down"]
    assert [event.peer for event in downs] == ["10.0.0.1", "10.0.0.2"]
    reason = "10.0.0.2 sent notification 6/2 cease, administrative shutdown"
    assert {event.reason for event in downs} == {reason}


def test_a_session_that_was_never_seen_to_begin_does_not_end_by_a_fin() -> None:
    assert [event.kind for event in read((0, WIDE))] == ["announce"]
    assert [event.kind for event in read((0, DOWN))] == ["peer-down", "peer-down"]


def test_the_same_addresses_and_ports_may_meet_again() -> None:
    kinds = [event.kind for event in read(*opened(), (0, DOWN), *opened(b"", b""), (0, NARROW))]
    ups, downs = ["peer-up"] * 2, ["peer-down"] * 2
    assert kinds == [*ups, *downs, *ups, "announce", *downs]
    kinds = [event.kind for event in read(*opened(), *opened(b"", b""), (0, NARROW))]
    assert kinds == [*ups, *downs, *ups, "announce", *downs]


def test_end_of_rib_and_withdrawals() -> None:
    withdrawn, end = read((0, update(withdrawn=NET)), (1, update(attributes=unreach(2, 1, b""))))
    assert (withdrawn.kind, withdrawn.prefix) == ("withdraw", "192.0.2.0/24")
    assert (end.kind, end.family, end.peer) == ("end-of-rib", "ipv6-unicast", "10.0.0.2")


def test_octets_that_are_no_message_are_told_and_passed_over() -> None:
    both = session()
    events = both.feed(0, b"half a message" + WIDE + bgp(2, b"\0\x09") + WIDE + WIDE[:30], NOW)
    events += both.close(NOW, "end")
    assert [event.kind for event in events] == [
        *("undecodable", "announce", "undecodable", "announce", "undecodable"),
    ]
    assert events[0].reason == "14 octets are no message"
    assert events[0].raw == b"half a message"
    assert events[4].reason == "the stream ended inside a message, 30 octets left"
    assert both.errors == {"skipped": 1, "malformed-update": 1, "truncated": 1}


@pytest.mark.parametrize("noise", [b"\xff", b"\xee", b"\xff" * 18 + b"\0"])
def test_noise_is_few_events_and_little_memory(noise: bytes) -> None:
    data = noise * (400_000 // len(noise)) + bytes(16) + WIDE
    whole, parts = session(), session()
    events = whole.feed(0, data, NOW)
    assert [event.kind for event in events] == ["undecodable"] * 4 + ["announce"]
    assert b"".join(event.raw or b"" for event in events) == data
    at = range(0, len(data), 1460)
    assert [e for i in at for e in parts.feed(0, data[i : i + 1460], NOW)] == events


def test_a_gap_in_the_capture_costs_only_what_it_cut() -> None:
    both = session()
    events = both.feed(0, WIDE + WIDE[:10], NOW) + both.gap(0, NOW, 100)
    events += both.feed(0, WIDE[40:] + WIDE, NOW)
    kinds = ["announce", "undecodable", "undecodable", "announce"]
    assert [event.kind for event in events] == kinds
    assert events[1].reason == "the capture lacks 100 octets"
    assert events[1].raw == WIDE[:10]


@pytest.mark.parametrize("size", [1, 5, 19, 64])
def test_any_chunking_gives_the_same_events(size: int) -> None:
    data = b"junk" + bgp_open(AS4) + bgp(4, b"") + WIDE + b"junk" * 9 + EITHER + DOWN + WIDE[:22]
    whole, parts = session(), session()
    expected = whole.feed(0, data, NOW) + whole.close(NOW, "end")
    found = [
        event
        for at in range(0, len(data), size)
        for event in parts.feed(0, data[at : at + size], NOW)
    ]
    found += parts.close(NOW, "end")
    assert found == expected
    assert len(expected) == 7
    assert (parts.messages, parts.errors) == (whole.messages, whole.errors)
