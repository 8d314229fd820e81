"""A real Alertmanager, and a real HTTP receiver."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from detectors.pagers.alertmanager import AlertmanagerPager
from detectors.pagers.base import PageError
from detectors.pagers.webhook import WebhookPager
from tests.unit.pagers.test_outbox import incident

BINARY = "prometheus-alertmanager"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Alertmanager:
    """The daemon on loopback, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        (folder / "config.yml").write_text("route: {receiver: n}\nreceivers: [{name: n}]\n")
        self.start()

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    BINARY,
                    f"--config.file={self._folder / 'config.yml'}",
                    f"--storage.path={self._folder / 'data'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                    "--cluster.listen-address=",
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/-/ready").is_success:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise AssertionError((self._folder / "log").read_text())

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def alerts(self) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.url}/api/v2/alerts", params={"active": "true"})
        return list(answer.json())


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    if shutil.which(BINARY) is None:
        reason = f"needs {BINARY} (Debian package prometheus-alertmanager)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    daemon = Alertmanager(tmp_path)
    yield daemon
    daemon.kill()


def now() -> int:
    return time.time_ns()


def tell(url: str, *incidents: Any) -> None:
    async def run() -> None:
        pager = AlertmanagerPager(url)
        for each in incidents:
            await pager.send(each)
        await pager.close()

    asyncio.run(run())


def fresh(state: str = "open", **fields: Any) -> Any:
    opened = now() - 60 * 10**9
    base = msgspec.structs.replace(incident("a", state), time=now(), opened=opened)
    return msgspec.structs.replace(base, **fields)


def test_an_open_incident_fires_and_a_resolved_one_does_not(alertmanager: Alertmanager) -> None:
    tell(alertmanager.url, fresh())
    (alert,) = alertmanager.alerts()
    assert alert["labels"] == {
        "alertname": "flowspec_policy",
        "key": "a",
        "severity": "critical",
        "incident": "a",
        "kill_switch": "false",
    }
    assert alert["annotations"]["summary"] == "a is open"
    assert alert["annotations"]["router"] == "r1"
    assert alert["annotations"]["raw"] == "616263"
    ahead = alert["endsAt"] > time.strftime("%Y-%m-%dT%H", time.gmtime(time.time() + 23 * 3600))
    assert ahead
    tell(alertmanager.url, fresh("resolved"))
    assert alertmanager.alerts() == []


def test_a_changed_severity_replaces_the_alert(alertmanager: Alertmanager) -> None:
    tell(alertmanager.url, fresh(severity="warning"), fresh("updated"))
    assert [a["labels"]["severity"] for a in alertmanager.alerts()] == ["critical"]


def test_unknown_keeps_firing_and_says_so(alertmanager: Alertmanager) -> None:
    tell(alertmanager.url, fresh(), fresh("unknown"))
    (alert,) = alertmanager.alerts()
    assert alert["annotations"]["state"] == "unknown"


def test_an_alertmanager_that_restarted_hears_again(alertmanager: Alertmanager) -> None:
    tell(alertmanager.url, fresh())
    alertmanager.kill()
    with pytest.raises(PageError) as caught:
        tell(alertmanager.url, fresh())
    assert caught.value.retry
    alertmanager.start()
    assert alertmanager.alerts() == []
    tell(alertmanager.url, fresh())
    assert len(alertmanager.alerts()) == 1


def served(statuses: list[int], act: Callable[[str], None]) -> list[tuple[dict[str, str], Any]]:
    """A receiver on loopback that answers with these statuses, then 204; what it was sent."""
    got: list[tuple[dict[str, str], Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), json.loads(body)))
            self.send_response(statuses.pop(0) if statuses else 204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as above
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        act(f"http://127.0.0.1:{server.server_address[1]}/page")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    return got


def send(url: str, token: str | None = None) -> None:
    async def run() -> None:
        pager = WebhookPager(url, token=token)
        try:
            await pager.send(incident("a"))
        finally:
            await pager.close()

    asyncio.run(run())


def test_a_webhook_gets_the_incident_and_a_key_against_doubles() -> None:
    ((headers, body),) = served([], lambda url: send(url, "secret"))
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["idempotency-key"] == "a-open-10"
    assert headers["authorization"] == "Bearer secret"
    assert body == incident("a").to_dict()


@pytest.mark.parametrize(("status", "retry"), [(500, True), (503, True), (429, True), (400, False)])
def test_a_webhooks_refusal_says_whether_to_try_again(status: int, retry: bool) -> None:
    def act(url: str) -> None:
        with pytest.raises(PageError, match=f"status {status}") as caught:
            send(url, "secret")
        assert caught.value.retry is retry
        assert "secret" not in str(caught.value)

    served([status], act)
