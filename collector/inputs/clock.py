"""The time of receipt: never backwards, never standing still, whatever is done to the system's."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

SLOWER = 8
"""While it is ahead of the system's clock it loses one part in so many."""
STEP = 1_000_000_000
"""How far the system's clock must have been set back for somebody to be told, ns."""
BELIEVED = 86_400_000_000_000
"""An earlier run that ended further ahead than this (ns) had a wrong clock: it is left behind."""


class Clock:
    """Nanoseconds since 1970 UTC.

    Where the system's clock is set forward, this one follows at once. Where that is set back, this
    one goes on a little slower until the system's has caught up, so that what comes later is later
    and what was to be judged in five seconds is.
    """

    def __init__(
        self,
        *,
        not_before: int = 0,
        wall: Callable[[], int] = time.time_ns,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Begin at the system's time, or at `not_before` (ns): the end of an earlier run.

        Where that is more than a day ahead, it was the clock of that run that was wrong.
        """
        self._wall = wall
        self._steady = steady
        self._lock = threading.Lock()
        self._was = steady()
        self._now = 0
        self.ahead = 0
        """How far this clock is before the system's, ns: 0 where that was never set back."""
        self._look(not_before if not_before <= wall() + BELIEVED else 0)

    def __call__(self) -> int:
        """The time now, ns."""
        with self._lock:  # inputs have threads of their own: none may take another one back
            steady = self._steady()
            elapsed, self._was = steady - self._was, steady
            self._look(self._now + elapsed - elapsed // SLOWER)
            return self._now

    def _look(self, at_least: int) -> None:
        wall = self._wall()
        self._now = max(wall, at_least)
        ahead = self._now - wall
        if ahead >= STEP > self.ahead:
            log.warning(
                "the system's clock was set back by %.1f s: times of receipt go on without that",
                ahead / 1e9,
            )
        self.ahead = ahead
