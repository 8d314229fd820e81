"""An anycast address that too few sites are left to answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from collector.event import Event, Kind, rfc3339
from detectors.base import FINE, UNKNOWN, Rule, Severity, Status, Verdict
from detectors.intent import Anycast, Intent
from detectors.route import Cause, Change, Concern
from detectors.routes import Routes
from detectors.rules._steady import Steady
from detectors.sites import may_hide

LEAVING = frozenset({"graceful-shutdown", "llgr-stale"})
"""Communities of a route that is about to go (RFC 8326), or whose origin is gone (RFC 9494)."""


@dataclass(slots=True)
class Left:
    """Which of its sites advertise an anycast prefix, one by one."""

    live: list[str]
    stale: list[str]
    """Those that did when they were last seen, and that nobody can see now."""
    leaving: dict[str, str]
    """Of the live ones, those about to go, and why."""
    routes: dict[str, list[Event]]
    """What each live site is seen by."""


class AnchorRedundancy(Rule):
    """Judges each anycast address by how many of its sites advertise the prefix itself.

    A site in maintenance is not counted upon: what is asked for is `minimum`, or as many sites as
    are not in maintenance if these are fewer. With all of them in maintenance, nothing is asked.
    """

    name: ClassVar[str] = "anchor_redundancy"
    concerns: ClassVar[frozenset[Concern]] = frozenset(
        {Concern.ROUTE, Concern.PATH, Concern.SESSION}
    )

    def __init__(self, intent: Intent) -> None:
        """Watch the intent's anycast addresses; no site has been seen to go yet."""
        self._intent = intent
        self._anycast = {anycast.name: anycast for anycast in intent.anycast}
        self._by_prefix = {anycast.prefix: anycast for anycast in intent.anycast}
        self._boundaries = {
            anycast.name: sorted(
                moment
                for maintenance in intent.maintenance
                if maintenance.site in anycast.sites
                for moment in (maintenance.window.start, maintenance.window.end)
            )
            for anycast in intent.anycast
        }
        self._gone: dict[tuple[str, str], Event] = {}
        """(anycast, site): the event after which it was not seen any more."""
        self._steady = Steady()
        self._unsettled: set[str] = set(self._anycast)
        """The addresses that were not fine when they were judged last."""

    def prefixes(self) -> Collection[str]:
        """The anycast addresses."""
        return self._by_prefix.keys()

    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        """Note a site that has just gone; answer the address that it belongs to."""
        if change.key is None:
            return self._settle(change, routes)
        anycast = self._by_prefix.get(change.key.destination)
        if anycast is None:
            return ()
        before, after = change.before, change.after
        settled = anycast.name not in self._unsettled
        again = before is None or (after is not None and _same(before, after))
        if settled and again and change.cause is Cause.ANNOUNCE:
            return ()  # where all is well, one more route or the same again changes nothing
        stays = before is not None and self._note(anycast, before, change.event, routes)
        return () if settled and stays else (anycast.name,)

    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        """Fine with enough sites; resolved when they are back, or not asked for any more."""
        anycast = self._anycast.get(key)
        if anycast is None:  # the intent no longer names it
            return FINE
        verdict = self._steady(key, self._judge(anycast, routes, now), now)
        (self._unsettled.discard if verdict.status is Status.FINE else self._unsettled.add)(key)
        moments = [moment for moment in (verdict.again, *self._boundaries[key]) if moment]
        return replace(verdict, again=min((m for m in moments if m > now), default=None))

    def standing(self) -> Iterable[str]:
        """The addresses whose sites have maintenance, which ends whatever is heard."""
        return [name for name, moments in self._boundaries.items() if moments]

    def _judge(self, anycast: Anycast, routes: Routes, now: int) -> Verdict:
        left = self._left(anycast, routes, now)
        counted_on = [s for s in anycast.sites if not self._intent.in_maintenance(s, now)]
        needed = min(anycast.minimum, len(set(counted_on)))
        live = len(left.live)
        staying = live > len(left.leaving)
        if live >= needed and (staying or not needed):
            return _fine(anycast, left)
        if not routes.feeds.any_up():
            return UNKNOWN
        if live >= needed:
            # The last ones are leaving. A site that cannot be seen now may still stay.
            return UNKNOWN if left.stale else self._violated(anycast, left, needed)
        perhaps = [
            s
            for s in anycast.sites
            if s not in left.live and not self._is_gone(anycast, s, left, routes)
        ]
        if live + len(perhaps) >= needed:
            return UNKNOWN
        return self._violated(anycast, left, needed)

    def _is_gone(self, anycast: Anycast, site: str, left: Left, routes: Routes) -> bool:
        """Whether a site that is not seen does not advertise: its return would be seen too."""
        if site in left.stale:
            return False
        gone, blind = self._gone.get((anycast.name, site)), routes.feeds.blind()
        if left.live and may_hide(routes, anycast.prefix, gone):
            return False
        if gone is None:
            return routes.feeds.settled() and not blind
        return gone.router not in blind

    def _left(self, anycast: Anycast, routes: Routes, now: int) -> Left:
        seen: dict[str, list[Event]] = {}
        stale: set[str] = set()
        for _, route in routes.of_prefix(anycast.prefix):
            if route.event.prefix != anycast.prefix:
                continue  # part of an address is not the address
            site = route.site
            if site is None or site not in anycast.sites:
                continue
            if route.stale:
                stale.add(site)
            else:
                seen.setdefault(site, []).append(route.event)
        leaving = {}
        for site, events in seen.items():
            word = next((c for c in events[0].communities if c in LEAVING), "")
            maintenance = self._intent.in_maintenance(site, now)
            if word and all(LEAVING.intersection(event.communities) for event in events):
                leaving[site] = word
            elif maintenance is not None:
                leaving[site] = f"in maintenance: {maintenance.why}"
        return Left(sorted(seen), sorted(stale - set(seen)), leaving, seen)

    def _note(self, anycast: Anycast, before: Event, event: Event, routes: Routes) -> bool:
        """Note whether the site of a route is gone now; whether it stays by another route."""
        site = self._intent.site_of(before)
        if site not in anycast.sites:
            return True
        seen = False
        for _, route in routes.of_prefix(anycast.prefix):
            if route.site != site or route.event.prefix != anycast.prefix:
                continue
            seen = True
            if not route.stale and not LEAVING.intersection(route.event.communities):
                return True
        if not seen:
            self._gone[anycast.name, site] = event
        return False

    def _settle(self, change: Change, routes: Routes) -> Iterable[str]:
        """Once all tables are seen, what was never seen in them is absent."""
        event = change.event
        complete = event.kind == Kind.END_OF_RIB or change.cause is Cause.INTENT
        if not complete or not routes.feeds.settled():
            return tuple(self._unsettled) if change.cause is Cause.SESSION else ()
        for anycast in self._anycast.values():
            held = [route for _, route in routes.of_prefix(anycast.prefix)]
            seen = {route.site for route in held if route.event.prefix == anycast.prefix}
            for site in anycast.sites:
                if site not in seen:
                    self._gone.setdefault((anycast.name, site), event)
        return list(self._anycast)

    def _violated(self, anycast: Anycast, left: Left, needed: int) -> Verdict:
        possible = sorted({*left.live, *left.stale})
        absent = [site for site in anycast.sites if site not in possible]
        gone = {s: e for s in absent if (e := self._gone.get((anycast.name, s))) is not None}
        last = sorted(gone.values(), key=lambda event: (event.received, event.sequence))
        leaving = [event for site in left.leaving for event in left.routes[site][:1]]
        # Only what the address can stand is a warning: with one site left there is no redundancy.
        critical = len(possible) <= 1 or not set(left.live) - set(left.leaving)
        return Verdict(
            status=Status.VIOLATED,
            severity=Severity.CRITICAL if critical else Severity.WARNING,
            summary=_summary(anycast, left, needed, gone),
            details={
                "anycast": anycast.name,
                "prefix": anycast.prefix,
                "minimum": anycast.minimum,
                "needed": needed,
                "sites": possible,
                "absent": sorted(absent),
                "leaving": dict(sorted(left.leaving.items())),
            },
            # The newest loss is what broke it.
            evidence=tuple(reversed(last)) or tuple(leaving),
        )

    def succeed(self, other: AnchorRedundancy) -> None:
        """Know which sites went, and what was told a moment ago."""
        self._gone |= other._gone
        self._steady = other._steady

    def restore(self, key: str, details: Mapping[str, Any], at: int) -> None:
        """An open one is judged with every change; the routes say all that there is to know."""
        del details, at
        if key in self._anycast:
            self._unsettled.add(key)


def _same(before: Event, after: Event) -> bool:
    """Whether two announcements come from one place and promise as much."""
    return (before.next_hop, before.originator_id, before.peer_as) == (
        after.next_hop,
        after.originator_id,
        after.peer_as,
    ) and (
        before.communities == after.communities
        or LEAVING.intersection(before.communities) == LEAVING.intersection(after.communities)
    )


def _fine(anycast: Anycast, left: Left) -> Verdict:
    who = ", ".join(left.live) or "no site, and none is asked for in their maintenance"
    return Verdict(
        status=Status.FINE,
        summary=f"{anycast.name} ({anycast.prefix}) has enough sites again: {who}.",
    )


def _summary(anycast: Anycast, left: Left, needed: int, gone: Mapping[str, Event]) -> str:
    what = f"{anycast.name} ({anycast.prefix})"
    possible = sorted({*left.live, *left.stale})
    if gone:
        site, event = max(gone.items(), key=lambda item: (item[1].received, item[1].sequence))
        seen = f"{event.reason or event.kind} seen at {event.router}"
        since = f" since {rfc3339(event.received)[:19]}Z ({site}: {seen})"
    else:
        site, since = "", ""
    absent = ", ".join(s for s in anycast.sites if s not in possible)
    if not possible:
        return (
            f"{what} is gone everywhere{since}: no site advertises it, and all that leads to it "
            f"is lost. Bring back {absent} now."
        )
    if possible == sorted(left.leaving):
        why = "; ".join(f"{s} is {word}" for s, word in sorted(left.leaving.items()))
        return (
            f"{what}: its last advertiser is leaving ({why}){since}. "
            f"Bring back {absent or 'another site'} before it goes."
        )
    word = "only " if len(possible) == 1 else ""
    return (
        f"{what} is advertised by {word}{', '.join(possible)}{since}: {len(possible)} of the "
        f"{needed} sites that must be. Bring back {absent}."
    )
