"""`anchorwatch cutover` against a program that runs, over a restart, and against none."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector.event import rfc3339
from tests import waiting
from tests.integration.installation import COMMAND, Installation
from tests.unit.wire.build import (
    attribute,
    initiation,
    monitoring,
    peer_header,
    peer_up,
    prefix,
    update,
)

SECOND = 1_000_000_000
WEB = prefix("192.0.2.50/32")
SECONDS = 60
"""How long a condition may take to come true."""


def window() -> str:
    now = time.time_ns()
    return f"[{rfc3339(now - 60 * SECOND)}, {rfc3339(now + 3600 * SECOND)}]"


def with_a_cutover(folder: Path) -> Installation:
    """An installation whose cutover `move/1` of the service `web` has its window now."""
    installation = Installation(folder)
    (folder / "intent.yaml").write_text(
        "version: 1\n"
        "sites:\n"
        "  legacy-pe: {match: [{peer: 10.0.0.1}]}\n"
        "  new-pe1: {match: [{peer: 10.0.1.1}]}\n"
        "services: [{name: web, prefix: 192.0.2.50/32, home: [legacy-pe]}]\n"
        "cutovers:\n"
        f"  - {{name: move/1, service: web, from: legacy-pe, to: [new-pe1], window: {window()},\n"
        "     max_overlap: 10m}\n"
    )
    return installation


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return with_a_cutover(tmp_path)


def steady() -> bytes:
    """What a router says that knows both sites, where the old one advertises."""
    openings = b"".join(peer_up(peer_header(peer)) for peer in ("10.0.0.1", "10.0.1.1"))
    return initiation(name="r1") + openings + says("10.0.0.1", advertise=True)


def says(peer: str, *, advertise: bool) -> bytes:
    hop = bytes(map(int, peer.split(".")))
    path = attribute(1, b"\0") + attribute(2, b"\x02\x01\0\0\xfd\xea") + attribute(3, hop)
    message = update(attributes=path, nlri=WEB) if advertise else update(withdrawn=WEB)
    return monitoring(message, peer_header(peer))


def status(here: Installation, *names: str) -> dict[str, Any]:
    done = here.command("cutover", "status", *names, "--json")
    assert done.returncode in (0, 1), done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def until(here: Installation, **wanted: Any) -> dict[str, Any]:
    """The status, once it has these values; no command is asked, as each takes time to start."""
    url = f"http://127.0.0.1:{here.web}/api/v1/cutovers/move%2F1"

    def right() -> dict[str, Any] | None:
        told: dict[str, Any] = httpx.get(url).json()
        return told if {key: told.get(key) for key in wanted} == wanted else None

    return waiting.until(right, str(wanted), SECONDS, lambda: str(status(here, "move/1")))


def test_a_cutover_is_shown_and_rolled_back_over_a_restart(here: Installation) -> None:
    with here.running(), here.connect() as router:
        router.sendall(steady())
        told = until(here, advertised_by=["legacy-pe"])
        assert (told["phase"], told["window"]["state"], told["steps"]) == ("armed", "open", {})
        refused = here.command("cutover", "rollback", "move/1")
        assert refused.returncode == 2
        assert "move/1 has not begun, or a later one has: there is no way back" in refused.stderr
        router.sendall(says("10.0.1.1", advertise=True))
        point = {
            "at": "r1 bmp adj-in-pre",
            "sees": True,  # once its dump is over, which nobody says here: 2 s of silence do
            "saw_old": True,
            "advertised_by": ["legacy-pe", "new-pe1"],
            "rules": 0,
        }
        told = until(here, phase="both", vantage_points=[point])
        assert told["advertised_by"] == ["legacy-pe", "new-pe1"]
        assert told["timers"]["overlap"]["limit"] == 600
        table = here.command("cutover", "status")
        assert table.stdout.splitlines()[1].split()[:2] == ["move/1", "web"]
        screen = here.command("cutover", "status", "move/1")
        assert "r1 bmp adj-in-pre  yes" in screen.stdout
        asked = here.command("cutover", "rollback", "move/1")
        assert asked.returncode == 0, asked.stderr
        assert "both, going back since" in asked.stdout
        when = until(here)["rollback"]
    with here.running(), here.connect() as router:
        assert status(here)["cutovers"][0]["rollback"] == when
        router.sendall(steady())
        told = until(here, phase="armed")
        assert "rollback" not in told
        assert told["rolled_back"] > when
        assert "incident" not in told
        tables = here.command("sql", "SELECT kind, reason FROM sessions WHERE kind = 'rollback'")
        assert "move/1" in tables.stdout, tables.stderr


def test_who_asks_must_be_right(here: Installation) -> None:
    done = here.command("cutover", "status")
    assert done.returncode == 2
    assert done.stderr.startswith("anchorwatch cutover: no watch runs with anchorwatch.yaml: ")
    path = here.folder / "anchorwatch.yaml"
    (here.folder / "token").write_text("geheim\n")
    listen = f"web: {{listen: 127.0.0.1:{here.web}"
    path.write_text(path.read_text().replace(listen, f"{listen}, token_file: token"))
    url = f"http://127.0.0.1:{here.web}/api/v1/cutovers/move%2F1"
    token = {"Authorization": "Bearer geheim"}
    with here.running():
        assert httpx.get(url).status_code == 401
        assert httpx.post(f"{url}/rollback", json={}).status_code == 401
        assert httpx.post(f"{url}/rollback", headers=token).status_code == 415
        assert httpx.post(f"{url}/rollback", headers=token, json={}).status_code == 409
        assert httpx.get(url, headers=token).json()["name"] == "move/1"
        wrong = here.command("cutover", "status", "move/2")
        assert wrong.returncode == 2
        assert "the intent has no cutover 'move/2' (did you mean 'move/1'?)" in wrong.stderr


def test_a_damaged_file_is_begun_anew_and_said(here: Installation) -> None:
    state = here.folder / "anchorwatch-data"
    state.mkdir()
    (state / "cutovers.json").write_text('[{"name": 1}]')
    with here.running():
        assert until(here)["phase"] == "armed"
    assert "cutovers.json" in here.log()
    assert "how far cutovers had come is lost" in here.log()
    assert "Traceback" not in here.log()


# On the board


def shown(here: Installation) -> dict[str, Any]:
    """The cutover as the board has it."""
    (item,) = httpx.get(f"http://127.0.0.1:{here.web}/api/v1/board", timeout=60).json()["cutovers"]
    told: dict[str, Any] = item
    return told


def becomes(here: Installation, **wanted: Any) -> dict[str, Any]:
    def right() -> dict[str, Any] | None:
        item = shown(here)
        return item if {key: item.get(key) for key in wanted} == wanted else None

    return waiting.until(right, str(wanted), SECONDS, lambda: str(shown(here)))


def test_the_board_has_what_was_seen_over_a_restart(here: Installation) -> None:
    with here.running(), here.connect() as router:
        router.sendall(steady())
        becomes(here, stage="armed", rules_left={})
        router.sendall(says("10.0.1.1", advertise=True))
        before = becomes(here, phase="both")
        both = [each for each in before["track"] if len(each.get("sites", ())) == 2]
        assert both[0]["sites"] == {"legacy-pe": 1, "new-pe1": 1}
        assert both[0]["at"] == before["steps"]["both"] == before["timers"]["overlap"]["since"]
    with here.running(), here.connect() as router:
        item = shown(here)
        kept = len(before["track"])
        assert item["track"][:kept] == before["track"]
        assert not all(each["watched"] for each in item["track"][kept:])
        router.sendall(steady() + says("10.0.1.1", advertise=True))
        becomes(here, why="Each step has come in order and in time so far.")
        router.sendall(says("10.0.0.1", advertise=False))
        item = becomes(here, stage="complete")
        assert list(item["steps"]) == ["begun", "both", "moved", "complete"]


def test_every_cutover_has_its_page(here: Installation) -> None:
    def page(path: str, status: int = 200) -> str:
        answer = httpx.get(f"http://127.0.0.1:{here.web}{path}", timeout=60)
        assert answer.status_code == status, answer.text
        return answer.text

    with here.running(), here.connect() as router:
        router.sendall(steady())
        until(here, advertised_by=["legacy-pe"])
        assert "anchorwatch cutover rollback" not in page("/cutovers/move%2F1")
        router.sendall(says("10.0.1.1", advertise=True))
        until(here, phase="both")
        waiting.until(lambda: "r1 bmp adj-in-pre" in page("/cutovers/move%2F1"), "a page", SECONDS)
        text = page("/cutovers/move%2F1")
        assert "<h1>Cutover move/1</h1>" in text
        assert 'aria-current="step"' in text
        assert 'class="swimlane"' in text
        assert "new-pe1 at r1 bmp adj-in-pre" in text
        assert "0000  03 00" in text  # the proof, as it was on the wire
        asked = re.findall(r"^anchorwatch (.*)$", unescape(text), re.MULTILINE)
        assert [words.split()[1] for words in asked] == [
            *("status", "watch", "rollback", "report", "192.0.2.50/32"),
        ]
        for words in (asked[0], asked[4]):  # from any folder
            done = subprocess.run(
                [*COMMAND, *shlex.split(words)], cwd="/", capture_output=True, text=True, check=True
            )
            assert "192.0.2.50/32" in done.stdout
        assert '<a class="title-link" href="/cutovers/move%2F1">move/1</a>' in page("/cutovers")
        assert page("/swimlane/move%2F1").startswith('<svg xmlns="http://www.w3.org/2000/svg"')
        assert "did you mean &#39;move/1&#39;?" in page("/cutovers/move%2F2", 404)
        assert "has no cutover" in page("/swimlane/x", 404)
        head = " ".join(page("/").split())
        assert "<b>1</b> cutover" in head
        assert "<b>1</b> feed" in head
        assert "<b>1</b> feeds" not in head
