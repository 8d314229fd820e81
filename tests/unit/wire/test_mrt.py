from __future__ import annotations

import struct
from ipaddress import ip_address
from typing import Any

import pytest

from collector.event import Event, Kind
from collector.wire.mrt import MrtReader, looks_like_mrt
from tests.unit.wire.build import BASIC, attribute, bgp, bgp_open, prefix, update

TIME = 1_700_000_000
SECOND = 1_000_000_000
AS2_PATH = attribute(1, b"\0") + attribute(2, b"\x02\x01\xfd\xea") + attribute(3, b"\x0a\0\0\x01")
ROUTE = update(attributes=BASIC, nlri=prefix("192.0.2.0/24"))
PATH_ID = b"\0\0\0\x07"


def record(kind: int, subtype: int, body: bytes, time: int = TIME, length: int = 0) -> bytes:
    """`length` is what the header says too much or too little."""
    return struct.pack("!IHHI", time, kind, subtype, len(body) + length) + body


def head(peer: str = "10.0.0.1", local: str = "10.0.0.254", *, as4: bool = True) -> bytes:
    address = ip_address(peer)
    numbers = struct.pack("!II" if as4 else "!HH", 65002, 65001)
    afi = struct.pack("!HH", 0, 1 if address.version == 4 else 2)
    return numbers + afi + address.packed + ip_address(local).packed


def bgp4mp(message: bytes, subtype: int = 4, time: int = TIME, **options: Any) -> bytes:
    as4 = subtype in (4, 5, 7, 9, 11)
    return record(16, subtype, head(as4=as4, **options) + message, time)


def states(old: int, new: int, time: int = TIME) -> bytes:
    return bgp4mp(struct.pack("!HH", old, new), subtype=5, time=time)


def peer_index(view: str = "") -> bytes:
    body = ip_address("10.9.9.9").packed + struct.pack("!H", len(view)) + view.encode()
    peers = struct.pack("!B4s4sI", 2, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 1]), 65002)
    peers += struct.pack(
        "!B4s16sH", 1, bytes([10, 0, 0, 2]), ip_address("2001:db8::2").packed, 65003
    )
    return record(13, 1, body + struct.pack("!H", 2) + peers)


def entry(
    attributes: bytes, peer: int = 0, originated: int = TIME - 60, more: bytes = b""
) -> bytes:
    return (
        struct.pack("!HI", peer, originated)
        + more
        + struct.pack("!H", len(attributes))
        + attributes
    )


def rib(subtype: int, destination: bytes, *entries: bytes) -> bytes:
    body = struct.pack("!I", 1) + destination + struct.pack("!H", len(entries))
    return record(13, subtype, body + b"".join(entries))


def read(data: bytes) -> list[Event]:
    reader = MrtReader()
    return reader.feed(data) + reader.close()


def counted(data: bytes) -> MrtReader:
    reader = MrtReader()
    reader.feed(data)
    reader.close()
    return reader


def test_an_update_is_what_its_peer_said() -> None:
    (event,) = read(bgp4mp(ROUTE))
    assert (event.feed, event.kind, event.provenance) == ("mrt", "announce", "live")
    assert event.received == event.time == TIME * SECOND
    assert (event.peer, event.peer_as) == ("10.0.0.1", 65002)
    assert event.router == event.router_address == "10.0.0.254"
    assert (event.prefix, event.as_path, event.next_hop) == ("192.0.2.0/24", "65002", "10.0.0.1")
    assert event.raw == bgp4mp(ROUTE)
    assert event.view is None


@pytest.mark.parametrize("subtype", [1, 6])
def test_subtypes_with_as_numbers_of_two_octets(subtype: int) -> None:
    message = update(attributes=AS2_PATH, nlri=prefix("192.0.2.0/24"))
    (event,) = read(bgp4mp(message, subtype=subtype))
    assert (event.peer_as, event.as_path) == (65002, "65002")


@pytest.mark.parametrize("subtype", [8, 9, 10, 11])
def test_subtypes_with_path_ids(subtype: int) -> None:
    attributes = BASIC if subtype in (9, 11) else AS2_PATH
    message = update(attributes=attributes, nlri=PATH_ID + prefix("192.0.2.0/24"))
    (event,) = read(bgp4mp(message, subtype=subtype))
    assert (event.prefix, event.path_id, event.as_path) == ("192.0.2.0/24", 7, "65002")
    assert event.warnings == ()


@pytest.mark.parametrize("subtype", [6, 7, 10, 11])
def test_what_the_router_itself_sent_is_adj_rib_out(subtype: int) -> None:
    as4 = subtype in (7, 11)
    (event,) = read(bgp4mp(update(withdrawn=prefix("192.0.2.0/24")), subtype=subtype))
    assert event.view == "adj-out-post"
    assert event.peer_as == 65002, as4


def test_extended_timestamps_count_microseconds() -> None:
    body = struct.pack("!I", 123_456) + head("2001:db8::1", "2001:db8::2") + ROUTE
    (event,) = read(record(17, 4, body))
    assert event.received == event.time == TIME * SECOND + 123_456_000
    assert event.peer == "2001:db8::1"


def test_only_changes_from_and_to_established_are_events() -> None:
    changes = [(1, 3), (3, 7), (8, 3), (5, 6), (6, 1), (1, 1)]
    data = b"".join(states(*change, time=TIME + at) for at, change in enumerate(changes))
    up, down = read(data)
    assert (up.kind, up.epoch, up.time) == ("peer-up", (TIME + 3) * SECOND, (TIME + 3) * SECOND)
    assert (down.kind, down.reason, down.epoch) == ("peer-down", "state 6 to 1", up.epoch)
    assert counted(data).messages == {"bgp4mp-state-change-as4": 6}


def test_routes_belong_to_the_session_that_came_up() -> None:
    data = bgp4mp(ROUTE) + states(5, 6, TIME + 1) + bgp4mp(ROUTE, time=TIME + 2)
    early, up, late = read(data)
    assert (early.epoch, late.epoch) == (None, up.epoch)


def test_a_notification_is_why_the_session_went_down() -> None:
    data = states(5, 6) + bgp4mp(bgp(3, b"\x06\x02")) + states(6, 1) + states(5, 6) + states(6, 3)
    reasons = [event.reason for event in read(data) if event.kind == Kind.PEER_DOWN]
    notification = "notification 6/2 cease, administrative shutdown"
    assert reasons == [f"state 6 to 1, {notification}", "state 6 to 3"]


def test_other_messages_are_counted() -> None:
    messages = (bgp_open(), bgp(4, b""), bgp(3, b"\x06\x02"), bgp(5, b"\0\x01\0\x01"), bgp(9, b""))
    reader = counted(b"".join(map(bgp4mp, messages)))
    assert reader.messages == {
        "bgp4mp-message-as4": 5,
        **dict.fromkeys(("open", "keepalive", "notification", "route-refresh", "bgp-type-9"), 1),
    }
    assert not reader.errors


def test_a_table_names_peers_and_prefixes_once() -> None:
    mp_reach = attribute(14, b"\x10" + ip_address("2001:db8::9").packed, 0x80)
    rest = attribute(1, b"\0") + attribute(2, b"\x02\x01\0\0\xfd\xeb")
    data = peer_index("left")
    data += rib(2, prefix("192.0.2.0/24"), entry(BASIC), entry(BASIC, 1))
    data += rib(4, prefix("2001:db8::/32"), entry(rest + mp_reach, 1))
    first, second, third = read(data)
    assert (first.kind, first.provenance, first.prefix) == ("announce", "dump", "192.0.2.0/24")
    assert (first.received, first.time) == (TIME * SECOND, (TIME - 60) * SECOND)
    assert (first.router, first.router_address) == ("left", "10.9.9.9")
    assert (first.peer, first.peer_as, first.peer_bgp_id) == ("10.0.0.1", 65002, "10.0.0.1")
    assert (second.peer, second.peer_as, second.peer_bgp_id) == ("2001:db8::2", 65003, "10.0.0.2")
    assert (third.family, third.prefix) == ("ipv6-unicast", "2001:db8::/32")
    assert (third.next_hop, third.as_path) == ("2001:db8::9", "65003")
    assert [event.sequence for event in (first, second, third)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"\0\x02\x01", b"\0" + prefix("2001:db8::/32")), (b"", b"\0"), (b"\0\x02\x01", b"\0")],
)
def test_a_table_whose_writer_put_more_of_mp_reach(before: bytes, after: bytes) -> None:
    value = before + b"\x10" + ip_address("2001:db8::9").packed + after
    (event,) = read(peer_index() + rib(4, prefix("2001:db8::/32"), entry(attribute(14, value))))
    assert (event.prefix, event.next_hop) == ("2001:db8::/32", "2001:db8::9")


def test_a_next_hop_with_its_link_local_one() -> None:
    value = b"\x20" + ip_address("2001:db8::9").packed + ip_address("fe80::1").packed
    (event,) = read(peer_index() + rib(4, prefix("2001:db8::/32"), entry(attribute(14, value))))
    assert event.next_hop == "2001:db8::9"


@pytest.mark.parametrize(
    ("subtype", "family", "text"),
    [
        (3, "1/2", "192.0.2.0/24"),
        (5, "2/2", "2001:db8::/32"),
        (8, "ipv4-unicast", "192.0.2.0/24"),
        (9, "1/2", "192.0.2.0/24"),
        (10, "ipv6-unicast", "2001:db8::/32"),
        (11, "2/2", "2001:db8::/32"),
    ],
)
def test_tables_of_other_families_and_with_path_ids(subtype: int, family: str, text: str) -> None:
    more = PATH_ID if subtype >= 8 else b""
    (event,) = read(peer_index() + rib(subtype, prefix(text), entry(BASIC, more=more)))
    assert (event.family, event.prefix) == (family, text)
    assert event.path_id == (7 if subtype >= 8 else None)


@pytest.mark.parametrize("subtype", [6, 12])
def test_a_generic_table_holds_any_family(subtype: int) -> None:
    more = PATH_ID if subtype == 12 else b""
    vpn = b"\x70\0\x01\x01" + b"\0\0\xfd\xe9\0\0\0\x05" + b"\xc0\0\x02"
    rule = b"\x06\x01\x20\xc0\0\x02\x32"
    hop = attribute(14, b"\x0c" + bytes(8) + b"\x0a\0\0\x01", 0x80)
    data = peer_index() + rib(subtype, b"\0\x01\x80" + vpn, entry(BASIC + hop, more=more))
    data += rib(subtype, b"\0\x01\x85" + rule, entry(BASIC, 1, more=more))
    route, flow = read(data)
    assert (route.family, route.prefix, route.rd) == (
        "l3vpn-ipv4-unicast",
        "192.0.2.0/24",
        "65001:5",
    )
    assert (route.next_hop, route.labels) == ("10.0.0.1", (16,))
    assert (flow.rule, flow.actions) == ("destination 192.0.2.50/32", ({"action": "accept"},))
    assert (flow.peer, flow.provenance) == ("2001:db8::2", "dump")
    assert route.path_id == flow.path_id == (7 if subtype == 12 else None)


def test_a_generic_table_with_the_path_id_where_the_rfc_puts_it() -> None:
    rule = PATH_ID + b"\x06\x01\x20\xc0\0\x02\x32"
    data = peer_index() + rib(12, b"\0\x01\x85" + rule, entry(BASIC), entry(BASIC, 1))
    first, second = read(data)
    assert first.rule == second.rule == "destination 192.0.2.50/32"
    assert first.path_id == second.path_id == 7


def test_an_entry_that_cannot_be_read_takes_no_other_along() -> None:
    data = peer_index() + rib(2, prefix("192.0.2.0/24"), entry(b"\x40\x01\x09"), entry(BASIC, 1))
    bad, good = read(data)
    assert (bad.kind, bad.peer, bad.prefix) == ("undecodable", "10.0.0.1", "192.0.2.0/24")
    assert bad.reason is not None
    assert bad.reason.startswith("attributes: attribute at octet")
    assert (good.kind, good.peer) == ("announce", "2001:db8::2")


@pytest.mark.parametrize(
    ("subtype", "peer", "number"),
    [(1, "10.0.0.1", 65002), (2, "2001:db8::2", 65002), (3, "10.0.0.1", 655_360)],
)
def test_the_older_table_format(subtype: int, peer: str, number: int) -> None:
    address = ip_address(peer)
    text = "192.0.2.128/25" if address.version == 4 else "2001:db8::/33"
    octets = ip_address(text.partition("/")[0]).packed
    attributes = BASIC if subtype == 3 else AS2_PATH
    body = struct.pack("!HH", 0, 1) + octets + struct.pack("!BBI", int(text[-2:]), 1, TIME - 60)
    body += address.packed + struct.pack("!I" if subtype == 3 else "!H", number)
    body += struct.pack("!H", len(attributes)) + attributes
    (event,) = read(record(12, subtype, body))
    assert (event.kind, event.provenance, event.prefix) == ("announce", "dump", text)
    assert (event.peer, event.peer_as, event.as_path) == (peer, number, "65002")
    assert event.time == (TIME - 60) * SECOND


def test_the_oldest_records() -> None:
    who = struct.pack("!H", 65002) + ip_address("10.0.0.1").packed
    local = struct.pack("!H", 65001) + ip_address("10.0.0.254").packed
    data = record(5, 3, who + struct.pack("!HH", 5, 6))
    data += record(
        5, 1, who + local + update(attributes=AS2_PATH, nlri=prefix("192.0.2.0/24"))[19:]
    )
    data += record(5, 7, who + local) + record(5, 3, who + struct.pack("!HH", 6, 1))
    up, route, down = read(data)
    assert (up.kind, up.peer, down.kind, down.reason) == (
        *("peer-up", "10.0.0.1", "peer-down", "state 6 to 1"),
    )
    assert (route.prefix, route.as_path, route.router) == ("192.0.2.0/24", "65002", "10.0.0.254")
    assert route.epoch == up.time
    assert counted(data).messages["keepalive"] == 1


def test_records_without_addresses_as_collectors_of_2000_wrote_them() -> None:
    data = record(16, 0, bytes(4) + struct.pack("!HH", 4, 1)) + record(16, 1, bytes(4) + bgp_open())
    reader = counted(data)
    assert reader.messages == {"bgp4mp-state-change": 1, "bgp4mp-message": 1, "open": 1}
    assert not reader.errors


@pytest.mark.parametrize(
    ("kind", "subtype", "name"),
    [
        *((16, 2, "bgp4mp-entry"), (16, 3, "bgp4mp-snapshot"), (5, 2, "bgp-pref-update")),
        *((13, 7, "table-dump-v2-geo-peer-table"), (11, 0, "type-11"), (32, 0, "type-32")),
    ],
)
def test_what_has_no_reader_is_counted(kind: int, subtype: int, name: str) -> None:
    reader = MrtReader()
    data = bgp4mp(ROUTE) + record(kind, subtype, b"abc") * 2 + bgp4mp(ROUTE)
    assert len(reader.feed(data) + reader.close()) == 2
    assert reader.messages[name] == 2
    assert reader.errors == {f"not-decoded-{name}": 2}
    assert reader.damage is None


@pytest.mark.parametrize("short", [-1, -4, -20])
@pytest.mark.parametrize("damaged_records", [1, 3])
def test_a_record_that_says_too_few_octets_costs_nothing(short: int, damaged_records: int) -> None:
    damaged = record(16, 4, head() + ROUTE, length=short)
    data = bgp4mp(ROUTE) * 3 + damaged * damaged_records + bgp4mp(ROUTE) * 5
    reader = MrtReader()
    events = reader.feed(data) + reader.close()
    assert [event.kind for event in events] == ["announce"] * (8 + damaged_records)
    assert {event.prefix for event in events} == {"192.0.2.0/24"}
    assert reader.errors == {"record-length": damaged_records}
    at = 3 * len(damaged)
    assert reader.damage == f"the MRT record at octet {at} says {-short} octets fewer than it has"


def test_octets_between_records_are_told_and_passed_over() -> None:
    reader = MrtReader()
    events = reader.feed(bgp4mp(ROUTE) + b"noise" + bgp4mp(ROUTE)) + reader.close()
    assert [event.kind for event in events] == ["announce", "undecodable", "announce"]
    at = len(bgp4mp(ROUTE))
    assert events[1].reason == reader.damage == f"octets {at} to {at + 4} are no MRT record"
    assert events[1].raw == b"noise"
    assert reader.errors == {"skipped": 1}


@pytest.mark.parametrize("more", [1, 4, 12, 60, 200])
def test_a_record_that_says_too_many_octets_costs_nothing(more: int) -> None:
    damaged = record(16, 4, head() + ROUTE, length=more)
    reader = MrtReader()
    events = reader.feed(bgp4mp(ROUTE) * 3 + damaged + bgp4mp(ROUTE) * 5) + reader.close()
    assert [event.kind for event in events] == ["announce"] * 9
    assert reader.errors == {"record-length": 1}
    at = 3 * len(damaged)
    assert reader.damage == f"the MRT record at octet {at} says {more} octets more than it has"


def test_a_record_that_says_more_octets_than_the_file_has_hides_nothing() -> None:
    damaged = record(16, 4, head() + ROUTE, length=100_000)
    events = read(bgp4mp(ROUTE) + damaged + bgp4mp(ROUTE) * 2)
    assert [event.kind for event in events] == ["announce"] * 4
    assert events[1].raw == damaged


def test_a_record_of_nonsense_is_one_undecodable_event() -> None:
    data = bgp4mp(ROUTE) + record(16, 4, b"nonsense") + bgp4mp(ROUTE)
    _, bad, _ = read(data)
    assert bad.kind == "undecodable"
    assert bad.raw == record(16, 4, b"nonsense")
    assert bad.reason is not None
    assert bad.reason.startswith("bgp4mp-message-as4: ")
    assert counted(data).errors == {"malformed-bgp4mp-message-as4": 1}
    assert counted(data).damage is None


def test_an_update_that_cannot_be_read_names_its_peer() -> None:
    (bad,) = read(bgp4mp(bgp(2, b"\0\x09")))
    assert (bad.kind, bad.peer, bad.router) == ("undecodable", "10.0.0.1", "10.0.0.254")
    assert bad.reason is not None
    assert bad.reason.startswith("update: withdrawn routes at octet")


def test_a_peer_that_the_index_does_not_have_is_no_guess() -> None:
    """GoBGP numbers its own routes so."""
    (route,) = read(peer_index() + rib(2, prefix("192.0.2.0/24"), entry(BASIC, 2)))
    assert (route.kind, route.prefix, route.as_path) == ("announce", "192.0.2.0/24", "65002")
    assert (route.peer, route.peer_as) == (None, None)
    assert route.warnings == ("peer-index: 2 of 2 peers",)


def test_a_file_that_is_nothing_but_noise_is_given_up() -> None:
    reader = MrtReader()
    events = reader.feed(bgp4mp(ROUTE) + b"\xee" * (1 << 21))
    assert reader.broken
    assert [event.kind for event in events] == ["announce", "undecodable"]
    assert reader.feed(bgp4mp(ROUTE)) + reader.close() == []


@pytest.mark.parametrize("size", [1, 7, 13, 100])
def test_any_chunking_gives_the_same_events(size: int) -> None:
    data = peer_index() + rib(2, prefix("192.0.2.0/24"), entry(BASIC), entry(BASIC, 1))
    data += states(5, 6) + bgp4mp(ROUTE) + record(16, 4, b"bad") + b"\0\0\xff" * 9
    data += bgp4mp(ROUTE) + record(16, 4, head() + ROUTE, length=4) + bgp4mp(ROUTE) * 2
    data += bgp4mp(ROUTE)[:-3]
    whole, parts = MrtReader(), MrtReader()
    expected = whole.feed(data) + whole.close()
    found = [
        event for at in range(0, len(data), size) for event in parts.feed(data[at : at + size])
    ] + parts.close()
    assert found == expected
    assert (parts.messages, parts.errors) == (whole.messages, whole.errors)
    assert parts.damage == whole.damage
    assert len(expected) == 10


def test_content_tells_mrt() -> None:
    assert looks_like_mrt(bgp4mp(ROUTE))
    assert looks_like_mrt(peer_index())
    for other in (b"", b"hello world, this is text", bytes(64), bgp4mp(ROUTE)[:11]):
        assert not looks_like_mrt(other)
