"""What a command loads before it can do anything: people wait for that each time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from anchorwatch import __version__

ROOT = Path(__file__).parents[2]
LOADED = """
import sys
from anchorwatch.cli import build_parser
build_parser(sys.argv[1:])
{more}
print(*sys.modules)
"""
ENGINE = {"chdb"}
HEAVY = {*ENGINE, "grpc", "google.protobuf", "httpx", "numpy", "pandas", "pyarrow"}
"""Each takes a tenth of a second and more."""


def loaded(*commands: str, more: str = "") -> set[str]:
    """The modules that are there when the command is about to run."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(more=more), *commands],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("command", ["status", "cutover", "version"])
def test_what_asks_the_watch_needs_no_database_and_no_detectors(command: str) -> None:
    modules = loaded(command)
    assert f"anchorwatch.cli.{command}" in modules
    assert not modules & {*HEAVY, "detectors.engine", "detectors.intent", "anchorwatch.settings"}


@pytest.mark.parametrize("command", ["rib", "history", "flowspec", "diff", "incident"])
def test_a_question_about_the_past_loads_the_engine_only_where_it_opens_a_store(
    command: str,
) -> None:
    modules = loaded(command)
    assert "pyarrow" in modules
    assert not modules & {*ENGINE, "grpc", "pandas", "pyarrow.parquet"}


def test_help_and_mistakes_of_run_come_before_most_of_the_program() -> None:
    modules = loaded("run")
    assert "anchorwatch.cli.run" in modules
    assert not modules & {*HEAVY, "anchorwatch.watch"} - {"httpx"}  # by which pagers check URLs


def test_a_watch_that_nobody_asks_about_the_past_needs_no_pandas() -> None:
    modules = loaded("run", more="import anchorwatch.watch")
    assert "anchorwatch.watch" in modules
    assert "pandas" not in modules


def test_the_version_alone_loads_no_command() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "anchorwatch", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"anchorwatch {__version__}\n"
    assert "anchorwatch.errors" in done.stderr
    assert "anchorwatch.cli." not in done.stderr
