"""Sends what the outbox holds: in order, again after a failure, each receiver on its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence

from detectors.incidents import Incident
from detectors.pagers.base import PageError, Pager
from detectors.pagers.outbox import Outbox, OutboxError
from detectors.pagers.patience import DOWN, Patience

log = logging.getLogger(__name__)

PATIENCE = 15.0
"""Seconds for a whole attempt. A pager's own time-outs may begin again with every octet."""

LEAST = 0.001
"""Seconds: no wait is shorter, so that no defect can make a busy loop."""

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
        """Why a pager failed the last time; absent once all that failed was taken."""
        self.failing_since: dict[str, float] = {}
        """When (Unix time) a pager began to fail; absent like `last_error`."""
        self._begun = time.time()
        self._outbox = outbox
        self._pagers = tuple(pagers)
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._patience = {p.name: Patience(first_wait, longest_wait) for p in pagers}
        self._unheard: dict[str, set[str]] = {pager.name: set() for pager in pagers}
        """By pager, open incidents that it did not take when they were last told again."""
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
                if not any(self._may_go_out(pager) for pager in self._pagers):
                    break
                await asyncio.sleep(0.02)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pager in self._pagers:
            await pager.close()

    def _may_go_out(self, pager: Pager) -> bool:
        patience = self._patience[pager.name]
        if patience.message is None and pager.name in self.last_error:
            return False
        return not patience.down and self._next(pager) is not None

    async def _serve(self, pager: Pager) -> None:
        waker = self._wakers[pager.name]
        wait = self._first_wait
        repeated = time.monotonic()
        while True:
            waker.clear()
            try:
                await self._send_pending(pager)
                due = repeated + (pager.repeat_every or float("inf"))
                if not self._patience[pager.name].down and time.monotonic() >= due:
                    repeated = time.monotonic()
                    await self._repeat(pager)
            except OutboxError as error:  # a full disk, say: must not end the task
                log.error("pages to %s are held up: %s", pager.name, error)
                self._failed(pager, str(error))
                await self._pause(pager, wait)
                wait = min(2 * wait, self._longest_wait)
            else:
                wait = self._first_wait
                await self._rest(pager, repeated + (pager.repeat_every or float("inf")))

    async def _rest(self, pager: Pager, repeat: float) -> None:
        """Wait for what is new or due; while the receiver is down, for its time alone."""
        patience = self._patience[pager.name]
        due = patience.next_due if patience.next_due is not None else float("inf")
        if patience.down:
            await self._pause(pager, due - time.monotonic())
            return
        until = min(due, repeat)
        seconds = max(LEAST, until - time.monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if seconds == float("inf") else seconds):
                await self._wakers[pager.name].wait()

    async def _pause(self, pager: Pager, seconds: float) -> None:
        """Wait before trying again; only a kill switch that is new ends it early, and once."""
        waker = self._wakers[pager.name]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(LEAST, seconds)):
                while not self._urgent(pager):
                    waker.clear()
                    await waker.wait()

    def _urgent(self, pager: Pager) -> bool:
        try:
            return self._outbox.last_kill_switch(pager.name) > self._known.get(pager.name, 0)
        except OutboxError:
            return False

    async def _send_pending(self, pager: Pager) -> None:
        """Send all that may be sent now; of a receiver that is down, try one page."""
        urgent = self._urgent(pager)
        self._known[pager.name] = self._outbox.last_kill_switch(pager.name)
        if pager.name in self._settled:
            self._strike_out(pager)
            self._succeeded(pager)  # what failed was the file, which takes this now
        patience = self._patience[pager.name]
        page = (self._kill_switch(pager) if urgent else None) or self._next(pager)
        while page is not None:
            self._known[pager.name] = self._outbox.last_kill_switch(pager.name)
            if not await self._try(pager, *page) and patience.down:
                return
            page = self._next(pager)

    def _next(self, pager: Pager) -> tuple[int, Incident] | None:
        """What to send next; while the receiver is down, what was not tried for the longest."""
        patience = self._patience[pager.name]
        if not patience.down:
            return self._outbox.next_page(pager.name, patience.waiting(time.monotonic()))
        tried = patience.tried
        for known in (tried, tried[1:]):
            page = self._outbox.next_page(pager.name, known)
            if page is not None:
                return page
        return None

    def _kill_switch(self, pager: Pager) -> tuple[int, Incident] | None:
        """The kill switch to try at once: a new one first, and last one that is always refused."""
        patience = self._patience[pager.name]
        for known in (patience.tried, patience.odd, ()):
            page = self._outbox.next_page(pager.name, known, kill_switch=True)
            if page is not None:
                return page
        return None

    async def _try(self, pager: Pager, number: int, incident: Incident) -> bool:
        """Send one page; False where it is to be tried again later."""
        patience = self._patience[pager.name]
        try:
            await self._attempt(pager, incident)
        except PageError as error:
            self._failed(pager, error.message)
            if error.retry and not self._is_over(error, incident):
                patience.failed(incident.id, error.message, time.monotonic())
                self.failed[pager.name, "retried"] += 1
                log.warning("page to %s failed, trying again: %s", pager.name, error)
                return False
            patience.dropped(incident.id)
            self.failed[pager.name, "dropped"] += 1
            log.error("page to %s refused, incident %s: %s", pager.name, incident.id, error)
        else:
            patience.accepted(incident.id)
            self._succeeded(pager)
            self.sent[pager.name] += 1
            if self._on_sent is not None:
                self._on_sent(pager.name, incident)
        self._settled[pager.name] = number
        self._strike_out(pager)
        return True

    def _is_over(self, error: PageError, incident: Incident) -> bool:
        """Whether it was tried for as long as such an error may last."""
        due = max(self._begun, incident.time / 1e9)
        return error.within is not None and time.time() - due >= error.within

    def _strike_out(self, pager: Pager) -> None:
        """Forget what was settled; where the file refuses, later, without sending it twice."""
        self._outbox.done(self._settled[pager.name])
        del self._settled[pager.name]

    async def _repeat(self, pager: Pager) -> None:
        """Tell a receiver that forgets of what is open.

        News goes before repetition, so that a long list or a slow receiver delays no page.
        """
        error: PageError | None = None
        failed = 0
        told: set[str] = set()
        waiting = self._to_repeat(pager, told)
        while waiting and failed < DOWN:
            if self._next(pager) is not None:
                await self._send_pending(pager)
                if self._patience[pager.name].down:
                    return
                # Read again: to tell of what has just resolved would open it anew.
                waiting = self._to_repeat(pager, told)
                continue
            incident = waiting.pop(0)
            told.add(incident.id)
            unheard = self._unheard[pager.name]
            unheard.discard(incident.id)
            try:
                await self._attempt(pager, incident)
            except PageError as refused:  # this one only; the others must be heard
                error = refused
                self._failed(pager, error.message)
                log.warning("cannot repeat incident %s to %s: %s", incident.id, pager.name, error)
                if error.retry:
                    failed += 1
                    unheard.add(incident.id)
        if error is None:
            self._succeeded(pager)
        else:
            self._failed(pager, error.message)

    def _to_repeat(self, pager: Pager, told: set[str]) -> list[Incident]:
        """What is open and not `told`; at the end what was not taken the last time.

        What an incident's own pages have yet to tell comes in their order, and not from here.
        """
        tried, unheard = self._patience[pager.name].tried, self._unheard[pager.name]
        found = self._outbox.open_incidents()
        unheard &= {each.id for each in found}
        left = [each for each in found if each.id not in told and each.id not in tried]
        return sorted(left, key=lambda each: each.id in unheard)

    def _failed(self, pager: Pager, message: str) -> None:
        self.last_error[pager.name] = message
        self.failing_since.setdefault(pager.name, time.time())

    def _succeeded(self, pager: Pager) -> None:
        still = self._patience[pager.name].message
        if still is not None:  # another page, which this receiver does not take
            self._failed(pager, still)
            return
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
