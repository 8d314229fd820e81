"""`anchorwatch run` as its users start it: what it refuses, and what it takes in its stride."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from anchorwatch import __version__
from benchmarks.generate import generate
from benchmarks.table import Shape
from tests.conftest import need_native, unavailable
from tests.integration.test_alertmanager import free_port
from tests.unit.rules.test_contract import INTENT
from tests.unit.wire.build import (
    BASIC,
    initiation,
    monitoring,
    peer_header,
    peer_up,
    prefix,
    update,
)

ROOT = Path(__file__).parents[2]
ROUTE = monitoring(update(attributes=BASIC, nlri=prefix("192.0.2.50/32")))
COMMAND = (sys.executable, "-m", "anchorwatch")


class Installation:
    """A folder with settings and an intent, on free ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bmp, self.web = free_port(), free_port()
        (folder / "intent.yaml").write_text(INTENT)
        self.settings()

    def settings(self, routers: str = "127.0.0.1", more: str = "") -> None:
        (self.folder / "anchorwatch.yaml").write_text(
            f"intent: intent.yaml\nbmp:\n  listen: 127.0.0.1:{self.bmp}\n"
            f"  routers: [{{address: {routers}}}]\nweb: {{listen: 127.0.0.1:{self.web}}}\n{more}"
        )

    def refused(self) -> str:
        """What `run` says before it ends with status 2."""
        done = subprocess.run(
            [*COMMAND, "run"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    @contextmanager
    def running(self, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [*COMMAND, "run"],
                cwd=self.folder,
                env=os.environ | environment,
                stdout=log,
                stderr=log,
            )
        try:
            deadline = time.monotonic() + 30
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

    def metric(self, name: str, value: float) -> None:
        """Wait until a metric has this value."""
        deadline = time.monotonic() + 10
        while self.metrics().get(name) != value:
            assert time.monotonic() < deadline, (name, self.metrics())
            time.sleep(0.02)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.bmp))


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_a_bmp_port_in_use(here: Installation) -> None:
    with socket.create_server(("127.0.0.1", here.bmp)):
        error = here.refused()
    assert error.startswith(
        f"anchorwatch run: cannot listen for BMP on 127.0.0.1 port {here.bmp}: "
    )
    assert "address already in use" in error.lower()


def test_a_web_port_in_use(here: Installation) -> None:
    with socket.create_server(("127.0.0.1", here.web)):
        error = here.refused()
    assert error == (
        f"anchorwatch run: cannot serve the web pages on 127.0.0.1 port {here.web}: "
        "Address already in use\n"
    )


def test_a_web_address_that_is_not_loopback_needs_a_token(here: Installation) -> None:
    path = here.folder / "anchorwatch.yaml"
    path.write_text(path.read_text().replace(f"127.0.0.1:{here.web}", f"0.0.0.0:{here.web}"))
    assert "is not loopback: set web.token_file" in here.refused()


def test_settings_with_mistakes_name_each_with_its_line(here: Installation) -> None:
    (here.folder / "anchorwatch.yaml").write_text(
        "intent: intent.yaml\nbmp:\n  listen: nowhere\n  routers: []\npager: []\n"
    )
    error = here.refused()
    assert "anchorwatch.yaml:3: bmp.listen: 'nowhere' is not ADDRESS:PORT" in error
    assert "anchorwatch.yaml:4: bmp.routers" in error
    assert "anchorwatch.yaml:5: pager" in error
    assert "pagers" in error  # did you mean


def test_an_intent_with_ten_mistakes_names_all_ten(here: Installation) -> None:
    (here.folder / "intent.yaml").write_text(
        """version: 2
sites:
  a: {match: []}
  b: {match: [{peer: nowhere}]}
services:
  - {name: web, prefix: 192.0.2.50/24, home: [nobody], hold: soon}
anycast:
  - {name: x, prefix: 10.0.0.1/32, sites: [a], minimum: 5}
flowspec:
  - {name: m, destinations: [192.0.2.0/24], actions: [explode]}
protect: [tcp/99999]
surprise: yes
"""
    )
    done = subprocess.run(
        [*COMMAND, "check", "-c", "anchorwatch.yaml"],
        cwd=here.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    lines = [line.split(":")[1] for line in done.stderr.splitlines()]
    assert len(done.stderr.splitlines()) >= 10
    assert {"1", "3", "4", "6", "8", "10", "11", "12"} <= set(lines)
    assert "Traceback" not in done.stderr


def test_a_store_that_cannot_be_written(here: Installation) -> None:
    (here.folder / "anchorwatch-data").write_text("in the way")
    assert "File exists" in here.refused()


def test_a_read_only_disk(here: Installation) -> None:
    if os.geteuid() != 0:
        unavailable("needs root, to mount a read-only disk")
    disk = here.folder / "anchorwatch-data"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(disk)], check=True)
    try:
        error = here.refused()
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert error == (
        "anchorwatch run: cannot open a store at anchorwatch-data/store: Read-only file system\n"
    )


def test_a_second_run_on_the_same_state(here: Installation, tmp_path: Path) -> None:
    with here.running():
        text = (here.folder / "anchorwatch.yaml").read_text()
        other = text.replace(str(here.bmp), str(free_port())).replace(
            str(here.web), str(free_port())
        )
        (here.folder / "anchorwatch.yaml").write_text(other)
        assert "is in use by another anchorwatch" in here.refused()


def test_a_secret_that_is_not_there(here: Installation) -> None:
    here.settings(
        more="pagers:\n  - webhook: {url: http://127.0.0.1:1/, token_file: /nonexistent}\n"
    )
    assert "cannot use /nonexistent: No such file or directory" in here.refused()


def test_an_unknown_router_is_refused_and_counted(here: Installation) -> None:
    here.settings(routers="192.0.2.1")
    with here.running():
        with here.connect() as connection:
            connection.settimeout(5)
            assert connection.recv(1) == b""
        here.metric('anchorwatch_bmp_refused_total{reason="unknown-router"}', 1)
    assert "refused BMP session from 127.0.0.1: it is not a listed router" in here.log()


def test_malformed_bmp_ends_one_session_and_no_other(here: Installation) -> None:
    with here.running(), here.connect() as good, here.connect() as bad:
        good.sendall(initiation("good") + peer_up())
        bad.sendall(initiation("bad") + b"GET / HTTP/1.1\r\n\r\n")
        bad.settimeout(5)
        assert bad.recv(1) == b""
        here.metric('anchorwatch_decode_errors_total{reason="version",router="bad"}', 1)
        # A message that cannot be read is counted, and the session goes on.
        wrong = monitoring(update(attributes=BASIC, nlri=b"\x21\x0a\0\0\0\0"))
        good.sendall(wrong + ROUTE)
        here.metric('anchorwatch_events_total{kind="announce"}', 1)
        assert here.metrics()["anchorwatch_bmp_sessions"] == 1
        labels = '{reason="malformed-route-monitoring",router="good"}'
        assert here.metrics()[f"anchorwatch_decode_errors_total{labels}"] == 1
    assert "Traceback" not in here.log()


def test_what_was_received_is_in_the_store_afterwards(here: Installation) -> None:
    with here.running():
        with here.connect() as router:
            router.sendall(initiation("r1") + peer_up() + ROUTE)
            here.metric('anchorwatch_events_total{kind="announce"}', 1)
        here.metric("anchorwatch_bmp_sessions", 0)
    done = subprocess.run(
        [*COMMAND, "history", "192.0.2.50", "--format", "jsonl"],
        cwd=here.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["kind"] for row in rows] == ["feed-up", "peer-up", "announce", "feed-down"]
    nothing = subprocess.run(
        [*COMMAND, "flowspec"], cwd=here.folder, capture_output=True, text=True, check=True
    )
    assert nothing.stdout.startswith("no router held a Flowspec rule at ")


COLUMNS = (
    "sequence, time, router, peer, view, kind, provenance, family, rd, prefix, path_id, labels, "
    "next_hop, as_path_text, origin_as, origin, med, local_pref, communities, ext_communities, "
    "large_communities, originator_id, cluster_list, aggregator, warnings"
)
DIGEST = f"""
import sys
from pathlib import Path
from collector.store.embedded import EmbeddedStore
store = EmbeddedStore(Path(sys.argv[1]), create=False)
sql = "SELECT count() AS n, sum(cityHash64({COLUMNS})) AS digest FROM routes"
print(*store.query(sql).to_pylist()[0].values())
store.close()
"""  # noqa: S608 - our own names


def test_a_table_is_stored_alike_whichever_decoder_runs(here: Installation, tmp_path: Path) -> None:
    need_native()
    stream = generate(Shape(routes=20_000, seed=5, vpn=True))
    digests = []
    for decoder in ("native", "python"):
        shutil.rmtree(here.folder / "anchorwatch-data", ignore_errors=True)
        with here.running(ANCHORWATCH_DECODER=decoder):
            with here.connect() as router:
                router.sendall(stream.bmp)
                here.metric('anchorwatch_events_total{kind="announce"}', 20_000 + stream.rules)
            info = f'anchorwatch_build_info{{decoder="{decoder}",version="{__version__}"}}'
            assert here.metrics()[info] == 1
            here.metric("anchorwatch_bmp_sessions", 0)
        done = subprocess.run(
            [sys.executable, "-c", DIGEST, str(here.folder / "anchorwatch-data" / "store")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith(f"{stream.rows} ")
        digests.append(done.stdout)
    assert digests[0] == digests[1]
    assert "Traceback" not in here.log()


def test_a_receiver_that_is_down_is_told_by_health_and_metrics(here: Installation) -> None:
    here.settings(more=f"pagers:\n  - webhook: {{url: 'http://127.0.0.1:{free_port()}/'}}\n")
    with here.running(), here.connect() as router:
        router.sendall(initiation("r1") + peer_up(header=None) + ROUTE)
        here.metric('anchorwatch_incidents_open{severity="critical"}', 0)
        other = monitoring(
            update(attributes=BASIC, nlri=prefix("192.0.2.50/32")),
            peer_header("10.0.1.2"),
        )
        router.sendall(other)
        here.metric('anchorwatch_incidents_open{severity="critical"}', 1)
        here.metric('anchorwatch_pages_pending{pager="webhook"}', 1)
        answer = httpx.get(f"http://127.0.0.1:{here.web}/healthz")
        assert answer.status_code == 503
        (problem,) = answer.json()["problems"]
        assert problem.startswith("pager webhook does not take pages: http://127.0.0.1:")
