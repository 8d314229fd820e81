"""The demonstration, as a new user starts it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anchorwatch.cli.demo import typed

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "anchorwatch")


def run(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [*COMMAND, *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_tells_the_story_pages_rightly_and_leaves_a_store(tmp_path: Path) -> None:
    begun = time.monotonic()
    shown = run(tmp_path, "demo")
    assert time.monotonic() - begun < 60
    pages = re.findall(r"▲ PAGE  (\w+)  (\w+)", shown)
    assert pages == [
        ("critical", "cutover"),
        ("critical", "flowspec_policy"),
    ]
    assert len(re.findall("✔ RESOLVED", shown)) == 2
    words = " ".join(shown.replace("│", " ").split())
    assert "web moved as planned: nobody was paged." in words
    assert "longer than the 4 s of overlap that cutover beast-cutover allows" in words
    assert "1 rule of policy migration-beast left over by" in words
    assert "Cutover beast-cutover is complete since" in words
    assert "KILL SWITCH at controller: rule `ipv4-flowspec destination 0.0.0.0/0" in words
    assert words.index("nobody was paged") < words.index("PAGE")
    assert "Traceback" not in (tmp_path / "anchorwatch-demo" / "run.log").read_text()

    lines = [line.strip() for line in shown.splitlines()]
    asked = [line for line in lines if line.startswith(f"{sys.executable} -m anchorwatch ")]
    commands = [shlex.split(line)[len(COMMAND) :] for line in asked]
    names = ["history", "cutover", "flowspec", "incident", "replay"]
    assert [command[0] for command in commands] == names
    history, report, flowspec, incident, replay = (run(tmp_path, *command) for command in commands)
    assert re.search(r"^legacy-pe +█+·+$", history, re.MULTILINE)
    assert re.search(r"^new-pe1 +·+█+$", history, re.MULTILINE)
    page, facts = (tmp_path / line for line in report.splitlines())
    assert "Complete, but " in page.read_text()
    assert json.loads(facts.read_text())["name"] == "beast-cutover"
    assert "destination 0.0.0.0/0 port" in flowspec
    assert "anchorwatch-demo/kill-switch/index.html" in incident.splitlines()
    transitions = [json.loads(line) for line in replay.splitlines()]
    assert {t["detector"] for t in transitions} >= {"dual_advertisement", "flowspec_policy"}

    the_tutorial(tmp_path)


def the_tutorial(folder: Path) -> None:
    """What a newcomer is told to try with the demo's folder, and what is promised of it."""
    tutorial = (ROOT / "docs/tutorial/first-incident.md").read_text()
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", tutorial, re.DOTALL))
    history, flowspec, check, replay, of_file = (
        shlex.split(line)[1:] for line in blocks.splitlines() if line.startswith("anchorwatch ")
    )
    assert "absent since" in run(folder, *history)
    assert {"announced", "withdrawn"} <= {*run(folder, *flowspec).split()}
    intent = folder / "anchorwatch-demo/intent.yaml"
    first, second, rest = intent.read_text().split("max_overlap: 4s")
    intent.write_text(f"{first}max_overlap: 4s{second}max_overlap: 10s{rest}")
    assert "2 services" in run(folder, *check)

    def opened(command: list[str]) -> list[tuple[str, str]]:
        told = [json.loads(line) for line in run(folder, *command).splitlines()]
        return [(each["detector"], each["summary"]) for each in told if each["state"] == "open"]

    (cutover, why), (kill_switch, _) = opened(replay)
    assert (cutover, kill_switch) == ("cutover", "flowspec_policy")
    assert "1 rule of policy migration-beast left over" in why
    assert {detector for detector, _ in opened(of_file)} == {
        *("dual_advertisement", "unexpected_withdrawal", "flowspec_policy"),
    }


def test_what_to_try_next_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "a folder"
    for folder in (tmp_path, elsewhere):
        folder.mkdir(exist_ok=True)
        (folder / "anchorwatch").write_text("#!/bin/sh\n")
        (folder / "anchorwatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert typed(str(tmp_path / "anchorwatch")) == "anchorwatch"
    assert typed(".venv/bin/anchorwatch") == ".venv/bin/anchorwatch"
    # Another of that name comes first in the PATH, or none at all.
    assert typed(str(elsewhere / "anchorwatch")) == f"'{elsewhere}/anchorwatch'"
    assert typed("/srv/anchorwatch/__main__.py") == f"{sys.executable} -m anchorwatch"


def test_the_demo_does_not_remove_what_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    done = subprocess.run(
        [*COMMAND, "demo", "--folder", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "is not empty and not from a demo" in done.stderr
    assert (tmp_path / "precious").read_text() == "mine"
