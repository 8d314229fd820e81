"""A generic webhook: the incident as JSON, to whatever listens."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Generator

import httpx

from detectors.incidents import Incident
from detectors.pagers.base import TIMEOUT, bearer, post


class _Signed(httpx.Auth):
    """Signs the very octets that go out, so that a receiver can tell who sent them."""

    requires_request_body = True

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the signature."""
        digest = hmac.new(self._key, request.content, hashlib.sha256).hexdigest()
        request.headers["X-Anchorwatch-Signature"] = f"sha256={digest}"
        yield request


class WebhookPager:
    """One POST for each transition.

    `Idempotency-Key` is the same for every attempt at the same transition, and for no other, so
    that a receiver can tell a page that it has had before. With a signing key,
    `X-Anchorwatch-Signature` is `sha256=` and the HMAC-SHA256 of the body in hex.
    """

    repeat_every: float | None = None

    def __init__(
        self,
        url: str,
        name: str = "webhook",
        token: str | None = None,
        signing_key: str | None = None,
    ) -> None:
        """Raises ValueError where the token cannot stand in a header."""
        self.name = name
        self._url = url
        self._headers = bearer(token, f"pager {name!r}")
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT, auth=_Signed(signing_key) if signing_key else None
        )

    async def send(self, incident: Incident) -> None:
        """Send the incident's JSON object. Raises PageError."""
        # Two updates may be of one moment: what they say tells them apart.
        digest = hashlib.sha256(incident.to_json().encode()).hexdigest()[:16]
        key = f"{incident.id}-{incident.state}-{incident.time}-{digest}"
        headers = {**self._headers, "Idempotency-Key": key}
        await post(self._client, self._url, incident.to_dict(), headers)

    async def close(self) -> None:
        """Give up the connections."""
        await self._client.aclose()
