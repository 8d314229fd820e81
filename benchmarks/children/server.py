"""Storing on a server: `server.py STREAM TIMES FOLDER ROUNDS`, with the stream taken in so often.

The same blocks go in turn into the embedded engine, over the native protocol into Debian's server,
over HTTP into the same, and are read there from a file by the server itself: what is left then is
its engine, which is of 2018. All these tables are the one that this old server can have.

Then they go into the table as it is: of the engine here, and of the same engine in a process of its
own behind the tests' peer of the native protocol, which does more with a block than a server would.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import httpx

from benchmarks import common, sessions
from benchmarks.children.insert import Files
from collector.store.address import ServerAddress
from collector.store.backend import Store
from collector.store.embedded import EmbeddedStore
from collector.store.migrations import schema_files, statements
from collector.store.server import ServerStore
from tests.integration.clickhouse import PASSWORD, USER, Server, old_blocks, old_statement, running

PIECE = 1 << 20
OLD = "routes_of_2018"


class Ways:
    """The ways into a table, all for the same files."""

    def __init__(self, ready: Files, folder: Path, server: Server, peer: ServerAddress) -> None:
        self._files = [(path, columns) for path, columns in ready.made]
        self._today = [(path.with_suffix(".today"), columns) for path, columns in self._files]
        for path, _ in self._files:
            path.with_suffix(".today").write_bytes(path.read_bytes())
            path.write_bytes(old_blocks(path.read_bytes()))
        self._rows, self._server = ready.rows, server
        (table,) = (
            each
            for text in schema_files().values()
            for each in statements(text)
            if "CREATE TABLE IF NOT EXISTS routes\n" in each
        )
        self._table = old_statement(table)
        self._own = EmbeddedStore(folder / "embedded")
        self._peer = ServerStore(peer)
        self._native = ServerStore(server.address)
        self._http = httpx.Client(auth=(USER, PASSWORD), timeout=common.LIMIT)
        described = server.ask("SELECT name, type FROM system.columns WHERE table = 'routes'")
        self._types = {str(name): str(kind) for name, kind in described}
        self._tokens = 0
        self.native_cpu: list[float] = []
        """Processor seconds of this process for each time over the native protocol."""

    def embedded(self) -> float:
        """Seconds for the engine in this process."""
        self._own.execute(f"DROP TABLE IF EXISTS {OLD}")
        self._own.execute(self._table.replace("routes", OLD, 1))
        begun = time.perf_counter()
        for path, columns in self._files:
            self._tokens += 1
            self._own.insert_native(OLD, columns, path, str(self._tokens))
        took = time.perf_counter() - begun
        self._check(self._own.query(f"SELECT count() AS n FROM {OLD}")["n"][0].as_py())  # noqa: S608
        return took

    def native(self) -> float:
        """Seconds over the native protocol."""
        begun, used = self._begin(), time.process_time()
        for path, columns in self._files:
            self._tokens += 1
            self._native.insert_native("routes", columns, path, str(self._tokens))
        self.native_cpu.append(time.process_time() - used)
        return self._end(begun)

    def embedded_today(self) -> float:
        """Seconds for the engine in this process, into the table as it is."""
        return self._into_today(self._own)

    def peer_today(self) -> float:
        """Seconds for the same engine behind the native protocol, in a process of its own."""
        return self._into_today(self._peer)

    def _into_today(self, store: Store) -> float:
        store.execute("TRUNCATE TABLE routes")
        begun = time.perf_counter()
        for path, columns in self._today:
            self._tokens += 1
            store.insert_native("routes", columns, path, str(self._tokens))
        took = time.perf_counter() - begun
        self._check(store.query("SELECT count() AS n FROM routes")["n"][0].as_py())
        return took

    def http(self) -> float:
        """Seconds over HTTP."""
        begun = self._begin()
        for path, columns in self._files:
            sql = f"INSERT INTO routes ({', '.join(columns)}) FORMAT Native"
            with path.open("rb") as file:
                body = iter(lambda file=file: file.read(PIECE), b"")  # type: ignore[misc]
                url = f"http://127.0.0.1:{self._server.http_port}/"
                answer = self._http.post(url, params={"query": sql}, content=body)
            answer.raise_for_status()
        return self._end(begun)

    def local(self) -> float:
        """Seconds for the server to insert the files by itself."""
        begun = self._begin()
        for path, columns in self._files:
            names = ", ".join(columns)
            kinds = ", ".join(f"{name} {self._types[name]}" for name in columns)
            source = f"SELECT {names} FROM file('{path}', Native, '{kinds}')"  # noqa: S608
            self._server.ask(f"INSERT INTO routes ({names}) {source}")
        return self._end(begun)

    def close(self) -> None:
        """Give everything back."""
        self._native.close()
        self._http.close()
        self._own.close()
        self._peer.close()

    def _begin(self) -> float:
        self._server.ask("DROP TABLE routes")
        self._server.ask(self._table)
        return time.perf_counter()

    def _end(self, begun: float) -> float:
        took = time.perf_counter() - begun
        ((stored,),) = self._server.ask("SELECT count() FROM routes")
        self._check(stored)
        return took

    def _check(self, stored: object) -> None:
        if stored != self._rows:
            raise SystemExit(f"{self._rows} rows were inserted, the table has {stored}")


def main() -> None:
    """Measure in turn."""
    if shutil.which("clickhouse-server", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        print(json.dumps({"rows": 0}))
        return
    data, times = Path(sys.argv[1]).read_bytes(), int(sys.argv[2])
    folder, rounds = Path(sys.argv[3]), int(sys.argv[4])
    (folder / "peer").mkdir()
    behind = [sys.executable, "-m", "tests.integration.native_peer", folder / "peer"]
    with (
        running(folder / "server") as server,
        common.running(behind, cwd=common.ROOT, stdout=subprocess.PIPE) as process,
    ):
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        peer = ServerAddress("127.0.0.1", int(process.stdout.readline()))
        ready = Files(folder / "server")  # the server reads files there alone
        sessions.decode(data, ready, times)
        ways = Ways(ready, folder, server, peer)
        works = {
            "embedded_s": ways.embedded,
            "native_s": ways.native,
            "http_s": ways.http,
            "local_s": ways.local,
            "embedded_today_s": ways.embedded_today,
            "peer_today_s": ways.peer_today,
        }
        found = common.in_turn(works, rounds)
        ways.close()
    print(json.dumps({"rows": ready.rows, "native_cpu_s": ways.native_cpu, **found}))


if __name__ == "__main__":
    main()
