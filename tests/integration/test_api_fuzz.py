"""The API of a program that runs, asked all that its document allows, and what it forbids."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.test_api import Busy, busy

OPTIONS = (
    *("--checks", "all"),
    # What a prefix, a moment or an expected result is, no schema says: such a 400 is right.
    *("--exclude-checks", "positive_data_acceptance"),
    *("--exclude-path", "/api/v1/stream"),  # its answer has no end; it has its own tests
    *("--suppress-health-check", "all", "--no-shrink", "--continue-on-failure"),
    *("--request-timeout", "100", "--seed", "7", "--warnings", "off"),
)


@pytest.mark.parametrize(
    ("token", "phases"), [("", "examples,coverage,fuzzing"), ("geheim", "examples,fuzzing")]
)
def test_every_answer_is_one_of_the_document(tmp_path: Path, token: str, phases: str) -> None:
    here = Busy(tmp_path, token)
    with closing(busy(here)) as asking:
        next(asking)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run"),
                f"http://127.0.0.1:{here.web}/api/v1/openapi.json",
                *(f"--header={name}: {value}" for name, value in here.headers.items()),
                *("--phases", phases, "--max-examples", "3", *OPTIONS),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "18 selected / 19 total" in done.stdout
    assert "Traceback" not in here.log()
