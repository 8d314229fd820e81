"""The handlers of the pages that a person looks at."""

from __future__ import annotations

import shlex
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from anchorwatch.board.live import Live
from anchorwatch.board.now import UNKNOWN, VIOLATED, Item, incident_item, rule_id
from anchorwatch.board.past import Past
from anchorwatch.board.stories import Story, cursor_of, incidents, story_of
from anchorwatch.pictures import story as told
from anchorwatch.pictures.lanes import marks_of
from anchorwatch.pictures.page import hex_lines
from anchorwatch.pictures.scale import clock, length
from anchorwatch.web.api.answers import RefusedError, limit_of, one_of
from anchorwatch.web.api.past import cursor
from anchorwatch.web.pages.grafana import Grafana
from anchorwatch.web.pages.proofs import proof
from anchorwatch.web.pages.render import Html, pictures
from collector.event import Event
from collector.store.backend import Reader, StoreError
from collector.store.rules import life_timeline, rule_called
from collector.store.timeline import Timeline
from detectors.explain import Explained, explain
from detectors.route import FlowspecRule, Route, RouteKey

AROUND = 200
"""Messages around an incident that its page shows."""
Handler = Callable[[Request], Awaitable[Response]]
_SCRIPTS = ("board.js", "lanes.js", "page.js", "slider.js", "stream.js", "times.js")
STATIC = {
    "board.css": "text/css",
    "anchor.svg": "image/svg+xml",
    **dict.fromkeys(_SCRIPTS, "text/javascript"),
}


class Pages:
    """The handlers; `store` and `config` are how commands name the store and the settings."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is a part of the watch that is asked
        self, live: Live, past: Past, html: Html, store: str, config: str, grafana: Grafana
    ) -> None:
        self._live = live
        self._past = past
        self._html = html
        self._grafana = grafana
        self._store = store
        self._config = config
        self._at = f"--store {shlex.quote(store)}"

    def handler(self, answer: Handler) -> Handler:
        """A page, or another one that says why it is not there."""

        async def page(request: Request) -> Response:
            try:
                return await answer(request)
            except RefusedError as error:
                title = "Not found" if error.status == 404 else "This cannot be answered"
                return self._sorry(title, str(error), error.status)
            except StoreError as error:
                return self._sorry("The store does not answer", str(error), 503)

        return page

    def _sorry(self, title: str, why: str, status: int) -> Response:
        return self._html.page("sorry.html", status, here="", title=title, why=why)

    async def board(self, _: Request) -> Response:
        """The live board."""
        board = self._live.board()
        return self._html.page("board.html", here="/", board=board, started=self._live.started)

    async def static(self, request: Request) -> Response:
        """A file that pages need."""
        name = request.path_params["name"]
        if name not in STATIC:
            raise RefusedError(404, f"there is no file {name!r}")
        file = resources.files("anchorwatch.web.pages").joinpath("static", name)
        headers = {"cache-control": "no-cache"}
        return Response(file.read_bytes(), headers=headers, media_type=STATIC[name])

    # Lists

    async def incidents(self, request: Request) -> Response:
        """Incidents, the newest first."""
        state = one_of(request, "state", ("all", "open"))
        limit, before = limit_of(request), cursor(request)
        if state == "open":
            items = [i for i in self._live.now.incidents() if cursor_of(i) < before]
            items.sort(key=cursor_of, reverse=True)
        else:
            items = await incidents(self._live, self._past, limit + 1, before)
        more = ""
        if len(items) > limit:
            opened, identity = cursor_of(items[limit - 1])
            query = {"state": state, "limit": limit, "after": f"{opened}-{identity}"}
            more = f"/incidents?{urlencode(query)}"
        choices = [("/incidents", "All", state == "all")]
        choices += [("/incidents?state=open", "Open", state == "open")]
        return self._list("incidents", "Incidents", items[:limit], choices, more)

    async def services(self, request: Request) -> Response:
        """All services."""
        return self._items(request, "services", "Services", self._live.now.services())

    async def anycast(self, request: Request) -> Response:
        """All anycast addresses."""
        return self._items(request, "anycast", "Anycast addresses", self._live.now.anycast())

    async def flowspec(self, request: Request) -> Response:
        """All Flowspec rules."""
        return self._items(request, "rules", "Flowspec rules", self._live.now.rules())

    def _items(self, request: Request, section: str, title: str, items: list[Item]) -> Response:
        path = request.url.path
        states = ("all", VIOLATED, UNKNOWN, "fine")
        state = one_of(request, "state", states)
        chosen = [item for item in items if state in ("all", item["state"])]
        text = request.query_params.get("from", "0")
        begin = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
        limit = limit_of(request)
        end = begin + limit
        query = urlencode({"state": state, "limit": limit, "from": end})
        more = f"{path}?{query}" if len(chosen) > end else ""
        choices = [(f"{path}?state={each}", each.capitalize(), each == state) for each in states]
        return self._list(section, title, chosen[begin:end], choices, more, here=path)

    def _list(  # noqa: PLR0913, PLR0917 - each is a part of the page
        self,
        section: str,
        title: str,
        items: Sequence[Item],
        choices: list[tuple[str, str, bool]],
        more: str,
        here: str = "/incidents",
    ) -> Response:
        return self._html.page(
            "list.html",
            here=here,
            section=section,
            title=title,
            items=items,
            choices=choices,
            next=more,
        )

    # One thing

    async def incident(self, request: Request) -> Response:
        """One incident."""
        identity = request.path_params["id"]
        number = self._live.board().number  # before the story: what comes after it is told
        story = await story_of(self._live, self._past, identity)
        if story is None:
            raise RefusedError(404, f"there is no incident {identity!r}")
        return self._html.page(
            "incident.html",
            here="",
            started=self._live.started,
            number=number,
            grafana=self._grafana.incident(story.evidence),
            **_incident(story, self._about(story)),
            commands=told.commands(story.evidence, self._store, self._config),
        )

    def _about(self, story: Story) -> list[tuple[str, str]]:
        """Links to its cutover, and to the rules that are held now and that it is about."""
        evidence, intent = story.evidence, self._live.now.engine.intent
        named = {each.name for each in intent.cutovers} & set(told.cutover_of(evidence))
        links = [(f"/cutovers/{quote(name, safe='')}", f"cutover {name}") for name in named]
        held = [rule for rule in self._live.now.rules() if evidence.id in rule["incidents"]]
        return [*links, *((f"/flowspec/{rule['id']}", rule["rule"]) for rule in held)]

    async def rule(self, request: Request) -> Response:
        """One Flowspec rule, also one that is gone."""
        identity = request.path_params["id"]
        known = await self._rule(identity)
        if known is None:
            raise RefusedError(404, f"no Flowspec rule with the id {identity!r} was ever seen")
        event = known.event
        rule = shlex.quote(event.rule or "")
        return self._html.page(
            "rule.html",
            here="",
            identity=identity,
            event=event,
            item=known.item,
            fault=known.fault,
            incidents=[
                incident_item(incident)
                for incident in self._live.now.open()
                if known.item is not None and incident.id in known.item["incidents"]
            ],
            components=list((event.components or {}).items()),
            explained=known.explained,
            judged=self._live.now.engine.intent.judges_flowspec,
            pictures=pictures([known.life]) if known.life else [],
            hex=hex_lines(event.raw) if event.raw else "",
            commands=[
                (f"flowspec --life {rule} {self._at}", "the life of the rule"),
                (f"flowspec --at now {self._at}", "all rules that are in force now"),
            ],
        )

    async def _rule(self, identity: str) -> _Known | None:
        intent, routes = self._live.now.engine.intent, self._live.now.engine.routes
        found = self._live.now.rule(identity)
        life, fault, event = None, "", None
        try:
            event, life = await self._past.ask(lambda store: _past_of(store, identity))
        except StoreError as error:
            if found is None:
                raise
            fault = str(error)
        if found is not None:
            rule, item = found
            seen = sorted((route for _, route in routes.of_rule(rule)), key=lambda r: r.stale)
            if seen:
                explained = explain(intent, seen[0], seen, routes.feeds)
                return _Known(seen[0].event, item, explained, life, fault)
        if event is None:
            return None
        rule = FlowspecRule(event.family or "", event.rd, event.rule or "")
        route = Route(RouteKey.of(event), rule, event, event.received, stale=True)
        return _Known(event, None, explain(intent, route, [route], routes.feeds), life, fault)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a rule."""

    event: Event
    item: Item | None
    explained: Explained
    life: Timeline | None
    fault: str


def _past_of(store: Reader, identity: str) -> tuple[Event | None, Timeline | None]:
    event = rule_called(store, identity) if identity else None
    if event is None or event.rule is None:
        return None, None
    # Other rules may have this one's text in theirs.
    drawn = life_timeline(store, event.rule, now=time.time_ns())
    lanes = tuple(
        lane for lane in drawn.lanes if lane.subject == event.rule and lane.rd == (event.rd or "")
    )
    return event, replace(drawn, lanes=lanes)


def _incident(story: Story, about: list[tuple[str, str]]) -> Item:
    evidence = story.evidence
    links = [(f"/prefix/{prefix}", prefix) for prefix in evidence.prefixes]
    named = {*evidence.rules}
    rules = {(e.family or "", e.rd, e.rule) for e in evidence.around if e.rule in named}
    links += [(f"/flowspec/{rule_id(*rule)}", rule[2]) for rule in sorted(rules, key=str)]
    return {
        "identity": evidence.id,
        "last": evidence.transitions[-1],
        "fault": story.fault,
        "sentences": list(told.sentences(evidence, live=story.live)),
        "blindness": list(told.blindness(evidence.blind)),
        "pictures": pictures([each for each in story.timelines if each.lanes], marks_of(evidence)),
        "proofs": [proof(event) for event in evidence.proof],
        "links": list(dict.fromkeys([*about, *links])),
        "around": len(evidence.around),
        "since": clock(evidence.since),
        "until": clock(evidence.until),
        "rows": [
            {"cells": _cells(event, evidence.opened), "proof": evidence.proves(event)}
            for event in evidence.nearest(evidence.around, AROUND)
        ],
    }


def _cells(event: Event, opened: int) -> list[str]:
    offset = event.received - opened
    sign = "−" if offset < 0 else "+"
    return [
        *(f"{sign}{length(abs(offset))}", clock(event.received), event.router),
        *(event.view or "", event.peer or "", event.kind, told.what(event)),
    ]
