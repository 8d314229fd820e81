"""How fast a GoBGP controller's routes are read over gRPC, and what that costs gobgpd.

    python benchmarks/gobgp.py [--quick]

A BGP speaker of our own gives gobgpd 200,000 routes at once, ten an UPDATE, each time to a new
gobgpd: with nobody watching, with our client, with a loop that throws away what it reads, and with
GoBGP's own client, in turn. The last line is a JSON object of medians.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.common import (
    child,
    cpu_seconds,
    free_port,
    in_turn,
    resident,
    running,
    scratch,
    show,
)

ROUTES, QUICK, ROUNDS = 200_000, 20_000, 5
NOBODY, OURS, LOOP, MONITOR = "nobody", "anchorwatch", "an empty loop", "gobgp monitor"
WATCHERS = (NOBODY, OURS, LOOP, MONITOR)
EACH = 10
ROUTER, SPEAKER = "127.0.61.1", "127.0.61.2"
SETTLED = 1.5
"""Seconds at rest that mean that gobgpd has done its work."""
IDLE = 0.15

CONFIG = f"""
[global.config]
as = 65001
router-id = "{ROUTER}"
port = {{port}}
local-address-list = ["{ROUTER}"]
[[neighbors]]
[neighbors.config]
peer-as = 65002
neighbor-address = "{SPEAKER}"
[neighbors.transport.config]
local-address = "{ROUTER}"
passive-mode = true
"""


def message(kind: int, body: bytes) -> bytes:
    """A BGP message."""
    return b"\xff" * 16 + struct.pack("!HB", 19 + len(body), kind) + body


def updates(count: int) -> bytes:
    """All UPDATEs, each with ten routes and attributes of its own."""
    parts = []
    for start in range(0, count, EACH):
        path = b"\x40\x02\x06\x02\x01" + struct.pack("!I", 65002)
        med = b"\x80\x04\x04" + struct.pack("!I", start)
        attributes = b"\x40\x01\x01\x00" + path + b"\x40\x03\x04\xc0\x00\x02\x05" + med
        numbers = range(start, min(start + EACH, count))
        nlri = b"".join(b"\x18" + struct.pack("!I", (10 << 24) + (n << 8))[:3] for n in numbers)
        parts.append(message(2, b"\0\0" + struct.pack("!H", len(attributes)) + attributes + nlri))
    return b"".join(parts)


def speak(port: int) -> socket.socket:
    """A BGP session that is up."""
    until = time.monotonic() + 30
    while True:
        session = socket.socket()
        session.bind((SPEAKER, 0))
        try:
            session.connect((ROUTER, port))
        except OSError:
            session.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
            continue
        break
    as4 = b"\x41\x04" + struct.pack("!I", 65002)
    capabilities = b"\x01\x04\x00\x01\x00\x01" + as4
    options = bytes((2, len(capabilities))) + capabilities
    head = struct.pack("!BHH", 4, 65002, 0) + socket.inet_aton(SPEAKER)
    session.sendall(message(1, head + bytes((len(options),)) + options) + message(4, b""))
    session.settimeout(30)
    while session.recv(4096)[18:19] not in (b"\x01", b"\x04"):
        pass
    return session


def swallow(session: socket.socket) -> None:
    """Read and forget what gobgpd says."""
    with suppress(OSError):
        while session.recv(1 << 16):
            pass


def at_rest(pid: int) -> float:
    """Wait until gobgpd has done its work; when it had (`time.perf_counter`)."""
    worked = looked = time.perf_counter()
    used = cpu_seconds(pid)
    while looked - worked < SETTLED and looked < worked + 120:
        time.sleep(0.05)
        now, spent = time.perf_counter(), cpu_seconds(pid)
        if spent - used > IDLE * (now - looked):
            worked = now
        looked, used = now, spent
    return worked


def watching(api: int, count: int) -> dict[str, list[list[str]]]:
    """The programs of each who watches; the first is ours, and says what it found."""
    monitor = ["gobgp", "-u", "127.0.0.1", "-p", str(api), "monitor"]
    return {
        NOBODY: [],
        OURS: [[*child("gobgp"), str(api), str(count)]],
        LOOP: [[*child("gobgp_drop"), str(api)]],
        MONITOR: [[*monitor, "global", "rib"], [*monitor, "adj-in"]],
    }


def measure(count: int, who: str) -> dict[str, Any]:
    """One gobgpd that is given the routes, while somebody watches or nobody does."""
    bgp, api = free_port(), free_port()
    with scratch() as folder, ExitStack() as stack:
        config = folder / "gobgpd.toml"
        config.write_text(CONFIG.format(port=bgp))
        log = stack.enter_context((folder / "log").open("w"))
        command = ["gobgpd", "-f", config, "--pprof-disable", "--api-hosts", f"127.0.0.1:{api}"]
        daemon = stack.enter_context(running(command, stdout=log, stderr=log))
        session = stack.enter_context(speak(bgp))
        output = subprocess.PIPE if who == OURS else subprocess.DEVNULL
        clients = [
            stack.enter_context(running(words, stdout=output))
            for words in watching(api, count)[who]
        ]
        if who == OURS:
            said = clients[0].stdout
            assert said is not None  # noqa: S101 - it was asked for
            said.readline()
        time.sleep(2)
        threading.Thread(target=swallow, args=(session,), daemon=True).start()
        data = updates(count)
        begun = time.perf_counter()
        session.settimeout(None)
        session.sendall(data)
        found: dict[str, Any] = {"gobgpd_s": at_rest(daemon.pid) - begun}
        found["gobgpd_mib"] = resident(daemon.pid)
        if any(client.poll() for client in clients):
            raise SystemExit(f"{who} has ended, and nothing was measured")
        if who == OURS:
            out, _ = clients[0].communicate(timeout=120)
            found |= json.loads(out.splitlines()[-1])
        return found


def main() -> None:
    """Run in turn, print a table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} routes, once")
    quick = parser.parse_args().quick
    count, rounds = (QUICK, 1) if quick else (ROUTES, ROUNDS)
    found = in_turn({who: partial(measure, count, who) for who in WATCHERS}, rounds)
    middle = {
        who: {name: statistics.median(each[name] for each in runs) for name in runs[0]}
        for who, runs in found.items()
    }
    alone, seen = middle[NOBODY], middle[OURS]
    ratios = {who: [run["gobgpd_mib"] / alone["gobgpd_mib"] for run in found[who]] for who in found}
    show(
        [
            {
                "who watches": who,
                "gobgpd s": each["gobgpd_s"],
                "gobgpd MiB": each["gobgpd_mib"],
                "of nobody's": statistics.median(ratios[who]),
                "least": min(ratios[who]),
                "most": max(ratios[who]),
            }
            for who, each in middle.items()
        ]
    )
    figures = {
        "routes": count,
        "gobgpd_routes_per_s": round(count / seen["gobgpd_s"]),
        "taken_in_per_s": round(count / seen["taken_in_s"]),
        "most_waiting_mib": round(seen["queue_mib"], 1),
        "client_cpu_us_per_route": round(seen["cpu_s"] / count * 1e6, 1),
        "client_rss_mib": round(seen["rss_mib"]),
        "gobgpd_memory_ratio": round(statistics.median(ratios[OURS]), 3),
        "loop_memory_ratio": round(statistics.median(ratios[LOOP]), 3),
        "monitor_memory_ratio": round(statistics.median(ratios[MONITOR]), 3),
        "gobgpd_time_ratio": round(seen["gobgpd_s"] / alone["gobgpd_s"], 3),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
