"""Flowspec: the rules that routers hold, what is wrong with them, and what became of them."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import sql_flowspec as sql
from dashboards.panels import (
    BLUE,
    THE_INCIDENT,
    TIMES,
    TO_OVERVIEW,
    board,
    board_box,
    clickhouse,
    lanes,
    routers,
    series,
    stat_of,
    table_of,
)
from dashboards.plan import Plan


def flowspec(plan: Plan) -> Dashboard:
    """The rules of some routers at the end of the time range, and within it."""
    made = board(
        "flowspec",
        "anchorwatch: Flowspec",
        "The rules that each router holds, with verdict, action and age; how they changed; and "
        "what is out of policy.",
    )
    made.with_variable(clickhouse()).with_variable(routers())
    made.with_variable(board_box(plan))
    panels = [
        stat_of(
            "Kill switches",
            "Rules that could cut off what is protected, or everything.",
            (6, 5),
            sql=sql.KILL_SWITCHES,
        ),
        stat_of(
            "Rules with a finding",
            "Rules that an open incident names: out of policy, left over, leading nowhere.",
            (6, 5),
            sql=sql.OUT_OF_POLICY,
        ),
        stat_of(
            "Rules",
            "Rules that some router shows at the end of the time range.",
            (6, 5),
            sql=sql.COUNT,
            limits=((None, BLUE),),
        ),
        stat_of(
            "Oldest rule",
            "How long the oldest of them has been there.",
            (6, 5),
            sql=sql.OLDEST,
            unit="s",
            limits=((None, BLUE),),
        ),
        table_of(
            "Rules now",
            "Every rule at the end of the time range: what the detectors found (`no finding` "
            "where no incident names it), what it does, where it is, and since when.",
            (24, 11),
            sql.NOW,
            words_in=("verdict",),
            units={**TIMES, "age": "s"},
            widths={"verdict": 120, "router": 150, "since": 210, "age": 100},
        ),
        series(
            "Rules over time",
            "How many different rules each router showed.",
            (12, 8),
            sql=(sql.HELD,),
            stepped=True,
        ),
        series(
            "Changes",
            "Announcements and withdrawals of rules that came in, from all views.",
            (12, 8),
            sql=(sql.CHANGES,),
            bars=True,
        ),
        table_of(
            "Findings",
            "Incidents about rules that were open in the time range, and the clauses that fail.",
            (24, 8),
            sql.VIOLATIONS,
            words_in=("severity", "state"),
            units=TIMES,
            links={"id": THE_INCIDENT, "summary": TO_OVERVIEW},
            widths={"opened": 210, "changed": 210, "severity": 100, "state": 100},
        ),
        lanes(
            "Lives of rules",
            "What each rule did at each vantage point: its actions while it was there, `gone`, "
            "or `not seen` where nobody could see.",
            (24, 12),
            sql.LIVES,
        ),
    ]
    for panel in panels:
        made.with_panel(panel)
    return made.build()
