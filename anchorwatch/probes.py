"""Probes: what the intent wants of one prober, and how its results get to the watch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import httpx

from anchorwatch.errors import UserError
from collector.inputs.probes.intake import Expected
from collector.inputs.probes.prober import WAYS, Duty, Result
from collector.inputs.probes.report import MOST, encode, report_of
from detectors.documents import did_you_mean
from detectors.intent import Intent
from detectors.probes import Place, places_of

log = logging.getLogger(__name__)

PATH = "/api/v1/probes"
TIMEOUT = 10.0
"""Seconds for which the watch may take to answer."""


def duties_of(intent: Intent, prober: str) -> list[Duty]:
    """What this prober has to do; UserError where the intent wants nothing of it."""
    places = places_of(intent)
    duties = [_duty(place) for place in places if place.prober == prober]
    if not duties:
        names = sorted({place.prober for place in places})
        known = f"it has probes from {', '.join(names)}" if names else "it has no probe at all"
        hint = did_you_mean(prober, names)
        raise UserError(f"the intent has no probe from {prober!r}{hint}: {known}")
    return duties


def expected_probes(intent: Intent) -> Iterator[Expected]:
    """The results that may come, from whomever."""
    for place in places_of(intent):
        anycast = place.anycast
        yield Expected(place.prober, anycast.name, place.site, anycast.prefix, str(place.probe))


def _duty(place: Place) -> Duty:
    probe = place.probe
    way = next(name for name in WAYS if getattr(probe, name))
    return Duty(
        anycast=place.anycast.name,
        site=place.site,
        address=place.anycast.target,
        way=way,
        what=getattr(probe, way),
        every=probe.every / 1e9,
        timeout=probe.timeout / 1e9,
    )


class Poster:
    """Sends results to a watch, many at once where they come fast.

    What cannot be sent is dropped: how a service was is no news by the time the watch is back, and
    the watch tells of a silent prober by itself.
    """

    def __init__(self, prober: str, url: str, token: str | None) -> None:
        """Report as `prober` to the watch at `url` (`http://192.0.2.1:8480`)."""
        self._prober = prober
        self._url = url.rstrip("/") + PATH
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        self._client = httpx.AsyncClient(timeout=TIMEOUT, headers=headers, trust_env=False)
        self._waiting: asyncio.Queue[Result] = asyncio.Queue(MOST)
        self._task: asyncio.Task[None] | None = None
        self.error: str | None = None
        """Why the last report was not taken; None where it was."""

    def start(self) -> None:
        """Send from now on."""
        self._task = asyncio.create_task(self._run(), name="report probes")

    def put(self, result: Result) -> None:
        """Send this one with the next report; of too many the oldest is dropped."""
        if self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(result)

    async def close(self) -> None:
        """Stop; what waits is dropped."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._client.aclose()

    async def _run(self) -> None:
        while True:
            results = [await self._waiting.get()]
            while len(results) < MOST and not self._waiting.empty():
                results.append(self._waiting.get_nowait())
            self._note(await self._send(results))

    async def _send(self, results: list[Result]) -> str | None:
        body = encode(report_of(self._prober, results))
        try:
            answer = await self._client.post(
                self._url, content=body, headers={"Content-Type": "application/json"}
            )
        except httpx.HTTPError as error:
            return str(error) or type(error).__name__
        if answer.is_success:
            return None
        return f"HTTP status {answer.status_code}: {answer.text.strip()[:200]}"

    def _note(self, error: str | None) -> None:
        if error is not None and error != self.error:
            log.error("the watch at %s does not take results: %s", self._url, error)
        elif error is None and self.error is not None:
            log.info("the watch at %s takes results again", self._url)
        self.error = error
