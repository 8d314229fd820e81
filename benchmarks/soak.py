"""What grows in a watch that runs for hours, and whether every page still comes.

`python benchmarks/soak.py [--minutes N] [--quick]` starts `anchorwatch run` and gives it a busy
life: routes that nobody watches, a router whose session breaks and comes back again and again,
alarms that page and end, an intent that is read again, people who open the board and leave it,
questions to the store. After each tenth it prints what the process has and how long pages took,
and a JSON object as its last line. The disk that is used is that of `--folder`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import common
from benchmarks.latency import KILL_SWITCH, ROUTER, WARM_UP, Ends, alarms, greeting, settings

RATE = 2_000
"""Routes a second that nobody watches."""
ALARMS = 20
"""Before the session breaks."""
FEED = "feeds: [{router: prober, silent_after: 1h}]\n"
PAGES = ("/", "/api/v1/status", "/api/v1/incidents", "/metrics", "/healthz")
QUESTION = "SELECT kind, count() FROM routes WHERE received > now() - 60 GROUP BY kind"
TENTHS = 10


@dataclass(slots=True)
class Life:
    """What has happened so far."""

    alarms: int = 0
    sessions: int = 0
    took: list[float] = field(default_factory=list)
    """From the wire to the page, ms, since the last look."""


async def router(port: int, ends: Ends, life: Life) -> None:
    """One session of a router: its tables, then alarms that come and end; then it breaks."""
    connection = await asyncio.to_thread(
        lambda: socket.create_connection(("127.0.0.1", port), source_address=(ROUTER, 0))
    )
    with connection as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.sendall(greeting())
        life.sessions += 1
        await asyncio.sleep(WARM_UP)
        for alarm in alarms(ALARMS):
            detector = "flowspec_policy" if alarm.kind == KILL_SWITCH else "dual_advertisement"
            begun = time.perf_counter()
            wire.sendall(alarm.begins)
            at = await ends.pages.until("open", detector)
            life.took.append((at - begun) * 1000)
            wire.sendall(alarm.ends)
            await ends.pages.until("resolved", detector)
            life.alarms += 1


async def people(web: int, store: str) -> None:
    """Open each page, follow the board for a moment, ask the store."""
    async with httpx.AsyncClient(timeout=common.LIMIT) as client:
        for page in PAGES:
            (await client.get(f"http://127.0.0.1:{web}{page}")).raise_for_status()
        async with client.stream("GET", f"http://127.0.0.1:{web}/api/v1/stream?as=html") as events:
            events.raise_for_status()
            async for _ in events.aiter_bytes():
                break
        (await client.post(store, content=QUESTION)).raise_for_status()


def _state(pid: int, life: Life) -> dict[str, Any]:
    """What the process has now, and how long pages took since the last look."""
    process = Path(f"/proc/{pid}")
    row = {
        "own MiB": common.unshared(pid),
        "files": len(list((process / "fd").iterdir())),
        "threads": len(list((process / "task").iterdir())),
        "sessions": life.sessions,
        "alarms": life.alarms,
        "page p50 ms": statistics.median(life.took),
        "longest ms": max(life.took),
    }
    life.took.clear()
    return row


async def live(folder: Path, minutes: float) -> list[dict[str, Any]]:
    """A whole life; what the process had after each tenth of it."""
    ends, life, rows = Ends(), Life(), []
    hook = await asyncio.start_server(ends.serve, "127.0.0.1", 0)
    bmp, web, port = common.free_port(), common.free_port(), common.free_port()
    settings(folder, bmp, web, hook.sockets[0].getsockname()[1], store=port)
    intent = folder / "intent.yaml"
    plain = intent.read_text() + FEED
    intent.write_text(plain)
    with (folder / "log").open("wb") as log:
        watch = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "anchorwatch", "run"),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(common.ROOT)},
            stderr=log,
        )
    try:
        await asyncio.to_thread(lambda: common.connect(bmp, within=60).close())
        seconds = minutes * 60
        words = [*common.child("background"), str(bmp), str(RATE), str(seconds + 60)]
        with common.running(words, stdout=subprocess.DEVNULL):
            begun = time.monotonic()
            for tenth in range(1, TENTHS + 1):
                while time.monotonic() < begun + seconds * tenth / TENTHS:
                    await router(bmp, ends, life)
                    await people(web, f"http://127.0.0.1:{port}/")
                    intent.write_text(f"{plain}# {life.sessions}\n")
                    watch.send_signal(signal.SIGHUP)
                rows.append(_state(watch.pid, life))
                common.show(rows[-1:])
                sys.stdout.flush()
    finally:
        with contextlib.suppress(ProcessLookupError):
            watch.terminate()
        await watch.wait()
        hook.close()
    return rows


def _complaints(log: Path) -> list[str]:
    """What the watch wrote that no fault of the router explains."""
    words = ("ERROR", "CRITICAL", "Traceback")
    return [line for line in log.read_text().splitlines() if any(word in line for word in words)]


def main() -> None:
    """Live, look, and say what grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, metavar="N")
    parser.add_argument("--folder", type=Path, help="an empty folder; in memory if none is named")
    parser.add_argument("--quick", action="store_true", help="a minute and a half")
    args = parser.parse_args()
    with common.scratch() as scratch:
        folder = args.folder or scratch
        rows = asyncio.run(live(folder, 1.5 if args.quick else args.minutes))
        complaints = _complaints(folder / "log")
    for line in complaints:
        print(line)
    last = rows[-1]
    answer = {
        "alarms": last["alarms"],
        "sessions": last["sessions"],
        "mib_after_a_tenth": round(rows[0]["own MiB"], 1),
        "mib_at_most_later": round(max(row["own MiB"] for row in rows[1:]), 1),
        "files": [rows[0]["files"], last["files"]],
        "threads": [rows[0]["threads"], last["threads"]],
        "complaints": len(complaints),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
