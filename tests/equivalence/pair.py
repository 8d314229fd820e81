"""Both decoders on the same octets, and whether the store holds the same rows after either."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from collector.event import Event
from collector.inputs.wide import WideSession
from collector.native import Block
from collector.quirks import QUIRKS
from collector.quirks.base import ROUTES
from collector.store.rows import event_table, table_of
from collector.wire.session import BmpSession

ROOT = Path(__file__).parents[2]


@dataclass
class Pair:
    """What both decoders made of some sessions."""

    events: list[Event] = field(default_factory=list)
    """The reference's, of those routes that the native decoder took on itself."""
    blocks: dict[tuple[str, ...], list[bytes]] = field(default_factory=lambda: defaultdict(list))
    rows: int = 0
    declined: int = 0
    """Events that the native decoder left to Python."""
    messages: Counter[str] = field(default_factory=Counter)

    def take(self, block: Block) -> None:
        self.blocks[block.columns].append(bytes(block.view))
        self.rows += block.rows
        block.release()

    def run(
        self, chunks: list[bytes], now: int, *, watched: tuple[str, ...] = (), step: int = 0
    ) -> None:
        """One session: `now` (ns) is when the first chunk came, `step` later the next."""
        reference = BmpSession("192.0.2.1")
        native = WideSession("192.0.2.1", self.take, watched=watched, limits=(1000, 1 << 20))
        expected: list[Event] = []
        seen: list[Event] = []
        for number, chunk in enumerate(chunks):
            at = now + number * step
            expected += reference.feed(chunk, at)
            seen += native.feed(chunk, at)
        end = now + len(chunks) * step
        expected += reference.close(end, "end")
        seen += native.close(end, "end")
        self.add(expected, seen)
        assert native.broken == reference.broken
        assert native.messages == reference.messages
        assert native.errors == reference.errors
        assert native.router == reference.router
        assert native.sender.profile == reference.sender.profile
        assert exact(native.sender.quirks) == exact(reference.sender.quirks)
        self.messages += native.messages

    def add(self, expected: list[Event], seen: list[Event]) -> None:
        """Take note of one history: what both decoded to events is the same, the rest is rows."""
        by_sequence = {event.sequence: event for event in expected}
        for event in seen:
            known = by_sequence.pop(event.sequence)
            assert known == event, f"{event}, the reference has {known}"
        assert [e for e in by_sequence.values() if table_of(e) != "routes"] == []
        self.events += by_sequence.values()
        self.declined += len(seen)

    def assert_equal_in_store(self, tmp_path: Path) -> None:
        """Put the rows of each into a table of its own, and let the engine compare."""
        assert self.rows == len(self.events)
        for number, (columns, blocks) in enumerate(self.blocks.items()):
            (tmp_path / f"{number}.native").write_bytes(b"".join(blocks))
            (tmp_path / f"{number}.columns").write_text("\n".join(columns))
        with pa.OSFile(str(tmp_path / "expected.arrow"), "wb") as file:
            rows = event_table("routes", self.events)
            with pa.ipc.new_file(file, rows.schema) as writer:
                writer.write_table(rows)
        done = subprocess.run(
            [sys.executable, "-m", "tests.equivalence.compare", str(tmp_path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == "equal\n", done.stdout


def exact(quirks: Counter[str]) -> Counter[str]:
    """Without those that plain routes show: the native decoder looks for none of them."""
    left_out = {"zero-time", "age-as-time"}
    left_out |= {quirk.name for quirk in QUIRKS if ROUTES in quirk.at and not quirk.quoted}
    return Counter({name: count for name, count in quirks.items() if name not in left_out})


def cut(data: bytes, largest: int, seed: int) -> list[bytes]:
    """The data in chunks of random sizes."""
    chance = random.Random(seed)
    chunks: list[bytes] = []
    start = 0
    while start < len(data):
        size = chance.randint(1, largest)
        chunks.append(data[start : start + size])
        start += size
    return chunks


def messages_of(data: bytes) -> Iterator[bytes]:
    """Whole BMP messages of a stream."""
    start = 0
    while start + 6 <= len(data):
        length = int.from_bytes(data[start + 1 : start + 5])
        yield data[start : start + length]
        start += length
