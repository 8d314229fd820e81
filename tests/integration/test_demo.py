"""The demonstration, as a new user starts it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

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
        ("critical", "dual_advertisement"),
        ("critical", "flowspec_policy"),
        ("critical", "flowspec_policy"),
    ]
    assert len(re.findall("✔ RESOLVED", shown)) == 3
    words = " ".join(shown.replace("│", " ").split())
    assert "web moved as planned: nobody was paged." in words
    assert "longer than the 4 s of overlap that cutover beast-cutover allows" in words
    assert "is left over: cutover beast-cutover was to flush policy migration-beast" in words
    assert "KILL SWITCH at controller: rule `ipv4-flowspec destination 0.0.0.0/0" in words
    assert words.index("nobody was paged") < words.index("PAGE")
    assert "Traceback" not in (tmp_path / "anchorwatch-demo" / "run.log").read_text()

    lines = [line.strip() for line in shown.splitlines()]
    commands = [line.split()[1:] for line in lines if line.endswith(("store", "intent.yaml"))][-3:]
    assert [command[0] for command in commands] == ["history", "flowspec", "replay"]
    history, flowspec, replay = (run(tmp_path, *command) for command in commands)
    assert "192.0.2.60/32" in history
    assert "10.0.1.1" in history
    assert "destination 0.0.0.0/0 port" in flowspec
    transitions = [json.loads(line) for line in replay.splitlines()]
    assert {t["detector"] for t in transitions} >= {"dual_advertisement", "flowspec_policy"}

    again = run(tmp_path, "check", "--intent", "anchorwatch-demo/intent.yaml")
    assert "2 services" in again


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
