"""The native decoder's own promises: what it declines, what it hands out, and what it takes."""

from __future__ import annotations

import gc
import struct
from pathlib import Path

import pytest

from collector import native
from collector.event import Event
from collector.inputs.wide import WideSession
from collector.native import Block
from tests.conftest import need_native
from tests.unit.wire.build import (
    BASIC,
    NOW,
    attribute,
    initiation,
    monitoring,
    peer_up,
    prefix,
    update,
)


@pytest.fixture(autouse=True)
def _native() -> None:
    need_native()


OPENING = initiation() + peer_up() + monitoring(update(attributes=BASIC, nlri=prefix("10.0.0.0/8")))
"""After these the native decoder knows the peer."""


class Blocks:
    def __init__(self) -> None:
        self.taken: list[Block] = []

    def __call__(self, block: Block) -> None:
        self.taken.append(block)

    @property
    def rows(self) -> int:
        return sum(block.rows for block in self.taken)


def feed(*messages: bytes, watched: tuple[str, ...] = ()) -> tuple[list[Event], Blocks]:
    """What comes of messages behind the opening."""
    blocks = Blocks()
    session = WideSession("192.0.2.1", blocks, watched=watched)
    session.feed(OPENING, NOW)
    events = session.feed(b"".join(messages), NOW + 1)
    session.flush()
    return events, blocks


def announced(*prefixes: str, attributes: bytes = BASIC) -> bytes:
    return monitoring(update(attributes=attributes, nlri=b"".join(map(prefix, prefixes))))


def test_plain_routes_are_rows_and_no_events() -> None:
    events, blocks = feed(announced("192.0.2.0/24", "198.51.100.0/24"), announced("10.1.0.0/16"))
    assert events == []
    assert blocks.rows == 3
    (block,) = blocks.taken
    assert {"received", "sequence", "address", "length", "as_path_text"} <= set(block.columns)
    assert b"65002" in bytes(block.view)


@pytest.mark.parametrize(
    ("route", "seen"),
    [
        ("192.0.2.50/32", True),
        ("192.0.2.0/24", True),  # covers it
        ("192.0.2.48/28", True),
        ("0.0.0.0/0", True),
        ("192.0.2.51/32", False),
        ("192.0.3.0/24", False),
        ("198.51.100.7/32", True),  # covered by the other one
        ("198.51.101.0/24", False),
    ],
)
def test_what_touches_a_watched_prefix_is_an_event(route: str, seen: bool) -> None:
    events, blocks = feed(announced(route), watched=("192.0.2.50/32", "198.51.100.0/24"))
    assert [event.prefix for event in events] == [route] * seen
    assert blocks.rows == (not seen)


def test_watched_ipv6_prefixes() -> None:
    hop = struct.pack("!HBB", 2, 1, 16) + bytes(16) + b"\0"
    routes = [
        monitoring(update(attributes=BASIC + attribute(14, hop + prefix(text), 0x80)))
        for text in ("2001:db8::/32", "2001:db9::/32", "::/0")
    ]
    events, blocks = feed(*routes, watched=("2001:db8:1::/48",))
    assert [event.prefix for event in events] == ["2001:db8::/32", "::/0"]
    assert blocks.rows == 1


def test_a_message_that_would_expand_to_a_gibibyte_makes_no_rows() -> None:
    heavy = BASIC + attribute(8, bytes(30_000), 0xC0)
    events, blocks = feed(monitoring(update(attributes=heavy, nlri=bytes(30_000))))
    assert [event.kind for event in events] == ["undecodable"]
    assert blocks.taken == []


def test_an_as4_path_that_is_broken_is_told_also_where_it_is_not_needed() -> None:
    """Found by mutation: a session of four octets ignores the AS4_PATH, but not that it is bad."""
    odd = attribute(17, b"\0\x01\0\0\xfd\xea", 0xC0)
    (event,), blocks = feed(announced("192.0.2.0/24", attributes=BASIC + odd))
    assert event.warnings == ("attribute-discarded: as4 path has a segment of type 0",)
    assert blocks.taken == []


def test_a_name_with_a_zero_in_it_stays_as_it_is() -> None:
    blocks = Blocks()
    session = WideSession("192.0.2.1", blocks, name="a\0b")
    session.feed(OPENING + announced("192.0.2.0/24"), NOW)
    session.flush()
    assert b"\x03a\0b" in bytes(blocks.taken[0].view)


def test_a_block_ends_at_so_many_rows_or_octets() -> None:
    message = announced(*(f"10.{n}.0.0/16" for n in range(100)))
    blocks = Blocks()
    session = WideSession("192.0.2.1", blocks, limits=(250, 1 << 20))
    session.feed(OPENING, NOW)
    session.feed(message * 20, NOW + 1)
    session.flush()
    assert [block.rows for block in blocks.taken] == [300] * 6 + [200]
    heavy = announced(*(f"10.{n}.0.0/16" for n in range(100)),
                      attributes=BASIC + attribute(8, bytes(range(200)) * 5, 0xC0))  # fmt: skip
    blocks = Blocks()
    session = WideSession("192.0.2.1", blocks, limits=(1_000_000, 1 << 20))
    session.feed(OPENING, NOW)
    session.feed(heavy * 50, NOW + 1)
    session.flush()
    assert len(blocks.taken) > 3


def test_a_block_lives_until_it_is_released_and_its_memory_is_used_again() -> None:
    blocks = Blocks()
    session = WideSession("192.0.2.1", blocks)
    session.feed(OPENING + announced("192.0.2.0/24"), NOW)
    session.flush()
    (first,) = blocks.taken
    kept = bytes(first.view)
    session.feed(announced("198.51.100.0/24"), NOW + 1)
    session.flush()
    assert bytes(first.view) == kept
    first.release()
    first.release()
    assert bytes(first.view) == b""
    del session
    gc.collect()
    assert len(blocks.taken[1].view) > 0  # a block outlives its session


def test_columns_that_nobody_fills_are_left_out() -> None:
    _, blocks = feed(announced("192.0.2.0/24"))
    assert {"labels", "rd", "path_id", "med", "cluster_list_text", "warnings"}.isdisjoint(
        blocks.taken[0].columns
    )
    _, blocks = feed(announced("192.0.2.0/24", attributes=BASIC + attribute(4, bytes(4), 0x80)))
    assert "med" in blocks.taken[0].columns


def test_what_python_learns_the_native_decoder_is_told() -> None:
    """A table is complete in the middle of a stream: what comes later is news."""
    blocks = Blocks()
    session = WideSession("192.0.2.1", blocks)
    session.feed(OPENING, NOW)
    session.feed(announced("192.0.2.0/24"), NOW + 1)
    events = session.feed(monitoring(update()), NOW + 2)
    assert [event.kind for event in events] == ["end-of-rib"]
    (event,) = session.feed(announced("198.51.100.0/24"), NOW + 3)  # told again by this one
    assert (event.provenance, event.sequence) == ("live", 6)
    assert session.feed(announced("203.0.113.0/24"), NOW + 4) == []
    session.flush()
    assert b"dump" in bytes(blocks.taken[0].view)
    assert blocks.rows == 2


def test_a_library_of_another_version_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "VERSION", native.VERSION + 1)
    native.library.cache_clear()
    try:
        assert native.decoder_name() == "python"
        with pytest.raises(native.NativeError):
            native.Core(max_rows=1, max_octets=1)
    finally:
        native.library.cache_clear()


def test_without_it_the_same_session_makes_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.WITHOUT, "python")
    native.library.cache_clear()
    try:
        events, blocks = feed(announced("192.0.2.0/24", "198.51.100.0/24"))
    finally:
        native.library.cache_clear()
    assert [event.prefix for event in events] == ["192.0.2.0/24", "198.51.100.0/24"]
    assert blocks.taken == []
