"""Connections to a controller: encrypted, refused, hanging, broken, and more than is taken in."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from anchorwatch.metrics import Metrics
from collector.inputs.gobgp import client as client_module
from collector.inputs.gobgp import connection as connection_module
from collector.inputs.gobgp.connection import ConnectError, GobgpConnection
from collector.inputs.gobgp.controller import Tls
from tests.conftest import unavailable
from tests.integration.controllers.conftest import VERSIONS
from tests.integration.gobgp import Pair, Watching
from tests.waiting import free_port, until


def certificates(folder: Path) -> dict[str, Path]:
    """An authority, and certificates of a server and a client that it signed."""
    names = {name: folder / name for name in ("ca.pem", "server.pem", "client.pem")}

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    new = ("req", "-newkey", "rsa:2048", "-nodes")
    openssl(*new, "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=lab", "-days", "2")
    for name in ("server", "client"):
        openssl(*new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "ext").write_text("subjectAltName=IP:127.0.0.1,DNS:controller.example\n")
        sign = ("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key")
        more = ("-CAcreateserial", "-extfile", "ext", "-days", "2")
        openssl(*sign, *more, "-out", f"{name}.pem")
    return names


ENCRYPTED = [*((release, False) for release in VERSIONS), ("4.8", True)]
"""GoBGP before 4 asks for no client certificate."""


@pytest.mark.parametrize(("release", "mutual"), ENCRYPTED, indirect=["release"])
def test_an_encrypted_connection(pair: Pair, tmp_path: Path, mutual: bool) -> None:
    if shutil.which("openssl") is None:
        unavailable("needs openssl")
    files = certificates(tmp_path)
    arguments = ["--tls", "--tls-cert-file", str(files["server.pem"])]
    arguments += ["--tls-key-file", str(tmp_path / "server.key")]
    if mutual:
        arguments += ["--tls-client-ca-file", str(files["ca.pem"])]
    pair.start(*arguments)
    address = f"127.0.0.1:{pair.controller.api}"
    own = (files["client.pem"], tmp_path / "client.key") if mutual else (None, None)
    watching = Watching(address, tls=Tls(files["ca.pem"], *own))
    watching.start()
    try:
        watching.settled()
    finally:
        watching.close()
    assert watching.client.connects["up"] == 1
    wrong = Tls(files["client.pem"]) if not mutual else Tls(files["ca.pem"])
    watching = Watching(address, tls=wrong)
    watching.start()
    try:
        until(lambda: watching.client.connects["failed"], "it is refused")
    finally:
        watching.close()
    assert watching.seen.events == []


def test_who_asks_for_a_certificate_is_shown_ours(tmp_path: Path) -> None:
    """A server of gRPC that knows no method: it is asked for one only behind the handshake."""
    if shutil.which("openssl") is None:
        unavailable("needs openssl")
    files = certificates(tmp_path)
    own = ((tmp_path / "server.key").read_bytes(), files["server.pem"].read_bytes())
    authority = files["ca.pem"].read_bytes()
    server = grpc.server(ThreadPoolExecutor(1))
    asking = grpc.ssl_server_credentials([own], authority, require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", asking)
    server.start()
    try:
        said = {}
        for name in ("client", None):
            pem = (files["client.pem"], tmp_path / "client.key") if name else (None, None)
            connection = GobgpConnection(f"127.0.0.1:{port}", Tls(files["ca.pem"], *pem))
            with pytest.raises(ConnectError) as refused:
                connection.probe()
            said[name] = str(refused.value)
            connection.close()
    finally:
        server.stop(None)
    assert said["client"] == "it speaks neither version 3 nor version 4 of GoBGP's interface"
    assert said[None].startswith("unavailable: ")


def test_a_fault_of_ours_is_told_and_all_is_begun_anew(
    release: str, pair: Pair, watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    """What was lost with it is told again with the next connection."""
    del release
    pair.start()
    pair.peer.run("global rib add 198.51.100.0/24 nexthop 192.0.2.5")
    until(lambda: "198.51.100.0" in pair.controller.run("global rib"), "the route has come")
    watching.seen.fault = ZeroDivisionError("a defect")
    watching.start()
    watching.settled()
    (down,) = watching.seen.find(kind="feed-down")
    assert down.reason == "a fault of anchorwatch: ZeroDivisionError('a defect')"
    told = watching.seen.find(kind="announce", prefix="198.51.100.0/24")
    assert {(each.view, each.provenance) for each in told} == {
        ("loc-rib", "dump"),
        ("adj-in-pre", "dump"),
    }
    assert watching.client.connects == {"up": 1, "faulty": 1}
    assert "what came over gRPC was not taken in" in caplog.text


def test_a_controller_that_hangs_is_noticed(
    pair: Pair, watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "SILENT", 200_000_000)
    monkeypatch.setattr(connection_module, "TIMEOUT", 1.0)
    pair.start()
    watching.start()
    watching.settled()
    time.sleep(1.5)
    assert watching.client.up  # it was asked, and it answered
    os.kill(pair.controller.pid, signal.SIGSTOP)
    (down,) = until(lambda: watching.seen.find(kind="feed-down"), "it is noticed")
    assert down.reason.startswith("it does not answer")
    os.kill(pair.controller.pid, signal.SIGCONT)
    watching.settled(2)


def came_out(watching: Watching) -> dict[str, int]:
    """How the first attempt to connect ended."""
    return dict(until(lambda: watching.client.connects, "it came out somehow"))


def test_a_name_that_is_not_in_the_certificate(release: str, pair: Pair, tmp_path: Path) -> None:
    files = certificates(tmp_path)
    key = str(tmp_path / "server.key")
    pair.start("--tls", "--tls-cert-file", str(files["server.pem"]), "--tls-key-file", key)
    address = f"127.0.0.1:{pair.controller.api}"
    outcomes: dict[str, Any] = {}
    for name in ("controller.example", "other.example"):
        watching = Watching(address, tls=Tls(files["ca.pem"], server_name=name))
        watching.start()
        try:
            outcomes[name] = came_out(watching)
        finally:
            watching.close()
    assert list(outcomes["controller.example"]) == ["up"]
    assert list(outcomes["other.example"]) == ["failed"]


def test_nobody_there_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watching = Watching(f"127.0.0.1:{free_port()}")
    watching.start()
    try:
        until(lambda: watching.client.connects["failed"] >= 2, "it was tried twice")
    finally:
        watching.close()
    assert watching.seen.events == []
    said = [record.getMessage() for record in caplog.records if "no gRPC session" in record.msg]
    assert len(said) == 1
    assert "unavailable" in said[0]


def test_what_is_not_taken_in_waits_is_told_of_and_is_bounded(
    release: str,
    pair: Pair,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(client_module, "STALLED", 500_000_000)
    there_is_room = True

    async def room() -> None:
        while not there_is_room:  # noqa: ASYNC110 - as a store that is slow
            await asyncio.sleep(0.02)

    pair.start()
    watching = Watching(f"127.0.0.1:{pair.controller.api}", room=room, most_octets=2000)
    metrics = Metrics()
    metrics.gobgp = [watching.client]

    def values(view: str = "loc-rib") -> dict[str, float]:
        """The samples of the controller; of those by view, this one's."""
        return {
            sample.name.removeprefix("anchorwatch_gobgp_"): sample.value
            for family in metrics.collect()
            for sample in family.samples
            if sample.labels.get("router") == "ctl" and sample.labels.get("view", view) == view
        }

    try:
        watching.start()
        watching.settled()
        there_is_room = False
        for number in range(40):  # a message of version 4 has 60 octets
            pair.controller.run(f"global rib add 198.51.{number}.0/24 nexthop 192.0.2.5")
        until(
            lambda: watching.client.queue.octets > 2000,
            "too much waits",
            context=lambda: f"{watching.client.queue.octets} octets",
        )
        until(lambda: watching.client.is_stalled, "that is noticed")
        found = values()
        assert found["stalled"] == 1
        assert found["lag_seconds"] > 0.5
        assert 2000 < found["queue_bytes"] < 10_000
        assert found["queue_messages"] >= 4
        there_is_room = True
        watching.settled(2)
        until(lambda: not watching.client.is_stalled, "it goes on")
    finally:
        there_is_room = True
        watching.close()
    assert watching.client.connects == {"up": 2, "overrun": 1, "lost": 1}
    assert [e.kind for e in watching.seen.events if e.kind.startswith("feed")] == [
        *("feed-up", "feed-down"),
        *("feed-up", "feed-down"),
    ]
    assert "waited to be taken in" in watching.seen.find(kind="feed-down")[0].reason
    dumped = {e.prefix for e in watching.seen.find(kind="announce", view="loc-rib")}
    assert len(dumped) == 40
    found = values()
    assert (found["up"], found["paths_total"] >= 20, found["queue_messages"]) == (0, True, 0)
    said = [record.getMessage() for record in caplog.records]
    assert any("what comes over gRPC has waited for" in line for line in said)
    assert any("what comes over gRPC is taken in again" in line for line in said)
    assert any("wait to be taken in" in line for line in said)
