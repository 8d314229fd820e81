"""An installation of anchorwatch: a folder with settings and an intent, whose program is run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.unit.rules.test_contract import INTENT
from tests.unit.wire.build import BASIC, monitoring, prefix, update
from tests.waiting import free_port

ROUTE = monitoring(update(attributes=BASIC, nlri=prefix("192.0.2.50/32")))
COMMAND = (sys.executable, "-m", "anchorwatch")


class Installation:
    """A folder with settings and an intent, on free ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bmp, self.web = free_port(), free_port()
        (folder / "intent.yaml").write_text(INTENT)
        self.settings()

    def settings(
        self, routers: str = "127.0.0.1", more: str = "", store: str = "listen: 127.0.0.1:0"
    ) -> None:
        (self.folder / "anchorwatch.yaml").write_text(
            f"intent: intent.yaml\nbmp:\n  listen: 127.0.0.1:{self.bmp}\n"
            f"  routers: [{{address: {routers}}}]\nweb: {{listen: 127.0.0.1:{self.web}}}\n"
            f"store: {{{store}}}\n{more}"
        )

    @property
    def endpoint(self) -> str:
        """Where the running program says that its store can be asked."""
        owner = json.loads((self.folder / "anchorwatch-data/store/anchorwatch.json").read_text())
        return str(owner["endpoint"])

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def refused(self) -> str:
        """What `run` says before it ends with status 2."""
        done = self.command("run")
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    @contextmanager
    def running(
        self, command: Sequence[str] = (*COMMAND, "run"), **environment: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=os.environ | environment,
                stdout=log,
                stderr=log,
            )
        try:
            deadline = time.monotonic() + 120
            while not self.answers():
                assert process.poll() is None, self.log()
                assert time.monotonic() < deadline, self.log()
                time.sleep(0.05)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)

    def answers(self) -> bool:
        try:
            httpx.get(f"http://127.0.0.1:{self.web}/healthz")
        except httpx.HTTPError:
            return False
        return True

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def metrics(self) -> dict[str, float]:
        text = httpx.get(f"http://127.0.0.1:{self.web}/metrics").text
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if line[:1] != "#")
        return {name: float(value) for name, value in lines}

    def metric(self, name: str, value: float, within: float = 120) -> None:
        """Wait until a metric has this value, for so many seconds."""
        deadline = time.monotonic() + within
        while self.metrics().get(name) != value:
            assert time.monotonic() < deadline, (name, self.metrics())
            time.sleep(0.02)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.bmp))
