"""`anchorwatch import`: recordings into the store, and questions to it afterwards."""

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
    said = anchorwatch("import", file, "--store", tmp_path / "store").stdout
    rows = int(said.split(" ")[0])
    assert rows >= stream.rows
    assert f"rows into {tmp_path / 'store'} in " in said
    assert ", received 2025-10-09T08:53:20.0000" in said
    assert not (tmp_path / "store-import").exists()


def test_a_capture_can_be_asked_about(tmp_path: Path) -> None:
    store = tmp_path / "store"
    anchorwatch("import", LAB / "flap.pcap.gz", "--store", store)
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


def test_what_cannot_be_read_is_told_and_the_rest_is_imported(tmp_path: Path) -> None:
    """Also the second time, when what is in is not put in again."""
    (tmp_path / "noise").write_bytes(b"no recording")
    (tmp_path / "cut.pcap.gz").write_bytes((LAB / "flap.pcap.gz").read_bytes()[:-500])
    files = [tmp_path / "noise", tmp_path / "none", tmp_path / "cut.pcap.gz", LAB / "ipv6.pcap.gz"]
    words = ("import", *files, "--store", tmp_path / "store")
    done = anchorwatch(*words, status=2)
    assert "noise: is neither BMP, BGP, MRT nor a capture file" in done.stderr
    assert "none: cannot be read: No such file or directory" in done.stderr
    assert "cut.pcap.gz: is cut short" in done.stderr
    assert int(done.stdout.split(" ")[0]) > 5
    again = anchorwatch(*words, status=2)
    assert again.stderr == done.stderr
    *known, total = again.stdout.splitlines()
    assert known == [f"{file} is in the store already" for file in files[2:]]
    assert total.startswith("0 rows into ")


def test_standard_input_is_refused(tmp_path: Path) -> None:
    done = anchorwatch("import", "-", "--store", tmp_path / "store", status=2)
    assert done.stderr == (
        "anchorwatch import: standard input cannot be imported: write it to a file first\n"
    )
    assert not (tmp_path / "store").exists()
