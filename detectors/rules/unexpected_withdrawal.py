"""A home that stops advertising its service."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from collector.event import Event, Kind, rfc3339
from detectors.base import FINE, UNKNOWN, Rule, Severity, Status, Verdict
from detectors.cutovers import boundaries, started
from detectors.intent import Cutover, Intent, Service
from detectors.routes import Change, Routes
from detectors.sites import advertisers, live_sites, site_name, stale_sites

EVERYWHERE = "everywhere"


class UnexpectedWithdrawal(Rule):
    """Judges each home of each service (`service/site`), and the service as a whole.

    A home may be away for `hold` (path hunting), in its maintenance, and once a cutover has
    begun if a site that the cutover leads to advertises instead. A service that nobody
    advertises any more is a finding of its own (`service everywhere`), and the worse one: it
    takes the place of the finding of its home unless that is open already.
    """

    name: ClassVar[str] = "unexpected_withdrawal"

    def __init__(self, intent: Intent) -> None:
        """Watch the intent's services; nothing has been seen to go yet."""
        self._intent = intent
        self._services = {service.name: service for service in intent.services}
        self._gone: dict[tuple[str, str], Event] = {}
        """(service, site or EVERYWHERE): the event after which it was not seen any more."""
        self._raised: set[str] = set()

    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        """Note who has just gone or come back; answer the service's keys."""
        if change.key is None:
            return self._settle(change.event, routes)
        watched = routes.watched_by(change.key.destination)
        keys: list[str] = []
        for service in self._services.values():
            if service.prefix == watched:
                self._note(service, change, routes)
                keys += self._keys(service)
        return keys

    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        """Fine while the home advertises; resolved when it does so again."""
        subject, _, site = key.replace(f" {EVERYWHERE}", f"/{EVERYWHERE}").rpartition("/")
        service = self._services.get(subject)
        if service is None or site not in (*service.home, EVERYWHERE):
            self._raised.discard(key)
            return FINE
        verdict = self._judge(key, service, site, routes, now)
        if verdict.status is Status.VIOLATED:
            self._raised.add(key)
        elif verdict.status is Status.FINE:
            self._raised.discard(key)
        return verdict

    def restore(self, key: str, details: object, at: int) -> None:
        """Remember that people were told of this one."""
        del details, at
        self._raised.add(key)

    def _judge(self, key: str, service: Service, site: str, routes: Routes, now: int) -> Verdict:
        found = advertisers(self._intent, routes, service.prefix, service.rd)
        live, stale = live_sites(found), stale_sites(found)
        begun = started(self._intent, service, now)
        again = boundaries(self._intent, service, now)
        if self._present(site, live, begun):
            verdict = _fine(service, site, live)
        elif (end := self._excused_until(service, site, now)) is not None:
            verdict = FINE
            again.append(end)
        else:
            gone = self._gone.get((service.name, site))
            gaps = [cutover.max_gap for cutover in begun if now < cutover.window.end]
            hold = min(gaps, default=service.hold)
            if gone is None or (stale and (site == EVERYWHERE or site in stale)):
                verdict = UNKNOWN
            elif site != EVERYWHERE and not live and key not in self._raised:
                verdict = FINE  # told as the finding of the whole service
            elif now < gone.received + hold:
                verdict = UNKNOWN
                again.append(gone.received + hold)
            else:
                verdict = _violated(service, site, live, gone, in_cutover=bool(gaps))
        return replace(verdict, again=min(again, default=None))

    @staticmethod
    def _present(site: str, live: list[str], begun: list[Cutover]) -> bool:
        """Whether the site advertises, or one that a begun cutover puts in its place does."""
        if site == EVERYWHERE:
            return bool(live)
        return site in live or any(c.from_ == site and set(c.to) & set(live) for c in begun)

    def _excused_until(self, service: Service, site: str, now: int) -> int | None:
        """When the first maintenance ends, if every site that this is about is in one now."""
        sites = service.home if site == EVERYWHERE else (site,)
        ends = [m.window.end for s in sites if (m := self._intent.in_maintenance(s, now))]
        return min(ends) if ends and len(ends) == len(sites) else None

    def _keys(self, service: Service) -> list[str]:
        return [f"{service.name} {EVERYWHERE}", *(f"{service.name}/{s}" for s in service.home)]

    def _note(self, service: Service, change: Change, routes: Routes) -> None:
        found = advertisers(self._intent, routes, service.prefix, service.rd)
        live = live_sites(found)
        before = change.before or change.after
        if before is None or (service.rd is not None and before.rd != service.rd):
            return
        for name in (*live, *([EVERYWHERE] if live else [])):
            self._gone.pop((service.name, name), None)
        if change.before is None:
            return
        lost = site_name(self._intent, change.before)
        if change.after is None or site_name(self._intent, change.after) != lost:
            if lost not in live:
                self._gone.setdefault((service.name, lost), change.event)
            if not live:
                self._gone.setdefault((service.name, EVERYWHERE), change.event)

    def _settle(self, event: Event, routes: Routes) -> list[str]:
        """Once all tables are seen, what was never seen in them is absent."""
        if event.kind != Kind.END_OF_RIB or not routes.settled():
            return []
        keys: list[str] = []
        for service in self._services.values():
            found = advertisers(self._intent, routes, service.prefix, service.rd)
            if not found:
                self._gone.setdefault((service.name, EVERYWHERE), event)
            for site in service.home:
                if site not in found:
                    self._gone.setdefault((service.name, site), event)
            keys += self._keys(service)
        return keys


def _fine(service: Service, site: str, live: list[str]) -> Verdict:
    who = "" if site == EVERYWHERE else f" {site} has its place again:"
    return Verdict(
        status=Status.FINE,
        summary=f"{service.name} ({service.prefix}):{who} advertised by {', '.join(live)}.",
    )


def _violated(
    service: Service, site: str, live: list[str], gone: Event, *, in_cutover: bool
) -> Verdict:
    since = f"since {rfc3339(gone.received)[:19]}Z"
    why = f"{gone.reason or gone.kind} seen at {gone.router}"
    if site == EVERYWHERE:
        homes = ", ".join(service.home)
        act = "Put the old site back now." if in_cutover else f"Restore it at {homes}."
        summary = (
            f"{service.name} ({service.prefix}) is gone everywhere {since} ({why}): "
            f"nobody advertises it. {act}"
        )
    else:
        others = f"{', '.join(live)} still advertises it" if live else "nobody advertises it"
        summary = (
            f"{site} stopped advertising {service.name} ({service.prefix}) {since} "
            f"({why}), outside any cutover or maintenance; {others}. Check {site}."
        )
    return Verdict(
        status=Status.VIOLATED,
        severity=Severity.CRITICAL,
        summary=summary,
        details={
            "service": service.name,
            "prefix": service.prefix,
            "site": site,
            "gone_everywhere": not live,
            "still_advertised_by": sorted(live),
        },
        evidence=(gone,),
    )
