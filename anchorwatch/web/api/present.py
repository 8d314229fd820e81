"""`/api/v1/board`, `/services`, `/anycast` and `/feeds`: what stands now."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from anchorwatch.board.live import Live
from anchorwatch.board.now import FINE, UNKNOWN, VIOLATED, Item
from anchorwatch.web.api.answers import RefusedError, one_of, page
from detectors.documents import did_you_mean

STATES = ("all", VIOLATED, UNKNOWN, FINE)


class Present:
    """The handlers."""

    def __init__(self, live: Live) -> None:
        self._live = live

    async def board(self, _: Request) -> Any:
        """All that the board shows, with its number."""
        return {"started": self._live.started, **self._live.board().values()}

    async def services(self, request: Request) -> Any:
        """A page of the services."""
        return page(of_state(self._live.now.services(), request), request)

    async def anycast(self, request: Request) -> Any:
        """A page of the anycast addresses."""
        return page(of_state(self._live.now.anycast(), request), request)

    async def service(self, request: Request) -> Any:
        """One service."""
        return _named(self._live.now.services(), request.path_params["name"], "service")

    async def one_anycast(self, request: Request) -> Any:
        """One anycast address."""
        return _named(self._live.now.anycast(), request.path_params["name"], "anycast address")

    async def feeds(self, request: Request) -> Any:
        """A page of the feeds."""
        return page(self._live.now.feeds(), request)


def of_state(items: list[Item], request: Request) -> list[Item]:
    """Those that have the state that is asked for. Raises RefusedError."""
    state = one_of(request, "state", STATES)
    return [item for item in items if state in ("all", item["state"])]


def _named(items: list[Item], name: str, what: str) -> Item:
    known = {item["name"]: item for item in items}
    if name not in known:
        raise RefusedError(404, f"the intent has no {what} {name!r}{did_you_mean(name, known)}")
    return known[name]
