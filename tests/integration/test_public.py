"""`anchorwatch run` with public vantage points: refused without the library, else taken in.

The library stands in for itself: a module with the two calls that are made of it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collector.inputs.bgpstream import installed
from tests.conftest import unavailable_in_ci_too
from tests.integration.installation import Installation

STAND_IN = """
import time
from types import SimpleNamespace as Object

class BGPStream:
    def __init__(self, from_time, until_time, projects, collectors):
        self.projects, self.prefixes = projects, []

    def add_filter(self, kind, value):
        assert kind == "prefix-more"
        self.prefixes.append(value)

    def records(self):
        fields = {"prefix": self.prefixes[0], "next-hop": "203.0.113.1", "communities": {"1:2"}}
        fields["as-path"] = "64500 {64501,64502}"
        elem = Object(type="A", time=1.5, peer_address="203.0.113.9", peer_asn=64500, fields=fields)

        class Record(list):
            project, collector, status = self.projects[0], "rrc00", "valid"
            type, dump_position = "update", "start"

        yield Record([elem])
        time.sleep(600)
"""


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_without_the_library_run_says_how_to_install_it(here: Installation) -> None:
    if installed():
        unavailable_in_ci_too("needs a machine without pybgpstream")
    here.settings(more="bgpstream: {}\n")
    assert here.refused() == (
        "anchorwatch run: bgpstream needs pybgpstream, which is not installed: install "
        "libbgpstream, then `pip install 'anchorwatch[bgpstream]'` (docs/how-to/bgpstream.md)\n"
    )
    assert not (here.folder / "anchorwatch-data").exists()


def test_what_the_world_sees_is_stored_and_opens_nothing(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = here.folder / "stand-in"
    stand_in.mkdir()
    (stand_in / "pybgpstream.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(stand_in), prepend=":")
    here.settings(more="bgpstream: {collectors: [rrc00]}\n")
    with here.running():
        here.metric('anchorwatch_bgpstream_elements_total{router="ris-live.rrc00"}', 1)
        metrics = here.metrics()
    assert metrics["anchorwatch_bgpstream_vantage_points"] == 1
    assert metrics["anchorwatch_bgpstream_failures_total"] == 0
    assert metrics['anchorwatch_incidents_open{severity="critical"}'] == 0
    done = here.command("history", "192.0.2.50", "--format", "jsonl")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    (route,) = [row for row in rows if row["kind"] == "announce"]
    assert (route["router"], route["view"]) == ("ris-live.rrc00", "adj-in-pre")
    assert (route["peer"], route["as_path"]) == ("203.0.113.9", "64500 {64501,64502}")
    assert rows[-1]["kind"] == "feed-down"
    assert "Traceback" not in here.log()
