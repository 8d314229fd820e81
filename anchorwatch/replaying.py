"""The detectors over what a store holds: the same incidents as the watch raised live, ids included.

The watch that filled the store may have been stopped and started: what it saw before is then what
it saw last, and no time passes until it sees again, as in `anchorwatch run`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from collector.event import KILLED, STOPPED, Event, Kind
from collector.store.backend import Reader
from collector.store.span import Heard, ends_of, heard, span
from detectors.base import Rule, Unfinished
from detectors.engine import Engine, Held, OnError
from detectors.feed import FeedKey
from detectors.incidents import Incident, State
from detectors.intent import Intent
from detectors.progress import Progress
from detectors.route import Route, RouteKey

OURS = frozenset({STOPPED, KILLED})
"""Reasons of what ended because the watch did."""
What = Event | Heard


class Replay:
    """An engine that is stopped and started where the watch was."""

    def __init__(
        self,
        intent: Intent,
        on_error: OnError | None = None,
        *,
        rules: Sequence[type[Rule]] | None = None,
    ) -> None:
        """Begin with nothing seen, judging by all rules or by these alone."""
        self._intent = intent
        self._rules = rules
        self._on_error = on_error
        self._routes: dict[RouteKey, Route] = {}
        self._complete: dict[FeedKey, None] = {}
        self._stopped = 0
        """When the watch ended, ns; 0 while it runs."""
        self._engine = self._start((), (), ())

    @property
    def engine(self) -> Engine:
        """As it is now, to be looked at only; another one after each start of the watch."""
        return self._engine

    @property
    def stopped(self) -> bool:
        """Whether the watch does not run now."""
        return bool(self._stopped)

    def take(self, what: What) -> list[Incident]:
        """Take in what came next; the transitions that it causes."""
        if isinstance(what, Heard):
            transitions = self.advance(what.received)  # judged before it was heard
            if not self._stopped:
                self._engine.hear(FeedKey(what.router, what.feed), what.received)
            return transitions
        if what.reason in OURS:
            transitions = self.advance(what.received)
            self._stopped = max(self._stopped, what.received)
            return transitions
        if self._stopped:
            if (what.epoch or what.received) < self._stopped:
                return []  # the watch was ending, and judged no more
            before = self._engine
            self._engine = self._start(before.open_incidents, before.cutovers, before.unfinished)
            self._stopped = 0
        if what.kind == Kind.END_OF_RIB and what.peer is None and what.view is None:
            self._complete[FeedKey.of(what)] = None
        return self._engine.process(what)

    def advance(self, now: int) -> list[Incident]:
        """Judge what falls due up to `now` (ns), unless the watch had ended."""
        return [] if self._stopped else self._engine.advance(now)

    def _start(
        self,
        restored: Iterable[Incident],
        cutovers: Iterable[Progress],
        unfinished: Iterable[Unfinished],
    ) -> Engine:
        return Engine(
            self._intent,
            rules=self._rules,
            restored=restored,
            held=self._held(),
            lived=self._stopped,
            cutovers=cutovers,
            unfinished=unfinished,
            on_error=self._on_error,
            on_route=self._note,
        )

    def _held(self) -> Held:
        """What `anchorwatch run` keeps on disk for its next start."""
        held: dict[FeedKey, list[tuple[Event, int]]] = {key: [] for key in self._complete}
        for key, route in self._routes.items():
            held.setdefault(key.seen_by, []).append((route.event, route.since))
        return held

    def _note(self, key: RouteKey, route: Route | None) -> None:
        if route is None:
            self._routes.pop(key, None)
        else:
            self._routes[key] = route


def replay(
    what: Iterable[What],
    intents: Mapping[str, Intent],
    *,
    until: int | None = None,
    on_error: OnError | None = None,
) -> Iterator[tuple[str, Incident]]:
    """The transitions on one history, by each of the named intents, up to `until` (ns)."""
    replays = {name: Replay(intent, on_error) for name, intent in intents.items()}
    for each in what:
        for name, mine in replays.items():
            for transition in mine.take(each):
                yield name, transition
    for name, mine in replays.items():
        for transition in mine.advance(until) if until is not None else ():
            yield name, transition


def stored(store: Reader, intents: Iterable[Intent], until: int) -> Iterator[What]:
    """All that the store holds up to `until` (ns) and that detectors of these intents are given.

    It begins with the store's first row, so that the state at any later moment is right.
    """
    ends = ends_of(store)
    if ends is None:
        return iter(())
    intents = list(intents)
    watched = dict.fromkeys(chain.from_iterable(each.watched_prefixes() for each in intents))
    streams: list[Iterator[What]] = [span(store, watched, until=until)]
    if any(intent.feeds for intent in intents):  # only these ask whether a router is silent
        streams.append(heard(store, ends[0], min(until, ends[1])))
    return heapq.merge(*streams, key=lambda each: each.received)


def differences(first: Iterable[Incident], second: Iterable[Incident]) -> Iterator[dict[str, Any]]:
    """What two replays of one history tell apart, as JSON objects in the order of opening.

    `raised_by` is `intent` or `against` for an incident that only one of them has, and `both` for
    one that differs; then `differs` has, of each field that does, both values.
    """
    stories = [_by_id(first), _by_id(second)]
    opened = {each[0].id: each[0].opened for story in stories for each in story.values()}
    for name in sorted(opened, key=lambda name: (opened[name], name)):
        one, other = (story.get(name) for story in stories)
        if one and other:
            left, right = _in_short(one), _in_short(other)
            differs = {key: [left[key], right[key]] for key in left if left[key] != right[key]}
            if differs:
                yield {"raised_by": "both", "differs": differs, "incident": one[0].to_dict()}
        elif one:
            yield {"raised_by": "intent", "incident": one[0].to_dict()}
        elif other:
            yield {"raised_by": "against", "incident": other[0].to_dict()}


def _by_id(transitions: Iterable[Incident]) -> dict[str, list[Incident]]:
    found: dict[str, list[Incident]] = {}
    for each in transitions:
        found.setdefault(each.id, []).append(each)
    return found


def _in_short(transitions: list[Incident]) -> dict[str, Any]:
    """What people were told of one incident, but for words that name the intent's figures."""
    last = transitions[-1].to_dict()
    order = ("info", "warning", "critical")
    return {
        "severity": max((each.severity for each in transitions), key=order.index),
        "transitions": [str(each.state) for each in transitions],
        "resolved": last["time"] if last["state"] == State.RESOLVED else None,
    }
