"""Runs probes: each in its own time, none in step with the others, not too many at once."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from collector.inputs.probes import dns, http, icmp, tcp
from collector.inputs.probes.base import CannotProbe, ProbeFailed

log = logging.getLogger(__name__)

Way = Callable[[str, object, float], Awaitable[None]]
WAYS: Mapping[str, Way] = {"tcp": tcp.ask, "http": http.ask, "dns": dns.ask, "icmp": icmp.ask}
"""Every way to ask, by its key in the intent."""
AT_ONCE = 32
"""Probes that are under way at the same time; a further one waits for its turn."""
JITTER = 0.1
"""Each pause is up to this share longer or shorter, so that probers do not come in step."""
GRACE = 1.0
"""Seconds after its timeout at which a probe that does not end is ended."""


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing to ask, again and again."""

    anycast: str
    site: str | None
    """The site that this prober is at; None where it is elsewhere."""
    address: str
    way: str
    """A key of `WAYS`."""
    what: object
    """Port, URL, path, name or nothing, by the way."""
    every: float
    """Seconds."""
    timeout: float
    """Seconds."""

    def __str__(self) -> str:
        what = "" if self.way == "icmp" else f" {self.what}"
        return f"{self.anycast}{f' at {self.site}' if self.site else ''}: {self.way}{what}"


@dataclass(frozen=True, slots=True)
class Result:
    """What one probe found."""

    duty: Duty
    time: int
    """When it began, ns."""
    seconds: float
    """How long it took."""
    reason: str | None = None
    """Why the service is not well; None where it is."""


async def probe(duty: Duty) -> Result:
    """Ask once. Raises CannotProbe where that says nothing of the service."""
    began, clock = time.time_ns(), time.perf_counter()
    reason = None
    try:
        async with asyncio.timeout(duty.timeout + GRACE):
            await WAYS[duty.way](duty.address, duty.what, duty.timeout)
    except ProbeFailed as error:
        reason = str(error) or "no reason given"
    except TimeoutError:
        reason = f"no answer within {duty.timeout:g} s"
    return Result(duty, began, time.perf_counter() - clock, reason)


class Prober:
    """Carries out duties until it is stopped, and hands each result on."""

    def __init__(
        self,
        duties: Iterable[Duty],
        on_result: Callable[[Result], None],
        *,
        at_once: int = AT_ONCE,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`chance` gives numbers from 0 up to 1, for the jitter."""
        self._duties = tuple(duties)
        self._on_result = on_result
        self._turn = asyncio.Semaphore(at_once)
        self._chance = chance
        self._tasks: list[asyncio.Task[None]] = []
        self.cannot: dict[str, str] = {}
        """Duties that this prober is not able to carry out, and why."""

    def start(self) -> None:
        """Probe from now on."""
        self._tasks = [
            asyncio.create_task(self._carry_out(duty), name=f"probe {duty}")
            for duty in self._duties
        ]

    async def close(self) -> None:
        """Stop; what is under way is given up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry_out(self, duty: Duty) -> None:
        await asyncio.sleep(duty.every * self._chance())
        while True:
            began = time.monotonic()
            async with self._turn:
                await self._once(duty)
            pause = duty.every * (1 + JITTER * (2 * self._chance() - 1))
            await asyncio.sleep(max(0.0, began + pause - time.monotonic()))

    async def _once(self, duty: Duty) -> None:
        try:
            self._on_result(await probe(duty))
        except CannotProbe as error:
            self._cannot(duty, str(error))
        except Exception as error:  # noqa: BLE001 - a defect must be told, not end the duty
            self._cannot(duty, f"a fault of anchorwatch: {error!r}", error)
        else:
            self.cannot.pop(str(duty), None)

    def _cannot(self, duty: Duty, why: str, fault: Exception | None = None) -> None:
        if self.cannot.get(str(duty)) != why:  # once, not each time
            log.error("cannot probe %s: %s", duty, why, exc_info=fault)
        self.cannot[str(duty)] = why
