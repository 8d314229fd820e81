"""The store of a running `anchorwatch run`, asked by curl, clients of ClickHouse, and our own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from collector.store.backend import StoreError
from collector.store.history import history_rows
from collector.store.remote import RemoteStore
from tests.conftest import unavailable
from tests.integration import clickhouse
from tests.integration.endpoint.conftest import REVISION, ROWS, code
from tests.integration.installation import Installation
from tests.unit.store.test_revised_native import blocks
from tests.waiting import free_port


def test_curl(here: Installation) -> None:
    if shutil.which("curl") is None:
        unavailable("needs curl")

    def curl(*words: str, body: str = "") -> str:
        command = ["curl", "-sS", "--max-time", "20", *words]
        done = subprocess.run(command, input=body, capture_output=True, text=True, check=True)
        return done.stdout

    assert curl(f"{here.endpoint}/ping") == "Ok.\n"
    asked = "SELECT count() FROM routes"
    assert curl(here.endpoint, "-d", asked) == f"{ROWS}\n"
    assert curl(here.endpoint, "--data-binary", "@-", body=asked) == f"{ROWS}\n"
    assert curl("-G", here.endpoint, "--data-urlencode", f"query={asked}") == f"{ROWS}\n"
    address = f"{here.endpoint}/?enable_http_compression=1"
    assert curl("--compressed", address, "-d", asked) == f"{ROWS}\n"


def test_clickhouse_connect(here: Installation) -> None:
    host, port = here.endpoint.removeprefix("http://").split(":")
    client = clickhouse_connect.get_client(host=host, port=int(port))
    rows = client.query(
        "SELECT prefix, next_hop, as_path, communities, med FROM routes"
        " WHERE prefix = {prefix:String}",
        parameters={"prefix": "192.0.2.50/32"},
    ).result_rows
    assert len(rows) == 1
    assert rows[0][0] == "192.0.2.50/32"
    frame = client.query_df("SELECT * FROM routes ORDER BY received, sequence")
    assert len(frame) == ROWS
    assert str(frame["received"].dtype).startswith("datetime64[ns")
    assert client.query_arrow("SELECT kind FROM sessions").num_rows == client.command(
        "SELECT count() FROM sessions"
    )
    text = "tab\tline\nquote'\\"
    assert client.query("SELECT {t:String}", parameters={"t": text}).result_rows == [(text,)]
    assert "sessions" in str(client.command("SHOW TABLES"))
    with client.query_row_block_stream("SELECT number FROM numbers(1000000)") as blocks:
        assert sum(len(block) for block in blocks) == 1_000_000
    with pytest.raises(DatabaseError, match="164"):
        client.command("INSERT INTO schema_version VALUES (9, 0)")
    with pytest.raises(DatabaseError, match="Unknown expression identifier"):
        client.query("SELECT nosuch FROM routes")
    breaking = "SELECT throwIf(number = 900000), toString(number) FROM numbers(1000000)"
    with pytest.raises(StreamFailureError, match="throwIf"):
        assert client.query(breaking).result_rows
    client.close()


def test_grafana(here: Installation) -> None:
    """Requests in the shape in which its ClickHouse plugin sends them with the protocol http."""
    headers = {"User-Agent": "grafana/12.0.0 clickhouse-datasource/4.20.0 clickhouse-go/2.40.0"}
    parameters = {
        "client_protocol_version": str(REVISION),
        "database": "default",
        "default_format": "Native",
        "enable_http_compression": "1",
        "limit": "1000000",
        "max_execution_time": "60",
    }
    with httpx.Client(base_url=here.endpoint, headers=headers, auth=("default", "")) as client:

        def ask(question: str) -> list[Any]:
            answer = client.post(
                "/", params=parameters, content=question, headers={"Accept-Encoding": "gzip"}
            )
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-encoding"] == "gzip"
            return list(blocks(answer.content, REVISION))

        (hello,) = ask("SELECT displayName(), version(), revision(), timezone()")
        names = [name for name, _ in hello.columns_with_types]
        assert names == ["displayName()", "version()", "revision()", "timezone()"]
        (_, version, revision, _) = hello.get_rows()[0]
        assert version.split(".")[0].isdecimal()
        assert revision > 54_454
        (ping,) = ask("SELECT 1")
        assert (ping.columns_with_types, ping.get_rows()) == ([("1", "UInt8")], [(1,)])
        series = ask(
            "SELECT toStartOfInterval(toDateTime(received), INTERVAL 60 second) AS time, kind,"
            " count() AS v FROM routes WHERE received >= toDateTime(0) AND received <= now() + 60"
            " GROUP BY time, kind ORDER BY time"
        )
        assert sum(row[2] for block in series for row in block.get_rows()) == ROWS
        rows = ask("SELECT * FROM routes")
        assert sum(block.num_rows for block in rows) == ROWS
        wrong = client.post("/", params=parameters, content="SELECT nosuch")
        assert (wrong.status_code, code(wrong)) == (404, 47)


def test_our_own_client(here: Installation) -> None:
    store = RemoteStore(here.endpoint)
    rows = history_rows(store, "192.0.2.50/32").to_pylist()
    assert [row["kind"] for row in rows] == ["feed-up", "peer-up", "announce", "feed-down"]
    assert store.query("SELECT 1 AS a WHERE 0").schema.names == ["a"]
    text = "tab\tline\nquote'\\\0"
    assert store.query("SELECT {t:String} AS t", {"t": text})["t"][0].as_py() == text
    with pytest.raises(StoreError, match=r"^Code: 47\. DB::Exception: Unknown expression"):
        store.query("SELECT nosuch")
    with pytest.raises(StoreError, match="was asked for CSV: leave FORMAT out"):
        store.query("SELECT 1 FORMAT CSV")
    store.close()
    nobody = RemoteStore(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StoreError, match="does not answer"):
        nobody.query("SELECT 1")


def test_forensic_commands_ask_the_running_program(here: Installation) -> None:
    done = here.command("history", "192.0.2.50", "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    kinds = [json.loads(line)["kind"] for line in done.stdout.splitlines()]
    assert kinds == ["feed-up", "peer-up", "announce", "feed-down"]
    assert here.command("flowspec").stdout.startswith("no router held a Flowspec rule at ")
    held = here.command("rib", "192.0.2.50", "--format", "jsonl")
    (row,) = [json.loads(line) for line in held.stdout.splitlines()]
    assert (row["prefix"], row["router"], "blind_since" in row) == ("192.0.2.50/32", "r1", True)
    table = here.command("diff", "--router", "r1", "--from", "-1d", "--format", "csv")
    assert [line.split(",")[:2] for line in table.stdout.splitlines()[1:]] == [["gained", "r1"]]
    assert here.command("flowspec", "--life").stdout.startswith("the store has seen no Flowspec")
    unknown = here.command("incident", "ffff")
    assert "knows no incident whose id begins with 'ffff'" in unknown.stderr
    asked = "SELECT count() AS n FROM routes WHERE prefix != {p:String}"
    done = here.command("sql", asked, "--param", "p=192.0.2.50/32", "--format", "csv")
    assert done.stdout.splitlines() == ["n", str(ROWS - 1)]
    refused = here.command("sql", "DROP TABLE routes")
    assert refused.returncode == 2
    assert "DropQuery is no question: this store is read-only" in refused.stderr


def test_a_store_that_is_in_use_and_not_served(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    hold = (
        "import sys, time\nfrom pathlib import Path\n"
        "from collector.store.embedded import EmbeddedStore\n"
        "store = EmbeddedStore(Path('anchorwatch-data/store'))\n"
        "print('open', flush=True)\nsys.stdin.read()\nstore.close()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        done = here.command("sql", "SELECT 1")
        holder.communicate(b"")
    assert done.returncode == 2
    assert done.stderr == (
        "anchorwatch sql: the store at anchorwatch-data/store is in use by another anchorwatch "
        f"(process {holder.pid}), which does not answer questions as `run` does: "
        "wait for its end, or stop it\n"
    )
    # A note that a crash left behind leads nobody astray.
    note = tmp_path / "anchorwatch-data/store/anchorwatch.json"
    for pid in (holder.pid, os.getpid()):
        endpoint = f"http://127.0.0.1:{free_port()}"
        note.write_text(json.dumps({"pid": pid, "endpoint": endpoint}))
        done = here.command("sql", "SELECT 1 AS a", "--format", "csv")
        assert done.stdout == "a\n1\n", done.stderr
    refused = here.command("sql", "INSERT INTO schema_version SELECT 9, now()")
    assert "InsertQuery is no question: this store is read-only" in refused.stderr
    assert "leave FORMAT CSV out" in here.command("sql", "SELECT 1 FORMAT CSV").stderr
    assert "give NAME=VALUE" in here.command("sql", "SELECT 1", "--param", "x").stderr


def test_sql_on_a_server_only_reads(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    with clickhouse.running(tmp_path / "server") as server:
        (tmp_path / "password").write_text(clickhouse.PASSWORD)
        here.settings(
            store=f"server: {{address: 127.0.0.1:{server.port}, user: {clickhouse.USER},"
            " password_file: password}"
        )

        def sql(statement: str) -> subprocess.CompletedProcess[str]:
            store = ("--store", "anchorwatch.yaml", "--format", "csv")
            return here.command("sql", statement, *store)

        done = sql("SELECT count() AS n FROM routes")
        assert done.stdout == "n\n0\n", done.stderr
        refused = sql("INSERT INTO schema_version SELECT 9, now()")
        assert refused.returncode == 2
        assert "readonly mode" in refused.stderr
        assert server.ask("SELECT count() FROM schema_version") == [(1,)]
