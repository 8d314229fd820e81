"""The Flowspec rules that any router holds, and what is wrong with them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from anchorwatch.board.concerns import OpenIncidents
from anchorwatch.board.items import (
    FINE,
    UNKNOWN,
    Item,
    Items,
    ids,
    rank,
    state_of,
    vantage_point,
)
from collector.event import rfc3339
from detectors.engine import Engine
from detectors.explain import actions_of
from detectors.route import FlowspecRule, Route, RouteKey


class Rules:
    """All of them, as one intent sees them; the worst first, and then the newest."""

    def __init__(self, engine: Engine, incidents: OpenIncidents) -> None:
        """Nothing is made yet."""
        self.items = Items()
        self._engine = engine
        self._judged = engine.intent.judges_flowspec
        self._incidents = incidents
        self._called: dict[str, FlowspecRule] = {}
        self._by_text: dict[str, set[FlowspecRule]] = {}

    def make(self, rules: Iterable[FlowspecRule] | None = None) -> None:
        """Make these anew, or all that are held."""
        for rule in self._engine.routes.rules() if rules is None else rules:
            seen = list(self._engine.routes.of_rule(rule))
            if seen:
                self._put(rule, seen)
            else:
                self._drop(rule)

    def called(self, identity: str) -> FlowspecRule | None:
        """The rule of this id."""
        return self._called.get(identity)

    def with_text(self, text: str) -> Iterable[FlowspecRule]:
        """The rules that an incident may mean by this text."""
        return self._by_text.get(text, ())

    def _put(self, rule: FlowspecRule, seen: list[tuple[RouteKey, Route]]) -> None:
        routes = [route for _, route in seen]
        live = [route for route in routes if not route.stale] or routes
        since = min(route.since for route in live)
        about = self._incidents.about_rule(rule)
        state, why = state_of(about)
        if state == FINE:
            state, why = self._undisturbed(blind=all(route.stale for route in routes))
        item: Item = {
            "id": rule_id(*rule),
            "family": rule.family,
            **({"rd": rule.rd} if rule.rd is not None else {}),
            "rule": rule.rule,
            "actions": actions_of(live[0].event, routes),
            "since": rfc3339(since),
            "seen_at": [vantage_point(key, route) for key, route in seen],
            "state": state,
            "why": why,
            "incidents": ids(about),
        }
        self._called[item["id"]] = rule
        for text in (rule.rule, str(rule)):
            self._by_text.setdefault(text, set()).add(rule)
        self.items.put(item, rank(state), -since)

    def _drop(self, rule: FlowspecRule) -> None:
        identity = rule_id(*rule)
        self.items.drop(identity)
        self._called.pop(identity, None)
        for text in (rule.rule, str(rule)):
            rules = self._by_text.get(text, set())
            rules.discard(rule)
            if not rules:
                self._by_text.pop(text, None)

    def _undisturbed(self, *, blind: bool) -> tuple[str, str]:
        """The state of a rule that no incident is about."""
        if blind:
            return UNKNOWN, "The feeds that showed it do not see now."
        if not self._judged:
            return UNKNOWN, "The intent says nothing of Flowspec."
        return FINE, "No detector has anything against it."


def rule_id(family: str, rd: str | None, rule: str) -> str:
    """Sixteen hex digits that name a rule, wherever and whenever it is seen."""
    return hashlib.sha256(f"{family}\n{rd or ''}\n{rule}".encode()).hexdigest()[:16]
