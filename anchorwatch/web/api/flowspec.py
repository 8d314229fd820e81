"""`/api/v1/flowspec`: the rules that are held now, those of a moment, and one that may be gone."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from starlette.requests import Request

from anchorwatch.board.items import Item
from anchorwatch.board.live import Live
from anchorwatch.board.now import rule_id
from anchorwatch.board.past import Past
from anchorwatch.web.api.answers import MOST, RefusedError, one_of, page, page_by_place
from anchorwatch.web.api.past import asked, past_moment_of, rows_of
from anchorwatch.web.api.present import STATES, of_state
from collector.event import rfc3339
from collector.store.backend import Reader
from collector.store.differences import actions_in_words
from collector.store.rules import flowspec_rows, rule_called
from detectors.explain import Explained, actions_of, explain
from detectors.route import FlowspecRule, Route, RouteKey

GONE = "gone"


class Flowspec:
    """The handlers."""

    def __init__(self, live: Live, past: Past) -> None:
        self._live = live
        self._past = past

    async def rules(self, request: Request) -> Any:
        """A page of the rules that routers hold, or held at a moment."""
        at = request.query_params.get("at")
        if at is None:
            return page(of_state(self._live.now.rules(), request), request)
        if one_of(request, "state", STATES) != STATES[0]:
            raise RefusedError(400, "state is of now: it does not go with at")
        told = await asked(self._past, lambda store: _at(store, past_moment_of(store, at)))
        told["items"], more = page_by_place(told["items"], request, MOST)
        return {**told, **more}

    async def rule(self, request: Request) -> Any:
        """One rule, with what every policy says of it; also one that is gone."""
        identity = request.path_params["id"]
        found = self._live.now.rule(identity)
        if found is not None:
            rule, item = found
            return {**item, **_values(self._of_now(rule))}
        gone = await self._gone(identity)
        if gone is None:
            raise RefusedError(404, f"no Flowspec rule with the id {identity!r} was ever seen")
        return gone

    def _of_now(self, rule: FlowspecRule) -> Explained | None:
        """What every policy says of a rule that is held; None where it has just gone."""
        engine = self._live.now.engine
        seen = [route for _, route in engine.routes.of_rule(rule)]
        seen.sort(key=lambda route: route.stale)
        if not seen:
            return None
        return explain(engine.intent, seen[0], seen, engine.routes.feeds)

    async def _gone(self, identity: str) -> Item | None:
        event = await self._past.ask(lambda store: rule_called(store, identity))
        if event is None or rule_id(event.family or "", event.rd, event.rule or "") != identity:
            return None
        engine = self._live.now.engine
        rule = FlowspecRule(event.family or "", event.rd, event.rule or "")
        route = Route(RouteKey.of(event), rule, event, event.received, stale=True)
        return {
            "id": identity,
            "family": rule.family,
            **({"rd": rule.rd} if rule.rd is not None else {}),
            "rule": rule.rule,
            "actions": actions_of(event, [route]),
            "since": rfc3339(event.received),
            "seen_at": [],
            "state": GONE,
            "why": "No router holds it now.",
            "incidents": [],
            **_values(explain(engine.intent, route, [route], engine.routes.feeds)),
        }


def _at(store: Reader, at: int) -> Item:
    rows = rows_of(flowspec_rows(store, at))
    items = [
        {
            "id": rule_id(row["family"], row.get("rd"), row["rule"]),
            **row,
            "actions": actions_in_words(row.get("actions", "")),
        }
        for row in rows
    ]
    return {"at": rfc3339(at), "items": items}


def _values(explained: Explained | None) -> Item:
    if explained is None:
        return {}
    values = asdict(explained)
    told = {name: values[name] for name in ("example", "unreadable", "protected", "policies")}
    return {name: value for name, value in told.items() if value}
