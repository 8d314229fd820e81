"""How long the network takes to leave a site that withdrew."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import msgspec

from collector.event import Event, Provenance, parse_rfc3339, rfc3339
from detectors.base import FINE, Rule, Severity, Status, Unfinished, Verdict
from detectors.cutovers import under_way
from detectors.intent import Anycast, Intent, Service
from detectors.intent.values import unmapped
from detectors.route import Cause, Change, Concern, RouteKey, vpn_of
from detectors.routes import Routes

SECOND = 1_000_000_000
SETTLED = 5 * SECOND
"""What stays as it is for so long (ns) has converged; until then it may be path hunting."""
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180)
"""Upper bounds of the distribution, seconds."""
MAX_EVIDENCE = 6


@dataclass(slots=True)
class Distribution:
    """How long the failovers of one address took."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    """Those up to each of `BUCKETS` and above the one before; the last are longer than all."""
    seconds: float = 0.0
    """All of them together."""

    def add(self, ns: int) -> None:
        """One more."""
        self.counts[bisect_left(BUCKETS, ns / SECOND)] += 1
        self.seconds += ns / SECOND


@dataclass(slots=True)
class Episode:
    """One withdrawal, from when it was first seen until all have moved."""

    address: Anycast | Service
    site: str
    first: Event | None
    """The first withdrawal; None where it was told before a restart."""
    began: int
    moved: int
    """When a vantage point left last, ns."""
    stirred: int
    """When a vantage point left last or came back last, ns."""
    had: set[RouteKey] = field(default_factory=set)
    """The vantage points that had routes of the site when it began."""
    announced: bool = False
    """The site itself withdrew, so that others must follow."""
    unsure: bool = False
    """We lost sight of a vantage point that had not moved, so the time is not known."""
    raised: bool = False
    restored: bool = False
    """It began before a restart: who came back meanwhile is known when all tables are seen."""

    @property
    def budget_ends(self) -> int:
        """When it should be over, ns."""
        return self.began + self.address.failover

    def counts(self, shown: Mapping[RouteKey, Event], stale: Collection[RouteKey]) -> bool:
        """Whether it is the site's withdrawal, and not one vantage point's trouble."""
        moved = len(self.had.difference(shown, stale))
        announced = self.announced and not any(map(_its_own, shown.values()))
        return self.first is None or announced or 2 * moved > len(self.had)


class Withdrawal(msgspec.Struct):
    """An episode that nobody was told of, as it outlives a restart."""

    name: str
    prefix: str
    site: str
    first: Event
    began: int
    moved: int
    stirred: int
    had: list[RouteKey]
    announced: bool


class Failover(Rule):
    """Judges each withdrawal of an address by a site (`NAME SITE`), and keeps how long each took.

    It begins with the first vantage point that loses the site by a withdrawal, or by a session of
    its router, and ends with the last that does: what is announced in between is path hunting. It
    counts as the site's withdrawal where the site's own session said so, or most vantage points
    have moved; else one router's trouble would be everybody's. A vantage point that we lose sight
    of is left out. A withdrawal that is taken back is none.
    """

    name: ClassVar[str] = "failover"
    concerns: ClassVar[frozenset[Concern]] = frozenset({Concern.ROUTE, Concern.SESSION})

    def __init__(self, intent: Intent) -> None:
        """Watch the intent's addresses; nothing is withdrawn yet."""
        self._intent = intent
        self._addresses: dict[str, list[Anycast | Service]] = {}
        every: list[Anycast | Service] = [*intent.services, *intent.anycast]
        for address in every:
            self._addresses.setdefault(address.prefix, []).append(address)
        self._episodes: dict[str, Episode] = {}
        """What is going on, by key."""
        self._at: dict[str, dict[str, Episode]] = {}
        """The same by prefix, and then by key."""
        self.distributions: dict[str, Distribution] = {}
        """How long failovers took, by the name of the address."""

    def prefixes(self) -> Collection[str]:
        """Those of services, and the anycast addresses."""
        return self._addresses.keys()

    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        """Note who left a site; answer the withdrawals that must be looked at for it.

        One that goes on within its budget need not be: its time to be judged is set already.
        """
        prefix = change.subject
        if change.key is None:  # a table may be complete that was waited for
            return [key for key in self.standing() if not self._episodes[key].raised]
        if not isinstance(prefix, str) or change.cause is Cause.INTENT:
            return ()
        leaves = change.cause in (Cause.WITHDRAW, Cause.PEER_DOWN)
        if not leaves and prefix not in self._at:
            return ()
        addresses = self._addresses[prefix]
        out_of_sight = (
            change.cause in (Cause.STALE, Cause.SWEEP)
            or change.event.provenance == Provenance.SYNTHETIC
        )
        keys: list[str] = []
        for address in addresses:
            if out_of_sight:
                keys += self._lose_sight(address, change, routes)
                continue
            for event in (change.before, change.after):
                site = self._intent.site_of(event) if event is not None else None
                if event is not None and site is not None and _carries(address, event):
                    keys += self._note(address, site, change, routes, leaves=leaves)
        return keys

    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        """Violated past the budget, until no vantage point shows the site any more."""
        found = self._episodes.get(key)
        if found is None:
            return FINE
        if not found.raised and now < min(found.stirred + SETTLED, found.budget_ends):
            return _later(found, now)
        return self._judge(key, found, routes, now)

    def _judge(self, key: str, found: Episode, routes: Routes, now: int) -> Verdict:
        shown, stale = self._showing(found.address, found.site, routes)
        blind = found.restored and (not routes.feeds.settled() or routes.feeds.blind())
        if blind or (stale and not shown):
            return replace(_later(found, now), status=Status.UNKNOWN)
        settled = found.stirred + SETTLED
        seen = found.had - stale
        back = bool(seen) and seen <= shown.keys()
        over = not shown or back
        if over and now >= settled:
            return self._end(key, found, back=back)
        if not over and now >= found.budget_ends:
            if not found.counts(shown, stale) or self._in_cutover(found, routes, now):
                self._drop(key, found)
                return FINE
            found.raised = True
        if found.raised:
            return self._violated(found, shown, again=settled if over else None)
        return _later(found, now)

    def succeed(self, other: Failover) -> None:
        """Go on measuring addresses that are meant as they were; keep what was measured."""
        self.distributions = other.distributions
        for key, running in other._episodes.items():
            if running.address in self._addresses.get(running.address.prefix, ()):
                self._keep(key, running)

    def _in_cutover(self, found: Episode, routes: Routes, now: int) -> bool:
        """Whether a cutover is under way, which tells itself who has not moved."""
        service = found.address
        return isinstance(service, Service) and bool(under_way(self._intent, routes, service, now))

    def standing(self) -> Iterable[str]:
        """Those that began before a restart: their time goes on even if nothing happens."""
        return [key for key, found in self._episodes.items() if found.restored]

    def unfinished(self) -> Iterable[Unfinished]:
        """What goes on within its budget."""
        for key, found in self._episodes.items():
            if found.first is not None and not found.raised:
                address = found.address
                known = Withdrawal(
                    *(address.name, address.prefix, found.site, found.first),
                    *(found.began, found.moved, found.stirred, sorted(found.had, key=str)),
                    found.announced,
                )
                yield Unfinished(self.name, key, msgspec.to_builtins(known))

    def resume(self, unfinished: Unfinished) -> None:
        """Go on with it; how long it takes cannot be known any more."""
        known = msgspec.convert(unfinished.values, Withdrawal)
        for address in self._addresses.get(known.prefix, ()):
            if address.name == known.name:
                found = Episode(address, known.site, known.first, known.began, known.moved, 0)
                found.stirred, found.had = known.stirred, set(map(_place, known.had))
                found.announced = known.announced
                found.unsure = found.restored = True
                self._keep(unfinished.key, found)

    def restore(self, key: str, details: Mapping[str, Any], at: int) -> None:
        """Go on waiting for those that had not moved."""
        for addresses in self._addresses.values():
            for address in addresses:
                if address.name == details["name"]:
                    began = parse_rfc3339(details["began"])
                    found = Episode(address, details["site"], None, began, at, at)
                    found.raised = found.restored = True
                    self._keep(key, found)

    # What happens

    def _note(
        self,
        address: Anycast | Service,
        site: str,
        change: Change,
        routes: Routes,
        *,
        leaves: bool,
    ) -> list[str]:
        """Begin with a withdrawal, and keep the times of what follows it."""
        key, event, at = f"{address.name} {site}", change.event, change.event.received
        assert change.key is not None  # noqa: S101 - the caller has looked
        place, found = _place(change.key), self._episodes.get(key)
        began = found is None
        if found is None:
            if not leaves:
                return []
            shown, _ = self._showing(address, site, routes)
            if place in shown or not shown:
                return []  # it has another path, or was the last to show the site
            found = Episode(address, site, event, at, at, at, {*shown, place})
            self._keep(key, found)
        found.stirred = at
        after = self._intent.site_of(change.after) if change.after is not None else None
        if after != site and not self._has_other(change.key, found, routes):
            found.moved = at
            found.announced = found.announced or _said_itself(change)
        return [key] if began or found.raised or at >= found.budget_ends else []

    def _has_other(self, key: RouteKey, found: Episode, routes: Routes) -> bool:
        """Whether a vantage point shows, or showed last, the site by another path than this one."""
        if key.path_id is None:
            return False
        shown, stale = self._showing(found.address, found.site, routes)
        return _place(key) in shown.keys() | stale

    def _lose_sight(self, address: Anycast | Service, change: Change, routes: Routes) -> list[str]:
        keys = []
        for key, found in self._at.get(address.prefix, {}).items():
            if change.before is not None and self._intent.site_of(change.before) == found.site:
                gone = change.key if change.after is None else None
                if gone is not None and not self._has_other(gone, found, routes):
                    found.had.discard(_place(gone))  # nobody saw when it moved
                found.unsure = True
                keys.append(key)
        return keys

    def _showing(
        self, address: Anycast | Service, site: str, routes: Routes
    ) -> tuple[dict[RouteKey, Event], set[RouteKey]]:
        """The vantage points that show the site, and those that did when they were seen last."""
        shown: dict[RouteKey, Event] = {}
        stale: set[RouteKey] = set()
        for key, route in routes.of_prefix(address.prefix):
            if route.site == site and _carries(address, route.event):
                if route.stale:
                    stale.add(_place(key))
                else:
                    shown[_place(key)] = route.event
        return shown, stale.difference(shown)

    def _keep(self, key: str, found: Episode) -> None:
        self._episodes[key] = found
        self._at.setdefault(found.address.prefix, {})[key] = found

    def _drop(self, key: str, found: Episode) -> None:
        del self._episodes[key]
        running = self._at[found.address.prefix]
        del running[key]
        if not running:
            del self._at[found.address.prefix]

    # What it means

    def _end(self, key: str, found: Episode, *, back: bool) -> Verdict:
        self._drop(key, found)
        address = found.address
        what = f"{address.name} ({address.prefix})"
        if back:
            summary = f"{found.site} advertises {what} again wherever it did."
            return Verdict(status=Status.FINE, summary=summary)
        if found.first is None or found.unsure:
            summary = f"No vantage point that is seen shows {found.site} for {what} any more."
            return Verdict(status=Status.FINE, summary=summary)
        took = found.moved - found.began
        self.distributions.setdefault(address.name, Distribution()).add(took)
        summary = (
            f"All {len(found.had)} vantage points have left {found.site} for {what}: that took "
            f"{took / SECOND:.3g} s (budget {address.failover / SECOND:g} s)."
        )
        return Verdict(status=Status.FINE, summary=summary)

    def _violated(
        self, found: Episode, shown: Mapping[RouteKey, Event], *, again: int | None
    ) -> Verdict:
        address = found.address
        routers = sorted({key.router for key in shown})
        where = ", ".join(routers[:3])
        where += f" and {len(routers) - 3} more" if len(routers) > 3 else ""
        at = f" (first seen at {found.first.router})" if found.first is not None else ""
        proof = [found.first] if found.first is not None else []
        earlier = self.distributions.get(address.name, Distribution())
        count = sum(earlier.counts)
        return Verdict(
            status=Status.VIOLATED,
            severity=Severity.WARNING,
            summary=f"{found.site} withdrew {address.name} ({address.prefix}) at "
            f"{rfc3339(found.began)[:19]}Z{at}, and more than {address.failover / SECOND:g} s "
            f"later {where or 'some router'} still sends its traffic there. Look for a stuck route "
            f"there, and clear its session.",
            details={
                "name": address.name,
                "prefix": address.prefix,
                "site": found.site,
                "began": rfc3339(found.began),
                "budget_seconds": address.failover / SECOND,
            },
            measures={
                "still": routers,
                "vantage_points": len(found.had),
                "earlier": count,
                "earlier_mean_seconds": round(earlier.seconds / count, 3) if count else None,
            },
            evidence=tuple([*proof, *shown.values()][:MAX_EVIDENCE]),
            again=again,
        )


def _later(found: Episode, now: int) -> Verdict:
    """Nothing to say yet; when there may be, after `now`."""
    moments = [each for each in (found.stirred + SETTLED, found.budget_ends) if each > now]
    return Verdict(status=Status.FINE, again=min(moments, default=None))


def _place(key: RouteKey) -> RouteKey:
    """A vantage point, by whatever path it shows a route."""
    return key if key.path_id is None else key._replace(path_id=None)


def _carries(address: Anycast | Service, event: Event) -> bool:
    """Whether a route is one of the address: of its VPN, where it names one."""
    return not isinstance(address, Service) or address.rd in (None, vpn_of(event))


def _said_itself(change: Change) -> bool:
    """Whether the site's own session withdrew, which only another of its own can contradict."""
    before = change.before
    return change.cause is Cause.WITHDRAW and before is not None and _its_own(before)


def _its_own(event: Event) -> bool:
    """Whether a route came from the site itself, over a session of its own."""
    hop = event.next_hop and unmapped(event.next_hop)
    return event.peer is not None and event.peer in (hop, event.originator_id)
