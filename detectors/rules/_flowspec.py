"""What one seen Flowspec rule means under one policy: the shared part of the Flowspec detectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from typing import Any

from collector.event import Event, View
from detectors.feeds import Feeds
from detectors.intent import Intent, Policy
from detectors.packets import Match, UnreadableRuleError, rule_matches, violations
from detectors.route import Route

Action = Mapping[str, Any]
Actions = tuple[Action, ...]

TINY_BYTES = 1_250_000.0
"""A rate limit below this (10 Mbit/s, in bytes a second) stops a network as well as a discard."""
TINY_PACKETS = 1_000.0
_DIVERT = ("redirect-to-vrf", "redirect-to-nexthop", "redirect-to-indirection-id")


@dataclass(slots=True)
class Outcome:
    """What is wrong with one rule under one policy."""

    policy: Policy | None
    broken: dict[str, str] = field(default_factory=dict)
    """Clause of the policy -> what is wrong, in words."""
    example: str = ""
    """A packet that the first broken clause does not allow."""
    unsure: bool = False
    """This view does not show all that the policy asks for."""
    allowed: bool = False
    """The policy allows such a rule, though perhaps no longer this one."""


def read_rule(event: Event) -> tuple[Match | None, str]:
    """The packets that an announced rule matches, or why nobody can tell."""
    components = event.components or {}
    if "undecodable" in components:
        return None, f"cannot be decoded ({components['undecodable'][:60]})"
    if event.components is None and event.rule:
        return None, "came without its components"
    broken = [warning for warning in event.warnings if warning.startswith("flowspec-")]
    if broken:  # routers that check the order of components reset the session for this
        return None, f"is malformed ({broken[0]})"
    return _read_components(tuple(components.items()), event.family or "")


@lru_cache(maxsize=16384)
def _read_components(
    components: tuple[tuple[str, str], ...], family: str
) -> tuple[Match | None, str]:
    """The same rule is seen by many routers and in many views, and judged again each time."""
    try:
        return rule_matches(dict(components), family), ""
    except UnreadableRuleError as error:
        return None, f"cannot be decoded: {error}"


def known_actions(event: Event, seen: Iterable[Route]) -> Actions:
    """The actions of a rule, with a redirect's next hop from another view of the same router.

    GoBGP loses that next hop wherever it writes the rule again (Loc-RIB, post-policy, gRPC).
    """
    actions: Actions = event.actions
    if all(not lost_next_hop(action) for action in actions):
        return actions
    elsewhere = [
        action
        for route in seen
        if route.event.router == event.router and not route.stale
        for action in route.event.actions
        if action.get("action") == "redirect-to-nexthop" and action.get("next_hop")
    ]
    return tuple(
        elsewhere[0] if lost_next_hop(action) and elsewhere else action for action in actions
    )


def lost_next_hop(action: Action) -> bool:
    """Whether this view does not show where the rule redirects to."""
    return action.get("action") == "redirect-to-nexthop" and not action.get("next_hop")


def drops_or_diverts(actions: Iterable[Action]) -> str:
    """What the rule does to the packets' delivery, in words; nothing where they still arrive."""
    for action in actions:
        kind = action.get("action")
        if kind == "discard":
            return "discards"
        if kind == "rate-limit-bytes" and _rate(action) < TINY_BYTES:
            return "chokes"
        if kind == "rate-limit-packets" and _rate(action) < TINY_PACKETS:
            return "chokes"
        if kind in _DIVERT and not action.get("copy"):
            return "diverts"
    return ""


def action_text(actions: Iterable[Action]) -> str:
    """The actions as words: `redirect-to-nexthop 10.100.0.254, sample`."""
    return ", ".join(map(_action_text, actions)) or "accept"


def _action_text(action: Action) -> str:
    kind = str(action.get("action"))
    value = action.get(_VALUE_KEYS.get(kind, ""))
    if kind.startswith("rate-limit"):
        value = f"{_rate(action):g}/s"
    copy = " (a copy)" if action.get("copy") else ""
    return f"{kind}{'' if value is None else f' {value}'}{copy}"


def under(policy: Policy, route: Route, match: Match, actions: Actions, origin: Origin) -> Outcome:
    """What is wrong with a rule under one policy, whenever it is."""
    outcome = Outcome(policy)
    for component in policy.require:
        if component not in match.named:
            shown = component.replace("_", "-")
            outcome.broken[component] = f"{shown} is required and the rule has none"
    for violation in violations(match, policy):
        outcome.broken.setdefault(violation.clause, violation.message)
        outcome.example = outcome.example or str(violation.packet)
    for action in actions or ({"action": "accept"},):
        allowed = [permits for permits in policy.actions if permits.action == action.get("action")]
        if lost_next_hop(action) and any(permits.values for permits in allowed):
            outcome.unsure = True
        elif not any(_within(action, permits.values, permits.at_least) for permits in allowed):
            may = " or ".join(map(str, policy.actions))
            outcome.broken["actions"] = f"action must be {may}, not {action_text([action])}"
    if policy.from_:
        verdict = origin.allowed_by(policy, route.event)
        if verdict is False:
            may = " or ".join(policy.from_)
            outcome.broken["from"] = f"it must come from {may}, not {origin.name(route.event)}"
        outcome.unsure = outcome.unsure or verdict is None
    outcome.allowed = not outcome.broken and not outcome.unsure
    return outcome


def _within(action: Action, values: tuple[str | int, ...], at_least: float) -> bool:
    kind = action.get("action")
    if kind in ("rate-limit-bytes", "rate-limit-packets"):
        return _rate(action) >= at_least
    if not values:
        return True
    named = (action.get(_VALUE_KEYS[kind]) if kind in _VALUE_KEYS else None,)
    return bool(set(named) & set(values))


_VALUE_KEYS = {
    "redirect-to-nexthop": "next_hop",
    "redirect-to-vrf": "target",
    "mark": "dscp",
}


def _rate(action: Action) -> float:
    rate = action.get("rate")
    if rate is None:  # no limit at all
        return inf
    return float(rate) if isinstance(rate, int | float) else 0.0


class Origin:
    """Where rules come from, for the `from` of a policy."""

    def __init__(self, intent: Intent, seen: Iterable[Route], feeds: Feeds) -> None:
        """`seen` are all the places of one rule, `feeds` know which routers are seen."""
        self._intent = intent
        self._feeds = feeds
        self._with_peer = {route.event.router for route in seen if route.event.peer}

    def allowed_by(self, policy: Policy, event: Event) -> bool | None:
        """Whether the rule may come from where it came from; None where that is not seen.

        A name that is no site is a router's. A place that no site matches may be any such name.
        """
        site = self._intent.site_of(event)
        if site in policy.from_ or {event.router, event.router_address} & set(policy.from_):
            return True
        if site is None and any(name not in self._intent.sites for name in policy.from_):
            return True
        if site is None and event.peer is None and event.view == View.LOC_RIB:
            if event.router in self._with_peer:
                return True  # the copy of a rule whose origin is judged where it came in
            if event.router in self._feeds.blind():
                return None  # that place may follow in the same dump
        return False

    def name(self, event: Event) -> str:
        """The place that a rule came from, in words."""
        site = self._intent.site_of(event)
        if site is not None:
            return site
        return f"peer {event.peer}" if event.peer else f"router {event.router} itself"
