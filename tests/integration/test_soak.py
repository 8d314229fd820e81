"""A busy life of the whole watch: half a minute of `python benchmarks/soak.py`."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.conftest import ROOT

SESSIONS = 3
"""A slow machine gets so far."""


def test_a_busy_life_loses_no_page_and_has_no_complaint() -> None:
    """Sessions that break, alarms, reloads, people and questions; the benchmark waits for pages."""
    command = [sys.executable, str(ROOT / "benchmarks" / "soak.py"), "--minutes", "0.5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["complaints"] == 0, done.stdout
    assert said["sessions"] >= SESSIONS
    assert said["alarms"] == 20 * said["sessions"]
