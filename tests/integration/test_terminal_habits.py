"""What people do to a command line besides typing it: closed pipes, Ctrl-C, old terminals."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.stored_story import BEAST, incident, story
from tests.integration.test_demo import COMMAND, ROOT
from tests.unit.wire.build import initiation

__all__ = ["story"]  # a fixture
RECORDING = str(ROOT / "anchorwatch/demo/story.pcap.gz")
QUESTIONS = {
    "history": ["history", BEAST, "--store", "store"],
    "rib": ["rib", BEAST, "--store", "store", "--format", "jsonl"],
    "sql": ["sql", "SELECT * FROM routes", "--store", "store", "--format", "csv"],
    "decode": ["decode", RECORDING],
    "replay": ["replay", RECORDING, "--intent", "intent.yaml"],
    "check": ["check", "--intent", "intent.yaml"],
    "help": ["--help"],
    "version": ["--version"],
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_nobody_reads_on(name: str, story: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # as `| head -1` does, only sooner
    done = subprocess.run(
        [*COMMAND, *QUESTIONS[name]],
        cwd=story,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_without_these_signs(story: Path) -> None:
    """Answers have arrows and bars; where there are none, everything else is still told."""
    begin, end = "2026-11-21T05:39:05Z", "2026-11-21T05:39:30Z"
    for words, told in (
        (["diff", BEAST, "--from", begin, "--to", end], "next_hop 10.0.0.1 ? 10.0.1.1"),
        (["history", BEAST, "--intent", "intent.yaml"], "new-pe1"),
        (["incident", incident(story, kill_switch=True)], "KILL SWITCH"),
    ):
        done = subprocess.run(
            [*COMMAND, *words, "--store", "store"],
            cwd=story,
            env=os.environ | {"PYTHONIOENCODING": "ascii", "COLUMNS": "200"},
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert told in " ".join(done.stdout.decode("ascii").split())


STOPPED = """
import os, signal, sys
from anchorwatch import cli
load = cli.importlib.import_module
def interrupted(name):
    os.kill(os.getpid(), signal.SIGINT)
    return load(name)
cli.importlib.import_module = interrupted
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.fixture
def heeded() -> Iterator[None]:
    """SIGINT is not ignored, as it is in what a shell starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
def test_ctrl_c_while_it_still_starts() -> None:
    command = [*COMMAND[:1], "-c", STOPPED, "check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.usefixtures("heeded")
def test_ctrl_c_while_it_waits() -> None:
    with subprocess.Popen(
        [*COMMAND, "decode", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        # More than is held back before it is written, and less than a pipe holds.
        process.stdin.write(f"{initiation().hex()}\n".encode() * 200)
        process.stdin.flush()
        process.stdout.read(1)  # it is at work
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=120)
        finally:
            process.kill()
    assert (process.returncode, said) == (130, b"")
