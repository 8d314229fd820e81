"""Whether others can tell that the watch lives: systemd's protocol, and a dead man's switch."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from anchorwatch.settings import read_settings
from tests.conftest import ROOT
from tests.integration.installation import Installation
from tests.waiting import free_port, until

WATCHDOG = 400_000
"""µs, as systemd says it."""


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


class Supervised:
    """The end of the socket that systemd holds."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("")  # the kernel gives it an abstract name of its own
        self.name = "@" + self.socket.getsockname()[1:].decode()

    def heard(self, within: float = 0.05) -> list[str]:
        """What has come, and comes `within` so many seconds of each other."""
        self.socket.settimeout(within)
        found = []
        with suppress(TimeoutError):
            while True:
                found.append(self.socket.recv(4096).decode())
        return found


@pytest.fixture
def supervised() -> Iterator[Supervised]:
    end = Supervised()
    yield end
    end.socket.close()


def test_systemd_is_told_of_the_start_of_each_while_and_of_the_end(
    here: Installation, supervised: Supervised
) -> None:
    said = {"NOTIFY_SOCKET": supervised.name, "WATCHDOG_USEC": str(WATCHDOG)}
    with here.running(**said) as process:
        heard: list[str] = []
        while len(heard) < 4:
            heard += supervised.heard()
        assert heard[0] == "READY=1"
        assert all(word.startswith("WATCHDOG=1\nSTATUS=0 of ") for word in heard[1:])
        assert heard[1].endswith(" feeds are seen, 0 incidents are open")
        # Whatever makes it hang, systemd hears nothing more.
        process.send_signal(signal.SIGSTOP)
        supervised.heard()
        assert supervised.heard(within=3 * WATCHDOG / 1e6) == []
        process.send_signal(signal.SIGCONT)
        until(lambda: "WATCHDOG=1" in "".join(supervised.heard()), "it lives again")
        process.send_signal(signal.SIGTERM)
        until(lambda: "STOPPING=1" in supervised.heard(), "the end is told")


def test_a_supervisor_that_does_not_listen_holds_up_nothing(here: Installation) -> None:
    gone = str(here.folder / "gone")
    with here.running(NOTIFY_SOCKET=gone, WATCHDOG_USEC="20000"):
        assert httpx.get(f"http://127.0.0.1:{here.web}/healthz").status_code == 200
        time.sleep(1)  # some twenty attempts
    assert here.log().count("whoever supervises us cannot be told: ") == 1


def test_the_service_file_asks_for_it() -> None:
    unit = ConfigParser(strict=False)
    unit.read(ROOT / "deploy/systemd/anchorwatch.service")
    assert unit["Service"]["Type"] == "notify"
    assert int(unit["Service"]["WatchdogSec"]) >= 30
    assert unit["Service"]["Restart"] == "on-failure"  # a watchdog's end is a failure


class Switch(HTTPServer):
    """A dead man's switch: what came, and what it answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.came: list[tuple[str, dict[str, Any]]] = []
        """Of each beat: the header `Authorization`, the body."""


class _Handler(BaseHTTPRequestHandler):
    server: Switch

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.came.append((self.headers.get("Authorization", ""), body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def switch() -> Iterator[Switch]:
    server = Switch()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def _beats(here: Installation) -> dict[str, float]:
    text = httpx.get(f"http://127.0.0.1:{here.web}/metrics").text
    name = "anchorwatch_heartbeats_total"
    rows = [line for line in text.splitlines() if line.startswith(name)]
    return {row.split('"')[1]: float(row.rpartition(" ")[2]) for row in rows}


def test_the_heartbeat_comes_and_says_when_it_is_refused(
    here: Installation, switch: Switch
) -> None:
    (here.folder / "secret").write_text("abc\n")
    url = f"http://127.0.0.1:{switch.server_port}/ping"
    here.settings(more=f"heartbeat: {{url: '{url}', every: 1s, token_file: secret}}\n")
    with here.running():
        until(lambda: len(switch.came) > 1, "two beats")
        told, body = switch.came[0]
        assert told == "Bearer abc"
        assert body.keys() == {"version", "feeds", "open_incidents"}
        switch.status = 503
        until(lambda: _beats(here)["failed"], "one that failed")
        switch.status = 200
        sent = _beats(here)["sent"]
        until(lambda: _beats(here)["sent"] > sent, "another one")
        assert _beats(here)["withheld"] == 0
    log = (here.folder / "log").read_text()
    assert log.count("the heartbeat is failed: http://127.0.0.1") == 1
    assert log.count("the heartbeat is sent again") == 1
    assert "/ping" not in log  # addresses of such switches are secrets often


def test_no_heartbeat_while_pages_cannot_go_out(here: Installation, switch: Switch) -> None:
    intent = here.folder / "intent.yaml"
    intent.write_text(intent.read_text() + "feeds: [{router: missing, silent_after: 1s}]\n")
    url = f"http://127.0.0.1:{switch.server_port}/"
    pager = f"pagers: [{{webhook: {{url: 'http://127.0.0.1:{free_port()}/'}}}}]\n"
    here.settings(more=f"heartbeat: {{url: '{url}', every: 1s}}\n{pager}")
    with here.running():
        until(lambda: _beats(here)["withheld"], "one that is withheld")
        came = len(switch.came)
        held = _beats(here)["withheld"]
        until(lambda: _beats(here)["withheld"] > held + 1, "two more")
        assert len(switch.came) == came
    assert (
        "the heartbeat is withheld: pager webhook does not take pages"
        in (here.folder / "log").read_text()
    )


def test_a_wrong_heartbeat_is_refused_at_the_start(here: Installation) -> None:
    here.settings(more="heartbeat: {url: 'http://h/', every: 10ms}\n")
    assert "anchorwatch.yaml:7: heartbeat.every: a heartbeat comes once a second" in here.refused()
    here.settings(more="heartbeat: {url: 'http://h/', token_file: none}\n")
    assert "cannot use none: No such file" in here.refused()
    (here.folder / "none").write_text("gehéim\n", encoding="utf-8")
    assert "the token of the heartbeat holds characters other than ASCII" in here.refused()


def test_files_of_secrets_are_beside_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Installation(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    for name in ("token", "key", "beat"):
        (tmp_path / name).write_text(f"{name}!\n")
    hook = "webhook: {url: 'http://h/', token_file: token, signing_key_file: key}"
    here.settings(more=f"pagers: [{{{hook}}}]\nheartbeat: {{url: 'http://h/', token_file: beat}}\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    settings = read_settings(Path("../anchorwatch.yaml"))
    (pager,) = settings.pagers
    assert pager.webhook is not None
    assert (pager.webhook.token(), pager.webhook.signing_key()) == ("token!", "key!")
    assert settings.heartbeat is not None
    assert settings.heartbeat.token() == "beat!"
