"""The wall of a NOC: what is open, how what is watched fares, and who is seen."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import sql, sql_feeds
from dashboards.panels import (
    FORENSICS,
    GREEN,
    LOOK_INTO,
    ORANGE,
    PURPLE,
    RED,
    THE_INCIDENT,
    TIMES,
    board,
    board_box,
    choice,
    clickhouse,
    constants,
    lanes,
    on_a_wall,
    prometheus,
    series,
    stat_of,
    table_of,
    words,
)
from dashboards.plan import Plan


def overview(plan: Plan) -> Dashboard:
    """What is open, what is watched, and whether the watch itself is well."""
    made = board(
        "overview",
        "anchorwatch: NOC overview",
        "Open incidents, each watched service and anycast address, and the feeds that show them.",
    )
    made.with_variable(clickhouse()).with_variable(prometheus())
    made.with_variable(choice("watched", "Watched", plan.watched))
    made.with_variable(board_box(plan))
    for constant in constants(plan):
        made.with_variable(constant)
    critical, warning, unseen = (
        "severity = 'critical' AND state != 'unknown'",
        "severity != 'critical' AND state != 'unknown'",
        "state = 'unknown'",
    )
    panels = [
        stat_of(
            "Critical",
            "Critical incidents that are open at the end of the time range.",
            (4, 5),
            sql=sql.open_count(critical),
        ),
        stat_of(
            "Warnings",
            "Incidents of lower severity that are open at the end of the time range.",
            (4, 5),
            sql=sql.open_count(warning),
            limits=((None, GREEN), (1, ORANGE)),
        ),
        stat_of(
            "Cannot be judged",
            "Open incidents of which neither better nor worse is known: their feeds are blind.",
            (4, 5),
            sql=sql.open_count(unseen),
            limits=((None, GREEN), (1, PURPLE)),
        ),
        stat_of(
            "BMP sessions",
            "Routers that are connected now.",
            (4, 5),
            expr="anchorwatch_bmp_sessions",
            limits=((None, RED), (1, GREEN)),
        ),
        stat_of(
            "Blind feeds",
            "Routers whose tables are not completely seen now.",
            (4, 5),
            expr="anchorwatch_feeds_blind",
            limits=((None, GREEN), (1, PURPLE)),
        ),
        stat_of(
            "Pages waiting",
            "Pages that no receiver has taken yet.",
            (4, 5),
            expr="anchorwatch_pages_pending",
        ),
        table_of(
            "Open incidents",
            "Every incident that is not resolved at the end of the time range, critical ones "
            "first. The summary leads to the dashboard that tells more (`look_into`), the id to "
            "its page on the board.",
            (24, 9),
            sql.OPEN_INCIDENTS,
            words_in=("severity", "state"),
            units=TIMES,
            links={
                **dict.fromkeys(("prefix", "summary", "look_into"), LOOK_INTO),
                "id": THE_INCIDENT,
            },
            widths={
                **dict.fromkeys(("severity", "state", "look_into"), 110),
                "opened": 210,
                "detector": 190,
                "id": 160,
            },
        ),
        table_of(
            "Services and anycast addresses",
            "Each watched address at the end of the time range: its worst open incident, the "
            "sites that are seen to advertise it, and those that are planned.",
            (24, 8),
            sql.WATCHED_NOW,
            words_in=("state",),
            units=TIMES,
            links={"prefix": FORENSICS},
            mappings=words(sites=plan.sites),
        ),
        lanes(
            "How each watched address fared",
            "The worst open incident of each watched address. That there is none says nothing "
            "where nobody sees: see who advertised it.",
            (12, 9),
            sql.WORST,
        ),
        lanes(
            "Who advertised each watched address",
            "The site that each vantage point saw to advertise; `nobody` where its whole table "
            "lacks the address, `not seen` where nobody could see.",
            (12, 9),
            sql.spans(sql.advertised(sql.WATCHED), f"concat({sql.NAME}, ' at ', {sql.VANTAGE})"),
            plan.sites,
        ),
        lanes(
            "Feeds",
            "Whether each router is connected (`dumping`: its tables are not complete yet).",
            (12, 7),
            sql_feeds.STATES,
        ),
        table_of(
            "Feeds now",
            "Each router, how it is seen, since when, and how many of its peers are up.",
            (12, 7),
            sql_feeds.NOW,
            words_in=("state",),
            units=TIMES,
        ),
        series(
            "Incident transitions",
            "How many incidents opened, changed and were resolved.",
            (12, 7),
            sql=(sql.TRANSITIONS,),
            bars=True,
        ),
        series(
            "Route and rule changes",
            "Announcements and withdrawals of the watched addresses, and of Flowspec rules.",
            (12, 7),
            sql=(sql.CHANGES,),
            bars=True,
        ),
    ]
    for panel in panels:
        made.with_panel(on_a_wall(panel))
    return made.build()
