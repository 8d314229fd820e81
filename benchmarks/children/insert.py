"""Inserting blocks that are there, and decoding and inserting: `insert.py STREAM FOLDER ROUNDS`.

All inserts are made in one thread, as a session with the engine wants it.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import pyarrow as pa

from benchmarks import common, sessions
from collector.store.embedded import EmbeddedStore


class Files:
    """A sink that puts each block into a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.made: list[tuple[Path, int, tuple[str, ...]]] = []
        """Path, rows and columns of each block."""

    def __call__(self, block: sessions.Block) -> None:
        """Write one block."""
        path = self._folder / f"{time.perf_counter_ns()}.block"
        path.write_bytes(block.view)
        self.made.append((path, block.rows, block.columns))
        block.release()


class Inserter:
    """Puts files of blocks into the real table, sorted as it is."""

    def __init__(self, folder: Path) -> None:
        self._store = EmbeddedStore(folder)
        self._inserts = 0

    def insert(self, path: Path, columns: tuple[str, ...]) -> None:
        """One file, one insert."""
        self._inserts += 1
        token = str(self._inserts)
        if sessions.is_native():
            self._store.insert_native("routes", columns, path, token)
        else:
            with pa.ipc.open_stream(path) as stream:
                self._store.insert("routes", stream.read_all(), token)

    def finish(self, expected: int) -> None:
        """Make sure that all came in, and empty the table."""
        stored = self._store.query("SELECT count() AS n FROM routes")["n"][0].as_py()
        if stored != expected:
            raise SystemExit(f"{expected} rows were inserted, the table has {stored}")
        self._store.execute("TRUNCATE TABLE routes")

    def close(self) -> None:
        """Close the store."""
        self._store.close()


def pipeline(data: bytes, folder: Path, inserter: Inserter) -> None:
    """Decode in one thread, insert in this one; what is inserted is deleted."""
    made: queue.Queue[tuple[Path, tuple[str, ...]] | None] = queue.Queue(8)
    files = Files(folder)

    def pass_on(block: sessions.Block) -> None:
        files(block)
        path, _, columns = files.made.pop()
        made.put((path, columns))

    def decode() -> None:
        try:
            sessions.decode(data, pass_on)
        finally:
            made.put(None)

    thread = threading.Thread(target=decode, daemon=True)
    thread.start()
    while (each := made.get()) is not None:
        inserter.insert(*each)
        each[0].unlink()
    thread.join()


def main() -> None:
    """Measure in turn; the first round warms up."""
    data, folder = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
    ready = Files(folder)
    sessions.decode(data, ready)
    rows = sum(count for _, count, _ in ready.made)
    inserter = Inserter(folder / "store")
    found: dict[str, list[float]] = {"ceiling_s": [], "pipeline_s": []}
    for _ in range(int(sys.argv[3]) + 1):
        begun = time.perf_counter()
        for path, _, columns in ready.made:
            inserter.insert(path, columns)
        found["ceiling_s"].append(time.perf_counter() - begun)
        inserter.finish(rows)
        begun = time.perf_counter()
        pipeline(data, folder, inserter)
        found["pipeline_s"].append(time.perf_counter() - begun)
        inserter.finish(rows)
    inserter.close()
    times = {name: each[1:] for name, each in found.items()}
    print(json.dumps({"rows": rows, "rss_mib": common.resident(peak=True), **times}))


if __name__ == "__main__":
    main()
