"""A service that is advertised by more than its home."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import ClassVar

from collector.event import Event, rfc3339
from detectors.base import FINE, Rule, Severity, Status, Verdict
from detectors.cutovers import boundaries, homes, may_advertise, under_way
from detectors.intent import Intent, Service
from detectors.route import Change, Concern
from detectors.routes import Routes
from detectors.sites import Advertiser, advertisers, live_sites, stale_sites


class DualAdvertisement(Rule):
    """Judges each service by the sites that advertise it, never by the origin AS.

    While a cutover of the service is under way, both its old and its new sites may: the rule
    `cutover` tells what is wrong with them. Once it is complete, the new sites are the home.
    """

    name: ClassVar[str] = "dual_advertisement"
    alone: ClassVar[bool] = True
    concerns: ClassVar[frozenset[Concern]] = frozenset({Concern.ROUTE})

    def __init__(self, intent: Intent) -> None:
        """Watch the intent's services."""
        self._intent = intent
        self._services = {service.name: service for service in intent.services}
        self._by_prefix: dict[str, list[str]] = {}
        for service in intent.services:
            self._by_prefix.setdefault(service.prefix, []).append(service.name)

    def prefixes(self) -> Collection[str]:
        """Those of services."""
        return self._by_prefix.keys()

    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        """The service that a changed route belongs to; its name is the key."""
        del routes
        return self._by_prefix[str(change.subject)] if change.key is not None else ()

    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        """Fine while every site that advertises may, resolved when the others are gone."""
        service = self._services.get(key)
        if service is None:  # the intent no longer names it
            return FINE
        found = advertisers(routes, service.prefix, service.rd)
        again = boundaries(self._intent, service, now)
        home = homes(self._intent, routes, service)
        current = under_way(self._intent, routes, service, now)
        allowed = may_advertise(self._intent, routes, service, now)
        live = live_sites(found)
        offenders = [site for site in live if site not in allowed]
        if offenders:
            return _violated(service, home, found, offenders, min(again, default=None))
        stale = stale_sites(found)
        if any(site not in allowed for site in stale) or (stale and not live):
            return Verdict(status=Status.UNKNOWN, again=min(again, default=None))
        return Verdict(
            status=Status.FINE,
            summary=_fine(service, live, current.name if current else ""),
            again=min(again, default=None),
        )


def _violated(
    service: Service,
    home: list[str],
    found: dict[str, Advertiser],
    offenders: list[str],
    again: int | None,
) -> Verdict:
    live = live_sites(found)
    since = min(found[site].since for site in offenders)
    evidence = tuple(_newest(found[site]) for site in offenders) + tuple(
        _newest(found[site]) for site in live if site not in offenders
    )
    prefixes = sorted({prefix for site in offenders for prefix in found[site].prefixes})
    return Verdict(
        status=Status.VIOLATED,
        severity=Severity.CRITICAL,
        summary=_summary(service, home, live, offenders, since),
        details={
            "service": service.name,
            "prefix": service.prefix,
            "advertised": prefixes,
            "sites": sorted(live),
            "offenders": sorted(offenders),
            "home": home,
        },
        evidence=evidence,
        again=again,
    )


def _fine(service: Service, live: list[str], cutover: str) -> str:
    who = ", ".join(live) or "no site"
    if cutover:
        return (
            f"{service.name} ({service.prefix}) is advertised by {who}: cutover {cutover} is "
            "under way, and tells what is wrong with it."
        )
    return f"{service.name} ({service.prefix}) has one home again: {who} advertises it."


def _newest(advertiser: Advertiser) -> Event:
    return max(advertiser.live, key=lambda event: (event.received, event.sequence))


def _summary(
    service: Service, home: list[str], live: list[str], offenders: list[str], since: int
) -> str:
    who = ", ".join(sorted(offenders))
    others = ", ".join(sorted(set(live) - set(offenders)))
    also = f" while {others} still does" if others else ""
    return (
        f"{service.name} ({service.prefix}) is advertised by {who}{also}, "
        f"since {rfc3339(since)[:19]}Z: its home is {', '.join(home)}. Withdraw it at {who}."
    )
