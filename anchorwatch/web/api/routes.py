"""The table of the API's routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from anchorwatch.board.items import Item
from anchorwatch.board.live import Live
from anchorwatch.board.past import Past
from anchorwatch.web.api.answers import MOST, answering
from anchorwatch.web.api.endpoint import BY_PLACE, PATH, Endpoint, Parameter, paged
from anchorwatch.web.api.flowspec import Flowspec
from anchorwatch.web.api.openapi import document
from anchorwatch.web.api.past import CURSOR, PastTime
from anchorwatch.web.api.present import STATES, Present
from anchorwatch.web.api.schemas import TEXT, YES
from anchorwatch.web.api.stream import Shown, stream_endpoint

_MOMENT = "RFC 3339, `-10m`, `now`, or an incident's id (also `ID+30s`)"
_PREFIX = Parameter(
    "prefix",
    "a prefix, or an address",
    {**TEXT, "minLength": 1},
    required=True,
    example="192.0.2.50/32",
)
_AFTER = {**TEXT, "pattern": CURSOR}
_STATE = Parameter("state", "only these", {"type": "string", "enum": list(STATES)})


def _moment(name: str) -> Parameter:
    return Parameter(name, _MOMENT, TEXT, example="-10m")


def endpoints(live: Live, past: Past) -> tuple[Endpoint, ...]:
    """All that is answered in JSON."""
    now, then, of_rules = Present(live), PastTime(live, past), Flowspec(live, past)
    which = Parameter("state", "only these", {"type": "string", "enum": ["all", "open"]})
    return (
        Endpoint("/board", now.board, "all that the board shows", "Board"),
        Endpoint(
            "/incidents",
            then.incidents,
            "incidents, the newest first",
            "Incidents",
            (which, *paged(_AFTER)),
            (400, 503),
        ),
        Endpoint(
            "/incidents/{id}",
            then.incident,
            "one incident with its evidence and the messages around it",
            "IncidentWithEvidence",
            may_fail=(404, 503),
        ),
        *_addresses("services", now.services, now.service),
        *_addresses("anycast", now.anycast, now.one_anycast),
        Endpoint(
            "/flowspec",
            of_rules.rules,
            "the Flowspec rules that routers hold now, or held at a moment",
            "RulesNowOrThen",
            (_STATE, _moment("at"), *paged()),
            (400, 503),
        ),
        Endpoint(
            "/flowspec/{id}",
            of_rules.rule,
            "one rule, also one that is gone, and what each policy says of it",
            "Rule",
            may_fail=(404, 503),
        ),
        Endpoint("/feeds", now.feeds, "the feeds", "Feeds", paged(), (400,)),
        Endpoint(
            "/rib",
            then.rib,
            "the routes of a prefix at a moment",
            "Rib",
            (_PREFIX, _moment("at"), *paged(BY_PLACE, MOST)),
            (400, 503),
        ),
        Endpoint(
            "/history",
            then.history,
            "who advertised a prefix when",
            "History",
            (
                _PREFIX,
                _moment("since"),
                _moment("until"),
                *paged(BY_PLACE, MOST),
            ),
            (400, 503),
        ),
        Endpoint(
            "/diff",
            then.diff,
            "what was gained, lost and changed between two moments",
            "Differences",
            (
                replace(_moment("from"), required=True),
                _moment("to"),
                replace(_PREFIX, required=False),
                Parameter("router", "the name of one router", TEXT),
                Parameter("flowspec", "Flowspec rules, not routes of a prefix", YES),
                *paged(BY_PLACE, MOST),
            ),
            (400, 503),
        ),
    )


def _addresses(name: str, every: Any, one: Any) -> tuple[Endpoint, Endpoint]:
    words = {"services": "services", "anycast": "anycast addresses"}[name]
    summary = f"{words}, who advertises them now, and what is wrong"
    path = f"/{name}/{{name:path}}"
    return (
        Endpoint(f"/{name}", every, summary, "Addresses", (_STATE, *paged()), (400,)),
        Endpoint(path, one, f"one of the {words}", "Address", may_fail=(404,)),
    )


def status_endpoint(status: Callable[[], Item]) -> Endpoint:
    """How the watch itself is."""

    async def answer(_: Request) -> Any:
        return status()

    return Endpoint("/status", answer, "how the watch is", "Status")


def api_routes(
    live: Live, past: Past, html: Shown, more: Iterable[Endpoint] = (), *, secured: bool = False
) -> list[BaseRoute]:
    """The routes; `html` shows the board's items to its own page, `more` is answered too.

    `secured` says whether the server asks for a token.
    """
    table = (*endpoints(live, past), *more)
    whole = document(table, secured=secured)

    async def openapi(_: Request) -> Any:
        return whole

    return [
        *(each.route() for each in table),
        Route(f"{PATH}/stream", stream_endpoint(live, html)),
        Route(f"{PATH}/openapi.json", answering(openapi)),
    ]
