"""Why a Flowspec rule may or may not be there: each policy asked in turn, in words.

The detector says what is wrong; this says how every policy sees the rule, also where all is well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from collector.event import Event
from detectors.feeds import Feeds
from detectors.intent import Intent
from detectors.packets import touches
from detectors.route import Route
from detectors.rules._flowspec import Origin, action_text, known_actions, read_rule, under


@dataclass(frozen=True, slots=True)
class Clause:
    """One policy's word on a rule."""

    policy: str
    allowed: bool
    broken: dict[str, str]
    """Clause of the policy -> what is wrong."""
    unsure: bool
    """What is seen of the rule does not show all that the policy asks for."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What one rule means."""

    actions: str
    example: str = ""
    """A packet that it matches."""
    unreadable: str = ""
    """Why nobody can tell what it matches."""
    protected: tuple[str, ...] = ()
    """What of the protected it could touch."""
    policies: tuple[Clause, ...] = field(default=())

    @property
    def allowed_by(self) -> str | None:
        """The first policy that allows it."""
        return next((clause.policy for clause in self.policies if clause.allowed), None)


def actions_of(event: Event, seen: Iterable[Route]) -> str:
    """What a rule does, in words; see `known_actions`."""
    return action_text(known_actions(event, seen))


def explain(intent: Intent, route: Route, seen: Sequence[Route], feeds: Feeds) -> Explained:
    """What the rule of one route means under every policy.

    `seen` are all the places that show it, `feeds` know which routers are seen.
    """
    actions = known_actions(route.event, seen)
    match, unreadable = read_rule(route.event)
    if match is None:
        return Explained(actions=action_text(actions), unreadable=unreadable)
    if match.is_empty():
        return Explained(
            actions=action_text(actions), unreadable=f"is impossible: {match.impossible}"
        )
    origin = Origin(intent, seen, feeds)
    outcomes = [(p.name, under(p, route, match, actions, origin)) for p in intent.flowspec]
    return Explained(
        actions=action_text(actions),
        example=str(match.pick() or ""),
        protected=tuple(str(each) for each in intent.protect if touches(match, each) is not None),
        policies=tuple(
            Clause(name, outcome.allowed, dict(outcome.broken), outcome.unsure)
            for name, outcome in outcomes
        ),
    )
