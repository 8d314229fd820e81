"""The store on a real server, that of Debian: the native protocol, and who is refused.

What newer engines do is tested with the embedded one, in `tests/unit/store`.
"""

from __future__ import annotations

import json
import logging
import ssl
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from collector.inputs.files import read_events
from collector.store.address import ServerAddress, Tls
from collector.store.backend import StoreError
from collector.store.rows import SCHEMAS, event_table, incident_table, table_of
from collector.store.server import ServerStore
from tests.integration.clickhouse import PASSWORD, Server, running
from tests.integration.server.conftest import COLUMNS, STORY, sequences, sessions
from tests.unit.pagers.test_outbox import incident
from tests.waiting import free_port

# What goes in comes out


def test_events_and_incidents_are_stored_value_for_value(server: Server) -> None:
    events = list(read_events(STORY))
    tables = {
        name: event_table(name, [each for each in events if table_of(each) == name])
        for name in ("flowspec", "sessions")
    }
    tables["incidents"] = incident_table([incident("a").to_dict()])
    store = ServerStore(server.address)
    for name, rows in tables.items():
        store.insert(name, rows, f"token of {name}")
        assert rows.num_rows > 0
        order = "ORDER BY sequence" if "sequence" in SCHEMAS[name] else ""
        answer = store.query(f"SELECT {', '.join(SCHEMAS[name])} FROM {name} {order}")  # noqa: S608
        for column, kind in SCHEMAS[name].items():
            expected = rows.column(column)
            if pa.types.is_timestamp(kind) or pa.types.is_boolean(kind):
                expected = expected.cast(pa.int64() if pa.types.is_timestamp(kind) else pa.uint8())
            assert answer.column(column).to_pylist() == expected.to_pylist(), column
    store.close()


def test_blocks_of_the_native_decoder_go_in_as_they_are(
    server: Server, native: tuple[Path, tuple[str, ...], int]
) -> None:
    path, columns, rows = native
    store = ServerStore(server.address)
    store.insert_native("routes", columns, path, "token")
    store.close()
    asked = f"SELECT {COLUMNS} FROM file('{path}', Native) ORDER BY sequence"  # noqa: S608
    engine = [sys.executable, "-m", "chdb", asked, "JSONCompactEachRow"]
    done = subprocess.run(engine, capture_output=True, text=True, check=True, timeout=60)
    expected = [json.loads(line) for line in done.stdout.splitlines()]
    stored = server.ask(f"SELECT {COLUMNS} FROM routes ORDER BY sequence")  # noqa: S608
    assert len(expected) == rows
    assert [[*map(str, row)] for row in stored] == [[*map(str, row)] for row in expected]


def test_parameters_reach_the_server(shared: Server) -> None:
    store = ServerStore(shared.address)
    given = {"text": "it's {text:String} \\n", "number": -5, "some": ["a", "b'c"]}
    sql = "SELECT {text:String} AS t, {number:Int64} AS n, {some:Array(String)} AS s"
    assert store.query(sql, given).to_pylist() == [
        {"t": given["text"], "n": given["number"], "s": given["some"]}
    ]
    store.close()


def test_a_file_that_is_cut_off_is_refused_before_the_first_octet_goes(
    server: Server, native: tuple[Path, tuple[str, ...], int], tmp_path: Path
) -> None:
    path, columns, rows = native
    cut = tmp_path / "cut.native"
    cut.write_bytes(path.read_bytes()[:-1])
    store = ServerStore(server.address)
    with pytest.raises(StoreError, match=r"cut\.native: the block at octet \d+ is cut off"):
        store.insert_native("routes", columns, cut, "token")
    with pytest.raises(StoreError, match=r"cannot read .*none: No such file"):
        store.insert_native("routes", columns, tmp_path / "none", "token")
    assert server.ask("SELECT count() FROM routes") == [(0,)]
    store.insert_native("routes", columns, path, "token")  # the connection is still good
    assert server.ask("SELECT count() FROM routes") == [(rows,)]
    store.close()


# What the server says


def opening_fails(address: ServerAddress, *, create: bool = True) -> str:
    with pytest.raises(StoreError) as caught:
        ServerStore(address, create=create)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def test_a_wrong_password_is_one_sentence_without_it(shared: Server) -> None:
    where = f"the ClickHouse server at 127.0.0.1:{shared.port}"
    wrong = replace(shared.address, password=f"{PASSWORD}x")
    assert opening_fails(wrong) == f"{where} refuses user 'watch': wrong user or password"
    nobody = replace(shared.address, user="nobody")
    assert opening_fails(nobody) == f"{where} refuses user 'nobody': wrong user or password"
    assert PASSWORD not in repr(shared.address)


def test_a_database_that_is_not_there_is_named(shared: Server) -> None:
    said = opening_fails(replace(shared.address, database="elsewhere"))
    assert said.endswith("has no database 'elsewhere': create it there first")


def test_a_server_that_is_not_there_is_one_sentence() -> None:
    port = free_port()
    said = opening_fails(ServerAddress("127.0.0.1", port, password=PASSWORD))
    assert said == (f"cannot reach the ClickHouse server at 127.0.0.1:{port}: Connection refused")


def test_a_statement_that_fails_says_why(shared: Server) -> None:
    store = ServerStore(shared.address)
    with pytest.raises(StoreError, match=r"says: Table default\.none doesn't exist \(code 60\)"):
        store.query("SELECT 1 FROM none")
    with pytest.raises(StoreError, match="Syntax error"):
        store.execute("NONSENSE")
    assert store.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]
    store.close()


def test_a_database_without_tables_is_no_store_to_read(server: Server) -> None:
    server.ask("CREATE DATABASE empty")
    said = opening_fails(replace(server.address, database="empty"), create=False)
    assert said == f"there is no store at 127.0.0.1:{server.port}/empty"


def test_a_server_that_is_too_old_gets_no_tables(server: Server) -> None:
    server.ask("CREATE DATABASE empty")
    said = opening_fails(replace(server.address, database="empty"))
    assert said.endswith("has version 18.16.1; the store needs 23.8 or newer")
    assert server.ask("EXISTS TABLE empty.schema_version") == [(0,)]


def test_an_old_server_with_tables_is_used_with_a_warning(
    shared: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        store = ServerStore(shared.address)
        store.query("SELECT 1")
        store.close()
    (record,) = caplog.records
    assert (
        "older than 23.8, it cannot tell a batch that is repeated from a new one" in record.message
    )


def test_a_schema_newer_than_the_program_is_refused(server: Server) -> None:
    server.ask("INSERT INTO schema_version SELECT 999, now()")
    said = opening_fails(server.address)
    assert said.startswith(f"the store at 127.0.0.1:{server.port}/default has schema version 999")
    assert said.endswith("use a newer anchorwatch")


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for the name clickhouse.test that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=clickhouse.test", "-addext", "subjectAltName=DNS:clickhouse.test"]
    kind = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command = ["openssl", "req", *kind, *subject, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def test_tls(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    with running(tmp_path / "server", tls=certificate) as server:
        tls = Tls(certificate[0], *certificate, "clickhouse.test")
        address = replace(server.address, port=server.tls_port, tls=tls)
        store = ServerStore(address)
        store.insert("sessions", sessions(0), "0")
        assert sequences(server) == list(range(100))
        connection = store._client.connection.socket
        assert isinstance(connection, ssl.SSLSocket)
        store.close()
        other = replace(tls, server_name="elsewhere.test")
        assert "certificate is not valid for 'elsewhere.test'" in opening_fails(
            replace(address, tls=other)
        )
        # Signed by none of the public authorities.
        unknown = replace(tls, ca_file=None)
        assert "certificate verify failed" in opening_fails(replace(address, tls=unknown))
        nobody = replace(tls, certificate_file=None, key_file=None)
        # It says so and hangs up at once; whether that comes through is up to the network.
        assert f"cannot reach the ClickHouse server at 127.0.0.1:{server.tls_port}: " in (
            opening_fails(replace(address, tls=nobody))
        )
        assert opening_fails(replace(server.address, tls=tls)).endswith("wrong version number")
