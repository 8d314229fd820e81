"""Text of others is shown, and does nothing."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from collector.event import Event
from collector.wire.session import BmpSession
from collector.wire.texts import read_text, shown
from tests.unit.wire.build import (
    BASIC,
    NOW,
    bgp,
    bmp,
    initiation,
    peer_header,
    peer_up,
    prefix,
    tlv,
    update,
)

EVIL = "\x1b[2J\r\nINFO all is well\x9b\u2028\u202etxt\x07".encode()
HARMLESS = r"\x1b[2J\r\nINFO all is well\x9b\u2028\u202etxt\x07"


def events(*messages: bytes) -> list[Event]:
    return BmpSession("10.0.0.254").feed(b"".join(messages), NOW)


def test_text_as_people_write_it_stays_as_it_is() -> None:
    text = "Wartung bis 4 Uhr: größer, 日本語, مرحبا, 🙂 \\x1b"
    assert read_text(text.encode()) == text
    assert read_text(b"a\xffb") == "a\ufffdb"


@given(st.text())
def test_nothing_is_left_that_a_terminal_or_a_log_obeys(text: str) -> None:
    found = shown(text)
    controls = {*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029}
    controls |= {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
    assert not controls & set(map(ord, found))
    assert len(found.splitlines()) <= 1
    if not controls & set(map(ord, text)):
        assert found == text


def test_a_shutdown_communication() -> None:
    message = bgp(3, b"\x06\x02" + bytes([len(EVIL)]) + EVIL)
    down = bmp(2, peer_header() + b"\x03" + message)
    event = events(initiation(), peer_up(), down)[2]
    assert event.kind == "peer-down"
    assert event.reason == f"remote notification 6/2 cease, administrative shutdown: {HARMLESS}"
    assert event.raw == down


def test_what_a_router_says_of_itself() -> None:
    up, down = events(
        bmp(4, tlv(2, EVIL) + tlv(1, EVIL) + tlv(0, EVIL)), bmp(5, tlv(1, b"\0\x02") + tlv(0, EVIL))
    )
    assert up.router == HARMLESS
    assert up.information == {"sys_name": HARMLESS, "sys_descr": HARMLESS, "text": HARMLESS}
    assert down.reason == f"terminated by the router: out of resources: {HARMLESS}"


def test_the_name_of_a_table() -> None:
    def indexed(kind: int, value: bytes) -> bytes:
        return struct.pack("!HHH", kind, len(value), 0) + value

    routes = update(attributes=BASIC, nlri=prefix("192.0.2.0/24"))
    tlvs = indexed(3, EVIL) + indexed(4, routes)
    assert events(bmp(0, peer_header() + tlvs, version=4))[-1].table == HARMLESS
    header = peer_header(kind=3)
    loc_rib = bmp(3, peer_up(header)[6:] + tlv(3, EVIL))
    assert events(initiation(), loc_rib, bmp(0, header + routes))[-1].table == HARMLESS
