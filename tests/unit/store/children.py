"""Runs what opens a store in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[3]
COMMON = """
import json, shutil, sys, time
from functools import partial
from pathlib import Path
import msgspec
from collector.event import *
from collector.inputs.files import read_events
from collector.store.backend import StoreError
from collector.store.embedded import EmbeddedStore
from collector.store import frames
from collector.store.history import *
from collector.store.rules import *
from collector.store.segment import read_segment
from collector.store.rows import *
from collector.store.spool import Spool
from collector.store.writer import Writer
from collector.wire.flowspec_order import precedence
from tests.unit.rules.scenes import *
folder = Path(sys.argv[1])
STORY = "anchorwatch/demo/story.pcap.gz"
CASES = "tests/captures/lab/"

def fill_disk():
    ballast = folder.parent / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
    return ballast

def until_it_is_told(writer, ballast):
    deadline = time.monotonic() + 20
    while writer.last_error is None and time.monotonic() < deadline:
        time.sleep(0.05)
    print(writer.last_error)
    print(writer.rows_written, writer.failures > 0)
    ballast.unlink()
    while writer.last_error is not None and time.monotonic() < deadline:
        time.sleep(0.05)
"""


def child(tmp_path: Path, code: str, *, seconds: float = 60, status: int = 0) -> str:
    """Run code on a store folder in a process of its own; answer what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", COMMON + textwrap.dedent(code), str(tmp_path / "store")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout.strip()
