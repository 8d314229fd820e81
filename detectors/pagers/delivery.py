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
from detectors.pagers.outbox import Outbox, OutboxError

log = logging.getLogger(__name__)

PATIENCE = 15.0
"""Seconds for a whole attempt. A pager's own time-outs may begin again with every octet."""

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
        self.failing_since: dict[str, float] = {}
        """When (Unix time) a pager began to fail; absent once an attempt has succeeded."""
        self._outbox = outbox
        self._pagers = tuple(pagers)
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._on_sent = on_sent
        self._wakers = {pager.name: asyncio.Event() for pager in pagers}
        self._tasks: list[asyncio.Task[None]] = []
        self._settled: dict[str, int] = {}
        """By pager, the page that was accepted or refused but is not yet struck out."""
        self._known: dict[str, int] = {}
        """By pager, the latest kill switch that was there at the last attempt."""

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
        with contextlib.suppress(OutboxError):  # what cannot be read need not be waited for
            for _ in range(int(grace / 0.02)):
                if not any(
                    self._outbox.pending(n) and n not in self.last_error for n in self.pagers
                ):
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
            try:
                reached = await self._send_pending(pager)
                again = repeated + (pager.repeat_every or float("inf"))
                if reached and time.monotonic() >= again:
                    repeated = time.monotonic()
                    reached = await self._repeat(pager)
            except OutboxError as error:  # a full disk, say: must not end the task
                log.error("pages to %s are held up: %s", pager.name, error)
                self._failed(pager, str(error))
                reached = False
            if reached:
                wait = self._first_wait
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pager.repeat_every):
                        await waker.wait()
            else:
                # Jitter, so that receivers that fail together are not tried together.
                await self._pause(pager, wait * random.uniform(0.75, 1.0))  # noqa: S311
                wait = min(2 * wait, self._longest_wait)

    async def _pause(self, pager: Pager, seconds: float) -> None:
        """Wait before trying again; only a kill switch that is new ends it early, and once."""
        waker = self._wakers[pager.name]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._urgent(pager):
                    waker.clear()
                    await waker.wait()

    def _urgent(self, pager: Pager) -> bool:
        try:
            return self._outbox.last_kill_switch(pager.name) > self._known.get(pager.name, 0)
        except OutboxError:
            return False

    async def _send_pending(self, pager: Pager) -> bool:
        """Send all that is pending; False where the receiver must be tried again later."""
        self._known[pager.name] = self._outbox.last_kill_switch(pager.name)
        if pager.name in self._settled:
            self._strike_out(pager)
            self._succeeded(pager)  # what failed was the file, which takes this now
        while (page := self._outbox.next_page(pager.name)) is not None:
            number, incident = page
            self._known[pager.name] = self._outbox.last_kill_switch(pager.name)
            try:
                await self._attempt(pager, incident)
            except PageError as error:
                self._failed(pager, error.message)
                if error.retry:
                    self.failed[pager.name, "retried"] += 1
                    log.warning("page to %s failed, trying again: %s", pager.name, error)
                    return False
                self.failed[pager.name, "dropped"] += 1
                log.error("page to %s refused, incident %s: %s", pager.name, incident.id, error)
            else:
                self._succeeded(pager)
                self.sent[pager.name] += 1
                if self._on_sent is not None:
                    self._on_sent(pager.name, incident)
            self._settled[pager.name] = number
            self._strike_out(pager)
        return True

    def _strike_out(self, pager: Pager) -> None:
        """Forget what was settled; where the file refuses, later, without sending it twice."""
        self._outbox.done(self._settled[pager.name])
        del self._settled[pager.name]

    async def _repeat(self, pager: Pager) -> bool:
        """Tell a receiver that forgets of what is open; False where it must be tried again later.

        News goes before repetition, so that a long list or a slow receiver delays no page.
        """
        refused: str | None = None
        told: set[str] = set()
        waiting = self._outbox.open_incidents()
        while waiting:
            if self._outbox.pending(pager.name):
                if not await self._send_pending(pager):
                    return False
                # Read again: to tell of what has just resolved would open it anew.
                waiting = [i for i in self._outbox.open_incidents() if i.id not in told]
                continue
            incident = waiting.pop(0)
            told.add(incident.id)
            try:
                await self._attempt(pager, incident)
            except PageError as error:
                self._failed(pager, error.message)
                log.warning("cannot repeat incident %s to %s: %s", incident.id, pager.name, error)
                if error.retry:
                    return True  # all of them again in the next round
                refused = error.message  # this one only; the others must be heard
        if refused is None:
            self._succeeded(pager)
        else:
            self._failed(pager, refused)
        return True

    def _failed(self, pager: Pager, message: str) -> None:
        self.last_error[pager.name] = message
        self.failing_since.setdefault(pager.name, time.time())

    def _succeeded(self, pager: Pager) -> None:
        self.last_error.pop(pager.name, None)
        self.failing_since.pop(pager.name, None)

    async def _attempt(self, pager: Pager, incident: Incident) -> None:
        """Send. Raises PageError whatever goes wrong, so that a fault in a pager ends no task."""
        try:
            async with asyncio.timeout(PATIENCE):
                await pager.send(incident)
        except PageError:
            raise
        except TimeoutError as error:
            raise PageError(f"no answer in {PATIENCE:g} s", retry=True) from error
        except Exception as error:
            if pager.name not in self.last_error:  # the traceback once, not at every attempt
                log.exception("fault in pager %s, incident %s", pager.name, incident.id)
            raise PageError(f"fault in the pager: {type(error).__name__}", retry=True) from error
