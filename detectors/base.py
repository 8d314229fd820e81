"""What a rule is: the shape that every file in `detectors/rules/` has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Self

import msgspec

from collector.event import Event
from detectors.route import Concern

if TYPE_CHECKING:
    from detectors.feed import FeedKey
    from detectors.intent import Intent
    from detectors.route import Change
    from detectors.routes import Routes


class Severity(StrEnum):
    """How much a finding matters to the person on call."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Status(StrEnum):
    """What a rule says of one subject."""

    FINE = "fine"
    VIOLATED = "violated"
    UNKNOWN = "unknown"
    """A feed is down or its table is not complete: opens nothing and resolves nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A rule's judgement of one subject at one moment."""

    status: Status
    severity: Severity = Severity.CRITICAL
    summary: str = ""
    """One sentence a person can act on at 3 a.m.: what, where, since when, what to do."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What a machine wants to know (JSON values). A change of these updates the incident."""
    measures: Mapping[str, Any] = field(default_factory=dict)
    """Details that move all the time (a penalty, a duration): shown, but no reason to update."""
    evidence: tuple[Event, ...] = ()
    """The events that the judgement rests on; the first one opened it."""
    by_time: bool = False
    """No event opened it, but time did: its incident's id is made of the moment alone."""
    again: int | None = None
    """Judge again at this time (ns) even if nothing happens until then."""


FINE = Verdict(status=Status.FINE)
UNKNOWN = Verdict(status=Status.UNKNOWN)


class Unfinished(msgspec.Struct, frozen=True):
    """What a rule has begun to judge and no incident tells yet: it must outlive a restart."""

    rule: str
    key: str
    values: dict[str, Any]
    """What the rule must know of it (JSON values)."""


class Rule(ABC):
    """One detector. It holds its own state, reads no clock and does no I/O.

    Every module in `detectors/rules/` has one class of this shape, found by discovery.
    """

    name: ClassVar[str]
    alone: ClassVar[bool] = False
    """Its findings open each on its own, at once, whatever else has the same cause."""
    concerns: ClassVar[frozenset[Concern]] = frozenset(Concern)
    """What `subjects` is told of. Most changes are of a path alone: leave those out if you can."""

    @abstractmethod
    def __init__(self, intent: Intent) -> None:
        """Make a rule that has seen nothing yet."""

    def prefixes(self) -> Collection[str] | None:
        """The watched prefixes that concern it: it is told of no other route. None for all."""
        return None

    @abstractmethod
    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        """Take note of what just changed; answer the keys that must be judged for it."""

    @abstractmethod
    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        """Judge one subject as of `now` (ns). Calling it twice answers the same."""

    def standing(self) -> Iterable[str]:
        """The keys to judge as soon as there is a time, even if nothing ever happens."""
        return ()

    def heard(self, feed: FeedKey) -> Iterable[str]:
        """The keys to judge when a feed was heard that made no event."""
        del feed
        return ()

    def succeed(self, other: Self) -> None:  # noqa: B027 - most need nothing
        """Take over what another rule of this kind has learnt, by an intent that is now replaced.

        Only a rule whose judgement rests on more than the present routes has work here: those are
        shown to it again, as changes whose cause is the intent.
        """

    def unfinished(self) -> Iterable[Unfinished]:
        """What is to be known again after a restart, though nobody was told of it."""
        return ()

    def resume(self, unfinished: Unfinished) -> None:  # noqa: B027 - most need nothing
        """Take up what was unfinished before a restart. Raises ValueError where it means nothing.

        It is called before `restore`, and before anything is seen.
        """

    def restore(self, key: str, details: Mapping[str, Any], at: int) -> None:  # noqa: B027 - most need nothing
        """Take up a subject whose incident was open at `at` (ns), before a restart.

        Only a rule whose judgement rests on more than the present routes has work here.
        """
