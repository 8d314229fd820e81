"""A Flowspec rule that no packet reaches: an earlier rule takes all that it matches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, NamedTuple

from collector.event import FLOWSPEC_FAMILIES, Event, rfc3339
from detectors.base import FINE, UNKNOWN, Rule, Severity, Status, Verdict
from detectors.intent import Intent
from detectors.packets import Match, covers
from detectors.route import Cause, Change, Concern, FlowspecRule, Route
from detectors.routes import Routes
from detectors.rules._flowspec import action_text, known_actions, read_rule

HOLD = 10_000_000_000
"""Both rules are there for so long (ns): a controller that replaces one has both for a while."""
COMPARED = 256
"""With so many rules of one destination a rule is compared, so that its cost has a bound."""
EVERYWHERE = ("0.0.0.0/0", "::/0")


class Group(NamedTuple):
    """Rules of which one can hide another: of one family and VPN, with one destination."""

    family: str
    rd: str | None
    destination: str


@dataclass(frozen=True, slots=True)
class Known:
    """One rule that is held somewhere."""

    rule: FlowspecRule
    precedence: str
    match: Match
    group: Group


@dataclass(frozen=True, slots=True)
class Shadow:
    """A router at which a rule is dead, and the rule that hides it there."""

    route: Route
    by: Known
    hiding: Route


class Table:
    """The rules that are held, by what they may hide."""

    def __init__(self) -> None:
        """Nothing is held yet."""
        self._known: dict[str, Known] = {}
        self._groups: dict[Group, dict[str, Known]] = {}

    def get(self, name: str) -> Known | None:
        """The rule of this name."""
        return self._known.get(name)

    def add(self, known: Known) -> None:
        """Take in one more."""
        name = str(known.rule)
        self._known[name] = known
        self._groups.setdefault(known.group, {})[name] = known

    def remove(self, known: Known) -> None:
        """Let go of one."""
        name = str(known.rule)
        del self._known[name]
        del self._groups[known.group][name]
        if not self._groups[known.group]:
            del self._groups[known.group]

    def beside(self, known: Known) -> Iterator[Known]:
        """The rules that may take all packets of this one, or the other way round.

        Of two rules with a destination the longer one goes first (RFC 8955 section 5.1), so the
        first can only take all of the second where the two are equal. A rule with no destination
        comes after all that have one, and may be hidden by one for every destination.
        """
        near = [known.group]
        if not known.group.destination:
            near += (known.group._replace(destination=every) for every in EVERYWHERE)
        elif known.group.destination in EVERYWHERE:
            near.append(known.group._replace(destination=""))
        others = (other for group in near for other in self._groups.get(group, {}).values())
        return islice((other for other in others if other is not known), COMPARED)


class FlowspecShadowed(Rule):
    """Judges each rule (`family rd rule`): does an earlier one take all of its packets?

    The first rule that a packet matches decides, unless its action says that later ones are
    evaluated too (RFC 8955 section 7.3). A rule that does what the earlier one does is merely
    one too many (info); one that wants something else does not happen (warning).
    """

    name: ClassVar[str] = "flowspec_shadowed"
    concerns: ClassVar[frozenset[Concern]] = frozenset({Concern.FLOWSPEC})

    def __init__(self, intent: Intent) -> None:
        """No rule is held yet."""
        del intent
        self._table = Table()
        self._raised: set[str] = set()

    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        """The rule that changed, and those that it may hide."""
        key = change.key
        if key is None or key.family is None or key.family not in FLOWSPEC_FAMILIES:
            return ()
        rule = FlowspecRule(key.family, key.rd, key.destination)
        name = str(rule)
        known = self._table.get(name)
        if known is None:
            known = _known(rule, change.after) if change.after is not None else None
            if known is None:
                return ()
            self._table.add(known)
        # Of another intent, each rule is told on its own account.
        beside = self._table.beside(known) if change.cause is not Cause.INTENT else ()
        later = [
            str(other.rule)
            for other in beside
            if known.precedence < other.precedence and covers(known.match, other.match)
        ]
        if not any(True for _ in routes.of_rule(rule)):
            self._table.remove(known)
        return [name, *later]

    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        """Fine where packets reach the rule at each router that holds it."""
        verdict = self._judge(key, routes, now)
        if verdict.status is Status.VIOLATED:
            self._raised.add(key)
        elif verdict.status is Status.FINE:
            self._raised.discard(key)
        return verdict

    def restore(self, key: str, details: Mapping[str, object], at: int) -> None:
        """Remember that people were told of this one."""
        del details, at
        self._raised.add(key)

    def _judge(self, key: str, routes: Routes, now: int) -> Verdict:
        known = self._table.get(key)
        if known is None:
            # After a restart the rule may still be on its way.
            unseen = not routes.feeds.settled() or bool(routes.feeds.blind())
            return UNKNOWN if unseen and key in self._raised else FINE
        held = [route for _, route in routes.of_rule(known.rule)]
        live = [route for route in held if not route.stale]
        shadows = list(self._shadows(known, live, routes))
        if not shadows:
            unseen = len(live) < len(held) or bool(routes.feeds.blind())
            return UNKNOWN if unseen else FINE
        due = min(max(each.route.since, each.hiding.since) for each in shadows) + HOLD
        if now < due and key not in self._raised:
            return Verdict(status=Status.UNKNOWN, again=due)
        return _violated(known, shadows, routes)

    def _shadows(self, known: Known, live: list[Route], routes: Routes) -> Iterator[Shadow]:
        """Where the rule is dead: a router has one table, whoever brought its rules."""
        by_router = {route.event.router: route for route in live}
        for other in self._table.beside(known):
            if not other.precedence < known.precedence or not covers(other.match, known.match):
                continue
            for _, hiding in routes.of_rule(other.rule):
                router = hiding.event.router
                if router in by_router and not hiding.stale and _ends(hiding.event):
                    yield Shadow(by_router.pop(router), other, hiding)


def _known(rule: FlowspecRule, event: Event) -> Known | None:
    match, _ = read_rule(event)
    if match is None or match.is_empty() or event.precedence is None:
        return None  # flowspec_policy tells of rules that nobody can read, or no packet matches
    destination = (event.components or {}).get("destination", "")
    return Known(rule, event.precedence, match, Group(rule.family, rule.rd, destination))


def _ends(event: Event) -> bool:
    """Whether no later rule is evaluated for a packet that this one matches."""
    return all(action.get("action") != "terminal" for action in event.actions)


def _violated(known: Known, shadows: list[Shadow], routes: Routes) -> Verdict:
    first = shadows[0]
    wants = action_text(known_actions(first.route.event, _seen(known, routes)))
    gets = action_text(known_actions(first.hiding.event, _seen(first.by, routes)))
    duplicate = covers(known.match, first.by.match)
    since = rfc3339(max(first.route.since, first.hiding.since))[:19]
    routers = sorted(each.route.event.router for each in shadows)
    where = ", ".join(routers[:3]) + (f" and {len(routers) - 3} more" if len(routers) > 3 else "")
    how = "matches the same packets" if duplicate else "matches all of its packets"
    if wants == gets:
        meaning = f"both do {gets}, so it is one too many. Withdraw it"
    else:
        meaning = f"they get {gets}, and {wants} never happens. Withdraw one of the two"
    return Verdict(
        status=Status.VIOLATED,
        severity=Severity.INFO if wants == gets else Severity.WARNING,
        summary=f"Flowspec rule `{known.rule.rule}` at {where} is dead since {since}Z: "
        f"`{first.by.rule.rule}` goes before it and {how}; {meaning}.",
        details={
            "family": known.rule.family,
            "rule": known.rule.rule,
            "hidden_by": first.by.rule.rule,
            "duplicate": duplicate,
            "actions": wants,
            "actions_of_the_other": gets,
        },
        measures={"routers": routers},
        evidence=(first.route.event, first.hiding.event),
    )


def _seen(known: Known, routes: Routes) -> list[Route]:
    return [route for _, route in routes.of_rule(known.rule)]
