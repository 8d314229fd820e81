"""How fast the panels of the Grafana dashboards are answered by a big embedded store.

`python benchmarks/dashboards.py [--quick] [--events N] [--store FOLDER]` prints two tables and, as
its last line, a JSON object. First what is watched are ordinary ones of a million prefixes, then
the busiest, whose histories are the longest that there are. It is asked in one process, without
HTTP.
On a shared machine the CPU time and the rows read say more than the time that went by.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import common

EVENTS_A_PREFIX = 100
LIMIT = 300
"""What a panel may take, ms."""


def main() -> None:
    """Make the store, ask every panel's question, tell the slowest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within a minute, less exact")
    parser.add_argument("--events", type=int, default=100_000_000, help="how many routes")
    parser.add_argument("--store", type=Path, help="a store to keep, or to ask again")
    given = parser.parse_args()
    events, rounds = (1_000_000, 2) if given.quick else (given.events, 7)
    with contextlib.ExitStack() as stack:
        folder = given.store
        if folder is None:
            temporary = tempfile.TemporaryDirectory(prefix="bench-")
            folder = Path(stack.enter_context(temporary)) / "store"
        arguments = (folder, events // EVENTS_A_PREFIX, events, rounds)
        said = common.measure("dashboards", *arguments, within=6_000)
    ordinary, busiest = (_told(said, name) for name in ("ordinary", "busiest"))
    print(
        f"{said['routes']:,} routes in {said['parts']} parts, "
        f"{said['flowspec']:,} changes of rules, {said['incidents']:,} transitions of incidents; "
        f"made in {said['fill_s']:.0f} s, merged for {said['merge_s']:.0f} s"
    )
    print(json.dumps({"events": said["routes"], **ordinary, "busiest": busiest}))


def _told(said: dict[str, Any], name: str) -> dict[str, object]:
    """Shows the table of the panels, the slowest first; what is said of them in short."""
    panels = sorted(said[f"{name}_panels"], key=lambda panel: -panel["p50 ms"])
    print(f"\nWith {name} prefixes watched ({said[name]:,} changes and fewer):")
    common.show(panels)
    slowest = panels[0]
    return {
        "panels": len(panels),
        "panel_max_ms": round(slowest["p50 ms"], 1),
        "panel_max": f"{slowest['dashboard']}: {slowest['panel']}",
        "panel_max_cpu_ms": round(max(panel["CPU ms"] for panel in panels), 1),
        "panel_worst_ms": round(max(panel["worst ms"] for panel in panels), 1),
        "within_300_ms": sum(panel["p50 ms"] <= LIMIT for panel in panels),
    }


if __name__ == "__main__":
    main()
