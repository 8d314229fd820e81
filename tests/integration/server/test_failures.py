"""A server that goes, hangs, breaks off or is full: nothing is lost or doubled."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from collector.store.backend import StoreError, StoreUnreachableError
from collector.store.server import ServerStore
from tests.integration.clickhouse import PASSWORD, Server, running
from tests.integration.installation import Installation
from tests.integration.server.conftest import sequences, sessions, until_it_works
from tests.unit.wire.build import initiation, monitoring, peer_up, reach, update


def test_a_server_that_is_stopped_and_started_again_is_found_again(server: Server) -> None:
    store = ServerStore(server.address)
    store.insert("sessions", sessions(0), "0")
    server.end(signal.SIGTERM)
    with pytest.raises(StoreUnreachableError, match=f"127.0.0.1:{server.port}"):
        store.insert("sessions", sessions(100), "1")
    with pytest.raises(StoreUnreachableError, match="Connection refused"):
        store.query("SELECT 1")
    server.start()
    store.insert("sessions", sessions(100), "1")
    assert sequences(server) == list(range(200))
    store.close()


def test_a_server_killed_during_inserts_loses_nothing_that_is_repeated(server: Server) -> None:
    """This old server keeps what it had not acknowledged, too: such a batch may be there twice."""
    store = ServerStore(server.address)
    stop = threading.Event()

    def kill_now_and_then() -> None:
        for _ in range(4):
            time.sleep(0.3)
            server.end(signal.SIGKILL)
            time.sleep(0.1)
            server.start()
        stop.set()

    killer = threading.Thread(target=kill_now_and_then)
    killer.start()
    batches = 0
    repeated: set[int] = set()
    while not stop.is_set() or not repeated:
        failed = until_it_works(store, sessions(batches * 100), str(batches))
        repeated |= {batches} if failed else set()
        batches += 1
    killer.join()
    store.close()
    stored = Counter(sequences(server))
    assert sorted(stored) == list(range(batches * 100))
    assert {number // 100 for number, times in stored.items() if times > 1} <= repeated


def test_a_server_that_stands_still_is_given_up_and_found_again(server: Server) -> None:
    store = ServerStore(replace(server.address, timeout=1.0))
    store.insert("sessions", sessions(0), "0")
    server.send(signal.SIGSTOP)
    try:
        begun = time.monotonic()
        with pytest.raises(StoreUnreachableError, match="does not answer in time"):
            store.insert("sessions", sessions(100), "1")
        assert time.monotonic() - begun < 10
    finally:
        server.send(signal.SIGCONT)
    until_it_works(store, sessions(100), "1")
    assert sequences(server) == list(range(200))
    store.close()


def test_a_connection_that_breaks_within_an_insert_is_made_again(
    server: Server, native: tuple[Path, tuple[str, ...], int], tmp_path: Path
) -> None:
    """The server is gone while blocks are on their way."""
    path, columns, rows = native
    large = tmp_path / "large.native"
    large.write_bytes(path.read_bytes() * 8)
    store = ServerStore(server.address)
    timer = threading.Timer(0.15, server.end, [signal.SIGKILL])
    timer.start()
    with pytest.raises(StoreUnreachableError, match=f"127.0.0.1:{server.port}"):
        for _ in range(50):
            store.insert_native("routes", columns, large, "token")
    timer.join()
    server.start()
    before = int(str(server.ask("SELECT count() FROM routes")[0][0]))
    assert before % rows == 0  # a block goes in whole or not at all
    store.insert_native("routes", columns, large, "token")
    assert server.ask("SELECT count() FROM routes") == [(before + rows * 8,)]
    store.close()


def test_a_server_whose_disk_is_full_says_so_and_takes_it_later(
    small_disk: Path, tmp_path: Path
) -> None:
    with running(tmp_path / "server", data=small_disk / "data") as server:
        store = ServerStore(server.address)
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(65536))
            except OSError:
                pass
        with pytest.raises(StoreError, match="No space left on device") as caught:
            store.insert("sessions", sessions(0), "0")
        assert f"127.0.0.1:{server.port}" in str(caught.value)
        ballast.unlink()
        until_it_works(store, sessions(0), "0")
        assert sequences(server) == list(range(100))
        store.close()


def test_a_watch_runs_on_while_its_server_is_down_or_killed(tmp_path: Path) -> None:
    """Whoever is at the other end, nothing is lost, and no hand is needed."""
    here = Installation(tmp_path)
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    server = Server(tmp_path / "server")
    where = f"address: '127.0.0.1:{server.port}', user: watch, password_file: password"
    here.settings(store=f"server: {{{where}}}")
    rules = [b"\x03\x81" + bytes([number]) for number in range(1, 61)]
    messages = [monitoring(update(attributes=reach(1, 133, b"", b"\x03" + r))) for r in rules]
    try:
        with here.running(), here.connect() as router:
            router.sendall(initiation("r1") + peer_up() + b"".join(messages[:20]))
            here.metric('anchorwatch_events_total{kind="announce"}', 20)
            assert here.metrics()["anchorwatch_store_rows_written_total"] == 0
            problems: list[str] = []
            deadline = time.monotonic() + 20
            while not problems and time.monotonic() < deadline:
                problems = httpx.get(f"http://127.0.0.1:{here.web}/healthz").json()["problems"]
                time.sleep(0.05)
            (problem,) = problems
            assert f"127.0.0.1:{server.port}" in problem
            assert "Connection refused" in problem
            server.start()
            server.make_tables()
            here.metric("anchorwatch_spool_segments", 0)
            assert here.metrics()["anchorwatch_store_rows_written_total"] >= 22
            for part in (messages[20:40], messages[40:]):
                server.end(signal.SIGKILL)
                router.sendall(b"".join(part))
                time.sleep(0.7)
                server.start()
            here.metric('anchorwatch_events_total{kind="announce"}', 60)
            here.metric("anchorwatch_spool_segments", 0)
            assert httpx.get(f"http://127.0.0.1:{here.web}/healthz").json()["status"] == "ok"
        # Each once and in order; what a quiet feed adds by itself may lie between them.
        found = server.ask("SELECT rule FROM flowspec ORDER BY sequence")
        assert [row[0] for row in found] == [f"protocol ={number}" for number in range(1, 61)]
        assert "Traceback" not in here.log()
        assert PASSWORD not in here.log()
    finally:
        server.end(signal.SIGKILL)
