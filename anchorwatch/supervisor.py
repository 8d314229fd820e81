"""Tells systemd that the watch is there, and that it still is (sd_notify(3))."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping

from anchorwatch.kept import Keeping

OFTEN = 10.0
"""Seconds between two words on how it goes, where nobody asks for them more often."""


class Supervisor:
    """Who started us and waits to hear of us: the socket `NOTIFY_SOCKET`, if there is one.

    With `WATCHDOG_USEC`, silence for so long (µs) is taken for a watch that hangs, and ended.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Speak to the socket that the environment names."""
        address = environment.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the NUL of an abstract socket.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        asked = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        within = int(asked) if ours and asked.isdecimal() else 0
        # Twice in the time, as sd_watchdog_enabled(3) advises.
        self._every = min(within / 2e6, OFTEN) if within else OFTEN
        self._due = 0.0
        self._telling = Keeping(OSError, "whoever supervises us cannot be told")

    def ready(self) -> None:
        """All that listens does."""
        self._say("READY=1")

    def alive(self, now: float, words: Callable[[], str]) -> None:
        """Say at `now` (seconds) that we are alive, when that is due, and how it goes."""
        if self._address and now >= self._due:
            self._due = now + self._every
            said = " ".join(words().split())  # a line is an assignment of its own
            self._say(f"WATCHDOG=1\nSTATUS={said}")

    def stopping(self) -> None:
        """The end is meant."""
        self._say("STOPPING=1")

    def _say(self, words: str) -> None:
        if not self._address:
            return
        with self._telling.attempt(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.setblocking(False)  # whoever does not listen holds up nothing
            to.sendto(words.encode(), self._address)
