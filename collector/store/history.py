"""Questions about the past: who advertised what when, and which rules were in force at a moment.

Every answer says how it is known (`provenance`) and where the watch was blind.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_network
from typing import Any

import pandas as pd
import pyarrow as pa

from collector.event import parse_rfc3339
from collector.store.embedded import EmbeddedStore

_RELATIVE = re.compile(r"-(\d+)(ms|s|m|h|d)")
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9}


def parse_moment(text: str, now: int) -> int:
    """`now`, `-10m` (before `now`) or RFC 3339 text as ns; ValueError where it is none of them."""
    if text == "now":
        return now
    relative = _RELATIVE.fullmatch(text)
    if relative:
        return now - int(relative[1]) * _UNITS[relative[2]]
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no moment: give RFC 3339 such as 2026-12-01T22:00:00Z, or -10m, or now"
        ) from error


def prefix_range(prefix: str) -> tuple[str, int, str]:
    """A prefix (or an address) as first IPv6 address, length there, and last address.

    Raises ValueError.
    """
    network = ip_network(prefix, strict=False)
    first, last = int(network.network_address), int(network.broadcast_address)
    length = network.prefixlen
    if network.version == 4:
        mapped = 0xFFFF << 32
        first, last, length = first | mapped, last | mapped, length + 96
    return str(IPv6Address(first)), length, str(IPv6Address(last))


_HISTORY = """
SELECT * FROM (
SELECT received, router, peer, view, kind, provenance, prefix, rd, next_hop,
       as_path_text AS as_path, med,
       local_pref, communities, originator_id, reason, warnings, time, sequence, path_id, family
FROM routes
WHERE {where} AND received >= fromUnixTimestamp64Nano({{since:Int64}})
              AND received <= fromUnixTimestamp64Nano({{until:Int64}})
UNION ALL
SELECT received, router, peer, view, kind, provenance, '', '', '', '', NULL,
       NULL, [], '', reason, warnings, time, sequence, NULL, family
FROM sessions
WHERE kind IN ('feed-up', 'feed-down', 'peer-up', 'peer-down')
  AND received >= fromUnixTimestamp64Nano({{since:Int64}})
  AND received <= fromUnixTimestamp64Nano({{until:Int64}})
  AND (router, if(kind IN ('feed-up', 'feed-down'), '', peer)) IN (
      SELECT router, arrayJoin([peer, '']) FROM routes WHERE {where})
) ORDER BY received, sequence
"""
_EXACT = "address = {first:String}::IPv6 AND length = {length:UInt8}"
_COVERED = (
    "address BETWEEN {first:String}::IPv6 AND {last:String}::IPv6 AND length >= {length:UInt8}"
)
FOREVER = 2**62


def history_rows(
    store: EmbeddedStore,
    prefix: str,
    *,
    since: int = 0,
    until: int = FOREVER,
    covered: bool = False,
) -> pa.Table:
    """Every change of a prefix between two times (ns), with the sessions that carried it.

    With `covered`, more-specifics too. Raises ValueError for what is no prefix.
    """
    first, length, last = prefix_range(prefix)
    where = _COVERED if covered else _EXACT
    parameters = {"first": first, "length": length, "last": last, "since": since, "until": until}
    return store.query(_HISTORY.format(where=where), parameters)


def history(store: EmbeddedStore, prefix: str, **between: Any) -> pd.DataFrame:
    """`history_rows` as a DataFrame."""
    frame: pd.DataFrame = history_rows(store, prefix, **between).to_pandas()
    return frame


_RULES = """
WITH fromUnixTimestamp64Nano({at:Int64}) AS moment,
latest AS (
    SELECT router, peer, peer_rd, view, table_name, family, rd, rule, path_id,
           splitByString('-p', view)[1] AS direction,
           argMax(kind, (received, sequence)) AS last_kind,
           argMax(actions, (received, sequence)) AS actions,
           argMax(precedence, (received, sequence)) AS precedence,
           argMax(next_hop, (received, sequence)) AS next_hop,
           argMax(provenance, (received, sequence)) AS provenance,
           argMax(warnings, (received, sequence)) AS warnings,
           max(received) AS changed,
           minIf(received, kind = 'announce') AS first_seen
    FROM flowspec WHERE received <= moment
    GROUP BY router, peer, peer_rd, view, table_name, family, rd, rule, path_id
),
peers AS (
    SELECT router, peer, peer_rd, splitByString('-p', view)[1] AS direction,
           maxIf(received, kind = 'peer-down') AS down,
           maxIf(received, kind = 'peer-up') AS up,
           maxIf(received, kind = 'end-of-rib' AND provenance = 'synthetic') AS swept
    FROM sessions
    WHERE received <= moment AND view != ''
    GROUP BY router, peer, peer_rd, direction
),
feeds AS (
    SELECT router,
           maxIf(received, kind = 'feed-down') AS feed_down,
           maxIf(received, kind = 'feed-up') AS feed_up,
           maxIf(received, kind = 'end-of-rib' AND view = '') AS complete
    FROM sessions WHERE received <= moment GROUP BY router
)
SELECT router, peer, view, family, rd, rule, precedence, actions, next_hop, provenance,
       first_seen, changed,
       multiIf(feed_down >= feed_up AND feed_down > changed, feed_down,
               greatest(feed_up, up) > changed, greatest(feed_up, up),
               NULL) AS blind_since,
       warnings
FROM latest
LEFT JOIN peers USING (router, peer, peer_rd, direction)
LEFT JOIN feeds USING (router)
WHERE last_kind = 'announce'
  AND NOT (down > changed)
  AND NOT (greatest(feed_up, up) > changed AND greatest(complete, swept) >= greatest(feed_up, up)
           AND feed_up > feed_down)
ORDER BY router, view, peer, family, rd, precedence, rule
"""


def flowspec_rows(store: EmbeddedStore, at: int) -> pa.Table:
    """The Flowspec rules that each router held at a time (ns), in every view, as it applies them.

    `blind_since` is set where nobody could see at that time whether the rule was still there: our
    session was down, or the router had not shown its table again. A peer that went down took its
    rules with it; a rule that a new, complete table does not have is gone.
    """
    return store.query(_RULES, {"at": at})


def flowspec_at(store: EmbeddedStore, at: int) -> pd.DataFrame:
    """`flowspec_rows` as a DataFrame."""
    frame: pd.DataFrame = flowspec_rows(store, at).to_pandas()
    return frame
