"""How fast the plain-Python decoder turns BMP into events, against the floor of finding frames.

`python benchmarks/decode.py [--quick]` prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from collector.event import Kind
from collector.wire.session import BmpSession

MARKER = b"\xff" * 16
NOW = 1_800_000_000 * 10**9


def stream(routes: int, seed: int = 1) -> bytes:
    """A table dump: UPDATEs with one to six IPv4 prefixes and the attributes of a transit feed."""
    chance = random.Random(seed)
    out = bytearray(struct.pack("!BIB", 3, 6, 4))
    header = struct.pack("!BB8s16sI4sII", 0, 0, bytes(8), bytes(12) + b"\x0a\0\0\1", 65002,
                         b"\x0a\0\0\1", 1_700_000_000, 0)  # fmt: skip
    made = 0
    while made < routes:
        count = min(chance.randint(1, 6), routes - made)
        path = struct.pack("!5I", 65002, *(chance.randint(1, 400_000) for _ in range(4)))
        communities = struct.pack("!3I", *(chance.getrandbits(32) for _ in range(3)))
        attributes = b"\x40\x01\x01\0\x40\x02\x16\x02\x05" + path + b"\x40\x03\x04\x0a\0\0\1"
        attributes += b"\xc0\x08\x0c" + communities
        nlri = b"".join(
            b"\x18" + (0x01000000 + made + i << 8).to_bytes(5)[1:4] for i in range(count)
        )
        body = struct.pack("!HH", 0, len(attributes)) + attributes + nlri
        update = MARKER + struct.pack("!HB", 19 + len(body), 2) + body
        out += struct.pack("!BIB", 3, 48 + len(update), 0) + header + update
        made += count
    return bytes(out)


def floor(data: bytes) -> float:
    """Seconds to find every frame and do nothing with it."""
    begun = time.perf_counter()
    start = 0
    while start < len(data):
        start += int.from_bytes(data[start + 1 : start + 5])
    return time.perf_counter() - begun


def decode(data: bytes) -> tuple[float, int]:
    """Seconds to make all events from 64 KiB reads, and how many routes that were."""
    session = BmpSession("10.0.0.254")
    begun = time.perf_counter()
    routes = 0
    for start in range(0, len(data), 65_536):
        events = session.feed(data[start : start + 65_536], NOW)
        routes += sum(event.kind == Kind.ANNOUNCE for event in events)
    return time.perf_counter() - begun, routes


def main() -> None:
    """Best of three, as other work on the machine only ever makes it slower."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 routes, not a million")
    data = stream(100_000 if parser.parse_args().quick else 1_000_000)
    lowest = min(floor(data) for _ in range(3))
    seconds, routes = min(decode(data) for _ in range(3))
    print(f"{'routes':>10} {'octets':>12} {'routes/s':>10} {'ns/route':>9} {'x floor':>8}")
    print(
        f"{routes:>10} {len(data):>12} {routes / seconds:>10.0f} "
        f"{seconds / routes * 1e9:>9.0f} {seconds / lowest:>8.1f}"
    )
    print(
        json.dumps(
            {
                "routes_per_s": round(routes / seconds),
                "ns_per_route": round(seconds / routes * 1e9),
                "floor_ratio": round(seconds / lowest, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
