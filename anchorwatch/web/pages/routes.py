"""Where the pages and the API are."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import BaseRoute, Route

from anchorwatch.board.cutovers import Cutovers
from anchorwatch.board.live import Live
from anchorwatch.board.past import Past
from anchorwatch.web.api.endpoint import Endpoint
from anchorwatch.web.api.routes import api_routes
from anchorwatch.web.pages.cutovers import CutoverPages
from anchorwatch.web.pages.grafana import Grafana
from anchorwatch.web.pages.pages import Pages
from anchorwatch.web.pages.prefixes import PrefixPages
from anchorwatch.web.pages.render import Html


def board_routes(  # noqa: PLR0913 - each is a part of the watch that is asked
    live: Live,
    past: Past,
    cutovers: Cutovers,
    store: str,
    more: Iterable[Endpoint] = (),
    *,
    config: str = "anchorwatch.yaml",
    secured: bool = False,
    grafana: str | None = None,
) -> list[BaseRoute]:
    """All of them; `store` and `config` are how a command line names the store and the settings.

    `more` is of the API, `secured` says whether the server asks for a token, `grafana` where the
    dashboards are.
    """
    html = Html()
    there = Grafana(grafana)
    pages = Pages(live, past, html, store, config, there)
    of_cutovers = CutoverPages(live, past, cutovers, html, store, config, there)
    of_prefixes = PrefixPages(live, past, html, store, there)
    of_pages = {
        "/": pages.board,
        "/incidents": pages.incidents,
        "/incidents/{id}": pages.incident,
        "/cutovers": of_cutovers.all,
        "/cutovers/{name:path}": of_cutovers.one,
        "/swimlane/{name:path}": of_cutovers.swimlane,
        "/services": pages.services,
        "/anycast": pages.anycast,
        "/flowspec": pages.flowspec,
        "/flowspec/{id}": pages.rule,
        "/prefix/{prefix:path}/rib": of_prefixes.rib,
        "/prefix/{prefix:path}": of_prefixes.one,
        "/static/{name}": pages.static,
    }
    shown = [Route(path, pages.handler(handler)) for path, handler in of_pages.items()]
    return [*api_routes(live, past, html, more, secured=secured), *shown]
