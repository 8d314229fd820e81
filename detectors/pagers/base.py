"""What a pager is: one method that tells one receiver of one transition."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import httpx
import msgspec

from detectors.incidents import Incident

TIMEOUT = 5.0
"""Seconds for a whole attempt: a receiver that answers octet by octet is down, too."""
TRY_AGAIN = (408, 425, 429)
"""Client errors that say "later", not "never" (RFC 9110, RFC 8470, RFC 6585)."""


class PageError(Exception):
    """A page that was not accepted; `retry` says whether trying again can help."""

    def __init__(self, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.message = message
        self.retry = retry


class Pager(Protocol):
    """One receiver. Order, retry and durability are the delivery's business."""

    name: str
    repeat_every: float | None
    """Seconds after which the receiver must hear of an open incident again, if it must."""

    async def send(self, incident: Incident) -> None:
        """Tell of one transition. Raises PageError."""

    async def close(self) -> None:
        """Give up the connections."""


def to_json(body: Any) -> bytes:
    """The octets that `post` sends. What JSON has no word for (NaN) becomes null."""
    return msgspec.json.encode(body)


async def post(
    client: httpx.AsyncClient, url: str, body: bytes, headers: dict[str, str], seconds: float
) -> None:
    """POST JSON. Raises PageError, which holds no header and of the URL only who is asked.

    Paths and queries of webhooks are often secrets themselves, and errors are logged and shown.
    """
    headers = {**headers, "Content-Type": "application/json"}
    where = httpx.URL(url)
    shown = f"{where.scheme}://{where.netloc.decode()}"
    try:
        # httpx' own time-out begins again with every octet that arrives.
        async with asyncio.timeout(seconds):
            answer = await client.post(url, content=body, headers=headers)
    except TimeoutError as error:
        raise PageError(f"{shown}: no answer in {seconds:g} s", retry=True) from error
    except httpx.LocalProtocolError:
        # Its text quotes the header that is at fault, and so the token: not even as a cause.
        raise PageError(f"{shown}: the request cannot be written as HTTP", retry=False) from None
    except httpx.HTTPError as error:
        detail = str(error) or type(error).__name__
        raise PageError(f"{shown}: {detail}", retry=True) from error
    if answer.is_success:
        return
    retry = answer.status_code >= 500 or answer.status_code in TRY_AGAIN
    words = answer.text.strip()[:200]
    raise PageError(f"{shown}: status {answer.status_code} {words}".rstrip(), retry=retry)
