"""ClickHouse's HTTP interface, as a running `anchorwatch run` speaks it."""

from __future__ import annotations

import gzip
import json
import socket

import httpx
import pytest

from tests.integration.endpoint.conftest import code


def test_what_a_probe_asks(client: httpx.Client) -> None:
    assert client.get("/ping").text == "Ok.\n"
    assert client.get("/").text == "Ok.\n"
    assert client.get("/play").status_code == 404
    assert client.put("/", content=b"SELECT 1").status_code == 501


@pytest.mark.parametrize(
    ("address", "body", "answer"),
    [
        ("/?query=SELECT 1", "", "1\n"),
        ("/", "SELECT 1", "1\n"),
        ("/?query=SELECT", "1", "1\n"),
        ("/", "SELECT 1;", "1\n"),
        ("/", "SELECT 1 AS a, 'x' AS b FORMAT CSVWithNames", '"a","b"\n1,"x"\n'),
        ("/?default_format=JSONEachRow", "SELECT 1 AS a", '{"a":1}\n'),
        ("/?default_format=JSONEachRow", "SELECT 1 AS a FORMAT TSVRaw", "1\n"),
        ("/?param_p=a%5Ctb%5Cnc", "SELECT {p:String} = 'a\\tb\\nc'", "1\n"),
        ("/?param_p=[1,2]", "SELECT {p:Array(UInt8)}", "[1,2]\n"),
        ("/?database=system", "SELECT count() > 0 FROM tables", "1\n"),
        ("/?session_timezone=Asia/Tokyo", "SELECT toDateTime(0)", "1970-01-01 09:00:00\n"),
        ("/?limit=2", "SELECT number FROM numbers(9)", "0\n1\n"),
        ("/", "SELECT number FROM numbers(9) SETTINGS limit = 1", "0\n"),
        (
            "/?session_id=a&session_timeout=9&wait_end_of_query=1&user=x&readonly=1",
            "SELECT 1",
            "1\n",
        ),
        ("/", "-- a remark; really\nSELECT 1 /* ; */ # the end", "1\n"),
        ("/", "EXISTS TABLE routes", "1\n"),
        ("/", "SHOW TABLES LIKE 'flow%'", "flowspec\n"),
        ("/", "WITH 1 AS x SELECT x FORMAT Values", "(1)"),
        ("/", "SELECT 1 WHERE 0 FORMAT Native", ""),
    ],
)
def test_questions_and_answers(client: httpx.Client, address: str, body: str, answer: str) -> None:
    got = client.post(address, content=body.encode())
    assert (got.status_code, got.text) == (200, answer)


def test_questions_about_names(client: httpx.Client) -> None:
    described = client.post("/", content=b"DESCRIBE TABLE routes FORMAT JSONCompact").json()
    assert described["data"][0][:2] == ["received", "DateTime64(9, 'UTC')"]
    created = client.post("/", content=b"SHOW CREATE TABLE sessions FORMAT TSVRaw").text
    assert created.startswith("CREATE TABLE default.sessions")
    assert "ReadFromMergeTree" in client.post("/", content=b"EXPLAIN SELECT * FROM routes").text
    assert json.loads(client.get("/?query=EXPLAIN SELECT 1 FORMAT JSON").text)["rows"] > 0


def test_the_headers_of_an_answer(client: httpx.Client) -> None:
    answer = client.get("/?query=SELECT 1 FORMAT JSON&query_id=mine")
    assert answer.headers["x-clickhouse-format"] == "JSON"
    assert answer.headers["x-clickhouse-query-id"] == "mine"
    assert answer.headers["x-clickhouse-server-display-name"] == socket.gethostname()
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    assert json.loads(answer.headers["x-clickhouse-summary"])["result_rows"] == "1"
    zone = client.get("/?query=SELECT timezone()").text.strip()
    assert answer.headers["x-clickhouse-timezone"] == zone


@pytest.mark.parametrize(
    ("question", "status", "number", "words"),
    [
        ("SELEC 1", 400, 62, "Syntax error"),
        ("SELECT 1; SELECT 2", 400, 62, "Multi-statements are not allowed"),
        ("   ", 400, 62, "Empty query"),
        ("SELECT nosuch", 404, 47, "Unknown expression identifier `nosuch`"),
        ("SELECT * FROM nosuch", 404, 60, "nosuch"),
        ("SELECT nosuch(1)", 404, 46, "nosuch"),
        ("SELECT 1 FORMAT Nosuch", 404, 73, "Nosuch"),
        ("SELECT {p:UInt8}", 400, 456, "Substitution `p` is not set"),
        ("SELECT throwIf(1)", 500, 395, "throwIf"),
        ("SELECT toUInt8('x')", 400, 6, "Cannot parse"),
    ],
)
def test_errors(client: httpx.Client, question: str, status: int, number: int, words: str) -> None:
    answer = client.post("/", content=question.encode())
    assert (answer.status_code, code(answer)) == (status, number)
    assert answer.text.startswith(f"Code: {number}. DB::Exception: ")
    assert words in answer.text


def test_settings_of_a_request(client: httpx.Client) -> None:
    unknown = client.get("/?query=SELECT 1&nosuch=1")
    assert (unknown.status_code, code(unknown)) == (404, 115)
    kept = client.get("/?query=SELECT 1&allow_introspection_functions=1")
    assert (kept.status_code, code(kept)) == (403, 164)
    injected = client.get("/", params={"query": "SELECT 1", "a = 1, readonly": "0"})
    assert (injected.status_code, code(injected)) == (404, 115)
    value = client.get("/", params={"query": "SELECT 1", "limit": "1', readonly = '0"})
    assert value.status_code == 400
    assert code(client.get("/?query=SELECT 1&compress=1")) == 48
    assert code(client.get("/?query=SELECT 1&client_protocol_version=x")) == 36


def test_compressed_questions_and_answers(client: httpx.Client) -> None:
    packed = gzip.compress(b"SELECT 1")
    answer = client.post("/", content=packed, headers={"Content-Encoding": "gzip"})
    assert answer.text == "1\n"
    wrong = client.post("/", content=b"SELECT 1", headers={"Content-Encoding": "gzip"})
    assert (wrong.status_code, code(wrong)) == (400, 271)
    bomb = gzip.compress(b"SELECT 1" + b" " * (64 << 20))
    assert client.post("/", content=bomb, headers={"Content-Encoding": "gzip"}).status_code == 413
    assert client.post("/", content=b" " * (2 << 20)).status_code == 413
    question = {"query": "SELECT number FROM numbers(1000000)", "enable_http_compression": "1"}
    for encoding in ("gzip", "deflate"):
        answer = client.get("/", params=question, headers={"Accept-Encoding": encoding})
        assert answer.headers["content-encoding"] == encoding
        assert answer.text.endswith("\n999999\n")
    plain = client.get("/", params=question, headers={"Accept-Encoding": "br"})
    assert "content-encoding" not in plain.headers
