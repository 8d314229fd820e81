"""The spool: what was appended is there as a whole, whatever happened to the program."""

from __future__ import annotations

import logging
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from collector.event import KILLED, Event, Kind
from collector.native import Block
from collector.store.backend import StoreError
from collector.store.open_feeds import OpenFeeds
from collector.store.segment import JOURNAL, MAX_BLOCK_ROWS, Contents, read_segment
from collector.store.spool import Sealed, Spool
from tests.conftest import disk
from tests.unit.rules.scenes import SECOND, START, make, route

RAW = bytes(range(256))


class Rows(Block):
    """A block whose octets are known, of no decoder's memory."""

    def __init__(
        self, octets: bytes, *, rows: int = 10, day: int = 1, columns: str = "a b"
    ) -> None:
        self.view, self.rows, self.day = memoryview(octets), rows, day
        self.columns = tuple(columns.split())
        self._place = None


def event(number: int) -> Event:
    made = route("announce", "r1", "10.0.0.1", "192.0.2.50/32", START + number, "live")
    return msgspec.structs.replace(made, sequence=number, raw=RAW)


INCIDENT = {"id": "1", "time": "2026-12-01T22:00:00.000000000Z", "details": {"a": [1, None]}}


def contents(segment: Sealed) -> Contents:
    return read_segment(segment.folder)


def next_of(spool: Spool) -> Sealed:
    segment = spool.oldest(0)
    assert segment is not None
    return segment


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append([event(1), INCIDENT, Rows(b"one"), Rows(b"other", columns="a"), event(2)])
    spool.append([Rows(b"two"), event(3), Rows(b"later", day=2)])
    spool.seal()
    segment = next_of(spool)
    found = contents(segment)
    assert found.events == [event(1), event(2), event(3)]
    assert found.incidents == [INCIDENT]
    files = [(f.day, f.columns, f.rows, f.path.read_bytes()) for f in found.files.values()]
    assert files == [
        (1, ("a", "b"), 20, b"onetwo"),
        (1, ("a",), 10, b"other"),
        (2, ("a", "b"), 10, b"later"),
    ]
    assert found.rows == 44
    spool.remove(segment)
    assert spool.oldest(0) is None
    assert not segment.folder.exists()


def test_a_file_holds_no_more_rows_than_one_insert_may_have(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    half = MAX_BLOCK_ROWS // 2
    spool.append([Rows(b"1", rows=half), Rows(b"2", rows=half), Rows(b"3", rows=1)])
    spool.append([Rows(b"4", rows=half)])
    spool.seal()
    files = contents(next_of(spool)).files.values()
    assert [(file.rows, file.path.read_bytes()) for file in files] == [
        (2 * half, b"12"),
        (half + 1, b"34"),
    ]


def test_sizes_ages_and_names(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_octets=1000)
    assert (spool.depth, spool.octets, spool.age, spool.full) == (0, 0, 0, False)
    spool.seal()
    assert not spool.due(octets=0, seconds=0)
    spool.append([Rows(bytes(400))])
    assert spool.due(octets=400, seconds=60)
    assert not spool.due(octets=1000, seconds=60)
    time.sleep(0.02)
    assert spool.due(octets=1000, seconds=0.01)
    assert spool.depth == 1
    assert spool.age >= 0.02
    spool.seal()
    assert not spool.full
    spool.append([Rows(bytes(600))])
    assert spool.depth == 2
    assert spool.full
    on_disk = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert spool.octets == on_disk > 1000
    first = next_of(spool)
    spool.remove(first)
    assert spool.depth == 1
    spool.seal()
    assert next_of(spool).name != first.name


def test_what_an_earlier_program_left_is_stored_first_and_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([event(1)])
    spool.seal()
    spool.append([event(2)])
    spool.close()  # as if it had been killed: the second segment is not sealed
    again = Spool(tmp_path)
    again.append([event(3)])
    again.seal()
    found = []
    while segment := again.oldest(0):
        found += contents(segment).events
        again.remove(segment)
    assert found == [event(1), event(2), event(3)]


def test_two_programs_on_one_spool(tmp_path: Path) -> None:
    first = Spool(tmp_path)
    with pytest.raises(StoreError, match="is in use by another anchorwatch"):
        Spool(tmp_path)
    first.close()
    Spool(tmp_path)


@pytest.mark.parametrize("seed", range(30))
def test_a_program_killed_at_any_moment_leaves_whole_appends(tmp_path: Path, seed: int) -> None:
    """Cut the files of an unsealed segment anywhere, as far as the system wrote them in order."""
    chance = random.Random(seed)
    spool = Spool(tmp_path)
    ends = []
    for number in range(8):
        spool.append([event(number), Rows(bytes([number]) * chance.randrange(1, 300))])
        (folder,) = tmp_path.glob("*.open")
        ends.append({path.name: path.stat().st_size for path in folder.iterdir()})
    spool.close()
    whole = chance.randrange(len(ends))
    for name, size in ends[whole].items():
        after = ends[whole + 1][name] if whole + 1 < len(ends) else size
        # Blocks are written before the journal speaks of them.
        cut = after if name != JOURNAL else chance.randrange(size, max(after, size + 1))
        os.truncate(folder / name, cut)
    again = Spool(tmp_path)
    found = contents(next_of(again))
    assert [e.sequence for e in found.events] == list(range(whole + 1))
    (file,) = found.files.values()
    data = file.path.read_bytes()
    assert len(data) == ends[whole]["0.native"] == file.end
    assert set(data) == set(range(whole + 1))


def test_blocks_that_a_power_cut_damaged_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path)
    for number in range(3):
        spool.append([event(number), Rows(b"whole block")])
    spool.close()
    (folder,) = tmp_path.glob("*.open")
    data = bytearray((folder / "0.native").read_bytes())
    data[15] = 0
    (folder / "0.native").write_bytes(data)
    with caplog.at_level(logging.WARNING):
        again = Spool(tmp_path)
    found = contents(next_of(again))
    assert [e.sequence for e in found.events] == [0]
    assert (tmp_path / next_of(again).name / "0.native").read_bytes() == b"whole block"
    assert "octets that were not whole are left out" in caplog.text


def test_a_segment_without_a_journal_is_empty(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([event(1)])
    spool.append([event(2)])
    spool.close()
    (made,) = tmp_path.glob("*.open")
    (made / JOURNAL).unlink()
    gone = made.with_suffix(".stored")
    gone.mkdir()
    (gone / JOURNAL).write_bytes(b"half deleted")
    spool = Spool(tmp_path)
    assert contents(next_of(spool)).rows == 0
    assert not gone.exists()


def test_what_others_put_into_the_folder_is_left_alone(tmp_path: Path) -> None:
    """A file system of its own has a folder `lost+found` that only root may read."""
    others = ["lost+found", "backup.open", "notes.stored", ".snapshot"]
    for name in others:
        (tmp_path / name).mkdir()
        (tmp_path / name / "kept").touch()
    (tmp_path / "lost+found").chmod(0)
    spool = Spool(tmp_path)
    assert (spool.depth, spool.octets) == (0, 0)
    spool.append([event(1)])
    spool.seal()
    assert contents(next_of(spool)).events == [event(1)]
    (tmp_path / "lost+found").chmod(0o700)
    assert all((tmp_path / name / "kept").exists() for name in others)


def test_an_append_that_cannot_be_written_is_taken_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([event(1), Rows(b"one")])
    with pytest.raises(OverflowError):
        spool.append([Rows(b"lost"), msgspec.structs.replace(event(2), time=2**70)])
    spool.append([event(3), Rows(b"two")])
    spool.seal()
    found = contents(next_of(spool))
    assert found.events == [event(1), event(3)]
    assert [file.path.read_bytes() for file in found.files.values()] == [b"onetwo"]
    assert spool.octets == sum(p.stat().st_size for p in next_of(spool).folder.iterdir())


def test_a_full_disk_takes_an_append_whole_or_not_at_all(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "size=1m") as folder:
        spool = Spool(folder / "spool")
        taken = 0
        with pytest.raises(StoreError, match=r"cannot write to the spool .*: No space left"):
            for number in range(100):
                spool.append([event(number), Rows(bytes([number]) * 50_000)])
                taken += 1
        assert 10 < taken < 30
        before = spool.octets
        with pytest.raises(StoreError):
            spool.append([Rows(bytes(2_000_000), columns="another")])
        assert spool.octets == before
        spool.append([event(99)])  # so much room is left
        spool.seal()
        found = contents(next_of(spool))
        assert [e.sequence for e in found.events] == [*range(taken), 99]
        (file,) = found.files.values()
        assert file.path.stat().st_size == file.end == taken * 50_000
        spool.close()


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot use the spool .*: (Not a directory|File exists)"):
        Spool(tmp_path / "file" / "spool")


def feed(kind: str, at: int, **fields: object) -> Event:
    return make(kind, "r1", at, router_address="192.0.2.1", epoch=START, **fields)


def test_feeds_that_nobody_saw_go_down(tmp_path: Path) -> None:
    path = tmp_path / "feeds.json"
    feeds = OpenFeeds(path)
    assert feeds.left([]) == []
    feeds.note(Kind.FEED_UP, [feed("feed-up", START), feed("feed-down", START)])
    feeds.touch(START + 5 * SECOND)
    (down,) = OpenFeeds(path).left([])
    assert (down.kind, down.provenance, down.reason) == ("feed-down", "synthetic", KILLED)
    assert (down.router, down.router_address, down.epoch) == ("r1", "192.0.2.1", START)
    assert down.received == START + 5 * SECOND
    feeds.note(Kind.FEED_DOWN, [feed("feed-down", START + 6 * SECOND)])
    assert OpenFeeds(path).left([]) == []


def test_that_a_feed_is_down_is_told_once(tmp_path: Path) -> None:
    """Killed between keeping it and noting that: the spool says so."""
    path = tmp_path / "feeds.json"
    OpenFeeds(path).note(Kind.FEED_UP, [feed("feed-up", START)])
    killed = OpenFeeds(path)
    (down,) = killed.left([])
    killed.note(Kind.FEED_UP, [down])  # a program that was killed before this would not have it
    (again,) = OpenFeeds(path).left([])
    assert again == down
    last = OpenFeeds(path)
    assert last.left([down]) == []
    last.note(Kind.FEED_DOWN, [down])
    assert OpenFeeds(path).left([]) == []


@pytest.mark.parametrize("text", ["", "null", "[1]", '[{"epoch": "x"}]', "{"])
def test_a_file_of_feeds_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "feeds.json").write_text(text)
    assert OpenFeeds(tmp_path / "feeds.json").left([]) == []


def test_a_spool_is_not_read_by_half(tmp_path: Path) -> None:
    """A sealed segment that is removed while the program is killed is gone or whole."""
    spool = Spool(tmp_path)
    spool.append([event(1)])
    spool.seal()
    segment = next_of(spool)
    code = f"import os, shutil; p = {str(segment.folder)!r}; os.rename(p, p + '.stored')"
    subprocess.run([sys.executable, "-c", code], check=True)
    spool.close()
    assert Spool(tmp_path).oldest(0) is None
    shutil.rmtree(tmp_path)
