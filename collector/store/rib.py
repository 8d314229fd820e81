"""Which routes each router held at a moment of the past, and when the watch could not see that.

A route is what one router shows of one peer in one view over one feed: (router, feed, peer,
peer_rd, view, table_name, family, rd, address, length, nlri, path_id). Of its rows up to the moment
the last by (received, sequence) counts, and what sessions did stands in that same order:

- a withdraw ends a route, and so does a peer-down of its peer in its direction (one Peer Up speaks
  for the views before and after policy, RFC 7854 section 3.1);
- our own session going down ends nothing: the route is still told, with `blind_since`;
- after a new feed-up or peer-up nobody knows of an older route until the new table is complete: at
  an end-of-RIB of its peer, view and family, of its peer as a whole, or of the whole feed. Then it
  is gone, unless it was announced again;
- what a router mirrored is in none of its RIBs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.event import Kind
from collector.store.backend import Reader
from collector.store.prefixes import COVERED, EXACT, IS_PREFIX, V4, asked, text_of
from collector.store.rows import AS_STORED, as_told
from collector.store.sight import (
    COUNTS,
    PLACE_NUMBER,
    Clock,
    SessionKey,
    Sessions,
    blind_rows,
    sessions_until,
)

__all__ = ["Clock", "Match", "blind_rows", "rib_rows"]

Match = Literal["exact", "covering", "covered"]

_MATCHES: dict[Match, str] = {
    "exact": EXACT,
    # The few prefixes that can be above this one, each looked up in the index.
    "covering": """(address, length) IN (
        SELECT arrayJoin(arrayMap(
            bits -> (IPv6CIDRToRange({first:String}::IPv6, bits).1, bits),
            arrayMap(bits -> toUInt8(bits), range({shortest:UInt8}, {length:UInt8} + 1)))))""",
    "covered": COVERED,
}
_IS_V4 = """(length >= 96 AND NOT like(family, '%ipv6%')
    AND address BETWEEN toIPv6('::ffff:0.0.0.0') AND toIPv6('::ffff:255.255.255.255'))"""

_ROWS = """
SELECT {columns}, received AS changed, time, epoch, sequence, kind
FROM routes
WHERE {counts} AND provenance != 'mirror' AND {routes}
"""
_KEY = (
    *("family", "address", "length", "nlri", "rd", "router", "feed", "peer", "view", "path_id"),
    *("peer_rd", "table_name"),
)
# The last row of each route comes first.
_OF_A_PREFIX = f"""{_ROWS}
ORDER BY {{key}}, received DESC, sequence DESC
LIMIT 1 BY {{key}}
"""
# Of whole tables the last rows are found by a few columns, and only those are told in full. GLOBAL
# is for clusters, which run no query of all shards within another one.
_ROUTE = f"cityHash64({', '.join(_KEY).replace('path_id', 'ifNull(path_id + 1, 0)')})"
_OF_TABLES = f"""{_ROWS} AND ({_ROUTE}, {PLACE_NUMBER}) GLOBAL IN (
    SELECT {_ROUTE} AS route, max({PLACE_NUMBER})
    FROM routes
    WHERE {{counts}} AND provenance != 'mirror' AND {{routes}}
    GROUP BY route
)
ORDER BY family, address, length
"""  # noqa: S608 - all of it is written here
_SESSION = SessionKey._fields
_COLUMNS = (
    *(
        "router",
        "router_address",
        "feed",
        "peer",
        "peer_as",
        "peer_rd",
        "view",
        "table_name",
        "family",
    ),
    *("rd", "prefix"),
    *("nlri", "path_id", "labels", "next_hop", "as_path", "origin_as", "origin", "med"),
    *("local_pref", "communities", "ext_communities", "large_communities", "originator_id"),
    *("cluster_list", "path_status", "provenance", "warnings"),
)


def rib_rows(  # noqa: PLR0913 - each narrows the question, all by name
    store: Reader,
    at: int,
    *,
    prefix: str | None = None,
    match: Match = "exact",
    router: str | None = None,
    peer: str | None = None,
    view: str | None = None,
    family: str | None = None,
    rd: str | None = None,
    clock: Clock = "received",
) -> pa.Table:
    """The routes that routers held at a time (ns): of a prefix, or of whole tables.

    With `match` "covering" the less-specifics that contain the prefix are told too, with "covered"
    its more-specifics. `clock` says whether `at` is compared to when the collector received a row
    or to the router's own time (where it gave one); rows follow each other as received, always.

    A row has the route's columns, `changed` (when its last announcement was received), `time` and
    `epoch` of that, and `blind_since`: from when on until `at` nobody could see whether the route
    was still there, or null. Raises ValueError for what is no prefix, match or clock.
    """
    wanted = {"router": router, "peer": peer, "view": view, "family": family, "rd": rd}
    parameters: dict[str, Any] = {
        name: value for name, value in wanted.items() if value is not None
    }
    routes = [f"{name} = {{{name}:String}}" for name in parameters]
    for word, known in ((match, get_args(Match)), (clock, get_args(Clock))):
        if word not in known:
            raise ValueError(f"{word!r} is none of " + ", ".join(known))
    if prefix is not None:
        condition, values = _of_prefix(prefix, match)
        routes.append(condition)
        parameters |= values
    columns, key = [AS_STORED.get(name, name) for name in _COLUMNS], list(_KEY)
    if prefix is not None and match == "exact":
        # What is known need not be asked for: to plan a column takes as long as to read it.
        columns[columns.index("prefix")] = "{prefix:String} AS prefix"
        parameters["prefix"] = text_of(prefix)
        key = [name for name in key if name not in ("address", "length")]
    sql = (_OF_TABLES if prefix is None else _OF_A_PREFIX).format(
        columns=", ".join(columns),
        counts=COUNTS[clock],
        routes=" AND ".join(routes) or "1",
        key=", ".join(key),
    )
    latest = as_told(store.query(sql, {"at": at, **parameters}))
    announced = latest.filter(pc.equal(latest["kind"], Kind.ANNOUNCE.value)).drop_columns("kind")
    return still_held(store, announced, at, clock)


def still_held(store: Reader, latest: pa.Table, at: int, clock: Clock) -> pa.Table:
    """Of the last announcements up to `at` (ns) those that no session ended, with `blind_since`.

    They have the columns of a `SessionKey`, `changed` and `sequence`; the last is left out.
    """
    return _seen(latest, _sessions_of(store, latest, at, clock))


def _of_prefix(prefix: str, match: Match) -> tuple[str, dict[str, Any]]:
    """The condition that a route is of this prefix, and its parameters."""
    is_v4 = ":" not in prefix
    values = {**asked(prefix), "shortest": V4 if is_v4 else 0}
    version = _IS_V4 if is_v4 else f"NOT {_IS_V4}"
    return f"{_MATCHES[match]} AND {IS_PREFIX} AND {version}", values


def _sessions_of(store: Reader, latest: pa.Table, at: int, clock: Clock) -> Sessions:
    if not len(latest):
        return Sessions(())
    since = pc.min(latest["changed"]).cast(pa.int64()).as_py()
    routers = latest["router"].unique().to_pylist()
    return sessions_until(store, at, routers, since=since, clock=clock)


def _seen(latest: pa.Table, sessions: Sessions) -> pa.Table:
    """The announcements that sessions did not end, with `blind_since`."""
    received = latest["changed"].cast(pa.int64()).to_numpy()
    sequence = latest["sequence"].to_numpy()
    gone = np.zeros(len(latest), bool)
    blind_since = np.zeros(len(latest), np.int64)
    for key, rows in _by_session(latest):
        outcome = sessions.outcome(key)
        places = received[rows], sequence[rows]
        gone[rows] = _before(places, outcome.gone_before)
        for blindness in reversed(outcome.blindness):
            blind_since[rows[_before(places, blindness)]] = blindness[0]
    blind = pa.array(blind_since, pa.timestamp("ns", "UTC"), mask=blind_since == 0)
    return latest.drop_columns("sequence").append_column("blind_since", blind).filter(~gone)


def _before(places: tuple[Any, Any], place: tuple[int, int]) -> Any:
    received, sequence = places
    return (received < place[0]) | ((received == place[0]) & (sequence < place[1]))


def _by_session(latest: pa.Table) -> Iterator[tuple[SessionKey, Any]]:
    """Each session and family that is among the rows, with the numbers of its rows."""
    codes = np.zeros(len(latest), np.int64)
    for name in _SESSION:
        column = pc.dictionary_encode(latest[name].combine_chunks())
        codes = codes * len(column.dictionary) + column.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        if len(rows):
            first = int(rows[0])
            yield SessionKey(*(latest[name][first].as_py() for name in _SESSION)), rows
