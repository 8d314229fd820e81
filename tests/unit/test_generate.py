from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.generate import Stream, generate
from benchmarks.table import Shape
from collector.event import FLOWSPEC_FAMILIES, Event
from collector.wire.session import BmpSession
from tests.conftest import unavailable
from tests.unit.wire.build import NOW

ROOT = Path(__file__).parents[2]
SMALL = Shape(routes=6_000, flowspec=0.01)
SHAPES = {
    "all": SMALL,
    "without Flowspec": Shape(routes=6_000, flowspec=0),
    "one prefix": Shape(routes=1_000, one_prefix=True),
    "vpn": Shape(routes=6_000, vpn=True),
}


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        unavailable(f"needs {name} (Debian package of that name)")
    return found


def capture(path: Path, data: bytes) -> Path:
    """A pcap of a TCP connection from 10.0.0.1:40000 to 10.0.0.2:11019."""
    with path.open("wb") as file:
        file.write(struct.pack("!IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 101))
        for start in range(0, len(data), 1_400):
            part = data[start : start + 1_400]
            tcp = struct.pack("!HHIIBBHHH", 40_000, 11_019, start + 1, 1, 0x50, 0x18, 65_535, 0, 0)
            length = 40 + len(part)
            ip = struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0x4000, 64, 6, 0)
            packet = ip + b"\x0a\0\0\x01\x0a\0\0\x02" + tcp + part
            file.write(struct.pack("!IIII", 1, start, len(packet), len(packet)) + packet)
    return path


def events(stream: Stream) -> list[Event]:
    session = BmpSession("10.0.0.1")
    found = session.feed(stream.bmp, NOW)
    assert not session.errors
    return found


def test_the_same_seed_gives_the_same_octets() -> None:
    first, second = generate(SMALL), generate(SMALL)
    assert first == second
    assert generate(Shape(routes=6_000, seed=2)).bmp != first.bmp


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_counts_are_what_the_decoder_finds(shape: Shape) -> None:
    stream = generate(shape)
    found = events(stream)
    rules = sum(event.family in FLOWSPEC_FAMILIES and event.rule is not None for event in found)
    kinds = Counter(event.kind for event in found)
    assert rules == stream.rules == round(shape.routes * shape.flowspec / 6) * 6
    assert kinds["end-of-rib"] == stream.end_of_ribs
    assert kinds["peer-up"] == kinds["peer-down"] == kinds["stats"] == stream.peers == 5
    assert kinds["undecodable"] == 0
    assert stream.announcements == shape.routes
    if not shape.vpn:
        assert kinds["announce"] + kinds["withdraw"] == stream.rows + stream.rules
        assert {warning for event in found for warning in event.warnings} == set()


def test_the_mix_is_that_of_a_full_table() -> None:
    stream = generate(Shape(routes=30_000))
    routes = [e for e in events(stream) if e.kind == "announce" and e.prefix is not None]
    lengths = Counter(len((event.as_path or "").split()) for event in routes)
    share = Counter[str]()
    for event in routes:
        for name in ("communities", "ext_communities", "large_communities", "med", "local_pref"):
            share[name] += bool(getattr(event, name) or getattr(event, name) == 0)
        share["set"] += "{" in (event.as_path or "")
        share["path id"] += event.path_id is not None
        share["post"] += event.view == "adj-in-post"
        share["ipv6"] += event.family == "ipv6-unicast"
    rounded = {name: round(count / len(routes), 2) for name, count in share.items()}
    assert set(lengths) <= set(range(2, 11))  # a set counts as one word more
    assert 2.5 < len(routes) / stream.updates < 3.5
    assert 7 < len(routes) / stream.attribute_sets < 9
    assert rounded["ipv6"] == 0.2
    assert rounded["path id"] == rounded["post"] == rounded["local_pref"] == 0.17
    assert rounded["communities"] == pytest.approx(0.7, abs=0.03)
    assert rounded["large_communities"] == pytest.approx(0.15, abs=0.03)
    assert rounded["ext_communities"] == pytest.approx(0.05, abs=0.02)
    assert rounded["set"] == pytest.approx(0.01, abs=0.01)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_tshark_has_nothing_to_object_to(tmp_path: Path, shape: Shape) -> None:
    stream = generate(shape)
    file = capture(tmp_path / "stream.pcap", stream.bmp)
    command = [tool("tshark"), "-r", str(file), "-d", "tcp.port==11019,bmp"]
    fields = ["-T", "fields", "-e", "_ws.expert.message", "-e", "bmp.type", "-e", "_ws.malformed"]
    done = subprocess.run(
        [*command, "-2", *fields], capture_output=True, text=True, check=True, timeout=120
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert {message for row in rows for message in row[0].split(",")} == {""}
    assert {row[2] for row in rows} == {""}
    assert sum(len(row[1].split(",")) for row in rows if row[1]) == stream.messages


def test_bgpdump_counts_the_same_in_the_mrt_file(tmp_path: Path) -> None:
    stream = generate(SMALL)
    file = tmp_path / "updates.mrt"
    file.write_bytes(stream.mrt)
    done = subprocess.run(
        [tool("bgpdump"), "-m", str(file)], capture_output=True, text=True, check=True, timeout=60
    )
    kinds = Counter(line.split("|")[2] for line in done.stdout.splitlines())
    assert kinds == {"A": stream.announcements, "W": stream.withdrawals}


def test_the_command_writes_both_files_and_says_what_they_hold(tmp_path: Path) -> None:
    bmp, mrt = tmp_path / "stream.bmp", tmp_path / "updates.mrt"
    command = [sys.executable, str(ROOT / "benchmarks" / "generate.py"), str(bmp)]
    options = ["--mrt", str(mrt), "--routes", "6000", "--flowspec", "0.01"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    stream = generate(SMALL)
    assert json.loads(done.stdout) == stream.counts()
    assert bmp.read_bytes() == stream.bmp
    assert mrt.read_bytes() == stream.mrt
