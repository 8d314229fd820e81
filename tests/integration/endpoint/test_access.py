"""Who may ask a running program, from where, and what is counted."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx

from tests.integration.endpoint.conftest import code
from tests.integration.installation import Installation


def test_a_token(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    (tmp_path / "token").write_text("sesame öffne dich\n")
    here.settings(store="listen: 0.0.0.0:0, token_file: token")
    token = "sesame öffne dich".encode()
    rejected = 'anchorwatch_queries_rejected_total{reason="token"}'
    with here.running(), httpx.Client(base_url=here.endpoint) as client:
        assert here.endpoint.startswith("http://127.0.0.1:")
        assert client.get("/ping").text == "Ok.\n"
        none = client.get("/?query=SELECT 1")
        assert (none.status_code, code(none)) == (401, 194)
        assert none.headers["www-authenticate"].startswith("Basic ")
        for wrong in ("sesame", "sesame öffne dichx", "x"):
            answer = client.get("/?query=SELECT 1", headers={b"X-ClickHouse-Key": wrong.encode()})
            assert (answer.status_code, code(answer)) == (403, 516)
        assert here.metrics()[rejected] == 4
        for headers in ({b"X-ClickHouse-Key": token}, {b"Authorization": b"Bearer " + token}):
            assert client.get("/?query=SELECT 1", headers=headers).text == "1\n"
        assert client.get("/?query=SELECT 1", auth=(b"default", token)).text == "1\n"
        assert (
            client.get("/", params={"query": "SELECT 1", "password": token.decode()}).text == "1\n"
        )
        # The commands find the token by themselves.
        assert here.command("sql", "SELECT 1 AS a", "--format", "csv").stdout == "a\n1\n"
        (tmp_path / "token").unlink()
        done = here.command("sql", "SELECT 1")
        assert done.returncode == 2
        assert f"cannot read {tmp_path / 'token'}: No such file or directory" in done.stderr


def test_a_web_page_cannot_ask_by_a_name_of_its_own(client: httpx.Client) -> None:
    for host in ("evil.example", "evil.example:8481", "127.0.0.1.evil.example", ""):
        answer = client.get("/?query=SELECT 1", headers={"Host": host})
        assert (answer.status_code, code(answer)) == (403, 516)
    for host in ("localhost", "localhost:1", "127.0.0.1:1", "[::1]:1", "127.8.8.8"):
        assert client.get("/?query=SELECT 1", headers={"Host": host}).text == "1\n"


def test_addresses_that_cannot_be_had(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    here.settings(store="listen: 0.0.0.0:0")
    assert "store.listen: 0.0.0.0 is not loopback: set store.token_file" in here.refused()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        here.settings(store=f"listen: 127.0.0.1:{port}")
        assert here.refused() == (
            f"anchorwatch run: cannot serve the store on 127.0.0.1 port {port}: "
            "Address already in use\n"
        )


def test_what_is_counted(here: Installation, client: httpx.Client) -> None:
    before = here.metrics()
    for question in ("SELECT 1", "SELECT 2", "SELECT nosuch", "DROP TABLE routes"):
        client.post("/", content=question.encode())
    client.post("/?compress=1", content=b"SELECT 1")
    here.metric('anchorwatch_queries_total{result="answered"}', grown(before, "answered") + 2)
    here.metric('anchorwatch_queries_total{result="failed"}', grown(before, "failed") + 1)
    here.metric('anchorwatch_queries_total{result="refused"}', grown(before, "refused") + 1)
    name = 'anchorwatch_queries_rejected_total{reason="request"}'
    here.metric(name, before.get(name, 0) + 1)
    here.metric("anchorwatch_query_seconds_count", before["anchorwatch_query_seconds_count"] + 4)


def grown(before: dict[str, float], result: str) -> float:
    return before.get(f'anchorwatch_queries_total{{result="{result}"}}', 0)
