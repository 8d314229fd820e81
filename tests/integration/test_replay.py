"""`anchorwatch replay` over a store that a real watch filled, and against another intent."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from contextlib import ExitStack
from typing import Any

import pytest

from tests.integration.installation import Installation
from tests.unit.wire.build import (
    BASIC,
    ext,
    initiation,
    monitoring,
    peer_header,
    peer_up,
    prefix,
    reach,
    update,
)

INTENT = """
version: 1
sites:
  home: {match: [{peer: 10.0.0.1}]}
  other: {match: [{peer: 10.0.1.2}]}
services:
  - {name: web, prefix: 192.0.2.50/32, home: [home], hold: 200ms}
flowspec: []
feeds:
  - {router: r1, feed: bmp, silent_after: 2s, lost_after: 500ms}
"""
HOME, OTHER = peer_header(), peer_header("10.0.1.2")
WEB = prefix("192.0.2.50/32")
KILL = bytes([5, 1, 0, 4, 0x81, 0xB3])
DISCARD = ext("8006000000000000")
OPENING = initiation("r1") + peer_up(HOME) + peer_up(OTHER)
AT_HOME = monitoring(update(attributes=BASIC, nlri=WEB), HOME)
ELSEWHERE = monitoring(update(attributes=BASIC, nlri=WEB), OTHER)
NOT_ELSEWHERE = monitoring(update(withdrawn=WEB), OTHER)
KILL_SWITCH = monitoring(update(attributes=reach(1, 133, b"", KILL) + DISCARD), OTHER)
UNWATCHED = monitoring(update(attributes=BASIC, nlri=prefix("203.0.113.0/24")), HOME)


@pytest.fixture(scope="module")
def told_live(tmp_path_factory: pytest.TempPathFactory) -> tuple[Installation, str]:
    """An installation after a whole story, and what a replay answered while it ran."""
    folder = tmp_path_factory.mktemp("replay")
    here = Installation(folder)
    (folder / "intent.yaml").write_text(INTENT)
    meanwhile = live_story(here)
    assert meanwhile.returncode == 0, meanwhile.stderr
    return here, meanwhile.stdout


def until_told(here: Installation, words: str, times: int = 1) -> None:
    deadline = time.monotonic() + 60
    while here.log().count(words) < times:
        assert time.monotonic() < deadline, (words, here.log())
        time.sleep(0.02)


def live_story(here: Installation) -> subprocess.CompletedProcess[str]:
    """Everything that a watch may meet; answers a replay that asks it while it still runs."""
    with ExitStack() as connections:  # which end after the watch: its end is in the store then
        with here.running():
            with here.connect() as router:
                router.sendall(OPENING + AT_HOME + ELSEWHERE + KILL_SWITCH)
                until_told(here, "open flowspec_policy: KILL SWITCH")
                router.sendall(NOT_ELSEWHERE)
                until_told(here, "resolved dual_advertisement")
                until_told(here, "r1 has sent nothing over BMP")
                router.sendall(UNWATCHED)
                until_told(here, "resolved feed_blind: r1 is seen again")
            until_told(here, "r1 is not seen over BMP")
            router = connections.enter_context(here.connect())
            router.sendall(OPENING + AT_HOME + KILL_SWITCH + monitoring(update(), HOME))
            until_told(here, "resolved feed_blind: r1 is seen again", 2)
        with here.running() as process:  # the kill switch is gone: found after a gap
            router = connections.enter_context(here.connect())
            router.sendall(OPENING + AT_HOME + monitoring(update(), HOME))
            until_told(here, "resolved flowspec_policy")
            router.sendall(monitoring(update(withdrawn=WEB), HOME))
            until_told(here, "web (192.0.2.50/32) is gone everywhere")
            signs_of_life = here.folder / "anchorwatch-data/spool/feeds.json"
            told_at = time.time()
            while signs_of_life.stat().st_mtime < told_at:  # by which a kill is dated
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            process.wait(30)
        with here.running():
            router = connections.enter_context(here.connect())
            router.sendall(OPENING + AT_HOME + ELSEWHERE)
            until_told(here, "resolved unexpected_withdrawal")
            until_told(here, "open dual_advertisement", 2)
            return here.command("replay", "--intent", "intent.yaml")


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def told(transitions: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """But for what has the time of the watch's start, which the store does not know."""
    absent = {each["id"] for each in transitions if "must be seen and is not" in each["summary"]}
    names = ("id", "detector", "key", "state", "severity", "opened", "summary", "time")
    # When a watch stopped, the store knows by its last row; the watch itself to the moment.
    since = re.compile(r"between \S+ and")
    known = [
        {**each, "summary": since.sub("before", each["summary"])}
        for each in transitions
        if each["id"] not in absent
    ]
    return sorted(
        tuple(each[n] for n in names[: -1 if each["state"] == "unknown" else None])
        for each in known
    )


LIVE = """
SELECT id, detector, key, severity, state, summary, details, evidence,
       concat(replaceOne(toString(incidents.time), ' ', 'T'), 'Z') AS time,
       concat(replaceOne(toString(incidents.opened), ' ', 'T'), 'Z') AS opened
FROM incidents ORDER BY incidents.time
"""


def raised_live(here: Installation) -> list[dict[str, Any]]:
    return lines(here.command("sql", LIVE, "--format", "jsonl").stdout)


def test_the_store_tells_the_same_incidents_as_the_watch_did(
    told_live: tuple[Installation, str],
) -> None:
    here, meanwhile = told_live
    done = here.command("replay", "--store", "anchorwatch.yaml")
    assert done.returncode == 0, done.stderr
    again, live = lines(done.stdout), raised_live(here)
    assert told(again) == told(live)
    detectors = {each["detector"] for each in again}
    expected = {"dual_advertisement", "feed_blind", "flowspec_policy", "unexpected_withdrawal"}
    assert detectors == expected
    # The running watch, asked through its endpoint, tells what is in the store by then.
    assert set(told(lines(meanwhile))) <= set(told(live))
    assert {each["detector"] for each in lines(meanwhile)} == expected


def test_a_part_of_the_history_is_told_as_it_was(told_live: tuple[Installation, str]) -> None:
    here, _ = told_live
    again = lines(here.command("replay", "--store", "anchorwatch.yaml").stdout)
    since, until = again[3]["time"], again[7]["time"]
    words = ("replay", "--store", "anchorwatch.yaml", "--from", since, "--to", until)
    part = lines(here.command(*words).stdout)
    assert part == [each for each in again if since <= each["time"] <= until]
    assert len(part) >= 5


def test_evidence_from_the_store_has_raw_bytes_but_for_routes(
    told_live: tuple[Installation, str],
) -> None:
    here, _ = told_live
    live = {(each["id"], each["time"]): each for each in raised_live(here)}
    compared = []
    for each in lines(here.command("replay", "--intent", "intent.yaml").stdout):
        known = live.get((each["id"], each["time"]), {"evidence": "[]"})
        for event, original in zip(each["evidence"], json.loads(known["evidence"]), strict=False):
            is_route = event["kind"] in ("announce", "withdraw") and "rule" not in event
            raw = original.pop("raw", None)
            assert event.pop("raw", None) == (None if is_route else raw)
            assert event == original
            compared.append((is_route, raw is not None))
    assert {(True, True), (False, True)} <= set(compared)


def test_another_intent_tells_what_it_would_change(told_live: tuple[Installation, str]) -> None:
    here, _ = told_live
    lenient = INTENT.replace("flowspec: []\n", "").replace("home: [home]", "home: [home, other]")
    (here.folder / "lenient.yaml").write_text(lenient)
    words = ("replay", "--store", "anchorwatch.yaml", "--against", "lenient.yaml")
    done = here.command(*words)
    assert done.returncode == 0, done.stderr
    found = lines(done.stdout)
    gone = [each["incident"]["detector"] for each in found if each["raised_by"] == "intent"]
    assert gone.count("flowspec_policy") == 1
    assert gone.count("dual_advertisement") == 2
    assert "lenient.yaml" in done.stderr
    same = here.command("replay", "--store", "anchorwatch.yaml", "--against", "intent.yaml")
    assert same.stdout == ""
    assert same.stderr.endswith(
        "0 only by the first, 0 only by the second, 0 by both and not the same\n"
    )
