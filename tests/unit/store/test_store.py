"""The embedded store on the real engine, each test in a process of its own.

The engine takes one folder for the life of a process, so what opens one runs in a child.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.store.embedded import EmbeddedStore, StoreError
from collector.store.history import parse_moment, prefix_range
from tests.conftest import need_native, unavailable

ROOT = Path(__file__).parents[3]
COMMON = """
import json, sys, time
from pathlib import Path
import msgspec
from collector.event import *
from collector.inputs.files import read_events
from collector.store.embedded import EmbeddedStore, StoreError
from collector.store.history import *
from collector.store.rows import *
from collector.store.writer import Writer
from collector.wire.flowspec_order import precedence
from tests.unit.rules.scenes import *
folder = Path(sys.argv[1])
STORY = "anchorwatch/demo/story.pcap.gz"
CASES = "tests/captures/lab/"

def fill_disk():
    ballast = folder.parent / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
    return ballast

def until_it_is_told(writer, ballast):
    deadline = time.monotonic() + 20
    while writer.last_error is None and time.monotonic() < deadline:
        time.sleep(0.05)
    print(writer.last_error)
    print(writer.rows_written, writer.pending_octets > 0, writer.failures > 0)
    ballast.unlink()
    while writer.last_error is not None and time.monotonic() < deadline:
        time.sleep(0.05)
"""


def child(tmp_path: Path, code: str, *, seconds: float = 60) -> str:
    """Run code on a store folder in a process of its own; answer what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", COMMON + textwrap.dedent(code), str(tmp_path / "store")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_field_comes_back_as_it_was(tmp_path: Path) -> None:
    """Real sessions, and one event that has a value in every field."""
    child(
        tmp_path,
        """
        store = EmbeddedStore(folder)
        events = [e for name in ("flap", "redirects", "ipv6", "session-loss")
                  for e in read_events(f"{CASES}{name}.pcap.gz")]
        full = dict(received=START + 1, sequence=9, feed="bmp", kind="announce", provenance="dump",
            router="r1", router_address="10.0.0.1", epoch=START, time=START - 5, peer="10.0.0.2",
            peer_as=4200000000, peer_bgp_id="1.1.1.1", peer_rd="1:2", view="adj-in-pre",
            table="blue", family="ipv4-unicast", rd="65000:1", prefix="0.0.0.0/0", path_id=0,
            labels=(16, 17), next_hop="2001:db8::1", as_path="", origin="igp", med=0,
            local_pref=2**32 - 1, origin_as=0, atomic_aggregate=True, aggregator="1 2.2.2.2",
            communities=("1:2", "no-export"), ext_communities=("rt:1:2",),
            large_communities=("1:2:3",), originator_id="3.3.3.3", cluster_list=("4.4.4.4",),
            unknown_attributes=("35 0xc0 0011",), warnings=("w",))
        rule = dict(full, family="ipv6-flowspec", prefix=None, labels=(), rule="destination ::/0",
            components={"destination": "::/0", "port": "=1"}, raw=b"abc",
            actions=({"action": "rate-limit-bytes", "rate": 1.5, "as": 3},), precedence="01002")
        stats = dict(received=START, sequence=1, feed="bmp", kind="stats", router="r1",
            router_address="::1", statistics={"a": 2**63}, information={"x": [1, "y"]},
            reason="because", raw=b"\\0")
        parts = {"type": "mac-ip", "esi": "00:01", "tag": "7", "mac": "02:00:00:00:00:01"}
        evpn = dict(full, family="l2vpn-evpn", prefix=None, components=parts, path_status=("best",),
            nlri="mac-ip tag 7 mac 02:00:00:00:00:01", as_path="1 {2,3}", sequence=10)
        bare = dict(full, warnings=("attribute-missing: as path",), sequence=11, path_status=("x",))
        del bare["as_path"]
        mapped = dict(full, family="ipv6-unicast", prefix="::ffff:1.2.3.0/120", sequence=12)
        events += [msgspec.convert(e, Event) for e in (full, rule, stats, evpn, bare, mapped)]
        for name in ("routes", "flowspec", "sessions"):
            mine = [e for e in events if table_of(e) == name]
            days = {e.received // 86_400_000_000_000 for e in mine}
            for day in days:
                part = [e for e in mine if e.received // 86_400_000_000_000 == day]
                store.insert(name, event_table(name, part), f"{name}-{day}")
                store.insert(name, event_table(name, part), f"{name}-{day}")
            back = events_from_rows(store.query(f"SELECT * FROM {name}"))
            if name == "routes":
                mine = [msgspec.structs.replace(e, raw=None) for e in mine]
            key = lambda e: (e.received, e.sequence, e.to_json())
            for ours, theirs in zip(sorted(mine, key=key), sorted(back, key=key), strict=True):
                assert theirs == ours, (theirs, ours)
            assert len(mine) > 5, name
        """,
    )


def test_the_schema_is_applied_once_and_a_newer_one_is_refused(tmp_path: Path) -> None:
    child(tmp_path, "EmbeddedStore(folder).close()")
    out = child(
        tmp_path,
        """
        store = EmbeddedStore(folder)
        print(store.query("SELECT count() AS n FROM schema_version").to_pylist())
        store.execute("INSERT INTO schema_version VALUES (999, now())")
        store.close()
        try:
            EmbeddedStore(folder)
        except StoreError as error:
            print(error)
        """,
    )
    assert out.splitlines()[0] == "[{'n': 1}]"
    assert "has schema version 999, newer than this program's 1" in out


def test_a_store_in_use_says_by_whom(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            f"{COMMON}\ns = EmbeddedStore(folder); print('open', flush=True); time.sleep(30)",
            str(tmp_path / "store"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "open\n"
        out = child(
            tmp_path,
            """
            for create in (True, False):
                try:
                    EmbeddedStore(folder, create=create)
                except StoreError as error:
                    print(error)
            """,
        )
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    for line in out.splitlines():
        assert line == (
            f"the store at {tmp_path / 'store'} is in use by another anchorwatch "
            f"(process {holder.pid}); stop that first"
        )
    assert len(out.splitlines()) == 2


def test_stores_that_cannot_be_opened_say_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot open a store at .*/file: File exists"):
        EmbeddedStore(tmp_path / "file")
    with pytest.raises(StoreError, match="there is no store at"):
        EmbeddedStore(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


def test_a_writer_that_is_killed_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    code = """
    writer = Writer(folder, max_wait=0.01)
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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        unavailable("needs root, to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_told_and_nothing_is_lost(small_disk: Path) -> None:
    out = child(
        small_disk,
        """
        writer = Writer(folder, max_wait=0.01, retry=0.1)
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
    assert state == "0 True True"
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
        writer = Writer(folder, max_wait=0.01, retry=0.1)
        ballast = fill_disk()
        session = WideSession("192.0.2.1", lambda block: writer.put([block]))
        events = [e for e in session.feed(stream.bmp, START) if table_of(e) == "routes"]
        session.flush()
        until_it_is_told(writer, ballast)
        print(writer.close(30))
        store = EmbeddedStore(folder)
        stored = store.query("SELECT count() AS n FROM routes")["n"][0].as_py()
        print(stored + len(events) == stream.rows, list(folder.parent.glob("*-incoming/*")))
        """,
    )
    error, state, left, whole = out.splitlines()
    assert "No space left on device" in error or "NOT_ENOUGH_SPACE" in error or "space" in error
    assert state == "0 True True"
    assert left == "0"
    assert whole == "True []"


def test_a_full_writer_makes_the_collector_wait(tmp_path: Path) -> None:
    out = child(
        tmp_path,
        """
        import asyncio
        async def main():
            writer = Writer(folder, max_wait=0.3, max_pending=5000)
            await writer.room()
            writer.put([route("announce", "r1", "10.0.0.1", "192.0.2.50/32", START, "live")] * 20)
            assert writer.full
            begun = time.monotonic()
            await writer.room()
            print(time.monotonic() - begun > 0.1, writer.full, writer.pending_octets)
            writer.close()
        asyncio.run(main())
        """,
    )
    assert out == "True False 0"


def test_rules_in_force_at_a_moment(tmp_path: Path) -> None:
    """Announced, replaced, withdrawn; ended with its peer; blind while our session is down."""
    out = child(
        tmp_path,
        """
        S = SECOND
        PEER = dict(peer="10.0.1.1", view="adj-in-pre")
        DESTINATION = (b"\\x20\\xc0\\0\\2\\x32", b"\\0")
        def rule(kind, at, what=ALLOWED):
            return msgspec.structs.replace(
                route(kind, "r1", "10.0.1.1", what, START + at * S, "live"), sequence=at + 1,
                precedence=precedence([(1, DESTINATION[what == KILL_SWITCH])], 1))
        def session(kind, at, **fields):
            return msgspec.structs.replace(
                make(kind, "r1", START + at * S, epoch=START + at * S, **fields), sequence=at + 1)
        events = [
            session("feed-up", 0), session("peer-up", 1, **PEER), rule("announce", 2),
            rule("announce", 3, KILL_SWITCH), rule("withdraw", 5, KILL_SWITCH),
            session("peer-down", 10, **PEER), session("peer-up", 12, **PEER),
            rule("announce", 13), session("feed-down", 20), session("feed-up", 30),
            session("peer-up", 31, **PEER), session("end-of-rib", 35),
        ]
        writer = Writer(folder); writer.put(events); writer.close()
        store = EmbeddedStore(folder)
        for at in (2, 3, 4, 6, 11, 14, 25, 32, 40):
            rows = flowspec_rows(store, START + at * S + 1).to_pylist()
            print(at, [(r["rule"][12:22], "blind" if r["blind_since"] else "live") for r in rows])
        """,
    )
    assert out.splitlines() == [
        "2 [('192.0.2.50', 'live')]",
        "3 [('192.0.2.50', 'live'), ('0.0.0.0/0 ', 'live')]",
        "4 [('192.0.2.50', 'live'), ('0.0.0.0/0 ', 'live')]",
        "6 [('192.0.2.50', 'live')]",
        "11 []",
        "14 [('192.0.2.50', 'live')]",
        "25 [('192.0.2.50', 'blind')]",
        "32 [('192.0.2.50', 'blind')]",
        "40 []",
    ]


def test_history_of_a_prefix_and_of_what_it_covers(tmp_path: Path) -> None:
    out = child(
        tmp_path,
        """
        events = list(read_events(f"{CASES}flap.pcap.gz"))
        writer = Writer(folder); writer.put(events); writer.close()
        store = EmbeddedStore(folder)
        mine = [e for e in events if e.prefix == "10.100.0.254/32"]
        rows = history_rows(store, "10.100.0.254")
        seen = [r for r in rows.to_pylist() if r["prefix"]]
        assert [r["sequence"] for r in seen] == [e.sequence for e in mine]
        assert {r["kind"] for r in rows.to_pylist() if not r["prefix"]} == {
            "feed-up", "feed-down", "peer-up"}
        assert history_rows(store, "10.100.0.0/24").num_rows == 0
        covered = history_rows(store, "10.100.0.0/24", covered=True)
        assert covered.num_rows == rows.num_rows
        late = history_rows(store, "10.100.0.254/32", since=mine[-1].received)
        assert late.to_pylist()[0]["kind"] == mine[-1].kind
        frame = history(store, "10.100.0.254/32")
        print(len(frame) == rows.num_rows, str(frame["received"].dtype))
        """,
    )
    assert out == "True datetime64[ns, UTC]"


def test_moments() -> None:
    now = 1_800_000_000_000_000_000
    assert parse_moment("now", now) == now
    assert parse_moment("-10m", now) == now - 600 * 10**9
    assert parse_moment("-250ms", now) == now - 250 * 10**6
    assert parse_moment("2026-12-01T22:00:00Z", now) == 1_796_162_400 * 10**9
    with pytest.raises(ValueError, match="'soon' is no moment"):
        parse_moment("soon", now)


def test_prefix_ranges() -> None:
    assert prefix_range("192.0.2.0/24") == ("::ffff:c000:200", 120, "::ffff:c000:2ff")
    assert prefix_range("2001:db8::1") == ("2001:db8::1", 128, "2001:db8::1")
    with pytest.raises(ValueError, match="nonsense"):
        prefix_range("nonsense")
