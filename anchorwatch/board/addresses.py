"""Services and anycast addresses: who advertises them, and what is wrong with that."""

from __future__ import annotations

from collections.abc import Iterable

from anchorwatch.board.concerns import OpenIncidents
from anchorwatch.board.items import (
    FINE,
    UNKNOWN,
    Item,
    Items,
    ids,
    rank,
    state_of,
    vantage_point,
)
from collector.event import rfc3339
from detectors.engine import Engine
from detectors.incidents import Incident
from detectors.intent import Anycast, Intent, Service
from detectors.route import Route, RouteKey, vpn_of
from detectors.sites import site_name

HOME = "home"


class Addresses:
    """All services, or all anycast addresses, of one intent; the worst first."""

    def __init__(
        self, engine: Engine, addresses: Iterable[Service | Anycast], incidents: OpenIncidents
    ) -> None:
        """Nothing is made yet."""
        self.items = Items()
        self._engine = engine
        self._intent: Intent = engine.intent
        self._incidents = incidents
        self._of_prefix: dict[str, list[tuple[int, Service | Anycast]]] = {}
        for number, address in enumerate(addresses):
            self._of_prefix.setdefault(address.prefix, []).append((number, address))

    def make(self, prefixes: Iterable[str] | None = None) -> None:
        """Make those of these prefixes anew, or all."""
        for prefix in self._of_prefix if prefixes is None else prefixes:
            for number, address in self._of_prefix.get(prefix, ()):
                item = self._address(address)
                self.items.put(item, rank(item["state"]), number)

    def unseen(self) -> list[str]:
        """The prefixes of those that nobody advertises."""
        return [item["prefix"] for item in self.items.first() if not item["advertised_by"]]

    def _address(self, address: Service | Anycast) -> Item:
        expected = address.home if isinstance(address, Service) else address.sites
        rd = address.rd if isinstance(address, Service) else None
        sites: dict[str, list[tuple[RouteKey, Route]]] = {}
        for key, route in self._engine.routes.of_prefix(address.prefix):
            if rd is None or vpn_of(route.event) == rd:
                sites.setdefault(site_name(self._intent, route.event), []).append((key, route))
        kind = "service" if isinstance(address, Service) else "anycast"
        more = {"minimum": address.minimum} if isinstance(address, Anycast) else {}
        advertised_by = [
            _advertiser(site, found, self._role(address, site))
            for site, found in sorted(sites.items())
        ]
        live = [each["site"] for each in advertised_by if each["state"] == "live"]
        about = [i for i in self._incidents.about_prefix(address.prefix) if _is_about(i, address)]
        state, why = state_of(about)
        if state == FINE:
            state, why = self._undisturbed(live, seen=bool(advertised_by))
        return {
            "id": f"{kind} {address.name}",
            "name": address.name,
            "prefix": address.prefix,
            **({"rd": rd} if rd is not None else {}),
            "sites": list(expected),
            **more,
            "advertised_by": advertised_by,
            "state": state,
            "why": why,
            "absent": [site for site in expected if site not in live],
            "incidents": ids(about),
        }

    def _role(self, address: Service | Anycast, site: str) -> str:
        """What a site is to an address."""
        if isinstance(address, Anycast):
            return HOME if site in address.sites else "not one of its sites"
        if site in address.home:
            return HOME
        cutovers = self._intent.cutovers_of(address.name)
        planned = [cutover.name for cutover in cutovers if site in cutover.to]
        return f"new home by cutover {planned[-1]}" if planned else "not its home"

    def _undisturbed(self, live: list[str], *, seen: bool) -> tuple[str, str]:
        """The state of an address that no incident is about."""
        if live:
            return FINE, f"Advertised by {', '.join(live)}."
        if seen:
            return UNKNOWN, "The feeds that showed it do not see now."
        feeds = self._engine.routes.feeds
        if feeds.blind() or not feeds.any_up():
            return UNKNOWN, "Not seen, and not every feed sees now."
        return UNKNOWN, "No feed shows it."


def _is_about(incident: Incident, address: Service | Anycast) -> bool:
    """Whether an incident of a prefix is about this one of the addresses that have it."""
    named = [incident.details.get(word) for word in ("service", "anycast", "name")]
    return address.name in named or not any(named)


def _advertiser(site: str, found: list[tuple[RouteKey, Route]], role: str) -> Item:
    live = [route.since for _, route in found if not route.stale]
    return {
        "site": site,
        "role": role,
        "state": "live" if live else "stale",
        **({"since": rfc3339(min(live))} if live else {}),
        "vantage_points": [vantage_point(key, route) for key, route in found],
    }
