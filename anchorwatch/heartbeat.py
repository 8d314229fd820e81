"""A dead man's switch: a word to somebody else, again and again, as long as pages can go out.

Whoever gets it raises the alarm when it stops coming: no watch can page that it is gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any

import httpx
from pydantic import AfterValidator

from detectors.intent.values import Duration
from detectors.pagers.base import TIMEOUT, PageError, bearer, post
from detectors.pagers.factory import Receiver

log = logging.getLogger(__name__)

OUTCOMES = ("sent", "failed", "withheld")
SECOND = 1_000_000_000


def _not_too_often(every: int) -> int:
    if every < SECOND:
        raise ValueError("a heartbeat comes once a second at most")
    return every


class HeartbeatSettings(Receiver):
    """Who raises the alarm when nothing comes from us any more."""

    every: Annotated[Duration, AfterValidator(_not_too_often)] = 60 * SECOND
    """From one beat to the next, ns."""


class Heartbeat:
    """One POST every now and then, in the same loop as all judging: it stops where that does."""

    def __init__(
        self,
        settings: HeartbeatSettings,
        problems: Callable[[], list[str]],
        body: Callable[[], dict[str, Any]],
    ) -> None:
        """Nothing is sent before `start`. While there are problems, nothing is sent either.

        Raises OSError or ValueError where the token cannot be had.
        """
        self._url, self._every = settings.url, settings.every / 1e9
        self._headers = bearer(settings.token(), "the heartbeat")
        self._problems, self._body = problems, body
        self._client = httpx.AsyncClient(timeout=TIMEOUT)
        self._task: asyncio.Task[None] | None = None
        self._last = "sent"
        self.beats: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        """How often it was due, by what became of it."""

    def start(self) -> None:
        """Send the first one now, from within the event loop."""
        self._task = asyncio.create_task(self._beat(), name="heartbeat")

    async def close(self) -> None:
        """Send no more."""
        if self._task is not None:
            self._task.cancel()
        await self._client.aclose()

    async def _beat(self) -> None:
        while True:
            problems = self._problems()
            if problems:
                self._told("withheld", problems[0])
            else:
                await self._send()
            await asyncio.sleep(self._every)

    async def _send(self) -> None:
        try:
            await post(self._client, self._url, self._body(), self._headers)
        except PageError as error:
            self._told("failed", error.message)
        else:
            self._told("sent", "")

    def _told(self, outcome: str, why: str) -> None:
        self.beats[outcome] += 1
        if outcome != self._last:
            level = logging.INFO if outcome == "sent" else logging.WARNING
            log.log(level, "the heartbeat is %s%s", outcome, f": {why}" if why else " again")
        self._last = outcome
