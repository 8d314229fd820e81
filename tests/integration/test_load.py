"""`anchorwatch load`: recordings into the store, and questions to it afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.generate import generate
from benchmarks.table import Shape

ROOT = Path(__file__).parents[2]
LAB = ROOT / "tests" / "captures" / "lab"


def anchorwatch(*words: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "anchorwatch", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("kind", ["bmp", "mrt"])
def test_a_generated_table(kind: str, tmp_path: Path) -> None:
    stream = generate(Shape(routes=5_000, flowspec=0))
    file = tmp_path / f"table.{kind}"
    file.write_bytes(stream.bmp if kind == "bmp" else stream.mrt)
    said = anchorwatch("load", file, "--store", tmp_path / "store").stdout
    rows = int(said.split(" ")[0])
    assert rows >= stream.rows
    assert f"rows into {tmp_path / 'store'} in " in said


def test_a_capture_can_be_asked_about(tmp_path: Path) -> None:
    store = tmp_path / "store"
    anchorwatch("load", LAB / "flap.pcap.gz", "--store", store)
    decoded = anchorwatch("decode", LAB / "flap.pcap.gz").stdout.splitlines()
    changes = [
        event
        for event in map(json.loads, decoded)
        if event.get("prefix") and event["kind"] in ("announce", "withdraw")
    ]
    wanted = changes[0]["prefix"]
    rows = anchorwatch("history", wanted, "--store", store, "--format", "jsonl").stdout
    found = [json.loads(line) for line in rows.splitlines()]
    kinds = [row["kind"] for row in found if row["kind"] in ("announce", "withdraw")]
    assert sorted(kinds) == sorted(e["kind"] for e in changes if e["prefix"] == wanted)


def test_what_cannot_be_read_is_told_and_the_rest_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"no recording")
    done = anchorwatch(
        *("load", tmp_path / "noise", tmp_path / "none", LAB / "ipv6.pcap.gz"),
        *("--store", tmp_path / "store"),
        status=2,
    )
    assert "noise: is neither BMP, BGP, MRT nor a capture file" in done.stderr
    assert "none: cannot be read" in done.stderr
    assert int(done.stdout.split(" ")[0]) > 5
