"""A store of a size, and how fast it answers: `past.py FOLDER PREFIXES EVENTS QUESTIONS`.

Asked twice: when the rows have just come in, in many parts, and when the engine has merged them.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import common, past
from collector.store.embedded import EmbeddedStore
from collector.store.history import history_rows
from collector.store.rib import rib_rows
from collector.store.rows import event_table

THREADS = 2
BLOCK = 1_500_000
"""Rows of one insert: fewer, and the engine would merge for an hour before it can be asked."""
MERGING = 420.0
QUIET = 5.0
"""Seconds without a merge after which there will be none."""
BUSY = 1_000
"""One in so many prefixes is a busy one."""
Answer = dict[str, Any]


def fill(folder: Path, size: past.Past) -> float:
    """Make the rows in all threads; seconds."""
    waiting = list(reversed(list(past.inserts(size, BLOCK))))
    failures: list[Exception] = []

    def work() -> None:
        store = EmbeddedStore(folder, create=False)
        try:
            while waiting and not failures:
                store.execute(waiting.pop())
        except Exception as error:  # noqa: BLE001 - told where the threads are waited for
            failures.append(error)
        store.close()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - begun


def merge(store: EmbeddedStore) -> float:
    """Let the engine merge until it finds nothing more to merge; seconds that it was at it."""
    begun = worked = time.perf_counter()
    store.execute("SYSTEM START MERGES routes")
    while time.perf_counter() - worked < QUIET and time.perf_counter() - begun < MERGING:
        if number(store, "SELECT count() FROM system.merges"):
            worked = time.perf_counter()
        time.sleep(0.2)
    return worked - begun


def number(store: EmbeddedStore, sql: str) -> Any:
    """The one value of an answer."""
    return store.query(sql).column(0)[0].as_py()


def ask(store: EmbeddedStore, size: past.Past, questions: int, tables: int) -> Answer:
    """Latencies of all kinds of questions, ms, but of whole tables in s."""
    chance = random.Random(size.prefixes)
    prefixes = store.query(
        "SELECT any(prefix) AS prefix, count() AS n FROM routes WHERE provenance = 'live' "
        "GROUP BY address, length ORDER BY n DESC, prefix"
    )["prefix"].to_pylist()
    kinds = {"busy": prefixes[: max(8, len(prefixes) // BUSY)], "any": prefixes}
    found: Answer = {}
    for kind, some in kinds.items():
        for name in ("rib", "history"):
            found[f"{name}_{kind}_ms"] = taken = []
            for _ in range(questions):
                prefix = chance.choice(some)
                at = chance.randrange(past.START + past.DAY // 24, past.END)
                begun = time.perf_counter()
                if name == "rib":
                    rib_rows(store, at, prefix=prefix)
                else:
                    history_rows(store, prefix)
                taken.append((time.perf_counter() - begun) * 1000)
    found["full_s"] = full = []
    for _ in range(tables):
        at = chance.randrange(past.END - past.DAY, past.END)
        begun = time.perf_counter()
        table = rib_rows(store, at, router=past.router(2), peer=past.peer(4))
        full.append(time.perf_counter() - begun)
    found["full_rows"] = len(table)
    return found


def main() -> None:
    """Fill, ask, merge, ask."""
    folder = Path(sys.argv[1])
    size = past.Past(int(sys.argv[2]), int(sys.argv[3]))
    questions = int(sys.argv[4])
    store = EmbeddedStore(folder)
    store.execute("SYSTEM STOP MERGES routes")
    store.insert("sessions", event_table("sessions", past.sessions()), "sessions")
    answer: Answer = {"fill_s": fill(folder, size)}
    answer["rows"] = number(store, "SELECT count() FROM routes")
    parts = "FROM system.parts WHERE active AND table = 'routes'"
    for state in ("loaded", "merged"):
        merged = state == "merged"
        if merged:
            answer["merge_s"] = merge(store)
        answer[state] = {
            "parts": number(store, f"SELECT count() {parts}"),
            "bytes_per_event": number(store, f"SELECT sum(bytes_on_disk) / sum(rows) {parts}"),
            **ask(store, size, questions if merged else questions // 4, 3 if merged else 1),
        }
    answer["rss_mib"] = common.resident(peak=True)
    store.close()
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
