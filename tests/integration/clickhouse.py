"""A real ClickHouse server for tests: Debian's, which is of 2018, with what tables it can have.

It knows none of the types IPv6, DateTime64 and Bool, no codecs, no TTL and no deduplication of
MergeTree, so the tables here are the schema without them, and blocks are given the types it knows.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickhouse_driver import Client

from collector.store.address import ServerAddress
from collector.store.migrations import schema_files, statements
from tests.conftest import unavailable
from tests.waiting import free_port

USER, PASSWORD = "watch", "s3cret-word"
OLD_TYPES = {
    "IPv6": "FixedString(16)",
    "Nullable(DateTime64(9, 'UTC'))": "Nullable(Int64)",
    "DateTime64(9, 'UTC')": "Int64",
    "Bool": "UInt8",
}
"""What the old server has in place of newer types: of the same width, and written the same."""
_CONFIG = """
<yandex>
  <logger><level>warning</level><log>{folder}/log</log><errorlog>{folder}/errors</errorlog></logger>
  <listen_host>127.0.0.1</listen_host>
  <tcp_port>{port}</tcp_port><http_port>{http}</http_port>{secure}
  <path>{data}/</path><tmp_path>{data}/tmp/</tmp_path>
  <user_files_path>{folder}/</user_files_path><format_schema_path>{folder}/</format_schema_path>
  <users_config>users.xml</users_config><default_profile>default</default_profile>
  <default_database>default</default_database><timezone>UTC</timezone>
  <mark_cache_size>67108864</mark_cache_size>
</yandex>
"""
_SECURE = """
  <tcp_port_secure>{port}</tcp_port_secure>
  <openSSL><server><certificateFile>{certificate}</certificateFile>
    <privateKeyFile>{key}</privateKeyFile><caConfig>{certificate}</caConfig>
    <verificationMode>{verify}</verificationMode><loadDefaultCAFile>false</loadDefaultCAFile>
    <disableProtocols>sslv2,sslv3</disableProtocols></server></openSSL>
"""
_USERS = f"""
<yandex>
  <profiles><default>
    <allow_experimental_low_cardinality_type>1</allow_experimental_low_cardinality_type>
  </default></profiles>
  <users><{USER}>
    <password>{PASSWORD}</password><networks><ip>::/0</ip></networks>
    <profile>default</profile><quota>default</quota>
  </{USER}></users>
  <quotas><default></default></quotas>
</yandex>
"""


class Server:
    """One server, in a folder of its own, on ports of its own."""

    def __init__(
        self, folder: Path, data: Path | None = None, tls: tuple[Path, Path] | None = None
    ):
        """Write its settings.

        `tls` is its certificate, which who connects to the secure port must have too, and its key.
        """
        program = shutil.which("clickhouse-server", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            unavailable("needs Debian's clickhouse-server")
        self._command = [program, f"--config-file={folder / 'config.xml'}"]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port, self.tls_port, self.http_port = free_port(), free_port(), free_port()
        secure = ""
        if tls is not None:
            names = {"certificate": tls[0], "key": tls[1], "verify": "strict"}
            secure = _SECURE.format(port=self.tls_port, **names)
        folder.mkdir(exist_ok=True)
        self.data = data or folder / "data"
        values = {"folder": folder, "data": self.data, "port": self.port, "http": self.http_port}
        (folder / "config.xml").write_text(_CONFIG.format(**values, secure=secure))
        (folder / "users.xml").write_text(_USERS)

    @property
    def address(self) -> ServerAddress:
        """How to connect to it."""
        where = {"user": USER, "password": PASSWORD, "connect_timeout": 2.0, "timeout": 20.0}
        return ServerAddress("127.0.0.1", self.port, **where)  # type: ignore[arg-type]

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output)
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            except OSError:
                assert time.monotonic() < deadline, (self._folder / "errors").read_text()
                assert self._process.poll() is None, (self._folder / "output").read_text()
                time.sleep(0.05)
            else:
                return

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        os.kill(self._process.pid, number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, and wait until it is gone."""
        if self._process is not None:
            os.kill(self._process.pid, number)
            try:
                self._process.wait(30)
            finally:
                self._process.kill()
                self._process = None

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        """Rows of an answer, over a connection of our own."""
        with Client("127.0.0.1", self.port, user=USER, password=PASSWORD) as client:
            rows: list[tuple[object, ...]] = client.execute(sql)
            return rows

    def make_tables(self, version: int | None = None) -> None:
        """Make the tables of the schema, and say that they are of its newest version."""
        for text in schema_files().values():
            for statement in statements(text):
                self.ask(old_statement(statement))
        self.ask("CREATE TABLE schema_version (version UInt32, applied DateTime) ENGINE = Log")
        newest = max(schema_files()) if version is None else version
        self.ask(f"INSERT INTO schema_version SELECT {newest}, now()")


@contextmanager
def running(folder: Path, **options: object) -> Iterator[Server]:
    """A server with the tables of the schema."""
    server = Server(folder, **options)  # type: ignore[arg-type]
    try:
        server.start()
        server.make_tables()
        yield server
    finally:
        server.end(signal.SIGKILL)


def old_statement(statement: str) -> str:
    """A statement of the schema as the old server takes it."""
    text = re.sub(r"--.*", "", statement)
    text = re.sub(r"\bCODEC\((?:[^()]|\([^()]*\))*\)", "", text)
    text = re.sub(r"\bCOMMENT '[^']*'", "", text)
    head, columns, tail = _columns(text)
    kept = [each for each in columns if not re.search(r" ALIAS |^(INDEX|PROJECTION) ", each)]
    text = f"{head}({', '.join(kept)}){tail}"
    text = re.sub(r"\bSETTINGS .*", "", text, flags=re.DOTALL)
    for new, old in OLD_TYPES.items():
        text = re.sub(rf"{re.escape(new)}(?!\w)", old, text)
    # It sends a dictionary with no places at all, too, and clickhouse-driver does not expect one.
    text = text.replace("Array(LowCardinality(String))", "Array(String)")
    return re.sub(r"toYYYYMM\((\w+)\)", r"intDiv(\1, 86400000000000)", text)


def _columns(text: str) -> tuple[str, list[str], str]:
    """What stands before a table's columns, each of them, and what comes behind."""
    depth, start, columns = 0, text.index("(") + 1, []
    for place, each in enumerate(text):
        depth += (each == "(") - (each == ")")
        if (each == "," and depth == 1) or (each == ")" and not depth):
            columns.append(text[start:place].strip())
            start = place + 1
        if each == ")" and not depth:
            return text[: text.index("(")], columns, text[start:]
    raise ValueError(text)


def old_blocks(data: bytes) -> bytes:
    """Native blocks with the types that the old server knows."""
    for new, old in OLD_TYPES.items():
        data = data.replace(_text(new), _text(old))
    return data


def _text(value: str) -> bytes:
    return bytes([len(value)]) + value.encode()
