"""Who advertised a prefix when: its changes, and the sessions that carried them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any

import pyarrow as pa

from collector.event import FOREVER
from collector.store.backend import Reader
from collector.store.life import ROUTE_CONTENT, ROUTE_KEY, Lives
from collector.store.prefixes import COVERED, EXACT, IS_PREFIX, asked, text_of
from collector.store.rows import as_told
from collector.store.timeline import PlaceOf, Timeline, draw_up, end_of, seen_as

# Naming the families that have prefixes of an IP version lets the index find the prefix.
FAMILIES = {
    4: "'ipv4-unicast', 'ipv4-labelled-unicast', 'l3vpn-ipv4-unicast', 'l2vpn-evpn'",
    6: "'ipv6-unicast', 'ipv6-labelled-unicast', 'l3vpn-ipv6-unicast', 'l2vpn-evpn'",
}
_ROUTERS = "router IN (SELECT arrayJoin(JSONExtract({routers:String}, 'Array(String)')))"
_PEERS = "peer IN (SELECT arrayJoin(JSONExtract({peers:String}, 'Array(String)')))"
# Lists are JSON, for which every back end has parameters.
_BETWEEN = """received >= fromUnixTimestamp64Nano({since:Int64})
  AND received <= fromUnixTimestamp64Nano({until:Int64})"""
_ROUTES = f"""
SELECT received, router, feed, peer, view, kind, provenance, {{prefix}} AS prefix, rd, next_hop,
       as_path_text, origin_as, med, local_pref, communities_text, originator_id, reason,
       warnings, time, sequence, path_id, family{{more}}
FROM routes
WHERE {{where}} AND {_BETWEEN}
"""  # noqa: S608 - our own names
_SESSIONS = f"""
SELECT received, router, feed, peer, view, kind, provenance, '' AS prefix, '' AS rd, '' AS next_hop,
       '' AS as_path, '' AS originator_id, reason, warnings, time, sequence, family{{more}}
FROM sessions
WHERE {_ROUTERS} AND {_PEERS} AND kind IN ({{kinds}}) AND {_BETWEEN}
"""  # noqa: S608 - our own names
_UPS_AND_DOWNS = "'feed-up', 'feed-down', 'peer-up', 'peer-down'"
# What steps through them needs beyond what people read.
_STEPS = """, peer_rd, router_address, peer_as, table_name,
       toInt64(toUnixTimestamp64Nano(received)) AS at,
       toInt64(toUnixTimestamp64Nano(epoch)) AS epoch_at"""
_ROUTE_STEPS = f"""{_STEPS}, false AS session, origin, labels, ext_communities_text,
       large_communities_text, cluster_list_text, address, length, nlri,
       if(nlri = '', {{prefix}}, nlri) AS subject"""
_SESSION_STEPS = f"{_STEPS}, true AS session"
_CARRIERS = """
SELECT DISTINCT router, peer FROM routes
WHERE {where} AND received <= fromUnixTimestamp64Nano({until:Int64})
"""


def history_rows(
    store: Reader,
    prefix: str,
    *,
    since: int = 0,
    until: int = FOREVER,
    covered: bool = False,
) -> pa.Table:
    """Every change of a prefix between two times (ns), with the sessions that carried it.

    With `covered`, more-specifics too. Raises ValueError for what is no prefix.
    """
    where, parameters = _of_prefix(prefix, since, until, covered=covered)
    routes = _routes(store, "", where, parameters, covered=covered)
    # A session that ended may have carried a route that nobody spoke of since.
    carriers = store.query(_filled(_CARRIERS, where=where), parameters) if since else routes
    sql = _filled(_SESSIONS, more="", kinds=_UPS_AND_DOWNS)
    return _in_order(routes, _of_carriers(store, sql, carriers, parameters))


def _of_prefix(prefix: str, since: int, until: int, *, covered: bool) -> tuple[str, dict[str, Any]]:
    """The condition that a row is of the prefix, and the parameters of the question."""
    families = FAMILIES[ip_network(prefix, strict=False).version]
    parameters = {**asked(prefix), "since": since, "until": until}
    where = f"family IN ({families}) AND {COVERED if covered else EXACT} AND {IS_PREFIX}"
    return where, {**parameters, "text": text_of(prefix)}


def _routes(
    store: Reader, more: str, where: str, parameters: dict[str, Any], *, covered: bool
) -> pa.Table:
    # What is known need not be asked for: to plan a column takes as long as to read it.
    text = "prefix" if covered else "{text:String}"
    return as_told(store.query(_filled(_ROUTES, where=where, more=more, prefix=text), parameters))


def _in_order(rows: pa.Table, sessions: pa.Table) -> pa.Table:
    both = pa.concat_tables([rows, sessions], promote_options="permissive")
    return both.sort_by([("received", "ascending"), ("sequence", "ascending")])


def with_sessions(store: Reader, rows: pa.Table, until: int) -> list[dict[str, Any]]:
    """Rows of routes or rules, and what the sessions did that carried them, in order.

    Both are of all time up to `until` (ns), and have what `Lives` needs.
    """
    kinds = f"{_UPS_AND_DOWNS}, 'end-of-rib'"
    sql = _filled(_SESSIONS, more=_SESSION_STEPS, kinds=kinds)
    sessions = _of_carriers(store, sql, rows, {"since": 0, "until": until})
    return list(_in_order(rows, sessions).to_pylist())


def _of_carriers(
    store: Reader, sql: str, carriers: pa.Table, parameters: dict[str, Any]
) -> pa.Table:
    """What sessions of these rows (router, peer) did, and the feeds of their routers."""
    names = carriers.select(["router", "peer"]).to_pylist()
    pairs = {(row["router"], row["peer"]) for row in names}
    pairs |= {(router, "") for router, _ in pairs}
    lists = {
        "routers": _json({router for router, _ in pairs}),
        "peers": _json({peer for _, peer in pairs}),
    }
    rows = store.query(sql, {**parameters, **lists})
    found = zip(rows["router"].to_pylist(), rows["peer"].to_pylist(), strict=True)
    return rows.filter(pa.array([pair in pairs for pair in found], pa.bool_()))


def _filled(sql: str, **parts: str) -> str:
    """A question with parts of SQL in their `{places}`; parameters are `{name:Type}`."""
    for name, part in parts.items():
        sql = sql.replace(f"{{{name}}}", part)
    return sql


def _json(texts: Iterable[str]) -> str:
    return json.dumps(sorted(texts))


def timeline_of(  # noqa: PLR0913 - each is a part of the question
    store: Reader,
    prefix: str,
    *,
    since: int | None = None,
    until: int | None = None,
    now: int,
    covered: bool = False,
    place_of: PlaceOf = seen_as,
) -> Timeline:
    """Who advertised a prefix when, as spans between two times (ns).

    Without `since` it begins with the first row that the store has. Without `until` it ends `now`
    where a router that showed the prefix is still connected, else with the last row. Raises
    ValueError for what is no prefix.
    """
    last = FOREVER if until is None else until
    where, parameters = _of_prefix(prefix, 0, last, covered=covered)
    routes = _routes(store, _ROUTE_STEPS, where, parameters, covered=covered)
    rows = with_sessions(store, routes, last)
    lives = Lives(ROUTE_KEY, ROUTE_CONTENT)
    return draw_up(prefix, rows, lives, place_of, (since, end_of(rows, until, now)))
