"""`/api/v1/board`, `/services`, `/anycast`, `/flowspec` and `/feeds`: what stands now."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from starlette.requests import Request

from anchorwatch.board.live import Live
from anchorwatch.board.now import FINE, UNKNOWN, VIOLATED, Item
from anchorwatch.web.api.answers import RefusedError, one_of, page
from detectors.documents import did_you_mean
from detectors.explain import Explained, explain
from detectors.route import FlowspecRule

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
        return page(_of_state(self._live.now.services(), request), request)

    async def anycast(self, request: Request) -> Any:
        """A page of the anycast addresses."""
        return page(_of_state(self._live.now.anycast(), request), request)

    async def service(self, request: Request) -> Any:
        """One service."""
        return _named(self._live.now.services(), request.path_params["name"], "service")

    async def one_anycast(self, request: Request) -> Any:
        """One anycast address."""
        return _named(self._live.now.anycast(), request.path_params["name"], "anycast address")

    async def flowspec(self, request: Request) -> Any:
        """A page of the rules that routers hold."""
        return page(_of_state(self._live.now.rules(), request), request)

    async def rule(self, request: Request) -> Any:
        """One rule that is held now, with what every policy says of it."""
        identity = request.path_params["id"]
        found = self._live.now.rule(identity)
        if found is None:
            raise RefusedError(404, f"no router holds a Flowspec rule with the id {identity!r} now")
        rule, item = found
        return {**item, **_explained(self.explained(rule))}

    def explained(self, rule: FlowspecRule) -> Explained | None:
        """What every policy says of a rule that is held; None where it has just gone."""
        engine = self._live.now.engine
        seen = [route for _, route in engine.routes.of_rule(rule)]
        seen.sort(key=lambda route: route.stale)
        if not seen:
            return None
        return explain(engine.intent, seen[0], seen, engine.routes.feeds)

    async def feeds(self, request: Request) -> Any:
        """A page of the feeds."""
        return page(self._live.now.feeds(), request)


def _explained(explained: Explained | None) -> Item:
    if explained is None:
        return {}
    values = asdict(explained)
    told = {name: values[name] for name in ("example", "unreadable", "protected", "policies")}
    return {name: value for name, value in told.items() if value}


def _of_state(items: list[Item], request: Request) -> list[Item]:
    state = one_of(request, "state", STATES)
    return [item for item in items if state in ("all", item["state"])]


def _named(items: list[Item], name: str, what: str) -> Item:
    known = {item["name"]: item for item in items}
    if name not in known:
        raise RefusedError(404, f"the intent has no {what} {name!r}{did_you_mean(name, known)}")
    return known[name]
