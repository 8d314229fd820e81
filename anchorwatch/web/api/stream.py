"""`/api/v1/stream`: what changes on the board, as server-sent events.

Each event carries a number, one more than the last: who misses one asks for the whole state again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from anchorwatch.board.live import REFUSED, Board, Difference, Live
from anchorwatch.board.now import Item
from anchorwatch.web.api.answers import json_response
from collector.event import rfc3339

BEAT = 5.0
"""Seconds after which a stream that had nothing to tell says that it is still there."""


FRESH = 1.0
"""Seconds for which what was made for one listener does for all."""
Told = TypeVar("Told", Board, Difference)


class Shown(Protocol):
    """How the stream tells what is on the board."""

    def item(self, section: str, item: Item) -> Item:
        """An item of a section."""

    def head(self, counts: Mapping[str, Mapping[str, int]], problems: Sequence[str]) -> Item:
        """What is said of the whole."""


class Plain:
    """For programs: as the rest of the API."""

    def item(self, section: str, item: Item) -> Item:
        """The item."""
        del section
        return item

    def head(self, counts: Mapping[str, Mapping[str, int]], problems: Sequence[str]) -> Item:
        """The counts and the problems."""
        return {"counts": counts, "problems": list(problems)}


def stream_endpoint(live: Live, html: Shown) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint; `html` shows things as the board does, for `as=html`."""

    async def stream(request: Request) -> Response:
        shown = html if request.query_params.get("as") == "html" else Plain()
        # A browser that reconnects says what it knows; the board says so when it first asks.
        known = request.headers.get("last-event-id") or request.query_params.get("after", "")
        if live.is_full:
            live.counts[REFUSED] += 1
            return json_response({"error": "too many listen already: close some"}, 503)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        events = _events(live, known, shown)
        return StreamingResponse(events, headers=headers, media_type="text/event-stream")

    return stream


async def _events(live: Live, known: str, shown: Shown) -> AsyncIterator[bytes]:
    with live.listening() as listener:
        board = live.board()
        listener.waiting.clear()  # it is all in the board that is told now
        if known == f"{live.started}-{board.number}":
            yield _event(live, "beat", board.number, {"number": board.number})
        else:
            yield _event(live, "state", board.number, made_once(board, shown, _state))
        while not live.closed:
            try:
                await asyncio.wait_for(listener.woken.wait(), BEAT)
            except TimeoutError:
                yield _event(live, "beat", live.number, {"number": live.number})
                continue
            listener.woken.clear()
            if listener.lost:
                listener.lost = False
                board = live.board()
                listener.waiting.clear()
                yield _event(live, "state", board.number, made_once(board, shown, _state))
            while listener.waiting:
                difference = listener.waiting.popleft()
                values = made_once(difference, shown, _change)
                yield _event(live, "change", difference.number, values)


def _event(live: Live, kind: str, number: int, values: Item) -> bytes:
    # The time is for who counts down with a clock of its own, which may be another.
    data = msgspec.json.encode({"time": rfc3339(time.time_ns()), **values}).decode()
    return f"event: {kind}\nid: {live.started}-{number}\ndata: {data}\n\n".encode()


def made_once(told: Told, shown: Shown, make: Callable[[Told, Shown], Item]) -> Item:
    """What `make` makes of a board or a difference, made anew only where that was a while ago.

    However many look at the board: its pages are made in the one thread that also pages.
    """
    at, item = told.shown.get(type(shown), (-FRESH, {}))
    if time.monotonic() >= at + FRESH:
        at, item = told.shown[type(shown)] = time.monotonic(), make(told, shown)
    return item


def _state(board: Board, shown: Shown) -> Item:
    sections = {
        name: [shown.item(name, item) for item in items] for name, items in board.sections.items()
    }
    return {"number": board.number, **shown.head(board.counts, board.problems), **sections}


def _change(difference: Difference, shown: Shown) -> Item:
    put = {
        name: [{**shown.item(name, put.item), "after": put.after} for put in puts]
        for name, puts in difference.put.items()
    }
    head = shown.head(difference.counts, difference.problems)
    told = {"told": difference.told} if difference.told else {}
    return {"number": difference.number, **head, "put": put, "gone": difference.gone, **told}
