"""The questions about anycast addresses: where they are, how calm they are, how fast they move."""

from dashboards.sql import (
    BEGIN,
    EARLIER,
    END,
    INCIDENTS,
    NAME,
    VANTAGE,
    advertised,
    at_the_end,
    spans,
    step_counts,
)

CHOSEN = "SELECT arrayJoin([${anycast:singlequote}]) AS p"
STATES = advertised(CHOSEN)
NOW = f"""
SELECT w.name AS name, w.prefix AS prefix, toUInt32(a.n) AS sites, w.minimum AS minimum,
       multiIf(a.thing = '', 'never seen', if(a.n = 0, a.blind > 0, false), 'not seen',
               a.n < w.minimum, 'below minimum', 'enough sites') AS state,
       if(a.names = '', 'none', a.names) AS advertised_by, w.sites AS planned
FROM ${{watch:raw}} AS w
LEFT JOIN (
    SELECT thing, uniqExactIf(now, now NOT IN ('nobody', 'not seen')) AS n,
           countIf(now = 'not seen') AS blind,
           arrayStringConcat(arraySort(groupUniqArrayIf(now, now NOT IN ('nobody', 'not seen'))),
                             ', ') AS names
    FROM ({at_the_end(advertised(CHOSEN, begin=END))}) GROUP BY thing
) AS a ON a.thing = w.prefix
WHERE w.kind = 'anycast' AND w.prefix IN (${{anycast:singlequote}})
ORDER BY state = 'enough sites', name
"""  # noqa: S608 - all of it is written here
BELOW = f"SELECT countIf(state = 'below minimum') AS below FROM ({NOW})"  # noqa: S608
SITES = step_counts(STATES, NAME, "state", "('nobody', 'not seen', '')", "sites")
"""Columns time, a name for each prefix, sites: how many advertised it."""
WHO = spans(STATES, f"concat({NAME}, ' at ', {VANTAGE})")
"""Columns time, lane, state: who advertised at each vantage point."""
_REMEMBERED = f"""{BEGIN} - toIntervalSecond(toUInt32(8 * (
    SELECT max(half_life) FROM ${{watch:raw}})))"""  # noqa: S608 - all of it is written here
"""SQL: what was withdrawn before this adds nothing to a penalty any more."""
_BURST = f"{BEGIN} - toIntervalMinute(5)"
"""SQL: a move that began before the range is not told as one that began in it."""


def _moves(begin: str) -> str:
    """Every change at a vantage point that is one from or to a site."""
    return f"""
SELECT * FROM (
    SELECT *, {EARLIER} AS earlier FROM ({advertised(CHOSEN, begin=begin)})
) WHERE NOT (state = earlier OR earlier IN ('', 'not seen') OR state = 'not seen')
"""  # noqa: S608 - all of it is written here


# Of RFC 2439 only what a withdrawal adds, 1000, halved every half-life; the worst vantage point
# counts, as for the detector.
PENALTY = f"""
SELECT time, concat({NAME.replace("thing", "prefix")}, ' ', site) AS name, max(penalty) AS penalty
FROM (
    SELECT g.time AS time, prefix, site, place,
           sum(1000 * exp2(-(toFloat64(g.time) - m.at_s) / m.half_life)) AS penalty
    FROM (
        SELECT fromUnixTimestamp64Milli(toInt64(arrayJoin(arrayMap(
                   i -> begin + i * (end - begin) / 200, range(201)))), 'UTC') AS time,
               toUnixTimestamp64Milli(toDateTime64($__fromTime_ms, 3)) AS begin,
               toUnixTimestamp64Milli(toDateTime64($__toTime_ms, 3)) AS end
    ) AS g
    CROSS JOIN (
        SELECT thing AS prefix, earlier AS site, {VANTAGE} AS place,
               toFloat64(toUnixTimestamp64Nano(at)) / 1e9 AS at_s, w.half_life AS half_life
        FROM ({_moves(_REMEMBERED)}) AS l INNER JOIN ${{watch:raw}} AS w ON w.prefix = l.thing
        WHERE state = 'nobody'
    ) AS m
    WHERE toFloat64(g.time) >= m.at_s
    GROUP BY time, prefix, site, place
)
GROUP BY time, name
ORDER BY time, name
"""  # noqa: S608 - all of it is written here
LIMITS = """
SELECT t AS time, concat(called, ' ', l.1) AS name, l.2 AS penalty
FROM (
    SELECT name AS called, arrayJoin([('suppress', suppress), ('reuse', reuse)]) AS l,
           arrayJoin([toDateTime64($__fromTime_ms, 3), toDateTime64($__toTime_ms, 3)]) AS t
    FROM ${watch:raw} WHERE kind = 'anycast' AND prefix IN (${anycast:singlequote})
)
ORDER BY time, name
"""
# What happens within half a minute is one move: from the first vantage point that lost a site to
# the last that changed.
CONVERGENCE = f"""
SELECT began, name, lost, moved AS vantage_points, seconds
FROM (
    SELECT min(at) AS began, any({NAME}) AS name, argMin(earlier, at) AS lost,
           uniqExact(number) AS moved,
           toFloat64(toUnixTimestamp64Nano(max(at)) - toUnixTimestamp64Nano(min(at))) / 1e9
               AS seconds, argMin(state, at) AS first
    FROM (
        SELECT *, sum(new) OVER (PARTITION BY thing ORDER BY at, sequence
                                 ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS burst
        FROM (
            SELECT *, toUnixTimestamp64Nano(at) - toUnixTimestamp64Nano(lagInFrame(at, 1) OVER (
                PARTITION BY thing ORDER BY at, sequence
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) > 30000000000 AS new
            FROM ({_moves(_BURST)})
        )
    )
    GROUP BY thing, burst
)
WHERE NOT (began < $__fromTime_ms OR lost = 'nobody')
ORDER BY began
"""  # noqa: S608 - all of it is written here
_PROBED = """
SELECT received AS at, sequence, router, prefix AS thing, site, result AS state
FROM probes
WHERE received > $__fromTime_ms - toIntervalMinute(5) AND received <= $__toTime_ms
  AND prefix IN (${anycast:singlequote})
"""
PROBES = spans(_PROBED, f"concat({NAME}, if(site = '', '', concat(' at ', site)), ' by ', router)")
"""Columns time, lane, state: what probers found."""
FINDINGS = f"""
SELECT opened, state, severity, detector, JSONExtractString(details, 'prefix') AS prefix, summary,
       changed, id
FROM ({INCIDENTS})
WHERE JSONExtractString(details, 'prefix') IN (${{anycast:singlequote}})
  AND (state != 'resolved' OR changed >= $__fromTime_ms)
ORDER BY state = 'resolved', opened DESC
LIMIT 200
"""  # noqa: S608 - all of it is written here
