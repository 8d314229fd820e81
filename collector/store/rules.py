"""Flowspec rules of the past: which were in force at a moment, and the life of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from collector.event import FOREVER, Event
from collector.store.backend import Reader
from collector.store.history import with_sessions
from collector.store.life import RULE_CONTENT, RULE_KEY, Lives, Row, Step
from collector.store.rib import Clock, still_held
from collector.store.rows import events_from_rows
from collector.store.sight import COUNTS, PLACE_NUMBER
from collector.store.timeline import Timeline, draw_up, end_of

_RULES = f"""
SELECT router, feed, peer, peer_rd, view, table_name, family, rd, rule, path_id,
       last.1 AS precedence, last.2 AS actions, last.3 AS next_hop, last.4 AS provenance,
       last.5 AS warnings, first_seen, changed, toUInt64(place) AS sequence
FROM (
    SELECT router, feed, peer, peer_rd, view, table_name, family, rd, rule, path_id,
           argMax((precedence, actions, next_hop, provenance, warnings, kind), {PLACE_NUMBER})
               AS last,
           minIf(received, kind = 'announce') AS first_seen, max(received) AS changed,
           max({PLACE_NUMBER}) AS place
    FROM flowspec
    WHERE {{counts}} AND provenance != 'mirror'
    GROUP BY router, feed, peer, peer_rd, view, table_name, family, rd, rule, path_id
)
WHERE last.6 = 'announce'
ORDER BY router, view, peer, family, rd, precedence, rule
"""  # noqa: S608 - all of it is written here


def flowspec_rows(store: Reader, at: int, *, clock: Clock = "received") -> pa.Table:
    """The Flowspec rules that each router held at a time (ns), in every view, as it applies them.

    `first_seen` is the first announcement that the store has. `blind_since` is set where nobody
    could see at that time whether the rule was still there: our session was down, or the router
    had not shown its table again. A peer that went down took its rules with it; a rule that a new,
    complete table does not have is gone. `clock` is that of `rib_rows`.
    """
    latest = store.query(_RULES.format(counts=COUNTS[clock]), {"at": at})
    return still_held(store, latest, at, clock)


_CHANGES = """
SELECT received, router, router_address, feed, peer, peer_as, peer_rd, view, table_name, kind,
       provenance, family, rd, rule, precedence, path_id, actions, next_hop, as_path, origin, med,
       local_pref, communities, ext_communities, large_communities, originator_id, cluster_list,
       reason, warnings, time, epoch, sequence, rule AS subject, false AS session,
       toInt64(toUnixTimestamp64Nano(received)) AS at,
       toInt64(toUnixTimestamp64Nano(epoch)) AS epoch_at
FROM flowspec
WHERE received <= fromUnixTimestamp64Nano({until:Int64}) AND rule ILIKE {pattern:String}
"""
_NS = pa.timestamp("ns", "UTC")
LIFE = pa.schema(
    [
        *((name, pa.string()) for name in ("router", "feed", "view", "peer", "peer_rd")),
        *((name, pa.string()) for name in ("table_name", "family", "rd", "rule")),
        ("path_id", pa.uint32()),
        ("received", _NS),
        ("change", pa.string()),
        *((name, pa.string()) for name in ("actions", "actions_before", "next_hop")),
        *((name, pa.string()) for name in ("reason", "provenance")),
        ("warnings", pa.list_(pa.string())),
        ("time", _NS),
        ("sequence", pa.uint64()),
    ]
)
"""Columns of a rule's life: a row for each change."""


_ANNOUNCED = """
SELECT * FROM flowspec
WHERE kind = 'announce' AND provenance != 'mirror'
  AND startsWith(lower(hex(SHA256(concat(family, '\\n', rd, '\\n', rule)))), {id:String})
ORDER BY received DESC LIMIT 1
"""


def rule_called(store: Reader, identity: str) -> Event | None:
    """The last announcement of the rule of this id; None where the store has none.

    The id is how the SHA-256 of family, route distinguisher and rule begins, with line feeds
    between them.
    """
    found = events_from_rows(store.query(_ANNOUNCED, {"id": identity}))
    return found[0] if found else None


def like(pattern: str) -> str:
    """A part of a rule's text, with `*` for anything, as SQL's LIKE has it."""
    escaped = "".join(f"\\{c}" if c in "\\%_" else c for c in pattern)
    return f"%{escaped.replace('*', '%')}%"


def life_rows(
    store: Reader, pattern: str = "", *, since: int = 0, until: int = FOREVER
) -> pa.Table:
    """What became of the rules whose text has `pattern` in it, between two times (ns).

    For each router, view and peer: first seen (`announced`), each replacement with the actions
    before and after it, gone (`withdrawn`, `peer down`, `not in the new table`), and the times
    when nobody could see (`unseen`, `seen again`). The change that held at `since` comes first.
    """
    rows = _rows(store, pattern, until)
    return pa.Table.from_pylist([*_changes(rows, since)], LIFE)


def life_timeline(
    store: Reader, pattern: str, *, since: int | None = None, until: int | None = None, now: int
) -> Timeline:
    """The lives of rules as spans, a lane for each rule and place that shows it; see `life_rows`.

    Without `since` it begins with the first row, and without `until` it ends as `timeline_of`.
    """
    rows = _rows(store, pattern, FOREVER if until is None else until)
    lives = Lives(RULE_KEY, RULE_CONTENT)
    title = pattern or "any Flowspec rule"
    return draw_up(title, rows, lives, _shown_by, (since, end_of(rows, until, now)))


def _shown_by(row: Row) -> str:
    return " ".join(filter(None, (row["router"], row["peer"] or row["view"])))


def _rows(store: Reader, pattern: str, until: int) -> list[dict[str, Any]]:
    """Rows of the rules and of their sessions, in order."""
    rows = store.query(_CHANGES, {"until": until, "pattern": like(pattern)})
    return with_sessions(store, rows, until)


def _changes(rows: Iterable[dict[str, Any]], since: int) -> Iterator[dict[str, Any]]:
    lives: dict[tuple[Any, ...], list[Step]] = defaultdict(list)
    walk = Lives(RULE_KEY, RULE_CONTENT)
    for row in rows:
        for step in walk.take(row):
            if not isinstance(step, Step):
                continue
            life = lives[step.key]
            if life and step.at < since:
                life.clear()  # only what held at `since` is told of the time before
            life.append(step)
    for life in sorted(lives.values(), key=_order):
        if life[0].at < since and life[0].after is None:
            del life[0]  # it was gone by then
        yield from map(_row, life)


def _order(life: list[Step]) -> tuple[Any, ...]:
    rule = life[0].after or life[0].before or {}
    names = ("family", "precedence", "rule", "router", "view", "peer")
    return tuple(rule[name] for name in names)


def _row(step: Step) -> dict[str, Any]:
    rule = step.after or step.before or {}
    said = {name: rule[name] for name in LIFE.names if name in rule}
    return {
        **said,
        **{name: step.event[name] for name in ("received", "reason", "provenance", "time")},
        "sequence": step.event["sequence"],
        "change": str(step.cause),
        "actions": step.after["actions"] if step.after else "",
        "actions_before": step.before["actions"] if step.before else "",
    }
