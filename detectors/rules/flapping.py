"""An anycast site that comes and goes: the figure of merit of RFC 2439."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log2
from typing import Any, ClassVar

from collector.event import Event, Provenance, rfc3339
from detectors.base import FINE, Rule, Severity, Status, Verdict
from detectors.intent import Anycast, Intent
from detectors.routes import Cause, Change, Routes
from detectors.sites import site_name

WITHDRAWAL = 1000.0
"""Penalty of a withdrawal (RFC 2439 section 4.2; the value that routers use)."""
ATTRIBUTE_CHANGE = 500.0
"""Penalty of an announcement with other attributes."""
BURST = 2_000_000_000
"""Attribute changes this close to one another (ns) are path hunting: they count as one."""
CEILING = 4.0
"""A figure stops growing at this many times `suppress`, or it would take hours to decay."""
UPSTREAM_SUPPRESS = 3000.0
"""Networks outside ours suppress from 2000 (Cisco's default) or 3000 (Juniper's default)."""


@dataclass(slots=True)
class Figure:
    """The penalty of one site as one vantage point sees it."""

    value: float = 0.0
    at: int = 0
    changed: int = 0
    """When an attribute change last counted or was part of a burst, ns."""
    last: Event | None = None

    def decayed(self, now: int, half_life: int) -> float:
        """The penalty at `now` (ns): it halves every `half_life` ns."""
        return float(self.value * 2.0 ** (-max(0, now - self.at) / half_life))


class Flapping(Rule):
    """Judges each (anycast prefix, site) by the worst figure that a vantage point gives it.

    Every vantage point (router, peer, view) counts on its own, as a damping router would: five
    collectors that see one flap are one flap. Dumps and our own lost sessions do not count.
    """

    name: ClassVar[str] = "flapping"

    def __init__(self, intent: Intent) -> None:
        """Watch the intent's anycast prefixes; nothing has flapped yet."""
        self._intent = intent
        self._anycast = {anycast.prefix: anycast for anycast in intent.anycast}
        self._figures: dict[str, dict[object, Figure]] = {}
        self._sites: dict[str, tuple[Anycast, str]] = {}
        self._level: dict[str, int] = {}

    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        """Add the penalty of this change; the key is `name site`."""
        if change.key is None or change.before is None:
            return ()
        anycast = self._anycast.get(routes.watched_by(change.key.destination) or "")
        penalty = self._penalty(change)
        if anycast is None or not penalty:
            return ()
        site = site_name(self._intent, change.before)
        key = f"{anycast.name} {site}"
        self._sites[key] = (anycast, site)
        figure = self._figures.setdefault(key, {}).setdefault(change.key, Figure())
        now = change.event.received
        if penalty == ATTRIBUTE_CHANGE:
            hunting = figure.changed and now - figure.changed < BURST
            figure.changed = now
            if hunting:
                return ()
        value = figure.decayed(now, anycast.flap.half_life) + penalty
        figure.value = min(value, CEILING * anycast.flap.suppress)
        figure.at = now
        figure.last = change.event
        return (key,)

    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        """Violated from `suppress` up, fine again below `reuse`."""
        del routes
        known = self._sites.get(key)
        if known is None:
            return FINE
        anycast, site = known
        worst = max(
            self._figures[key].values(), key=lambda f: f.decayed(now, anycast.flap.half_life)
        )
        penalty = worst.decayed(now, anycast.flap.half_life)
        level = self._level.get(key, 0)
        if not level and penalty < anycast.flap.suppress:
            return FINE
        # The reuse moment is rounded to a nanosecond, so let the last fraction of a point go.
        if penalty <= anycast.flap.reuse + 1e-3:
            self._forget(key)
            return Verdict(
                status=Status.FINE,
                summary=f"{site} has advertised {anycast.name} ({anycast.prefix}) steadily enough: "
                f"flap penalty below {anycast.flap.reuse:g}.",
            )
        level = self._level[key] = max(level, int(penalty // anycast.flap.suppress), 1)
        return self._violated(anycast, site, worst, penalty, level)

    def restore(self, key: str, details: Mapping[str, Any], at: int) -> None:
        """Take the penalty up where it was when it was last told."""
        for anycast in self._anycast.values():
            if anycast.name == details.get("anycast"):
                self._sites[key] = (anycast, str(details["site"]))
                self._figures[key] = {"restored": Figure(float(details["penalty"]), at)}
                self._level[key] = int(details["level"])

    def _forget(self, key: str) -> None:
        del self._figures[key], self._sites[key], self._level[key]

    def _penalty(self, change: Change) -> float:
        if change.cause in (Cause.WITHDRAW, Cause.PEER_DOWN):
            return WITHDRAWAL
        if change.cause is not Cause.ANNOUNCE or change.event.provenance == Provenance.DUMP:
            return 0.0
        if change.before is None or change.after is None:
            return 0.0
        if site_name(self._intent, change.before) != site_name(self._intent, change.after):
            return 0.0  # the router prefers another site now: no site changed anything
        return 0.0 if _same(change.before, change.after) else ATTRIBUTE_CHANGE

    def _violated(
        self, anycast: Anycast, site: str, worst: Figure, penalty: float, level: int
    ) -> Verdict:
        flap = anycast.flap
        reuse_at = worst.at + int(flap.half_life * log2(worst.value / flap.reuse)) + 1
        critical = level * flap.suppress >= UPSTREAM_SUPPRESS or penalty >= UPSTREAM_SUPPRESS
        danger = (
            "networks upstream are likely to suppress it now"
            if critical
            else "upstream damping is near"
        )
        seen = f" (last seen at {worst.last.router})" if worst.last else ""
        return Verdict(
            status=Status.VIOLATED,
            severity=Severity.CRITICAL if critical else Severity.WARNING,
            summary=f"{site} flaps {anycast.name} ({anycast.prefix}){seen}: flap penalty "
            f"{penalty:.0f} against {flap.suppress:g}, {danger}; calm from "
            f"{rfc3339(reuse_at)[:19]}Z if it stops now. "
            f"Steady or drain the health check of {site}.",
            details={
                "anycast": anycast.name,
                "prefix": anycast.prefix,
                "site": site,
                "level": level,
                "suppress": flap.suppress,
                "reuse": flap.reuse,
            },
            measures={"penalty": round(penalty, 1)},
            evidence=(worst.last,) if worst.last else (),
            again=reuse_at,
        )


def _same(before: Event, after: Event) -> bool:
    """Whether two announcements carry the same path (RFC 2439 counts only those that do not)."""
    return all(
        getattr(before, name) == getattr(after, name)
        for name in ("next_hop", "as_path", "origin", "med", "local_pref", "communities")
    )
