"""How fast a server takes the decoder's blocks, beside the embedded engine.

`python benchmarks/server.py [--quick]` prints a table and, as its last line, a JSON object.
`server_share` is of today's engine behind the tests' own peer of the native protocol. Debian's real
server is of 2018: `old_server_share` is of its engine, too, and `way_share` how near the native
protocol comes to that server reading the same file by itself. `http_share` is HTTP's of the native
protocol's speed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import common, sessions
from benchmarks.generate import cached
from benchmarks.table import Shape

Answer = dict[str, Any]
NOTHING: Answer = {"server_share": None, "old_server_share": None}
WAYS = {
    "embedded_s": "embedded engine",
    "native_s": "server, native protocol",
    "http_s": "server, HTTP",
    "local_s": "server, from a file",
    "embedded_today_s": "embedded engine, the table as it is",
    "peer_today_s": "the same behind the native protocol",
}


def serving(file: Path, times: int, folder: Path, rounds: int) -> Answer:
    """All ways in turn, for the stream in `file`; shares are medians over the rounds."""
    if not sessions.is_native():
        print("the server is measured with the native decoder only")
        return NOTHING
    said = common.measure("server", file, times, folder, rounds)
    if not said["rows"]:
        print("clickhouse-server is not installed: nothing to compare with")
        return NOTHING
    rows = said["rows"]
    common.show(
        [
            {
                "rows into": name,
                "best s": min(said[key]),
                "median s": statistics.median(said[key]),
                "rows/s": round(rows / min(said[key])),
            }
            for key, name in WAYS.items()
        ]
    )

    def share(of: str, way: str) -> float:
        pairs = zip(said[of], said[way], strict=True)
        ratios: list[float] = [whole / mine for whole, mine in pairs]
        return round(statistics.median(ratios), 3)

    return {
        "server_share": share("embedded_today_s", "peer_today_s"),
        "old_server_share": share("embedded_s", "native_s"),
        "http_share": share("native_s", "http_s"),
        "way_share": share("local_s", "native_s"),
        "server_rows_per_s": round(rows / min(said["native_s"])),
        "server_client_cpu_s_per_million": round(min(said["native_cpu_s"]) * 1e6 / rows, 3),
    }


def main() -> None:
    """One stream of routes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within a minute, less exact")
    quick = parser.parse_args().quick
    stream = cached(Shape(routes=300_000 if quick else 1_000_000, flowspec=0))
    with common.scratch() as folder:
        file = folder / "stream.bmp"
        file.write_bytes(stream.bmp)
        print(json.dumps(serving(file, 1, folder, 3 if quick else 4)))


if __name__ == "__main__":
    main()
