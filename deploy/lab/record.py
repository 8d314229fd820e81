"""Makes the project's own captures: BMP as a real controller sends it, recorded with tcpdump."""

from __future__ import annotations

import gzip
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.lab.lab import BMP_PORT, Lab
from deploy.lab.story import CASES, Narrator, tell_story

SINK = """
import socketserver, sys
class Sink(socketserver.BaseRequestHandler):
    def handle(self):
        while self.request.recv(65536):
            pass
socketserver.TCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("0.0.0.0", int(sys.argv[1])), Sink).serve_forever()
"""
"""A BMP station that only listens."""


@contextmanager
def capture(lab: Lab, path: Path) -> Iterator[None]:
    """Record what the controller sends to a station on the NOC host while the block runs."""
    raw = path.with_suffix("")  # tcpdump drops its privileges, so it writes where all may
    target = lab.noc.folder / raw.name
    target.unlink(missing_ok=True)
    dump = lab.noc.popen(
        [
            *("tcpdump", "-i", "eth0", "-U", "-s", "0", "-Z", "root"),
            *("--time-stamp-precision=nano", "-w", str(target), "tcp", "port", str(BMP_PORT)),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert dump.stderr is not None  # noqa: S101 - it was asked for
    while "listening on" not in dump.stderr.readline():
        if dump.poll() is not None:
            raise RuntimeError("tcpdump does not start")
    sink = lab.noc.popen([sys.executable, "-c", SINK, str(BMP_PORT)])
    try:
        yield
    finally:
        time.sleep(0.5)
        sink.kill()
        sink.wait()
        time.sleep(0.2)
        dump.send_signal(signal.SIGTERM)
        dump.wait(10)
    with target.open("rb") as source, gzip.GzipFile(path, "wb", mtime=0) as packed:
        shutil.copyfileobj(source, packed)


def connected(lab: Lab) -> None:
    """Wait until the controller has connected to the station: it tries ever more seldom."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if f":{BMP_PORT}" in lab.noc.run("ss", "-Htn", "state", "established"):
            return
        time.sleep(0.02)
    raise RuntimeError("the controller does not connect to the BMP station")


def record_story(folder: Path, capture_path: Path, steps_path: Path) -> None:
    """The demonstration's capture, and what happens when in it."""
    with Lab(folder) as lab:
        narrator = Narrator()
        prepare = tell_story(lab, narrator)
        next(prepare)  # the steady state, before anybody watches
        with capture(lab, capture_path):
            connected(lab)
            narrator.begin()
            for _ in prepare:
                pass
        steps_path.write_text(json.dumps(narrator.steps, indent=2) + "\n")


def record_case(folder: Path, path: Path, act: Callable[[Lab], None]) -> None:
    """One small capture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Lab(folder) as lab, capture(lab, path):
        connected(lab)
        time.sleep(3)
        act(lab)
        time.sleep(1)


def record_all(root: Path, folder: Path) -> None:
    """Every capture of the project."""
    demo = root / "anchorwatch" / "demo"
    print("recording the demonstration's story")
    record_story(folder / "story", demo / "story.pcap.gz", demo / "story.json")
    for name, act in CASES.items():
        print(f"recording {name}")
        record_case(folder / name, root / "tests" / "captures" / "lab" / f"{name}.pcap.gz", act)
