"""Inserting alone, in as many threads as there are cores: `inserting.py STREAM FOLDER ROUNDS`.

Each thread has a session of its own with the same store, as any two writers would, and inserts
files of the decoder's blocks. The engine merges what it likes meanwhile.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import common, sessions
from benchmarks.children.insert import Files, check
from collector.store.embedded import EmbeddedStore

THREADS = 2
TIMES = 4
MOST = 450_000
"""Rows of one insert: half of what is allowed, so that there is something for each thread."""


def insert(ready: Files, folder: Path) -> float:
    """Seconds until all files are in."""
    stores = [EmbeddedStore(folder) for _ in range(THREADS)]
    waiting = sorted(ready.made, key=lambda made: made[0].stat().st_size)

    def work(store: EmbeddedStore) -> None:
        while waiting:
            path, columns = waiting.pop()
            store.insert_native("routes", columns, path, path.name)

    begun = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(work, stores))
    took = time.perf_counter() - begun
    for store in stores:
        store.close()
    check(folder, ready.rows)
    return took


def main() -> None:
    """All rounds."""
    folder = Path(sys.argv[2])
    ready = Files(folder, MOST)
    sessions.decode(Path(sys.argv[1]).read_bytes(), ready, TIMES)
    taken = [insert(ready, folder / "store") for _ in range(int(sys.argv[3]))]
    print(json.dumps({"rows": ready.rows, "seconds": taken, "rss_mib": common.resident(peak=True)}))


if __name__ == "__main__":
    main()
