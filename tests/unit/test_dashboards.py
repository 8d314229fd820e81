"""The dashboards are built from the script, and every ClickHouse panel answers on a real story."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from dashboards.build import DASHBOARDS, FOLDER, rendered

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_rebuild_changes_nothing(name: str) -> None:
    assert (FOLDER / name).read_text() == rendered(name)


def panels(name: str) -> list[dict[str, Any]]:
    return list(json.loads((FOLDER / name).read_text())["panels"])


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_says_what_it_shows_and_asks_a_variable_data_source(name: str) -> None:
    for panel in panels(name):
        assert panel["title"]
        assert panel["description"]
        assert panel["targets"]
        assert panel["datasource"]["uid"].startswith("${")
        if panel["type"] != "table":
            assert panel["fieldConfig"]["defaults"]["unit"]
    numbers = [panel["id"] for panel in panels(name)]
    assert len(set(numbers)) == len(numbers)


def expand(sql: str, begin: int, end: int) -> str:
    """The macros as the ClickHouse data source expands them."""
    sql = re.sub(
        r"\$__timeInterval\(([^)]*)\)",
        r"toStartOfInterval(toDateTime(\1), INTERVAL 10 second)",
        sql,
    )
    between = rf"\1 >= toDateTime({begin}) AND \1 <= toDateTime({end})"
    return re.sub(r"\$__timeFilter\(([^)]*)\)", between, sql)


def test_clickhouse_panels_answer_on_the_recorded_story(tmp_path: Path) -> None:
    code = """
    import json, sys
    from pathlib import Path
    from anchorwatch.demo.scenario import INTENT
    from collector.event import rfc3339
    from collector.inputs.files import read_events
    from collector.store.embedded import EmbeddedStore
    from collector.store.writer import Writer
    from detectors.engine import Engine
    from detectors.intent import parse_intent
    from tests.unit.test_dashboards import expand, panels
    events = list(read_events("anchorwatch/demo/story.pcap.gz"))
    begin, end = events[0].received, events[-1].received
    window = f"[{rfc3339(begin)}, {rfc3339(end + 60 * 10**9)}]"
    engine = Engine(parse_intent(INTENT.format(mark="#", window=window)))
    writer = Writer(Path(sys.argv[1]))
    writer.put(events)
    before_the_end = [e for e in events if e.received < begin + 27 * 10**9]
    writer.put([t.to_dict() for e in before_the_end for t in engine.process(e)])
    assert writer.close() == 0
    store = EmbeddedStore(Path(sys.argv[1]))
    for panel in panels("overview.json"):
        for target in panel["targets"]:
            if "rawSql" in target:
                sql = expand(target["rawSql"], begin // 10**9, end // 10**9 + 1)
                assert "$" not in sql, sql
                rows = store.query(sql)
                print(json.dumps([panel["title"], rows.column_names, rows.num_rows,
                                  [str(rows.to_pylist()[:1])]]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "store")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = {row[0]: row[1:] for row in map(json.loads, done.stdout.splitlines())}
    columns, rows, _ = answers["Open incidents"]
    assert columns == ["severity", "detector", "key", "opened", "state", "summary"]
    assert rows == 2  # the rule that was left over, and the kill switch
    columns, rows, _ = answers["Incident transitions"]
    assert columns == ["time", "state", "transitions"]
    assert rows >= 2
    assert answers["Route and rule changes"][0] == ["time", "kind", "changes"]
    assert answers["Route and rule changes"][1] >= 4
    assert answers["Flowspec rules"][1] == 0  # at the end, every rule is gone
