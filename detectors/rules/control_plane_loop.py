"""A Flowspec rule that takes down the very sessions that carry it, again and again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from collector.event import FLOWSPEC_FAMILIES, Event, Kind, Provenance, parse_rfc3339, rfc3339
from detectors.base import FINE, UNKNOWN, Rule, Severity, Status, Verdict
from detectors.intent import Intent, ProtectedPort
from detectors.packets import touches
from detectors.route import Cause, Change, Concern, FlowspecRule
from detectors.routes import Routes
from detectors.rules._flowspec import action_text, drops_or_diverts, read_rule

SECOND = 1_000_000_000
SOON = 10 * SECOND
"""A session that drops this soon (ns) after a rule came may drop because of it."""
HOLD_TIME = 90
"""Seconds that a session takes to die of silence, where its Peer Up does not say."""
CALM = 60 * SECOND
"""A rule that comes this soon after a drop is what a session brought back, and no suspect."""
TOGETHER = 15 * 60 * SECOND
"""Two drops further apart than this are no loop."""
QUIET = 10 * 60 * SECOND
"""Without a drop for this long the loop is over; a hold time and a reconnect are shorter."""
RECENT = 256
"""Of each router, so many of the newest arrivals are looked at."""
SUSPECTS = 64
"""So many rules are under suspicion at once; the one that was quiet longest makes room."""
LOOP = 2
"""A session that drops behind a rule so many times is in a loop."""
NEWS = frozenset({Provenance.LIVE, Provenance.MIRROR})
"""What a router says as it happens: FRR mirrors Flowspec rules, and shows them in no other way."""
BGP = ProtectedPort(6, 179, 179)
WANTED = ("administrative", "de-configured", "no longer monitored", "collision", "local system")
"""Of a session that ends with one of these words somebody knows why."""


class Arrival(NamedTuple):
    """A rule that came to a router whose sessions were calm."""

    rule: FlowspecRule
    event: Event


@dataclass(slots=True)
class Suspect:
    """A rule at one router, after whose arrival a session dropped."""

    rule: FlowspecRule
    armed: Event | None
    """What put the sessions at risk: the rule came, or a session came back to it."""
    last: int = 0
    """When a session dropped last because of it, ns."""
    times: int = 0
    evidence: list[Event] = field(default_factory=list)

    def drop(self, event: Event) -> None:
        """A session dropped, soon after the rule or the session had come."""
        if self.armed is not None:
            self.evidence += (self.armed, event)
            del self.evidence[2:-4]  # how it began, and the last two times
        self.armed = None
        self.last = event.received
        self.times += 1


class ControlPlaneLoop(Rule):
    """Judges each rule (`family rd rule`) by the sessions that drop behind it.

    A rule is under suspicion where it came, as news, to a router whose sessions were calm, and one
    of them dropped within seconds (of a hold timer: within the hold time). The loop is there when
    that happens once more: the rule or a session comes back, and a session drops again. Drops that
    came before the rule do not count, nor do those that somebody asked for.
    """

    name: ClassVar[str] = "control_plane_loop"
    concerns: ClassVar[frozenset[Concern]] = frozenset({Concern.FLOWSPEC, Concern.SESSION})

    def __init__(self, intent: Intent) -> None:
        """No rule has come and no session has dropped yet."""
        del intent
        self._arrivals: dict[str, deque[Arrival]] = {}
        self._dropped: dict[str, int] = {}
        """When a session of a router dropped last, ns."""
        self._hold: dict[tuple[str, str | None], int] = {}
        """Hold time of the sessions that are up, seconds."""
        self._suspects: dict[tuple[str, str], Suspect] = {}
        """By router and rule."""

    def subjects(self, change: Change, routes: Routes) -> Iterable[str]:
        """Note what came and what dropped; answer the rules that this speaks against."""
        if change.cause is Cause.ANNOUNCE:
            key = change.key
            if key is not None and key.family in FLOWSPEC_FAMILIES and key.family is not None:
                self._arrive(FlowspecRule(key.family, key.rd, key.destination), change)
            return ()
        if change.cause is not Cause.SESSION:
            return ()
        event = change.event
        if event.kind in (Kind.PEER_UP, Kind.FEED_UP):
            self._come_up(event, routes)
        elif event.kind in (Kind.PEER_DOWN, Kind.FEED_DOWN):
            return self._drop(event)
        return ()

    def judge(self, key: str, routes: Routes, now: int) -> Verdict:
        """Violated from the second time on, until sessions have held for ten minutes."""
        found = {
            router: suspect
            for (router, name), suspect in self._suspects.items()
            if name == key and suspect.times >= LOOP
        }
        if not found:
            return FINE
        end = max(suspect.last for suspect in found.values()) + QUIET
        if now < end:
            return _violated(found, again=end)
        seen = {feed.router for feed in routes.feeds.all() if routes.feeds.sees(feed)}
        if not found.keys() <= seen:
            return UNKNOWN
        for router in found:
            del self._suspects[router, key]
        rule = next(iter(found.values())).rule.rule
        return Verdict(
            status=Status.FINE,
            summary=f"No session has dropped behind Flowspec rule `{rule}` at "
            f"{', '.join(sorted(found))} for {QUIET // (60 * SECOND)} minutes.",
        )

    def succeed(self, other: ControlPlaneLoop) -> None:
        """All of it is about what came, and not about what is meant."""
        self._arrivals, self._dropped = other._arrivals, other._dropped
        self._hold, self._suspects = other._hold, other._suspects

    def restore(self, key: str, details: Mapping[str, Any], at: int) -> None:
        """Take up the loop as it was last told."""
        del at
        rule = FlowspecRule(details["family"], details.get("rd"), details["rule"])
        for router in details["routers"]:
            suspect = Suspect(rule, None, parse_rfc3339(details["last"]), int(details["times"]))
            self._suspects[router, key] = suspect

    def _arrive(self, rule: FlowspecRule, change: Change) -> None:
        event, before = change.event, change.before
        suspect = self._suspects.get((event.router, str(rule))) if self._suspects else None
        if suspect is not None:
            came_back = before is None or event.provenance == Provenance.DUMP
            if came_back and (suspect.armed is None or suspect.armed.rule is None):
                suspect.armed = event
            return
        if event.provenance not in NEWS or (before and before.actions == event.actions):
            return
        dropped = self._dropped.get(event.router)
        if dropped is None or event.received - dropped > CALM:
            recent = self._arrivals.setdefault(event.router, deque(maxlen=RECENT))
            recent.append(Arrival(rule, event))

    def _come_up(self, event: Event, routes: Routes) -> None:
        """A session that comes back to a rule is at risk once more."""
        said = event.information or {}
        if isinstance(said.get("hold_time"), int):
            self._hold[event.router, event.peer] = said["hold_time"]
        for (router, _), suspect in self._suspects.items():
            held = router == event.router and any(
                key.router == router for key, _ in routes.of_rule(suspect.rule)
            )
            if held and suspect.armed is None:
                suspect.armed = event

    def _drop(self, event: Event) -> list[str]:
        router = event.router
        window = self._window(event)
        if event.kind == Kind.FEED_DOWN:
            for key in [key for key in self._hold if key[0] == router]:
                del self._hold[key]
        reason = event.reason or ""
        if event.provenance != Provenance.LIVE or any(word in reason for word in WANTED):
            return []
        self._dropped[router] = event.received
        known = [each for each in self._suspects if each[0] == router]
        recent = [each for each in known if event.received - self._suspects[each].last <= TOGETHER]
        for each in known:
            # One that people were told of ends when sessions are seen to hold, not by being old.
            if each not in recent and self._suspects[each].times < LOOP:
                del self._suspects[each]
        due = [key for key in known if key in self._suspects and self._at_risk(key, event, window)]
        for key in due:
            self._suspects[key].drop(event)
        if not due and not recent:
            self._suspect(event, window)
        return [name for _, name in due]

    def _at_risk(self, key: tuple[str, str], event: Event, window: int) -> bool:
        armed = self._suspects[key].armed
        return armed is not None and event.received - armed.received <= window

    def _window(self, event: Event) -> int:
        """How long before a drop its cause may have come, ns."""
        hold = self._hold.pop((event.router, event.peer), HOLD_TIME)
        reason = event.reason or ""
        silence = "hold timer" in reason or reason.endswith("FSM event 10")
        return SOON + hold * SECOND if silence else SOON

    def _suspect(self, event: Event, window: int) -> None:
        """Of what came just before, suspect what could do it, and else what came last."""
        recent = self._arrivals.pop(event.router, ())
        near = [each for each in recent if event.received - each.event.received <= window]
        if not near:
            return
        first = max(near, key=lambda each: (_could_do_it(each.event), each.event.received))
        suspect = Suspect(first.rule, first.event)
        suspect.drop(event)
        self._suspects[event.router, str(first.rule)] = suspect
        if len(self._suspects) > SUSPECTS:
            del self._suspects[min(self._suspects, key=self._matters)]

    def _matters(self, key: tuple[str, str]) -> tuple[bool, int]:
        """Those that people were told of matter most, and then the ones of late."""
        suspect = self._suspects[key]
        return suspect.times >= LOOP, suspect.last


def _could_do_it(event: Event) -> bool:
    """Whether a rule keeps BGP from getting through, or is one that has crashed routers."""
    match, _ = read_rule(event)
    if match is None or match.is_empty():
        return True
    return bool(drops_or_diverts(event.actions)) and touches(match, BGP) is not None


def _violated(found: Mapping[str, Suspect], *, again: int) -> Verdict:
    routers = sorted(found)
    worst = max(found.values(), key=lambda suspect: suspect.times)
    where = ", ".join(routers[:3]) + (f" and {len(routers) - 3} more" if len(routers) > 3 else "")
    came = next((event for event in worst.evidence if event.rule), None)
    since = f" since {rfc3339(came.received)[:19]}Z" if came else ""
    does = f" (its action is {action_text(came.actions)})" if came else ""
    origin = f" ({came.peer or came.router})" if came else ""
    rule = worst.rule
    details: dict[str, Any] = {"family": rule.family, "rule": rule.rule}
    if rule.rd is not None:
        details["rd"] = rule.rd
    return Verdict(
        status=Status.VIOLATED,
        severity=Severity.CRITICAL,
        summary=f"Flowspec rule `{rule.rule}` takes sessions down at {where} in a loop{since}: "
        f"whenever it or a session comes back, a session drops{does}. Withdraw it at its "
        f"origin{origin}, and keep it out before you bring sessions up.",
        details=details,
        measures={
            "routers": routers,
            "times": worst.times,
            "last": rfc3339(max(suspect.last for suspect in found.values())),
        },
        evidence=tuple(worst.evidence),
        again=again,
    )
