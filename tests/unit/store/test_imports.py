"""Imports that break off, are done twice, or meet a full disk: all rows are in, each once."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import struct
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from benchmarks.generate import Stream, generate
from benchmarks.recordings import write_capture
from benchmarks.table import Shape
from tests.conftest import need_native

ROOT = Path(__file__).parents[3]
STRIDE = 1 << 17
CODE = """
import json, os, signal, sys, time
from pathlib import Path
from anchorwatch.cli.import_ import take_in
from collector.inputs.files import FileError
from collector.store.backend import StoreError
from collector.store.embedded import EmbeddedStore
from collector.store.imports import ChangedError, Importer, Source
folder, files = Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]

def opened(store=EmbeddedStore):
    return Importer(lambda: store(folder), folder.parent / "incoming", stride=131072)

def run(importer):
    known = []
    try:
        for file in files:
            incoming = importer.begin(Source.of(file))
            known.append(incoming.known is not None and incoming.known.batches)
            if not incoming.finished:
                take_in(incoming)
    finally:
        importer.close()
    return known
"""
FILL = """
def fill_disk(leave):
    ballast = folder.parent / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65536))
        except OSError:
            file.truncate(file.tell() - leave)
    return ballast
"""
STATE = """
run(opened())
store = EmbeddedStore(folder)
def ask(table):
    # A null would make the hash of its row null.
    names = store.query(f"SELECT name FROM system.columns WHERE table = '{table}' "
                        "AND database = currentDatabase() AND default_kind = ''")
    text = ", ".join(f"ifNull(toString({name}), '-')" for name in names["name"].to_pylist())
    sql = f"SELECT count() AS n, sum(cityHash64({text})) AS h FROM {table}"
    return store.query(sql).to_pylist()
print(json.dumps({table: ask(table) for table in ("routes", "flowspec", "sessions")}))
"""


def command(tmp_path: Path, code: str, *files: Path) -> list[str]:
    words = (tmp_path / "store", *files)
    return [sys.executable, "-c", CODE + textwrap.dedent(code), *map(str, words)]


def child(tmp_path: Path, code: str, *files: Path, decoder: str = "", status: int = 0) -> str:
    """What code prints in a process of its own, with that decoder if not with the best."""
    done = subprocess.run(
        command(tmp_path, code, *files),
        cwd=ROOT,
        env={**os.environ, "ANCHORWATCH_DECODER": decoder},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout.strip()


State = dict[str, list[dict[str, int]]]
"""Rows and a hash of all their columns, by table."""


def finished(tmp_path: Path, *files: Path, decoder: str = "") -> State:
    """What is in the store once an import was run to its end."""
    found: State = json.loads(child(tmp_path, STATE, *files, decoder=decoder))
    return found


@pytest.fixture(scope="module")
def stream() -> Stream:
    return generate(Shape(routes=12_000))


@pytest.fixture(scope="module")
def files(stream: Stream, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The stream in every format, each of six batches or more."""
    folder = tmp_path_factory.mktemp("recordings")
    found = {name: folder / f"stream.{name}" for name in ("bmp", "mrt", "pcap")}
    found["bmp"].write_bytes(stream.bmp)
    found["mrt"].write_bytes(stream.mrt)
    write_capture(found["pcap"], stream.bmp)
    return found


@pytest.fixture(scope="module")
def whole(
    files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], State]:
    """What is in the store after an import that nothing disturbed, by kind of recording."""

    @cache
    def found(kind: str) -> State:
        state = finished(tmp_path_factory.mktemp(kind), files[kind])
        assert state["routes"][0]["n"] > 12_000
        assert state["routes"][0]["h"] > 0
        return state

    return found


def test_an_import_that_is_killed_again_and_again(
    files: dict[str, Path], whole: Callable[[str], State], tmp_path: Path
) -> None:
    """At random moments, mostly inside an insert or between one and its record."""
    seed = int(os.environ.get("ANCHORWATCH_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    code = "importer = opened(); print('open', flush=True); run(importer)"
    killed = 0
    for _ in range(5):
        process = subprocess.Popen(
            command(tmp_path, code, files["mrt"]), cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        time.sleep(chance.uniform(0.02, 0.25))
        process.kill()
        killed += process.wait() == -signal.SIGKILL
        process.stdout.close()
    assert killed, "none was killed before its end"
    assert finished(tmp_path, files["mrt"]) == whole("mrt"), f"seed {seed}"


KILLED = """
class Killed(EmbeddedStore):
    left = {left}
    def insert(self, table, rows, token):
        if table == "imports":
            self.count(rows["batch"][0].as_py() - 0.5)
        super().insert(table, rows, token)
        self.count(rows["batch"][0].as_py() if table == "imports" else None)
    def insert_native(self, table, columns, path, token):
        super().insert_native(table, columns, path, token)
        self.count(None)
    def count(self, batch):
        self.left -= batch is None
        if not self.left or batch == {batch}:
            os.kill(os.getpid(), signal.SIGKILL)
run(opened(Killed))
"""
"""Ends behind so many inserts, or when that batch is recorded; half one less is just before."""


@pytest.mark.parametrize(
    ("kind", "decoders", "left", "batch"),
    [
        ("mrt", ("python", ""), -1, 2.5),
        ("bmp", ("", "python"), 4, -1),
        ("pcap", ("python", ""), -1, 1.5),
    ],
)
def test_each_decoder_goes_on_where_the_other_was_killed(
    kind: str,
    decoders: tuple[str, str],
    left: int,
    batch: float,
    files: dict[str, Path],
    whole: Callable[[str], State],
    tmp_path: Path,
) -> None:
    need_native()
    code = KILLED.format(left=left, batch=batch)
    child(tmp_path, code, files[kind], decoder=decoders[0], status=-signal.SIGKILL)
    assert finished(tmp_path, files[kind], decoder=decoders[1]) == whole(kind)


def test_a_record_that_ends_where_a_batch_does_is_not_lost(
    stream: Stream, whole: Callable[[str], State], tmp_path: Path
) -> None:
    """The decoder in Python hands it out behind the border, the native one before it."""
    need_native()
    data, at = stream.mrt, 0
    while at < STRIDE // 2:
        at += 12 + int.from_bytes(data[at + 8 : at + 12])
    size = 12 + int.from_bytes(data[at + 8 : at + 12])
    filling = STRIDE - at - size
    ospf = data[:4] + struct.pack("!HHI", 11, 0, filling - 12) + bytes(filling - 12)
    file = tmp_path / "updates.mrt"
    file.write_bytes(data[:at] + ospf + data[at:])
    child(tmp_path, KILLED.format(left=-1, batch=1), file, decoder="python", status=-signal.SIGKILL)
    # The record that fills the batch up says nothing.
    assert finished(tmp_path, file) == whole("mrt")


def test_what_is_in_is_not_imported_again(
    stream: Stream, files: dict[str, Path], tmp_path: Path
) -> None:
    """The same file, under another name, and another one beside it."""
    copy = tmp_path / "copy"
    copy.write_bytes(files["mrt"].read_bytes())
    flap = ROOT / "tests" / "captures" / "lab" / "flap.pcap.gz"
    code = """
    importer = opened()
    print(run(importer), importer.rows, importer.skipped)
    """
    first = child(tmp_path, code, files["mrt"], copy, flap, files["mrt"])
    batches = len(stream.mrt) // STRIDE + 1
    known, rows = first.rsplit("]", 1)
    assert known == f"[False, {batches}, False, {batches}"
    assert rows.endswith(" 0")
    again, counted = child(tmp_path, textwrap.dedent(code) + STATE, copy, flap).splitlines()
    assert again == f"[{batches}, 1] 0 0"
    state: State = json.loads(counted)
    assert sum(each[0]["n"] for each in state.values()) == int(rows.split()[0])


def test_a_damaged_tail(stream: Stream, tmp_path: Path) -> None:
    """All before it is in; it is told again, and nothing is put in again."""
    file = tmp_path / "table.mrt.gz"
    file.write_bytes(gzip.compress(stream.mrt[:400_000], 1)[:-3_000])
    code = """
    for _ in range(2):
        importer = opened()
        try:
            print(run(importer))
        except FileError as error:
            print(error)
        print(importer.rows)
    """
    out = child(tmp_path, code, file)
    fault, rows, known, none = out.splitlines()
    assert fault == f"{file}: is cut short: its gzip stream has no end"
    assert int(rows) > 5_000
    assert (known, none) == ("[3]", "0")


def test_two_imports_at_once_are_one_too_many(tmp_path: Path) -> None:
    code = """
    importer = opened()
    try:
        opened()
    except StoreError as error:
        print(error)
    importer.close()
    opened().close()
    print((folder.parent / "incoming").exists())
    """
    assert child(tmp_path, code).splitlines() == [
        f"another import is under way, with its files in {tmp_path / 'incoming'}",
        "False",
    ]


def test_a_recording_that_grows_meanwhile_is_told(stream: Stream, tmp_path: Path) -> None:
    file = tmp_path / "table.mrt"
    file.write_bytes(stream.mrt[:300_000])
    code = """
    importer = opened()
    source = Source.of(files[0])
    with files[0].open("ab") as file:
        file.write(bytes(12))
    try:
        take_in(importer.begin(source))
    except ChangedError as error:
        print(error)
    print(importer.begin(source).known)
    importer.close()
    """
    assert child(tmp_path, code, file).splitlines() == [
        f"{file}: changed while it was imported",
        "None",
    ]


def test_a_full_disk_ends_it_and_it_goes_on_later(
    small_disk: Path, files: dict[str, Path], whole: Callable[[str], State]
) -> None:
    out = child(
        small_disk,
        FILL
        + """
importer = opened()
ballast = fill_disk(leave=1 << 20)
try:
    run(importer)
except StoreError as error:
    print(error)
ballast.unlink()
""",
        files["mrt"],
    )
    assert "space" in out.lower()
    assert finished(small_disk, files["mrt"]) == whole("mrt")
