"""Anycast: which sites advertise, how calm they are, and how fast a loss is taken over."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import sql_anycast as sql
from dashboards.panels import (
    FORENSICS,
    THE_INCIDENT,
    TIMES,
    board,
    board_box,
    choice,
    clickhouse,
    constants,
    distribution,
    lanes,
    series,
    stat_of,
    table_of,
)
from dashboards.plan import Plan


def anycast(plan: Plan) -> Dashboard:
    """The anycast addresses of the intent."""
    made = board(
        "anycast",
        "anchorwatch: anycast",
        "Sites of each anycast address, flap penalties against their limits, how long moves "
        "took, and what the detectors and probes found.",
    )
    made.with_variable(clickhouse()).with_variable(choice("anycast", "Anycast", plan.anycast))
    made.with_variable(board_box(plan))
    for constant in constants(plan):
        made.with_variable(constant)
    panels = [
        stat_of(
            "Below minimum",
            "Anycast addresses that fewer sites advertise than the intent asks for.",
            (6, 7),
            sql=sql.BELOW,
        ),
        table_of(
            "Sites now",
            "Who advertises each address at the end of the time range, against its minimum.",
            (18, 7),
            sql.NOW,
            words_in=("state",),
            links={"prefix": FORENSICS},
        ),
        series(
            "Sites over time",
            "How many sites advertised each address.",
            (12, 8),
            sql=(sql.SITES,),
            stepped=True,
        ),
        lanes(
            "Who advertised",
            "The site that each vantage point saw to advertise each address.",
            (12, 8),
            sql.WHO,
            plan.sites,
        ),
        series(
            "Flap penalty",
            "RFC 2439: 1000 for each withdrawal, halved every half-life, at the worst vantage "
            "point of each site; what changes of attributes add is left out here. `suppress` "
            "and `reuse` are the limits of the intent.",
            (24, 8),
            sql=(sql.PENALTY, sql.LIMITS),
        ),
        distribution(
            "Convergence",
            "How long moves took: from the first vantage point that lost a site to the last "
            "that changed, with no more than 30 seconds between changes.",
            (8, 9),
            f"SELECT seconds FROM ({sql.CONVERGENCE})",  # noqa: S608 - written in this package
            "s",
        ),
        table_of(
            "Moves",
            "Each of these moves: the site that was lost first, how many vantage points "
            "changed, and how long it took.",
            (16, 9),
            sql.CONVERGENCE,
            units={**TIMES, "seconds": "s"},
        ),
        lanes(
            "Probes",
            "What probes of each address found, at its sites or from elsewhere; a lane that "
            "is not there has no probe.",
            (24, 6),
            sql.PROBES,
        ),
        table_of(
            "Findings",
            "What detectors and probes found of these addresses: too few sites, flapping, black "
            "holes, wrong origins, slow moves.",
            (24, 8),
            sql.FINDINGS,
            words_in=("severity", "state"),
            units=TIMES,
            links={"prefix": FORENSICS, "id": THE_INCIDENT},
            widths={"opened": 210, "changed": 210, "severity": 100, "state": 100},
        ),
    ]
    for panel in panels:
        made.with_panel(panel)
    return made.build()
