"""The demonstration's story and its incidents in a store, and what commands answer of it."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from anchorwatch.cli import main
from anchorwatch.demo.scenario import INTENT
from collector.event import Event
from collector.inputs.files import read_events
from collector.store.embedded import EmbeddedStore
from collector.store.rows import event_table, incident_table, table_of
from detectors.engine import Engine
from detectors.intent import parse_intent

ROOT = Path(__file__).parents[2]
STORY = ROOT / "anchorwatch" / "demo" / "story.pcap.gz"
WINDOW = "[2026-11-21T05:38:00Z, 2026-11-21T05:45:00Z]"
BEAST = "192.0.2.60/32"
KILL_SWITCH = "destination 0.0.0.0/0 port =179"
OPENED = "2026-11-21T05:39:20.957965644Z"
"""When the kill switch was announced."""


@dataclass
class Said:
    """What one command answered."""

    status: int
    out: str
    err: str

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def fill(folder: Path) -> list[dict[str, Any]]:
    """The store of the story; the incident transitions that are in it."""
    intent = INTENT.format(mark="", window=WINDOW)
    (folder / "intent.yaml").write_text(intent)
    events = list(read_events(STORY))
    engine = Engine(parse_intent(intent))
    transitions = [each.to_dict() for event in events for each in engine.process(event)]
    store = EmbeddedStore(folder / "store")
    by_table: dict[str, list[Event]] = {}
    for event in events:
        by_table.setdefault(table_of(event), []).append(event)
    for table, mine in by_table.items():
        store.insert(table, event_table(table, mine), table)
    store.insert("incidents", incident_table(transitions), "incidents")
    twin = {**transitions[0], "id": f"{transitions[0]['id'][:8]}{'0' * 8}"}
    store.insert("incidents", incident_table([twin]), "twin")
    store.close()
    return transitions


def ask(folder: Path, questions: list[list[str]]) -> list[dict[str, Any]]:
    """Run commands one after the other in this process."""
    answers = []
    for words in questions:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([*words, "--store", str(folder / "store")])
        answers.append({"status": status, "out": out.getvalue(), "err": err.getvalue()})
    return answers


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the store, the intent, and `transitions.json`."""
    folder = tmp_path_factory.mktemp("story")
    code = (
        "from tests.integration.stored_story import *;"
        "folder = Path(sys.argv[1]); found = fill(folder);"
        "(folder / 'transitions.json').write_text(json.dumps(found))"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, check=True)
    return folder


def said(story: Path, *questions: str | list[str]) -> list[Said]:
    """The answers to command lines, all asked in one process of its own."""
    words = [each.split() if isinstance(each, str) else each for each in questions]
    code = (
        "from tests.integration.stored_story import *;"
        "print(json.dumps(ask(Path(sys.argv[1]), json.loads(sys.argv[2]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(story), json.dumps(words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [Said(**each) for each in json.loads(done.stdout)]


def incident(story: Path, *, kill_switch: bool) -> str:
    for each in json.loads((story / "transitions.json").read_text()):
        if bool(each["details"].get("kill_switch")) == kill_switch and each["state"] == "open":
            return str(each["id"])
    raise AssertionError("the story has both")
