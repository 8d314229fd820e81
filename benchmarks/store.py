"""What the embedded store takes and how fast it answers, with up to 100 million events in it.

`python benchmarks/store.py [--quick]` prints tables and, as its last line, a JSON object. What the
events are like is told in `benchmarks/past.py`, and what was tried in docs/explanation/storage.md.
Figures are of a store that has merged what it has; the table shows them before that, too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import common, server, sessions
from benchmarks.generate import cached
from benchmarks.table import Shape

Answer = dict[str, Any]
AT_REST = 20.0
"""Seconds after which the program is at rest."""
EVENTS_A_PREFIX = 100


@contextlib.contextmanager
def on_disk() -> Iterator[Path]:
    """A folder on the disk that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield Path(name)


def asked(events: int, questions: int) -> Answer:
    """A store with so many events, before and after its merges."""
    with on_disk() as folder:
        arguments = (folder / "store", events // EVENTS_A_PREFIX, events, questions)
        said = common.measure("past", *arguments, within=2_000)
    rows = []
    for state in ("loaded", "merged"):
        found = said[state]
        rows += [
            {
                "answer of": f"{name} of {kind} prefixes",
                "events": said["rows"],
                "parts": found["parts"],
                "state": state,
                "p50 ms": statistics.median(found[f"{name}_{kind}_ms"]),
                "p99 ms": percentile(found[f"{name}_{kind}_ms"], 0.99),
            }
            for name in ("rib", "history")
            for kind in ("any", "busy")
        ]
        full = [1000 * seconds for seconds in found["full_s"]]
        rows.append(
            {
                **rows[-1],
                "answer of": f"a table of {found['full_rows']:,} routes",
                "p50 ms": statistics.median(full),
                "p99 ms": max(full),
            }
        )
    common.show(rows)
    merged = said["merged"]
    print(
        f"{said['rows']:,} events: made and inserted in {said['fill_s']:.0f} s, merged for "
        f"{said['merge_s']:.0f} s, {merged['bytes_per_event']:.2f} octets each "
        f"({said['loaded']['bytes_per_event']:.2f} before the merges), "
        f"at most {said['rss_mib']:.0f} MiB resident\n"
    )
    return said


def percentile(values: list[float], share: float) -> float:
    """The value that this share of all does not pass."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def prefixes_of(said: Answer, name: str) -> list[float]:
    """Latencies of any and of busy prefixes together, ms."""
    merged = said["merged"]
    return [*merged[f"{name}_any_ms"], *merged[f"{name}_busy_ms"]]


def inserting(file: Path, folder: Path, rounds: int) -> Answer:
    """Rows that the engine takes in a second."""
    if not sessions.is_native():
        print("inserting is measured with the native decoder only")
        return {"insert_rows_per_s": None}
    said = common.measure("inserting", file, folder, rounds)
    best = min(said["seconds"])
    print(f"{said['rows']:,} rows inserted in {best:.2f} s, {said['rows'] / best:,.0f} rows/s")
    return {"insert_rows_per_s": round(said["rows"] / best)}


def at_rest() -> Answer:
    """MiB that `anchorwatch run` has when nothing is connected."""
    with on_disk() as folder:
        (folder / "intent.yaml").write_text("version: 1\n")
        bmp, web = (f"'127.0.0.1:{common.free_port()}'" for _ in range(2))
        (folder / "anchorwatch.yaml").write_text(
            f"intent: intent.yaml\nbmp: {{listen: {bmp}, routers: [{{address: 127.0.0.1}}]}}\n"
            f"web: {{listen: {web}}}\nstore: {{listen: '127.0.0.1:0'}}\n"
        )
        command = [sys.executable, "-m", "anchorwatch", "run", "-c", folder / "anchorwatch.yaml"]
        log = (folder / "log").open("w")
        with log, common.running(command, cwd=common.ROOT, stdout=log, stderr=log) as process:
            time.sleep(AT_REST)
            if process.poll() is not None:
                raise SystemExit((folder / "log").read_text())
            resident, own = common.resident(process.pid), common.unshared(process.pid)
    print(f"anchorwatch run at rest: {resident:.0f} MiB resident, {own:.0f} MiB not of files")
    return {"rest_mib": round(resident, 1), "rest_anonymous_mib": round(own, 1)}


def main() -> None:
    """Every part in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within a minute, less exact")
    quick = parser.parse_args().quick
    sizes, questions = ((100_000, 1_000_000), 8) if quick else ((10_000_000, 100_000_000), 100)
    small, large = (asked(events, questions) for events in sizes)
    answer: Answer = {}
    stream = cached(Shape(routes=150_000 if quick else 1_000_000, flowspec=0))
    with common.scratch() as folder:
        file = folder / "stream.bmp"
        file.write_bytes(stream.bmp)
        answer |= inserting(file, folder, 2 if quick else 4)
        answer |= server.serving(file, 1, folder, 1 if quick else 4)
    answer |= at_rest()
    rib = prefixes_of(large, "rib")
    growth = statistics.median(rib) / statistics.median(prefixes_of(small, "rib"))
    answer |= {
        "events": large["rows"],
        "rib_prefix_p50_ms": round(statistics.median(rib), 1),
        "rib_prefix_p99_ms": round(percentile(rib, 0.99), 1),
        "rib_growth_10m_to_100m": round(growth, 2),
        "rib_full_s": round(statistics.median(large["merged"]["full_s"]), 2),
        "rib_full_routes": large["merged"]["full_rows"],
        "history_p50_ms": round(statistics.median(prefixes_of(large, "history")), 1),
        "bytes_per_event": round(large["merged"]["bytes_per_event"], 2),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
