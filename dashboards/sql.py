"""The questions of the panels: ClickHouse SQL with the macros and variables of Grafana.

A dashboard tells what was so at the end of its time range, which is now where that is `now`, and
what changed within it. So the same panels are the wall of today and the post-mortem of last week.
`${site:raw}`, `${watch:raw}` and `${plan:raw}` are what `plan.py` makes of the intent.

A question of many levels costs more to plan than to answer. The most of that is AND: for each, the
engine looks through all that is below it. So above the tables themselves there is `if`, or NOT OR.
"""

from collector.store.sight import PLACE_NUMBER

BEGIN, END = "$__fromTime_ms", "$__toTime_ms"
"""SQL: the two ends of the time range."""

# What rows of `routes`, `flowspec` and `sessions` say of one route is in order by (received,
# sequence); what is mirrored is in no table, and what a router tells others (Adj-RIB-Out) is no
# news of who advertises. A router that shows what a peer said before policy need not be believed
# after it: some never say there that a rule is gone.
#
# Of each lane there is all that was told from `begin` on, and of what was told before that only how
# it ended. Since when it was so is asked for where it is shown: then the whole past of a lane is
# looked through for the last that was told, as often as it was told without a change, and that it
# was otherwise before.
_KEY = "router, feed, peer, peer_rd, view, family, rd, path_id"
_LANES = f"""
SELECT router, feed, peer, peer_rd, view, family, rd, path, thing,
       arrayConcat({{past}}, later) AS steps
FROM (
    SELECT router, feed, peer, peer_rd, view, family, rd, ifNull(toString(path_id), '') AS path,
           {{thing}} AS thing, last, last_kind, last_value, later{{changed}},
           max(view = 'adj-in-pre') OVER (PARTITION BY router, feed, peer, peer_rd) AS before
    FROM (
        SELECT {_KEY}, {{key}}, maxIf(moment, past) AS last,
               argMaxIf(kind, moment, past) AS last_kind,
               argMaxIf(value, moment, past) AS last_value,
               groupArrayIf((moment, kind, value), NOT past) AS later{{earlier}}
        FROM (
            SELECT {_KEY}, {{key}}, {PLACE_NUMBER} AS moment, received < {{begin}} AS past,
                   toString(kind) AS kind, toString({{value}}) AS value
            FROM {{table}} AS told
            WHERE {{where}} AND received <= $__toTime_ms AND provenance != 'mirror'
              AND view IN ('adj-in-pre', 'adj-in-post', 'loc-rib')
        )
        GROUP BY {_KEY}, {{key}}
    )
)
WHERE NOT (({{gone}}) OR if(before, view = 'adj-in-post', false))
"""  # noqa: S608 - all of it is written here
_LAST = {
    "past": "if(last = 0, [], [(last, last_kind, last_value)])",
    "changed": "",
    "earlier": "",
}
_SINCE = {
    "past": """if(changed = 0, [], [
           (changed, if(last_kind = 'announce', 'withdraw', 'announce'), '')]),
                   arrayMap(m -> (m, last_kind, last_value), arrayFilter(
           m -> m > changed, earlier))""",
    "changed": """, earlier,
           arrayMax((m, h) -> if(h = cityHash64(last_kind, last_value), 0, m), earlier, hashes)
               AS changed""",
    "earlier": """,
               groupArrayIf(moment, past) AS earlier,
               groupArrayIf(cityHash64(kind, value), past) AS hashes""",
}
_LANE = "router, feed, peer, peer_rd, view, family, rd, path, thing"
# A session speaks for a lane where it is the router's own with us, or that of the lane's peer in
# the same direction: one Peer Up is for the views before and after policy (RFC 7854, 3.1). A second
# feed-up of the same epoch only says more of the session.
_STATES = f"""
SELECT fromUnixTimestamp64Nano(toInt64(bitShiftRight(moment, 64)), 'UTC') AS at,
       toUInt64(moment) AS sequence, number, turn, {_LANE},
       multiIf(NOT announced OR route < peer_down OR if(route < up, up < complete, false),
                   if(feed_down > up OR complete < up, 'not seen', '{{absent}}'),
               feed_down > up OR route < up, 'not seen',
               value_then) AS state
FROM (
    SELECT step.1 AS moment, number, turn, {_LANE},
           maxIf(turn, step.2 IN ('announce', 'withdraw')) OVER lane AS route,
           argMaxIf(step.2 = 'announce', turn, step.2 IN ('announce', 'withdraw')) OVER lane
               AS announced,
           argMaxIf(step.3, turn, step.2 IN ('announce', 'withdraw')) OVER lane AS value_then,
           maxIf(turn, step.2 IN ('feed-up', 'peer-up')) OVER lane AS up,
           maxIf(turn, step.2 = 'feed-down') OVER lane AS feed_down,
           maxIf(turn, step.2 = 'peer-down') OVER lane AS peer_down,
           maxIf(turn, step.2 = 'end-of-rib') OVER lane AS complete
    FROM (
        SELECT {_LANE}, rowNumberInAllBlocks() AS number,
               arraySort(arrayConcat(steps, arrayMap(s -> (s.1, s.2, ''), arrayFilter(
                   s -> (s.3 = '' AND s.5 = '') OR (
                       s.3 = peer AND s.4 = peer_rd AND substring(s.5, 1, 6) = substring(view, 1, 6)
                       AND (s.2 != 'end-of-rib' OR s.5 = view) AND s.6 IN ('', family)),
                   spoken)))) AS all_steps
        FROM ({{lanes}}) AS l LEFT JOIN (
            SELECT router, feed, groupArray(({PLACE_NUMBER}, toString(kind), toString(peer),
                       toString(peer_rd), toString(view), toString(family))) AS spoken
            FROM (
                SELECT received, sequence, kind, router, feed, peer, peer_rd, view, family
                FROM (
                    SELECT received, sequence, kind, router, feed, peer, peer_rd, view, family
                    FROM sessions
                    WHERE kind IN ('feed-up', 'feed-down', 'peer-up', 'peer-down', 'end-of-rib')
                      AND provenance != 'mirror' AND received <= $__toTime_ms
                    ORDER BY received, sequence
                    LIMIT 1 BY router, feed, kind, peer, peer_rd, view, family,
                        if(kind = 'feed-up', (epoch, 0), (received, sequence))
                )
                ORDER BY received DESC, sequence DESC
                LIMIT 1 BY router, feed, kind, peer, peer_rd, view, family,
                    if(received < {{begin}}, (toDateTime64(0, 9, 'UTC'), 0), (received, sequence))
            )
            GROUP BY router, feed
        ) AS s USING (router, feed)
    ) ARRAY JOIN arrayEnumerate(all_steps) AS turn, all_steps AS step
    WINDOW lane AS (PARTITION BY number ORDER BY turn)
)
"""  # noqa: S608 - all of it is written here


def _states(begin: str, absent: str, *, since: bool, **of_lanes: str) -> str:
    past = {name: sql.format(begin=begin) for name, sql in (_SINCE if since else _LAST).items()}
    lanes = _LANES.format(begin=begin, **past, **of_lanes)
    return _STATES.format(lanes=lanes, begin=begin, absent=absent)


_IS_PREFIX = """ifNull(multiIf(length(splitByChar('/', {p})) != 2, false,
    isIPv4String(splitByChar('/', {p})[1]), toUInt8OrNull(splitByChar('/', {p})[2]) <= 32,
    isIPv6String(splitByChar('/', {p})[1]), toUInt8OrNull(splitByChar('/', {p})[2]) <= 128,
    false), false)"""
"""SQL: whether a text is a prefix; what is typed may be anything."""
_KEYS = f"""(address, length) IN (
    SELECT toIPv6OrDefault(splitByChar('/', p)[1]) AS address,
           toUInt8(toUInt8OrZero(splitByChar('/', p)[2]) + if(position(p, ':') = 0, 96, 0))
               AS length
    FROM ({{prefixes}}) WHERE {_IS_PREFIX.format(p="p")})"""  # noqa: S608 - written here
WATCHED = "SELECT arrayJoin([${watched:singlequote}]) AS p"
"""The prefixes that are chosen among what is watched."""
OF_ONE = "SELECT ${prefix:singlequote} AS p"
IS_ONE = _IS_PREFIX.format(p="${prefix:singlequote}")
"""SQL: whether a prefix is typed at all; what is not one has no rows, rather than all of them."""
KEYS_OF_ONE = _KEYS.format(prefixes=OF_ONE)
NAME = """transform(thing, (SELECT groupArray(prefix) FROM ${watch:raw}),
    (SELECT groupArray(name) FROM ${watch:raw}), thing)"""
"""SQL: what people call a prefix."""


_PREFIX = """if(length >= 96 AND NOT like(family, '%ipv6%')
        AND startsWith(toString(address), '::ffff:'),
    concat(substring(toString(address), 8), '/', toString(length - 96)),
    concat(toString(address), '/', toString(length)))"""
"""SQL: the prefix, which is worked out of a lane and not of each of its rows."""


def advertised(
    prefixes: str, value: str = "${site:raw}", begin: str = BEGIN, *, since: bool = False
) -> str:
    """Every state of every vantage point of some prefixes, from `begin` to the end of the range.

    What each began with is there too, with the time at which it was told last; with `since`, from
    the time on at which it began to be so.
    """
    where = f"{_KEYS.format(prefixes=prefixes)} AND (length > 0 OR nlri = '')"
    return _states(
        begin,
        "nobody",
        table="routes",
        key="address, length",
        thing=_PREFIX,
        value=value,
        where=where,
        gone="false",
        since=since,
    )


def rules(where: str = "1", begin: str = BEGIN, *, since: bool = False) -> str:
    """The same of Flowspec rules; those that were gone before `begin` are not there."""
    return _states(
        begin,
        "gone",
        table="flowspec",
        key="rule",
        thing="rule",
        value="actions",
        where=where,
        gone="if(empty(later), last_kind != 'announce', false)",
        since=since,
    )


EARLIER = """lagInFrame(state, 1, '') OVER (PARTITION BY number ORDER BY turn
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"""
"""SQL: the state that a lane had before."""


_EACH = ", ".join(f"any({name}) AS {name}" for name in _LANE.split(", "))


def at_the_end(states: str) -> str:
    """The last state of each lane (`now`). `states` begin at the end."""
    return f"SELECT {_EACH}, argMax(state, turn) AS now FROM ({states}) GROUP BY number"  # noqa: S608


def since_when(states: str) -> str:
    """The last state of each lane, and since when it is so (`since`).

    `states` begin at the end, with since when they are so.
    """
    return f"""
SELECT {_EACH}, argMax(state, turn) AS now, max(changed) AS since
FROM (
    SELECT *, if(state != {EARLIER}, at, toDateTime64(0, 9, 'UTC')) AS changed FROM ({states})
)
GROUP BY number
"""  # noqa: S608 - all of it is written here


def spans(states: str, lane: str) -> str:
    """Columns time, lane, state: each change in the range, and how each lane began it."""
    return f"""
SELECT greatest(at, toDateTime64($__fromTime_ms, 9, 'UTC')) AS time, lane, state
FROM (
    SELECT at, lane, state, leadInFrame(at, 1, toDateTime64('2200-01-01 00:00:00', 9, 'UTC'))
               OVER (PARTITION BY lane ORDER BY at, sequence
                     ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS until
    FROM (
        SELECT *, lagInFrame(state, 1, '') OVER (PARTITION BY lane ORDER BY at, sequence
                      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS earlier
        FROM (SELECT at, sequence, {lane} AS lane, state FROM ({states}))
    )
    WHERE state != earlier
)
WHERE until > $__fromTime_ms
ORDER BY time, lane
"""  # noqa: S608 - all of it is written here


VANTAGE = """concat(router, ' ', if(peer = '', view, concat('from ', peer)),
    if(path = '', '', concat(' path ', path)), if(rd = '', '', concat(' rd ', rd)),
    if(feed = 'bmp', '', concat(' (', feed, ')')))"""
"""SQL: a vantage point in words."""


def step_counts(states: str, group: str, member: str, without: str, name: str) -> str:
    """Columns time, name of the group, and how many members it had, at each change in the range.

    A member is there while one vantage point is in a state that is not one of `without`.
    """
    return f"""
SELECT greatest(at, toDateTime64($__fromTime_ms, 9, 'UTC')) AS time, name, {name} FROM (
    SELECT at, name, {name}, leadInFrame(at, 1, toDateTime64('2200-01-01 00:00:00', 9, 'UTC'))
        OVER (PARTITION BY name ORDER BY at
              ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS until
    FROM (
        SELECT at, name, toInt32(sum(sum(step)) OVER (
            PARTITION BY name ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW))
            AS {name}
        FROM (
            SELECT at, name, toInt32(shown > 0)
                       - toInt32(lagInFrame(shown, 1, toInt64(0)) OVER members > 0) AS step
            FROM (
                SELECT at, name, member, sum(sum(step)) OVER members AS shown
                FROM (
                    SELECT at, name, change.1 AS member, toInt64(change.2) AS step
                    FROM (
                        SELECT at, {group} AS name, state, {member} AS now, {EARLIER} AS earlier,
                               lagInFrame(now, 1, '') OVER lane AS before,
                               arrayJoin(arrayConcat(
                                   if(state NOT IN {without}, [(now, 1)], []),
                                   if(earlier NOT IN {without}, [(before, -1)], []))) AS change
                        FROM ({states})
                        WINDOW lane AS (PARTITION BY number ORDER BY turn
                                        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
                    )
                )
                GROUP BY at, name, member
                WINDOW members AS (PARTITION BY name, member ORDER BY at
                                   ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
            )
            WINDOW members AS (PARTITION BY name, member ORDER BY at
                               ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
        )
        GROUP BY at, name
    )
)
WHERE until > $__fromTime_ms
ORDER BY time, name
"""  # noqa: S608 - all of it is written here


# Of each incident the last that was told by the end of the range.
INCIDENTS = """
SELECT id, detector, key, opened, argMax(told.severity, time) AS severity,
       argMax(told.state, time) AS state, argMax(told.summary, time) AS summary,
       argMax(told.details, time) AS details, max(time) AS changed
FROM incidents AS told
WHERE time <= $__toTime_ms
GROUP BY id, detector, key, opened
"""
OPEN = f"SELECT * FROM ({INCIDENTS}) WHERE state != 'resolved'"  # noqa: S608
# The worst incident that is open of each prefix that incidents name, at each of their transitions.
_WORST = """
SELECT at, toUInt64(0) AS sequence, thing,
       multiIf(sum(critical) OVER prefix > 0, 'critical', sum(warning) OVER prefix > 0, 'warning',
               sum(unseen) OVER prefix > 0, 'unknown', 'no incident') AS state
FROM (
    SELECT at, thing,
           critical_now - lagInFrame(critical_now, 1, toInt8(0)) OVER incident AS critical,
           warning_now - lagInFrame(warning_now, 1, toInt8(0)) OVER incident AS warning,
           unseen_now - lagInFrame(unseen_now, 1, toInt8(0)) OVER incident AS unseen
    FROM (
        SELECT id, time AS at, JSONExtractString(details, 'prefix') AS thing,
               toInt8(state IN ('open', 'updated') AND severity = 'critical') AS critical_now,
               toInt8(state IN ('open', 'updated') AND severity != 'critical') AS warning_now,
               toInt8(state = 'unknown') AS unseen_now
        FROM incidents
        WHERE time <= $__toTime_ms AND thing IN (${watched:singlequote})
    )
    WINDOW incident AS (PARTITION BY id ORDER BY at
                        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    UNION ALL
    SELECT toDateTime64(0, 9, 'UTC'), prefix, 0, 0, 0
    FROM ${watch:raw} WHERE prefix IN (${watched:singlequote})
)
WINDOW prefix AS (PARTITION BY thing ORDER BY at RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
"""
WORST = spans(_WORST, NAME)
"""Columns time, lane, state: how each watched prefix fared."""
WATCHED_NOW = f"""
SELECT w.kind AS kind, w.name AS name, w.prefix AS prefix,
       if(i.worst = '', 'no incident', i.worst) AS state,
       multiIf(a.sites != '', a.sites, a.blind > 0, 'not seen',
               a.thing = '', 'never seen', 'nobody')
           AS advertised_by,
       w.sites AS planned, a.seen AS vantage_points, nullIf(a.since, toDateTime64(0, 9)) AS since
FROM ${{watch:raw}} AS w
LEFT JOIN (
    SELECT thing, max(since) AS since, countIf(now = 'not seen') AS blind,
           countIf(now != 'not seen') AS seen,
           arrayStringConcat(arraySort(groupUniqArrayIf(now, now NOT IN ('nobody', 'not seen'))),
                             ', ') AS sites
    FROM ({since_when(advertised(WATCHED, begin=END, since=True))})
    GROUP BY thing
) AS a ON a.thing = w.prefix
LEFT JOIN (
    SELECT JSONExtractString(details, 'prefix') AS prefix,
           argMax(if(state = 'unknown', 'unknown', severity),
                  (state != 'unknown', severity = 'critical', severity = 'warning')) AS worst
    FROM ({OPEN})
    GROUP BY prefix
) AS i ON i.prefix = w.prefix
WHERE w.prefix IN (${{watched:singlequote}})
ORDER BY state IN ('critical', 'warning') DESC, state = 'critical' DESC, w.kind DESC, w.name
"""  # noqa: S608 - all of it is written here
OPEN_INCIDENTS = f"""
SELECT severity, if(state = 'unknown', 'not seen now', state) AS state, opened, detector, key,
       summary, JSONExtractString(details, 'prefix') AS prefix,
       multiIf(prefix != '', 'forensics',
               JSONHas(details, 'rule') OR JSONHas(details, 'rules'), 'flowspec',
               'collector') AS look_into, id
FROM ({OPEN})
ORDER BY severity = 'critical' DESC, severity = 'warning' DESC, opened DESC
LIMIT 200
"""  # noqa: S608 - all of it is written here


def open_count(where: str) -> str:
    """How many incidents are open at the end of the range."""
    return f"SELECT count() AS open FROM ({OPEN}) WHERE {where}"  # noqa: S608


TRANSITIONS = """
SELECT $__timeInterval(time) AS time, state AS name, count() AS transitions
FROM incidents WHERE $__timeFilter_ms(incidents.time)
GROUP BY time, name ORDER BY time
"""
CHANGES = f"""
SELECT $__timeInterval(received) AS time, kind AS name, count() AS changes
FROM (
    SELECT received, kind FROM routes
    WHERE {_KEYS.format(prefixes=WATCHED)} AND $__timeFilter_ms(received)
    UNION ALL
    SELECT received, concat('rule ', kind) FROM flowspec WHERE $__timeFilter_ms(received)
)
GROUP BY time, name ORDER BY time
"""  # noqa: S608 - all of it is written here
"""Of the watched addresses: a table of routes is not sorted by time, so to count all is to read
the month."""
