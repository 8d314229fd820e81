"""How fast the decoders turn BMP in memory into rows, against the floor of finding messages.

`python benchmarks/decode.py [--quick]` prints a table and, as its last line, a JSON object.
bgpdump, where it is installed, reads the same UPDATEs as MRT and prints them as text.
"""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import common, sessions
from benchmarks.generate import Stream, cached
from benchmarks.table import Shape
from collector import native
from collector.wire.session import BmpSession

PYTHON_SHARE = 20
"""The decoder in Python gets a stream so many times shorter: it takes its time."""


def floor(octets: bytearray, stream: Stream) -> int:
    """Find every message and do nothing with it, in native code."""
    messages = native.count_frames(octets)
    return stream.rows if messages == stream.messages else 0


def python_floor(stream: Stream) -> int:
    """Find every message and do nothing with it, in Python."""
    start = messages = 0
    while start < len(stream.bmp):
        start += int.from_bytes(stream.bmp[start + 1 : start + 5])
        messages += 1
    return stream.rows if messages == stream.messages else 0


def events(stream: Stream) -> int:
    """All routes as events of the decoder in Python, from reads of 64 KiB."""
    session = BmpSession(sessions.ROUTER)
    routes = 0
    for start in range(0, len(stream.bmp), 65_536):
        found = session.feed(stream.bmp[start : start + 65_536], sessions.NOW)
        routes += sessions.routes(found)
    return routes


def blocks(stream: Stream) -> int:
    """All routes as blocks for the store, from reads of 1 MiB."""
    sink = sessions.Count()
    return sessions.decode(stream.bmp, sink) + sink.rows


def bgpdump(program: str, stream: Stream) -> int:
    """All routes as lines of text that nobody keeps."""
    with common.scratch() as folder:
        file = folder / "updates.mrt"
        file.write_bytes(stream.mrt)
        subprocess.run(
            [program, "-m", str(file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=common.LIMIT,
        )
    return stream.rows


def decoders(stream: Stream) -> dict[str, Callable[[Stream], int]]:
    """What is measured, by name."""
    found: dict[str, Callable[[Stream], int]] = {"python floor": python_floor, "python": events}
    if sessions.is_native():
        found |= {"floor": functools.partial(floor, bytearray(stream.bmp)), "native": blocks}
    program = shutil.which("bgpdump")
    if program:
        found["bgpdump"] = functools.partial(bgpdump, program)
    return found


def main() -> None:
    """All in turn, round by round; ratios are medians over the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200,000 routes, not a million")
    quick = parser.parse_args().quick
    routes = 200_000 if quick else 1_000_000
    long = cached(Shape(routes=routes, flowspec=0))
    short = cached(Shape(routes=routes // PYTHON_SHARE, flowspec=0))
    common.pin(common.COLLECTOR)
    works = {
        name: functools.partial(_ns_per_route, work, short if name == "python" else long)
        for name, work in decoders(long).items()
    }
    found = common.in_turn(works, 3 if quick else 5)
    common.show(
        [
            {"decoder": name, "ns/route": min(each), "routes/s": round(1e9 / min(each))}
            for name, each in found.items()
        ]
    )
    print(json.dumps(_answer(found)))


def _ns_per_route(work: Callable[[Stream], int], stream: Stream) -> float:
    found = 0

    def run() -> None:
        nonlocal found
        found = work(stream)

    took = common.seconds(run)
    if found != stream.rows:
        raise SystemExit(f"{found} routes were found of {stream.rows}")
    return took / stream.rows * 1e9


def _ratio(some: list[float], others: list[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(some, others, strict=True)), 2)


def _answer(found: dict[str, list[float]]) -> dict[str, object]:
    """The native decoder's figures under the plain names, or Python's where it stands alone."""
    ours = found.get("native", found["python"])
    answer: dict[str, object] = {
        "decoder": "native" if "native" in found else "python",
        "ns_per_route": round(min(ours)),
        "routes_per_s": round(1e9 / min(ours)),
        "floor_ratio": _ratio(ours, found.get("floor", found["python floor"])),
        "ratio_bgpdump": _ratio(found["bgpdump"], ours) if "bgpdump" in found else None,
        "python_ns_per_route": round(min(found["python"])),
        "python_floor_ratio": _ratio(found["python"], found["python floor"]),
    }
    if "native" in found:
        answer["ratio_python"] = _ratio(found["python"], ours)
    return answer


if __name__ == "__main__":
    main()
