"""Forensics: all that was heard of one prefix."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import sql_forensics as sql
from dashboards.panels import (
    THE_INCIDENT,
    TIMES,
    TO_OVERVIEW,
    board,
    board_box,
    clickhouse,
    constants,
    lanes,
    lines,
    prefix_box,
    routers,
    series,
    table_of,
    words,
)
from dashboards.plan import Plan


def forensics(plan: Plan) -> Dashboard:
    """A prefix, some routers, a time range."""
    made = board(
        "forensics",
        "anchorwatch: forensics",
        "Who advertised a prefix when, the RIB at the end of the time range, every change, the "
        "messages, and the incidents that name it.",
        refresh="",
    )
    made.with_variable(clickhouse())
    made.with_variable(prefix_box(plan.watched[0][1] if plan.watched else ""))
    made.with_variable(routers()).with_variable(board_box(plan))
    for constant in constants(plan):
        made.with_variable(constant)
    panels = [
        lanes(
            "Who advertised the prefix",
            "The site that each vantage point saw to advertise it; of all routers.",
            (24, 8),
            sql.TIMELINE,
            plan.sites,
        ),
        table_of(
            "RIB at the end of the time range",
            "The routes that routers held then, as far as anybody saw (`not seen` where nobody "
            "could). Move the end of the range to look at another moment.",
            (24, 7),
            sql.RIB,
            words_in=("site",),
            units=TIMES,
            mappings=words(sites=plan.sites),
        ),
        table_of(
            "Incidents that name it",
            "Incidents about this prefix, or about Flowspec rules to it, that were open in the "
            "time range.",
            (16, 7),
            sql.INCIDENTS_OF_IT,
            words_in=("severity", "state"),
            units=TIMES,
            links={"id": THE_INCIDENT, "summary": TO_OVERVIEW},
            widths={"opened": 210, "changed": 210, "severity": 100, "state": 100},
        ),
        series(
            "Changes",
            "Announcements and withdrawals of the prefix, for each router.",
            (8, 7),
            sql=(sql.CHANGES,),
            bars=True,
        ),
        table_of(
            "History",
            "Every change of the prefix that was received in the time range, the newest first.",
            (24, 9),
            sql.HISTORY,
            words_in=("site",),
            units=TIMES,
            mappings=words(sites=plan.sites),
            widths={"received": 210},
        ),
        lines(
            "Messages",
            "Routes decoded, Flowspec and sessions with their octets (hex, for `anchorwatch "
            "decode`), and what incidents said.",
            (12, 12),
            sql.MESSAGES,
        ),
        lines(
            "Evidence",
            "The messages that incidents rest on, with their octets (hex).",
            (12, 12),
            sql.EVIDENCE,
        ),
    ]
    for panel in panels:
        made.with_panel(panel)
    return made.build()
