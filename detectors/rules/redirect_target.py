"""Flowspec rules that redirect to a next hop which no route leads to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, ClassVar

from collector.event import Event, Kind, rfc3339
from detectors.base import UNKNOWN, Rule, Severity, Status, Verdict
from detectors.intent import Anycast, Intent
from detectors.route import Cause, Change, Concern, FlowspecRule, Route, vpn_of
from detectors.routes import Routes
from detectors.rules._flowspec import known_actions
from detectors.rules._steady import Steady

MAX_TOLD = 10
"""Of many rules with one target, this many are named."""
MANY = 64
"""With more rules than these, each look at a target that people were told of takes a while."""


@dataclass(slots=True)
class Target:
    """One next hop that rules redirect to, in one VPN or in the global table."""

    address: str
    vpn: str | None
    """Route distinguisher of the rules, or of the VRF whose sessions show them."""
    watched: list[str]
    """The watched prefixes that it lies in."""
    rules: dict[FlowspecRule, None] = field(default_factory=dict)
    gone: Event | None = None
    """The event after which no route led to it any more."""


class RedirectTarget(Rule):
    """Judges each next hop that Flowspec rules redirect to (`address`, or `address rd RD`).

    A route covers it whose prefix holds it, in the same VPN: of the same route distinguisher, or
    with a route target of one of the rules. Routes are seen of watched prefixes only, so a next
    hop outside these is not judged; one that the intent advertises nowhere, and that only a
    policy names, is judged once a route to it was seen.
    """

    name: ClassVar[str] = "redirect_target"
    alone: ClassVar[bool] = True
    concerns: ClassVar[frozenset[Concern]] = frozenset(Concern) - {Concern.PATH, Concern.AGAIN}

    def __init__(self, intent: Intent) -> None:
        """Watch the rules; none has been seen yet."""
        self._intent = intent
        self._advertised = frozenset(intent.advertised_prefixes())
        self._targets: dict[str, Target] = {}
        self._of_rule: dict[FlowspecRule, frozenset[str]] = {}
        self._under: dict[str, set[str]] = {}
        """Watched prefix -> the targets in it."""
        self._unsettled: set[str] = set()
        """The targets that were not fine when they were judged last."""
        self._raised: set[str] = set()
        self._steady = Steady()
        self._gone: dict[str, Event] = {}
        """What was known to have gone from targets under another intent."""
        self._met = False

    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        """The targets of a rule that changed, or those that a changed route may have led to."""
        self._meet(routes)
        if change.key is None:  # a table may be complete now
            return tuple(self._unsettled) if change.cause is Cause.SESSION else ()
        if isinstance(change.subject, FlowspecRule):
            rule = change.subject
            if rule not in self._of_rule and not _redirects(change.after):
                return ()
            return filter(self._is_news, self._read(rule, routes))
        targets = self._under.get(change.subject or "", ())
        return [name for name in targets if self._may_matter(name, change, routes)]

    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        """Fine while a live route covers it, and when no rule redirects there any more."""
        self._meet(routes)
        verdict = self._judge(key, routes)
        if key in self._targets:
            verdict = self._steady(key, verdict, now)
        else:
            self._steady.forget(key)
        if verdict.status is Status.FINE:
            self._unsettled.discard(key)
            self._raised.discard(key)
        else:
            self._unsettled.add(key)
        if verdict.status is Status.VIOLATED:
            self._raised.add(key)
        return verdict

    def succeed(self, other: RedirectTarget) -> None:
        """Know what was missed before, and what was told a moment ago."""
        self._raised |= other._raised
        self._steady = other._steady
        self._gone = {name: t.gone for name, t in other._targets.items() if t.gone is not None}

    def restore(self, key: str, details: Mapping[str, Any], at: int) -> None:
        """Remember that a route to it was missed before."""
        del details, at
        self._raised.add(key)

    def _is_news(self, name: str) -> bool:
        """Whether one more or less of its rules may change what is said of a target.

        Of many that people were told of, now and then one does: each look takes in all of them.
        """
        target = self._targets.get(name)
        if target is None or name not in self._raised:
            return True
        return len(target.rules) <= MANY or len(target.rules) % MANY == 0

    # Which targets there are

    def _meet(self, routes: Routes) -> None:
        """Read the rules that were known before the first change, from before a restart."""
        if not self._met:
            self._met = True
            for rule in routes.rules():
                self._read(rule, routes)
            self._gone.clear()

    def _read(self, rule: FlowspecRule, routes: Routes) -> set[str]:
        """Take in where a rule redirects to now; answer the targets that this concerns."""
        before = self._of_rule.get(rule, frozenset())
        now: set[str] = set()
        for address, vpn in redirects(rule, routes):
            name = f"{address} rd {vpn}" if vpn else address
            now.add(name)
            if name not in self._targets:
                self._add(name, Target(address, vpn, routes.watching(address)))
            self._targets[name].rules.setdefault(rule)
        for name in before - now:
            self._targets[name].rules.pop(rule, None)
        if now:
            self._of_rule[rule] = frozenset(now)
        else:
            self._of_rule.pop(rule, None)
        for name in before - now:
            self._forget_empty(name)
        return {*before, *now}

    def _add(self, name: str, target: Target) -> None:
        self._targets[name] = target
        target.gone = self._gone.pop(name, None)
        for prefix in target.watched:
            self._under.setdefault(prefix, set()).add(name)

    def _forget_empty(self, name: str) -> None:
        target = self._targets[name]
        if target.rules:
            return
        del self._targets[name]
        for prefix in target.watched:
            self._under[prefix].discard(name)
            if not self._under[prefix]:
                del self._under[prefix]

    def _may_matter(self, name: str, change: Change, routes: Routes) -> bool:
        """Whether a changed route may change the verdict; notes the last one that goes."""
        target = self._targets[name]
        event = change.before or change.after
        if event is None or not _holds(event.prefix or "", target.address):
            return False
        if target.gone is None and _ceases(target, change, routes):
            target.gone = change.event if not any(self._covering(target, routes)) else None
        # One more route, or the same one again, makes nothing worse.
        return change.cause is not Cause.ANNOUNCE or name in self._unsettled or bool(target.vpn)

    # Judging

    def _judge(self, key: str, routes: Routes) -> Verdict:
        target = self._targets.get(key)
        if target is None:
            return Verdict(status=Status.FINE, summary=f"No Flowspec rule redirects to {key} now.")
        if not target.watched:  # what is told of it was told under another intent
            return Verdict(status=Status.FINE if key in self._raised else Status.UNKNOWN)
        covering = list(self._covering(target, routes))
        if any(not route.stale for route in covering):
            target.gone = None
            return _fine(target, covering)
        holding = [
            (rule, route)
            for rule in target.rules
            for _, route in routes.of_rule(rule)
            if not route.stale and key in _names(route, routes, rule)
        ]
        if not holding or covering or not routes.feeds.any_up():
            return UNKNOWN
        if not self._is_gone(key, target, routes):
            return UNKNOWN
        return self._violated(target, holding)

    def _is_gone(self, key: str, target: Target, routes: Routes) -> bool:
        """Whether what is not seen is not there: a route that came back would be seen too."""
        blind = routes.feeds.blind()
        if target.gone is not None:
            return target.gone.router not in blind
        if not any(prefix in self._advertised for prefix in target.watched):
            return key in self._raised and not blind
        return routes.feeds.settled() and not blind

    def _covering(self, target: Target, routes: Routes) -> Iterator[Route]:
        """The routes that lead to the target, live or not."""
        vpn_targets = _route_targets(target, routes)
        for prefix in target.watched:
            for _, route in routes.of_prefix(prefix):
                event = route.event
                if _holds(event.prefix or "", target.address) and _in_vpn(
                    target, event, vpn_targets
                ):
                    yield route

    def _anycast_of(self, target: Target) -> list[Anycast]:
        return [a for a in self._intent.anycast if a.prefix in target.watched]

    def _violated(self, target: Target, holding: list[tuple[FlowspecRule, Route]]) -> Verdict:
        rules = sorted({str(rule) for rule, _ in holding})
        routers = sorted({route.event.router for _, route in holding})
        events = [target.gone] if target.gone is not None else []
        events += sorted(
            (route.event for _, route in holding), key=lambda e: (e.received, e.sequence)
        )
        return Verdict(
            status=Status.VIOLATED,
            severity=Severity.CRITICAL,
            summary=self._summary(target, rules, routers, events),
            details={
                "next_hop": target.address,
                "vpn": target.vpn,
                "watched": target.watched,
                "rules": rules[:MAX_TOLD],
            },
            measures={"rules_total": len(rules), "routers": routers},
            evidence=tuple(events[:MAX_TOLD]),
        )

    def _summary(
        self, target: Target, rules: list[str], routers: list[str], events: list[Event]
    ) -> str:
        count = len(rules)
        what = f"Flowspec rule `{rules[0]}` redirects"
        if count > 1:
            what = f"{count} Flowspec rules redirect (such as `{rules[0]}`)"
        where = ", ".join(routers[:3]) + (f" and {len(routers) - 3} more" if routers[3:] else "")
        since = f"since {rfc3339(events[0].received)[:19]}Z"
        if target.gone is not None:
            seen = target.gone.reason or target.gone.kind
            if target.gone.kind == Kind.ANNOUNCE:
                seen = "another route target"
            since += f" ({seen} seen at {target.gone.router})"
        vpn = f" in the VPN {target.vpn}" if target.vpn else ""
        names = [f"{a.name} at {', '.join(a.sites)}" for a in self._anycast_of(target)]
        bring = f"Bring back {' or '.join(names)}" if names else "Bring its route back"
        return (
            f"{what} to {target.address}{vpn} at {where}, which no live route covers {since}: "
            f"what matches is lost. {bring}, or withdraw {'them' if count > 1 else 'it'}."
        )


def _redirects(event: Event | None) -> bool:
    return event is not None and any(
        action.get("action") == "redirect-to-nexthop" for action in event.actions
    )


def redirects(rule: FlowspecRule, routes: Routes) -> set[tuple[str, str | None]]:
    """The next hops that a rule redirects to wherever it is seen, each with its VPN."""
    seen = [route for _, route in routes.of_rule(rule)]
    return {(hop, vpn) for route in seen for hop, vpn in _of_route(route, seen)}


def _of_route(route: Route, seen: list[Route]) -> Iterator[tuple[str, str | None]]:
    for action in known_actions(route.event, seen):
        hop = action.get("next_hop")
        if action.get("action") == "redirect-to-nexthop" and isinstance(hop, str):
            yield hop, vpn_of(route.event)


def _names(route: Route, routes: Routes, rule: FlowspecRule) -> set[str]:
    seen = [other for _, other in routes.of_rule(rule)]
    return {f"{hop} rd {vpn}" if vpn else hop for hop, vpn in _of_route(route, seen)}


def _ceases(target: Target, change: Change, routes: Routes) -> bool:
    """Whether a route led to the target before a change, and does not now."""
    if change.before is None:
        return False
    vpn_targets = _route_targets(target, routes)
    return _in_vpn(target, change.before, vpn_targets) and (
        change.after is None or not _in_vpn(target, change.after, vpn_targets)
    )


def _in_vpn(target: Target, event: Event, vpn_targets: frozenset[str]) -> bool:
    """Whether a route is in the VPN of the target, or in the global table as that is."""
    vpn = vpn_of(event)
    return vpn == target.vpn or bool(vpn and vpn_targets.intersection(event.ext_communities))


def _route_targets(target: Target, routes: Routes) -> frozenset[str]:
    if not target.vpn:
        return frozenset()
    return frozenset(
        community
        for rule in target.rules
        for _, route in routes.of_rule(rule)
        for community in route.event.ext_communities
        if community.startswith("rt:")
    )


def _fine(target: Target, covering: list[Route]) -> Verdict:
    prefix = max(
        (route.event.prefix or "" for route in covering if not route.stale),
        key=lambda text: int(text.rpartition("/")[2] or 0),
    )
    return Verdict(
        status=Status.FINE,
        summary=f"Redirect target {target.address} is covered by {prefix} again.",
    )


@lru_cache(maxsize=16384)
def _holds(prefix: str, address: str) -> bool:
    """Whether an address lies in a prefix; of a default route, nothing is known to."""
    try:
        network = ip_network(prefix)
        return network.prefixlen > 0 and ip_address(address) in network
    except ValueError:
        return False
