"""A real Alertmanager, and a real HTTP receiver."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
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
from detectors.pagers.delivery import Delivery
from detectors.pagers.outbox import Outbox
from detectors.pagers.webhook import WebhookPager
from tests.conftest import unavailable
from tests.unit.pagers.test_outbox import incident
from tests.waiting import free_port

BINARY = "prometheus-alertmanager"


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
        unavailable(f"needs {BINARY} (Debian package prometheus-alertmanager)")
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


@pytest.mark.parametrize("end", ["updated", "resolved"])
def test_labels_that_changed_across_our_restart_leave_no_alert_behind(
    alertmanager: Alertmanager, end: str
) -> None:
    tell(alertmanager.url, fresh(severity="warning"))
    tell(alertmanager.url, fresh(end, details={"kill_switch": True}))  # a new pager, no memory
    labels = [alert["labels"] for alert in alertmanager.alerts()]
    found = [(each["severity"], each["kill_switch"]) for each in labels]
    assert found == ([("critical", "true")] if end == "updated" else [])


def test_an_incident_without_news_for_days_keeps_firing(alertmanager: Alertmanager) -> None:
    days = 3 * 86_400 * 10**9
    tell(alertmanager.url, fresh(opened=now() - days, time=now() - days))
    assert len(alertmanager.alerts()) == 1


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


def test_open_incidents_come_back_by_themselves_after_a_restart(
    alertmanager: Alertmanager, tmp_path: Path
) -> None:
    pager = AlertmanagerPager(alertmanager.url)
    pager.repeat_every = 0.2

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while True:
                if await asyncio.to_thread(condition):
                    return
                await asyncio.sleep(0.05)

    async def run() -> None:
        outbox = Outbox(tmp_path / "outbox", [pager.name])
        delivery = Delivery(outbox, [pager], first_wait=0.05, longest_wait=0.2)
        delivery.start()
        outbox.record([fresh()])
        delivery.wake()
        await until(lambda: len(alertmanager.alerts()) == 1)
        await asyncio.to_thread(alertmanager.kill)
        await until(lambda: pager.name in delivery.last_error)
        await asyncio.to_thread(alertmanager.start)
        await until(lambda: len(alertmanager.alerts()) == 1)
        await until(lambda: pager.name not in delivery.last_error)
        outbox.record([fresh("resolved")])
        delivery.wake()
        await until(lambda: not alertmanager.alerts())
        await delivery.stop()
        outbox.close()

    asyncio.run(run())


def served(
    statuses: list[int], act: Callable[[str], None], answer: bytes = b""
) -> list[tuple[dict[str, str], Any]]:
    """A receiver on loopback that answers with these statuses, then 204; what it was sent."""
    got: list[tuple[dict[str, str], Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), json.loads(body)))
            self.send_response(statuses.pop(0) if statuses else 204)
            self.end_headers()
            self.wfile.write(answer)

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
    assert re.fullmatch("a-open-10-[0-9a-f]{16}", headers["idempotency-key"])
    assert headers["authorization"] == "Bearer secret"
    assert body == incident("a").to_dict()


def test_two_updates_of_one_moment_are_no_doubles(tmp_path: Path) -> None:
    first = incident("a", "updated")
    other = msgspec.structs.replace(first, details={"sites": ["a", "b", "c"]})

    def act(url: str) -> None:
        async def run() -> None:
            outbox = Outbox(tmp_path / "outbox", ["webhook"])
            pager = WebhookPager(url)
            for _ in range(2):  # as after a restart
                outbox.record([first, other])
                for _ in range(2):
                    page = outbox.next_page("webhook")
                    assert page is not None
                    await pager.send(page[1])
                    outbox.done(page[0])
            await pager.close()
            outbox.close()

        asyncio.run(run())

    keys = [headers["Idempotency-Key"] for headers, _ in served([], act)]
    assert keys[:2] == keys[2:]
    assert keys[0] != keys[1]


@pytest.mark.parametrize(
    ("status", "retry", "within"),
    [
        *((status, True, None) for status in (500, 503, 408, 425, 429)),
        *((status, True, 3600) for status in (301, 302, 307, 401, 403, 407)),
        *((status, False, None) for status in (400, 404, 410, 422)),
    ],
)
def test_a_webhooks_refusal_says_whether_to_try_again(
    status: int, retry: bool, within: float | None
) -> None:
    def act(url: str) -> None:
        with pytest.raises(PageError, match=f"status {status}") as caught:
            send(url, "secret")
        assert (caught.value.retry, caught.value.within) == (retry, within)
        assert "secret" not in str(caught.value)

    served([status], act)


def test_what_a_webhook_answers_commands_no_terminal() -> None:
    def act(url: str) -> None:
        with pytest.raises(PageError) as caught:
            send(url)
        assert caught.value.message.endswith("status 400 no [2J such  page")

    served([400], act, answer=b"no\x1b[2J such\n\npage\n")


def test_a_webhook_that_fails_at_first_gets_everything_in_order(tmp_path: Path) -> None:
    def act(url: str) -> None:
        async def run() -> None:
            outbox = Outbox(tmp_path / "outbox", ["webhook"])
            outbox.record([incident("a"), incident("b"), incident("a", "resolved", time=11)])
            delivery = Delivery(outbox, [WebhookPager(url)], first_wait=0.01)
            delivery.start()
            async with asyncio.timeout(20):
                while True:
                    if not outbox.pending("webhook"):
                        break
                    await asyncio.sleep(0.01)
            await delivery.stop()
            outbox.close()
            assert delivery.failed == {("webhook", "retried"): 3}

        asyncio.run(run())

    got = served([500, 503, 429], act)
    keys = [headers["Idempotency-Key"].rpartition("-")[0] for headers, _ in got]
    failed = ["a-open-10", "b-open-10", "a-open-10"]
    assert keys == [*failed, "b-open-10", "a-open-10", "a-resolved-11"]
    assert [(body["id"], body["state"]) for _, body in got[3:]] == [
        ("b", "open"),
        ("a", "open"),
        ("a", "resolved"),
    ]


@pytest.mark.parametrize("token", ["two\nlines", "s\u00e9cret"])
def test_a_token_that_cannot_stand_in_a_header_is_refused_and_not_told(token: str) -> None:
    with pytest.raises(ValueError, match="the token of pager 'webhook'") as caught:
        WebhookPager("http://127.0.0.1:9/", token=token)
    assert token not in str(caught.value)
