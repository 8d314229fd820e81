"""`kill -9` of a running watch at random moments under load: what was read is there, once.

The kernel says what the program had not read yet: the queue of its socket, and what the sender's
kernel still holds. All that is not there was read, and must be in the store afterwards, but for the
one read that was in hand.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import pytest

from collector.inputs.bmp import READ_SIZE
from collector.native import decoder_name
from tests.integration.installation import Installation
from tests.unit.wire.build import (
    BASIC,
    attribute,
    initiation,
    monitoring,
    peer_header,
    peer_up,
    prefix,
    update,
)

ROUNDS = int(os.environ.get("ANCHORWATCH_KILLS", "50"))
SEED = int(os.environ.get("ANCHORWATCH_SEED", "1"))
MESSAGES = 60_000
ROUTES = 8
WATCHED = 400
"""One message in so many is of a watched prefix, and goes the narrow way."""
LONGEST = 0.4
"""Seconds of load before a kill, at most."""


def message(number: int) -> bytes:
    """Its number is the MED of its routes."""
    attributes = BASIC + attribute(4, struct.pack("!I", number), 0x80)
    if number % WATCHED == 0:
        return monitoring(update(attributes=attributes, nlri=prefix("192.0.2.50/32")))
    base = number * ROUTES % (1 << 20)
    nlri = b"".join(b"\x20\x0b" + (base + n).to_bytes(3) for n in range(ROUTES))
    return monitoring(update(attributes=attributes, nlri=nlri), peer_header("10.0.9.9"))


class Sender(threading.Thread):
    """Sends as fast as it is taken; counts what the kernel took."""

    def __init__(self, connection: socket.socket, parts: Sequence[bytes]) -> None:
        super().__init__(daemon=True)
        self.sent = 0
        self._connection = connection
        self._parts = parts
        self._enough = threading.Event()
        connection.settimeout(0.02)

    def run(self) -> None:
        for part in self._parts:
            view = memoryview(part)
            while view and not self._enough.is_set():
                try:
                    taken = self._connection.send(view)
                except TimeoutError:
                    continue
                self.sent += taken
                view = view[taken:]
            if self._enough.is_set():
                return

    def stop(self) -> None:
        self._enough.set()
        self.join(10)


def unread(connection: socket.socket) -> int:
    """Octets that the receiver has not read yet: those in its queue, and those not there yet."""
    own = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0]
    here, there = connection.getsockname(), connection.getpeername()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = [int(field.split(":")[1], 16) for field in fields[1:3]]
        if ports == [there[1], here[1]]:
            return int(own) + int(fields[4].split(":")[1], 16)
    raise AssertionError("the receiver's socket is not there")


class Killing:
    """One installation that is killed again and again."""

    def __init__(self, here: Installation) -> None:
        self.here = here
        self.chance = random.Random(SEED)
        self.messages = [message(number) for number in range(MESSAGES)]
        self.ends = list(accumulate(len(each) for each in self.messages))
        joined = b"".join(self.messages)
        self.parts = [joined[at : at + (1 << 16)] for at in range(0, len(joined), 1 << 16)]
        self.read: dict[str, int] = {}
        """Octets of messages that were certainly read, by round."""

    def round(self, number: int) -> None:
        name = f"round{number}"
        opening = initiation(name) + peer_up() + peer_up(peer_header("10.0.9.9"))
        with self.here.running() as process, self.here.connect() as connection:
            connection.sendall(opening)
            sender = Sender(connection, self.parts)
            sender.start()
            time.sleep(self.chance.uniform(0, LONGEST))
            process.send_signal(signal.SIGSTOP)  # a moment that can be looked at
            try:
                sender.stop()
                self.read[name] = sender.sent - unread(connection)
            finally:
                process.kill()
                process.wait(10)

    def messages_of(self, octets: int) -> int:
        """How many messages are whole in so many octets."""
        return sum(end <= octets for end in self.ends)


COUNT = """
import json, sys
from pathlib import Path
from collector.store.embedded import EmbeddedStore
store = EmbeddedStore(Path(sys.argv[1]), create=False)
sql = '''
SELECT router, count() AS rows, uniqExact(med) AS messages, max(med) AS last,
       uniqExact(med, address, length) AS different
FROM routes WHERE router LIKE 'round%' GROUP BY router ORDER BY router'''
print(json.dumps(store.query(sql).to_pylist()))
sql = '''
SELECT router, countIf(kind = 'feed-up') AS ups, countIf(kind = 'feed-down') AS downs
FROM sessions WHERE kind IN ('feed-up', 'feed-down') GROUP BY router, router_address, epoch'''
print(json.dumps(store.query(sql).to_pylist()))
store.close()
"""


@pytest.fixture
def killing(tmp_path: Path) -> Killing:
    return Killing(Installation(tmp_path))


@pytest.mark.timeout(1200)
def test_nothing_that_was_read_is_lost_or_doubled(killing: Killing) -> None:
    for number in range(ROUNDS):
        killing.round(number)
    here = killing.here
    with here.running():
        here.metric("anchorwatch_spool_segments", 0, within=600)
    assert "Traceback" not in here.log()
    done = subprocess.run(
        [sys.executable, "-c", COUNT, str(here.folder / "anchorwatch-data" / "store")],
        capture_output=True,
        text=True,
        check=True,
    )
    rows, feeds = done.stdout.splitlines()
    for row in json.loads(feeds):
        assert row["downs"] == 1, row
        # Killed after it was noted and before it was kept, a feed is known by its end only.
        assert row["ups"] <= 1, row
    stored = {row["router"]: row for row in json.loads(rows)}
    hand = READ_SIZE[decoder_name()]
    total = 0
    for name, read in killing.read.items():
        row = stored.get(name, {"rows": 0, "messages": 0, "last": -1, "different": 0})
        count = row["messages"]
        assert row["last"] == count - 1, f"{name}: a gap"
        assert row["rows"] == row["different"], f"{name}: doubled"
        watched = (count + WATCHED - 1) // WATCHED
        assert row["rows"] == (count - watched) * ROUTES + watched, f"{name}: part of a message"
        assert count >= killing.messages_of(read - hand), f"{name}: read, and not stored"
        total += count
    print(f"{total} messages of {ROUNDS} killed runs are there once")
    assert total > ROUNDS * 100
