"""`anchorwatch status` against a program that runs, and against none."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from anchorwatch import __version__
from collector.native import decoder_name
from tests.integration.installation import ROUTE, Installation
from tests.unit.wire.build import initiation, peer_up
from tests.waiting import free_port

DUMPED = 10
"""Seconds within which a small table counts as complete."""


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    installation = Installation(tmp_path)
    intent = tmp_path / "intent.yaml"
    intent.write_text(
        intent.read_text() + "feeds:\n  - {router: r1}\n  - {router: missing, silent_after: 1s}\n"
    )
    settings = tmp_path / "anchorwatch.yaml"
    unreached = f"gobgp: [{{name: controller, address: '127.0.0.1:{free_port()}'}}]\n"
    settings.write_text(settings.read_text() + unreached)
    return installation


def test_where_nothing_runs_it_says_so(here: Installation) -> None:
    done = here.command("status")
    assert done.returncode == 2
    assert done.stderr.startswith("anchorwatch status: no watch runs with anchorwatch.yaml: ")
    assert f"http://127.0.0.1:{here.web}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_feeds_store_spool_and_incidents_are_on_one_screen(here: Installation) -> None:
    with here.running(), here.connect() as router:
        router.sendall(initiation(name="r1") + peer_up() + ROUTE)
        deadline = time.monotonic() + DUMPED
        told: dict[str, Any] = {"feeds": []}
        while told["feeds"][:1] == [] or told["feeds"][0]["state"] != "complete":
            assert time.monotonic() < deadline, told
            told = json.loads(here.command("status", "--format", "json").stdout)
        table = here.command("status")
    feed, controller, missing = told["feeds"]
    assert controller == {"router": "controller", "feed": "gobgp", "state": "absent"}
    assert missing == {"router": "missing", "state": "absent"}
    assert (feed["router"], feed["feed"], feed["peers_up"]) == ("r1", "bmp", 1)
    assert feed["address"] == "127.0.0.1"
    assert feed["since"] <= feed["heard"] <= told["time"]
    assert (told["version"], told["decoder"]) == (__version__, decoder_name())
    assert told["sessions"] == {"bmp": 1}
    assert told["store"]["place"] == "embedded"
    assert told["spool"]["reading"] == "goes on"
    assert told["problems"] == []
    (incident,) = told["incidents"]
    assert incident["detector"] == "feed_blind"
    assert incident["summary"].startswith("missing must be seen and is not: ")
    lines = table.stdout.splitlines()
    assert table.returncode == 1  # one router is missing
    assert lines[0].split() == ["ROUTER", "FEED", "STATE", "FOR", "PEERS", "HEARD", "LAG", "SENDER"]
    assert lines[1].split()[:3] == ["r1", "bmp", "complete"]
    assert lines[2].split() == ["controller", "gobgp", "absent", "never"]
    assert lines[3].split() == ["missing", "absent", "never"]
    assert incident["id"] in table.stdout
    assert "takes rows" in table.stdout


def test_the_token_is_sent_and_needed(here: Installation) -> None:
    path = here.folder / "anchorwatch.yaml"
    (here.folder / "token").write_text("gehéim\n", encoding="utf-8")
    listen = f"web: {{listen: 127.0.0.1:{here.web}"
    path.write_text(path.read_text().replace(listen, f"{listen}, token_file: token"))
    with here.running():
        assert httpx.get(f"http://127.0.0.1:{here.web}/api/v1/status").status_code == 401
        told = json.loads(here.command("status", "--format", "json").stdout)
        assert [feed["router"] for feed in told["feeds"]] == ["controller", "missing", "r1"]
        (here.folder / "token").write_text("another\n")
        assert "HTTP status 401" in here.command("status").stderr
