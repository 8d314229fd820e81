"""Findings that end only once their cause was away for a while, so that what flaps is one incident.

Opening is never held back: only the word that all is well again waits.
"""

from __future__ import annotations

from dataclasses import replace

from detectors.base import Status, Verdict

STEADY = 5_000_000_000
"""How long all must be well before it is told, ns: as long as a service's `hold` by default."""


class Steady:
    """The findings of one rule that were told, and since when they are over."""

    def __init__(self) -> None:
        self._told: dict[str, Verdict] = {}
        self._well: dict[str, int] = {}

    def __call__(self, key: str, verdict: Verdict, now: int) -> Verdict:
        """The verdict itself, or the last finding as long as it is not over for long enough."""
        if verdict.status is Status.VIOLATED:
            self._told[key] = verdict
        last = self._told.get(key)
        if verdict.status is not Status.FINE or last is None:
            self._well.pop(key, None)
            return verdict
        since = self._well.setdefault(key, now)
        if now < since + STEADY:
            return replace(last, again=since + STEADY)
        self.forget(key)
        return verdict

    def forget(self, key: str) -> None:
        """Hold nothing back of this one."""
        self._told.pop(key, None)
        self._well.pop(key, None)
