"""A service that is advertised by more than its home."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from collector.event import Event, rfc3339
from detectors.base import FINE, Rule, Severity, Status, Verdict
from detectors.cutovers import boundaries, started
from detectors.intent import Cutover, Intent, Service
from detectors.routes import Change, Routes
from detectors.sites import Advertiser, advertisers, live_sites, stale_sites


class DualAdvertisement(Rule):
    """Judges each service by the sites that advertise it, never by the origin AS.

    A cutover in its window lets the old and the new site overlap for `max_overlap`; once it has
    begun, either of them may be the home, but not both.
    """

    name: ClassVar[str] = "dual_advertisement"

    def __init__(self, intent: Intent) -> None:
        """Watch the intent's services."""
        self._intent = intent
        self._services = {service.name: service for service in intent.services}
        self._by_prefix: dict[str, list[str]] = {}
        for service in intent.services:
            self._by_prefix.setdefault(service.prefix, []).append(service.name)

    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        """The service that a changed route belongs to; its name is the key."""
        if change.key is None:
            return ()
        watched = routes.watched_by(change.key.destination)
        return self._by_prefix.get(watched, ()) if watched else ()

    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        """Fine while every site that advertises may, resolved when the others are gone."""
        service = self._services.get(key)
        if service is None:  # the intent no longer names it
            return FINE
        found = advertisers(self._intent, routes, service.prefix, service.rd)
        again = boundaries(self._intent, service, now)
        homes, targets, current = self._allowed(service, now)
        live = live_sites(found)
        strangers = [site for site in live if site not in homes | targets]
        both = bool(targets.intersection(live)) and bool((homes - targets).intersection(live))
        if both and current and not strangers:
            since = _overlap_since(found, homes - targets, targets)
            if now < since + current.max_overlap:
                again.append(since + current.max_overlap)
                return Verdict(status=Status.FINE, again=min(again))
        if strangers or both:
            offenders = strangers or [site for site in live if site in targets]
            return self._violated(service, found, offenders, current, min(again, default=None))
        stale = stale_sites(found)
        if any(site not in homes for site in stale) or (stale and not live):
            return Verdict(status=Status.UNKNOWN, again=min(again, default=None))
        return Verdict(
            status=Status.FINE,
            summary=f"{service.name} ({service.prefix}) has one home again: "
            f"{', '.join(live) or 'no site'} advertises it.",
            again=min(again, default=None),
        )

    def _allowed(self, service: Service, now: int) -> tuple[set[str], set[str], Cutover | None]:
        """The homes, the sites that begun cutovers lead to, and the cutover in its window."""
        begun = started(self._intent, service, now)
        targets = {site for cutover in begun for site in cutover.to}
        current = next((c for c in begun if now < c.window.end), None)
        return set(service.home), targets, current

    def _violated(
        self,
        service: Service,
        found: dict[str, Advertiser],
        offenders: list[str],
        current: Cutover | None,
        again: int | None,
    ) -> Verdict:
        live = live_sites(found)
        since = min(found[site].since for site in offenders)
        overlap = current is not None and set(offenders) <= set(current.to)
        evidence = tuple(_newest(found[site]) for site in offenders) + tuple(
            _newest(found[site]) for site in live if site not in offenders
        )
        prefixes = sorted({prefix for site in offenders for prefix in found[site].prefixes})
        return Verdict(
            status=Status.VIOLATED,
            severity=Severity.CRITICAL,
            summary=_summary(service, live, offenders, since, current if overlap else None),
            details={
                "service": service.name,
                "prefix": service.prefix,
                "advertised": prefixes,
                "sites": sorted(live),
                "offenders": sorted(offenders),
                "home": list(service.home),
                "cutover": current.name if current else None,
            },
            evidence=evidence,
            again=again,
        )


def _overlap_since(found: dict[str, Advertiser], old: set[str], new: set[str]) -> int:
    """When both sides began to advertise at the same time."""
    return max(
        min(found[site].since for site in side if site in found and found[site].live)
        for side in (old, new)
    )


def _newest(advertiser: Advertiser) -> Event:
    return max(advertiser.live, key=lambda event: (event.received, event.sequence))


def _summary(
    service: Service, live: list[str], offenders: list[str], since: int, overlap: Cutover | None
) -> str:
    who = ", ".join(sorted(offenders))
    others = ", ".join(sorted(set(live) - set(offenders)))
    also = f" while {others} still does" if others else ""
    if overlap:
        allowed = f"{overlap.max_overlap / 1e9:g} s"
        why = f"longer than the {allowed} of overlap that cutover {overlap.name} allows"
        act = f"Withdraw it at {others} or roll {who} back."
    else:
        why = f"its home is {', '.join(service.home)}"
        act = f"Withdraw it at {who}."
    return (
        f"{service.name} ({service.prefix}) is advertised by {who}{also}, "
        f"since {rfc3339(since)[:19]}Z: {why}. {act}"
    )
