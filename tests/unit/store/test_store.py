"""The embedded store: what is written comes back; who cannot have it is told why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from collector.store.backend import StoreError
from collector.store.embedded import EmbeddedStore
from collector.store.migrations import schema_files
from tests.unit.store.children import COMMON, ROOT, child


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
            router_address="::1", statistics={"a": 2**63}, reason="because", raw=b"\\0")
        up = dict(received=START, sequence=2, feed="bmp", kind="peer-up", router="r1",
            router_address="::1", information={"x": [1, "y"]}, raw=b"\\0")
        broken = dict(received=START, sequence=3, feed="bmp", kind="undecodable", router="r1",
            router_address="::1", peer="10.0.0.2", reason="bmp type 9", raw=b"\\xff")
        parts = {"type": "mac-ip", "esi": "00:01", "tag": "7", "mac": "02:00:00:00:00:01"}
        evpn = dict(full, family="l2vpn-evpn", prefix=None, components=parts, path_status=("best",),
            nlri="mac-ip tag 7 mac 02:00:00:00:00:01", as_path="1 {2,3}", sequence=10)
        bare = dict(full, warnings=("attribute-missing: as path",), sequence=11, path_status=("x",))
        del bare["as_path"]
        mapped = dict(full, family="ipv6-unicast", prefix="::ffff:1.2.3.0/120", sequence=12)
        events += [msgspec.convert(e, Event) for e in (full, rule, stats, up, broken, evpn,
                                                        bare, mapped)]
        said = {"anchor": "a", "site": "s", "probe": "tcp 1", "result": "failed", "seconds": 0.25}
        failed = dict(received=START, sequence=4, feed="probe", kind="probe", router="pe1",
            router_address="::1", prefix="10.0.0.1/32", time=START - 1, information=said,
            reason="no connection")
        events.append(msgspec.convert(failed, Event))
        counted = {"routes": 6, "flowspec": 6, "sessions": 6, "stats": 1, "undecodable": 1,
            "probes": 1}
        for name, least in counted.items():
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
            assert len(mine) >= least, name
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
    assert out.splitlines()[0] == f"[{{'n': {len(schema_files())}}}]"
    assert f"has schema version 999, newer than this program's {max(schema_files())}" in out


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


def test_a_store_that_cannot_be_opened_yet_is_waited_for(tmp_path: Path) -> None:
    out = child(
        tmp_path,
        """
        folder.write_text("in the way")
        writer = Writer.embedded(folder, wait_for_store=True, retry=0.05, max_wait=0.01)
        writer.put([route("announce", "r1", "10.0.0.1", "192.0.2.50/32", START, "live")])
        while writer.store_error is None or writer.rows_spooled == 0:
            time.sleep(0.01)
        print(writer.store_error.endswith("/store: File exists"))
        folder.unlink()
        while writer.rows_written == 0:
            time.sleep(0.01)
        print(writer.store_error, writer.close())
        """,
    )
    assert out.splitlines() == ["True", "None 0"]


def test_a_row_that_no_table_takes_is_set_aside_and_stops_no_other(tmp_path: Path) -> None:
    """The rest of its segment goes in, what comes later too, and so does a restart."""
    out = child(
        tmp_path,
        """
        import msgspec
        from anchorwatch.status import problems_of
        writer = Writer.embedded(folder, max_wait=0.01, retry=0.05)
        good = route("announce", "r1", "10.0.0.1", "192.0.2.50/32", START, "live")
        bad = msgspec.structs.replace(good, med=2**40)
        session = make("peer-up", "r1", START, peer="10.0.0.2")
        writer.put([bad, session])
        while writer.spool.set_aside == 0:
            time.sleep(0.01)
        writer.put([msgspec.structs.replace(good, received=START + 1)])
        print(writer.close(), writer.spool.depth, writer.rows_written, writer.store_error)
        print(problems_of(writer))
        writer = Writer.embedded(folder, max_wait=0.01)
        writer.put([msgspec.structs.replace(good, received=START + 2)])
        print(writer.close(), writer.spool.depth, writer.rows_written, writer.spool.set_aside)
        (aside,) = writer.spool.folder.glob("*.refused")
        print(read_segment(aside).events == [bad, session])
        shutil.rmtree(aside)
        print(writer.spool.set_aside)
        store = EmbeddedStore(folder)
        print(store.query("SELECT count() AS n FROM routes")["n"][0].as_py(),
              store.query("SELECT count() AS n FROM sessions")["n"][0].as_py())
        """,
    )
    first, problems, again, kept, removed, stored = out.splitlines()
    assert first == "0 0 2 None"
    assert "some rows can never be stored, 1 segments are in" in problems
    assert "1099511627776" in problems
    assert (again, kept, removed, stored) == ("0 0 1 1", "True", "0", "2 1")


def test_where_row_after_row_is_refused_all_is_kept_waiting(tmp_path: Path) -> None:
    """That is no row, but a fault of the program: a full spool then says so."""
    out = child(
        tmp_path,
        """
        import msgspec
        from collector.store import writer as module
        module.MOST_ASIDE = 1
        writer = Writer.embedded(folder, max_wait=0.01, retry=0.02)
        bad = route("announce", "r1", "10.0.0.1", "192.0.2.50/32", START, "live")
        bad = msgspec.structs.replace(bad, med=2**40)
        writer.put([bad])
        while writer.spool.set_aside == 0:
            time.sleep(0.01)
        writer.put([bad])
        failures = writer.failures
        while writer.failures < failures + 10:
            time.sleep(0.01)
        print(writer.spool.set_aside, writer.store_error)
        print(writer.close(0.1), writer.spool.depth)
        """,
    )
    told, kept = out.splitlines()
    assert told.startswith("1 ")
    assert "1099511627776" in told
    assert kept == "0 1"


def test_a_row_that_the_spool_cannot_write_is_left_out(tmp_path: Path) -> None:
    out = child(
        tmp_path,
        """
        import msgspec
        writer = Writer.embedded(folder, max_wait=0.01, retry=0.05)
        good = route("announce", "r1", "10.0.0.1", "192.0.2.50/32", START, "live")
        writer.put([msgspec.structs.replace(good, time=-(2**70)), good])
        deadline = time.monotonic() + 5
        while writer.rows_written == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        print(writer.pending_octets, writer.rows_left_out, writer.spool_error)
        print(writer.close(), writer.rows_written)
        """,
    )
    assert out.splitlines() == ["0 1 None", "0 1"]
