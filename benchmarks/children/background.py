"""A full table at an even pace, again and again: `background.py PORT ROUTES_PER_S SECONDS`.

Prints `begun` with the first octet, and how many routes went out in how many seconds at the end.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import common
from benchmarks.generate import cached
from benchmarks.table import Shape

SLICE = 0.005
"""Seconds between two portions."""
ROUTES = 300_000


def main() -> None:
    """One connection after the other, each a whole table."""
    port, rate, lasting = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    stream = cached(Shape(routes=ROUTES, flowspec=0))
    portion = max(1, int(len(stream.bmp) * rate * SLICE / stream.rows))
    sent, octets, begun = 0, memoryview(stream.bmp), time.perf_counter()
    print("begun", flush=True)
    while time.perf_counter() - begun < lasting:
        with common.connect(port) as connection:
            for at in range(0, len(octets), portion):
                connection.sendall(octets[at : at + portion])
                sent += portion
                ahead = sent / portion * SLICE - (time.perf_counter() - begun)
                if ahead > 0:
                    time.sleep(ahead)
                elif time.perf_counter() - begun > lasting:
                    break
    took = time.perf_counter() - begun
    print(json.dumps({"routes": round(sent * stream.rows / len(octets)), "seconds": took}))


if __name__ == "__main__":
    main()
