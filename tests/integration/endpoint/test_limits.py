"""What a question to a running program may cost, and that the watch goes on beside it."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest

from collector.store.remote import RemoteStore
from tests.integration.endpoint.conftest import SLOW, code
from tests.integration.installation import ROUTE, Installation
from tests.unit.wire.build import initiation, peer_up


def test_a_question_that_takes_too_long(client: httpx.Client) -> None:
    answer = client.post("/?max_execution_time=1000", content=SLOW.encode())
    assert (answer.status_code, code(answer)) == (408, 159)
    answer = client.post("/?max_execution_time=0.1", content=SLOW.encode())
    assert code(answer) == 159
    assert re.search(r"elapsed \d\d\d\.", answer.text)  # milliseconds


def test_a_question_that_takes_too_much_memory(client: httpx.Client) -> None:
    question = b"SELECT groupArray(number) FROM numbers(1000000000)"
    answer = client.post("/?max_memory_usage=0", content=question)
    assert (answer.status_code, code(answer)) == (500, 241)


def test_more_questions_than_are_answered_at_once(here: Installation) -> None:
    rejected = 'anchorwatch_queries_rejected_total{reason="busy"}'
    before = here.metrics().get(rejected, 0)
    codes: list[int] = []

    def ask() -> None:
        with httpx.Client(base_url=here.endpoint, timeout=30) as client:
            answer = client.post("/", content=SLOW.encode())
            codes.append(code(answer))
            if codes[-1] == 202:
                assert answer.status_code == 503

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) == {159, 202}
    assert here.metrics()[rejected] - before == codes.count(202)


def test_a_client_that_leaves_ends_its_question(here: Installation, client: httpx.Client) -> None:
    cancelled = 'anchorwatch_queries_total{result="cancelled"}'
    before = here.metrics().get(cancelled, 0)
    count = "SELECT count() FROM system.processes WHERE query LIKE '%numbers(100000000001)%'"
    for question in (
        "SELECT sum(sipHash64(number)) FROM numbers(100000000001)",  # says nothing until its end
        "SELECT number FROM numbers(100000000001)",  # never stops saying something
    ):
        address = here.endpoint.removeprefix("http://").split(":")
        with socket.create_connection((address[0], int(address[1]))) as gone:
            head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(question)}\r\n\r\n"
            gone.sendall((head + question).encode())
            time.sleep(0.5)
            assert client.post("/", content=count.encode()).text == "2\n"  # and this one
        deadline = time.monotonic() + 1
        while client.post("/", content=count.encode()).text != "1\n":
            assert time.monotonic() < deadline
            time.sleep(0.05)
    here.metric(cancelled, before + 2)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A program that gives questions a minute; not started."""
    installation = Installation(tmp_path_factory.mktemp("patient"))
    installation.settings(store="listen: 127.0.0.1:0, queries: {max_seconds: 60, at_once: 3}")
    return installation


def test_an_answer_of_any_size_passes_through(patient: Installation) -> None:
    with patient.running(), httpx.Client(base_url=patient.endpoint, timeout=60) as client:
        _read_much(patient, client)


def _read_much(here: Installation, client: httpx.Client) -> None:
    status = Path(f"/proc/{pid(here)}/status")
    client.get("/?query=SELECT number, repeat('x', 100) FROM numbers(100000)")
    before = resident(status)
    size = peak = 0
    question = {"query": "SELECT number, repeat('x', 100) FROM numbers(3000000) FORMAT JSON"}
    with client.stream("GET", "/", params=question) as answer:
        assert answer.headers["transfer-encoding"] == "chunked"
        for piece in answer.iter_bytes():
            size += len(piece)
            if size >> 24 != (size - len(piece)) >> 24:
                peak = max(peak, resident(status))
    assert size > 400 << 20
    assert peak > 0
    assert peak - before < 128 << 20


def pid(here: Installation) -> int:
    owner = json.loads((here.folder / "anchorwatch-data/store/anchorwatch.json").read_text())
    return int(owner["pid"])


def resident(status: Path) -> int:
    (line,) = re.findall(r"RssAnon:\s+(\d+) kB", status.read_text())
    return int(line) << 10


def test_a_failure_amid_an_answer_is_not_taken_for_its_end(client: httpx.Client) -> None:
    got = b""
    question = "SELECT throwIf(number = 900000), toString(number) FROM numbers(1000000)"
    with (
        pytest.raises(httpx.RemoteProtocolError),
        client.stream("POST", "/", content=question) as answer,
    ):
        assert answer.status_code == 200
        tag = answer.headers["x-clickhouse-exception-tag"]
        for piece in answer.iter_bytes():
            got += piece
    _, note = got.split(f"\r\n__exception__\r\n{tag}\r\n".encode())
    assert note.startswith(b"Code: 395. DB::Exception: ")
    assert note.endswith(f" {tag}\r\n__exception__\r\n".encode())


def test_the_watch_goes_on_under_heavy_questions(patient: Installation) -> None:
    statuses: list[int] = []

    def ask() -> None:
        with httpx.Client(base_url=patient.endpoint, timeout=60) as client:
            statuses.append(client.post("/", content=SLOW).status_code)

    with patient.running() as process:
        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        with patient.connect() as router:
            router.sendall(initiation("r1") + peer_up() + ROUTE)
            patient.metric('anchorwatch_events_total{kind="announce"}', 1)
            store = RemoteStore(patient.endpoint)
            deadline = time.monotonic() + 20
            while store.query("SELECT count() AS n FROM routes")["n"][0].as_py() != 1:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            store.close()
        assert statuses == []
        begun = time.monotonic()
        process.terminate()
        process.wait(30)
        assert time.monotonic() - begun < 20
    for thread in threads:
        thread.join()
    assert statuses == [500, 500]  # QUERY_WAS_CANCELLED
    done = patient.command("sql", "SELECT count() AS n FROM routes", "--format", "csv")
    assert done.stdout.splitlines() == ["n", "1"]
