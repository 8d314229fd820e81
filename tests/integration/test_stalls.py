"""A watch that stood still, or that had no room to read: that is no silence of its routers."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

from tests.integration.installation import ROUTE, Installation
from tests.unit.wire.build import (
    bmp,
    initiation,
    monitoring,
    peer_header,
    peer_up,
    prefix,
    update,
)
from tests.waiting import until

SILENT = 3
"""Seconds after which a router counts as silent."""
STATISTICS = bmp(1, peer_header() + bytes(4))


def test_routers_are_not_silent_while_the_watch_stands_still(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    intent = tmp_path / "intent.yaml"
    intent.write_text(intent.read_text() + f"feeds: [{{router: r1, silent_after: {SILENT}s}}]\n")
    with here.running() as watch, here.connect() as router:
        router.sendall(initiation(name="r1") + peer_up() + ROUTE)
        done = threading.Event()

        def speaks() -> None:
            while not done.wait(0.3):
                router.sendall(STATISTICS)

        speaker = threading.Thread(target=speaks)
        speaker.start()
        try:
            here.metric("anchorwatch_feeds_blind", 0)
            for _ in range(3):
                time.sleep(1)
                watch.send_signal(signal.SIGSTOP)
                time.sleep(SILENT + 1)
                watch.send_signal(signal.SIGCONT)
            time.sleep(1)
            assert "has sent nothing" not in here.log()
        finally:
            done.set()
            speaker.join()
        # Who is silent indeed is told.
        until(lambda: "r1 has sent nothing over BMP" in here.log(), "it to be told", 60)


HOLD = 2
"""Seconds for which a service may be away."""


def test_what_came_while_the_watch_stood_still_is_read_before_time_is_judged(
    tmp_path: Path,
) -> None:
    """A machine that was paused finds its limits over, and the good news in its sockets."""
    here = Installation(tmp_path)
    intent = tmp_path / "intent.yaml"
    intent.write_text(intent.read_text().replace("hold: 5s", f"hold: {HOLD}s"))
    withdrawal = monitoring(update(withdrawn=prefix("192.0.2.50/32")))
    with here.running() as watch, here.connect() as router:
        router.sendall(initiation(name="r1") + peer_up() + ROUTE + monitoring(update()))
        here.metric("anchorwatch_feeds_blind", 0)
        for _ in range(3):
            router.sendall(withdrawal)
            time.sleep(HOLD / 4)
            watch.send_signal(signal.SIGSTOP)
            router.sendall(ROUTE)
            time.sleep(HOLD)
            watch.send_signal(signal.SIGCONT)
            time.sleep(HOLD)
            assert "unexpected_withdrawal" not in here.log()
        # Who stays away is told.
        router.sendall(withdrawal)
        time.sleep(HOLD / 4)
        watch.send_signal(signal.SIGSTOP)
        time.sleep(HOLD)
        watch.send_signal(signal.SIGCONT)
        until(lambda: "open unexpected_withdrawal" in here.log(), "it to be told")
