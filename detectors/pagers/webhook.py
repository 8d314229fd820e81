"""A generic webhook: the incident as JSON, to whatever listens."""

from __future__ import annotations

import httpx

from detectors.incidents import Incident
from detectors.pagers.base import TIMEOUT, post


class WebhookPager:
    """One POST for each transition.

    `Idempotency-Key` is the same for every attempt at the same transition, so that a receiver can
    tell a page that it has had before.
    """

    repeat_every: float | None = None

    def __init__(self, url: str, name: str = "webhook", token: str | None = None) -> None:
        """Raises ValueError where the token cannot stand in a header."""
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ValueError(f"the token of pager {name!r} holds characters other than ASCII text")
        self.name = name
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.AsyncClient(timeout=TIMEOUT)

    async def send(self, incident: Incident) -> None:
        """Send the incident's JSON object. Raises PageError."""
        key = f"{incident.id}-{incident.state}-{incident.time}"
        headers = {**self._headers, "Idempotency-Key": key}
        await post(self._client, self._url, incident.to_dict(), headers)

    async def close(self) -> None:
        """Give up the connections."""
        await self._client.aclose()
