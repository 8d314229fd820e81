"""Nothing that was taken in is lost or doubled: killed writers, full disks, a full spool."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.conftest import need_native
from tests.unit.store.children import COMMON, ROOT, child


def test_a_writer_that_is_killed_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    code = """
    writer = Writer.embedded(folder, max_wait=0.01)
    n = 0
    while True:
        writer.put([route("announce", "r1", "10.0.0.1", "192.0.2.50/32", START + n, "live")])
        n += 1
        if n % 20 == 0:
            print(writer.rows_written, flush=True)
            time.sleep(0.005)
    """
    writer = subprocess.Popen(
        [sys.executable, "-c", COMMON + textwrap.dedent(code), str(tmp_path / "store")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    acknowledged = 0
    deadline = time.monotonic() + 20
    while acknowledged < 400 and time.monotonic() < deadline:
        acknowledged = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    out = child(
        tmp_path,
        """
        store = EmbeddedStore(folder)
        print(store.query("SELECT count() AS n, uniqExact(received) AS u FROM routes").to_pylist())
        """,
    )
    counted = eval(out)[0]  # noqa: S307 - our own words
    assert counted["n"] == counted["u"] >= acknowledged >= 400


def test_a_full_disk_is_told_and_nothing_is_lost(small_disk: Path) -> None:
    out = child(
        small_disk,
        """
        writer = Writer.embedded(folder, max_wait=0.01, retry=0.1)
        ballast = fill_disk()
        rows = [route("announce", "r1", "10.0.0.1", "192.0.2.50/32", START + n, "live")
                for n in range(1000)]
        writer.put(rows)
        until_it_is_told(writer, ballast)
        print(writer.close())
        store = EmbeddedStore(folder)
        print(store.query("SELECT count() AS n FROM routes").to_pylist())
        """,
    )
    error, state, left, counted = out.splitlines()
    assert "No space left on device" in error or "NOT_ENOUGH_SPACE" in error or "space" in error
    assert state == "0 True"
    assert left == "0"
    assert counted == "[{'n': 1000}]"


def test_blocks_of_the_native_decoder_survive_a_full_disk_too(small_disk: Path) -> None:
    need_native()
    out = child(
        small_disk,
        """
        from benchmarks.generate import generate
        from benchmarks.table import Shape
        from collector.inputs.wide import WideSession
        stream = generate(Shape(routes=20_000, flowspec=0))
        writer = Writer.embedded(folder, max_wait=0.01, retry=0.1)
        ballast = fill_disk()
        session = WideSession("192.0.2.1", lambda block: writer.put([block]))
        events = [e for e in session.feed(stream.bmp, START) if table_of(e) == "routes"]
        session.flush()
        until_it_is_told(writer, ballast)
        print(writer.close(30))
        store = EmbeddedStore(folder)
        stored = store.query("SELECT count() AS n FROM routes")["n"][0].as_py()
        print(stored + len(events) == stream.rows, list(folder.parent.glob("*-spool/*/*.native")))
        """,
    )
    error, state, left, whole = out.splitlines()
    assert "No space left on device" in error or "NOT_ENOUGH_SPACE" in error or "space" in error
    assert state == "0 True"
    assert left == "0"
    assert whole == "True []"


def test_a_full_spool_makes_the_collector_wait(small_disk: Path, tmp_path: Path) -> None:
    """The store's disk is full, and what waits for it reaches the spool's limit."""
    out = child(
        small_disk,
        """
        import asyncio
        def rows(n):
            return [route("announce", "r1", "10.0.0.1", "192.0.2.50/32", START + n, "live")]
        async def main():
            spool = Spool(Path(sys.argv[1]).parents[1] / "spool", max_octets=1 << 20)
            writer = Writer(partial(EmbeddedStore, folder), spool, max_wait=0.01, retry=0.1)
            await writer.room()
            ballast = fill_disk()
            n = 0
            while not writer.full:
                writer.put(rows(n) * 100)
                n += 100
                await asyncio.sleep(0.005)
            waiting = asyncio.create_task(writer.room())
            await asyncio.sleep(0.5)
            print(waiting.done(), spool.octets >= 1 << 20, writer.rows_written)
            while writer.store_error is None:  # `child` ends what takes too long
                await asyncio.sleep(0.05)
            print(writer.store_error)
            ballast.unlink()
            await asyncio.wait_for(waiting, 20)
            print(writer.full)
            print(writer.close())
            store = EmbeddedStore(folder)
            print(store.query("SELECT count() AS n FROM routes")["n"][0].as_py() == n)
        asyncio.run(main())
        """,
    )
    waits, error, full, left, whole = out.splitlines()
    assert waits == "False True 0"
    assert "No space left on device" in error or "NOT_ENOUGH_SPACE" in error or "space" in error
    assert (full, left, whole) == ("False", "0", "True")


def test_what_was_handed_over_is_in_the_spool_before_more_is_read(tmp_path: Path) -> None:
    out = child(
        tmp_path,
        """
        import asyncio
        async def main():
            writer = Writer.embedded(folder, max_wait=60)
            for n in range(50):
                at = START + n
                writer.put([route("announce", "r1", "10.0.0.1", "192.0.2.50/32", at, "live")])
                await writer.room()
                assert writer.pending_octets == 0
                assert writer.rows_spooled == n + 1
            os.kill(os.getpid(), signal.SIGKILL)
        import os, signal
        asyncio.run(main())
        """,
        status=-signal.SIGKILL,
    )
    assert out == ""
    out = child(
        tmp_path,
        """
        writer = Writer.embedded(folder)
        print(writer.close(), writer.rows_written, writer.spool.depth)
        store = EmbeddedStore(folder)
        print(store.query("SELECT count() AS n FROM routes")["n"][0].as_py())
        """,
    )
    assert out.splitlines() == ["0 50 0", "50"]


def test_an_insert_that_was_not_acknowledged_is_done_once(tmp_path: Path) -> None:
    """The program is killed after the store took a segment and before that was noted."""
    code = """
    spool = Spool(folder.parent / "spool")
    spool.append([route("announce", "r1", "10.0.0.1", "192.0.2.50/32", START + n, "live")
                  for n in range(10)])
    spool.seal()
    saved = folder.parent / "saved"
    segment = spool.oldest(0)
    shutil.copytree(segment.folder, saved)
    writer = Writer(partial(EmbeddedStore, folder), spool)
    writer.close()
    shutil.copytree(saved, segment.folder)
    """
    child(tmp_path, code)
    out = child(
        tmp_path,
        """
        writer = Writer(partial(EmbeddedStore, folder), Spool(folder.parent / "spool"))
        print(writer.close(), writer.rows_written, writer.spool.depth)
        print(EmbeddedStore(folder).query("SELECT count() AS n FROM routes")["n"][0].as_py())
        """,
    )
    assert out.splitlines() == ["0 10 0", "10"]


@pytest.mark.parametrize("kind", ["events", "blocks", "incidents"])
def test_a_token_whose_rows_were_lost_does_not_stand_in_for_them(tmp_path: Path, kind: str) -> None:
    """As when the engine is killed after it noted the token, and before the rows were in."""
    rows = {
        "events": """[route("announce", "r1", "10.0.0.1", "192.0.2.50/32", START + n, "live")
                      for n in range(10)]""",
        "blocks": "blocks",
        "incidents": """[{"id": "1", "detector": "d", "key": "k", "severity": "critical",
            "state": "open", "time": rfc3339(START), "opened": rfc3339(START), "summary": "s",
            "details": {}, "evidence": []}]""",
    }
    if kind == "blocks":
        need_native()
    table = "incidents" if kind == "incidents" else "routes"
    child(
        tmp_path,
        f"""
        from benchmarks.generate import generate
        from benchmarks.table import Shape
        from collector.inputs.wide import WideSession
        blocks = []
        session = WideSession("192.0.2.1", blocks.append)
        session.feed(generate(Shape(routes=500, flowspec=0)).bmp, START)
        session.flush()
        spool = Spool(folder.parent / "spool")
        spool.append({rows[kind]})
        spool.seal()
        shutil.copytree(spool.oldest(0).folder, folder.parent / "saved")
        name = spool.oldest(0).name
        writer = Writer(partial(EmbeddedStore, folder), spool)
        writer.close()
        store = EmbeddedStore(folder)
        sql = "SELECT path FROM system.parts WHERE active AND table = '{table}'"
        parts = store.query(sql)["path"].to_pylist()
        store.close()
        for part in parts:
            shutil.rmtree(part)
        shutil.move(folder.parent / "saved", folder.parent / "spool" / name)
        """,  # noqa: S608 - our own words
    )
    out = child(
        tmp_path,
        f"""
        for _ in range(2):
            writer = Writer(partial(EmbeddedStore, folder), Spool(folder.parent / "spool"))
            print(writer.close(), writer.rows_written)
        print(EmbeddedStore(folder).query("SELECT count() AS n FROM {table}")["n"][0].as_py())
        """,  # noqa: S608 - our own words
    )
    first, second, stored = out.splitlines()
    assert first == f"0 {stored}"
    assert int(stored) >= {"events": 10, "blocks": 400, "incidents": 1}[kind]
    assert second == "0 0"


def test_a_feed_that_was_up_when_the_program_was_killed_went_down_then(tmp_path: Path) -> None:
    up = """
    now = time.time_ns()
    writer = Writer.embedded(folder, max_wait=0.01)
    writer.put([msgspec.structs.replace(
        make("feed-up", "r1", now, epoch=now), router_address="192.0.2.1")])
    while writer.rows_written == 0:
        time.sleep(0.01)
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
    """
    child(tmp_path, up, status=-signal.SIGKILL)
    out = child(
        tmp_path,
        """
        for _ in range(2):
            writer = Writer.embedded(folder)
            writer.close()
        store = EmbeddedStore(folder)
        sql = "SELECT kind, provenance, reason, received < now64(9) AS past FROM sessions"
        for row in store.query(f"{sql} ORDER BY received").to_pylist():
            print(*row.values())
        """,
    )
    assert out.splitlines() == [
        "feed-up live  1",
        "feed-down synthetic anchorwatch ended without saying so 1",
    ]


def test_who_stores_goes_behind_those_who_judge(tmp_path: Path) -> None:
    out = child(
        tmp_path,
        """
        import os, threading
        writer = Writer.embedded(folder, max_wait=0.01)
        nice = {t.name: os.getpriority(os.PRIO_PROCESS, t.native_id) for t in threading.enumerate()}
        known = {str(t.native_id) for t in threading.enumerate()}
        engine = [
            os.getpriority(os.PRIO_PROCESS, int(t))
            for t in os.listdir("/proc/self/task")
            if t not in known
        ]
        writer.close()
        behind = min(19, nice["MainThread"] + 10)
        print(nice["store"] == behind, nice["spool"] == nice["MainThread"])
        print(len(engine) > 3, set(engine) <= {behind})
        """,
    )
    assert out.split() == ["True"] * 4
