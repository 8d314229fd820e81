"""Both decoders on MRT files: generated, of collectors, and damaged."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from pathlib import Path

from benchmarks.generate import generate
from benchmarks.table import Shape
from collector.event import Event
from collector.inputs.recording import FileError, opened
from collector.inputs.wide_mrt import WideMrt
from collector.wire.mrt import MrtReader, looks_like_mrt
from tests.equivalence.pair import Pair, cut


def run(pair: Pair, chunks: Iterable[bytes]) -> None:
    """One file."""
    reference, native_reader = MrtReader(), WideMrt(pair.take, limits=(1000, 1 << 20))
    expected: list[Event] = []
    seen: list[Event] = []
    for chunk in chunks:
        expected += reference.feed(chunk)
        seen += native_reader.feed(chunk)
    expected += reference.close()
    seen += native_reader.close()
    pair.add(expected, seen)
    assert native_reader.errors == reference.errors
    assert native_reader.damage == reference.damage
    assert sum(native_reader.messages.values()) == sum(reference.messages.values())


def test_generated_updates(tmp_path: Path) -> None:
    stream = generate(Shape(routes=20_000, seed=4, vpn=True))
    pair = Pair()
    run(pair, cut(stream.mrt, 70_000, seed=4))
    assert pair.rows > stream.rows * 0.99
    pair.assert_equal_in_store(tmp_path)


def test_damaged_and_mutated_files(tmp_path: Path) -> None:
    stream = generate(Shape(routes=2_000, seed=5))
    chance = random.Random(5)
    for number in range(150):
        data = bytearray(stream.mrt[: chance.randint(1, 60_000)])
        for _ in range(chance.randint(1, 20)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        separate(cut(bytes(data), 9_000, seed=number), number, tmp_path)


def separate(chunks: list[bytes], number: int, tmp_path: Path) -> None:
    """Files of one generated stream share times and places, so each is compared by itself."""
    alone = Pair()
    run(alone, chunks)
    if number % 30 == 0:
        folder = tmp_path / str(number)
        folder.mkdir()
        alone.assert_equal_in_store(folder)
    else:
        assert alone.rows == len(alone.events)


def test_files_of_collectors(shared_data: Path, tmp_path: Path) -> None:
    rows = 0
    for number, path in enumerate(sorted(shared_data.rglob("*"))):
        chunks = first_octets(path)
        if chunks is None:
            continue
        pair = Pair()
        run(pair, chunks)
        folder = tmp_path / str(number)
        folder.mkdir()
        if pair.rows:
            pair.assert_equal_in_store(folder)
        rows += pair.rows
    print(f"\n{rows} rows of MRT files")
    assert rows > 20_000


def first_octets(
    path: Path, most: int = (3 << 20) if os.environ.get("CI") else 200_000
) -> list[bytes] | None:
    """What an MRT file begins with, in chunks; None where it is none."""
    if not path.is_file():
        return None
    try:
        with opened(path) as file:
            head = file.read(16)
            if not looks_like_mrt(head):
                return None
            return cut(head + file.read(most), 200_000, seed=1)
    except (FileError, OSError):
        return None
