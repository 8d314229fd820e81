"""The questions of the cutover room: how far a planned move has come, from the routes alone.

What is positive counts: a site advertises while one vantage point shows it, a rule is there while
one shows it. How many vantage points cannot see is told beside it.
"""

from dashboards.sql import (
    BEGIN,
    EARLIER,
    END,
    VANTAGE,
    advertised,
    at_the_end,
    rules,
    since_when,
    spans,
)

_PLANNED = """
WITH (
    SELECT any(service) AS service, any(prefix) AS prefix, any(old) AS old, any(new) AS new,
           any(begin) AS begin, any(end) AS end, any(deadline) AS deadline,
           any(max_overlap) AS max_overlap, any(max_gap) AS max_gap, any(policy) AS policy,
           any(destinations) AS destinations
    FROM ${plan:raw} WHERE cutover = '${cutover:raw}'
) AS cutover
"""
"""The one cutover that is chosen; what all of these questions begin with."""
# The rules of its policy are known by where they lead to: a rule's text, which may begin with its
# route distinguisher, is read much faster than the JSON of its components.
_DESTINATION = "extract(rule, '^(?:rd [^ ]+ )?destination ([^ /]+)/')"
_OF_POLICY = f"""cutover.policy != '' AND (empty(cutover.destinations) OR arrayExists(
    d -> isIPAddressInRange(if({_DESTINATION} = '', '0.0.0.0', {_DESTINATION}), d)
         AND {_DESTINATION} != '',
    cutover.destinations))"""
PREFIX = "SELECT cutover.prefix AS p"
SITES = advertised(PREFIX)
LEFT = rules(_OF_POLICY)
# What the timers count begins with the window.
_WINDOW = f"least({BEGIN}, fromUnixTimestamp64Milli(toInt64(round(cutover.begin * 1000))))"
WHO = _PLANNED + spans(SITES, VANTAGE)
"""Columns time, lane, state: who advertised the service at each vantage point."""
_PRECEDING = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
# Steps of counts, summed up over all vantage points: how many show the old site, a new one, a rule
# (of all views of a rule, one is counted), and how many cannot see. Of these, `hidden` tells what
# they showed when they last saw: it may be there still.
_MARKED = f"""
SELECT at, state, hidden, lagInFrame(mark, 1, ('', '')) OVER lane AS before
FROM (
    SELECT at, number, turn, state, (state, hidden) AS mark,
           if(state = 'not seen', argMaxIf(state, turn, state != 'not seen') OVER lane, '')
               AS hidden
    FROM ({{states}})
    WINDOW lane AS (PARTITION BY number ORDER BY turn {_PRECEDING})
)
WINDOW lane AS (PARTITION BY number ORDER BY turn {_PRECEDING})
"""  # noqa: S608 - all of it is written here
_RULE = "{0} NOT IN ('gone', 'not seen', '')"
_STEPS = f"""
SELECT at, toInt32(state = cutover.old) - toInt32(before.1 = cutover.old) AS old_step,
       toInt32(has(cutover.new, state)) - toInt32(has(cutover.new, before.1)) AS new_step,
       toInt32(0) AS rule_step,
       toInt32(state = 'not seen') - toInt32(before.1 = 'not seen') AS blind_step,
       toInt32(hidden = cutover.old) - toInt32(before.2 = cutover.old) AS hidden_old_step,
       toInt32(has(cutover.new, hidden)) - toInt32(has(cutover.new, before.2)) AS hidden_new_step,
       toInt32(0) AS hidden_rule_step
FROM ({_MARKED.format(states=advertised(PREFIX, begin=_WINDOW))})
UNION ALL
SELECT at, 0, 0, toInt32({_RULE.format("state")}) - toInt32({_RULE.format("before.1")}), 0,
       0, 0, toInt32({_RULE.format("hidden")}) - toInt32({_RULE.format("before.2")})
FROM ({_MARKED.format(states=rules(_OF_POLICY, _WINDOW))})
"""  # noqa: S608 - all of it is written here
_STEPPED = f"""{_PLANNED}, (
    SELECT groupArray((at, old_step, new_step, rule_step, blind_step, hidden_old_step,
                       hidden_new_step, hidden_rule_step)) FROM ({_STEPS})
) AS steps
"""  # noqa: S608 - all of it is written here
"""What questions of the phases begin with: the steps are worked out once, before all else."""
# A row for each moment at which something changed, until the next or the end of the range. What is
# hidden only proves nothing: neither that the move has not begun, nor that it is at its end.
_PROGRESS = f"""
SELECT at, old_sites, new_sites, rules_left, blind, hidden,
       if(old_sites > 0,
          multiIf(new_sites > 0, 'both', hidden_new > 0, 'not seen',
                  now_s < cutover.begin, 'planned', 'armed'),
          if(new_sites > 0,
             multiIf(hidden_old > 0, 'not seen', rules_left + hidden_rules > 0, 'moved',
                     'complete'),
             if(blind > 0, 'not seen', 'nobody'))) AS phase,
       at_s, until_s, now_s
FROM (
    SELECT *, toFloat64(toUnixTimestamp64Nano(at)) / 1e9 AS at_s,
           toFloat64(toUnixTimestamp64Milli(toDateTime64($__toTime_ms, 3))) / 1e3 AS now_s,
           least(now_s, leadInFrame(at_s, 1, now_s) OVER (
               ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)) AS until_s
    FROM (
        SELECT at, sum(sum(s.2)) OVER moments AS old_sites, sum(sum(s.3)) OVER moments AS new_sites,
               sum(sum(s.4)) OVER moments AS rules_left, sum(sum(s.5)) OVER moments AS blind,
               sum(sum(s.6)) OVER moments AS hidden_old, sum(sum(s.7)) OVER moments AS hidden_new,
               sum(sum(s.8)) OVER moments AS hidden_rules, hidden_old + hidden_new AS hidden
        FROM (SELECT s.1 AS at, s FROM (SELECT arrayJoin(steps) AS s))
        GROUP BY at
        WINDOW moments AS (ORDER BY at {_PRECEDING})
    )
)
"""  # noqa: S608 - all of it is written here
# As the detector does: overlap and gap go on while a site that may end them is hidden, and what
# is told is the longest of each.
_LASTING = f"""
SELECT *, minIf(at_s, phase = 'both') OVER (PARTITION BY together) AS both_since,
       minIf(at_s, phase = 'nobody') OVER (PARTITION BY apart) AS gap_since
FROM (
    SELECT *, sum(toUInt64(if(phase = 'both', 0, hidden = 0))) OVER moments AS together,
           sum(toUInt64(old_sites + new_sites > 0)) OVER moments AS apart,
           max(if(phase NOT IN ('complete', 'not seen'), at_s, 0)) OVER () AS last
    FROM ({_PROGRESS})
    WINDOW moments AS (ORDER BY at {_PRECEDING})
)
"""  # noqa: S608 - all of it is written here
_LONGEST = """max(if({0} = 0, 0, greatest(0, least(until_s, cutover.end)
                                              - greatest({0}, cutover.begin))))"""
"""SQL: in the window, and up to the end of the range."""
_SUMMARY = f"""
SELECT argMax(phase, at) AS phase_now, argMax(blind, at) AS cannot_see,
       minIf(greatest(at_s, cutover.begin), if(new_sites > 0, until_s > cutover.begin, false))
           AS first_step,
       minIf(at_s, if(phase = 'complete', at_s > last, false)) AS done,
       if(first_step = 0, 0, if(done > 0, done, any(now_s)) - first_step) AS elapsed,
       {_LONGEST.format("both_since")} AS overlap, {_LONGEST.format("gap_since")} AS gap
FROM ({_LASTING})
"""  # noqa: S608 - all of it is written here
_USED = "if({1} > 0, {0} / {1}, if({0} > 0, 9.99, 0))"
"""SQL: the share of a limit that was used; where nothing is allowed, anything is far too much."""


PHASE = f"{_STEPPED} SELECT phase_now AS phase FROM ({_SUMMARY})"  # noqa: S608
LIMITS = f"""
{_STEPPED}
SELECT {_USED.format("elapsed", "cutover.deadline")} AS `deadline used`,
       {_USED.format("overlap", "cutover.max_overlap")} AS `overlap used`,
       {_USED.format("gap", "cutover.max_gap")} AS `gap used`,
       cannot_see AS `cannot see`
FROM ({_SUMMARY})
"""  # noqa: S608 - all of it is written here
"""One row: shares of its limits, and how many vantage points cannot see."""
_PHASES = f"SELECT at, toUInt64(0) AS sequence, phase AS state FROM ({_PROGRESS})"  # noqa: S608
PHASES = _STEPPED + spans(_PHASES, "'phase'")
"""Columns time, lane, state: the phases one after the other."""
TIMERS = f"""
{_STEPPED}
SELECT t.1 AS step, t.2 AS taken, t.3 AS allowed, {_USED.format("t.2", "t.3")} AS used
FROM (
    SELECT arrayJoin([('first step to last', elapsed, cutover.deadline),
                      ('both advertise', overlap, cutover.max_overlap),
                      ('nobody advertises', gap, cutover.max_gap)]) AS t
    FROM ({_SUMMARY})
)
"""  # noqa: S608 - all of it is written here
_RULES_LEFT = f"""
SELECT thing AS rule, router,
       arrayStringConcat(arraySort(groupUniqArray({VANTAGE})), ', ') AS shown_by,
       min(since) AS since
FROM ({since_when(rules(_OF_POLICY, END, since=True))})
WHERE now NOT IN ('gone', 'not seen')
GROUP BY thing, router
ORDER BY thing, router
"""  # noqa: S608 - all of it is written here
RULES_LEFT = _PLANNED + _RULES_LEFT
_LEFT_NOW = f"""
SELECT thing FROM ({at_the_end(rules(_OF_POLICY, END))}) WHERE now NOT IN ('gone', 'not seen')
"""  # noqa: S608 - all of it is written here
RULES_COUNT = f"{_PLANNED} SELECT uniqExact(thing) AS rules_left FROM ({_LEFT_NOW})"  # noqa: S608
# What happened, in words, the newest first; also that of the rules and of the incidents.
EVENTS = f"""
{_PLANNED}
SELECT time, what, place, detail, id FROM (
    SELECT at AS time, multiIf(state = 'nobody', 'not advertised', state = 'not seen', 'not seen',
               'advertised by ' || state) AS what,
           {VANTAGE} AS place, thing AS detail, '' AS id, sequence
    FROM (
        SELECT *, {EARLIER} AS earlier
        FROM ({SITES})
    ) WHERE state != earlier
    UNION ALL
    SELECT at, multiIf(state = 'gone', 'rule gone', state = 'not seen', 'rule not seen',
               'rule there'), {VANTAGE}, thing, '', sequence
    FROM (
        SELECT *, {EARLIER} AS earlier
        FROM ({LEFT})
    ) WHERE state != earlier
    UNION ALL
    SELECT incidents.time, 'incident ' || state, detector, summary, incidents.id, 0
    FROM incidents
    WHERE JSONExtractString(details, 'prefix') = cutover.prefix
       OR JSONExtractString(details, 'cutover') = '${{cutover:raw}}'
       OR (cutover.policy != '' AND JSONExtractString(details, 'policy') = cutover.policy)
)
WHERE $__timeFilter_ms(time)
ORDER BY time DESC, sequence DESC
LIMIT 500
"""  # noqa: S608 - all of it is written here
PLAN = """
SELECT cutover, service, prefix, old AS from_site, arrayStringConcat(new, ', ') AS to_sites,
       fromUnixTimestamp64Milli(toInt64(round(begin * 1000)), 'UTC') AS window_begins,
       fromUnixTimestamp64Milli(toInt64(round(end * 1000)), 'UTC') AS window_ends, policy
FROM ${plan:raw} WHERE cutover = '${cutover:raw}'
"""
