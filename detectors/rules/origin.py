"""A watched prefix that the wrong AS or place announces, or a part that takes its traffic."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from collector.event import Event, Family, Feed, rfc3339
from detectors.base import FINE, UNKNOWN, Rule, Severity, Status, Verdict
from detectors.cutovers import homes, may_advertise
from detectors.intent import Anycast, Intent, Service, Validity
from detectors.route import Change, Concern, vpn_of
from detectors.routes import Routes
from detectors.sites import site_name

MAX_TOLD = 10
"""Of many offending announcements, this many are named."""
GLOBAL = frozenset({Family.IPV4_UNICAST, Family.IPV6_UNICAST})
"""The families whose routes the RPKI speaks of."""
PRIVATE = (range(64512, 65535), range(4_200_000_000, 4_294_967_295))
"""AS numbers for private use (RFC 6996): no ROA can name them, the border takes them away."""
PLACE = ("place",)
"""What is wrong with a route that all but its place speaks for: no more than a warning."""
_CONFEDERATION = re.compile(r"\([^)]*\)|\[[^]]*\]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One service or anycast address, as far as its origin goes."""

    kind: str
    """`service` or `anycast`."""
    name: str
    prefix: str
    rd: str | None
    origins: frozenset[int]
    """The AS numbers that may originate it; empty for any."""
    service: Service | None
    """The service, where it is one: its more-specifics may come from its home."""
    sites: frozenset[str] | None = None
    """The only sites that may announce it; None where that is not asked."""


@dataclass(frozen=True, slots=True)
class Offence:
    """One announcement that should not be."""

    event: Event
    reasons: tuple[str, ...]
    """`origin`, `more-specific`, `rpki`, `place`; the worst first."""


class Origin(Rule):
    """Judges each service and anycast address (`name prefix`) by the announcements seen of it.

    The origin AS must be in `origin_as`, where that is given, and must not be invalid by the
    RPKI, where the intent names its file. A more-specific of a service with `origin_as` may come
    from where the service may; one of an anycast address takes the traffic of all its sites, so
    nobody may announce it. With `only_sites`, an anycast address may come from its sites alone,
    as far as a route never left our network: what others give back to us has no place in it.
    """

    name: ClassVar[str] = "origin"
    concerns: ClassVar[frozenset[Concern]] = frozenset({Concern.ROUTE, Concern.PATH})

    def __init__(self, intent: Intent) -> None:
        """Watch the intent's services and anycast addresses; nothing is wrong yet."""
        self._intent = intent
        self._vrps = intent.vrps
        entries = [
            Entry("service", s.name, s.prefix, s.rd, frozenset(s.origin_as), s)
            for s in intent.services
        ] + [
            Entry("anycast", a.name, a.prefix, None, frozenset(a.origin_as), None, _only(a))
            for a in intent.anycast
        ]
        self._entries = {f"{entry.name} {entry.prefix}": entry for entry in entries}
        self._by_prefix: dict[str, list[tuple[str, Entry]]] = {}
        for key, entry in self._entries.items():
            self._by_prefix.setdefault(entry.prefix, []).append((key, entry))
        self._wrong: set[str] = set()
        """The keys that were not fine when they were judged last."""

    def prefixes(self) -> Collection[str]:
        """A service may be anywhere if nobody says which AS originates it."""
        entries = self._entries.values()
        return {e.prefix for e in entries if self._vrps or e.origins or e.service is None}

    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        """The entry, where the announcement offends or where it was not fine before."""
        after = change.after
        if after is None and not self._wrong:
            return ()
        return [
            key
            for key, entry in self._by_prefix[str(change.subject)]
            if key in self._wrong or (after is not None and self._offends(after, entry, routes))
        ]

    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        """Fine while nobody else announces it; resolved when the last one has stopped."""
        entry = self._entries.get(key)
        verdict = FINE if entry is None else self._judge(entry, routes, now)
        (self._wrong.discard if verdict.status is Status.FINE else self._wrong.add)(key)
        return verdict

    def restore(self, key: str, details: Mapping[str, Any], at: int) -> None:
        """Judge this one again with its next change."""
        del details, at
        self._wrong.add(key)

    def _judge(self, entry: Entry, routes: Routes, now: int) -> Verdict:
        found: list[Offence] = []
        unsure = False
        for _, route in routes.of_prefix(entry.prefix):
            reasons = self._reasons(route.event, entry, routes, now)
            if reasons and route.stale:
                unsure = True
            elif reasons:
                found.append(Offence(route.event, reasons))
        if found:
            starts = [c.window.start for c in self._intent.cutovers_of(entry.name)]
            again = min((start for start in starts if start > now), default=None)
            return self._violated(entry, found, routes, again if entry.service else None)
        if unsure:
            return UNKNOWN
        return Verdict(
            status=Status.FINE,
            summary=f"{entry.name} ({entry.prefix}): nobody announces it without leave any more.",
        )

    def _offends(self, event: Event, entry: Entry, routes: Routes) -> bool:
        """Whether a new announcement may be wrong; most are told apart by one look."""
        plain = event.prefix == entry.prefix and self._vrps is None and entry.sites is None
        if plain and (not entry.origins or event.origin_as in entry.origins):
            return False
        return bool(self._reasons(event, entry, routes, event.received))

    def _reasons(self, event: Event, entry: Entry, routes: Routes, now: int) -> tuple[str, ...]:
        """What is wrong with one announcement."""
        if entry.rd is not None and vpn_of(event) != entry.rd:
            return ()
        known = event.origin_as in entry.origins or not entry.origins
        whole = event.prefix == entry.prefix
        place = PLACE if whole and self._is_elsewhere(event, entry) else ()
        if known and whole and self._vrps is None:
            return place
        reasons: list[str] = []
        if not known and not origins(event) <= entry.origins:
            reasons.append("origin")
        if not whole and not self._may_be_split(entry, event, routes, now):
            reasons.append("more-specific")
        if self._invalid(event):
            reasons.append("rpki")
        return (*reasons, *place)

    def _is_elsewhere(self, event: Event, entry: Entry) -> bool:
        """Whether a route comes from a place of our network that is none of the entry's sites."""
        if entry.sites is None or self._intent.site_of(event) in entry.sites:
            return False
        return never_left(event, entry.origins)

    def _may_be_split(self, entry: Entry, event: Event, routes: Routes, now: int) -> bool:
        """Whether a more-specific comes from a place that the service may be at."""
        service = entry.service
        if service is None:
            return False
        if not entry.origins:
            return True  # where only places are judged, dual_advertisement does that
        may = may_advertise(self._intent, routes, service, now)
        return self._intent.site_of(event) in may

    def _invalid(self, event: Event) -> bool:
        """Whether the RPKI forbids it; asked only of what came from an AS that can have a ROA."""
        vrps = self._vrps
        if vrps is None or event.family not in GLOBAL or event.peer_rd or not event.prefix:
            return False
        came_from = origins(event) if event.as_path else frozenset()
        if not came_from or any(number in private for number in came_from for private in PRIVATE):
            return False
        return vrps.validity(event.prefix, event.origin_as) is Validity.INVALID

    def _violated(
        self, entry: Entry, found: list[Offence], routes: Routes, again: int | None
    ) -> Verdict:
        found.sort(key=lambda o: (o.reasons == PLACE, o.event.received, o.event.sequence))
        told = sorted({self._told(offence) for offence in found})
        return Verdict(
            status=Status.VIOLATED,
            severity=Severity.WARNING if found[0].reasons == PLACE else Severity.CRITICAL,
            summary=self._summary(entry, found, routes),
            details={
                entry.kind: entry.name,
                "prefix": entry.prefix,
                "origin_as": sorted(entry.origins),
                "offences": [
                    {"prefix": prefix, "origin": origin, "site": site, "reasons": list(reasons)}
                    for prefix, origin, site, reasons in told[:MAX_TOLD]
                ],
            },
            measures={"offences_total": len(told), "seen_at": _routers(found)},
            evidence=tuple(offence.event for offence in found[:MAX_TOLD]),
            again=again,
        )

    def _told(self, offence: Offence) -> tuple[str, str, str, tuple[str, ...]]:
        event = offence.event
        site = site_name(self._intent, event)
        return event.prefix or "", origin_text(event), site, offence.reasons

    def _summary(self, entry: Entry, found: list[Offence], routes: Routes) -> str:
        worst = found[0]
        event = worst.event
        what = "it" if event.prefix == entry.prefix else f"the more-specific {event.prefix}"
        why = ", and ".join(self._why(entry, event, reason, routes) for reason in worst.reasons)
        others = len({self._told(offence) for offence in found}) - 1
        more = f" ({others} more like it)" if others else ""
        seen = _routers(found)
        where = ", ".join(seen[:3]) + (f" and {len(seen) - 3} more" if len(seen) > 3 else "")
        since = rfc3339(event.received)[:19]
        path = event.as_path or "empty"
        act = "Have it withdrawn there, or filter it where it enters"
        if worst.reasons == PLACE:
            act = "Stop it there, or add that place to the sites of the intent"
        return (
            f"{entry.name} ({entry.prefix}): {origin_text(event)} announces {what} from "
            f"{site_name(self._intent, event)}{more}, seen at {where} since {since}Z: {why}. "
            f"{act} (path {path})."
        )

    def _why(self, entry: Entry, event: Event, reason: str, routes: Routes) -> str:
        if reason == "origin":
            return f"its origin must be {' or '.join(f'AS{a}' for a in sorted(entry.origins))}"
        if reason == "more-specific":
            service = entry.service
            home = ", ".join(homes(self._intent, routes, service)) if service else ""
            only = f"only {home} may announce parts of it" if home else "no part of it may be"
            return f"{only}, and the longer prefix takes the traffic"
        if reason == "place":
            return f"only {', '.join(sorted(entry.sites or ()))} may"
        covering = self._vrps.covering(event.prefix) if self._vrps and event.prefix else ()
        return f"it is invalid by the RPKI ({', '.join(map(str, covering[:3]))})"


def _only(anycast: Anycast) -> frozenset[str] | None:
    return frozenset(anycast.sites) if anycast.only_sites else None


def never_left(event: Event, ours: Collection[int]) -> bool:
    """Whether a route was announced inside our network, of these AS numbers, and stayed there.

    Its path has no AS but these; an empty one never left the AS that shows it. Members of a
    confederation do not count (RFC 5065). A route server leaves its own AS out of the path
    (RFC 7947): what an EBGP peer of another AS shows came back by it. LOCAL_PREF, which IBGP
    routes always have and EBGP routes never (RFC 4271), tells the two.
    """
    if event.as_path is None or event.feed == Feed.BGPSTREAM:
        return False
    path = set(map(int, re.findall(r"\d+", _CONFEDERATION.sub("", event.as_path))))
    if not path:
        return True
    return path.issubset(ours) and (
        not event.peer_as or event.peer_as in ours or event.local_pref is not None
    )


def origins(event: Event) -> frozenset[int]:
    """The AS numbers of which one originated the route; none where nobody can tell.

    A path that ends in an AS_SET has many. An empty path is one of our own AS, which is the
    peer's too (IBGP). Inside a confederation the numbers are those of its members: not told.
    """
    if event.origin_as is not None:
        return frozenset((event.origin_as,))
    path = event.as_path
    if not path:
        return frozenset((event.peer_as,) if path is not None and event.peer_as else ())
    last = path.rpartition("{")[2]
    if path.endswith("}"):
        return frozenset(
            int(number) for number in last[:-1].split(",") if number.strip().isdecimal()
        )
    return frozenset()


def origin_text(event: Event) -> str:
    """Who originated the route, in words: `AS65000`, `one of AS65001, AS65002`."""
    numbers = [f"AS{number}" for number in sorted(origins(event))]
    if not numbers:
        return "an AS that is not shown"
    return numbers[0] if len(numbers) == 1 else f"one of {', '.join(numbers)}"


def _routers(found: list[Offence]) -> list[str]:
    return sorted({offence.event.router for offence in found})
