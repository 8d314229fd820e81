"""Sends what the outbox holds: in order, again after a failure, each receiver on its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence

from detectors.incidents import Incident
from detectors.pagers.base import PageError, Pager
from detectors.pagers.outbox import Outbox

log = logging.getLogger(__name__)

OnSent = Callable[[str, Incident], None]


class Delivery:
    """One task for each pager, so that one that is down does not hold up the others."""

    def __init__(
        self,
        outbox: Outbox,
        pagers: Sequence[Pager],
        *,
        first_wait: float = 1.0,
        longest_wait: float = 60.0,
        on_sent: OnSent | None = None,
    ) -> None:
        """Send from `outbox`; wait between `first_wait` and `longest_wait` seconds to try again.

        `on_sent` is told of each page that a receiver has accepted.
        """
        self.sent: Counter[str] = Counter()
        """Pages accepted, by pager."""
        self.failed: Counter[tuple[str, str]] = Counter()
        """Attempts that failed, by pager and what became of the page: `retried` or `dropped`."""
        self.last_error: dict[str, str] = {}
        """Why the last attempt of a pager failed; absent once one has succeeded."""
        self._outbox = outbox
        self._pagers = tuple(pagers)
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._on_sent = on_sent
        self._wakers = {pager.name: asyncio.Event() for pager in pagers}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def pagers(self) -> list[str]:
        """The names of the pagers."""
        return [pager.name for pager in self._pagers]

    def start(self) -> None:
        """Begin to send what is pending."""
        self._tasks = [asyncio.create_task(self._serve(pager)) for pager in self._pagers]

    def wake(self) -> None:
        """Say that something new is in the outbox."""
        for waker in self._wakers.values():
            waker.set()

    async def stop(self, grace: float = 2.0) -> None:
        """Let what can be sent go out for `grace` seconds, then stop; the rest stays recorded."""
        for _ in range(int(grace / 0.02)):
            if not any(self._outbox.pending(n) and n not in self.last_error for n in self.pagers):
                break
            await asyncio.sleep(0.02)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pager in self._pagers:
            await pager.close()

    async def _serve(self, pager: Pager) -> None:
        waker = self._wakers[pager.name]
        wait = self._first_wait
        repeated = time.monotonic()
        while True:
            waker.clear()
            if await self._send_pending(pager):
                wait = self._first_wait
                if pager.repeat_every is not None and time.monotonic() >= (
                    repeated + pager.repeat_every
                ):
                    repeated = time.monotonic()
                    await self._repeat(pager)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pager.repeat_every):
                        await waker.wait()
            else:
                # Jitter, so that receivers that fail together are not tried together.
                await asyncio.sleep(wait * random.uniform(0.75, 1.0))  # noqa: S311
                wait = min(2 * wait, self._longest_wait)

    async def _send_pending(self, pager: Pager) -> bool:
        """Send all that is pending; False where the receiver must be tried again later."""
        while (page := self._outbox.next_page(pager.name)) is not None:
            number, incident = page
            try:
                await pager.send(incident)
            except PageError as error:
                self.last_error[pager.name] = str(error)
                if error.retry:
                    self.failed[pager.name, "retried"] += 1
                    log.warning("page to %s failed, trying again: %s", pager.name, error)
                    return False
                self.failed[pager.name, "dropped"] += 1
                log.error("page to %s refused, incident %s: %s", pager.name, incident.id, error)
            else:
                self.last_error.pop(pager.name, None)
                self.sent[pager.name] += 1
                if self._on_sent is not None:
                    self._on_sent(pager.name, incident)
            self._outbox.done(number)
        return True

    async def _repeat(self, pager: Pager) -> None:
        """Tell a receiver that forgets of what is open; the next round makes good a failure."""
        for incident in self._outbox.open_incidents():
            try:
                await pager.send(incident)
            except PageError as error:
                self.last_error[pager.name] = str(error)
                log.warning("cannot repeat incident %s to %s: %s", incident.id, pager.name, error)
                return
        self.last_error.pop(pager.name, None)
