"""What a pager is: one method that tells one receiver of one transition."""

from __future__ import annotations

from typing import Any, Protocol

import httpx

from detectors.incidents import Incident

TIMEOUT = 5.0
TRY_AGAIN = (408, 425, 429)
"""Client errors that say "later", not "never" (RFC 9110, RFC 8470, RFC 6585)."""
NOT_NOW = (401, 403, 407)
"""Those of a token that is being replaced; so is a redirect, to where one logs in."""
HOUR = 3600.0
"""Seconds for which it may be that."""


class PageError(Exception):
    """A page that was not accepted.

    `retry` says whether trying again can help, and `within` until when at most, in seconds since
    the page was due; None is for ever.
    """

    def __init__(self, message: str, *, retry: bool, within: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry = retry
        self.within = within


class Pager(Protocol):
    """One receiver. Order, retry and durability are the delivery's business."""

    name: str
    repeat_every: float | None
    """Seconds after which the receiver must hear of an open incident again, if it must."""

    async def send(self, incident: Incident) -> None:
        """Tell of one transition. Raises PageError."""

    async def close(self) -> None:
        """Give up the connections."""


def bearer(token: str | None, whose: str) -> dict[str, str]:
    """The header that shows a token, where there is one.

    Raises ValueError where it cannot stand in a header, and says `whose` it is.
    """
    if token is not None and not (token.isascii() and token.isprintable()):
        raise ValueError(f"the token of {whose} holds characters other than ASCII text")
    return {"Authorization": f"Bearer {token}"} if token else {}


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
    status = answer.status_code
    not_now = answer.is_redirect or status in NOT_NOW
    retry = not_now or status >= 500 or status in TRY_AGAIN
    # It goes into logs and terminals, which must not obey it.
    words = "".join(each if each.isprintable() else " " for each in answer.text[:200]).strip()
    message = f"{where}: status {status} {words}".rstrip()
    raise PageError(message, retry=retry, within=HOUR if not_now else None)
