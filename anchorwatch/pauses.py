"""What would have the whole watch stand still for a while, made short.

Python looks for cycles of garbage among all objects that it has, and one thread lets others run
when it has computed for a while. Both would hold up a page.
"""

from __future__ import annotations

import gc
import sys
from typing import Any

SWITCH = 0.0005
"""Seconds that a thread which stores rows may compute while the one that judges waits for it."""
HOUR = 3600.0


class Pauses:
    """Looks among new objects alone for cycles of garbage, and once an hour among all."""

    def __init__(self, now: float) -> None:
        """Begin at `now` (seconds); what is there will stay, and is not looked through again."""
        sys.setswitchinterval(SWITCH)
        self._whole = now
        gc.collect()
        gc.freeze()
        gc.callbacks.append(self._collected)

    def tick(self, now: float) -> None:
        """Let the next look be a whole one when the last is an hour ago."""
        if now >= self._whole + HOUR:
            self._whole = now
            gc.unfreeze()
            gc.collect()

    def close(self) -> None:
        """Leave it to Python again."""
        gc.callbacks.remove(self._collected)
        gc.unfreeze()

    def _collected(self, phase: str, info: dict[str, Any]) -> None:
        """Whatever outlives a look among the old objects is likely to stay."""
        if phase == "stop" and info["generation"] == 2:
            gc.freeze()
