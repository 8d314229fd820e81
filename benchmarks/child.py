"""One task in a process of its own, told as one JSON object; `benchmarks/common.py` starts it."""

from __future__ import annotations

import argparse
import json
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import common, sessions
from collector.store.embedded import EmbeddedStore

NOW = 1_760_000_000_000_000_000
Answer = dict[str, Any]


class Files:
    """A sink that puts each block into a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.made: list[tuple[Path, int, tuple[str, ...]]] = []
        """Path, rows and columns of each block."""

    def __call__(self, block: sessions.Block) -> None:
        """Write one block."""
        path = self._folder / f"{time.perf_counter_ns()}.block"
        path.write_bytes(block.view)
        self.made.append((path, block.rows, block.columns))
        block.release()


def receive(folder: Path) -> Answer:
    """Octets of one connection to rows in one file, until the feeder has gone."""
    rows = events = 0
    buffer = bytearray(sessions.READ)
    window = memoryview(buffer)
    with socket.create_server(("127.0.0.1", 0)) as server, (folder / "rows").open("wb", 0) as file:

        def write(block: sessions.Block) -> None:
            nonlocal rows
            rows += block.rows
            file.write(block.view)
            block.release()

        session = sessions.open_session(write)
        print(server.getsockname()[1], flush=True)
        connection, _ = server.accept()
        while size := connection.recv_into(buffer):
            events += len(session.feed(window[:size], time.time_ns()))
        session.flush()
        octets = file.tell()
    sys.stdin.read()
    return {"rows": rows, "events": events, "octets": octets}


class Inserter:
    """Puts files of blocks into the real table, sorted as it is."""

    def __init__(self, folder: Path) -> None:
        self._store = EmbeddedStore(folder)
        self._inserts = 0

    def insert(self, path: Path, columns: tuple[str, ...]) -> None:
        """One file, one insert."""
        self._inserts += 1
        names = ", ".join(columns)
        settings = f"async_insert=0, insert_deduplication_token='{self._inserts}'"
        source = f"SELECT {names} FROM file('{path}', '{sessions.block_format()}')"  # noqa: S608
        self._store.execute(f"INSERT INTO routes ({names}) SETTINGS {settings} {source}")

    def finish(self, expected: int) -> None:
        """Make sure that all came in, and empty the table."""
        stored = self._store.query("SELECT count() AS n FROM routes")["n"][0].as_py()
        if stored != expected:
            raise SystemExit(f"{expected} rows were inserted, the table has {stored}")
        self._store.execute("TRUNCATE TABLE routes")

    def close(self) -> None:
        """Close the store."""
        self._store.close()


def insert(stream: Path, folder: Path, rounds: int) -> Answer:
    """Seconds to insert blocks that are there, and to decode and insert in two threads.

    All inserts are made in one thread, as a session with the engine wants it.
    """
    data = stream.read_bytes()
    ready = Files(folder)
    sessions.decode(data, ready, NOW)
    rows = sum(count for _, count, _ in ready.made)
    inserter = Inserter(folder / "store")
    ceilings, pipelines = [], []
    for _ in range(rounds + 1):  # the first round warms up
        begun = time.perf_counter()
        for path, _, columns in ready.made:
            inserter.insert(path, columns)
        ceilings.append(time.perf_counter() - begun)
        inserter.finish(rows)
        begun = time.perf_counter()
        _pipeline(data, folder, inserter)
        pipelines.append(time.perf_counter() - begun)
        inserter.finish(rows)
    inserter.close()
    return {"rows": rows, "ceiling_s": ceilings[1:], "pipeline_s": pipelines[1:],
            "rss_mib": common.resident(peak=True)}  # fmt: skip


def _pipeline(data: bytes, folder: Path, inserter: Inserter) -> None:
    """Decode in one thread, insert in this one; what is inserted is deleted."""
    made: queue.Queue[tuple[Path, tuple[str, ...]] | None] = queue.Queue(8)
    files = Files(folder)

    def pass_on(block: sessions.Block) -> None:
        files(block)
        path, _, columns = files.made.pop()
        made.put((path, columns))

    def decode() -> None:
        try:
            sessions.decode(data, pass_on, NOW)
        finally:
            made.put(None)

    thread = threading.Thread(target=decode)
    thread.start()
    while (each := made.get()) is not None:
        inserter.insert(*each)
        each[0].unlink()
    thread.join()


def threads(stream: Path, rounds: int) -> Answer:
    """Seconds of one session, and of two at a time in threads of their own."""
    data = stream.read_bytes()

    def work(count: int) -> float:
        running = [
            threading.Thread(target=sessions.decode, args=(data, sessions.Count(), NOW))
            for _ in range(count)
        ]
        begun = time.perf_counter()
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        return time.perf_counter() - begun

    found = common.in_turn({"one_s": lambda: work(1), "two_s": lambda: work(2)}, rounds)
    return dict(found)


def memory(stream: Path, routes: int) -> Answer:
    """Resident memory while one session takes in many times the same stream, in MiB."""
    data = stream.read_bytes()
    sink = sessions.Count()
    session = sessions.open_session(sink)
    samples: list[float] = []
    sampled = 0
    while sink.rows < routes:
        for part in sessions.parts(data):
            session.feed(part, NOW)
            if sink.rows - sampled >= routes // 200:
                sampled = sink.rows
                samples.append(common.resident())
    session.flush()
    return {"rows": sink.rows, "rss_mib": samples}


def main() -> None:
    """Do the task that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    tasks = parser.add_subparsers(dest="task", required=True)
    tasks.add_parser("receive").add_argument("folder", type=Path)
    for name, numbers in (("insert", "rounds"), ("threads", "rounds"), ("memory", "routes")):
        task = tasks.add_parser(name)
        task.add_argument("stream", type=Path)
        if name == "insert":
            task.add_argument("folder", type=Path)
        task.add_argument(numbers, type=int)
    arguments = vars(parser.parse_args())
    work: dict[str, Callable[..., Answer]] = {
        "receive": receive,
        "insert": insert,
        "threads": threads,
        "memory": memory,
    }
    print(json.dumps(work[arguments.pop("task")](**arguments)))


if __name__ == "__main__":
    main()
