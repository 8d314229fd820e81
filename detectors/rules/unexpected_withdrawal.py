"""A home that stops advertising its service."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import ClassVar

from collector.event import Event, Kind, rfc3339
from detectors.base import FINE, UNKNOWN, Rule, Severity, Status, Verdict
from detectors.cutovers import boundaries, homes, under_way
from detectors.intent import Intent, Service
from detectors.route import Cause, Change, Concern, vpn_of
from detectors.routes import Routes
from detectors.sites import advertisers, live_sites, may_hide, site_name, stale_sites

EVERYWHERE = "everywhere"


class UnexpectedWithdrawal(Rule):
    """Judges each home of each service (`service/site`), and the service as a whole.

    A home may be away for `hold` (path hunting) and in its maintenance. While a cutover is under
    way, the rule `cutover` judges the home that it leaves and the service as a whole; once it is
    complete, the new sites are the home. A service that nobody
    advertises any more is a finding of its own (`service everywhere`), and the worse one: it
    takes the place of the finding of its home unless that is open already.
    """

    name: ClassVar[str] = "unexpected_withdrawal"
    alone: ClassVar[bool] = True
    concerns: ClassVar[frozenset[Concern]] = frozenset({Concern.ROUTE, Concern.SESSION})

    def __init__(self, intent: Intent) -> None:
        """Watch the intent's services; nothing has been seen to go yet."""
        self._intent = intent
        self._services = {service.name: service for service in intent.services}
        self._by_prefix: dict[str, list[Service]] = {}
        for service in intent.services:
            self._by_prefix.setdefault(service.prefix, []).append(service)
        self._meant: dict[str, tuple[Service, str]] = {}
        """What a key is about; it does not say where a name with a slash ends."""
        for service in intent.services:
            for site in (EVERYWHERE, *self._homes_ever(service)):
                self._meant.setdefault(_key(service, site), (service, site))
        self._gone: dict[tuple[str, str], Event] = {}
        """(service, site or EVERYWHERE): the event after which it was not seen any more."""
        self._raised: set[str] = set()

    def prefixes(self) -> Collection[str]:
        """Those of services."""
        return self._by_prefix.keys()

    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        """Note who has just gone or come back; answer the service's keys."""
        if change.key is None:
            return self._settle(change, routes)
        keys: list[str] = []
        for service in self._by_prefix[str(change.subject)]:
            self._note(service, change, routes)
            keys += self._keys(service)
        return keys

    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        """Fine while the home advertises; resolved when it does so again."""
        if key not in self._meant:  # the intent no longer names it
            self._raised.discard(key)
            return FINE
        service, site = self._meant[key]
        verdict = self._judge(key, service, site, routes, now)
        if verdict.status is Status.VIOLATED:
            self._raised.add(key)
        elif verdict.status is Status.FINE:
            self._raised.discard(key)
        return verdict

    def succeed(self, other: UnexpectedWithdrawal) -> None:
        """Know who had gone, and what people were told."""
        self._gone |= other._gone
        self._raised |= other._raised

    def restore(self, key: str, details: object, at: int) -> None:
        """Remember that people were told of this one."""
        del details, at
        self._raised.add(key)

    def _judge(self, key: str, service: Service, site: str, routes: Routes, now: int) -> Verdict:
        found = advertisers(routes, service.prefix, service.rd)
        live, stale = live_sites(found), stale_sites(found)
        home = homes(self._intent, routes, service)
        current = under_way(self._intent, routes, service, now)
        again = boundaries(self._intent, service, now)
        if current is not None and site in (EVERYWHERE, current.from_, *current.to):
            summary = f"{service.name} ({service.prefix}): cutover {current.name} is under way."
            verdict = replace(FINE, summary=summary)
        elif site not in (EVERYWHERE, *home):
            summary = f"{service.name} ({service.prefix}) has its home at {', '.join(home)} now."
            verdict = replace(FINE, summary=summary)
        elif live if site == EVERYWHERE else site in live:
            verdict = _fine(service, site, live)
        elif (end := self._excused_until(home, site, now)) is not None:
            verdict = FINE
            again.append(end)
        else:
            gone = self._gone.get((service.name, site))
            blind = (stale and not live) or not routes.feeds.any_up()
            blind = blind or (site != EVERYWHERE and may_hide(routes, service.prefix, gone))
            if gone is None or blind or site in stale or (stale and site == EVERYWHERE):
                verdict = UNKNOWN
            elif site != EVERYWHERE and not live and key not in self._raised:
                verdict = FINE  # told as the finding of the whole service
            elif now < gone.received + service.hold:
                verdict = UNKNOWN
                again.append(gone.received + service.hold)
            else:
                verdict = _violated(service, home, site, live, gone)
        return replace(verdict, again=min(again, default=None))

    def _excused_until(self, home: list[str], site: str, now: int) -> int | None:
        """When the first maintenance ends, if every site that this is about is in one now."""
        sites = home if site == EVERYWHERE else [site]
        ends = [m.window.end for s in sites if (m := self._intent.in_maintenance(s, now))]
        return min(ends) if ends and len(ends) == len(sites) else None

    def _keys(self, service: Service) -> list[str]:
        return [_key(service, site) for site in (EVERYWHERE, *self._homes_ever(service))]

    def _interchangeable(self, service: Service, change: Change, routes: Routes) -> set[str]:
        """The sites that may take each other's place at any time."""
        current = under_way(self._intent, routes, service, change.event.received)
        sites = homes(self._intent, routes, service)
        return {*sites, *(current.to if current is not None else ())}

    def _homes_ever(self, service: Service) -> list[str]:
        """The homes of a service, and those that cutovers may make of other sites."""
        moves = self._intent.cutovers_of(service.name)
        return list(dict.fromkeys((*service.home, *(site for move in moves for site in move.to))))

    def _note(self, service: Service, change: Change, routes: Routes) -> None:
        found = advertisers(routes, service.prefix, service.rd)
        live = live_sites(found)
        before = change.before or change.after
        if before is None or (service.rd is not None and vpn_of(before) != service.rd):
            return
        for name in (*live, *([EVERYWHERE] if live else [])):
            self._gone.pop((service.name, name), None)
        if change.before is None:
            return
        lost = site_name(self._intent, change.before)
        instead = site_name(self._intent, change.after) if change.after is not None else None
        if instead != lost:
            # Where only best paths are shown, one home hides another one that is still there.
            known = lost in self._intent.sites
            hidden = instead in self._interchangeable(service, change, routes)
            if lost not in live and known and not hidden:
                self._gone.setdefault((service.name, lost), change.event)
            if not live:
                self._gone.setdefault((service.name, EVERYWHERE), change.event)

    def _settle(self, change: Change, routes: Routes) -> list[str]:
        """Once all tables are seen, what was never seen in them is absent."""
        event = change.event
        complete = event.kind == Kind.END_OF_RIB or change.cause is Cause.INTENT
        if not complete or not routes.feeds.settled():
            return []
        keys: list[str] = []
        for service in self._services.values():
            found = advertisers(routes, service.prefix, service.rd)
            if not found:
                self._gone.setdefault((service.name, EVERYWHERE), event)
            for site in homes(self._intent, routes, service):
                if site not in found:
                    self._gone.setdefault((service.name, site), event)
            keys += self._keys(service)
        return keys


def _key(service: Service, site: str) -> str:
    return f"{service.name} {site}" if site == EVERYWHERE else f"{service.name}/{site}"


def _fine(service: Service, site: str, live: list[str]) -> Verdict:
    who = "" if site == EVERYWHERE else f" {site} has its place again:"
    return Verdict(
        status=Status.FINE,
        summary=f"{service.name} ({service.prefix}):{who} advertised by {', '.join(live)}.",
    )


def _violated(
    service: Service, home: list[str], site: str, live: list[str], gone: Event
) -> Verdict:
    since = f"since {rfc3339(gone.received)[:19]}Z"
    why = f"{gone.reason or gone.kind} seen at {gone.router}"
    if site == EVERYWHERE:
        act = f"Restore it at {', '.join(home)}."
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
