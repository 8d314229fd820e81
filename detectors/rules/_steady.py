"""Findings that end only once their cause was away for a while, so that what flaps is one incident.

Opening is never held back: only the word that all is well again waits.
"""

from __future__ import annotations

from dataclasses import replace

from detectors.base import UNKNOWN, Status, Verdict

STEADY = 5_000_000_000
"""How long all must be well before it is told, ns: as long as a service's `hold` by default."""


class Steady:
    """The findings of one rule that were told, and since when they are over."""

    def __init__(self) -> None:
        self._told: dict[str, Verdict] = {}
        self._well: dict[str, int] = {}
        self._unseen: set[str] = set()
        """What was not seen since it was told last: whether it still was so, nobody knows."""

    def __call__(self, key: str, verdict: Verdict, now: int) -> Verdict:
        """The verdict itself, or the last finding as long as it is not over for long enough."""
        if verdict.status is Status.VIOLATED:
            self._told[key] = verdict
            self._unseen.discard(key)
        last = self._told.get(key)
        if verdict.status is not Status.FINE or last is None:
            self._well.pop(key, None)
            if verdict.status is Status.UNKNOWN and last is not None:
                self._unseen.add(key)
            return verdict
        since = self._well.setdefault(key, now)
        if now < since + STEADY:
            return replace(UNKNOWN if key in self._unseen else last, again=since + STEADY)
        self.forget(key)
        return verdict

    def forget(self, key: str) -> None:
        """Hold nothing back of this one."""
        self._told.pop(key, None)
        self._well.pop(key, None)
        self._unseen.discard(key)
