"""A rule at the controller pages over gRPC: before any router's BMP shows it, or without."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from deploy.lab.lab import Lab
from tests.lab.test_watch import KILL_SWITCH, SECOND, intent
from tests.lab.watched import SETTINGS, Watched
from tests.waiting import until

pytestmark = pytest.mark.lab

STORE = 8481
OVER_GRPC = """
gobgp:
  - {{name: rr1, address: "{controller}:50051"}}
"""


def watching(lab: Lab, folder: Path, settings: str, feeds: tuple[str, ...]) -> Iterator[Watched]:
    lab.reset()
    watched = Watched(lab, folder, intent(lab), settings, feeds)
    yield watched
    watched.close()


@pytest.fixture
def over_both(lab: Lab, tmp_path: Path) -> Iterator[Watched]:
    """The controller is seen over gRPC as `rr1`, and over BMP as `controller`."""
    yield from watching(lab, tmp_path, SETTINGS + OVER_GRPC, ("controller", "rr1"))


@pytest.fixture
def over_grpc(lab: Lab, tmp_path: Path) -> Iterator[Watched]:
    """No router may send BMP."""
    settings = SETTINGS.replace("{controller}, name: controller", "10.0.0.1")
    yield from watching(lab, tmp_path, settings + OVER_GRPC, ("rr1",))


def first_seen(watched: Watched) -> dict[str, float]:
    """When each feed showed the rule first, as the store has it, in seconds since 1970."""
    sql = (
        "SELECT feed, toString(toUnixTimestamp64Nano(min(received))) FROM flowspec "
        "WHERE kind = 'announce' AND rule LIKE '%port =179%' GROUP BY feed "
        "FORMAT TabSeparated"
    )
    lines = (watched.get(STORE, f"/?query={quote(sql)}") or "").splitlines()
    rows = [line.split("\t") for line in lines if "\t" in line]
    return {feed: int(at) / SECOND for feed, at in rows}


def test_a_rule_pages_over_grpc(over_both: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    injected = time.time_ns()
    over_both.lab.controller.add_flowspec(KILL_SWITCH, "discard")
    pages = until(lambda: over_both.pages("flowspec_policy"), "it pages")
    assert (pages[0]["arrived"] - injected) / SECOND < 1
    until(lambda: len(first_seen(over_both)) == 2, "the store has it from both feeds")
    seen = first_seen(over_both)
    with capsys.disabled():
        after = {feed: (at - injected / SECOND) * 1000 for feed, at in seen.items()}
        page = (pages[0]["arrived"] - injected) / SECOND * 1000
        print(
            f"\nafter `gobgp global rib add` was started: seen over gRPC {after['gobgp']:.1f} ms, "
            f"over BMP {after['bmp']:.1f} ms, first page {page:.1f} ms"
        )
    assert {p["evidence"][0]["router"] for p in pages} <= {"controller", "rr1"}


def test_a_rule_pages_without_any_bmp(
    over_grpc: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    injected = time.time_ns()
    over_grpc.lab.controller.add_flowspec(KILL_SWITCH, "discard")
    page = over_grpc.page("flowspec_policy", "open")
    seconds = (page["arrived"] - injected) / SECOND
    with capsys.disabled():
        print(f"\nfirst page {seconds * 1000:.1f} ms after the start, with gRPC alone")
    assert seconds < 1
    rule = page["evidence"][0]
    assert (rule["feed"], rule["router"], rule["view"]) == ("gobgp", "rr1", "loc-rib")
    assert rule["rule"] == "destination 0.0.0.0/0 port =179"
    metrics = over_grpc.metrics()
    assert metrics["anchorwatch_bmp_sessions"] == 0
    assert metrics['anchorwatch_gobgp_up{router="rr1"}'] == 1
    assert metrics['anchorwatch_gobgp_paths_total{router="rr1",view="loc-rib"}'] >= 1
    over_grpc.lab.controller.del_flowspec(KILL_SWITCH, "discard")
    assert over_grpc.page("flowspec_policy", "resolved")["id"] == page["id"]
