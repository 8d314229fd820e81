"""What the store knows of an incident: its transitions, its evidence, the messages around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from collector.event import Event, parse_rfc3339, rfc3339
from collector.store.backend import Reader
from collector.store.history import FAMILIES
from collector.store.moments import incident_called
from collector.store.prefixes import COVERED, asked
from collector.store.rows import SCHEMAS, events_from_rows
from collector.store.sight import blind_rows

WINDOW = 60_000_000_000
"""Nanoseconds before and after an incident whose messages are told with it."""
MOST = 5_000
"""Messages that are told of each question; a table that is sent again has millions."""

_TRANSITIONS = """
SELECT id, detector, key, severity, state, toInt64(toUnixTimestamp64Nano(time)) AS time,
       toInt64(toUnixTimestamp64Nano(opened)) AS opened, summary, details, evidence
FROM incidents WHERE id = {id:String} ORDER BY incidents.time, state != 'open'
"""
_AROUND = """
SELECT * FROM {table}
WHERE received >= fromUnixTimestamp64Nano({{since:Int64}})
  AND received <= fromUnixTimestamp64Nano({{until:Int64}}) AND {which}
ORDER BY abs(toInt64(toUnixTimestamp64Nano(received)) - {{opened:Int64}}), sequence
LIMIT {most}
"""
_OF_ROUTERS = "router IN (SELECT arrayJoin(JSONExtract({routers:String}, 'Array(String)')))"
_OF_RULES = "rule IN (SELECT arrayJoin(JSONExtract({rules:String}, 'Array(String)')))"
MESSAGES = tuple(name for name in SCHEMAS if name != "incidents")
"""The tables that hold what routers said."""


class Place(NamedTuple):
    """What makes an event the same one wherever it is told."""

    router_address: str
    received: int
    sequence: int

    @classmethod
    def of(cls, event: Event) -> Place:
        """The place of an event."""
        return cls(event.router_address, event.received, event.sequence)


@dataclass(frozen=True, slots=True)
class Evidence:
    """An incident with all that the store can tell of it. Times are ns."""

    id: str
    transitions: tuple[dict[str, Any], ...]
    """The JSON objects of the contract, in order."""
    opened: int
    since: int
    until: int
    """The messages between these two are told."""
    proof: tuple[Event, ...]
    """What the detector showed, raw bytes included, in order and each once."""
    around: tuple[Event, ...]
    """All messages in order, those of `proof` included."""
    incomplete: tuple[str, ...] = ()
    """Which tables have more messages than are told."""
    blind: tuple[dict[str, Any], ...] = ()
    """When the watch was, in that time, as `blind_rows` tells it."""

    @property
    def routers(self) -> list[str]:
        """Those whose messages are the evidence."""
        return sorted({event.router for event in self.proof if event.router})

    @property
    def prefixes(self) -> list[str]:
        """What the evidence speaks of."""
        return sorted({event.prefix for event in self.proof if event.prefix})

    @property
    def rules(self) -> list[str]:
        """The Flowspec rules that the evidence speaks of."""
        return sorted({event.rule for event in self.proof if event.rule})

    def proves(self, event: Event) -> bool:
        """Whether an event is one of the evidence."""
        return Place.of(event) in {Place.of(each) for each in self.proof}


def transition_rows(store: Reader, begin: str) -> pa.Table:
    """Every transition of the incident whose id begins so. Raises ValueError where none does."""
    return store.query(_TRANSITIONS, {"id": incident_called(store, begin)})


def evidence_of(store: Reader, begin: str, window: int = WINDOW) -> Evidence:
    """An incident by its id, or by how that begins, with the messages `window` ns around it.

    Those are the messages of the routers of its evidence, and what every router said of the same
    prefixes and rules. Raises ValueError where no incident, or more than one, has such an id.
    """
    transitions = [_transition(row) for row in transition_rows(store, begin).to_pylist()]
    opened = parse_rfc3339(transitions[0]["opened"])
    proof = _each_once(Event.from_dict(event) for each in transitions for event in each["evidence"])
    since = min([opened, *(event.received for event in proof if event.received)]) - window
    between = {"since": since, "until": opened + window, "opened": opened}
    routers = sorted({event.router for event in proof})
    around, incomplete = _around(store, proof, routers, between)
    blind = blind_rows(store, since, opened + window, routers or None)
    return Evidence(
        id=transitions[0]["id"],
        transitions=tuple(transitions),
        opened=opened,
        since=since,
        until=opened + window,
        proof=tuple(proof),
        around=tuple(around),
        incomplete=tuple(incomplete),
        blind=tuple(blind.to_pylist()),
    )


def _transition(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "time": rfc3339(row["time"]),
        "opened": rfc3339(row["opened"]),
        "details": msgspec.json.decode(row["details"] or "{}"),
        "evidence": msgspec.json.decode(row["evidence"] or "[]"),
    }


def _each_once(events: Iterable[Event]) -> list[Event]:
    """Events in order, each once: of two, the one that has its raw bytes."""
    found: dict[Place, Event] = {}
    for event in events:
        known = found.get(Place.of(event))
        if known is None or (known.raw is None and event.raw is not None):
            found[Place.of(event)] = event
    return sorted(found.values(), key=lambda event: (event.received, event.sequence))


def _around(
    store: Reader, proof: list[Event], routers: list[str], between: dict[str, int]
) -> tuple[list[Event], list[str]]:
    events: list[Event] = list(proof)
    incomplete = []
    rules = sorted({event.rule for event in proof if event.rule})
    lists = {"routers": _json(routers), "rules": _json(rules)}
    questions: list[tuple[str, str, dict[str, Any]]] = []
    if routers:
        questions += [(table, _OF_ROUTERS, lists) for table in MESSAGES]
    if rules:
        questions.append(("flowspec", _OF_RULES, lists))
    for prefix in sorted({event.prefix for event in proof if event.prefix}):
        families = FAMILIES[6 if ":" in prefix else 4]
        questions.append(("routes", f"family IN ({families}) AND {COVERED}", asked(prefix)))
    for table, which, parameters in questions:
        sql = _AROUND.format(table=table, which=which, most=MOST)
        found = events_from_rows(store.query(sql, {**between, **parameters}))
        if len(found) == MOST and table not in incomplete:
            incomplete.append(table)
        events += found
    return _each_once(events), incomplete


def _json(texts: list[str]) -> str:
    return msgspec.json.encode(texts).decode()
