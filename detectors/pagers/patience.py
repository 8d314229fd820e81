"""When a page that failed is tried again: it holds up no other, unless the receiver is down.

No clock and no I/O: times are arguments, in seconds.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

DOWN = 2
"""Incidents that fail, one after the other and none accepted between, that mean nobody is there."""


def _jitter() -> float:
    """So that receivers that fail together are not tried together."""
    return random.uniform(0.75, 1.0)  # noqa: S311 - no secret


@dataclass(slots=True)
class _Failure:
    message: str
    wait: float
    due: float
    passed: bool = False
    """Whether another incident was accepted since."""
    odd: bool = False
    """Whether it failed again although others were accepted: the fault is the page's own."""


class Patience:
    """What one receiver has not accepted, by incident."""

    def __init__(
        self, first_wait: float, longest_wait: float, jitter: Callable[[], float] = _jitter
    ) -> None:
        """Wait between these; `jitter` answers which part of a wait is waited for."""
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._jitter = jitter
        self._failures: dict[str, _Failure] = {}
        """The one that was tried last is the last."""
        self._doubt: set[str] = set()
        """Those that failed since one was accepted, and are not odd."""
        self._wait = first_wait
        self._until = 0.0

    @property
    def down(self) -> bool:
        """Whether the receiver takes nothing, as it seems; then it is asked for one at a time."""
        return len(self._doubt) >= DOWN

    @property
    def tried(self) -> list[str]:
        """What failed and still waits, the one that was tried last at the end."""
        return list(self._failures)

    @property
    def odd(self) -> set[str]:
        """What fails while others are accepted."""
        return {incident for incident, failure in self._failures.items() if failure.odd}

    @property
    def message(self) -> str | None:
        """Why the last of those that wait failed; None where none does."""
        return next((each.message for each in reversed(self._failures.values())), None)

    @property
    def next_due(self) -> float | None:
        """When something is to be tried again; None where nothing failed."""
        if self.down:
            return self._until
        return min((each.due for each in self._failures.values()), default=None)

    def waiting(self, now: float) -> set[str]:
        """What is not to be tried now, while the receiver takes others."""
        return {incident for incident, each in self._failures.items() if each.due > now}

    def failed(self, incident: str, message: str, now: float) -> None:
        """It is to be tried again."""
        before = self._failures.pop(incident, None)
        wait = self._next(before.wait) if before else self._first_wait
        odd = before is not None and (before.odd or before.passed)
        due = now + wait * self._jitter()
        self._failures[incident] = _Failure(message, wait, due, odd=odd)
        if odd:
            self._doubt.discard(incident)
            return
        self._doubt.add(incident)
        if self.down:
            self._until = now + self._wait * self._jitter()
            self._wait = self._next(self._wait)

    def accepted(self, incident: str) -> None:
        """It was taken, and so may others be."""
        back = self.down
        self._failures.pop(incident, None)
        self._doubt.clear()
        self._wait = self._first_wait
        for each in self._failures.values():
            each.passed = True
            if back and not each.odd:
                each.due = 0.0

    def dropped(self, incident: str) -> None:
        """It will never be taken."""
        self._failures.pop(incident, None)
        self._doubt.discard(incident)

    def _next(self, wait: float) -> float:
        return min(2 * wait, self._longest_wait)
