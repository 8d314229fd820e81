"""How the API answers: in JSON, in pages of a list, and with a sentence where it cannot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from anchorwatch.board.now import Item
from collector.store.backend import StoreError

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Any]]
LIMIT, MOST = 100, 1000
"""Items of a page of a list, if nobody says it, and at most."""


class RefusedError(Exception):
    """One sentence for who asked, with the HTTP status."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def json_response(values: Any, status: int = 200) -> Response:
    """JSON, told as it is now and kept by nobody."""
    body = msgspec.json.encode(values)
    headers = {"cache-control": "no-store"}
    return Response(body, status, headers, media_type="application/json")


def answering(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """A route's endpoint: what the handler answers as JSON, or why it cannot."""

    async def endpoint(request: Request) -> Response:
        try:
            return json_response(await handler(request))
        except RefusedError as error:
            return json_response({"error": str(error)}, error.status)
        except StoreError as error:
            return json_response({"error": str(error)}, 503)

    return endpoint


def is_json(request: Request) -> bool:
    """Whether what is sent says that it is JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json"


def limit_of(request: Request, limit: int = LIMIT) -> int:
    """How many items are wanted, `limit` where nobody says it. Raises RefusedError."""
    text = request.query_params.get("limit", str(limit))
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= MOST):
        raise RefusedError(400, f"limit must be a number from 1 to {MOST}")
    return int(text)


def one_of(request: Request, name: str, words: Sequence[str]) -> str:
    """A parameter that is one of these words, the first where it is absent."""
    word = request.query_params.get(name, words[0])
    if word not in words:
        raise RefusedError(400, f"{name} must be {' or '.join(words)}")
    return word


def page(items: Sequence[Item], request: Request) -> Item:
    """A page of a list in the order of its ids; `next` is the `after` of the next page."""
    limit = limit_of(request)
    after = request.query_params.get("after", "")
    rest = [item for item in sorted(items, key=lambda item: item["id"]) if item["id"] > after]
    more = {"next": rest[limit - 1]["id"]} if len(rest) > limit else {}
    return {"items": rest[:limit], **more}


def page_by_place(
    items: Sequence[T], request: Request, limit: int = LIMIT
) -> tuple[Sequence[T], Item]:
    """A page of a list that keeps its order, and `next`, which says how many came before."""
    limit = limit_of(request, limit)
    text = request.query_params.get("after", "0")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise RefusedError(400, "after must be the `next` of another answer")
    end = int(text) + limit
    more = {"next": str(end)} if len(items) > end else {}
    return items[int(text) : end], more
