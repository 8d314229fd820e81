"""Who advertised a prefix when: a lane for each place, a span for each state that it was in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pyarrow as pa

from collector.event import Kind, View
from collector.store.life import Cause, Lives, Outlook, Row, Sight, Step, source_of
from collector.store.sight import Source

Between = tuple[int | None, int]
PlaceOf = Callable[[Row], str]
"""Says which place a row of `routes` comes from."""
_OF_FEEDS = (Kind.FEED_UP, Kind.FEED_DOWN)
NO_PEER = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - the address of no peer, nothing is bound
ADJ_OUT = frozenset({View.ADJ_OUT_PRE.value, View.ADJ_OUT_POST.value})


class State(StrEnum):
    """What a place did, as far as anybody saw."""

    ADVERTISED = "advertised"
    ABSENT = "absent"
    BLIND = "blind"
    """Nobody could see."""
    NOT_YET_KNOWN = "not yet known"
    """No table had been seen completely."""


@dataclass(frozen=True, slots=True)
class Span:
    """A state from `since` until `until` (ns), and what began it."""

    state: State
    since: int
    until: int
    reason: str


@dataclass(frozen=True, slots=True)
class Lane:
    """What one place did with one prefix, or with one Flowspec rule."""

    subject: str
    rd: str
    place: str
    routers: tuple[str, ...]
    """Who showed it."""
    spans: tuple[Span, ...]
    changes: tuple[int, ...]
    """When what it advertised changed (next hop, path, communities …), ns."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """All lanes of a question, over the same time."""

    title: str
    since: int
    until: int
    lanes: tuple[Lane, ...]

    def table(self) -> pa.Table:
        """A row for each span: subject, rd, place, state, since, until, reason, routers."""
        rows = [
            {
                "subject": lane.subject,
                "rd": lane.rd,
                "place": lane.place,
                "state": str(span.state),
                "since": span.since,
                "until": span.until,
                "reason": span.reason,
                "routers": list(lane.routers),
            }
            for lane in self.lanes
            for span in lane.spans
        ]
        return pa.Table.from_pylist(rows, SPANS)


_NS = pa.timestamp("ns", "UTC")
SPANS = pa.schema(
    [
        *((name, pa.string()) for name in ("subject", "rd", "place", "state")),
        *((name, _NS) for name in ("since", "until")),
        ("reason", pa.string()),
        ("routers", pa.list_(pa.string())),
    ]
)


def seen_as(row: Row) -> str:
    """The place of a route where nobody names sites: who showed it, from whom, to where."""
    source = f"from {row['peer']}" if row["peer"] not in NO_PEER else row["view"]
    return f"{row['router']} {source} via {row['next_hop'] or 'no next hop'}"


def end_of(rows: Sequence[Row], until: int | None, now: int) -> int:
    """Where a timeline of these rows ends (ns) if nobody says it.

    That is `now` where a router is still connected after them, else the last row.
    """
    if until is not None:
        return until
    up = {source_of(r): r["kind"] == Kind.FEED_UP for r in rows if r["kind"] in _OF_FEEDS}
    return now if any(up.values()) or not rows else max(row["at"] for row in rows)


def draw_up(
    title: str,
    rows: Sequence[Row],
    lives: Lives,
    place_of: PlaceOf,
    between: Between,
) -> Timeline:
    """The timeline of the rows of one subject and of the sessions that carried them, in order.

    All rows from the beginning are needed, also those before the first time that it is drawn
    `between` (ns; None is that of the first row).
    What a router tells others (Adj-RIB-Out) is left out, and so is its post-policy view of a peer
    whose pre-policy view it shows: as the detectors do it.
    """
    pre_policy = {
        (source_of(r), r["peer"], r["peer_rd"]) for r in rows if r["view"] == View.ADJ_IN_PRE
    }
    since, until = between
    drawn = _Drawn(place_of)
    for row in rows:
        if row["at"] > until:
            break
        if not row["session"] and not _tells(row, pre_policy):
            continue
        drawn.take(row["at"], lives.take(row))
    begin = since if since is not None else min((row["at"] for row in rows), default=until)
    return Timeline(title, begin, until, drawn.lanes(begin, until))


def _tells(row: Row, pre_policy: set[tuple[Source, str, str]]) -> bool:
    if row["view"] == View.ADJ_IN_POST:
        seen = (source_of(row), row["peer"], row["peer_rd"]) in pre_policy
        return not seen and row["peer"] not in NO_PEER
    return row["view"] not in ADJ_OUT


@dataclass(slots=True)
class _Open:
    """A lane while it is drawn."""

    sources: dict[Source, None] = field(default_factory=dict)
    held: dict[tuple[Any, ...], bool] = field(default_factory=dict)
    """The routes that the place holds, and whether each can be seen."""
    marks: list[tuple[int, State, str]] = field(default_factory=list)
    changes: list[int] = field(default_factory=list)

    def state(self, sights: dict[Source, Sight]) -> State:
        if any(self.held.values()):
            return State.ADVERTISED
        if self.held:
            return State.BLIND
        seen = {sights.get(source, Sight.NOT_YET) for source in self.sources}
        if Sight.FULL in seen:
            return State.ABSENT
        return State.BLIND if Sight.NONE in seen else State.NOT_YET_KNOWN


class _Drawn:
    def __init__(self, place_of: PlaceOf) -> None:
        self._place_of = place_of
        self._open: dict[tuple[str, str, str], _Open] = {}
        self._sights: dict[Source, Sight] = {}
        self._looks: list[tuple[int, Source, Sight, str]] = []
        """Every change of what a router shows, for lanes that begin later."""

    def take(self, at: int, steps: Iterable[Step | Outlook]) -> None:
        touched: dict[int, tuple[_Open, str]] = {}
        for step in steps:
            reason = _reason(step)
            if isinstance(step, Outlook):
                self._sights[step.source] = step.sight
                self._looks.append((at, step.source, step.sight, reason))
                lanes = [lane for lane in self._open.values() if step.source in lane.sources]
            else:
                lanes = self._route(step)
            touched |= {id(lane): (lane, reason) for lane in lanes}
        for lane, reason in touched.values():
            self._mark(lane, at, reason)

    def _route(self, step: Step) -> list[_Open]:
        lanes = []
        if step.before is not None:
            lane = self._lane(step.before)
            lane.held.pop(step.key, None)
            lanes.append(lane)
        if step.after is not None:
            lane = self._lane(step.after)
            lane.held[step.key] = step.cause is not Cause.UNSEEN
            if step.cause is Cause.REPLACED and lane in lanes:
                lane.changes.append(step.at)
            lanes.append(lane)
        return lanes

    def _lane(self, row: Row) -> _Open:
        key = (row["subject"], row["rd"], self._place_of(row))
        lane = self._open.setdefault(key, _Open())
        lane.sources.setdefault(source_of(row))
        return lane

    def _mark(self, lane: _Open, at: int, reason: str) -> None:
        state = lane.state(self._sights)
        if not lane.marks or lane.marks[-1][1] is not state:
            lane.marks.append((at, state, reason))

    def lanes(self, since: int, until: int) -> tuple[Lane, ...]:
        return tuple(
            Lane(*key, _routers(lane), self._spans(lane, since, until), tuple(lane.changes))
            for key, lane in sorted(self._open.items())
        )

    def _spans(self, lane: _Open, since: int, until: int) -> tuple[Span, ...]:
        marks = [*self._before(lane), *lane.marks]
        spans: list[Span] = []
        for (at, state, reason), (end, _, _) in zip(
            marks, [*marks[1:], (until, None, "")], strict=True
        ):
            begin, stop = max(at, since), min(end, until)
            if begin < stop or (begin == stop == until and not spans):
                if spans and spans[-1].state is state:
                    spans[-1] = Span(state, spans[-1].since, stop, spans[-1].reason)
                else:
                    spans.append(Span(state, begin, stop, reason))
        return tuple(spans)

    def _before(self, lane: _Open) -> list[tuple[int, State, str]]:
        """What is known of a place before anybody saw it advertise."""
        first = lane.marks[0][0]
        empty = _Open(sources=lane.sources)
        sights: dict[Source, Sight] = {}
        marks: list[tuple[int, State, str]] = [(0, State.NOT_YET_KNOWN, "")]
        for at, source, sight, reason in self._looks:
            if at >= first:
                break
            if source in lane.sources:
                sights[source] = sight
                marks.append((at, empty.state(sights), reason))
        return marks


def _routers(lane: _Open) -> tuple[str, ...]:
    return tuple(dict.fromkeys(router for router, _ in lane.sources))


def _reason(step: Step | Outlook) -> str:
    """Why a span begins, in a few words."""
    event = step.event
    if isinstance(step, Outlook) or step.cause is Cause.UNSEEN:
        words = str(event["kind"])
    else:
        words = str(step.cause)
    if event["session"]:
        words = f"{words} at {event['router']}"
    return f"{words}: {event['reason']}" if event["reason"] else words
