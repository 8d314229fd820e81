"""The server store against today's engine, behind a peer that speaks the native protocol.

The peer is ours (`native_peer`), the engine is not: what is tested is that the schema, the rows,
the tokens, the TTL and the forensic SQL come through the protocol as they are.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from collector.event import FOREVER
from collector.inputs.files import read_events
from collector.store.address import ServerAddress
from collector.store.backend import Reader, StoreError
from collector.store.differences import diff_rows, flowspec_diff_rows
from collector.store.embedded import EmbeddedStore
from collector.store.history import history_rows
from collector.store.incidents import transitions_between
from collector.store.migrations import schema_files
from collector.store.rib import rib_rows
from collector.store.rows import event_table, incident_table, table_of
from collector.store.rules import flowspec_rows
from collector.store.server import ServerStore
from collector.store.ttl import apply_ttl
from tests.conftest import ROOT
from tests.integration.server.conftest import native_blocks
from tests.unit.pagers.test_outbox import incident

COMMAND = (sys.executable, "-m", "anchorwatch", "replay")
STORY = ROOT / "anchorwatch" / "demo" / "story.pcap.gz"


MEANT = """
version: 1
sites:
  legacy-pe: {match: [{next_hop: 10.0.0.1}]}
  new-pe1: {match: [{next_hop: 10.0.1.1}]}
  new-pe2: {match: [{next_hop: 10.0.1.2}]}
services:
  - {name: web, prefix: 192.0.2.50/32, home: [legacy-pe]}
  - {name: beast, prefix: 192.0.2.60/32, home: [legacy-pe]}
anycast:
  - {name: flowspec-anchor, prefix: 10.100.0.254/32, sites: [new-pe1, new-pe2], minimum: 2}
flowspec: []
feeds: [{router: rr1, silent_after: 2s}]
"""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[ServerAddress]:
    """Of a peer whose engine has no tables yet."""
    command = [sys.executable, "-m", "tests.integration.native_peer", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as peer:
        assert peer.stdout is not None
        try:
            yield ServerAddress("127.0.0.1", int(peer.stdout.readline()), timeout=20.0)
        finally:
            peer.kill()


def tables() -> dict[str, pa.Table]:
    """What the story puts into each table."""
    events = list(read_events(STORY))
    names = sorted({table_of(each) for each in events})
    found = {
        name: event_table(name, [each for each in events if table_of(each) == name])
        for name in names
    }
    return {**found, "incidents": incident_table([incident("a").to_dict()])}


def answers(store: Reader) -> dict[str, Any]:
    """All kinds of questions, with the types of the answers."""
    times = [each.received for each in read_events(STORY)]
    at = times[-1] + 1
    found = {
        "history": history_rows(store, "192.0.2.0/24", covered=True),
        "nothing": history_rows(store, "203.0.113.7/32"),
        "rules": flowspec_rows(store, at),
        "rib": rib_rows(store, at),
        "covered": rib_rows(store, at, prefix="0.0.0.0/0", match="covered", clock="router"),
        "rules gained": flowspec_diff_rows(store, times[0], times[len(times) // 2]),
        "routes gained": diff_rows(store, times[0], times[len(times) // 2]),
        **{
            name: store.query(f"SELECT * FROM {name} ORDER BY ALL")  # noqa: S608 - our own names
            for name in tables()
        },
        "aliases": store.query("SELECT prefix, as_path, communities FROM routes ORDER BY ALL"),
    }
    told: dict[str, Any] = {
        name: [[(each.name, _kind(each.type)) for each in table.schema], *table.to_pylist()]
        for name, table in found.items()
    }
    told["transitions"] = [[], *transitions_between(store, 0, FOREVER)]
    return told


def _kind(kind: pa.DataType) -> str:
    """Without whether it may be null: the driver does not say."""
    return str(kind).replace(" not null", "")


def test_everything_is_answered_as_by_the_embedded_store(
    address: ServerAddress, tmp_path: Path
) -> None:
    store = ServerStore(address)
    for name, rows in tables().items():
        store.insert(name, rows, f"token of {name}")
    here = json.dumps(answers(store), default=str)
    store.close()
    code = "import sys; from tests.integration.test_server_engine import embedded; embedded()"
    command = [sys.executable, "-c", code, str(tmp_path / "embedded")]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    ours, theirs = json.loads(here), json.loads(done.stdout)
    assert ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        assert ours[name] == expected, name
    assert all(len(ours[name]) > 1 for name in ours if name != "nothing")


def test_a_replay_tells_the_same_as_over_the_embedded_store(
    address: ServerAddress, tmp_path: Path
) -> None:
    places = {
        "server": f"{{server: {{address: '127.0.0.1:{address.port}', timeout: 20s}}}}",
        "embedded": "{listen: 127.0.0.1:0}",
    }
    for name, place in places.items():
        (tmp_path / f"{name}.yaml").write_text(
            "intent: intent.yaml\nbmp: {listen: 127.0.0.1:0, routers: [{address: 127.0.0.1}]}\n"
            f"state: {name}\nstore: {place}\n"
        )
    (tmp_path / "intent.yaml").write_text(MEANT)
    (tmp_path / "lenient.yaml").write_text(MEANT.replace("[legacy-pe]}", "[legacy-pe, new-pe1]}"))
    store = ServerStore(address)
    for name, rows in tables().items():
        store.insert(name, rows, name)
    store.close()
    (tmp_path / "embedded").mkdir()
    code = "import sys; from tests.integration.test_server_engine import embedded; embedded()"
    finished(sys.executable, "-c", code, str(tmp_path / "embedded" / "store"))
    there, here = (
        finished(*COMMAND, "--store", str(tmp_path / f"{name}.yaml")).stdout for name in places
    )
    assert there == here
    told = [json.loads(line) for line in here.splitlines()]
    assert {each["detector"] for each in told} >= {
        "dual_advertisement",
        "flowspec_policy",
        "unexpected_withdrawal",
    }
    assert {"open", "resolved"} <= {each["state"] for each in told}
    files = finished(*COMMAND, str(STORY), "--intent", str(tmp_path / "intent.yaml")).stdout
    of_files = {json.loads(line)["id"] for line in files.splitlines()}
    assert of_files
    assert of_files <= {each["id"] for each in told}
    # A part of it, and what another intent would have changed.
    moments = sorted(each["time"] for each in told)
    part = ("--from", moments[1], "--to", moments[-2])
    against = ("--against", str(tmp_path / "lenient.yaml"))
    for words in (part, against):
        by_server, by_embedded = (
            finished(*COMMAND, "--store", str(tmp_path / f"{name}.yaml"), *words) for name in places
        )
        assert (by_server.stdout, by_server.stderr) == (by_embedded.stdout, by_embedded.stderr)
        assert by_embedded.stdout, words
    changed = [json.loads(line) for line in by_embedded.stdout.splitlines()]
    assert {(each["raised_by"], each["incident"]["detector"]) for each in changed} >= {
        ("intent", "dual_advertisement")
    }


def finished(*command: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def embedded() -> None:
    """In a process of its own: the same from the embedded store."""
    store = EmbeddedStore(Path(sys.argv[1]))
    for name, rows in tables().items():
        store.insert(name, rows, name)
    print(json.dumps(answers(store), default=str))
    store.close()


def test_a_batch_that_is_repeated_is_in_once(address: ServerAddress, tmp_path: Path) -> None:
    path, columns, rows = native_blocks(tmp_path)
    store = ServerStore(address)
    sessions = tables()["sessions"]
    for token in ("a", "a", "b", "a"):
        store.insert_native("routes", columns, path, token)
        store.insert("sessions", sessions, token)
    count = "SELECT (SELECT count() FROM routes) AS routes, count() AS sessions FROM sessions"
    found = {"routes": 2 * rows, "sessions": 2 * sessions.num_rows}
    assert store.query(count).to_pylist() == [found]
    store.close()
    store = ServerStore(address)  # the tables are there: nothing is made anew
    assert store.query(count).to_pylist() == [found]
    assert store.query("SELECT count() AS n FROM schema_version")["n"].to_pylist() == [
        len(schema_files())
    ]
    store.close()


def test_ttl_through_the_server(address: ServerAddress) -> None:
    store = ServerStore(address)
    assert apply_ttl(store, {"routes": 86_400}) == ["routes"]
    assert apply_ttl(store, {"routes": 86_400}) == []
    assert apply_ttl(store, {}) == ["routes"]
    store.close()


def test_a_store_of_the_future_and_one_that_is_none(address: ServerAddress) -> None:
    with pytest.raises(StoreError, match="there is no store at"):
        ServerStore(address, create=False)
    store = ServerStore(address)
    store.execute("INSERT INTO schema_version SELECT 999, now()")
    store.close()
    with pytest.raises(StoreError, match="has schema version 999, newer than this program's"):
        ServerStore(address)
