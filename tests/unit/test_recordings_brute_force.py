"""Recordings of any content: decoding them ends in events and at most one sentence."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from collector.event import Event, Kind
from collector.inputs.files import FileError, read_events
from collector.wire.bgp_session import BgpSession
from collector.wire.mrt import MrtReader
from tests.unit.wire.build import BASIC, bgp_open, prefix, update
from tests.unit.wire.test_mrt import bgp4mp, entry, peer_index, rib, states

ROUTE = update(attributes=BASIC, nlri=prefix("192.0.2.0/24"))
TABLE = peer_index() + rib(2, prefix("192.0.2.0/24"), entry(BASIC), entry(BASIC, 1)) * 3
UPDATES = states(5, 6) + bgp4mp(ROUTE) * 5 + states(6, 1)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Some octets changed, left out, or put in."""
    out = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(out))
        kind = chance.randrange(3)
        if kind == 0:
            out[at] = chance.randrange(256)
        elif kind == 1:
            del out[at : at + chance.randrange(1, 9)]
        else:
            out[at:at] = chance.randbytes(chance.randrange(1, 9))
    return bytes(out)


@pytest.mark.parametrize("seed", range(300))
def test_damaged_mrt_gives_the_same_events_in_any_chunks(seed: int) -> None:
    chance = random.Random(seed)
    data = damaged(TABLE + UPDATES, chance)
    whole, parts = MrtReader(), MrtReader()
    expected = whole.feed(data) + whole.close()
    found: list[Event] = []
    at = 0
    while at < len(data):
        step = chance.randrange(1, 90)
        found += parts.feed(data[at : at + step])
        at += step
    found += parts.close()
    assert found == expected
    assert (parts.messages, parts.errors, parts.damage) == (
        *(whole.messages, whole.errors, whole.damage),
    )
    assert [event.sequence for event in found] == list(range(1, len(found) + 1))


@pytest.mark.parametrize("seed", range(100))
def test_damage_to_one_record_leaves_those_far_from_it_alone(seed: int) -> None:
    chance = random.Random(seed)
    data = bgp4mp(ROUTE) * 3 + damaged(bgp4mp(ROUTE), chance) + bgp4mp(ROUTE) * 3
    reader = MrtReader()
    events = reader.feed(data) + reader.close()
    good = [event for event in events if event.prefix == "192.0.2.0/24" and event.peer]
    assert len(good) >= 5  # its own, and at most the one that it ran into
    assert [event.kind for event in events[:3]] == ["announce"] * 3


@pytest.mark.parametrize("seed", range(100))
def test_a_damaged_bgp_session_gives_the_same_events_in_any_chunks(seed: int) -> None:
    chance = random.Random(seed)
    data = damaged(bgp_open(b"\x41\x04\0\0\xfd\xea") + ROUTE * 5, chance)
    whole, parts = BgpSession("a", "b"), BgpSession("a", "b")
    expected = whole.feed(0, data, 1) + whole.close(1, "end")
    found: list[Event] = []
    for at in range(0, len(data), 7):
        found += parts.feed(0, data[at : at + 7], 1)
    found += parts.close(1, "end")
    assert found == expected


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_file_is_at_most_one_sentence(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    path = tmp_path / "recording"
    path.write_bytes(damaged(chance.choice([TABLE, UPDATES, ROUTE * 4]), chance))
    events: list[Event] = []
    try:
        for event in read_events(path):
            events.append(event)  # noqa: PERF402 - what came before a failure counts
    except FileError as error:
        assert "\n" not in str(error)  # noqa: PT017 - not every damage is one of the file
        assert str(error).startswith(f"{path}: ")  # noqa: PT017
    else:
        assert events
    assert all(event.reason for event in events if event.kind == Kind.UNDECODABLE)
