"""A peer of the native protocol with today's engine behind it, for what Debian's server lacks.

`python -m tests.integration.native_peer FOLDER` prints its port and serves one client at a time. It
is no ClickHouse server: the octets around the blocks are put together here, after the protocol's
description, for revision 54453 alone. What it answers, and what it makes of what it is sent, is the
engine's own: the schema, its types, deduplication, TTL and the forensic SQL.
"""

from __future__ import annotations

import re
import socket
import struct
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from collector.store.backend import StoreError
from collector.store.embedded import EmbeddedStore
from collector.store.native_format import block_ends, read_number, skip_column
from collector.store.parameters import quoted

REVISION, VERSION = 54_453, (26, 9, 1)
HELLO, DATA, EXCEPTION, PONG, END_OF_STREAM = 0, 1, 2, 4, 5
QUERY, CLIENT_DATA, PING = 1, 2, 4
INFORMATION = b"\x01\x00\x02\xff\xff\xff\xff\x00"
DEDUPLICATE = ("insert_deduplication_token", "async_insert")


def number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def text(value: str) -> bytes:
    return number(len(value.encode())) + value.encode()


class Octets:
    """What a client sends, read as it comes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._data = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        while len(self._data) - self._at < count:
            self._more()
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self) -> int:
        value = shift = 0
        while True:
            (octet,) = self.take(1)
            value |= (octet & 0x7F) << shift
            shift += 7
            if octet < 0x80:
                return value

    def text(self) -> str:
        return self.take(self.number()).decode()

    def block(self) -> bytes:
        """One whole block, without the information before it."""
        assert self.take(len(INFORMATION)) == INFORMATION
        while True:
            with suppress(IndexError):
                end = block_end(self._data, self._at)
                if end <= len(self._data):
                    return self.take(end - self._at)
            self._more()

    def _more(self) -> None:
        received = self._connection.recv(1 << 20)
        if not received:
            raise EOFError
        self._data, self._at = self._data[self._at :] + received, 0


def block_end(data: bytes, at: int) -> int:
    columns, at = read_number(data, at)
    rows, at = read_number(data, at)
    for _ in range(columns):
        length, at = read_number(data, at)
        length, at = read_number(data, at + length)
        kind = data[at : at + length].decode()
        at = skip_column(data, at + length, kind, rows)
    return at


class Peer:
    """One client's session with the engine."""

    def __init__(self, connection: socket.socket, store: EmbeddedStore, folder: Path) -> None:
        self._connection, self._store, self._folder = connection, store, folder
        self._octets = Octets(connection)

    def serve(self) -> None:
        assert self._octets.number() == HELLO
        self._octets.text()
        assert [self._octets.number() for _ in range(3)][2] == REVISION
        for _ in ("database", "user", "password"):
            self._octets.text()
        major, minor, patch = VERSION
        head = number(HELLO) + text("ClickHouse") + number(major) + number(minor)
        self._send(head + number(REVISION) + text("UTC") + text("peer") + number(patch))
        while True:
            kind = self._octets.number()
            if kind == PING:
                self._send(number(PONG))
                continue
            assert kind == QUERY
            sql, settings = self._query()
            try:
                self._answer(sql, settings)
            except StoreError as error:
                words = text("DB::Exception") + text(str(error)) + text("") + b"\0"
                self._send(number(EXCEPTION) + struct.pack("<i", 1000) + words)

    def _query(self) -> tuple[str, dict[str, str]]:
        octets = self._octets
        octets.text()  # query id
        octets.take(1)
        for _ in ("initial user", "initial query id", "initial address"):
            octets.text()
        octets.take(9)  # start time, interface
        for _ in ("user", "host", "name"):
            octets.text()
        assert [octets.number() for _ in ("major", "minor", "revision")][2] == REVISION
        octets.text()  # quota key
        assert [octets.number() for _ in range(6)][2:] == [0, 0, 0, 0]  # no trace, one replica
        settings = {}
        while name := octets.text():
            octets.take(1)
            settings[name] = octets.text()
        octets.text()  # secret
        octets.number()  # stage
        assert octets.number() == 0, "not compressed"
        sql = octets.text()
        self._data()
        return sql, settings

    def _data(self) -> bytes:
        assert self._octets.number() == CLIENT_DATA
        assert self._octets.text() == ""
        return self._octets.block()

    def _answer(self, sql: str, settings: dict[str, str]) -> None:
        found = re.fullmatch(r"INSERT INTO (\w+) \((.*)\) (?:VALUES|FORMAT Native)", sql)
        if found:
            self._insert(found[1], found[2], settings)
        elif re.match(r"SELECT|WITH|EXISTS", sql.lstrip()):
            data = self._store.answer(sql, "Native", {}).bytes()
            ends = [0, *block_ends(data)]
            for start, end in pairwise(ends):
                self._block(data[start:end])
            if not data:
                self._block(self._empty(sql))
        else:
            self._store.execute(sql)
        self._send(number(END_OF_STREAM))

    def _insert(self, table: str, names: str, settings: dict[str, str]) -> None:
        self._block(self._empty(f"SELECT {names} FROM {table}"))  # noqa: S608
        path = self._folder / "received.native"
        with path.open("wb") as file:
            while (block := self._data()) != b"\0\0":
                file.write(block)
        given = ", ".join(f"{name} = {quoted(settings[name])}" for name in DEDUPLICATE)
        source = f"SELECT {names} FROM file({quoted(str(path))}, 'Native')"  # noqa: S608
        self._store.execute(f"INSERT INTO {table} ({names}) SETTINGS {given} {source}")

    def _empty(self, sql: str) -> bytes:
        columns = self._store.query(f"DESCRIBE ({sql})").to_pylist()
        each = [text(column["name"]) + text(column["type"]) for column in columns]
        return number(len(each)) + number(0) + b"".join(each)

    def _block(self, block: bytes) -> None:
        self._send(number(DATA) + text("") + INFORMATION + block)

    def _send(self, octets: bytes) -> None:
        self._connection.sendall(octets)


def main() -> None:
    folder = Path(sys.argv[1])
    EmbeddedStore(folder / "store").close()
    store = EmbeddedStore(folder / "store", create=False)
    for (table,) in (row.values() for row in store.query("SHOW TABLES").to_pylist()):
        store.execute(f"DROP TABLE {table}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _ = server.accept()
            with connection, suppress(EOFError, ConnectionError):
                Peer(connection, store, folder).serve()


if __name__ == "__main__":
    main()
