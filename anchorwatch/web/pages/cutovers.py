"""The pages of cutovers: all of them, one, and the picture of one alone."""

from __future__ import annotations

import shlex
import time

from starlette.requests import Request
from starlette.responses import Response

from anchorwatch.board.cutovers import Cutovers
from anchorwatch.board.live import Live
from anchorwatch.board.now import Item
from anchorwatch.board.past import Past
from anchorwatch.board.stories import incidents
from anchorwatch.web.api.answers import RefusedError
from anchorwatch.web.pages.proofs import proof
from anchorwatch.web.pages.render import Html
from collector.event import FOREVER, parse_rfc3339, rfc3339
from collector.store.backend import StoreError
from detectors.documents import did_you_mean

MOST_INCIDENTS = 50
MOST_PROOFS = 24
"""Routes that a page shows in full."""


class CutoverPages:
    """The handlers."""

    def __init__(self, live: Live, past: Past, cutovers: Cutovers, html: Html) -> None:
        self._live = live
        self._past = past
        self._cutovers = cutovers
        self._html = html

    async def all(self, _: Request) -> Response:
        """Every cutover of the intent, the latest window first."""
        return self._html.page(
            "list.html",
            here="/cutovers",
            section="cutovers",
            title="Cutovers",
            items=self._cutovers.all(),
            choices=[],
            next="",
            now=rfc3339(time.time_ns()),
            note="The board shows what changes as it happens.",
        )

    async def one(self, request: Request) -> Response:
        """One cutover."""
        number = self._live.board().number
        item = self._named(request)
        open_ = [each for each in self._live.now.incidents() if _is_about(each, item)]
        found, fault = open_, ""
        try:
            stored = await incidents(
                self._live, self._past, MOST_INCIDENTS, (FOREVER, ""), ("cutover", item["name"])
            )
        except StoreError as error:
            fault = str(error)
        else:
            start = parse_rfc3339(item["window"]["start"])
            found = [
                each
                for each in stored
                if _is_about(each, item) and parse_rfc3339(each["opened"]) >= start
            ]
        proofs = self._cutovers.proofs(item["name"])[:MOST_PROOFS]
        return self._html.page(
            "cutover.html",
            here="/cutovers",
            started=self._live.started,
            number=number,
            item=item,
            incidents=found,
            fault=fault,
            proofs=[proof(event, f"{site} at {vantage}") for vantage, site, event in proofs],
            commands=_commands(item),
        )

    async def swimlane(self, request: Request) -> Response:
        """The picture of one cutover as it is now: a part of its page."""
        return self._html.part(self._html.swimlane(self._named(request)))

    def _named(self, request: Request) -> Item:
        name = request.path_params["name"]
        item = self._cutovers.one(name)
        if item is None:
            names = [each.name for each in self._live.now.engine.intent.cutovers]
            hint = did_you_mean(name, names)
            raise RefusedError(404, f"the intent has no cutover {name!r}{hint}")
        return item


def _is_about(incident: Item, item: Item) -> bool:
    return (incident["detector"], incident["key"]) == ("cutover", item["name"])


def _commands(item: Item) -> list[tuple[str, str]]:
    name = shlex.quote(item["name"])
    return [
        (f"cutover status {name}", "where it stands"),
        (f"cutover watch {name}", "the same, live"),
        (f"cutover rollback {name}", "going back is wanted: it is no alarm then"),
        (f"cutover report {name}", "all of it as one page to hand on"),
        (f"history {item['prefix']}", "every change of the address"),
    ]
