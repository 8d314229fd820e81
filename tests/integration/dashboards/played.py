"""A running program whose store holds a recording, and how Grafana's plugin asks it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from collector.event import rfc3339
from dashboards.build import content
from dashboards.grafana import Values, expand, variables
from detectors.intent import Intent
from tests.integration.dashboards.made import heard, intent_of
from tests.integration.endpoint.conftest import REVISION
from tests.integration.installation import Installation
from tests.unit.store.test_revised_native import blocks

ROOT = Path(__file__).parents[3]
STORY = str(ROOT / "anchorwatch/demo/story.pcap.gz")
FLAP = str(ROOT / "tests/captures/lab/flap.pcap.gz")
FILL = """
import sys
from pathlib import Path
from collector.event import Event, Feed, Kind
from collector.store.writer import Writer
from detectors.engine import Engine
from tests.integration.dashboards.made import heard, intent_of
recording, window, folder = sys.argv[1:]
engine = Engine(intent_of(recording, window))
events = heard(recording)
writer = Writer.embedded(Path(folder))
writer.put(events)
if "flap" in recording:
    writer.put([
        Event(
            received=events[0].received + (1 + number) * 10**9,
            sequence=number + 1,
            feed=Feed.PROBE.value,
            kind=Kind.PROBE.value,
            router="new-pe2",
            router_address="",
            prefix="10.100.0.254/32",
            information={"anycast": "flowspec-anchor", "site": "new-pe2", "result": result},
        )
        for number, result in enumerate(("healthy", "healthy", "failed", "healthy"))
    ])
writer.put([t.to_dict() for event in events for t in engine.process(event)])
assert writer.close() == 0
"""

Rows = list[dict[str, Any]]


@dataclass
class Played:
    """A program whose store holds one recording."""

    installation: Installation
    begin: int
    """First and last moment of it, ms."""
    end: int
    window: str
    intent: Intent

    def panels(self, name: str) -> list[tuple[dict[str, Any], Values]]:
        there = content(name, self.intent)
        return [(panel, variables(there)) for panel in there["panels"]]

    def question(self, name: str, title: str, at: float | None = None, **chosen: str) -> list[str]:
        """What a panel asks: all its targets, `at` that many seconds after the beginning."""
        (found,) = (p for p in self.panels(name) if p[0]["title"] == title)
        panel, values = found
        end = self.end if at is None else self.begin + round(at * 1000)
        values = values | {key: [value] for key, value in chosen.items()}
        return [expand(target["rawSql"], values, self.begin, end) for target in panel["targets"]]

    def answer(self, name: str, title: str, at: float | None = None, **chosen: str) -> Rows:
        """The rows of its first target."""
        columns, rows = self.ask(self.question(name, title, at, **chosen)[0])
        return [dict(zip([column for column, _ in columns], row, strict=True)) for row in rows]

    def lanes(
        self, name: str, title: str, at: float | None = None, **chosen: str
    ) -> dict[str, list[tuple[float, str]]]:
        """The states of each lane of a timeline, and the second at which each began."""
        found: dict[str, list[tuple[float, str]]] = {}
        for row in self.answer(name, title, at, **chosen):
            found.setdefault(row["lane"], []).append((self.seconds(row["time"]), row["state"]))
        return found

    def totals(
        self, name: str, title: str, at: float | None = None, **chosen: str
    ) -> dict[str, int]:
        """What the bars of each series come to."""
        found: Counter[str] = Counter()
        for row in self.answer(name, title, at, **chosen):
            _, series, count = row.values()
            found[series] += count
        return dict(found)

    def seconds(self, moment: datetime) -> float:
        """Since the beginning, to the hundredth."""
        return round(moment.timestamp() - self.begin / 1000, 2)

    def ask(self, question: str) -> tuple[list[tuple[str, str]], list[tuple[Any, ...]]]:
        """In the shape of the plugin with the protocol http: columns with types, and rows."""
        answer = httpx.post(
            self.installation.endpoint,
            params={
                "client_protocol_version": str(REVISION),
                "database": "default",
                "default_format": "Native",
                "enable_http_compression": "1",
                "max_execution_time": "60",
            },
            content=question,
            headers={"User-Agent": "grafana/12.0.0 clickhouse-datasource/4.20.0"},
            auth=("default", ""),
            timeout=60,
        )
        assert answer.status_code == 200, f"{answer.text[-400:]}\n{question}"
        found = list(blocks(answer.content, REVISION))
        columns: list[tuple[str, str]] = found[0].columns_with_types if found else []
        return columns, [row for block in found for row in block.get_rows()]


def play(folder: Path, recording: str) -> Iterator[Played]:
    events = heard(recording)
    begin, end = events[0].received // 10**6, events[-1].received // 10**6 + 1
    window = [_moment(begin), _moment(end + 60_000)]
    installation = Installation(folder)
    store = folder / "anchorwatch-data" / "store"
    store.parent.mkdir()
    words = f"[{', '.join(window)}]"
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FILL), recording, words, str(store)],
        cwd=ROOT,
        check=True,
    )
    with installation.running():
        yield Played(installation, begin, end, words, intent_of(recording, words))
    assert "Traceback" not in installation.log()


def _moment(ms: int) -> str:
    return rfc3339(ms * 10**6)
