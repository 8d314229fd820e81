"""`anchorwatch run` as its users start it: what it takes in its stride."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from anchorwatch import __version__
from benchmarks.generate import generate
from benchmarks.table import Shape
from tests.conftest import disk, need_native
from tests.integration.installation import COMMAND, ROUTE, Installation
from tests.unit.wire.build import (
    BASIC,
    bmp,
    initiation,
    monitoring,
    peer_header,
    peer_up,
    prefix,
    update,
)
from tests.waiting import free_port, until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_an_unknown_router_is_refused_and_counted(here: Installation) -> None:
    here.settings(routers="192.0.2.1")
    with here.running():
        with here.connect() as connection:
            connection.settimeout(5)
            assert connection.recv(1) == b""
        here.metric('anchorwatch_bmp_refused_total{reason="unknown-router"}', 1)
    assert "refused BMP session from 127.0.0.1: it is not a listed router" in here.log()


def test_malformed_bmp_ends_one_session_and_no_other(here: Installation) -> None:
    with here.running(), here.connect() as good, here.connect() as bad:
        good.sendall(initiation("good") + peer_up())
        bad.sendall(initiation("bad") + b"GET / HTTP/1.1\r\n\r\n")
        bad.settimeout(5)
        assert bad.recv(1) == b""
        here.metric('anchorwatch_decode_errors_total{reason="version",router="bad"}', 1)
        # A message that cannot be read is counted, and the session goes on.
        wrong = monitoring(update(attributes=BASIC, nlri=b"\x21\x0a\0\0\0\0"))
        good.sendall(wrong + ROUTE)
        here.metric('anchorwatch_events_total{kind="announce"}', 1)
        assert here.metrics()["anchorwatch_bmp_sessions"] == 1
        labels = '{reason="malformed-route-monitoring",router="good"}'
        assert here.metrics()[f"anchorwatch_decode_errors_total{labels}"] == 1
    assert "Traceback" not in here.log()


def test_what_a_sender_is_known_to_do_is_counted_whichever_decoder_reads_it(
    here: Installation,
) -> None:
    here.settings(routers="127.0.0.1, name: rr1, sender: gobgp")
    plain = monitoring(update(attributes=BASIC, nlri=prefix("203.0.113.0/24")))
    post = monitoring(
        update(attributes=BASIC, nlri=prefix("203.0.113.0/24")), peer_header(flags=0x40)
    )
    trailing = bmp(0, plain[6:] + b"\0\1\0\0")
    with here.running(), here.connect() as router:
        router.sendall(initiation("r1") + peer_up() + trailing * 3 + post)
        counted = 'anchorwatch_sender_quirks_total{{quirk="{}",router="rr1"}}'
        here.metric(counted.format("trailing-octets"), 3)
        here.metric(counted.format("post-policy-ghosts"), 1)
        assert not any("decode_errors" in name for name in here.metrics())


def test_what_was_received_is_in_the_store_afterwards(here: Installation) -> None:
    with here.running():
        with here.connect() as router:
            router.sendall(initiation("r1") + peer_up() + ROUTE)
            here.metric('anchorwatch_events_total{kind="announce"}', 1)
        here.metric("anchorwatch_bmp_sessions", 0)
    done = subprocess.run(
        [*COMMAND, "history", "192.0.2.50", "--format", "jsonl"],
        cwd=here.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["kind"] for row in rows] == ["feed-up", "peer-up", "announce", "feed-down"]
    nothing = subprocess.run(
        [*COMMAND, "flowspec"], cwd=here.folder, capture_output=True, text=True, check=True
    )
    assert nothing.stdout.startswith("no router held a Flowspec rule at ")


COLUMNS = (
    "sequence, time, router, peer, view, kind, provenance, family, rd, prefix, path_id, labels, "
    "next_hop, as_path_text, origin_as, origin, med, local_pref, communities, ext_communities, "
    "large_communities, originator_id, cluster_list, aggregator, warnings"
)
DIGEST = f"""
import sys
from pathlib import Path
from collector.store.embedded import EmbeddedStore
store = EmbeddedStore(Path(sys.argv[1]), create=False)
sql = "SELECT count() AS n, sum(cityHash64({COLUMNS})) AS digest FROM routes"
print(*store.query(sql).to_pylist()[0].values())
store.close()
"""  # noqa: S608 - our own names


def test_a_table_is_stored_alike_whichever_decoder_runs(here: Installation, tmp_path: Path) -> None:
    need_native()
    stream = generate(Shape(routes=20_000, seed=5, vpn=True))
    digests = []
    for decoder in ("native", "python"):
        shutil.rmtree(here.folder / "anchorwatch-data", ignore_errors=True)
        with here.running(ANCHORWATCH_DECODER=decoder):
            with here.connect() as router:
                router.sendall(stream.bmp)
                here.metric('anchorwatch_events_total{kind="announce"}', 20_000 + stream.rules)
            info = f'anchorwatch_build_info{{decoder="{decoder}",version="{__version__}"}}'
            assert here.metrics()[info] == 1
            here.metric("anchorwatch_bmp_sessions", 0)
        done = subprocess.run(
            [sys.executable, "-c", DIGEST, str(here.folder / "anchorwatch-data" / "store")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith(f"{stream.rows} ")
        digests.append(done.stdout)
    assert digests[0] == digests[1]
    assert "Traceback" not in here.log()


def test_a_receiver_that_is_down_is_told_by_health_and_metrics(here: Installation) -> None:
    here.settings(more=f"pagers:\n  - webhook: {{url: 'http://127.0.0.1:{free_port()}/'}}\n")
    with here.running(), here.connect() as router:
        router.sendall(initiation("r1") + peer_up(header=None) + ROUTE)
        here.metric('anchorwatch_incidents_open{severity="critical"}', 0)
        other = monitoring(
            update(attributes=BASIC, nlri=prefix("192.0.2.50/32")),
            peer_header("10.0.1.2"),
        )
        router.sendall(other)
        here.metric('anchorwatch_incidents_open{severity="critical"}', 1)
        here.metric('anchorwatch_pages_pending{pager="webhook"}', 1)
        answer = httpx.get(f"http://127.0.0.1:{here.web}/healthz")
        assert answer.status_code == 503
        (problem,) = answer.json()["problems"]
        assert problem.startswith("pager webhook does not take pages: http://127.0.0.1:")


@pytest.fixture
def roomy_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for what the test stores, and for the engine to merge it."""
    with disk(tmp_path / "disk", "size=256m") as folder:
        yield folder


def test_a_full_spool_stops_reading_and_is_an_incident(
    here: Installation, roomy_disk: Path
) -> None:
    here.settings(more=f"state: {roomy_disk}\nspool: {{folder: waiting, max_size: 1MiB}}\n")
    stream = generate(Shape(routes=60_000, flowspec=0))
    with here.running():
        ballast = roomy_disk / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(65_536))
        with here.connect() as router:
            router.settimeout(1)
            with suppress(TimeoutError):
                router.sendall(stream.bmp * 3)
            here.metric("anchorwatch_reading_paused", 1)
            time.sleep(0.3)
            opened = 'anchorwatch_incident_transitions_total{detector="store",state="open"}'
            assert here.metrics()[opened] == 1
            read = here.metrics()['anchorwatch_bmp_bytes_total{router="generated"}']
            answer = httpx.get(f"http://127.0.0.1:{here.web}/healthz")
            assert answer.status_code == 503
            assert "reading is paused: too much waits for the store" in answer.json()["problems"]
            time.sleep(0.5)
            assert here.metrics()['anchorwatch_bmp_bytes_total{router="generated"}'] == read
            ballast.unlink()
            resolved = opened.replace('"open"', '"resolved"')

            def over(found: dict[str, float]) -> bool:
                """The spool may have been full again while it was worked off."""
                waits = found["anchorwatch_spool_segments"] or found["anchorwatch_reading_paused"]
                return not waits and found.get(resolved) == found[opened]

            until(lambda: over(here.metrics()), "nothing waits, and the incident is over", 60)
            assert here.metrics()['anchorwatch_bmp_bytes_total{router="generated"}'] > read
            written, spooled = (
                "anchorwatch_store_rows_written_total",
                "anchorwatch_spool_rows_total",
            )
            until(lambda: (m := here.metrics())[written] == m[spooled], "all of it is stored", 60)
    log = here.log()
    assert "open store: anchorwatch has stopped reading BMP, so what changes now is not" in log
    assert "resolved store: " in log
    assert "Traceback" not in log
