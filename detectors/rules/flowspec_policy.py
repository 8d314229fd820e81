"""A Flowspec rule that no policy allows, or that could touch what is protected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

from collector.event import FLOWSPEC_FAMILIES, Event, rfc3339
from detectors.base import FINE, UNKNOWN, Rule, Severity, Status, Verdict
from detectors.cutovers import ended_by
from detectors.intent import Intent, Policy
from detectors.packets import Match, is_wildcard, touches
from detectors.route import Change, Concern, FlowspecRule, Route
from detectors.routes import Routes
from detectors.rules._flowspec import (
    Actions,
    Origin,
    Outcome,
    action_text,
    drops_or_diverts,
    known_actions,
    read_rule,
    under,
)

DAY = 86_400_000_000_000
MAX_EVIDENCE = 10
MAX_RULES = " max_rules"


Overdue = Callable[[Policy, Route], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one rule at one place."""

    event: Event
    since: int
    reasons: Mapping[str, str]
    """Clause -> what is wrong, the worst first."""
    policy: str | None
    """The policy that comes nearest to allowing it."""
    example: str
    actions: str
    kill: str
    """What it does to delivery, where it is a kill switch."""


@dataclass(slots=True)
class Members:
    """The rules that one policy allows."""

    live: dict[FlowspecRule, None] = field(default_factory=dict)
    """Those that are seen now, the newest last."""
    stale: dict[FlowspecRule, None] = field(default_factory=dict)

    def note(self, rule: FlowspecRule, routes: list[Route]) -> bool:
        """Take in where the policy allows the rule now; whether it is or was one of them."""
        known = rule in self.live or rule in self.stale
        seen = any(not route.stale for route in routes)
        if seen:
            self.live.setdefault(rule)
        else:
            self.live.pop(rule, None)
        self.stale.pop(rule, None)
        if routes and not seen:
            self.stale[rule] = None
        return known or bool(routes)

    def all(self) -> list[FlowspecRule]:
        """The rules, seen or not."""
        return [*self.live, *self.stale]


class FlowspecPolicy(Rule):
    """Judges each rule (`family rd rule`) by all places that hold it, by default deny.

    It must be within one policy with every packet that it matches, and must not touch what is
    protected. `policy NAME max_rules` counts the rules of a policy. Flowspec is not judged where
    the intent has neither `flowspec` nor `protect`.
    """

    name: ClassVar[str] = "flowspec_policy"
    concerns: ClassVar[frozenset[Concern]] = frozenset({Concern.ROUTE, Concern.FLOWSPEC})

    def __init__(self, intent: Intent) -> None:
        """Judge by the intent's policies; no rule has been seen yet."""
        self._intent = intent
        self._rules: dict[str, FlowspecRule] = {}
        self._members: dict[str, Members] = {
            policy.name: Members() for policy in intent.flowspec if policy.max_rules is not None
        }

    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        """The rule that changed, and the counts that it is in."""
        key = change.key
        if key is None or key.family is None or key.family not in FLOWSPEC_FAMILIES:
            return ()
        if not self._intent.judges_flowspec:
            return ()
        rule = FlowspecRule(key.family, key.rd, key.destination)
        self._rules[str(rule)] = rule
        return [str(rule), *self._count(rule, routes)]

    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        """Fine while every place that holds the rule may, and when none holds it any more."""
        if key.endswith(MAX_RULES):
            return self._judge_count(key, routes)
        rule = self._rules.get(key)
        seen = [route for _, route in routes.of_rule(rule)] if rule else []
        origin = Origin(self._intent, seen, routes.feeds)
        if rule is None or not seen:
            self._rules.pop(key, None)
            summary = f"Flowspec rule `{key}` is gone: no router that is watched holds it."
            return Verdict(status=Status.FINE, summary=summary)
        findings: list[Finding] = []
        unsure = False
        moments: list[int] = []
        overdue = partial(self._overdue, routes=routes, now=now, moments=moments)
        for route in seen:
            found = self._judge_route(route, seen, origin, overdue)
            if isinstance(found, Finding) and not route.stale:
                findings.append(found)
            # A stale route that was wrong may still be there, and so may be the only one.
            unsure = unsure or found is not None or all(other.stale for other in seen)
        again = min((moment for moment in moments if moment > now), default=None)
        if findings:
            return replace(_violated(rule, findings), again=again)
        if unsure:
            return replace(UNKNOWN, again=again)
        summary = f"Flowspec rule `{rule}` is within policy."
        return Verdict(status=Status.FINE, summary=summary, again=again)

    def succeed(self, other: FlowspecPolicy) -> None:
        """Know which rules the keys mean."""
        self._rules |= other._rules

    def restore(self, key: str, details: Mapping[str, Any], at: int) -> None:
        """Know again which rule a key means."""
        del at
        if "rule" in details:
            self._rules[key] = FlowspecRule(details["family"], details.get("rd"), details["rule"])

    # One rule at one place

    def _judge_route(
        self, route: Route, seen: list[Route], origin: Origin, overdue: Overdue
    ) -> Finding | Outcome | None:
        """What is wrong; an Outcome where that cannot be seen; None where nothing is."""
        event = route.event
        actions = known_actions(event, seen)
        match, unreadable = read_rule(event)
        reasons: dict[str, str] = {}
        protected = ""
        if match is None:
            reasons["undecodable"] = unreadable
        elif match.is_empty():
            reasons["impossible"] = f"is impossible: {match.impossible}"
        else:
            protected = self._protected(match)
            if protected:
                reasons["protect"] = protected
        best = None
        dangerous = bool(protected)
        if match is not None and not match.is_empty():
            best = self._best(route, match, actions, origin, overdue)
            reasons |= best.broken
            # A wildcard that a policy allows is no accident, even when it has grown too old.
            dangerous = dangerous or (is_wildcard(match) and not best.allowed)
        if not reasons:
            return best if best is not None and best.unsure else None
        return Finding(
            event=event,
            since=route.since,
            reasons=reasons,
            policy=best.policy.name if best and best.policy else None,
            example=(best.example if best else "") or _example(match),
            actions=action_text(actions),
            kill=drops_or_diverts(actions) if dangerous else "",
        )

    def _protected(self, match: Match) -> str:
        for protected in self._intent.protect:
            packet = touches(match, protected)
            if packet is not None:
                return f"could touch {protected}, which is protected ({packet})"
        return ""

    def _best(
        self, route: Route, match: Match, actions: Actions, origin: Origin, overdue: Overdue
    ) -> Outcome:
        """The outcome under the policy that allows the rule, or comes nearest to it."""
        outcomes = [under(p, route, match, actions, origin) for p in self._intent.flowspec]
        if not outcomes:
            return Outcome(None, {"flowspec": "the intent allows no Flowspec rule at all"})
        for outcome in outcomes:
            if outcome.allowed and outcome.policy is not None:
                outcome.broken = overdue(outcome.policy, route)
        return min(outcomes, key=lambda o: (not o.allowed, len(o.broken), o.unsure))

    def _overdue(
        self, policy: Policy, route: Route, *, routes: Routes, now: int, moments: list[int]
    ) -> dict[str, str]:
        """Why a rule that a policy allows must be gone by now; notes when that may change."""
        reasons: dict[str, str] = {}
        if policy.max_age is not None:
            moments.append(route.since + policy.max_age)
            if now >= route.since + policy.max_age:
                days = f"{policy.max_age / DAY:g} days"
                reasons["max_age"] = f"is older than the {days} that policy {policy.name} allows"
        ended = ended_by(self._intent, routes, policy.name)
        if ended is not None:
            cutover, since = ended
            reasons["flush"] = (
                f"is of policy {policy.name}, which ended with cutover {cutover.name} at "
                f"{rfc3339(since)[:19]}Z"
            )
        return reasons

    # Rules of a policy

    def _count(self, rule: FlowspecRule, routes: Routes) -> Iterator[str]:
        """Note which policies allow the rule; answer the counts that this changes."""
        if not self._members:
            return
        seen = [route for _, route in routes.of_rule(rule)]
        origin = Origin(self._intent, seen, routes.feeds)
        for name, members in self._members.items():
            policy = self._intent.policy(name)
            allowed = [route for route in seen if _allows(policy, route, seen, origin)]
            if members.note(rule, allowed):
                yield f"policy {name}{MAX_RULES}"

    def _judge_count(self, key: str, routes: Routes) -> Verdict:
        name = key.removeprefix("policy ").removesuffix(MAX_RULES)
        policy = next((p for p in self._intent.flowspec if p.name == name), None)
        if policy is None or policy.max_rules is None:  # the intent no longer limits it
            return FINE
        members = self._members[name]
        if len(members.live) <= policy.max_rules:
            count = len(members.live) + len(members.stale)
            if count > policy.max_rules or not routes.feeds.settled() or routes.feeds.blind():
                return UNKNOWN
            summary = f"Policy {name} has no more than its {policy.max_rules} rules again."
            return Verdict(status=Status.FINE, summary=summary)
        last = next(reversed(members.live))
        newest = [route.event for _, route in routes.of_rule(last) if not route.stale]
        where = f" at {newest[0].router}" if newest else ""  # another view may hide it by now
        return Verdict(
            status=Status.VIOLATED,
            severity=Severity.CRITICAL,
            summary=f"Policy {name} has {len(members.live)} Flowspec rules, more than its "
            f"max_rules {policy.max_rules}; the newest is `{last}`{where}. "
            "Find what injects them, or raise max_rules.",
            details={"policy": name, "max_rules": policy.max_rules},
            measures={"rules": len(members.live)},
            evidence=tuple(newest[:1]),
        )


def _allows(policy: Policy, route: Route, seen: list[Route], origin: Origin) -> bool:
    match, _ = read_rule(route.event)
    if match is None or match.is_empty():
        return False
    return under(policy, route, match, known_actions(route.event, seen), origin).allowed


def _example(match: Match | None) -> str:
    packet = match.pick() if match else None
    return str(packet) if packet else ""


def _violated(rule: FlowspecRule, findings: list[Finding]) -> Verdict:
    findings = sorted(findings, key=lambda f: (not f.kill, f.event.received, f.event.sequence))
    worst = findings[0]
    routers = sorted({finding.event.router for finding in findings})
    where = ", ".join(routers[:3]) + (f" and {len(routers) - 3} more" if len(routers) > 3 else "")
    since = f"since {rfc3339(min(finding.since for finding in findings))[:19]}Z"
    details: dict[str, Any] = {
        "family": rule.family,
        "rule": rule.rule,
        "policy": worst.policy,
        "clauses": dict(worst.reasons),
        "example": worst.example,
        "actions": worst.actions,
    }
    if rule.rd is not None:
        details["rd"] = rule.rd
    if worst.kill:
        details["kill_switch"] = True
    why = "; ".join([*worst.reasons.values()][:2])
    nearest = f" (nearest policy: {worst.policy})" if worst.policy else ""
    packet = f", and matches for example {worst.example}" if worst.example else ""
    origin = next((f.event.peer for f in findings if f.event.peer), worst.event.router)
    head = f"KILL SWITCH at {where}: rule `{rule}` {worst.kill} traffic" if worst.kill else ""
    return Verdict(
        status=Status.VIOLATED,
        severity=Severity.CRITICAL,
        summary=f"{head or f'Flowspec rule `{rule}` at {where} is out of policy'} {since}: "
        f"{why}{nearest}; its action is {worst.actions}{packet}. "
        f"Withdraw it at its origin ({origin}).",
        details=details,
        measures={"routers": routers},
        evidence=tuple(finding.event for finding in findings[:MAX_EVIDENCE]),
    )
