"""Who is told of what: a rule says which changes concern it, and of which prefixes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from detectors.base import Rule
from detectors.route import Change, Concern, Subject

_FLOWSPEC = Concern.FLOWSPEC


class Audience:
    """The rules of one intent."""

    def __init__(self, rules: Sequence[Rule], watched: Iterable[str]) -> None:
        """These rules, where these prefixes are watched. What a rule raises is not caught."""
        cares = [(rule, rule.prefixes()) for rule in rules]
        self._of_all = _by_concern(rules)
        self._at: dict[Subject | None, list[list[Rule]]] = {}
        for prefix in watched:
            told = [rule for rule, some in cares if some is None or prefix in some]
            self._at[prefix] = _by_concern(told)
        self._elsewhere = _by_concern([rule for rule, some in cares if some is None])

    def of(self, change: Change) -> Sequence[Rule]:
        """The rules that a change concerns: of routes, those that care for their prefix."""
        concern = change.concern
        if concern >= _FLOWSPEC:
            return self._of_all[concern]
        return self._at.get(change.subject, self._elsewhere)[concern]


def _by_concern(rules: Sequence[Rule]) -> list[list[Rule]]:
    """The rules that are told of each concern."""
    return [[rule for rule in rules if concern in rule.concerns] for concern in Concern]
