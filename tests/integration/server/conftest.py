"""Real ClickHouse servers, what is stored there, and patience."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.generate import generate
from benchmarks.table import Shape
from collector.inputs.files import read_events
from collector.inputs.wide import WideSession
from collector.native import Block
from collector.store.backend import StoreError
from collector.store.rows import event_table, table_of
from collector.store.server import ServerStore
from tests.conftest import ROOT, need_native
from tests.integration.clickhouse import Server, old_blocks, running

STORY = ROOT / "anchorwatch" / "demo" / "story.pcap.gz"
NOW = 1_790_000_000_000_000_000
COLUMNS = "received, sequence, hex(address), length, peer, as_path_text, communities_text, med"


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that no test harms."""
    with running(tmp_path_factory.mktemp("shared") / "server") as server:
        yield server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own."""
    with running(tmp_path / "server") as mine:
        yield mine


@pytest.fixture(scope="package")
def native(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[str, ...], int]:
    """A file of several blocks, their columns, and how many rows they are."""
    path, columns, rows = native_blocks(tmp_path_factory.mktemp("native"))
    path.write_bytes(old_blocks(path.read_bytes()))
    return path, columns, rows


def native_blocks(folder: Path) -> tuple[Path, tuple[str, ...], int]:
    """The same, with the types of the schema."""
    need_native()
    found: dict[tuple[str, ...], list[bytes]] = {}
    rows: Counter[tuple[str, ...]] = Counter()

    def sink(block: Block) -> None:
        found.setdefault(block.columns, []).append(bytes(block.view))
        rows[block.columns] += block.rows
        block.release()

    session = WideSession("192.0.2.1", sink)
    session.feed(generate(Shape(routes=60_000, flowspec=0)).bmp, NOW)
    session.flush()
    columns = max(found, key=lambda each: rows[each])
    assert len(found[columns]) > 1
    path = folder / "blocks.native"
    path.write_bytes(b"".join(found[columns]))
    return path, columns, rows[columns]


def sessions(start: int, count: int = 100) -> pa.Table:
    """Rows of the table `sessions` with these sequence numbers."""
    (event, *_) = [each for each in read_events(STORY) if table_of(each) == "sessions"]
    table = event_table("sessions", [event] * count)
    numbers = pa.array(range(start, start + count), pa.uint64())
    return table.set_column(table.column_names.index("sequence"), "sequence", numbers)


def sequences(server: Server) -> list[int]:
    return sorted(int(str(row[0])) for row in server.ask("SELECT sequence FROM sessions"))


def until_it_works(store: ServerStore, rows: pa.Table, token: str, within: float = 30) -> int:
    """Repeat an insert as the writer does; how often it failed."""
    deadline = time.monotonic() + within
    failed = 0
    while True:
        try:
            store.insert("sessions", rows, token)
        except StoreError:
            failed += 1
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return failed
