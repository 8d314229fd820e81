"""Findings with one cause: what a session takes along when it is lost is one incident.

The withdrawals of a lost session come before its Peer Down, after it, or instead of it, so the
window has two sides. Nothing waits for it: the first finding opens at once, as ever. What follows
from the same session within the window is told at once too, as an update of that incident; where no
session turns out to be lost, it opens on its own when the window ends. A rule whose findings stand
`alone`, and a kill switch, take no part.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from collector.event import Event, Kind, rfc3339
from detectors.base import FINE, Severity, Status, Verdict

WINDOW = 2_000_000_000
"""Events of one session that are this close to one another (ns) have one cause."""
MOST_SESSIONS = 4096
"""Sessions whose last loss is remembered."""
MOST_EVIDENCE = 20
MOST_TOLD = 5
"""Findings that the sentence names; `took_along` has all."""
_LOSSES = (Kind.PEER_DOWN, Kind.FEED_DOWN)
_OURS = ("session", "findings", "took_along", "took_along_measures")
"""The details that are the group's."""
_ORDER = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)

Subject = tuple[str, str]
"""Detector and key."""


class Session(NamedTuple):
    """A BGP session of a router, or (without peer) our own with the router."""

    router: str
    peer: str | None

    @classmethod
    def of(cls, event: Event) -> Session:
        """The session that an event came by."""
        return cls(event.router, None if event.kind == Kind.FEED_DOWN else event.peer)

    def __str__(self) -> str:
        return f"{self.router} with {self.peer}" if self.peer else f"{self.router} with us"


@dataclass(slots=True)
class Group:
    """Findings of one session, told as the incident of the first of them."""

    lead: Subject
    session: Session
    began: int
    """When the event came that the first one rests on, ns."""
    loss: Event | None
    now: dict[Subject, Status] = field(default_factory=dict)
    told: dict[Subject, Verdict] = field(default_factory=dict)
    """The last verdict of each that was a finding."""

    def near(self, at: int) -> bool:
        """Whether something at `at` (ns) has to do with it."""
        return abs(at - (self.loss.received if self.loss else self.began)) <= WINDOW

    def open_to(self, now: int) -> bool:
        """Whether findings may be told with it at `now` (ns)."""
        return self.loss is not None or now < self.began + WINDOW


class Grouping:
    """Which findings are told together. Pure: time is what the events and the engine say."""

    def __init__(self, alone: Iterable[str]) -> None:
        """Group the findings of all detectors but those that stand `alone`."""
        self._alone = frozenset(alone)
        self._losses: OrderedDict[Session, Event] = OrderedDict()
        self._groups: dict[Session, Group] = {}
        self._of: dict[Subject, Group] = {}

    def members(self) -> list[Subject]:
        """What is told with others, and so has no incident of its own; leads too."""
        return list(self._of)

    def lose(self, event: Event) -> list[Subject]:
        """Take note of an event; answers what must be told anew if it is the loss of a session."""
        if event.kind not in _LOSSES:
            return []
        session = Session.of(event)
        self._losses[session] = event
        self._losses.move_to_end(session)
        if len(self._losses) > MOST_SESSIONS:
            self._losses.popitem(last=False)
        group = self._groups.get(session)
        if group is None or group.loss is not None or not group.near(event.received):
            return []
        group.loss = event
        return [group.lead]

    def until(self, subject: Subject) -> int | None:
        """When a finding opens on its own unless its session is lost (ns), or None."""
        group = self._of.get(subject)
        if group is None or group.loss is not None or group.lead == subject:
            return None
        return group.began + WINDOW

    def sort(
        self, subject: Subject, verdict: Verdict, now: int, *, is_open: bool
    ) -> list[tuple[Subject, Verdict]]:
        """What to tell of which incidents for a verdict at `now` (ns)."""
        group = self._of.get(subject)
        if group is None and not is_open and self._may_join(subject, verdict):
            group = self._join(subject, verdict.evidence[0], now)
        if group is None:
            return [(subject, verdict)]
        group.now[subject] = verdict.status
        if verdict.status is Status.VIOLATED:
            group.told[subject] = verdict
        told = [(group.lead, verdict)]
        over = not group.open_to(now)
        if subject != group.lead and (over or verdict.status is Status.FINE):
            self._leave(group, subject)
            if over:
                told.append((subject, verdict))
        whole = _whole(group, verdict)
        if whole.status is Status.FINE:
            self._end(group)
        told[0] = (group.lead, whole)
        return told

    def restore(
        self, lead: Subject, details: Mapping[str, Any], evidence: Iterable[Event]
    ) -> Iterator[tuple[Subject, Mapping[str, Any]]]:
        """Know again an incident of several findings; answers those beside the first."""
        if "took_along" not in details:
            return
        found = details["session"]
        session = Session(found["router"], found.get("peer"))
        evidence = tuple(evidence)
        loss = next((e for e in evidence if e.kind in _LOSSES and Session.of(e) == session), None)
        group = Group(lead, session, evidence[0].received, loss)
        own = {k: v for k, v in details.items() if k not in _OURS}
        others = details["took_along"]
        measures = details.get("took_along_measures") or [{}] * len(others)
        parts: list[tuple[Subject, Severity, Mapping[str, Any], Mapping[str, Any]]] = [
            (lead, Severity.WARNING, own, {})
        ]
        parts += [
            ((each["detector"], each["key"]), Severity(each["severity"]), each["details"], measured)
            for each, measured in zip(others, measures, strict=True)
        ]
        for subject, severity, its, measured in parts:
            self._of[subject] = group
            group.now[subject] = Status.UNKNOWN
            group.told[subject] = Verdict(
                status=Status.VIOLATED,
                severity=severity,
                details=its,
                measures=measured,
                evidence=evidence,
            )
            if subject != lead:
                yield subject, {**its, **measured}
        self._groups[session] = group

    def _may_join(self, subject: Subject, verdict: Verdict) -> bool:
        return (
            verdict.status is Status.VIOLATED
            and subject[0] not in self._alone
            and not verdict.details.get("kill_switch")
            and bool(verdict.evidence)
            and verdict.evidence[0].kind in (Kind.WITHDRAW, *_LOSSES)
        )

    def _join(self, subject: Subject, origin: Event, now: int) -> Group:
        session = Session.of(origin)
        group = self._groups.get(session)
        if group is None or not group.near(origin.received) or not group.open_to(now):
            group = Group(subject, session, origin.received, None)
            loss = self._losses.get(session)
            if loss is not None and group.near(loss.received):
                group.loss = loss
            self._groups[session] = group
        self._of[subject] = group
        return group

    def _leave(self, group: Group, subject: Subject) -> None:
        del self._of[subject], group.now[subject]
        group.told.pop(subject, None)

    def _end(self, group: Group) -> None:
        for subject in list(group.now):
            del self._of[subject]
        if self._groups.get(group.session) is group:
            del self._groups[group.session]


def _whole(group: Group, verdict: Verdict) -> Verdict:
    """What is to be told of a group after one of its findings was judged."""
    wrong = [subject for subject, status in group.now.items() if status is Status.VIOLATED]
    if not wrong:
        if Status.UNKNOWN in group.now.values():
            return Verdict(status=Status.UNKNOWN)
        return verdict if verdict.status is Status.FINE else FINE
    others = [subject for subject in group.told if subject != group.lead]
    lead = group.told[group.lead]
    if not others and wrong == [group.lead]:
        return lead
    found = [group.told[subject] for subject in wrong]
    session: dict[str, Any] = {"router": group.session.router}
    if group.session.peer is not None:
        session["peer"] = group.session.peer
    if group.loss is not None:
        session["lost"] = rfc3339(group.loss.received)
    return Verdict(
        status=Status.VIOLATED,
        severity=max((each.severity for each in found), key=_ORDER.index),
        summary=_summary(group, found),
        details={
            **lead.details,
            "session": session,
            "findings": sum(status is not Status.FINE for status in group.now.values()),
            "took_along": [
                {
                    "detector": subject[0],
                    "key": subject[1],
                    "severity": str(group.told[subject].severity),
                    "details": dict(group.told[subject].details),
                }
                for subject in others
            ],
        },
        # What is measured is no news by itself, and a rule needs it to go on after a restart.
        measures={
            **lead.measures,
            "took_along_measures": [dict(group.told[subject].measures) for subject in others],
        },
        evidence=_evidence(group),
    )


def _summary(group: Group, found: list[Verdict]) -> str:
    told = " ".join(each.summary for each in found[:MOST_TOLD])
    more = f" And {len(found) - MOST_TOLD} more." if len(found) > MOST_TOLD else ""
    count = f"{len(found)} finding{'s' if len(found) > 1 else ''}"
    if group.loss is None:
        return f"{count} by withdrawals of one session, that of {group.session}: {told}{more}"
    why = f" ({group.loss.reason})" if group.loss.reason else ""
    return (
        f"The session of {group.session} was lost at {rfc3339(group.loss.received)[:19]}Z{why} and "
        f"took {count} along; bring it back first. {told}{more}"
    )


def _evidence(group: Group) -> tuple[Event, ...]:
    events = [*group.told[group.lead].evidence]
    events += [group.loss] if group.loss is not None else []
    events += [event for each in group.told.values() for event in each.evidence[:1]]
    once = {(e.router_address, e.received, e.sequence, e.kind): e for e in reversed(events)}
    return tuple(reversed(once.values()))[:MOST_EVIDENCE]
