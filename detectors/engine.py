"""Runs the rules over events. Pure: no clock, no I/O; time is what the events say.

Whatever the batches in which events arrive, and however often `advance` is called between them,
the same events give the same incidents: a verdict that depends on time names the moment at which
to judge again, and is then judged as of that moment.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from collector.event import Event, Feed, Kind
from detectors.audience import Audience
from detectors.base import Rule, Status, Unfinished, Verdict
from detectors.cutovers import may_go_back, new_progress, progress_of
from detectors.feed import FeedKey, FeedState
from detectors.grouping import Grouping
from detectors.incidents import Incident, Incidents
from detectors.intent import Cutover, Intent
from detectors.progress import HeldRules, Progress
from detectors.route import Cause, Change, Concern, Route, RouteKey
from detectors.routes import A_WHILE, Routes
from detectors.rules import discover
from detectors.sight import Sight, look
from detectors.watched import WatchedPrefixes

_RETIRED = Verdict(status=Status.FINE, summary="The detector that opened this is no longer there.")

_PUBLIC, _FLOWSPEC = Feed.BGPSTREAM.value, Concern.FLOWSPEC
_SESSION = Cause.SESSION
_ROLLBACK = Kind.ROLLBACK.value
_OF_PEERS = (Kind.PEER_UP, Kind.PEER_DOWN)
"""What is told of them is told of their routes; whether a feed sees does not change with them."""
CATCH_UP = 1_000_000_000
"""How long what has come meanwhile may take to be read; for as long, time is then judged (ns)."""
MANY = 1024
"""So many moments that were given up may stay among those at which to judge again."""
OnError = Callable[[str, Exception], None]
OnRoute = Callable[[RouteKey, Route | None], None]
Held = Mapping[FeedKey, Sequence[tuple[Event, int]]]
"""What feeds showed before a restart: announcements, with the times since which they were there."""


class Engine:
    """One intent, all rules, and the incidents that are open."""

    def __init__(  # noqa: PLR0913 - all but the intent is a beginning that may be empty
        self,
        intent: Intent,
        *,
        rules: Sequence[type[Rule]] | None = None,
        restored: Iterable[Incident] = (),
        held: Held | None = None,
        lived: int = 0,
        cutovers: Iterable[Progress] = (),
        unfinished: Iterable[Unfinished] = (),
        on_error: OnError | None = None,
        on_route: OnRoute | None = None,
    ) -> None:
        """Watch for what `intent` says, taking up the incidents that were open before a restart.

        `held` is what feeds showed when we went away at `lived` (ns), `cutovers` how far they had
        come, `unfinished` what rules had not told yet. `on_error` is told of a rule that raised;
        the engine goes on without that judgement. `on_route` is told of every watched route that
        comes, changes or goes.
        """
        self.intent = intent
        """What should be true."""
        self.errors: Counter[str] = Counter()
        """Judgements lost to a fault in a rule, by rule."""
        self._on_error = on_error
        self._on_route = on_route
        self._watched = dict.fromkeys(intent.watched_prefixes())
        self._routes = Routes(self._watched, intent.expected_feeds(), intent.site_of)
        self._expected = frozenset(feed.router for feed in intent.feeds)
        self._rules = [rule(intent) for rule in (discover() if rules is None else rules)]
        self._by_name = {rule.name: rule for rule in self._rules}
        self._audience = Audience(self._rules, self._watched)
        self._new: WatchedPrefixes | None = None
        """What another intent watches that is about to be adopted."""
        self._meanwhile: list[Event] = []
        """What came of that."""
        self._now = 0
        self._due: list[tuple[int, str, str]] = []
        self._next: dict[tuple[str, str], int] = {}
        self._started = False
        self._waits = 0
        for key, routes in (held or {}).items():
            if self._judges(key):
                self._routes.restore_feed(key, routes, lived)
        for progress in cutovers:
            self._routes.cutovers.put(progress)
        for each in unfinished:
            self._resume(each)
        self._grouping = Grouping(rule.name for rule in self._rules if rule.alone)
        self._incidents = Incidents(restored)
        for incident in self.open_incidents:
            self._restore(incident)

    @property
    def open_incidents(self) -> list[Incident]:
        """The incidents that are open now, oldest first."""
        return sorted(self._incidents.open.values(), key=lambda incident: incident.opened)

    @property
    def next_due(self) -> int | None:
        """When `advance` will next have something to judge, ns."""
        return self._due[0][0] if self._due else None

    @property
    def blind(self) -> list[str]:
        """The routers whose tables are not completely seen now."""
        return self._routes.feeds.blind()

    def rule(self, name: str) -> Rule | None:
        """The rule of this name, to be looked at only."""
        return self._by_name.get(name)

    @property
    def cutovers(self) -> list[Progress]:
        """How far the cutovers have come that are, or were, in their window; to be looked at."""
        return self._routes.cutovers.all()

    @property
    def unfinished(self) -> list[Unfinished]:
        """What rules have begun to judge and not told yet, to be known again after a restart."""
        found: list[Unfinished] = []
        for rule in self._rules:
            try:
                found += rule.unfinished()
            except Exception as error:  # noqa: BLE001 - one faulty rule must not stop the watch
                self._fault(rule.name, error)
        return found

    def look_at(self, cutover: Cutover) -> tuple[Progress, Sight]:
        """How far a cutover has come, and what is seen of it now."""
        progress = progress_of(self._routes, cutover) or new_progress(cutover)
        rules = self._routes.cutovers.members.get(cutover.name) or HeldRules()
        return progress, look(self.intent, self._routes, cutover, rules, progress)

    def may_go_back(self, cutover: Cutover, now: int) -> bool:
        """Whether it can be asked at `now` (ns) that a cutover goes back."""
        return may_go_back(self.intent, self._routes, cutover, now)

    @property
    def routes(self) -> Routes:
        """What is seen now, to be looked at only."""
        return self._routes

    def feeds(self) -> dict[str, str]:
        """Every router that is known, as `complete`, `dumping` or `down`."""
        return self._routes.feeds.words()

    def feed_states(self) -> dict[FeedKey, FeedState]:
        """All that is known of each feed, to be looked at only."""
        return self._routes.feeds.all()

    def hear(self, key: FeedKey, at: int, missed: int = 0) -> None:
        """Note that a feed was heard at `at` (ns), where nobody listened for `missed` before."""
        if self._routes.hear(key, at, missed):
            for rule in self._rules:
                for subject in rule.heard(key):
                    self._plan(rule.name, subject, at)

    def catch_up(self, now: int) -> None:
        """For a while from `now` (ns) on, judge nothing for time alone: nobody has read until now.

        What ends a fault may be among what is still to be read.
        """
        if now >= self._waits + CATCH_UP:  # where it goes on and on, time must be judged, too
            self._waits = now + CATCH_UP

    def process(self, event: Event) -> list[Incident]:
        """Take in one event; answer the incident transitions that it causes."""
        now = event.received
        if self._started and not (self._due and self._due[0][0] <= now):
            transitions: list[Incident] = []
            self._now = max(now, self._now)
        else:
            transitions = self.advance(now)
        if event.feed == _PUBLIC and not self._judges(FeedKey.of(event)):
            return transitions
        # Where a person asks to go back, no route has changed, but what is meant has.
        asked = event.kind == _ROLLBACK
        self._hear(event)
        changes = [Change(event, _SESSION)] if asked else self._routes.apply(event)
        for name, key in self._touched(event, changes):
            transitions += self._judge(name, key, self._now)
        return transitions

    def _touched(self, event: Event, changes: Sequence[Change]) -> dict[tuple[str, str], None]:
        """What must be judged for what an event changed."""
        touched: dict[tuple[str, str], None] = {}
        for change in changes:
            if self._on_route is not None and change.key is not None:
                self._on_route(change.key, self._routes.route(change.key))
            for rule in self._audience.of(change):
                try:
                    for key in rule.subjects(change, self._routes):
                        touched[rule.name, key] = None
                except Exception as error:  # noqa: BLE001 - one faulty rule must not stop the watch
                    self._fault(rule.name, error)
        if changes and changes[-1].cause is _SESSION:
            touched |= dict.fromkeys(self._grouping.lose(event))
            if event.kind not in _OF_PEERS:
                touched |= self._open()
        return touched

    def _hear(self, event: Event) -> None:
        """Take note that something came, whether it changes anything or not."""
        feed = self._routes.feeds.of_event(event)
        if feed is not None and event.received >= feed.heard + A_WHILE:
            self.hear(FeedKey.of(event), event.received)
        if self._new is not None and (event.prefix is None or self._new.find(event.prefix)):
            self._meanwhile.append(event)

    def advance(self, now: int) -> list[Incident]:
        """Judge all that falls due up to `now` (ns), each as of its own moment."""
        if not self._started:
            self._started = True
            for name, key in self._open():  # what was open before a restart
                self._plan(name, key, now)
            for name, key in self._standing():
                self._plan(name, key, now)
        transitions: list[Incident] = []
        while self._due and self._due[0][0] <= now >= self._waits:
            due, name, key = heapq.heappop(self._due)
            if self._next.get((name, key)) != due:
                continue  # judged since, and given another moment
            del self._next[name, key]
            self._now = max(self._now, due)
            transitions += self._judge(name, key, self._now)
        self._now = max(self._now, now)
        return transitions

    # Another intent

    def prepare(self, intent: Intent) -> list[str]:
        """The prefixes that only `intent` watches; from now on, what comes of them is kept.

        What is known of them until now is to be learnt before the intent is adopted.
        """
        new = [prefix for prefix in intent.watched_prefixes() if prefix not in self._watched]
        self._new = WatchedPrefixes(new) if new else None
        self._meanwhile.clear()
        return new

    def adopt(self, intent: Intent, now: int, learnt: Routes | None = None) -> list[Incident]:
        """Judge by another intent from `now` (ns) on; answers the transitions that this causes.

        What is known of feeds and routes stays known, and what rules have learnt of what both
        intents speak of. `learnt` is what was known of prefixes that were not watched before.
        """
        rules = [type(old)(intent) for old in self._rules]
        transitions = self.advance(now)
        for new, old in zip(rules, self._rules, strict=True):
            for incident in self._incidents.open.values():
                if incident.detector == new.name:
                    new.restore(incident.key, incident.details, incident.time)
            new.succeed(old)
        audience = Audience(rules, intent.watched_prefixes())
        # So far nothing is changed; from here on nothing fails.
        self._watch(intent, learnt)
        self.intent = intent
        self._rules = rules
        self._by_name = {rule.name: rule for rule in rules}
        self._audience = audience
        touched = {**self._open(), **dict.fromkeys(self._next)}
        for change in self._present():
            for rule in self._audience.of(change):
                touched |= dict.fromkeys((rule.name, key) for key in self._subjects(rule, change))
        touched |= dict.fromkeys(self._standing())
        for name, key in touched:
            transitions += self._judge(name, key, self._now)
        return transitions

    def _standing(self) -> list[tuple[str, str]]:
        """What rules judge even if nothing ever happens."""
        found: list[tuple[str, str]] = []
        for rule in self._rules:
            try:
                found += [(rule.name, key) for key in rule.standing()]
            except Exception as error:  # noqa: BLE001 - one faulty rule must not stop the watch
                self._fault(rule.name, error)
        return found

    def _watch(self, intent: Intent, learnt: Routes | None) -> None:
        """Know the routes and expect the feeds that the intent speaks of."""
        self._watched = dict.fromkeys(intent.watched_prefixes())
        changed = self._routes.watch(self._watched, intent.site_of)
        if learnt is not None:
            for event in self._meanwhile:
                learnt.apply(event)
            changed += self._routes.learn(learnt)
        self._new = None
        self._meanwhile.clear()
        for key in changed:
            self._note(key)
        self._routes.feeds.expect(intent.expected_feeds())
        self._routes.cutovers.members.clear()  # other rules may be the ones to flush
        self._expected = frozenset(feed.router for feed in intent.feeds)

    def _present(self) -> Iterator[Change]:
        """All that is known, as changes that change nothing."""
        for key, route in self._routes.all():
            concern = Concern.FLOWSPEC if route.event.rule else Concern.ROUTE
            event = route.event
            yield Change(event, Cause.INTENT, key, event, event, route.subject, concern)
        for state in self._routes.feeds.all().values():
            if state.last is not None:
                yield Change(state.last, Cause.INTENT)

    def _judges(self, feed: FeedKey) -> bool:
        """What the world sees says nothing of our sites, unless the intent counts on it."""
        return feed.feed != Feed.BGPSTREAM or feed.router in self._expected

    def _open(self) -> dict[tuple[str, str], None]:
        """What has an open incident, or is told with one."""
        return dict.fromkeys([*self._incidents.open, *self._grouping.members()])

    def _restore(self, incident: Incident) -> None:
        lead = (incident.detector, incident.key)
        others = self._grouping.restore(lead, incident.details, incident.evidence)
        for (name, key), details in others:
            self._restore_rule(name, key, details, incident.time)
        if incident.detector in self._by_name:
            for event in incident.evidence:
                self._routes.restore(event)
            self._restore_rule(incident.detector, incident.key, incident.details, incident.time)

    def _restore_rule(self, name: str, key: str, details: Mapping[str, Any], at: int) -> None:
        rule = self._by_name.get(name)
        try:
            if rule is not None:
                rule.restore(key, details, at)
        except Exception as error:  # noqa: BLE001 - what another version kept must not stop the watch
            self._fault(name, error)

    def _resume(self, unfinished: Unfinished) -> None:
        rule = self._by_name.get(unfinished.rule)
        try:
            if rule is not None:
                rule.resume(unfinished)
        except Exception as error:  # noqa: BLE001 - what another version kept must not stop the watch
            self._fault(unfinished.rule, error)

    def _note(self, key: RouteKey | None) -> None:
        if self._on_route is not None and key is not None:
            self._on_route(key, self._routes.route(key))

    def _subjects(self, rule: Rule, change: Change) -> list[str]:
        try:
            return list(rule.subjects(change, self._routes))
        except Exception as error:  # noqa: BLE001 - one faulty rule must not stop the watch
            self._fault(rule.name, error)
            return []

    def _plan(self, name: str, key: str, due: int) -> None:
        if self._next.get((name, key)) == due:
            return
        self._next[name, key] = due
        heapq.heappush(self._due, (due, name, key))
        if len(self._due) > 2 * len(self._next) + MANY:  # most of it is moments that were given up
            self._due = [(due, *subject) for subject, due in self._next.items()]
            heapq.heapify(self._due)

    def _judge(self, name: str, key: str, at: int) -> list[Incident]:
        rule = self._by_name.get(name)
        try:
            verdict = rule.judge(key, self._routes, at) if rule is not None else _RETIRED
        except Exception as error:  # noqa: BLE001 - one faulty rule must not stop the watch
            self._fault(name, error)
            return []
        is_open = (name, key) in self._incidents.open
        parts = self._grouping.sort((name, key), verdict, at, is_open=is_open)
        moments = (verdict.again, self._grouping.until((name, key)))
        again = min((moment for moment in moments if moment is not None and moment > at), default=0)
        if again:
            self._plan(name, key, again)
        else:
            self._next.pop((name, key), None)
        applied = (self._incidents.apply(*subject, each, at) for subject, each in parts)
        return [transition for transition in applied if transition]

    def _fault(self, name: str, error: Exception) -> None:
        self.errors[name] += 1
        if self._on_error is not None:
            self._on_error(name, error)
