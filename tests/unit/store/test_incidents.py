"""Which incidents a time had, as the store tells them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from collector.event import rfc3339
from collector.store.embedded import EmbeddedStore
from collector.store.incidents import transitions_between
from collector.store.rows import incident_table

ROOT = Path(__file__).parents[3]
START = 1_796_162_400_000_000_000
ASKED = "import sys; from tests.unit.store.test_incidents import asked; asked(sys.argv[1])"


def of(name: str, *states: tuple[str, int]) -> list[dict[str, Any]]:
    """The transitions of an incident, at these nanoseconds after the start."""
    opened = rfc3339(START + states[0][1])
    told = {"id": name, "detector": "cutover", "key": "k", "severity": "critical", "opened": opened}
    return [
        {**told, "state": state, "time": rfc3339(START + at), "summary": f"{name} {state}"}
        for state, at in states
    ]


def asked(folder: str) -> None:
    """In a process of its own: a store takes one folder for the life of one."""
    store = EmbeddedStore(Path(folder))
    rows = [
        *of("d-inside", ("open", 120), ("updated", 130), ("resolved", 130)),
        *of("a-over", ("open", 10), ("resolved", 99)),
        *of("b-still", ("open", 20)),
        *of("c-ends", ("open", 30), ("resolved", 100)),
        *of("e-later", ("open", 201)),
        *of("f-blind", ("open", 40), ("unknown", 50)),
    ]
    bare: dict[str, Any] = {"details": {}, "evidence": []}
    store.insert("incidents", incident_table([row | bare for row in rows]), "all")
    print(json.dumps(transitions_between(store, START + 100, START + 200)))
    store.close()


def test_incidents_of_a_time_are_those_that_were_open_in_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ASKED, str(tmp_path / "store")]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        *of("b-still", ("open", 20)),
        *of("c-ends", ("open", 30), ("resolved", 100)),
        *of("f-blind", ("open", 40), ("unknown", 50)),
        *of("d-inside", ("open", 120), ("updated", 130), ("resolved", 130)),
    ]
