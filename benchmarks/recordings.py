"""How fast recordings are read: the same UPDATEs as a capture, as a raw BMP stream and as MRT.

`python benchmarks/recordings.py [--quick]` prints a table and, as its last line, a JSON object.
Captures are read with dpkt, and their TCP streams put together by `collector.inputs.capture`.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import sys
from pathlib import Path

import dpkt

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import common, sessions
from benchmarks.generate import Stream, cached
from benchmarks.table import Shape
from collector.inputs.files import read_events

SEGMENT = 1448
"""Octets of a full TCP segment on Ethernet, with timestamps."""
APART = 1e-5
"""Seconds from one packet to the next."""


def write_capture(path: Path, data: bytes) -> None:
    """One TCP connection on Ethernet that carries the data in full segments."""
    ends = {"src": bytes([192, 0, 2, 1]), "dst": bytes([192, 0, 2, 2])}
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file)
        for number, start in enumerate(range(0, len(data), SEGMENT)):
            part = data[start : start + SEGMENT]
            flags, sequence = dpkt.tcp.TH_ACK, (start + 1) & 0xFFFFFFFF
            tcp = dpkt.tcp.TCP(sport=40_000, dport=1790, seq=sequence, flags=flags, data=part)
            packet = dpkt.ip.IP(**ends, p=dpkt.ip.IP_PROTO_TCP, data=tcp)
            packet.len = len(packet)
            frame = dpkt.ethernet.Ethernet(src=bytes(6), dst=bytes(6), data=packet)
            writer.writepkt(bytes(frame), sessions.NOW / 1e9 + number * APART)


def write_all(folder: Path, stream: Stream) -> dict[str, Path]:
    """The stream in every format, by name."""
    names = ("capture", "bmp", "mrt")
    files = {name: folder / f"stream.{name}" for name in names}
    write_capture(files["capture"], stream.bmp)
    files["bmp"].write_bytes(stream.bmp)
    files["mrt"].write_bytes(stream.mrt)
    return files


def read(path: Path, rows: int) -> float:
    """Seconds to read all routes of a recording into blocks, or events where it must be."""
    blocks = sessions.Count()
    apart = 0

    def run() -> None:
        nonlocal apart
        apart = sum(sessions.routes((event,)) for event in read_events(path, sink=blocks))

    took = common.seconds(run)
    if blocks.rows + apart != rows:
        raise SystemExit(f"{path.name}: {blocks.rows + apart} routes were found of {rows}")
    return took


def main() -> None:
    """All in turn, round by round; the ratio is the median over the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200,000 routes, not a million")
    quick = parser.parse_args().quick
    stream = cached(Shape(routes=200_000 if quick else 1_000_000, flowspec=0))
    common.pin(common.COLLECTOR)
    with common.scratch() as folder:
        files = write_all(folder, stream)
        works = {name: functools.partial(read, path, stream.rows) for name, path in files.items()}
        found = common.in_turn(works, 3 if quick else 5)
        octets = {name: path.stat().st_size for name, path in files.items()}
    answer: dict[str, object] = {}
    table: list[dict[str, object]] = []
    for name, each in found.items():
        routes_per_s, octets_per_s = round(stream.rows / min(each)), round(octets[name] / min(each))
        table.append({"recording": name, "routes/s": routes_per_s, "octets/s": octets_per_s})
        answer |= {f"{name}_routes_per_s": routes_per_s, f"{name}_octets_per_s": octets_per_s}
    pairs = zip(found["capture"], found["bmp"], strict=True)
    answer["capture_ratio_bmp"] = round(statistics.median(a / b for a, b in pairs), 2)
    common.show(table)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
