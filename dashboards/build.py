"""Builds the Grafana dashboards: `python -m dashboards.build` writes `dashboards/*.json`.

Panels ask ClickHouse (grafana-clickhouse-datasource) for what the network did, and Prometheus for
how anchorwatch itself is; which ones, is a variable of the dashboard. What the intent says comes in
with the build: those that are checked in are for the intent of `anchorwatch demo`, and
`--intent FILE --output FOLDER` makes them for another.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from anchorwatch.demo.scenario import INTENT
from dashboards.anycast import anycast
from dashboards.collector import collector
from dashboards.cutover import cutover
from dashboards.flowspec import flowspec
from dashboards.forensics import forensics
from dashboards.noc import overview
from dashboards.plan import BOARD, Plan, plan_of
from detectors.documents import Mistakes
from detectors.intent import Intent, load_intent, parse_intent

FOLDER = Path(__file__).parent
WINDOW = "[2026-12-01T22:00:00Z, 2026-12-01T23:00:00Z]"
"""Of the cutovers in the dashboards that are checked in: the demo's begin when it is started."""
DASHBOARDS: dict[str, Callable[[Plan], Dashboard]] = {
    "overview.json": overview,
    "cutover.json": cutover,
    "flowspec.json": flowspec,
    "anycast.json": anycast,
    "forensics.json": forensics,
    "collector.json": collector,
}


def demo_intent(window: str = WINDOW) -> Intent:
    """The intent of the demonstration."""
    return parse_intent(INTENT.format(mark="#", window=window))


def content(
    name: str, intent: Intent, board: str = BOARD, now: int | None = None
) -> dict[str, Any]:
    """One dashboard as JSON values; panels are numbered, as Grafana wants them."""
    made = DASHBOARDS[name](plan_of(intent, board, now))
    found: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True, indent=2).encode(made))
    for number, panel in enumerate(found["panels"], 1):
        panel["id"] = number
    return found


def rendered(name: str, intent: Intent, board: str = BOARD, now: int | None = None) -> str:
    """One dashboard as the text of its file."""
    return json.dumps(content(name, intent, board, now), indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write every dashboard."""
    parser = argparse.ArgumentParser(description="Build the Grafana dashboards.")
    parser.add_argument("--intent", type=Path, help="what they know of (default: the demo's)")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder of the JSON files")
    parser.add_argument(
        "--board", default=BOARD, help="URL of anchorwatch's board (default: %(default)s)"
    )
    given = parser.parse_args()
    try:
        intent = load_intent(given.intent) if given.intent else demo_intent()
        now = time.time_ns() if given.intent else None  # what is checked in is always the same
        for name in DASHBOARDS:
            (given.output / name).write_text(rendered(name, intent, given.board, now))
    except OSError as error:
        sys.exit(f"cannot write {error.filename}: {error.strerror}")
    except Mistakes as mistakes:
        sys.exit(str(mistakes))


if __name__ == "__main__":
    main()
