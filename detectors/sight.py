"""What is seen of one cutover at one moment, from every vantage point, and what that proves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from collector.event import Event, View
from detectors.intent import Cutover, Intent, Service
from detectors.progress import HeldRules, Progress, Vantage
from detectors.route import vpn_of
from detectors.routes import Routes
from detectors.sites import unknown_site


@dataclass(slots=True)
class Place:
    """One vantage point."""

    sites: dict[str, list[Event]] = field(default_factory=dict)
    """Who is seen there to advertise, by the routes."""
    rules: int = 0
    """How many rules of the `flush` policy are seen there."""


@dataclass(slots=True)
class Sight:
    """Who advertises, and who holds rules, as far as it is seen."""

    cutover: Cutover
    service: Service
    places: dict[Vantage, Place] = field(default_factory=dict)
    tables: dict[Vantage, set[str]] = field(default_factory=dict)
    """Who is seen to advertise in each whole table: a new site may come by another session."""
    live: set[str] = field(default_factory=set)
    """Sites that are seen to advertise anywhere."""
    stale: set[str] = field(default_factory=set)
    """Sites whose routes nobody can see now, somewhere."""
    rules: HeldRules = field(default_factory=HeldRules)
    """Those of the `flush` policy."""
    unseen: set[Vantage] = field(default_factory=set)
    """The vantage points that matter and do not see."""
    covered: set[Vantage] = field(default_factory=set)
    """Those that need not see: another feed or view of the router does, or it is a new site."""
    settled: bool = False
    """Every feed has shown its tables, and none is blind now: what is not seen is not there."""

    @property
    def old(self) -> bool:
        """Whether the old site advertises."""
        return self.cutover.from_ in self.live

    @property
    def new(self) -> bool:
        """Whether a new site advertises."""
        return bool(self.live.intersection(self.cutover.to))

    def shows_old(self) -> set[Vantage]:
        """Where the old site is seen."""
        return {v for v, place in self.places.items() if self.cutover.from_ in place.sites}

    def must_show(self, progress: Progress) -> set[Vantage]:
        """The vantage points that saw the old site, see, and have to show who is there now."""
        return progress.saw - self.unseen - self.covered

    def seen_at(self, vantage: Vantage) -> set[str]:
        """Who is seen in the table of a vantage point."""
        return self.tables.get(vantage.whole, set())

    def routes_of(self, sites: Iterable[str]) -> list[Event]:
        """The routes of these sites, the oldest first."""
        wanted = set(sites)
        found = {
            (event.received, event.sequence, event.router): event
            for place in self.places.values()
            for site in place.sites.keys() & wanted
            for event in place.sites[site]
        }
        return [found[key] for key in sorted(found)]

    def rules_left(self) -> dict[str, int]:
        """How many rules each vantage point shows, where it shows any."""
        return {str(v): p.rules for v, p in sorted(self.places.items()) if p.rules}

    def moved(self, progress: Progress) -> bool:
        """Whether every vantage point that saw the old site is seen to see a new one instead.

        All new sites must be seen, unless nobody shows more than best paths.
        """
        wanted = len(self.cutover.to) if progress.several else 1
        if len(self.live.intersection(self.cutover.to)) < wanted:
            return False
        if self.old or self.cutover.from_ in self.stale:
            return False
        if not progress.saw:
            return self.settled
        return self._all_show(progress, set(self.cutover.to))

    def _all_show(self, progress: Progress, sites: set[str]) -> bool:
        """Whether every vantage point that saw the old site is seen to see one of these."""
        if progress.saw & self.unseen:
            return False
        return all(self.seen_at(v) & sites for v in self.must_show(progress))

    def flushed(self, progress: Progress) -> bool:
        """Whether every vantage point that showed rules is seen to show none."""
        if self.cutover.flush is None:
            return True
        if self.rules.stale or any(place.rules for place in self.places.values()):
            return False
        if not progress.rules_seen:
            return self.settled
        return all(v in self.covered for v in progress.ruled)

    def at_start(self, progress: Progress) -> bool:
        """Whether every vantage point that saw the old site is seen to see it again, alone."""
        if self.new or self.stale.intersection(self.cutover.to) or not self.old:
            return False
        return self._all_show(progress, {self.cutover.from_})


def look(
    intent: Intent,
    routes: Routes,
    cutover: Cutover,
    rules: HeldRules,
    progress: Progress,
) -> Sight:
    """What is seen now of a cutover; `rules` are those of its `flush` policy."""
    service = intent.service(cutover.service)
    sight = Sight(cutover, service, rules=rules)
    for key, route in routes.of_prefix(service.prefix):
        if service.rd is not None and vpn_of(route.event) != service.rd:
            continue
        site = route.site or unknown_site(route.event)
        if route.stale:
            sight.stale.add(site)
            continue
        vantage = Vantage.of_route(key, route.event)
        place = sight.places.setdefault(vantage, Place())
        place.sites.setdefault(site, []).append(route.event)
        sight.tables.setdefault(vantage.whole, set()).add(site)
        sight.live.add(site)
    for vantage, count in rules.at.items():
        sight.places.setdefault(vantage, Place()).rules = count
    for vantage in progress.saw | progress.ruled:
        if _need_not_see(intent, routes, cutover, vantage) or _is_replaced(sight, routes, vantage):
            sight.covered.add(vantage)
        elif vantage in progress.dark or not routes.feeds.sees(vantage.seen_by):
            sight.unseen.add(vantage)
    sight.settled = routes.feeds.settled() and not routes.feeds.blind()
    return sight


def _need_not_see(intent: Intent, routes: Routes, cutover: Cutover, vantage: Vantage) -> bool:
    """Whether another feed or view says it better, or the router is a new site itself.

    A router is not told of its own route; post-policy is looked at only where nothing better is.
    """
    feeds = routes.feeds.of_router(vantage.router)
    views = {view for state in feeds.values() for view in state.shown}
    if vantage.view == View.ADJ_IN_POST:
        loc_rib = View.LOC_RIB in views and routes.feeds.from_gobgp(vantage.router)
        if loc_rib or routes.shows_pre_policy(vantage.router):
            return True
    state = feeds.get(vantage.seen_by)
    up = state is not None and state.up and state.complete
    if not up and routes.feeds.covered(vantage.seen_by):
        return True
    names = {vantage.router, *(state.address for state in feeds.values() if state.address)}
    return any(
        names & {matcher.originator_id, matcher.next_hop, matcher.peer, matcher.router}
        for site in cutover.to
        for matcher in intent.sites[site].match
    )


def _is_replaced(sight: Sight, routes: Routes, vantage: Vantage) -> bool:
    """Whether its router was set to show another view, which says who advertises now."""
    state = routes.feeds.get(vantage.seen_by)
    if state is None or not state.complete or vantage.view in state.shown:
        return False
    return any(table.seen_by == vantage.seen_by for table in sight.tables)
