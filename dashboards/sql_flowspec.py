"""The questions about Flowspec rules: which there are, what is wrong with them, what they did."""

from dashboards.sql import (
    END,
    INCIDENTS,
    OPEN,
    VANTAGE,
    at_the_end,
    rules,
    since_when,
    spans,
    step_counts,
)

_ACTIONS = """if({state} IN ('gone', 'not seen'), {state}, if({state} IN ('', '[]'), 'accept',
    arrayStringConcat(arrayMap(a -> trimRight(concat(JSONExtractString(a, 'action'), ' ',
        arrayStringConcat(arrayMap(p -> replaceAll(p.2, '"', ''),
            arrayFilter(p -> p.1 NOT IN ('action', 'copy'), JSONExtractKeysAndValuesRaw(a))),
            ' '))), JSONExtractArrayRaw({state})), ', ')))"""
"""SQL: the actions of a rule in words."""
ROUTERS = "$__conditionalAll(router IN (${router:singlequote}), $router)"
STATES = rules(ROUTERS)
_THERE = "now NOT IN ('gone', 'not seen')"
_HELD = at_the_end(rules(ROUTERS, END))
_SINCE = since_when(rules(ROUTERS, END, since=True))
_NAMED = """arrayFilter(r -> r != '', arrayConcat([JSONExtractString(details, 'rule')],
    arrayMap(r -> replaceRegexpOne(r, '^ipv[46]-flowspec ', ''),
             JSONExtract(details, 'rules', 'Array(String)'))))"""
"""SQL: the rules that an incident names: the one that it is about, or several, told with or without
their family."""
_VERDICTS = f"""
SELECT arrayJoin({_NAMED}) AS rule,
       argMax(if(JSONExtractBool(details, 'kill_switch'), 'kill switch', severity),
              (JSONExtractBool(details, 'kill_switch'), severity = 'critical')) AS verdict,
       argMax(summary, severity = 'critical') AS why
FROM ({OPEN}) GROUP BY rule
"""  # noqa: S608 - all of it is written here
NOW = f"""
SELECT if(v.verdict = '', 'no finding', v.verdict) AS verdict, r.rule AS rule,
       r.actions AS actions, r.router AS router, r.shown_by AS shown_by, r.since AS since,
       toFloat64(toUnixTimestamp64Milli(toDateTime64($__toTime_ms, 3))
                 - toUnixTimestamp64Milli(r.since)) / 1000 AS age,
       v.why AS why
FROM (
    SELECT thing AS rule, router, {_ACTIONS.format(state="argMax(now, l.since)")} AS actions,
           arrayStringConcat(arraySort(groupUniqArray({VANTAGE})), ', ') AS shown_by,
           min(l.since) AS since
    FROM ({_SINCE}) AS l
    WHERE {_THERE}
    GROUP BY thing, router
) AS r LEFT JOIN ({_VERDICTS}) AS v ON v.rule = r.rule
ORDER BY verdict = 'kill switch' DESC, verdict = 'critical' DESC, verdict != 'no finding' DESC,
         since DESC, rule, router
LIMIT 1000
"""  # noqa: S608 - all of it is written here
COUNT = f"SELECT uniqExact(thing) AS rules FROM ({_HELD}) WHERE {_THERE}"  # noqa: S608
OLDEST = f"""
SELECT if(count() = 0, 0, toFloat64(toUnixTimestamp64Milli(toDateTime64($__toTime_ms, 3))
                                    - toUnixTimestamp64Milli(min(since))) / 1000) AS oldest
FROM ({_SINCE}) WHERE {_THERE}
"""  # noqa: S608 - all of it is written here


def _found(verdicts: str) -> str:
    """How many rules are there of those with such a verdict; no others are read."""
    of_them = f"rule IN (SELECT rule FROM ({_VERDICTS}) WHERE {verdicts})"  # noqa: S608
    held = at_the_end(rules(f"{of_them} AND {ROUTERS}", END))
    return f"SELECT uniqExact(thing) AS rules FROM ({held}) WHERE {_THERE}"  # noqa: S608


OUT_OF_POLICY = _found("1")
KILL_SWITCHES = _found("verdict = 'kill switch'")
HELD = step_counts(STATES, "router", "thing", "('gone', 'not seen', '')", "rules")
"""Columns time, name (of the router), rules: how many there were."""
CHANGES = f"""
SELECT $__timeInterval(received) AS time, kind AS name, count() AS changes
FROM flowspec
WHERE $__timeFilter_ms(received) AND {ROUTERS}
GROUP BY time, name ORDER BY time
"""  # noqa: S608 - all of it is written here
_LIVES = f"""
SELECT at, sequence, router, peer, view, feed, path, rd, thing,
       {_ACTIONS.format(state="state")} AS state
FROM ({STATES})
"""  # noqa: S608 - all of it is written here
LIVES = f"""
SELECT time, lane, state FROM (
    SELECT *, countIf(state != 'gone') OVER (PARTITION BY lane) AS there
    FROM ({spans(_LIVES, f"concat(thing, ' at ', {VANTAGE})")})
) WHERE there > 0
ORDER BY time, lane
LIMIT 2000
"""  # noqa: S608 - all of it is written here
VIOLATIONS = f"""
SELECT opened, state, severity, JSONExtractBool(details, 'kill_switch') AS kill_switch,
       arrayStringConcat({_NAMED}, ', ') AS rule,
       arrayStringConcat(JSONExtractKeys(details, 'clauses'), ', ') AS fails, summary,
       changed, id
FROM ({INCIDENTS})
WHERE (notEmpty(rule) OR startsWith(detector, 'flowspec'))
  AND opened <= $__toTime_ms AND (state != 'resolved' OR changed >= $__fromTime_ms)
ORDER BY state = 'resolved', opened DESC
LIMIT 200
"""  # noqa: S608 - all of it is written here
