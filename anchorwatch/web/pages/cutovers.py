"""The pages of cutovers: all of them, one, and the picture of one alone."""

from __future__ import annotations

import shlex
import time

from starlette.requests import Request
from starlette.responses import Response

from anchorwatch.advice import commands
from anchorwatch.board.cutovers import Cutovers
from anchorwatch.board.live import Live
from anchorwatch.board.now import Item
from anchorwatch.board.past import Past
from anchorwatch.board.stories import incidents
from anchorwatch.web.api.answers import RefusedError
from anchorwatch.web.pages.grafana import Grafana
from anchorwatch.web.pages.proofs import proof
from anchorwatch.web.pages.render import Html
from collector.event import FOREVER, parse_rfc3339
from collector.store.backend import StoreError
from detectors.documents import did_you_mean

MOST_INCIDENTS = 50
MOST_RULES = 50
"""Rules that are left over, and shown on the page."""
MOST_PROOFS = 24
"""Routes that a page shows in full."""


class CutoverPages:
    """The handlers; `store` and `config` are how commands name the store and the settings."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is a part of the watch that is asked
        self,
        live: Live,
        past: Past,
        cutovers: Cutovers,
        html: Html,
        store: str,
        config: str,
        grafana: Grafana,
    ) -> None:
        self._live = live
        self._past = past
        self._cutovers = cutovers
        self._html = html
        self._store = store
        self._config = config
        self._grafana = grafana

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
            start = min(map(parse_rfc3339, _begins(item)))
            found = [
                each
                for each in stored
                if _is_about(each, item) and parse_rfc3339(each["opened"]) >= start
            ]
        opened = item["incident"]["id"] if "incident" in item else ""
        rules = [rule for rule in self._live.now.rules() if opened in rule["incidents"]]
        proofs = self._cutovers.proofs(item["name"])
        proofs_total, proofs = len(proofs), proofs[:MOST_PROOFS]
        return self._html.page(
            "cutover.html",
            here="/cutovers",
            started=self._live.started,
            number=number,
            item=item,
            incidents=found,
            rules=rules[:MOST_RULES],
            rules_total=len(rules),
            fault=fault,
            proofs=[proof(event, f"{site} at {vantage}") for vantage, site, event in proofs],
            proofs_total=proofs_total,
            commands=self._commands(item),
            grafana=self._grafana.cutover(item["name"], *_between(item)),
        )

    async def swimlane(self, request: Request) -> Response:
        """The picture of one cutover as it is now: a part of its page."""
        return self._html.part(self._html.swimlane(self._named(request)))

    def _commands(self, item: Item) -> list[tuple[str, str]]:
        back = self._cutovers.may_go_back(item["name"])
        history = f"history {item['prefix']} --store {shlex.quote(self._store)}"
        asked = commands(item["name"], self._config, back=back)
        return [*asked, (history, "every change of the address")]

    def _named(self, request: Request) -> Item:
        name = request.path_params["name"]
        item = self._cutovers.one(name)
        if item is None:
            names = [each.name for each in self._live.now.engine.intent.cutovers]
            hint = did_you_mean(name, names)
            raise RefusedError(404, f"the intent has no cutover {name!r}{hint}")
        return item


def _begins(item: Item) -> list[str]:
    """The beginning of its window, and the first step, where that came before it.

    Whoever moves the window of one that runs has not begun another one.
    """
    return [item["window"]["start"], *item["steps"].values()]


def _is_about(incident: Item, item: Item) -> bool:
    return (incident["detector"], incident["key"]) == ("cutover", item["name"])


def _between(item: Item) -> tuple[int, int]:
    """From the first step, or else the beginning of its window, to its end (ns), or now."""
    steps, now = item["steps"], time.time_ns()
    begun = parse_rfc3339(steps.get("begun", item["window"]["start"]))
    ended = item.get("rolled_back") or steps.get("complete")
    return begun, parse_rfc3339(ended) if ended else max(begun, now)
