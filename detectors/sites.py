"""Which sites advertise an address, according to everything that is seen."""

from __future__ import annotations

from dataclasses import dataclass, field

from collector.event import Event, Feed, Kind, View
from detectors.intent import Intent
from detectors.route import vpn_of
from detectors.routes import Routes


@dataclass(slots=True)
class Advertiser:
    """One site, and the routes by which it is seen to advertise."""

    site: str
    live: list[Event] = field(default_factory=list)
    stale: list[Event] = field(default_factory=list)
    since: int = 0
    """When the first of the live routes appeared, ns; 0 while none is live."""

    @property
    def prefixes(self) -> list[str]:
        """What it advertises: the address itself or more-specifics of it."""
        return sorted({event.prefix for event in self.live if event.prefix})


def site_name(intent: Intent, event: Event) -> str:
    """The site of the intent that a route comes from, or words for a place it does not know."""
    return intent.site_of(event) or unknown_site(event)


def unknown_site(event: Event) -> str:
    """Words for a place that the intent does not know."""
    seen = [
        f"{word} {value}"
        for word, value in (
            ("next hop", event.next_hop),
            ("originator", event.originator_id),
            ("peer", event.peer),
        )
        if value
    ]
    return f"unknown site ({', '.join(seen) or f'router {event.router}'})"


def advertisers(routes: Routes, prefix: str, rd: str | None = None) -> dict[str, Advertiser]:
    """The sites that advertise a watched prefix or a more-specific of it, by name.

    With `rd`, only routes of that VPN count.
    """
    found: dict[str, Advertiser] = {}
    for _, route in routes.of_prefix(prefix):
        event = route.event
        if rd is not None and vpn_of(event) != rd:
            continue
        site = route.site or unknown_site(event)
        advertiser = found.setdefault(site, Advertiser(site))
        if route.stale:
            advertiser.stale.append(event)
            continue
        advertiser.live.append(event)
        advertiser.since = min(advertiser.since or route.since, route.since)
    return found


def live_sites(found: dict[str, Advertiser]) -> list[str]:
    """The sites that are seen to advertise right now."""
    return [site for site, advertiser in found.items() if advertiser.live]


def stale_sites(found: dict[str, Advertiser]) -> list[str]:
    """The sites that advertised when they were last seen, and that nobody can see now."""
    return [site for site, a in found.items() if a.stale and not a.live]


def may_hide(routes: Routes, prefix: str, gone: Event | None) -> bool:
    """Whether a site that is not seen may be there, behind the best path of who shows another.

    `gone` is the event after which it was not seen. A Loc-RIB and a reflector show the best path
    alone: that another one takes its place says nothing of the site, only a withdrawal does.
    """
    if gone is not None and gone.kind in (Kind.WITHDRAW, Kind.PEER_DOWN):
        return False
    live = [route for _, route in routes.of_prefix(prefix) if not route.stale]
    return bool(live) and not any(_said_itself(route.event) for route in live)


def _said_itself(event: Event) -> bool:
    """Whether a route is seen as the neighbour said it who brought it into the AS."""
    by_neighbour = event.view in (View.ADJ_IN_PRE, View.ADJ_IN_POST)
    return by_neighbour and not event.originator_id and event.feed != Feed.BGPSTREAM
