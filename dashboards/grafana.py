"""What Grafana and its ClickHouse plugin make of a panel's question before it is asked.

Tests and benchmarks ask the questions of the panels without a Grafana.
"""

from __future__ import annotations

import re
from typing import Any

ALL = "$__all"
Values = dict[str, list[str]]


def variables(content: dict[str, Any]) -> Values:
    """The values that a dashboard's variables have when it is opened; those of a query are all."""
    found: Values = {}
    for variable in content["templating"]["list"]:
        name, kind, query = variable["name"], variable["type"], variable.get("query")
        if kind in ("constant", "textbox"):
            found[name] = [query]
        elif kind == "custom":
            listed = [part.replace("\\,", ",") for part in re.split(r"(?<!\\), ", query)]
            values = [part.rpartition(" : ")[2] for part in listed]
            chosen = variable["current"]["value"]
            found[name] = values if chosen == [ALL] else [chosen]
        elif kind == "query":
            found[name] = [ALL]
    return found


def expand(sql: str, values: Values, begin: int, end: int, interval: int = 10) -> str:
    """A question as the data source receives it; times in ms, the interval in s."""
    sql = _conditional(sql, values)

    def variable(match: re.Match[str]) -> str:
        name, form = match[1], match[2]
        if form == "raw":
            (value,) = values[name]
            return value
        if form != "singlequote":
            raise ValueError(f"the format of {match[0]} is not known here")
        quoted = (value.replace("\\", "\\\\").replace("'", "\\'") for value in values[name])
        return ",".join(f"'{value}'" for value in quoted)

    sql = re.sub(r"\$\{(\w+):(\w+)\}", variable, sql)

    first, last = (f"fromUnixTimestamp64Milli({moment})" for moment in (begin, end))

    def macro(match: re.Match[str]) -> str:
        name, argument = match[1], match[2]
        if name in ("fromTime_ms", "toTime_ms"):
            return first if name == "fromTime_ms" else last
        if name == "timeFilter_ms":
            return f"{argument} >= {first} AND {argument} <= {last}"
        if name != "timeInterval":
            raise ValueError(f"the macro {name} is not known here")
        return f"toStartOfInterval(toDateTime({argument}), INTERVAL {interval} second)"

    return re.sub(r"\$__(\w+)(?:\(([^()]*)\))?", macro, sql)


def _conditional(sql: str, values: Values) -> str:
    """`$__conditionalAll(condition, $name)`: the condition, or `1=1` where all are chosen."""
    head = "$__conditionalAll("
    while (at := sql.find(head)) >= 0:
        depth, end = 1, at + len(head)
        while depth:
            depth += {"(": 1, ")": -1}.get(sql[end], 0)
            end += 1
        condition, _, name = sql[at + len(head) : end - 1].rpartition(", $")
        kept = "1=1" if values[name] == [ALL] else condition
        sql = sql[:at] + kept + sql[end:]
    return sql
