"""From the wire to a person: how long an incident takes while a full table pours in.

`python benchmarks/latency.py [--quick]` starts `anchorwatch run`, sends it 50,000 routes a second
that nobody watches, and on another BMP session now and then what must page. Measured is the time
from before the message is written to its socket until the incident is in the log, which is when it
is on disk, and until the whole page has come to a webhook. It prints a table and, as its last line,
a JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import common, messages

BACKGROUND = 50_000
"""Routes a second."""
EVERY = 0.1
"""Seconds between two pages."""
WITHIN = 120.0
"""Seconds in which a page must come."""
WARM_UP = 2.0
ROUTER = "127.0.0.2"
AS, HOME, ELSEWHERE = 65000, bytes((10, 0, 0, 1)), bytes((10, 0, 9, 9))
SERVICES = 250
ORDINARY, KILL_SWITCH = "dual advertisement", "kill switch"

Answer = dict[str, Any]


class Alarm(NamedTuple):
    """A message that must page, and the one that ends it."""

    kind: str
    begins: bytes
    ends: bytes


def alarms(count: int) -> Iterator[Alarm]:
    """A service at the wrong place, and a rule that stops BGP itself, in turn."""
    for number in range(count):
        if number % 2:
            yield Alarm(KILL_SWITCH, *_kill_switch(1024 + number))
        else:
            yield Alarm(ORDINARY, *_stranger(number // 2 % SERVICES))


def _header(peer: bytes) -> bytes:
    now = divmod(time.time_ns() // 1000, 10**6)
    return struct.pack("!BB8s16sI4sII", 0, 0, b"", peer.rjust(16, b"\0"), AS, peer, *now)


def _monitoring(update: bytes, peer: bytes = HOME) -> bytes:
    return messages.bmp(messages.ROUTE_MONITORING, _header(peer) + update)


def _advertised(number: int, peer: bytes) -> bytes:
    """A service, at the site of this peer."""
    attributes = (
        messages.attribute(messages.WELL_KNOWN, 1, b"\0")
        + messages.attribute(messages.WELL_KNOWN, 2, messages.path([65001], [], as4=True))
        + messages.attribute(messages.WELL_KNOWN, 3, peer)
    )
    return _monitoring(messages.update(b"", attributes, _nlri(number)), peer)


def _nlri(number: int) -> bytes:
    return bytes((32, 192, 0, 2, number))


def _stranger(number: int) -> tuple[bytes, bytes]:
    withdrawn = messages.update(_nlri(number), b"", b"")
    return _advertised(number, ELSEWHERE), _monitoring(withdrawn, ELSEWHERE)


def _kill_switch(port: int) -> tuple[bytes, bytes]:
    """Any source, destination port 179, one source port: a discard (RFC 8955)."""
    rule = b"\x05\x91\x00\xb3\x06\x91" + struct.pack("!H", port)
    nlri = bytes((len(rule),)) + rule
    attributes = (
        messages.attribute(messages.WELL_KNOWN, 1, b"\0")
        + messages.attribute(messages.WELL_KNOWN, 2, b"")
        + messages.attribute(messages.TRANSITIVE, 16, b"\x80\x06" + bytes(6))
        + messages.reach((1, 133), b"", nlri)
    )
    return (
        _monitoring(messages.update(b"", attributes, b"")),
        _monitoring(messages.update(b"", messages.unreach((1, 133), nlri), b"")),
    )


def greeting() -> bytes:
    """A session comes up and shows all services at home, and no rule."""
    families = [(1, 1), (1, 133)]
    local = HOME.rjust(16, b"\0") + struct.pack("!HH", 179, 40_000)
    ends = (
        messages.update(b"", b"", b""),
        messages.update(b"", messages.unreach((1, 133), b""), b""),
    )
    ups, tables = b"", b"".join(_advertised(number, HOME) for number in range(SERVICES))
    for peer in (HOME, ELSEWHERE):
        opened = messages.bgp_open(AS, peer, families, [], as4=True)
        ups += messages.bmp(messages.PEER_UP, _header(peer) + local + opened + opened)
        tables += b"".join(_monitoring(end, peer) for end in ends)
    information = messages.tlv(1, b"made for benchmarks") + messages.tlv(2, b"prober")
    return messages.bmp(messages.INITIATION, information) + ups + tables


class Told:
    """Transitions that were told one way, with the time at which each came."""

    def __init__(self) -> None:
        """Nothing has come."""
        self._come: asyncio.Queue[tuple[float, str, str]] = asyncio.Queue()

    def put(self, state: str, detector: str) -> None:
        """One has come."""
        self._come.put_nowait((time.perf_counter(), state, detector))

    async def until(self, state: str, detector: str) -> float:
        """When the next one of this kind came."""
        async with asyncio.timeout(WITHIN):
            while True:
                at, *came = await self._come.get()
                if came == [state, detector]:
                    return at


class Ends:
    """The two ends of the way: the log of the watch, and a webhook."""

    def __init__(self) -> None:
        """Nothing has come to either."""
        self.log, self.pages = Told(), Told()

    async def read(self, log: asyncio.StreamReader) -> None:
        """Take in the log as it is written."""
        async for line in log:
            _, said, transition = line.decode().partition("anchorwatch.watch: ")
            state, _, rest = transition.partition(" ")
            if said and state in {"open", "resolved"}:
                self.log.put(state, rest.partition(":")[0])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a pager, which sends one page after the other."""
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
                page = json.loads(await reader.readexactly(length))
                self.pages.put(page["state"], page["detector"])
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")


def settings(folder: Path, bmp: int, web: int, hook: int, store: int = 0) -> None:
    """What the watch is to do."""
    services = "\n".join(
        f"  - {{name: s{number}, prefix: 192.0.2.{number}/32, home: [home]}}"
        for number in range(SERVICES)
    )
    (folder / "intent.yaml").write_text(
        "version: 1\nsites: {home: {match: [{next_hop: 10.0.0.1}]}}\nprotect: [tcp/179]\n"
        f"services:\n{services}\n"
    )
    (folder / "anchorwatch.yaml").write_text(
        "intent: intent.yaml\n"
        f"bmp: {{listen: 127.0.0.1:{bmp}, routers: [{{address: 127.0.0.0/8}}]}}\n"
        f"web: {{listen: 127.0.0.1:{web}}}\nstore: {{listen: 127.0.0.1:{store}}}\n"
        f"pagers: [{{webhook: {{url: 'http://127.0.0.1:{hook}/page'}}}}]\n"
    )


Took = dict[str, list[float]]


async def probe(port: int, ends: Ends, count: int) -> Took:
    """How long each incident and each page took, ms, by kind of alarm."""
    took: Took = {}
    with socket.create_connection(("127.0.0.1", port), source_address=(ROUTER, 0)) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.sendall(greeting())
        await asyncio.sleep(WARM_UP)
        for alarm in alarms(count):
            detector = "flowspec_policy" if alarm.kind == KILL_SWITCH else "dual_advertisement"
            begun = time.perf_counter()
            wire.sendall(alarm.begins)
            for what, end in (("incident", ends.log), ("page", ends.pages)):
                at = await end.until("open", detector)
                took.setdefault(f"{alarm.kind}, {what}", []).append((at - begun) * 1000)
            wire.sendall(alarm.ends)
            await ends.pages.until("resolved", detector)
            await asyncio.sleep(EVERY)
    return took


async def measure(folder: Path, count: int, rate: int) -> tuple[Took, float]:
    """What one run of the watch took, and the routes a second that came beside."""
    ends = Ends()
    server = await asyncio.start_server(ends.serve, "127.0.0.1", 0)
    bmp, web = common.free_port(), common.free_port()
    settings(folder, bmp, web, server.sockets[0].getsockname()[1])
    watch = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "anchorwatch", "run"),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(common.ROOT)},
        stderr=asyncio.subprocess.PIPE,
    )
    assert watch.stderr is not None  # noqa: S101 - it is a pipe
    reading = asyncio.create_task(ends.read(watch.stderr))
    try:
        await asyncio.to_thread(lambda: common.connect(bmp, within=60).close())
        lasting = WARM_UP + count * (EVERY + 0.05)
        words = [*common.child("background"), str(bmp), str(rate), str(lasting)]
        with common.running(words, stdout=subprocess.PIPE) as background:
            assert background.stdout is not None  # noqa: S101 - it is a pipe
            await asyncio.to_thread(background.stdout.readline)
            took = await probe(bmp, ends, count)
            said = json.loads(await asyncio.to_thread(background.stdout.readline))
    finally:
        watch.kill()
        await watch.wait()
        await reading
        server.close()
    return took, said["routes"] / said["seconds"]


def _share(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> None:
    """Alone first, to compare with, then beside the background."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within a minute, less exact")
    quick = parser.parse_args().quick
    count = 100 if quick else 1000
    with common.scratch() as folder:
        took, rate = asyncio.run(measure(folder, count, BACKGROUND))
    common.show(
        [
            {
                "from the wire to": kind,
                "times": len(values),
                "p50 ms": statistics.median(values),
                "p90 ms": _share(values, 0.9),
                "p99 ms": _share(values, 0.99),
                "longest ms": max(values),
            }
            for kind, values in took.items()
        ]
    )
    print(f"beside {rate:,.0f} routes a second that nobody watches")
    answer: Answer = {"background_routes_per_s": round(rate)}
    for prefix, kind in (
        ("", f"{ORDINARY}, incident"),
        ("kill_switch_", f"{KILL_SWITCH}, incident"),
        ("page_", f"{ORDINARY}, page"),
        ("kill_switch_page_", f"{KILL_SWITCH}, page"),
    ):
        answer[f"{prefix}p50_ms"] = round(statistics.median(took[kind]), 2)
        answer[f"{prefix}p99_ms"] = round(_share(took[kind], 0.99), 2)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
