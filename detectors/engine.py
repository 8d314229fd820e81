"""Runs the rules over events. Pure: no clock, no I/O; time is what the events say.

Whatever the batches in which events arrive, and however often `advance` is called between them,
the same events give the same incidents: a verdict that depends on time names the moment at which
to judge again, and is then judged as of that moment.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from collector.event import Event
from detectors.base import Rule, Status, Verdict
from detectors.incidents import Incident, Incidents
from detectors.intent import Intent
from detectors.routes import Cause, Change, Routes
from detectors.rules import discover

_RETIRED = Verdict(status=Status.FINE, summary="The detector that opened this is no longer there.")

OnError = Callable[[str, Exception], None]


class Engine:
    """One intent, all rules, and the incidents that are open."""

    def __init__(
        self,
        intent: Intent,
        *,
        rules: Sequence[type[Rule]] | None = None,
        restored: Iterable[Incident] = (),
        on_error: OnError | None = None,
    ) -> None:
        """Watch for what `intent` says, taking up the incidents that were open before a restart.

        `on_error` is told of a rule that raised; the engine goes on without that judgement.
        """
        self.errors: Counter[str] = Counter()
        """Judgements lost to a fault in a rule, by rule."""
        self._on_error = on_error
        self._routes = Routes(intent.watched_prefixes(), intent.expected_routers())
        self._rules = [rule(intent) for rule in (discover() if rules is None else rules)]
        self._by_name = {rule.name: rule for rule in self._rules}
        self._now = 0
        self._due: list[tuple[int, str, str]] = []
        self._next: dict[tuple[str, str], int] = {}
        incidents = list(restored)
        self._incidents = Incidents(incidents)
        for incident in incidents:
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
        return self._routes.blind()

    def feeds(self) -> dict[str, str]:
        """Every router that is known, as `complete`, `dumping` or `down`."""
        return self._routes.feeds()

    def process(self, event: Event) -> list[Incident]:
        """Take in one event; answer the incident transitions that it causes."""
        transitions = self.advance(event.received)
        changes = self._routes.apply(event)
        touched: dict[tuple[str, str], None] = {}
        for change in changes:
            for rule in self._rules:
                for key in self._subjects(rule, change):
                    touched[rule.name, key] = None
        if changes and changes[-1].cause is Cause.SESSION:
            touched |= dict.fromkeys(self._incidents.open)
        for name, key in touched:
            transitions += self._judge(name, key, self._now)
        return transitions

    def advance(self, now: int) -> list[Incident]:
        """Judge all that falls due up to `now` (ns), each as of its own moment."""
        transitions: list[Incident] = []
        while self._due and self._due[0][0] <= now:
            due, name, key = heapq.heappop(self._due)
            if self._next.get((name, key)) != due:
                continue  # judged since, and given another moment
            del self._next[name, key]
            self._now = max(self._now, due)
            transitions += self._judge(name, key, self._now)
        self._now = max(self._now, now)
        return transitions

    def _restore(self, incident: Incident) -> None:
        self._plan(incident.detector, incident.key, incident.time)
        rule = self._by_name.get(incident.detector)
        if rule is None:
            return
        for event in incident.evidence:
            self._routes.restore(event)
        rule.restore(incident.key, incident.details, incident.time)

    def _plan(self, name: str, key: str, due: int) -> None:
        self._next[name, key] = due
        heapq.heappush(self._due, (due, name, key))

    def _subjects(self, rule: Rule, change: Change) -> list[str]:
        try:
            return list(rule.subjects(change, self._routes))
        except Exception as error:  # noqa: BLE001 - one faulty rule must not stop the watch
            self._fault(rule.name, error)
            return []

    def _judge(self, name: str, key: str, at: int) -> list[Incident]:
        rule = self._by_name.get(name)
        try:
            verdict = rule.judge(key, self._routes, at) if rule is not None else _RETIRED
        except Exception as error:  # noqa: BLE001 - one faulty rule must not stop the watch
            self._fault(name, error)
            return []
        if verdict.again is not None and verdict.again > at:
            self._plan(name, key, verdict.again)
        else:
            self._next.pop((name, key), None)
        transition = self._incidents.apply(name, key, verdict, at)
        return [transition] if transition else []

    def _fault(self, name: str, error: Exception) -> None:
        self.errors[name] += 1
        if self._on_error is not None:
            self._on_error(name, error)
