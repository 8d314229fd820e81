"""What the store knows of an incident: its transitions, its evidence, the messages around it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from collector.event import Event, parse_rfc3339, rfc3339
from collector.store.backend import Reader
from collector.store.history import FAMILIES
from collector.store.moments import incident_called
from collector.store.prefixes import COVERED, EXACT, asked
from collector.store.rows import SCHEMAS, events_from_rows
from collector.store.sight import blind_rows

WINDOW = 60_000_000_000
"""Nanoseconds before and after an incident whose messages are told with it."""
LONGEST = 24 * 3600 * 1_000_000_000
"""Nanoseconds after its opening at which the messages end of one that lasts longer."""
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
ORDER BY least(abs(toInt64(toUnixTimestamp64Nano(received)) - {{opened:Int64}}),
               abs(toInt64(toUnixTimestamp64Nano(received)) - {{changed:Int64}})), sequence
LIMIT {most}
"""
# A router says much that has nothing to do with it, and a short prefix covers a whole table.
_NEAR = """(received <= fromUnixTimestamp64Nano({opened:Int64} + {window:Int64})
  OR (received >= fromUnixTimestamp64Nano({changed:Int64} - {window:Int64})
      AND received <= fromUnixTimestamp64Nano({changed:Int64} + {window:Int64})))"""
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
    cut: bool = False
    """Whether it lasted longer than its messages are told."""

    @property
    def routers(self) -> list[str]:
        """Those whose messages are the evidence."""
        return sorted({event.router for event in self.proof if event.router})

    @property
    def prefixes(self) -> list[str]:
        """What the evidence speaks of, and what the details name."""
        return prefixes_of(self.transitions, self.proof)

    @property
    def rules(self) -> list[str]:
        """The Flowspec rules that the evidence speaks of, and those that the details name."""
        return rules_of(self.transitions, self.proof)

    @property
    def open(self) -> bool:
        """Whether no end of it is known."""
        return is_open(self.transitions)

    def proves(self, event: Event) -> bool:
        """Whether an event is one of the evidence."""
        return Place.of(event) in {Place.of(each) for each in self.proof}

    def nearest(self, events: Iterable[Event], most: int) -> list[Event]:
        """Of events the `most` that are nearest to one of its transitions, in order."""
        times = sorted(parse_rfc3339(each["time"]) for each in self.transitions)
        near = sorted(events, key=lambda event: min(abs(event.received - at) for at in times))
        return sorted(near[:most], key=lambda event: (event.received, event.sequence))


Transitions = Sequence[Mapping[str, Any]]
"""Those of one incident, in order, as JSON objects."""


def is_open(transitions: Transitions) -> bool:
    """Whether these have no end."""
    return bool(transitions[-1]["state"] != "resolved")


def time_of(transitions: Transitions, now: int, window: int = WINDOW) -> tuple[int, bool]:
    """Until when (ns) an incident is told that was opened so, and whether that cuts it off.

    That is `window` ns after its last transition, or after `now` while it is open.
    """
    opened = parse_rfc3339(transitions[0]["opened"])
    end = max(opened, *(parse_rfc3339(each["time"]) for each in transitions))
    if is_open(transitions):
        end = max(end, now)
    until = min(end + window, opened + max(LONGEST, window))
    return until, end > until


def prefixes_of(transitions: Transitions, proof: Iterable[Event]) -> list[str]:
    """What the evidence of an incident speaks of, and what its details name."""
    named = {each["details"].get("prefix") for each in transitions}
    return sorted({e.prefix for e in proof if e.prefix} | set(filter(_is_prefix, named)))


def rules_of(transitions: Transitions, proof: Iterable[Event]) -> list[str]:
    """The Flowspec rules that the evidence of an incident speaks of, or that its details name."""
    named = {rule for each in transitions for rule in _named_rules(each["details"])}
    return sorted({e.rule for e in proof if e.rule} | named)


_OF_FAMILY = re.compile(r"^[a-z0-9-]*flowspec(?: rd \S+)? ")
"""What may stand before the text of a rule."""


def _named_rules(details: Mapping[str, Any]) -> Iterator[str]:
    rules = details.get("rules")  # some detectors count them
    for rule in (details.get("rule"), *(rules if isinstance(rules, list) else ())):
        if isinstance(rule, str):
            yield _OF_FAMILY.sub("", rule)


def _is_prefix(text: Any) -> bool:
    try:
        return isinstance(text, str) and bool(ip_network(text))
    except ValueError:
        return False


def transition_rows(store: Reader, begin: str) -> pa.Table:
    """Every transition of the incident whose id begins so. Raises ValueError where none does."""
    return store.query(_TRANSITIONS, {"id": incident_called(store, begin)})


def evidence_of(store: Reader, begin: str, now: int, window: int = WINDOW) -> Evidence:
    """An incident by its id, or by how that begins, with the messages of its time.

    That time begins `window` ns before its opening and ends as long after its last transition, or
    after `now` (ns) while it is open, a day after its opening at the latest. Told are all that
    anybody said of its prefixes and rules, and whatever the routers of its evidence said within
    `window` of its opening and of its last transition. Raises ValueError where no incident, or
    more than one, has such an id.
    """
    transitions = [_transition(row) for row in transition_rows(store, begin).to_pylist()]
    opened = parse_rfc3339(transitions[0]["opened"])
    proof = _each_once(Event.from_dict(event) for each in transitions for event in each["evidence"])
    since = min([opened, *(event.received for event in proof if event.received)]) - window
    until, cut = time_of(transitions, now, window)
    between = {
        "since": since,
        "until": until,
        "opened": opened,
        "changed": parse_rfc3339(transitions[-1]["time"]),
        "window": window,
    }
    routers = sorted({event.router for event in proof})
    around, incomplete = _around(store, _questions(transitions, proof, routers), between)
    blind = blind_rows(store, since, until, routers or None)
    return Evidence(
        id=transitions[0]["id"],
        transitions=tuple(transitions),
        opened=opened,
        since=since,
        until=until,
        proof=tuple(proof),
        around=tuple(_each_once([*proof, *around])),
        incomplete=tuple(incomplete),
        blind=tuple(blind.to_pylist()),
        cut=cut,
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


Question = tuple[str, str, dict[str, Any]]
"""A table, which of its rows, and the parameters that this has."""


def _questions(
    transitions: Transitions, proof: list[Event], routers: list[str]
) -> Iterator[Question]:
    if routers:
        lists = {"routers": _json(routers)}
        yield from ((table, f"{_OF_ROUTERS} AND {_NEAR}", lists) for table in MESSAGES)
    rules = rules_of(transitions, proof)
    if rules:
        yield "flowspec", _OF_RULES, {"rules": _json(rules)}
    for prefix in prefixes_of(transitions, proof):
        families = FAMILIES[6 if ":" in prefix else 4]
        which = f"family IN ({families}) AND {COVERED} AND ({EXACT} OR {_NEAR})"
        yield "routes", which, asked(prefix)


def _around(
    store: Reader, questions: Iterable[Question], between: dict[str, int]
) -> tuple[list[Event], list[str]]:
    events: list[Event] = []
    incomplete = []
    for table, which, parameters in questions:
        sql = _AROUND.format(table=table, which=which, most=MOST)
        found = events_from_rows(store.query(sql, {**between, **parameters}))
        if len(found) == MOST and table not in incomplete:
            incomplete.append(table)
        events += found
    return events, incomplete


def _json(texts: list[str]) -> str:
    return msgspec.json.encode(texts).decode()
