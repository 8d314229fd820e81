"""A watch that stood still, or that had no room to read: that is no silence of its routers."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

from tests.integration.installation import ROUTE, Installation
from tests.unit.wire.build import bmp, initiation, peer_header, peer_up
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
