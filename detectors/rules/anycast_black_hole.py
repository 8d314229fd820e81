"""A site that attracts traffic which it does not serve, or serves and attracts none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from collector.event import Event, Kind, View, parse_rfc3339, rfc3339
from detectors.base import FINE, UNKNOWN, Rule, Severity, Status, Verdict
from detectors.intent import Intent, Probe
from detectors.probes import Place, places_of
from detectors.route import Cause, Change, Concern
from detectors.routes import Routes
from detectors.sites import advertisers, live_sites, stale_sites

SECOND = 1_000_000_000
SILENCE = 30 * SECOND
"""A healthy site may take so long (ns) to advertise."""
PROBER = "prober "
MAX_EVIDENCE = 5


@dataclass(slots=True)
class Health:
    """What the probes of one place say: a change counts once it was found often enough in a row."""

    healthy: bool | None = None
    since: int = 0
    """When it became so, ns: the first result of those in a row."""
    last: int = 0
    began: Event | None = None
    reason: str = ""
    _next: bool | None = None
    _first: Event | None = None
    _run: int = 0

    def take(self, event: Event, probe: Probe, *, healthy: bool) -> None:
        """One more result."""
        self.last = event.received
        if not healthy:
            self.reason = event.reason or "no answer"
        if healthy is not self._next:
            self._next, self._first, self._run = healthy, event, 0
        self._run += 1
        enough = probe.rise if healthy else probe.fall
        if healthy is not self.healthy and self._run >= enough and self._first is not None:
            self.healthy, self.since, self.began = healthy, self._first.received, self._first


class AnycastBlackHole(Rule):
    """Judges each (anycast address, site) whose health is probed, and each prober.

    `NAME SITE` is violated while the site advertises and its probe fails, or answers and it does
    not advertise; `NAME from PROBER` while anybody advertises and the address does not answer
    there. `prober NAME` tells, once, of a prober that went silent: what it looked at is unknown.
    """

    name: ClassVar[str] = "anycast_black_hole"
    concerns: ClassVar[frozenset[Concern]] = frozenset({Concern.ROUTE, Concern.SESSION})

    def __init__(self, intent: Intent) -> None:
        """Wait for the probes of the intent."""
        self._intent = intent
        places = places_of(intent)
        self._places = {place.key: place for place in places}
        self._by_prefix: dict[str, list[Place]] = {}
        self._patience: dict[str, int] = {}
        for place in places:
            self._by_prefix.setdefault(place.anycast.prefix, []).append(place)
            known = self._patience.get(place.prober, 0)
            self._patience[place.prober] = max(known, place.patience)
        self._health = {key: Health() for key in self._places}
        self._heard: dict[str, int] = {}
        self._awaited: dict[str, int] = {}
        self._last: dict[str, Event] = {}
        self._silent: dict[str, int] = {}
        """Probers that people were told of: since when they are silent, ns."""
        self._left: dict[str, int] = {}
        """When a site was seen to stop advertising, ns."""
        self._raised: set[str] = set()

    def prefixes(self) -> Collection[str]:
        """The addresses that are probed."""
        return self._by_prefix.keys()

    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        """Take note of a result, or of who advertises; answer the places that this is about."""
        if not self._places:
            return ()
        if change.cause is Cause.PROBE:
            return self._result(change.event)
        if change.key is None:
            complete = change.event.kind == Kind.END_OF_RIB and change.event.peer is None
            return list(self._places) if complete else ()
        return self._route(change, routes)

    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        """Fine while what a site advertises and how it is agree."""
        if key.startswith(PROBER) and key not in self._places:
            return self._judge_prober(key.removeprefix(PROBER), now)
        place = self._places.get(key)
        if place is None:
            return FINE
        health = self._health[key]
        silent_from = health.last + place.patience
        if not health.last or now >= silent_from:
            return UNKNOWN
        verdict = self._judge(place, health, routes, now)
        if verdict.status is Status.VIOLATED:
            self._raised.add(key)
        elif verdict.status is Status.FINE:
            self._raised.discard(key)
        return replace(verdict, again=min(verdict.again or silent_from, silent_from))

    def succeed(self, other: AnycastBlackHole) -> None:
        """Know how the places are that are still asked for, and who was heard when."""
        self._health |= {key: each for key, each in other._health.items() if key in self._places}
        self._raised |= other._raised
        self._left |= other._left
        for mine, known in (
            (self._heard, other._heard),
            (self._awaited, other._awaited),
            (self._silent, other._silent),
        ):
            mine |= {prober: at for prober, at in known.items() if prober in self._patience}
        self._last |= {p: event for p, event in other._last.items() if p in self._patience}

    def restore(self, key: str, details: Mapping[str, Any], at: int) -> None:
        """Take up how a place was, or since when a prober was silent."""
        since = parse_rfc3339(details["since"])
        if key in self._places:
            self._raised.add(key)
            healthy = bool(details["healthy"])
            reason = str(details.get("reason", ""))
            self._health[key] = Health(healthy, since, at, None, reason, _next=healthy)
        elif details.get("prober") in self._patience:
            self._silent[details["prober"]] = since

    # What comes

    def _result(self, event: Event) -> list[str]:
        said = event.information or {}
        prober, result = event.router, said.get("result")
        if prober not in self._patience:
            return []
        if result == "awaited":
            self._awaited[prober] = event.received
            return [PROBER + prober]
        key = f"{said.get('anycast')} {said.get('site') or f'from {prober}'}"
        place = self._places.get(key)
        if place is None or place.prober != prober or result not in ("healthy", "failed"):
            return []
        self._heard[prober], self._last[prober] = event.received, event
        self._health[key].take(event, place.probe, healthy=result == "healthy")
        return [key, PROBER + prober]

    def _route(self, change: Change, routes: Routes) -> list[str]:
        """Remember when a site stopped; a router that prefers another site says nothing of it."""
        before, after = (
            self._intent.site_of(event) if event is not None else None
            for event in (change.before, change.after)
        )
        keys: list[str] = []
        for place in self._by_prefix[str(change.subject)]:
            if place.site is None or place.site in (before, after):
                if place.site is not None and place.site == after:
                    self._left.pop(place.key, None)
                elif change.after is None and place.site is not None:
                    self._note_absence(place, change, routes)
                if self._health[place.key].last:
                    keys.append(place.key)
        return keys

    def _note_absence(self, place: Place, change: Change, routes: Routes) -> None:
        live = live_sites(advertisers(routes, place.anycast.prefix))
        if place.site not in live:
            self._left.setdefault(place.key, change.event.received)

    # What it means

    def _judge(self, place: Place, health: Health, routes: Routes, now: int) -> Verdict:
        found = advertisers(routes, place.anycast.prefix)
        live, stale = live_sites(found), stale_sites(found)
        if place.site is not None:
            live, stale = (
                [site for site in sites if site == place.site] for sites in (live, stale)
            )
        if health.healthy is None or (stale and not live):
            return UNKNOWN
        if live and not health.healthy:
            evidence = [event for site in live for event in found[site].live]
            return _black_hole(place, health, live, evidence)
        if live or not health.healthy or place.site is None:
            return Verdict(status=Status.FINE, summary=_well(place, health))
        return self._judge_silence(place, health, routes, now)

    def _judge_silence(self, place: Place, health: Health, routes: Routes, now: int) -> Verdict:
        """A healthy site that nobody sees advertise."""
        assert place.site is not None  # noqa: S101 - the caller has looked
        maintenance = self._intent.in_maintenance(place.site, now)
        if maintenance is not None:
            return replace(FINE, again=maintenance.window.end)
        left = self._left.get(place.key)
        if not routes.feeds.settled() or routes.feeds.blind():
            return UNKNOWN
        if left is None and not _shows_every_site(routes):
            return UNKNOWN  # a best path hides the others
        due = max(health.since, left or 0) + SILENCE
        if now < due and place.key not in self._raised:
            return Verdict(status=Status.UNKNOWN, again=due)
        others = live_sites(advertisers(routes, place.anycast.prefix))
        return _silent(place, health, others, left)

    def _judge_prober(self, prober: str, now: int) -> Verdict:
        heard, patience = self._heard.get(prober, 0), self._patience.get(prober)
        told = self._silent.get(prober)
        if patience is None:
            return FINE
        if told is not None and heard <= told:
            return self._blind(prober, told)
        self._silent.pop(prober, None)
        since = max(heard, self._awaited.get(prober, 0))
        if not since:
            return FINE
        if now < since + patience:
            summary = f"Prober {prober} sends results again."
            return Verdict(status=Status.FINE, summary=summary, again=since + patience)
        self._silent[prober] = since
        return self._blind(prober, since)

    def _blind(self, prober: str, since: int) -> Verdict:
        places = [place for place in self._places.values() if place.prober == prober]
        names = ", ".join(dict.fromkeys(place.anycast.name for place in places))
        last = self._last.get(prober)
        return Verdict(
            status=Status.VIOLATED,
            severity=Severity.WARNING,
            summary=f"Prober {prober} sends no results since {rfc3339(since)[:19]}Z: how {names} "
            "is there is not known. See that it runs (anchorwatch probe) and reaches this watch.",
            details={"prober": prober, "since": rfc3339(since)},
            evidence=(last,) if last is not None else (),
        )


def _shows_every_site(routes: Routes) -> bool:
    """Whether some feed shows what each neighbour says, and not only the best of it."""
    wanted = {View.ADJ_IN_PRE.value, View.ADJ_IN_POST.value}
    return any(feed.views & wanted for feed in routes.feeds.all().values())


def _details(place: Place, health: Health) -> dict[str, Any]:
    return {
        "anycast": place.anycast.name,
        "prefix": place.anycast.prefix,
        "prober": place.prober,
        **({"site": place.site} if place.site is not None else {}),
        "probe": str(place.probe),
        "healthy": health.healthy,
        "since": rfc3339(health.since),
    }


def _well(place: Place, health: Health) -> str:
    anycast = place.anycast
    where = place.site or f"what {place.prober} reaches"
    if health.healthy:
        return f"{where} answers for {anycast.name} ({anycast.prefix}) again."
    who = place.site or "nobody"
    verb = "no longer advertises" if place.site else "advertises"
    return f"{who} {verb} {anycast.name} ({anycast.prefix}), so its failing probe harms nobody."


def _black_hole(place: Place, health: Health, live: list[str], evidence: list[Event]) -> Verdict:
    anycast = place.anycast
    since = f"since {rfc3339(health.since)[:19]}Z"
    fault = f"{place.probe} fails: {health.reason}" if health.reason else f"{place.probe} fails"
    if place.site is not None:
        summary = (
            f"{place.site} advertises {anycast.name} ({anycast.prefix}) and does not serve it "
            f"{since} ({fault}): its traffic is lost. Withdraw it at {place.site}, or mend the "
            "service there."
        )
    else:
        summary = (
            f"{anycast.name} ({anycast.prefix}) does not answer {place.prober} {since} ({fault}), "
            f"though {', '.join(live)} advertises it. Find the site that {place.prober} reaches, "
            "and withdraw it there."
        )
    proof = [health.began] if health.began is not None else []
    return Verdict(
        status=Status.VIOLATED,
        severity=Severity.CRITICAL,
        summary=summary,
        details=_details(place, health),
        measures={"reason": health.reason, "advertised_by": sorted(live)},
        evidence=tuple([*proof, *evidence][:MAX_EVIDENCE]),
    )


def _silent(place: Place, health: Health, others: list[str], left: int | None) -> Verdict:
    anycast = place.anycast
    few = len(others) < anycast.minimum
    since = rfc3339(max(health.since, left or 0))[:19]
    rest = f"{', '.join(others)} carries its share" if others else "nobody advertises it"
    return Verdict(
        status=Status.VIOLATED,
        severity=Severity.CRITICAL if few else Severity.WARNING,
        summary=f"{place.site} is healthy ({place.probe} answers) and does not advertise "
        f"{anycast.name} ({anycast.prefix}) since {since}Z; {rest}. See why {place.site} does not "
        "announce it: its BGP speaker, its health check, or a drain that was forgotten.",
        details=_details(place, health),
        measures={"advertised_by": sorted(others)},
        evidence=(health.began,) if health.began is not None else (),
    )
