"""The process that reads a BGPStream: what it writes is handed on; when it ends it starts anew."""

from __future__ import annotations

import asyncio
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

from collector.event import Event, Kind
from collector.inputs.bgpstream import BgpStreamSource, Request, installed
from collector.inputs.bgpstream_elements import Element, VantagePoints
from collector.inputs.bgpstream_reader import elements
from collector.inputs.files import read_events
from tests.conftest import unavailable_in_ci_too
from tests.unit.bgpstream import NOW, told


def source(
    tmp_path: Path, program: str, request: Request | None = None
) -> tuple[BgpStreamSource, list[Event]]:
    path = tmp_path / "reader.py"
    path.write_text(textwrap.dedent(program))
    taken: list[Event] = []

    async def room() -> None:
        return None

    made = BgpStreamSource(
        request or Request(prefixes=("192.0.2.50/32",)),
        taken.extend,
        room,
        time.time_ns,
        reader=(sys.executable, str(path)),
        retry=0.05,
    )
    return made, taken


def run_until(made: BgpStreamSource, condition: Callable[[], bool]) -> None:
    async def run() -> None:
        made.start()
        try:
            async with asyncio.timeout(20):
                while not condition():  # noqa: ASYNC110 - what it waits for tells nobody
                    await asyncio.sleep(0.02)
        finally:
            await made.close()

    asyncio.run(run())


SAYS = """
    import json, sys
    request = json.load(sys.stdin)
    element = {"type": "A", "project": "ris", "collector": "rrc00", "time": 1500.25,
               "peer_address": "192.0.2.9", "peer_asn": 64500,
               "fields": {"prefix": request["prefixes"][0], "as-path": str(request["begin"])}}
    print(json.dumps(element), flush=True)
"""


def test_a_reader_that_fails_is_feed_down_with_its_words_and_starts_again(tmp_path: Path) -> None:
    fails = SAYS + "    sys.exit('Could not get next record')\n"
    made, taken = source(tmp_path, fails)
    run_until(made, lambda: made.failures >= 2)
    kinds = [event.kind for event in taken]
    first = ["feed-up", "end-of-rib", "announce", "feed-down"]
    assert kinds[:7] == [*first, "feed-up", "announce", "feed-down"]
    assert taken[3].reason == "Could not get next record"
    assert taken[0].epoch != taken[4].epoch


def test_an_archive_is_read_on_from_where_it_broke_off(tmp_path: Path) -> None:
    request = Request(prefixes=("192.0.2.50/32",), begin=1000, until=2000)
    made, taken = source(tmp_path, SAYS + "    sys.exit(1)\n", request)
    run_until(made, lambda: made.failures >= 2)
    paths = [event.as_path for event in taken if event.kind == Kind.ANNOUNCE]
    assert paths[:2] == ["1000", "1500"]
    assert taken[2].reason == "the reader ended with 1"


def test_an_archive_that_is_read_is_done(tmp_path: Path) -> None:
    request = Request(prefixes=("192.0.2.50/32",), begin=1000, until=2000)
    made, taken = source(tmp_path, SAYS, request)
    run_until(made, lambda: bool(taken) and taken[-1].kind == Kind.FEED_DOWN)
    assert [event.kind for event in taken] == ["feed-up", "announce", "feed-down"]
    assert taken[-1].reason == "end of stream"
    assert made.failures == 0


def test_a_stop_ends_the_reader_and_says_that_the_feed_is_down(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    writes = f"    import os, time\n    open({str(pid)!r}, 'w').write(str(os.getpid()))\n"
    made, taken = source(tmp_path, writes + SAYS + "    time.sleep(60)\n")
    run_until(made, lambda: len(taken) == 3)
    assert (taken[-1].kind, taken[-1].reason) == ("feed-down", "anchorwatch stopped")
    assert not Path("/proc", pid.read_text()).exists()


def test_a_reader_that_writes_nonsense_is_a_failure_not_a_traceback(tmp_path: Path) -> None:
    made, taken = source(tmp_path, SAYS + "    print('hello', flush=True)\n")
    run_until(made, lambda: made.failures >= 1)
    downs = [event.reason or "" for event in taken if event.kind == Kind.FEED_DOWN]
    assert downs[0].startswith("the reader wrote what is no element: ")


def test_a_reader_that_does_not_start_is_tried_again() -> None:
    async def room() -> None:
        return None

    request, nowhere = Request(prefixes=()), ("/nowhere/reader",)
    made = BgpStreamSource(request, print, room, time.time_ns, reader=nowhere, retry=0.05)
    run_until(made, lambda: made.failures >= 2)


def test_the_reader_itself_says_that_the_library_is_missing(tmp_path: Path) -> None:
    if installed():
        unavailable_in_ci_too("needs a machine without pybgpstream")
    del tmp_path
    done = asyncio.run(_real_reader())
    assert done == (1, "pybgpstream cannot be loaded: No module named 'pybgpstream'\n")


async def _real_reader() -> tuple[int | None, str]:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "collector.inputs.bgpstream_reader")
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stderr=pipe)
    _, words = await child.communicate(b'{"prefixes":["192.0.2.50/32"]}')
    return child.returncode, words.decode()


def test_the_library_reads_a_file_as_we_do(shared_data: Path) -> None:
    if not installed():
        unavailable_in_ci_too("needs pybgpstream, which neither Debian nor a wheel has")
    import pybgpstream  # noqa: PLC0415 - only here

    path = shared_data / "CAIDA+libbgpstream" / "test" / "ris.rrc06.updates.1427846400.gz"
    stream = pybgpstream.BGPStream(data_interface="singlefile")
    stream.set_data_interface_option("singlefile", "upd-file", str(path))
    vantage_points = VantagePoints(dumps=False)
    lines: list[Element] = list(elements(stream.records(), lambda: 0.0))
    theirs = told([event for line in lines for event in vantage_points.take(line, NOW)])
    families = {"ipv4-unicast", "ipv6-unicast"}
    ours = [event for event in read_events(path) if event.family in families]
    keys = ("kind", "time", "peer", "peer_as", "prefix", "as_path", "origin_as")
    assert [[getattr(e, key) for key in keys] for e in theirs if e.family] == [
        [getattr(e, key) for key in keys] for e in ours
    ]
