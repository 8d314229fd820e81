"""The questions of a post-mortem: one prefix, some routers, a time range."""

from dashboards.sql import (
    END,
    INCIDENTS,
    IS_ONE,
    KEYS_OF_ONE,
    OF_ONE,
    VANTAGE,
    advertised,
    since_when,
    spans,
)

ROUTERS = "$__conditionalAll(router IN (${router:singlequote}), $router)"
TIMELINE = spans(advertised(OF_ONE), VANTAGE)
"""Columns time, lane, state: who advertised the prefix at each vantage point."""
HISTORY = f"""
SELECT received, router, peer, view, kind, provenance,
       if(kind = 'withdraw', '', ${{site:raw}}) AS site, next_hop, as_path_text AS as_path,
       origin_as, med, local_pref, communities_text AS communities, rd, path_id,
       arrayStringConcat(warnings, ', ') AS warnings
FROM routes
WHERE {KEYS_OF_ONE} AND $__timeFilter_ms(received) AND {ROUTERS}
ORDER BY received DESC, sequence DESC
LIMIT 1000
"""  # noqa: S608 - all of it is written here
_VALUE = """concat_ws(char(9), ${site:raw}, next_hop, as_path_text, ifNull(toString(med), ''),
    ifNull(toString(local_pref), ''), communities_text)"""
_HELD = since_when(advertised(OF_ONE, _VALUE, END, since=True))
RIB = f"""
SELECT router, peer, view, parts[1] AS site, parts[2] AS next_hop, parts[3] AS as_path,
       parts[4] AS med, parts[5] AS local_pref, parts[6] AS communities, since, rd, path
FROM (
    SELECT *, splitByChar(char(9), now) AS parts FROM ({_HELD})
)
WHERE if(now = 'nobody', false, {ROUTERS})
ORDER BY router, view, peer
LIMIT 1000
"""  # noqa: S608 - all of it is written here
CHANGES = f"""
SELECT $__timeInterval(received) AS time, concat(router, ' ', kind) AS name, count() AS changes
FROM routes
WHERE {KEYS_OF_ONE} AND $__timeFilter_ms(received) AND {ROUTERS}
GROUP BY time, name ORDER BY time
"""  # noqa: S608 - all of it is written here
# The octets are kept of Flowspec, of sessions, and of what is evidence; routes are told decoded.
MESSAGES = f"""
SELECT timestamp, body, level FROM (
    SELECT received AS timestamp, sequence, router,
           concat(router, ' ', if(peer = '', view, peer), ' ', kind, ' ', prefix,
                  if(next_hop = '', '', concat(' next hop ', next_hop)),
                  if(as_path_text = '', '', concat(' path ', as_path_text))) AS body,
           if(kind = 'withdraw', 'warning', 'info') AS level
    FROM routes WHERE {KEYS_OF_ONE} AND $__timeFilter_ms(received) AND {ROUTERS}
    ORDER BY received DESC LIMIT 1000
    UNION ALL
    SELECT received, sequence, router,
           concat(router, ' ', if(peer = '', view, peer), ' ', kind, ' rule ', rule, ' ', actions,
                  if(raw = '', '', ' raw '), raw), if(kind = 'withdraw', 'warning', 'info')
    FROM flowspec
    WHERE position(rule, ${{prefix:singlequote}}) > 0 AND {IS_ONE}
      AND $__timeFilter_ms(received) AND {ROUTERS}
    ORDER BY received DESC LIMIT 1000
    UNION ALL
    SELECT received, sequence, router,
           concat(router, ' ', peer, ' ', kind, ' ', family, ' ', reason,
                  if(raw = '', '', ' raw '), raw),
           if(kind IN ('feed-down', 'peer-down'), 'error', 'debug')
    FROM sessions WHERE {IS_ONE} AND $__timeFilter_ms(received) AND {ROUTERS}
    ORDER BY received DESC LIMIT 1000
    UNION ALL
    SELECT incidents.time, toUInt64(0), '', concat('incident ', id, ' ', state, ': ', summary),
           if(state = 'resolved', 'info', if(severity = 'critical', 'critical', 'error'))
    FROM incidents
    WHERE JSONExtractString(details, 'prefix') = ${{prefix:singlequote}} AND {IS_ONE}
      AND $__timeFilter_ms(incidents.time)
)
ORDER BY timestamp DESC, sequence DESC
LIMIT 2000
"""  # noqa: S608 - all of it is written here
_NAMED = f"""if({IS_ONE}, JSONExtractString(details, 'prefix') = ${{prefix:singlequote}}
       OR position(JSONExtractString(details, 'rule'), ${{prefix:singlequote}}) > 0, false)"""
"""SQL: whether an incident names the prefix, or a rule to it."""
INCIDENTS_OF_IT = f"""
SELECT opened, state, severity, detector, key, summary, changed, id
FROM ({INCIDENTS})
WHERE {_NAMED}
  AND (state != 'resolved' OR changed >= $__fromTime_ms)
ORDER BY opened DESC
LIMIT 200
"""  # noqa: S608 - all of it is written here
EVIDENCE = f"""
SELECT parseDateTime64BestEffort(JSONExtractString(event, 'received'), 9, 'UTC') AS timestamp,
       concat(detector, ' ', id, ': ', JSONExtractString(event, 'router'), ' ',
              JSONExtractString(event, 'peer'), ' ', JSONExtractString(event, 'kind'), ' ',
              JSONExtractString(event, 'prefix'), JSONExtractString(event, 'rule'),
              ' raw ', JSONExtractString(event, 'raw')) AS body,
       if(severity = 'critical', 'critical', 'warning') AS level
FROM (
    SELECT DISTINCT id, detector, severity, arrayJoin(JSONExtractArrayRaw(evidence)) AS event
    FROM incidents
    WHERE $__timeFilter_ms(incidents.time)
      AND {_NAMED}
)
ORDER BY timestamp DESC
LIMIT 500
"""  # noqa: S608 - all of it is written here
