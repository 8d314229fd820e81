"""Probes from end to end: `anchorwatch probe` and `anchorwatch run`, as their users start them."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.integration.installation import COMMAND, Installation
from tests.unit.wire.build import (
    attribute,
    initiation,
    monitoring,
    peer_header,
    peer_up,
    prefix,
    update,
)
from tests.waiting import free_port, until

ADDRESS = "127.0.0.1"
PATH = attribute(1, b"\0") + attribute(2, b"\x02\x01\0\0\xfd\xea") + attribute(3, b"\x0a\0\1\x01")
ROUTE = monitoring(update(attributes=PATH, nlri=prefix(f"{ADDRESS}/32")), peer_header("10.0.1.1"))
START = initiation("rr1") + peer_up(peer_header("10.0.1.1")) + ROUTE


class Site(Installation):
    """A watch, a service that may answer, and the prober that asks it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.service = free_port()
        self.intent()
        (folder / "token").write_text("secret\n")

    def intent(self, prober: str = "site") -> None:
        (self.folder / "intent.yaml").write_text(
            "version: 1\nsites: {pe1: {match: [{peer: 10.0.1.1}]}}\nanycast:\n"
            f"  - {{name: anchor, prefix: {ADDRESS}/32, sites: [pe1], probe: {{tcp: {self.service},"
            f" every: 200ms, timeout: 10s, from: {prober}}}}}\n"
        )

    def to(self) -> tuple[str, ...]:
        return ("--intent", "intent.yaml", "--to", f"http://127.0.0.1:{self.web}")

    @contextmanager
    def probing(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / "probe.log").open("ab") as log:
            process = subprocess.Popen(
                [*COMMAND, "probe", *words], cwd=self.folder, stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0

    @contextmanager
    def serving(self) -> Iterator[None]:
        with socket.create_server((ADDRESS, self.service), backlog=4096):
            yield

    def said(self) -> str:
        return (self.folder / "probe.log").read_text()

    def open_incidents(self, token: str | None = None) -> list[str]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"http://127.0.0.1:{self.web}/api/v1/status"
        found = httpx.get(url, headers=headers).json()["incidents"]
        return [each["summary"] for each in found if each["detector"] == "anycast_black_hole"]


@pytest.fixture
def here(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_black_hole_opens_by_a_prober_at_the_site_and_resolves(here: Site) -> None:
    with here.running(), here.connect() as router:
        router.sendall(START)
        with here.probing("--site", "pe1", *here.to()):
            summary = until(here.open_incidents, "a black hole", 120, here.log)[0]
            assert summary.startswith(f"pe1 advertises anchor ({ADDRESS}/32) and does not serve it")
            assert "connection refused" in summary
            with here.serving():
                until(lambda: not here.open_incidents(), "it resolves", 120, here.log)
        healthy = 'anchorwatch_probes_total{anycast="anchor",prober="pe1",result="healthy"}'
        failed = healthy.replace("healthy", "failed")
        assert here.metrics()[healthy] >= 2
        assert here.metrics()[failed] >= 3
        told = json.loads(here.command("status", "--format", "json").stdout)
        (prober,) = told["probers"]
        assert (prober["prober"], prober["state"]) == ("pe1", "reports")
        (probe,) = prober["probes"]
        assert (probe["anycast"], probe["site"], probe["probe"]) == (
            *("anchor", "pe1", f"tcp {here.service}"),
        )
        assert f"anchor at pe1, tcp {here.service}" in here.command("status").stdout
        query = "SELECT site, result, prefix, reason FROM probes WHERE result = 'failed' LIMIT 1"
        until(lambda: here.command("sql", query, "--format", "jsonl").stdout, "rows", 60)
        found = json.loads(here.command("sql", query, "--format", "jsonl").stdout.splitlines()[0])
        assert found == {
            "site": "pe1",
            "result": "failed",
            "prefix": f"{ADDRESS}/32",
            "reason": "connection refused",
        }


def test_the_watch_itself_may_be_the_prober(here: Site) -> None:
    here.settings(more="prober: lookout\n")
    here.intent("lookout")
    with here.running(), here.connect() as router:
        router.sendall(START)
        summary = until(here.open_incidents, "a black hole", 120, here.log)[0]
        assert summary.startswith(f"anchor ({ADDRESS}/32) does not answer lookout since")


def test_a_prober_needs_the_token_and_waits_for_the_watch(here: Site) -> None:
    here.settings(more="")
    path = here.folder / "anchorwatch.yaml"
    text = path.read_text().replace(
        f"web: {{listen: 127.0.0.1:{here.web}}}",
        f"web: {{listen: 127.0.0.1:{here.web}, token_file: token}}",
    )
    path.write_text(text)
    with here.serving(), here.probing("--site", "pe1", *here.to()):
        until(lambda: "does not take results" in here.said(), "it says so", 60)
        with here.running():
            until(lambda: "HTTP status 401" in here.said(), "it is refused", 60, here.said)
            with here.probing("--site", "pe1", "-c", "anchorwatch.yaml"):
                url = f"http://127.0.0.1:{here.web}/metrics"
                key = {"Authorization": "Bearer secret"}
                wanted = 'anchorwatch_probes_total{anycast="anchor",prober="pe1",result="healthy"}'
                until(lambda: wanted in httpx.get(url, headers=key).text, "results", 60, here.said)
    assert "Traceback" not in here.said()


def test_probing_once_says_what_it_found(here: Site) -> None:
    with here.serving():
        done = here.command("probe", "--site", "pe1", "--intent", "intent.yaml", "--once")
    assert (done.returncode, done.stderr) == (0, "")
    expected = f"anchor at pe1: tcp {here.service} ({ADDRESS}): "
    assert done.stdout.startswith(f"{expected}healthy (")
    done = here.command("probe", "--site", "pe1", "--intent", "intent.yaml", "--once")
    assert done.returncode == 1
    assert done.stdout.startswith(f"{expected}failed, connection refused (")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((), "say what to probe: -c FILE, or --intent FILE with --to URL"),
        (("--intent", "intent.yaml"), "say who is told: --to URL, or -c FILE"),
        (("--intent", "none.yaml", "--once"), "none.yaml:1: cannot be read: no such file"),
        (("--intent", "intent.yaml", "--to", "rr1"), "--to rr1 is no URL: write http://"),
        (
            ("--intent", "intent.yaml", "--to", "http://h", "--token-file", "nowhere"),
            "cannot read nowhere: No such file or directory",
        ),
    ],
)
def test_what_cannot_be_done_is_said(here: Site, words: tuple[str, ...], error: str) -> None:
    done = here.command("probe", "--site", "pe1", *words)
    assert done.returncode == 2
    assert error in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_site_is_refused_by_probe_and_by_run(here: Site) -> None:
    done = here.command("probe", "--site", "pe9", "--intent", "intent.yaml", "--once")
    assert done.stderr == (
        "anchorwatch probe: the intent has no probe from 'pe9' (did you mean 'pe1'?): it has "
        "probes from pe1\n"
    )
    here.settings(more="prober: pe9\n")
    assert "the intent has no probe from 'pe9'" in here.refused()
