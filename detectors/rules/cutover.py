"""A planned cutover that does not go as planned."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from collector.event import Event, Kind, rfc3339
from detectors.base import FINE, UNKNOWN, Rule, Severity, Status, Verdict
from detectors.cutovers import may_go_back, new_progress, progress_of, superseded_by
from detectors.intent import Cutover, Intent
from detectors.progress import HeldRules, Progress, Vantage
from detectors.route import Cause, Change, Concern, FlowspecRule
from detectors.routes import Routes
from detectors.rules._cutover import Fault, Judgement, faults, observe, shows
from detectors.rules._flowspec import Origin, known_actions, read_rule, under
from detectors.sight import Sight, look
from detectors.sites import site_name

MAX_EVIDENCE = 10


class CutoverRule(Rule):
    """Judges each cutover of the intent, by its name, from the start of its window to its end.

    Its phases are armed, both, moved, flushed and complete; each is reached by positive evidence
    from every vantage point alone. While it is under way this rule tells what concerns it, and
    the others do not. A fault stays open until the cutover is complete or rolled back as asked.
    """

    name: ClassVar[str] = "cutover"
    alone: ClassVar[bool] = True
    concerns: ClassVar[frozenset[Concern]] = frozenset(
        {Concern.ROUTE, Concern.FLOWSPEC, Concern.SESSION}
    )

    def __init__(self, intent: Intent) -> None:
        """Wait for the windows of the intent's cutovers."""
        self._intent = intent
        self._cutovers = {cutover.name: cutover for cutover in intent.cutovers}
        self._by_prefix: dict[str, list[Cutover]] = {}
        for cutover in intent.cutovers:
            prefix = intent.service(cutover.service).prefix
            self._by_prefix.setdefault(prefix, []).append(cutover)
        self._flushing = [cutover for cutover in intent.cutovers if cutover.flush is not None]
        self._told: set[str] = set()

    def standing(self) -> Iterable[str]:
        """Every cutover: its window begins without an event."""
        return self._cutovers

    def restore(self, key: str, details: Mapping[str, Any], at: int) -> None:
        """Remember that people were told of a fault."""
        del details, at
        self._told.add(key)

    def prefixes(self) -> Collection[str]:
        """Those that are to move."""
        return self._by_prefix.keys()

    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        """Take what changed into what is remembered, before any rule judges by it."""
        if not self._cutovers or change.cause is Cause.INTENT:
            return ()  # what is remembered of them stays, and all of them are judged again
        now = change.event.received
        if change.key is None:
            touched = self._of_session(change, routes)
        elif isinstance(change.subject, FlowspecRule):
            rule = change.subject
            touched = [c for c in self._flushing if self._note_rule(c, rule, change, routes)]
        else:
            moved = self._by_prefix.get(change.subject or "", ())
            touched = [c for c in moved if self._note_route(c, change, routes)]
        for cutover in touched:
            self._observe(cutover, routes, now)
        return [cutover.name for cutover in touched]

    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        """Fine while every step comes in order and in time, and at the end."""
        cutover = self._cutovers.get(key)
        if cutover is None:  # the intent no longer names it
            return FINE
        if now < cutover.window.start:
            return Verdict(status=Status.FINE, again=cutover.window.start)
        later = superseded_by(self._intent, cutover, now)
        if later is not None:
            summary = f"Cutover {key} has ended: {later.name} is in its place."
            return Verdict(status=Status.FINE, summary=summary)
        progress, sight = self._observe(cutover, routes, now)
        judged = Judgement() if progress.complete else faults(progress, sight, now)
        verdict = _verdict(progress, sight, judged, routes)
        progress.told = verdict.status is not Status.FINE and (
            progress.told or verdict.status is Status.VIOLATED
        )
        return replace(verdict, again=min((m for m in judged.moments if m > now), default=None))

    # What is remembered

    def _observe(self, cutover: Cutover, routes: Routes, now: int) -> tuple[Progress, Sight]:
        progress = progress_of(routes, cutover)
        if progress is None:
            progress = new_progress(cutover)
            routes.cutovers.put(progress)
        progress.window = (cutover.window.start, cutover.window.end)
        if cutover.name in self._told:
            self._told.discard(cutover.name)
            progress.told = True
        members = self._members_of(cutover, routes)
        sight = look(self._intent, routes, cutover, members, progress)
        observe(progress, sight, now)
        return progress, sight

    def _open(self, cutover: Cutover, routes: Routes, now: int) -> Progress | None:
        """What is remembered of a cutover, where what happens now still concerns it."""
        progress = progress_of(routes, cutover)
        if progress is None or progress.complete or superseded_by(self._intent, cutover, now):
            return None
        return progress

    def _of_session(self, change: Change, routes: Routes) -> list[Cutover]:
        event = change.event
        if event.kind == Kind.ROLLBACK:
            cutover = self._cutovers.get(event.reason or "")
            if cutover is None or not may_go_back(self._intent, routes, cutover, event.received):
                return []
            # What came to be held since it was complete counts on the way back.
            routes.cutovers.members.pop(cutover.name, None)
            asked, _ = self._observe(cutover, routes, event.received)
            asked.ask_back(event.received)
            return [cutover]
        if change.cause is not Cause.SESSION:
            return []
        touched = []
        for cutover in self._cutovers.values():
            progress = self._open(cutover, routes, event.received)
            if progress is None:
                continue
            if event.kind == Kind.END_OF_RIB:
                progress.dark = {v for v in progress.dark if not _shown_by(event, v)}
            members = self._members_of(cutover, routes)
            for rule in members:
                members.note(rule, routes.of_rule(rule))
            touched.append(cutover)
        return touched

    def _note_route(self, cutover: Cutover, change: Change, routes: Routes) -> bool:
        progress = self._open(cutover, routes, change.event.received)
        if progress is None or change.key is None:
            return False
        before, after = change.before, change.after
        was = site_name(self._intent, before) if before is not None else None
        now = site_name(self._intent, after) if after is not None else None
        if was != now and cutover.from_ in (was, now):
            progress.last = change.event
        if change.cause is Cause.PEER_DOWN and before is not None:
            _darken(progress, Vantage.of_route(change.key, before))
        return True

    def _note_rule(
        self, cutover: Cutover, rule: FlowspecRule, change: Change, routes: Routes
    ) -> bool:
        progress = self._open(cutover, routes, change.event.received)
        members = routes.cutovers.members.get(cutover.name)
        if progress is None or members is None or change.key is None:
            return False
        if change.cause is Cause.PEER_DOWN:
            _darken(progress, Vantage.of_rule(change.key))
        if rule not in members and not self._is_of(cutover, rule, routes):
            return False
        members.note(rule, routes.of_rule(rule))
        return True

    def _members_of(self, cutover: Cutover, routes: Routes) -> HeldRules:
        members = routes.cutovers.members.get(cutover.name)
        if members is None:
            members = routes.cutovers.members[cutover.name] = HeldRules()
            held = routes.rules() if cutover.flush is not None else []
            for rule in held:
                if self._is_of(cutover, rule, routes):
                    members.note(rule, routes.of_rule(rule))
        return members

    def _is_of(self, cutover: Cutover, rule: FlowspecRule, routes: Routes) -> bool:
        """Whether a rule is one of the policy that is flushed, at any place that shows it."""
        policy = self._intent.policy(cutover.flush or "")
        seen = [route for _, route in routes.of_rule(rule)]
        origin = Origin(self._intent, seen, routes.feeds)
        for route in seen:
            match, _ = read_rule(route.event)
            if match is None or match.is_empty():
                continue
            if not under(policy, route, match, known_actions(route.event, seen), origin).broken:
                return True
        return False


def _darken(progress: Progress, vantage: Vantage) -> None:
    """What a lost session brought is gone with it, which proves nothing of its peer."""
    if vantage.peer and vantage in progress.saw | progress.ruled:
        progress.dark.add(vantage)


def _shown_by(event: Event, vantage: Vantage) -> bool:
    """Whether an End-of-RIB ends the table that is seen there."""
    same = (event.router, event.feed) == (vantage.router, vantage.feed)
    return same and event.peer in (None, vantage.peer)


def _verdict(progress: Progress, sight: Sight, judged: Judgement, routes: Routes) -> Verdict:
    if judged.faults:
        return _violated(progress, sight, judged.faults, routes)
    if not progress.running and not (progress.told and judged.unseen):
        return Verdict(status=Status.FINE, summary=_end(progress, sight))
    if progress.told and not (judged.unseen or sight.unseen or sight.stale):
        return _violated(progress, sight, [], routes)
    return UNKNOWN


def _end(progress: Progress, sight: Sight) -> str:
    cutover, service = sight.cutover, sight.service
    if progress.complete:
        return (
            f"Cutover {cutover.name} is complete since {rfc3339(progress.complete)[:19]}Z: "
            f"{service.name} ({service.prefix}) is at {', '.join(cutover.to)}."
        )
    if progress.rolled_back:
        return (
            f"Cutover {cutover.name} was rolled back as asked: {service.name} ({service.prefix}) "
            f"is at {cutover.from_} again since {rfc3339(progress.rolled_back)[:19]}Z."
        )
    return f"Cutover {cutover.name} is as it should be."


def _violated(progress: Progress, sight: Sight, found: list[Fault], routes: Routes) -> Verdict:
    cutover, service = sight.cutover, sight.service
    kind = "Rehearsal" if cutover.rehearsal_of else "Cutover"
    head = f"{kind} {cutover.name} of {service.name}, {_stands(progress)}"
    if found:
        also = "".join(f" Also: {fault.what}." for fault in found[1:])
        summary = f"{head}: {found[0].what}. {found[0].act}{also}"
    else:
        summary = f"{head}: what was wrong is over, and it goes on. Watch it to its end."
    rules = [rule for fault in found for rule in fault.rules]
    opening = [event for fault in found for event in fault.evidence]
    proof = [*opening, *shows(rules, routes)]
    evidence = {(event.router, event.received, event.sequence): event for event in proof}
    lesser = bool(cutover.rehearsal_of) or not progress.begun
    return Verdict(
        status=Status.VIOLATED,
        severity=Severity.WARNING if lesser else Severity.CRITICAL,
        summary=summary,
        details={
            "cutover": cutover.name,
            "service": service.name,
            "prefix": service.prefix,
            "from": cutover.from_,
            "to": list(cutover.to),
            "phase": progress.phase.value,
            "faults": [fault.name for fault in found],
            "rolling_back": bool(progress.rollback),
        },
        measures={
            "advertised_by": sorted(sight.live),
            "rules_left": sight.rules_left(),
            **({"rules": [str(rule) for rule in rules]} if rules else {}),
        },
        evidence=tuple(evidence.values())[:MAX_EVIDENCE],
        by_time=not opening,
    )


def _stands(progress: Progress) -> str:
    if progress.rollback:
        return f"going back as asked since {rfc3339(progress.rollback)[:19]}Z"
    return f"phase {progress.phase}"
