"""Watches a controller until so many paths of its peers were taken in: `gobgp.py PORT PATHS`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.common import LIMIT, resident
from collector.event import Event
from collector.inputs.clock import Clock
from collector.inputs.gobgp.client import GobgpClient
from collector.inputs.gobgp.controller import Controller


async def watch(port: int, paths: int) -> dict[str, float]:
    """Seconds from the first path read to the last one read, and to the last one taken in."""
    events = 0

    def take(some: Sequence[Event]) -> None:
        nonlocal events
        events += len(some)

    async def room() -> None:
        """There is always room."""

    client = GobgpClient(Controller("bench", f"127.0.0.1:{port}"), take, room, Clock())
    client.start()
    while not client.up:  # noqa: ASYNC110 - the client tells nobody
        await asyncio.sleep(0.01)
    print("up", flush=True)
    begun = time.time()
    most = 0
    first = last = 0.0
    while client.session.paths["adj-in-pre"] < paths and time.time() < begun + LIMIT:
        await asyncio.sleep(0.005)
        octets = client.queue.octets
        if not first and (octets or client.session.paths["adj-in-pre"]):
            first = time.time()
        if octets > most:
            last = time.time()
        most = max(most, octets)
    done = time.time()
    found = {
        "taken_in_s": done - first,
        "queue_grew_for_s": max(0.0, last - first),
        "queue_mib": most / (1 << 20),
        "events": events,
        "cpu_s": time.process_time(),
        "rss_mib": resident(peak=True),
    }
    await client.close()
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(watch(int(sys.argv[1]), int(sys.argv[2])))))
