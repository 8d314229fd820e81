"""`anchorwatch run`, Alertmanager and a webhook in the lab's NOC host."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from deploy.lab.lab import Lab
from tests.waiting import until

T = TypeVar("T")

ALERTMANAGER = 9093
WEBHOOK = 9080
WEB = 8480

SETTINGS = """
intent: intent.yaml
bmp:
  listen: 0.0.0.0:{bmp_port}
  routers:
    - {{address: {controller}, name: controller}}
pagers:
  - alertmanager: {{url: "http://127.0.0.1:9093"}}
  - webhook: {{url: "http://127.0.0.1:9080/page"}}
"""


class Watched:
    """A running watch over the lab, and what it told people."""

    def __init__(
        self,
        lab: Lab,
        folder: Path,
        intent: str,
        settings: str = SETTINGS,
        feeds: Collection[str] = ("controller",),
    ) -> None:
        """Start the receivers and the watch; wait until the routers' tables are complete."""
        self.lab = lab
        self._feeds = dict.fromkeys(feeds, "complete")
        self._folder = folder
        self._pages = folder / "pages.jsonl"
        self._pages.touch()
        (folder / "intent.yaml").write_text(intent)
        (folder / "anchorwatch.yaml").write_text(
            settings.format(bmp_port=lab.bmp_port, controller=lab.controller.address)
        )
        (folder / "alertmanager.yml").write_text(
            "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"
        )
        receiver = Path(__file__).with_name("webhook.py")
        self._receivers = [
            self._start("webhook", [sys.executable, str(receiver), str(WEBHOOK), str(self._pages)]),
            self._start(
                "alertmanager",
                [
                    "prometheus-alertmanager",
                    f"--config.file={folder / 'alertmanager.yml'}",
                    f"--storage.path={folder / 'alertmanager'}",
                    f"--web.listen-address=127.0.0.1:{ALERTMANAGER}",
                    "--cluster.listen-address=",
                ],
            ),
        ]
        self._watch: subprocess.Popen[bytes] | None = None
        until(lambda: self.get(ALERTMANAGER, "/-/ready") is not None, "Alertmanager is ready")
        self.start()

    def start(self) -> None:
        """Start the watch and wait until it has seen the controller's tables."""
        command = [sys.executable, "-m", "anchorwatch", "run", "-c", "anchorwatch.yaml"]
        self._watch = self._start("watch", command)
        until(self.feeds_complete, "the controller's tables are seen", seconds=60)

    def feeds_complete(self) -> bool:
        """Whether the watch says that it sees all it knows of."""
        health: dict[str, Any] = json.loads(self.get(WEB, "/healthz") or "{}")
        return bool(health.get("feeds") == self._feeds)

    def kill(self) -> None:
        """End the watch as a power cut would."""
        assert self._watch is not None
        self._watch.send_signal(signal.SIGKILL)
        self._watch.wait(10)

    def close(self) -> None:
        """End everything that was started."""
        for process in [self._watch, *self._receivers]:
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(15)
                if process.poll() is None:
                    process.kill()
                    process.wait(5)

    def pages(self, detector: str | None = None) -> list[dict[str, Any]]:
        """What the webhook has received, in order, each page once.

        One that was on its way when the watch was killed arrives twice.
        """
        pages: dict[str, dict[str, Any]] = {}
        for line in self._pages.read_text().splitlines():
            page = json.loads(line)
            said = {name: value for name, value in page.items() if name != "arrived"}
            pages.setdefault(json.dumps(said), page)
        return [page for page in pages.values() if detector in (None, page["detector"])]

    def page(self, detector: str, state: str, seconds: float = 15) -> dict[str, Any]:
        """The newest page of a detector once it is in this state."""
        return until(
            lambda: next((p for p in self.pages(detector)[-1:] if p["state"] == state), None),
            f"{detector} is {state}",
            seconds,
            lambda: f"pages: {self.pages()}\n{self.log()}",
        )

    def alerts(self) -> dict[str, dict[str, Any]]:
        """What fires in Alertmanager now, by the alert's name."""
        body = self.get(ALERTMANAGER, "/api/v2/alerts?active=true")
        return {alert["labels"]["alertname"]: alert for alert in json.loads(body or "[]")}

    def metrics(self) -> dict[str, float]:
        """The watch's own metrics, by name and labels."""
        text = self.get(WEB, "/metrics") or ""
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")
        return {name: float(value) for name, value in pairs}

    def cutover(self, *words: str) -> dict[str, Any]:
        """What `anchorwatch cutover` answers."""
        command = [sys.executable, "-m", "anchorwatch", "cutover", *words, "--json"]
        process = self.lab.noc.popen(
            command, cwd=self._folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, said = process.communicate(timeout=60)
        assert process.returncode in (0, 1), said.decode()
        told: dict[str, Any] = json.loads(out)
        return told

    def log(self) -> str:
        """The end of what the watch has logged."""
        return (self._folder / "watch.log").read_text()[-3000:]

    def get(self, port: int, path: str) -> str | None:
        """The body of a page on the NOC host's loopback, or None while nobody answers."""
        code = (
            "import sys, urllib.request, urllib.error\n"
            "try: print(urllib.request.urlopen(sys.argv[1], timeout=3).read().decode())\n"
            "except urllib.error.HTTPError as e: print(e.read().decode())\n"
        )
        command = [sys.executable, "-S", "-c", code, f"http://127.0.0.1:{port}{path}"]
        process = self.lab.noc.popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        out, _ = process.communicate(timeout=10)
        return out.decode() if process.returncode == 0 else None

    def _start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("ab") as log:
            return self.lab.noc.popen(command, cwd=self._folder, stdout=log, stderr=log)
