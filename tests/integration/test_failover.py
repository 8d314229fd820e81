"""A watch that is killed while a withdrawal is within its budget still tells who stays behind."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from tests import waiting
from tests.integration.installation import Installation
from tests.unit.wire.build import (
    BASIC,
    initiation,
    monitoring,
    peer_header,
    peer_up,
    prefix,
    update,
)

INTENT = """
version: 1
sites:
  home: {match: [{next_hop: 10.0.0.1}]}
services:
  - {name: web, prefix: 192.0.2.50/32, home: [home], failover: 6s}
"""
HOME, FAR = peer_header(), peer_header("10.0.1.2")
WEB = prefix("192.0.2.50/32")
OPENING = initiation("r1") + peer_up(HOME) + peer_up(FAR)
ENDINGS = monitoring(update(), HOME) + monitoring(update(), FAR)
AT_HOME, FAR_AWAY = (monitoring(update(attributes=BASIC, nlri=WEB), peer) for peer in (HOME, FAR))
TOLD = "SELECT id, state, summary FROM incidents WHERE detector = 'failover' ORDER BY time"


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_kill_within_the_budget_loses_no_finding(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    (here.folder / "intent.yaml").write_text(INTENT)
    kept = here.folder / "anchorwatch-data" / "unfinished.json"

    def said(words: str) -> None:
        waiting.until(lambda: words in here.log(), words, 60, here.log)

    with here.running() as process, here.connect() as router:
        router.sendall(OPENING + AT_HOME + FAR_AWAY + ENDINGS)
        router.sendall(monitoring(update(withdrawn=WEB), HOME))
        waiting.until(lambda: kept.exists() and lines(kept.read_text())[0], "kept", 60, here.log)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    with here.running(), here.connect() as router:
        router.sendall(OPENING + FAR_AWAY + ENDINGS)
        said("open failover: home withdrew web (192.0.2.50/32)")
        waiting.until(lambda: kept.read_text() == "[]", "told, and kept no more", 60, here.log)
        router.sendall(monitoring(update(withdrawn=WEB), FAR))
        said("resolved failover")
    told = lines(here.command("sql", TOLD, "--format", "jsonl").stdout)
    assert [each["state"] for each in told] == ["open", "resolved"]
    assert "6 s later r1 still sends its traffic there" in told[0]["summary"]
    replayed = lines(here.command("replay", "--store", "anchorwatch.yaml").stdout)
    again = [each for each in replayed if each["detector"] == "failover"]
    assert [{name: each[name] for name in told[0]} for each in again] == told
