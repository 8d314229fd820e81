"""`/api/v1/incidents`, `/rib`, `/history`, `/diff`: what the store tells, and what is too new."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pyarrow as pa
from starlette.requests import Request

from anchorwatch.board.live import Live
from anchorwatch.board.now import Item
from anchorwatch.board.past import Past
from anchorwatch.board.stories import cursor_of, evidence_values, incidents, story_of
from anchorwatch.pictures.lanes import site_of
from anchorwatch.web.api.answers import MOST, RefusedError, limit_of, one_of, page_by_place
from collector.event import FOREVER, rfc3339
from collector.store.backend import Reader
from collector.store.differences import diff_rows, flowspec_diff_rows
from collector.store.history import timeline_of
from collector.store.moments import (
    moment_of_incident,
    names_incident,
    parse_moment,
)
from collector.store.rib import rib_rows
from collector.store.timeline import Timeline

CURSOR = "^([0-9]{1,19})-([0-9a-f]{1,16})$"
"""Where a page of incidents begins: when the last one of the page before opened, and its id."""
MOST_ROUTES = 10_000
"""Routes or differences that are looked at."""


class PastTime:
    """The handlers."""

    def __init__(self, live: Live, past: Past) -> None:
        self._live = live
        self._past = past

    async def incidents(self, request: Request) -> Any:
        """A page of incidents, the newest first."""
        limit = limit_of(request)
        state = one_of(request, "state", ("all", "open"))
        before = cursor(request)
        if state == "open":
            items = [item for item in self._live.now.incidents() if cursor_of(item) < before]
            items.sort(key=cursor_of, reverse=True)
        else:
            items = await incidents(self._live, self._past, limit + 1, before)
        more = {}
        if len(items) > limit:
            opened, identity = cursor_of(items[limit - 1])
            more = {"next": f"{opened}-{identity}"}
        return {"items": items[:limit], **more}

    async def incident(self, request: Request) -> Any:
        """One incident with its evidence."""
        identity = request.path_params["id"]
        story = await story_of(self._live, self._past, identity)
        if story is None:
            raise RefusedError(404, f"there is no incident {identity!r}")
        return evidence_values(story.evidence)

    async def rib(self, request: Request) -> Any:
        """The routes of a prefix at a moment."""
        prefix = _needed(request, "prefix")
        at = request.query_params.get("at", "now")
        told = await asked(
            self._past, lambda store: self.rib_of(store, prefix, past_moment_of(store, at))
        )
        told["routes"], more = page_by_place(told["routes"], request, MOST)
        return {**told, **more}

    async def history(self, request: Request) -> Any:
        """Who advertised a prefix when."""
        prefix = _needed(request, "prefix")

        def ask(store: Reader) -> Item:
            since = _since_or_until(request, store, "since")
            until = _since_or_until(request, store, "until")
            if until is not None:
                until = min(until, time.time_ns())  # nobody knows what is to come
                if since is not None and since > until:
                    raise ValueError("since is later than until: turn them round")
            drawn = self.timeline(store, prefix, since, until)
            return {
                "prefix": prefix,
                "since": rfc3339(drawn.since),
                "until": rfc3339(drawn.until),
                "spans": rows_of(drawn.table()),
            }

        told = await asked(self._past, ask)
        told["spans"], more = page_by_place(told["spans"], request, MOST)
        return {**told, **more}

    async def diff(self, request: Request) -> Any:
        """What was gained, lost and changed between two moments."""
        begin, end = _needed(request, "from"), request.query_params.get("to", "now")
        prefix, router = (request.query_params.get(name) for name in ("prefix", "router"))
        of_rules = one_of(request, "flowspec", ("false", "true")) == "true"
        if of_rules and prefix:
            raise RefusedError(400, "flowspec=true takes no prefix: it compares all rules")
        if not (of_rules or prefix):  # whole tables would be too much for the watch
            raise RefusedError(400, "say which prefix, or flowspec=true")

        def ask(store: Reader) -> Item:
            before, after = past_moment_of(store, begin), past_moment_of(store, end)
            if before > after:
                raise ValueError("from is later than to: turn them round")
            if of_rules:
                rows = flowspec_diff_rows(store, before, after, router=router)
            else:
                rows = diff_rows(store, before, after, [prefix or ""], router=router)
            return {
                "from": rfc3339(before),
                "to": rfc3339(after),
                "differences": rows_of(rows.slice(0, MOST_ROUTES)),
            }

        told = await asked(self._past, ask)
        told["differences"], more = page_by_place(told["differences"], request, MOST)
        return {**told, **more}

    def rib_of(self, store: Reader, prefix: str, at: int) -> Item:
        """The routes of a prefix at a moment (ns), with their sites. Raises ValueError."""
        intent = self._live.now.engine.intent
        rows = rows_of(rib_rows(store, at, prefix=prefix).slice(0, MOST_ROUTES))
        return {
            "prefix": prefix,
            "at": rfc3339(at),
            "routes": [{"site": site_of(intent, row), **row} for row in rows],
        }

    def timeline(
        self, store: Reader, prefix: str, since: int | None = None, until: int | None = None
    ) -> Timeline:
        """Who advertised a prefix when, between two moments (ns). Raises ValueError."""
        intent = self._live.now.engine.intent
        return timeline_of(
            store,
            prefix,
            since=since,
            until=until,
            now=time.time_ns(),
            place_of=lambda row: site_of(intent, row),
        )


async def asked(past: Past, ask: Callable[[Reader], Item]) -> Item:
    """What a function answers of the store; a question that is not right is refused."""
    try:
        return await past.ask(ask)
    except ValueError as error:
        raise RefusedError(400, str(error)) from error


def _since_or_until(request: Request, store: Reader, name: str) -> int | None:
    text = request.query_params.get(name)
    return None if text is None else moment_of(store, text)


def moment_of(store: Reader, text: str) -> int:
    """A moment as ns, as the command line takes it. Raises ValueError."""
    if names_incident(text):
        return moment_of_incident(store, text)
    return parse_moment(text, time.time_ns())


def past_moment_of(store: Reader, text: str) -> int:
    """One of which something can be known. Raises ValueError."""
    at = moment_of(store, text)
    # An incident has opened, whatever a clock that was set back says.
    if at > time.time_ns() and ("+" in text or not names_incident(text)):
        raise ValueError(f"{rfc3339(at)} is yet to come")
    return at


def _needed(request: Request, name: str) -> str:
    value = request.query_params.get(name)
    if not value:
        raise RefusedError(400, f"{name} is needed")
    return value


def cursor(request: Request) -> tuple[int, str]:
    """Where a page of incidents begins. Raises RefusedError."""
    text = request.query_params.get("after")
    if text is None:
        return FOREVER, ""
    found = re.fullmatch(CURSOR, text)
    if found is None:
        raise RefusedError(400, "after must be the `next` of another answer")
    return min(int(found[1]), FOREVER), found[2]


def rows_of(table: pa.Table) -> list[Item]:
    """Rows as JSON values, without what is empty."""
    return [
        {name: _value(value) for name, value in row.items() if value not in (None, "", [])}
        for row in table.to_pylist()
    ]


def _value(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    from pandas import Timestamp  # noqa: PLC0415 - slow to load, and this one pyarrow has loaded

    return rfc3339(Timestamp(value).value)
