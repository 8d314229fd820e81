"""The live board of a large network: from the wire to the screen, and what it costs.

`python benchmarks/board.py [--quick]` starts `anchorwatch run` with 500 services and 5,000 Flowspec
rules and opens its board in Debian's Chromium. Then a service is advertised by a stranger, and no
more, again and again. Measured is the time from before the message is written to its socket until
the browser has drawn the frame in which that service is violated; of it, how long the difference
took to come to the browser and how long the browser took for it. It prints a table and, as its last
line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from playwright.sync_api import Browser, Page, Response, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import common, messages

CHROMIUM = "/usr/bin/chromium"
SERVICES, RULES = 500, 5_000
ROUTER = "127.0.0.2"
AS, HOME, ELSEWHERE = 65000, bytes((10, 0, 0, 1)), bytes((10, 0, 9, 9))
WITHIN = 300.0
"""Seconds in which anything must come."""
EVERY = 0.1
"""Seconds between two changes."""
WATCH_THE_SCREEN = """
window.came = 0;        // when the last difference came
window.awaited = null;  // the id of a service, whether it is to be violated, and who is told
window.drawn = null;    // a promise of when the frame was drawn in which it is so, and of `came`
const now = () => performance.timeOrigin + performance.now();
const Plain = window.EventSource;
window.EventSource = class extends Plain {
  constructor(...all) { super(...all); this.addEventListener("change", () => { came = now(); }); }
};
const look = () => {
  if (!awaited) return;
  const [id, violated, tell] = awaited;
  const item = document.querySelector(`[data-section=services] > [data-id="${id}"]`);
  if ((item !== null && item.classList.contains("is-violated")) === violated) {
    awaited = null;
    tell([now(), came]);
  }
};
window.wait = (id, violated) => {
  drawn = new Promise((tell, fail) => {
    awaited = [id, violated, tell];
    setTimeout(() => fail(new Error(`${id} has not changed`)), 120000);
  });
};
const drawing = () => requestAnimationFrame(() => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = look;  // comes after the frame
  port2.postMessage(0);
});
addEventListener("DOMContentLoaded", () =>
  new MutationObserver(drawing).observe(document.body, { childList: true, subtree: true }));
"""


FIRST_PAINT = """
new Promise((tell) => new PerformanceObserver((list) => {
  for (const each of list.getEntriesByName("first-contentful-paint")) tell(each.startTime);
}).observe({ type: "paint", buffered: true }))
"""


class Change(NamedTuple):
    """What one change took, ms."""

    whole: float
    to_browser: float
    in_browser: float


def _header() -> bytes:
    now = divmod(time.time_ns() // 1000, 10**6)
    return struct.pack("!BB8s16sI4sII", 0, 0, b"", HOME.rjust(16, b"\0"), AS, HOME, *now)


def _monitoring(update: bytes) -> bytes:
    return messages.bmp(messages.ROUTE_MONITORING, _header() + update)


def _address(number: int) -> bytes:
    return bytes((198, 51, number // 100, number % 100))


def _origin(path: list[int]) -> bytes:
    return messages.attribute(messages.WELL_KNOWN, 1, b"\0") + messages.attribute(
        messages.WELL_KNOWN, 2, messages.path(path, [], as4=True)
    )


def service(number: int, hop: bytes) -> bytes:
    """The announcement of a service's address."""
    attributes = _origin([65001]) + messages.attribute(messages.WELL_KNOWN, 3, hop)
    return _monitoring(messages.update(b"", attributes, b"\x20" + _address(number)))


def rule(number: int) -> bytes:
    """A rule that the intent allows: TCP to one port of one service, discarded (RFC 8955)."""
    port = struct.pack("!H", 1024 + number // SERVICES)
    text = b"\x01\x20" + _address(number % SERVICES) + b"\x03\x81\x06\x05\x91" + port
    discard = messages.attribute(messages.TRANSITIVE, 16, b"\x80\x06" + bytes(6))
    nlri = messages.reach((1, 133), b"", bytes((len(text),)) + text)
    return _monitoring(messages.update(b"", _origin([]) + discard + nlri, b""))


def table() -> bytes:
    """A router with one peer: all services at home, all rules."""
    families = [(1, 1), (1, 133)]
    opened = messages.bgp_open(AS, HOME, families, [], as4=True)
    local = HOME.rjust(16, b"\0") + struct.pack("!HH", 179, 40_000)
    return b"".join(
        (
            messages.bmp(messages.INITIATION, messages.tlv(1, b"made") + messages.tlv(2, b"r1")),
            messages.bmp(messages.PEER_UP, _header() + local + opened + opened),
            *(service(number, HOME) for number in range(SERVICES)),
            *(rule(number) for number in range(RULES)),
            _monitoring(messages.update(b"", b"", b"")),
            _monitoring(messages.update(b"", messages.unreach((1, 133), b""), b"")),
        )
    )


def settings(folder: Path, bmp: int, web: int) -> None:
    """What the watch is to do."""
    services = "\n".join(
        f"  - {{name: s{n}, prefix: 198.51.{n // 100}.{n % 100}/32, home: [home]}}"
        for n in range(SERVICES)
    )
    (folder / "intent.yaml").write_text(
        "version: 1\nsites: {home: {match: [{next_hop: 10.0.0.1}]}}\n"
        f"services:\n{services}\n"
        "flowspec:\n  - {name: allowed, destination: [198.51.0.0/16], actions: [discard]}\n"
    )
    (folder / "anchorwatch.yaml").write_text(
        "intent: intent.yaml\n"
        f"bmp: {{listen: 127.0.0.1:{bmp}, routers: [{{address: 127.0.0.0/8}}]}}\n"
        f"web: {{listen: 127.0.0.1:{web}}}\nstore: {{listen: 127.0.0.1:0}}\n"
    )


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something to be true."""
    end = time.monotonic() + WITHIN
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {WITHIN:.0f} s: {what}")
        time.sleep(0.2)


def counts(web: int) -> dict[str, dict[str, int]]:
    """How many of each the board has, by state."""
    told = httpx.get(f"http://127.0.0.1:{web}/api/v1/board", timeout=60).json()
    found: dict[str, dict[str, int]] = told["counts"]
    return found


def first_paints(browser: Browser, url: str, times: int) -> list[float]:
    """From asking for the page to its first drawn content, ms, each time as a new visitor."""
    found = []
    for _ in range(times):
        page = browser.new_page()
        page.goto(url)
        found.append(float(page.evaluate(FIRST_PAINT)))
        page.close()
    return found


def open_board(browser: Browser, url: str) -> tuple[Page, int]:
    """The board, live, and how many octets it loaded."""
    page = browser.new_page()
    page.add_init_script(WATCH_THE_SCREEN)
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - it is wrapped
    page.goto(url)
    page.wait_for_selector("body.live")
    loaded = [answer for answer in answers if "/stream" not in answer.url]
    return page, sum(len(answer.body()) for answer in loaded)


def change(page: Page, wire: socket.socket, number: int, *, wrong: bool) -> Change:
    """Have a service advertised by a stranger, or by its home again."""
    page.evaluate("([id, violated]) => wait(id, violated)", [f"service s{number}", wrong])
    begun = time.time() * 1000
    wire.sendall(service(number, ELSEWHERE if wrong else HOME))
    drawn, came = page.evaluate("drawn")
    return Change(drawn - begun, came - begun, drawn - came)


def measure(
    folder: Path, visits: int, times: int, rest: float
) -> tuple[list[Change], dict[str, Any]]:
    """What changes took, and the other figures."""
    bmp, web = common.free_port(), common.free_port()
    settings(folder, bmp, web)
    command = [sys.executable, "-m", "anchorwatch", "run"]
    environment = {**os.environ, "PYTHONPATH": str(common.ROOT)}
    with (
        common.running(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL) as watch,
        sync_playwright() as playwright,
    ):
        common.connect(bmp, within=WITHIN).close()
        with socket.create_connection(("127.0.0.1", bmp), source_address=(ROUTER, 0)) as wire:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            begun = time.monotonic()
            wire.sendall(table())
            full = {"services": SERVICES, "rules": RULES}
            until(
                lambda: {name: counts(web)[name].get("fine", 0) for name in full} == full,
                "all services and rules are there, and fine",
            )
            filled = time.monotonic() - begun
            url = f"http://127.0.0.1:{web}/"
            with playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
            ) as browser:
                paints = first_paints(browser, url, visits)
                page, octets = open_board(browser, url)
                used, begun = common.cpu_seconds(watch.pid), time.monotonic()
                time.sleep(rest)
                share = (common.cpu_seconds(watch.pid) - used) / (time.monotonic() - begun)
                took = []
                for number in range(times):
                    took.append(change(page, wire, number % SERVICES, wrong=True))
                    time.sleep(EVERY)
                    change(page, wire, number % SERVICES, wrong=False)
                    time.sleep(EVERY)
    return took, {
        "services": SERVICES,
        "rules": RULES,
        "fill_s": round(filled, 1),
        "first_paint_ms": round(statistics.median(paints)),
        "first_paint_worst_ms": round(max(paints)),
        "page_kib": round(octets / 1024, 1),
        "rest_share": round(share, 4),
    }


def _share(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within a minute, less exact")
    quick = parser.parse_args().quick
    visits, times, rest = (3, 30, 10.0) if quick else (10, 400, 60.0)
    with common.scratch() as folder:
        took, answer = measure(folder, visits, times, rest)
    spans = {
        "from the wire to the screen": [each.whole for each in took],
        "of it, to the browser": [each.to_browser for each in took],
        "of it, in the browser": [each.in_browser for each in took],
    }
    common.show(
        [
            {
                "what": what,
                "times": len(values),
                "p50 ms": statistics.median(values),
                "p99 ms": _share(values, 0.99),
                "longest ms": max(values),
            }
            for what, values in spans.items()
        ]
    )
    print(
        f"first paint {answer['first_paint_ms']} ms, at most {answer['first_paint_worst_ms']}; "
        f"{answer['page_kib']} KiB loaded; {answer['rest_share']:.1%} of a core at rest"
    )
    for name, what in (
        ("board", "from the wire to the screen"),
        ("to_browser", "of it, to the browser"),
        ("in_browser", "of it, in the browser"),
    ):
        answer[f"{name}_p50_ms"] = round(statistics.median(spans[what]), 1)
        answer[f"{name}_p99_ms"] = round(_share(spans[what], 0.99), 1)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
