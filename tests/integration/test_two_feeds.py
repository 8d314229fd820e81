"""One controller seen over BMP and over gRPC at the same time: what both show is the same."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.event import Event
from detectors.engine import Engine
from detectors.intent import parse_intent
from tests.conftest import unavailable
from tests.integration.gobgp import Pair, Watching
from tests.waiting import until

SECOND = 1_000_000_000
INTENT = """
version: 1
sites: {peer: {match: [{peer_as: 65002}]}, new: {match: [{next_hop: 192.0.2.9}]}}
services: [{name: web, prefix: 198.51.100.0/24, home: [peer, new], hold: 1h}]
feeds: [{router: ctl, settle: 10s, silent_after: 10h}]
"""
BMP = """
[[bmp-servers]]
[bmp-servers.config]
address = "127.0.0.1"
port = {port}
route-monitoring-policy = "all"
"""


@pytest.fixture
def events(tmp_path: Path) -> Iterator[list[Event]]:
    """What both feeds told of one history, in the order of receipt."""
    if shutil.which("gobgpd") is None:
        unavailable("needs the Debian package gobgpd")
    pair = Pair(tmp_path, families=("ipv4-unicast", "ipv4-flowspec"))
    watching = Watching(f"127.0.0.1:{pair.controller.api}")
    try:
        pair.start(more=BMP.format(port=watching.bmp_port))
        watching.start()
        watching.settled()
        pair.peer.run("global rib add 198.51.100.0/24 nexthop 192.0.2.1 med 10 community 65002:1")
        pair.peer.run(
            "global rib add -a ipv4-flowspec match destination 198.51.100.0/24 then discard"
        )
        pair.controller.run("global rib add 198.51.100.128/25 nexthop 192.0.2.9 med 7")
        pair.controller.run(
            "global rib add -a ipv4-flowspec match source 203.0.113.0/24 then rate-limit 1000"
        )
        pair.peer.run("global rib add 198.51.100.0/24 nexthop 192.0.2.1 med 20 community 65002:1")
        pair.controller.run(
            "global rib del -a ipv4-flowspec match source 203.0.113.0/24 then rate-limit 1000"
        )
        last = {"kind": "withdraw", "view": "loc-rib"}
        until(lambda: watching.seen.find(**last), "gRPC tells of the last step")
        until(lambda: watching.bmp.find(**last), "BMP tells of the last step")
        ended = {"reason": "initial tables complete"}
        until(lambda: watching.bmp.find(**ended), "BMP is complete")
        time.sleep(1)
        told = [*watching.seen.events, *watching.bmp.events]
        yield sorted(told, key=lambda event: (event.received, event.feed, event.sequence))
    finally:
        watching.close()
        pair.close()


def judged(events: list[Event]) -> list[str]:
    """The disputes that stand long after the history."""
    engine = Engine(parse_intent(INTENT))
    for event in events:
        engine.process(event)
    engine.advance(events[-1].received + 60 * SECOND)
    return [i.summary for i in engine.open_incidents if i.details.get("state") == "disagree"]


def test_both_feeds_of_a_real_controller_agree_and_what_one_lacks_is_told(
    events: list[Event],
) -> None:
    views = {(event.feed, event.view) for event in events if event.kind == "announce"}
    assert views >= {
        (feed, view) for feed in ("bmp", "gobgp") for view in ("adj-in-pre", "loc-rib")
    }
    assert judged(events) == []
    local = "198.51.100.128/25"
    without = [e for e in events if (e.feed, e.prefix) != ("bmp", local)]
    (summary,) = judged(without)
    assert "Two feeds of ctl disagree since " in summary
    assert (
        f"about {local}: BMP shows nothing, but gRPC shows loc-rib: next hop 192.0.2.9" in summary
    )
