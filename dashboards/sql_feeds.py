"""The questions about feeds: whether each router is seen, and since when."""

from dashboards.sql import spans

_FEEDS = """
SELECT received AS at, sequence, router, feed, reason,
       multiIf(kind = 'feed-up', 'dumping', kind = 'feed-down', 'down', 'seen') AS state
FROM sessions
WHERE received <= $__toTime_ms
  AND (kind IN ('feed-up', 'feed-down') OR (kind = 'end-of-rib' AND peer = '' AND view = ''))
"""
STATES = spans(_FEEDS, "concat(router, ' (', feed, ')')")
"""Columns time, lane, state: whether each router was seen."""
NOW = f"""
SELECT f.router AS router, f.feed AS feed, f.state AS state, f.since AS since,
       if(f.state = 'down', 0, p.peers) AS peers_up, f.reason AS reason
FROM (
    SELECT router, feed, argMax(state, (at, sequence)) AS state, max(at) AS since,
           argMax(reason, (at, sequence)) AS reason
    FROM ({_FEEDS}) GROUP BY router, feed
) AS f
LEFT JOIN (
    SELECT router, feed, countIf(up) AS peers FROM (
        SELECT router, feed, peer, peer_rd, argMax(kind, (received, sequence)) = 'peer-up' AS up
        FROM sessions
        WHERE received <= $__toTime_ms AND kind IN ('peer-up', 'peer-down')
          AND view IN ('adj-in-pre', 'adj-in-post')
        GROUP BY router, feed, peer, peer_rd
    )
    GROUP BY router, feed
) AS p ON p.router = f.router AND p.feed = f.feed
ORDER BY state = 'seen', router, feed
"""  # noqa: S608 - all of it is written here
