"""An anycast site that comes and goes: the figure of merit of RFC 2439."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import log2
from typing import Any, ClassVar

from collector.event import Event, Provenance, rfc3339
from detectors.base import FINE, UNKNOWN, Rule, Severity, Status, Verdict
from detectors.intent import Anycast, Flap, Intent
from detectors.route import Cause, Change, Concern, RouteKey, same_path
from detectors.routes import Routes
from detectors.sites import site_name

WITHDRAWAL = 1000.0
"""Penalty of a withdrawal (RFC 2439 section 4.2; the value that routers use)."""
ATTRIBUTE_CHANGE = 500.0
"""Penalty of an announcement with other attributes."""
HUNTING_STEP = 35_000_000_000
"""Path hunting goes on as long as one change follows another within this time (ns).

Each step may wait for MinRouteAdvertisementInterval, 30 s between ASes (RFC 4271 section 10).
"""
HUNTING_ENDS = 180_000_000_000
"""A run of changes that lasts longer (ns) is no path hunting: it counts again."""
CEILING = 4.0
"""A figure stops growing at this many times the highest threshold, or it would take hours to decay.

With the thresholds of vendors and of RFC 7196 that is what routers have: 12,000, and about 50,000.
"""
PATH, DUMP = Concern.PATH, Provenance.DUMP.value
CALM = 100.0
"""A figure below this says no more than that something happened an hour ago."""
FEW, MAX_FIGURES = 1_000, 50_000
"""Of figures: calm ones stay while there are few, and there are never more than so many."""


@dataclass(slots=True)
class Hunt:
    """A run of changes of which each may be a step of the search for the path that stays."""

    began: int
    last: int
    before: tuple[float, int]
    """The figure's value and time before the run."""

    def goes_on(self, now: int) -> bool:
        """Whether a change at `now` (ns) may be a step of this run."""
        return now - self.last < HUNTING_STEP and now - self.began < HUNTING_ENDS


@dataclass(slots=True)
class Figure:
    """The penalty of one site as one vantage point sees it."""

    of: str
    """The key of that site."""
    value: float = 0.0
    at: int = 0
    first: Event | None = None
    """The first event that counts, since the figure was last calm."""
    last: Event | None = None
    """The last one that counts."""
    hunt: Hunt | None = None

    def decayed(self, now: int, half_life: int) -> float:
        """The penalty at `now` (ns): it halves every `half_life` ns."""
        return float(self.value * 2.0 ** (-max(0, now - self.at) / half_life))

    def withdrawn(self, event: Event, flap: Flap) -> None:
        """Count a withdrawal, and not the path hunting that led to it."""
        if self.hunt is not None and self.hunt.goes_on(event.received):
            self.value, self.at = self.hunt.before
        self.hunt = None
        self._add(WITHDRAWAL, event, flap)

    def is_back(self, now: int) -> None:
        """Count nothing: the first path after a withdrawal may not be the one that stays."""
        self.hunt = Hunt(now, now, (self.value, self.at))

    def is_hunting(self, now: int) -> bool:
        """Whether a change at `now` (ns) is a step of path hunting; if so, its last one so far."""
        if self.hunt is None or not self.hunt.goes_on(now):
            return False
        self.hunt.last = now
        return True

    def changed(self, event: Event, flap: Flap) -> None:
        """Count a change, and take it for the first step of path hunting."""
        self.hunt = Hunt(event.received, event.received, (self.value, self.at))
        self._add(ATTRIBUTE_CHANGE, event, flap)

    def _add(self, points: float, event: Event, flap: Flap) -> None:
        left = self.decayed(event.received, flap.half_life)
        if left < flap.reuse or self.first is None:
            self.first = event
        self.value = min(left + points, CEILING * max(flap.suppress, flap.upstream))
        self.at, self.last = event.received, event


class Flapping(Rule):
    """Judges each (anycast prefix, site) by the worst figure that a vantage point gives it.

    Every vantage point (router, peer, view) counts on its own, as a damping router would: five
    collectors that see one flap are one flap. Dumps and our own lost sessions do not count.
    """

    name: ClassVar[str] = "flapping"
    concerns: ClassVar[frozenset[Concern]] = frozenset({Concern.ROUTE, Concern.PATH})

    def __init__(self, intent: Intent) -> None:
        """Watch the intent's anycast prefixes; nothing has flapped yet."""
        self._intent = intent
        self._anycast = {anycast.prefix: anycast for anycast in intent.anycast}
        self._figures: dict[str, dict[object, Figure]] = {}
        self._latest: dict[RouteKey, Figure] = {}
        """The figure that was last raised at a place."""
        self._sites: dict[str, tuple[Anycast, str]] = {}
        self._peak: dict[str, float] = {}
        """The highest penalty of those that people were told of."""
        self._count = 0
        """Of figures."""
        self._room = FEW

    def prefixes(self) -> Collection[str]:
        """Services may move; an anycast address has to stay."""
        return self._anycast.keys()

    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        """Add the penalty of this change; the key is `name site`."""
        if change.key is None:
            return ()
        anycast = self._anycast[str(change.subject)]
        place = change.key
        if place.path_id is not None:  # its number says nothing: it may be another one each time
            place = place._replace(path_id=None)
        if change.concern is PATH:
            figure = self._path(anycast, change, place)
        elif place is change.key or not self._has_other(change, change.key, routes):
            figure = self._route(anycast, change, place)
        else:
            return ()
        return (figure.of,) if figure is not None and self._is_news(figure, anycast.flap) else ()

    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        """Violated from `suppress` up, fine again below `reuse` if somebody still looks."""
        known = self._sites.get(key)
        if known is None:
            return FINE
        anycast, site = known
        half_life = anycast.flap.half_life
        worst = max(self._figures[key].values(), key=lambda f: f.decayed(now, half_life))
        penalty = worst.decayed(now, half_life)
        told = key in self._peak
        if not told and penalty < anycast.flap.suppress:
            return FINE
        # The reuse moment is rounded to a nanosecond, so let the last fraction of a point go.
        if penalty <= anycast.flap.reuse + 1e-3:
            if told and not any(_looks(place, routes) for place in self._figures[key]):
                return UNKNOWN
            self._forget(key)
            return Verdict(
                status=Status.FINE,
                summary=f"{site} has advertised {anycast.name} ({anycast.prefix}) steadily enough: "
                f"flap penalty below {anycast.flap.reuse:g}.",
            )
        peak = self._peak[key] = max(self._peak.get(key, 0.0), penalty)
        return _violated(anycast, site, worst, penalty, peak)

    def succeed(self, other: Flapping) -> None:
        """Go on with the figures of the prefixes that are still there."""
        by_name = {anycast.name: anycast for anycast in self._anycast.values()}
        for key, (old, site) in other._sites.items():
            anycast = by_name.get(old.name)
            if anycast is None or anycast.prefix != old.prefix:
                continue
            self._sites[key] = (anycast, site)
            self._figures[key] = other._figures[key]
            if key in other._peak:
                self._peak[key] = other._peak[key]
        self._count = sum(map(len, self._figures.values()))
        self._latest = {
            place: figure for place, figure in other._latest.items() if figure.of in self._figures
        }

    def restore(self, key: str, details: Mapping[str, Any], at: int) -> None:
        """Take the penalty up where it was when it was last told."""
        for anycast in self._anycast.values():
            if anycast.name == details.get("anycast"):
                self._sites[key] = (anycast, str(details["site"]))
                self._figures[key] = {"restored": Figure(key, float(details["penalty"]), at)}
                self._count += 1
                likely = anycast.flap.upstream if details.get("suppression_likely") else 0.0
                self._peak[key] = max(int(details["level"]) * anycast.flap.suppress, likely)

    def _is_news(self, figure: Figure, flap: Flap) -> bool:
        """Whether a figure that was just raised may change what people were told."""
        peak = self._peak.get(figure.of)
        if peak is None:
            return figure.value >= flap.suppress
        return (
            _level(figure.value, flap) > _level(peak, flap)
            or figure.value >= flap.upstream > peak
            or figure.first is figure.last  # it was calm, or nobody saw
        )

    def _path(self, anycast: Anycast, change: Change, place: RouteKey) -> Figure | None:
        """Count other attributes of the same route; the figure that this raised."""
        before, after = change.before, change.after
        if before is None or after is None:
            return None
        figure = self._latest.get(place)
        if figure is not None and figure.is_hunting(after.received):
            return None
        if after.provenance == DUMP:
            return None
        figure = self._figure(anycast, before, place)
        figure.changed(change.event, anycast.flap)
        return figure

    def _route(self, anycast: Anycast, change: Change, place: RouteKey) -> Figure | None:
        """Count a route that went, and note one that is back; the figure that this raised."""
        before, after = change.before, change.after
        if change.cause in (Cause.WITHDRAW, Cause.PEER_DOWN) and before is not None:
            figure = self._figure(anycast, before, place)
            if figure.last is change.event:
                return None  # several paths of a session that went down
            figure.withdrawn(change.event, anycast.flap)
            return figure
        if change.cause is not Cause.ANNOUNCE or after is None:
            return None
        site = site_name(self._intent, after)
        if before is not None:
            if site == site_name(self._intent, before) and not same_path(before, after):
                return self._path(anycast, change, place)
            return None  # the router prefers another site now: no site changed anything
        known = self._latest.get(place)
        if known is not None and known.of == f"{anycast.name} {site}":
            known.is_back(after.received)
        return None

    def _has_other(self, change: Change, key: RouteKey, routes: Routes) -> bool:
        """Whether a vantage point shows the site by another path: then this one came or went."""
        event = change.after or change.before
        if event is None or (change.before is not None and change.after is not None):
            return False
        site = site_name(self._intent, event)
        return any(
            other != key
            and other._replace(path_id=key.path_id) == key
            and not route.stale
            and site_name(self._intent, route.event) == site
            for other, route in routes.at(key)
        )

    def _figure(self, anycast: Anycast, event: Event, place: RouteKey) -> Figure:
        """The figure of the site that an event comes from, at a vantage point."""
        site = site_name(self._intent, event)
        key = f"{anycast.name} {site}"
        figure = self._figures.get(key, {}).get(place)
        if figure is None:
            if self._count >= self._room:
                self._make_room(event.received)
            figure = Figure(key)
            self._sites[key] = (anycast, site)
            self._figures.setdefault(key, {})[place] = figure
            self._count += 1
        self._latest[place] = figure
        return figure

    def _forget(self, key: str) -> None:
        figures = self._figures.pop(key)
        self._count -= len(figures)
        for place, figure in figures.items():
            if isinstance(place, RouteKey) and self._latest.get(place) is figure:
                del self._latest[place]
        del self._sites[key]
        self._peak.pop(key, None)

    def _make_room(self, now: int) -> None:
        """Forget the sites that are calm, or else the calmest; none that people were told of."""
        worst = {
            key: max(f.decayed(now, self._sites[key][0].flap.half_life) for f in figures.values())
            for key, figures in self._figures.items()
            if key not in self._peak
        }
        calmest = sorted(worst, key=worst.__getitem__)
        for key in calmest:
            if worst[key] >= CALM:
                break
            self._forget(key)
        if self._count >= MAX_FIGURES:
            for key in calmest[: len(calmest) // 2 + 1]:
                if key in self._figures:
                    self._forget(key)
        self._room = min(max(FEW, 2 * self._count), MAX_FIGURES)


def _level(penalty: float, flap: Flap) -> int:
    """How many times `suppress` a penalty is."""
    return int(penalty // flap.suppress)


def _violated(anycast: Anycast, site: str, worst: Figure, penalty: float, peak: float) -> Verdict:
    flap = anycast.flap
    reuse_at = worst.at + int(flap.half_life * log2(worst.value / flap.reuse)) + 1
    critical = peak >= flap.upstream
    danger = (
        "networks upstream are likely to suppress it now"
        if critical
        else "upstream damping is near"
    )
    first, last = worst.first, worst.last
    seen = f" at {last.router}" if last else ""
    since = f" since {rfc3339(first.received)[:19]}Z" if first else ""
    flaps = (last.prefix if last else None) or anycast.prefix
    what = anycast.prefix if flaps == anycast.prefix else f"{flaps} in {anycast.prefix}"
    return Verdict(
        status=Status.VIOLATED,
        severity=Severity.CRITICAL if critical else Severity.WARNING,
        summary=f"{site} flaps {anycast.name} ({what}){since}{seen}: flap "
        f"penalty {penalty:.0f} against {flap.suppress:g}, {danger}; calm from "
        f"{rfc3339(reuse_at)[:19]}Z if it stops now. "
        f"Steady or drain the health check of {site}.",
        details={
            "anycast": anycast.name,
            "prefix": anycast.prefix,
            "site": site,
            "level": max(_level(peak, flap), 1),
            "suppression_likely": critical,
            "suppress": flap.suppress,
            "upstream": flap.upstream,
            "reuse": flap.reuse,
        },
        measures={"penalty": round(penalty, 1), "flaps": flaps},
        evidence=tuple(e for e in (last, None if first is last else first) if e is not None),
        again=reuse_at,
    )


def _looks(place: object, routes: Routes) -> bool:
    """Whether a vantage point sees now; after a restart, whether all of them do."""
    if isinstance(place, RouteKey):
        return routes.feeds.sees(place.seen_by)
    return routes.feeds.settled() and not routes.feeds.blind()
