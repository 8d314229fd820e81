"""The page of a prefix: who advertises it and did when, and its routes at any moment."""

from __future__ import annotations

import shlex
from ipaddress import ip_network

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from anchorwatch.board.live import Live
from anchorwatch.board.now import Item, incident_item
from anchorwatch.board.past import Past
from anchorwatch.pictures.scale import clock
from anchorwatch.web.api.answers import MOST, RefusedError
from anchorwatch.web.api.past import PastTime, past_moment_of
from anchorwatch.web.pages.grafana import Grafana
from anchorwatch.web.pages.render import Html, pictures
from collector.store.backend import Reader, StoreError
from collector.store.sight import blind_rows
from collector.store.span import ends_of
from collector.store.timeline import Timeline


class PrefixPages:
    """The handlers; `store` is how commands name the store."""

    def __init__(self, live: Live, past: Past, html: Html, store: str, grafana: Grafana) -> None:
        self._live = live
        self._past = past
        self._time = PastTime(live, past)
        self._html = html
        self._grafana = grafana
        self._at = f"--store {shlex.quote(store)}"

    async def one(self, request: Request) -> Response:
        """One prefix."""
        prefix = _prefix(request)
        at = request.query_params.get("at", "now")
        known = [*self._live.now.services(), *self._live.now.anycast()]
        open_ = self._live.now.open()

        def ask(store: Reader) -> tuple[Timeline, Item]:
            return self._time.timeline(store, prefix), self._routes(store, prefix, at)

        timeline, routes = await self._past.ask(ask)
        return self._html.page(
            "prefix.html",
            here="",
            prefix=prefix,
            at=at,
            items=[item for item in known if item["prefix"] == prefix],
            incidents=[incident_item(i) for i in open_ if i.details.get("prefix") == prefix],
            pictures=pictures([timeline]) if timeline.lanes else [],
            span=_span(timeline, routes.get("ns")),
            grafana=self._grafana.prefix(prefix, timeline.since, timeline.until),
            commands=[
                (f"history {prefix} {self._at}", "every change of it"),
                (_rib(prefix, at, self._at), "the routes at that moment"),
            ],
            **routes,
        )

    async def rib(self, request: Request) -> Response:
        """The routes of a prefix at a moment: a part of its page, also where they are not known."""
        prefix, at = _prefix(request), request.query_params.get("at", "now")
        try:
            routes = await self._past.ask(lambda store: self._routes(store, prefix, at))
        except StoreError as error:
            why = f"The store does not answer: {error}"
            return self._html.page("rib.html", 503, **_unknown(why))
        return self._html.page("rib.html", **routes)

    def _routes(self, store: Reader, prefix: str, at: str) -> Item:
        try:
            moment = past_moment_of(store, at)
            found = self._time.rib_of(store, prefix, moment)["routes"]
        except ValueError as error:
            return _unknown(str(error))
        # Where nothing is found, any router may have had something that nobody saw.
        routers = {route["router"] for route in found} or None
        blind = blind_rows(store, moment - 1, moment, routers).to_pylist()
        blindness = [f"{each['router']} was not seen ({each['why']})" for each in blind]
        ends = None if found else ends_of(store)
        if ends is not None and moment < ends[0]:
            blindness = [f"Nothing was watched then: the store begins at {clock(ends[0])} UTC"]
        return {
            "fault": "",
            "routes": found[:MOST],
            "total": len(found),
            "shown": clock(moment),
            "blindness": list(dict.fromkeys(blindness)),
            "ns": moment,
        }


def _unknown(why: str) -> Item:
    """No answer, and why."""
    return {"fault": why, "routes": [], "total": 0, "shown": "", "blindness": []}


def _prefix(request: Request) -> str:
    text = request.path_params["prefix"]
    try:
        if "%" in text:  # a zone (RFC 4007) is of a host, not of a route, and may be any text
            raise ValueError("it has a zone")
        return str(ip_network(text, strict=False))
    except ValueError as error:
        raise RefusedError(404, f"{text!r} is no prefix: {error}") from error


def _rib(prefix: str, at: str, store: str) -> Markup:
    """A command whose moment follows the slider."""
    command = Markup("rib {} --at <span data-moment>{}</span> {}")
    return command.format(prefix, shlex.quote(at), store)


def _span(timeline: Timeline, at: int | None) -> Item | None:
    """Where the slider begins, ends and stands (of 1000)."""
    if not timeline.lanes or timeline.until <= timeline.since:
        return None
    at = timeline.until if at is None else at
    near = min(max(at, timeline.since), timeline.until)
    place = (near - timeline.since) * 1000 // (timeline.until - timeline.since)
    return {
        "since": timeline.since,
        "until": timeline.until,
        "place": place,
        "shown": clock(at),
    }
