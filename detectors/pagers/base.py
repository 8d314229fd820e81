"""What a pager is: one method that tells one receiver of one transition."""

from __future__ import annotations

from typing import Any, Protocol

import httpx

from detectors.incidents import Incident

TIMEOUT = 5.0
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


async def post(client: httpx.AsyncClient, url: str, body: Any, headers: dict[str, str]) -> None:
    """POST a JSON body. Raises PageError, which never holds a header or a token.

    Of the URL it holds only who is asked: names, paths and queries of webhooks are secrets often.
    """
    asked = httpx.URL(url)
    where = f"{asked.scheme}://{asked.netloc.decode()}"
    try:
        answer = await client.post(url, json=body, headers=headers)
    except httpx.LocalProtocolError:
        # Its text quotes the header that is at fault, and so the token: not even as a cause.
        raise PageError(f"{where}: the request cannot be written as HTTP", retry=False) from None
    except httpx.HTTPError as error:
        detail = str(error) or type(error).__name__
        raise PageError(f"{where}: {detail}", retry=True) from error
    if answer.is_success:
        return
    retry = answer.status_code >= 500 or answer.status_code in TRY_AGAIN
    words = answer.text.strip()[:200]
    raise PageError(f"{where}: status {answer.status_code} {words}".rstrip(), retry=retry)
