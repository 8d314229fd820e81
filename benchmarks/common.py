"""What every benchmark needs: time, processes of its own on cores of its own, and what they use."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

ROOT = Path(__file__).parents[1]
FEEDER, COLLECTOR = 0, 1
"""Which core does what; on a machine with one core nothing is pinned."""
MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory, as the disk is not measured
LIMIT = 300.0
"""Seconds after which whatever runs is given up."""
POLL, REST = 0.002, 0.3
BUSY = 0.05
"""Share of a core that counts as being at work."""

Result = TypeVar("Result")


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory that is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="bench-") as name:
        yield Path(name)


def pin(core: int) -> None:
    """Keep this process on one core."""
    if (os.cpu_count() or 1) > core:
        os.sched_setaffinity(0, {core})


def pinned(core: int) -> list[str]:
    """What stands before a command to keep it on one core."""
    return ["taskset", "-c", str(core)] if (os.cpu_count() or 1) > core else []


@contextlib.contextmanager
def running(command: Sequence[object], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended afterwards, by its id.

    It is killed: pmbmpd minds no SIGTERM while it waits, and nothing is to be saved.
    """
    process = subprocess.Popen([str(word) for word in command], text=True, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def child(task: str) -> list[str]:
    """The command of a script in `benchmarks/children`."""
    return [sys.executable, str(ROOT / "benchmarks" / "children" / f"{task}.py")]


def measure(task: str, *arguments: object, within: float = LIMIT) -> dict[str, Any]:
    """What the script of that name in `benchmarks/children` says, from a process of its own."""
    command = [*child(task), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=within)
    if done.returncode:
        raise SystemExit(f"benchmarks/children/{task}.py ended with status {done.returncode}")
    return last_line(done.stdout)


def last_line(text: str) -> dict[str, Any]:
    """The JSON object at the end of what a child printed."""
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def in_turn(works: Mapping[str, Callable[[], Result]], rounds: int) -> dict[str, list[Result]]:
    """Results of all, one after the other in each round: what else runs disturbs all alike."""
    found: dict[str, list[Result]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            found[name].append(work())
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process so far."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def delay() -> float:
    """Seconds so far that this thread could have run, had its core been free."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


def resident(pid: int | None = None, *, peak: bool = False) -> float:
    """MiB of memory that a process, or this one, has now or had at most."""
    return _status(pid, "VmHWM" if peak else "VmRSS")


def unshared(pid: int | None = None) -> float:
    """MiB of memory that a process, or this one, has and that no file on disk stands for."""
    return _status(pid, "RssAnon")


def _status(pid: int | None, name: str) -> float:
    for line in Path(f"/proc/{pid or os.getpid()}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return 0.0


def unread(port: int) -> int:
    """Octets that wait in the receive queues of connections to this local port."""
    waiting = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if int(words[1].rpartition(":")[2], 16) == port:
            waiting += int(words[4].rpartition(":")[2], 16)
    return waiting


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def connect(port: int, within: float = 20) -> socket.socket:
    """A connection to a collector that may only just be starting."""
    until = time.monotonic() + within
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def feed(pid: int, port: int, data: bytes) -> dict[str, float]:
    """Seconds from the first octet sent until the collector has read all and gone idle.

    Its CPU time in between and the most memory that it ever had, too.
    """
    with connect(port) as connection:
        settle(pid, port)
        used, begun = cpu_seconds(pid), time.perf_counter()
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        took, used = settle(pid, port) - begun, cpu_seconds(pid) - used
    return {"seconds": took, "cpu_s": used, "rss_mib": resident(pid, peak=True)}


def settle(pid: int, port: int) -> float:
    """Wait until a collector is idle; when it became so (`time.perf_counter`)."""
    worked = looked = time.perf_counter()
    before = cpu_seconds(pid)
    until = worked + LIMIT
    while looked - worked < REST:
        time.sleep(POLL)
        now, used = time.perf_counter(), cpu_seconds(pid)
        if used - before > BUSY * (now - looked) or unread(port):
            worked = now
        looked, before = now, used
        if now > until:
            raise TimeoutError(f"the collector on port {port} is still busy after {LIMIT:.0f} s")
    return worked


def show(rows: Sequence[Mapping[str, object]], file: IO[str] | None = None) -> None:
    """A table with the names of the first row as its head."""
    head = list(rows[0])
    lines = [head, *([_text(row[name]) for name in head] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        first = line[0].ljust(widths[0])
        rest = (word.rjust(width) for word, width in zip(line[1:], widths[1:], strict=True))
        print(first, *rest, sep="  ", file=file)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if value < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
