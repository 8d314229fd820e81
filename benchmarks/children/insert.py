"""Storing: `insert.py STREAM TIMES FOLDER ROUNDS`, with the stream taken in so many times.

The ceiling is what the engine takes when all blocks are there and each insert is as large as may
be. Against it stands the collector's own way: one thread decodes, the writer's thread inserts.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import common, sessions
from collector.native import Block
from collector.store.embedded import EmbeddedStore
from collector.store.segment import MAX_BLOCK_ROWS
from collector.store.writer import Writer

Ready = list[tuple[Path, tuple[str, ...]]]
"""Files of blocks, with the columns of each."""
WAIT = 0.001


class Files:
    """A sink that puts blocks of the same columns into the same file, up to `most` rows."""

    def __init__(self, folder: Path, most: int = MAX_BLOCK_ROWS) -> None:
        self._most = most
        self.made: Ready = []
        self.rows = 0
        self._folder = folder
        self._open: defaultdict[tuple[str, ...], int] = defaultdict(int)

    def __call__(self, block: Block) -> None:
        """Write one block."""
        rows = self._open[block.columns] + block.rows
        if rows == block.rows or rows > self._most:
            rows = block.rows
            self.made.append((self._folder / f"{len(self.made)}.native", block.columns))
        self._open[block.columns] = rows
        path = next(path for path, columns in reversed(self.made) if columns == block.columns)
        with path.open("ab") as file:
            file.write(block.view)
        self.rows += block.rows
        block.release()


def insert_ready(ready: Files, folder: Path) -> float:
    """Seconds to insert files that are there."""
    store = EmbeddedStore(folder)
    begun = time.perf_counter()
    for number, (path, columns) in enumerate(ready.made):
        store.insert_native("routes", columns, path, str(number))
    took = time.perf_counter() - begun
    store.close()
    check(folder, ready.rows)
    return took


def store_stream(data: bytes, times: int, folder: Path) -> float:
    """Seconds to decode in this thread while the writer inserts in its own."""
    writer = Writer.embedded(folder)
    rows = routes = 0

    def sink(block: Block) -> None:
        nonlocal rows, routes
        rows += block.rows
        routes += block.rows
        writer.put([block])

    begun = time.perf_counter()
    session = sessions.open_session(sink)
    for _ in range(times):
        for part in sessions.parts(data):
            while writer.full:
                time.sleep(WAIT)
            events = session.feed(part, sessions.NOW)
            rows += len(events)
            routes += sessions.routes(events)
            writer.put(events)
    session.flush()
    # Closing writes out what is pending at once: there is nothing more to wait for.
    left = writer.close(common.LIMIT)
    took = time.perf_counter() - begun
    if left or writer.rows_written < rows:
        raise SystemExit(f"the writer stands still: {writer.last_error or 'too slow'}")
    check(folder, routes)
    return took


def check(folder: Path, expected: int) -> None:
    """Make sure that all came in, and delete the store."""
    store = EmbeddedStore(folder, create=False)
    stored = store.query("SELECT count() AS n FROM routes")["n"][0].as_py()
    store.close()
    if stored != expected:
        raise SystemExit(f"{expected} rows were inserted, the table has {stored}")
    shutil.rmtree(folder)


def main() -> None:
    """Measure in turn."""
    data, times = Path(sys.argv[1]).read_bytes(), int(sys.argv[2])
    folder, rounds = Path(sys.argv[3]), int(sys.argv[4])
    ready = Files(folder)
    sessions.decode(data, ready, times)
    works = {
        "ceiling_s": lambda: insert_ready(ready, folder / "ready"),
        "pipeline_s": lambda: store_stream(data, times, folder / "stream"),
    }
    found = common.in_turn(works, rounds)
    print(json.dumps({"rows": ready.rows, "rss_mib": common.resident(peak=True), **found}))


if __name__ == "__main__":
    main()
