"""A program that runs, whose store is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from benchmarks.generate import generate
from benchmarks.table import Shape
from collector.store.remote import RemoteStore
from tests.integration.installation import ROUTE, Installation
from tests.unit.wire.build import initiation, peer_up

STREAM = generate(Shape(routes=5_000, flowspec=0))
ROWS = STREAM.rows + 1
"""Of the table of routes: what is generated, and one."""
REVISION = 54_483
"""What clickhouse-go names as its client_protocol_version, or thereabouts."""
SLOW = "SELECT sum(sipHash64(number)) FROM numbers(100000000000)"
LIMITS = "queries: {max_seconds: 2, max_memory: 200000000, at_once: 2}"


@pytest.fixture(scope="package")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A program that runs, and has stored some routes."""
    installation = Installation(tmp_path_factory.mktemp("endpoint"))
    installation.settings(store=f"listen: 127.0.0.1:0, {LIMITS}")
    with installation.running():
        feed(installation)
        yield installation
    assert "Traceback" not in installation.log()


def feed(installation: Installation) -> None:
    with installation.connect() as router:
        router.sendall(initiation("r1") + peer_up() + ROUTE)
        installation.metric('anchorwatch_events_total{kind="announce"}', 1)
    with installation.connect() as router:
        router.sendall(STREAM.bmp)
        installation.metric('anchorwatch_events_total{kind="announce"}', 5_001)
    installation.metric("anchorwatch_bmp_sessions", 0)
    ask = RemoteStore(installation.endpoint)
    deadline = time.monotonic() + 20
    while ask.query("SELECT count() AS n FROM routes")["n"][0].as_py() < ROWS:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ask.close()


@pytest.fixture
def client(here: Installation) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=here.endpoint, timeout=30) as client:
        yield client


def code(answer: httpx.Response) -> int:
    return int(answer.headers["x-clickhouse-exception-code"])
