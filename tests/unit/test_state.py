"""What the engine knows of the network is bounded by what the network holds, not by what it did."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.conftest import ROOT

GROWTH = 8.0
"""MiB. A reference kept to one in a hundred of the later events would be more than that."""


def test_churn_leaves_memory_flat() -> None:
    """Ten million events, which `python benchmarks/state.py` plays, leave it as flat."""
    command = [sys.executable, str(ROOT / "benchmarks" / "state.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["events"] == 300_000
    assert said["transitions"] > 1000
    assert said["mib_at_most_later"] - said["mib_after_a_tenth"] < GROWTH
