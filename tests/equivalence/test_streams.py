"""Both decoders on generated tables and on real captures, whole and in chunks of any size."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.generate import generate
from benchmarks.table import Shape
from collector.inputs.files import capture_streams
from tests.equivalence.pair import Pair, cut
from tests.unit.wire.build import BASIC, bmp, initiation, peer_header, peer_up, prefix, tlv, update

ROUTES = 1_000_000 if os.environ.get("CI") else 50_000
NOW = 1_800_000_000_000_000_000
MILLISECOND = 1_000_000
LAB = Path(__file__).parents[1] / "captures" / "lab"


@pytest.mark.timeout(900)
def test_a_table_of_a_million_routes(tmp_path: Path) -> None:
    stream = generate(Shape(routes=ROUTES, seed=7))
    pair = Pair()
    pair.run(cut(stream.bmp, 1 << 20, seed=7), NOW, step=MILLISECOND)
    assert pair.rows + pair.declined >= stream.rows
    assert pair.declined < stream.rows / 100
    pair.assert_equal_in_store(tmp_path)


@pytest.mark.parametrize("largest", [50, 3000, 100_000])
def test_chunks_of_any_size_with_vpn_and_watched_routes(largest: int, tmp_path: Path) -> None:
    stream = generate(Shape(routes=6000, seed=largest, vpn=True, flowspec=0.02))
    pair = Pair()
    chunks = cut(stream.bmp, largest, seed=largest)
    pair.run(chunks, NOW, step=MILLISECOND, watched=("192.0.0.0/8", "2001:db8::/32"))
    assert pair.rows > stream.rows / 2
    pair.assert_equal_in_store(tmp_path)


def test_tables_that_complete_and_midnight_between_chunks(tmp_path: Path) -> None:
    """Chunks a second apart pass the moments at which tables count as complete, and a day's end."""
    stream = generate(Shape(routes=20_000, seed=3))
    pair = Pair()
    midnight = NOW // 86_400_000_000_000 * 86_400_000_000_000 + 86_400_000_000_000
    chunks = cut(stream.bmp, 150_000, seed=3)
    pair.run(chunks, midnight - 5_000_000_000, step=1_300_000_000)
    provenances = {event.provenance for event in pair.events}
    assert provenances == {"dump", "live"}
    assert len({event.received // 86_400_000_000_000 for event in pair.events}) == 2
    pair.assert_equal_in_store(tmp_path)


def test_captures_of_our_own_lab(tmp_path: Path) -> None:
    assert compare(sorted(LAB.glob("*.pcap.gz")), tmp_path) > 10


def test_captures_of_others(shared_data: Path, tmp_path: Path) -> None:
    found = sorted([*shared_data.rglob("*.pcap"), *shared_data.rglob("*.pcapng")])
    assert compare(found, tmp_path) > 5000


def test_streams_of_real_daemons(shared_data: Path, tmp_path: Path) -> None:
    pair = Pair()
    for number, path in enumerate(sorted(shared_data.rglob("*.bmp"))):
        start = NOW + number * 3600 * 1000 * MILLISECOND
        pair.run(cut(path.read_bytes(), 4000, seed=number), start, step=MILLISECOND)
    assert pair.rows > 200
    pair.assert_equal_in_store(tmp_path)


def test_names_that_would_command_a_terminal(tmp_path: Path) -> None:
    evil = "blue\x1b[2J\n\x9b\u202e"
    header = peer_header(kind=3)
    up = bmp(3, peer_up(header)[6:] + tlv(3, evil.encode()))
    routes = update(attributes=BASIC, nlri=b"".join(prefix(f"10.{n}.0.0/16") for n in range(200)))
    pair = Pair()
    pair.run([initiation(evil), up, *[bmp(0, header + routes)] * 3], NOW, step=MILLISECOND)
    assert pair.rows == 400, "Python sees the first message of a peer"
    assert {event.table for event in pair.events} == {r"blue\x1b[2J\n\x9b\u202e"}
    assert {event.router for event in pair.events} == {r"blue\x1b[2J\n\x9b\u202e"}
    pair.assert_equal_in_store(tmp_path)


def compare(paths: list[Path], tmp_path: Path) -> int:
    """The rows that the native decoder made of all BMP connections of these captures."""
    pair = Pair()
    number = 0
    for path in paths:
        for stream in capture_streams(path):
            number += 1
            chunks = [octets for _, octets in stream.chunks]
            pair.run(chunks, NOW + number * 3600 * 1000 * MILLISECOND, step=MILLISECOND)
    pair.assert_equal_in_store(tmp_path)
    print(f"\n{number} connections: {pair.rows} rows, {pair.declined} events left to the reference")
    return pair.rows
