"""The cutover room: how far a planned move has come, against its limits."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import sql_cutover as sql
from dashboards.panels import (
    GREEN,
    OF_A_LIMIT,
    ORANGE,
    PURPLE,
    THE_CUTOVER,
    THE_INCIDENT,
    TIMES,
    board,
    board_box,
    choice,
    clickhouse,
    constants,
    lanes,
    on_a_wall,
    stat_of,
    table_of,
    words,
)
from dashboards.plan import Plan


def cutover(plan: Plan) -> Dashboard:
    """One cutover of the intent, as it stands at the end of the time range."""
    made = board(
        "cutover",
        "anchorwatch: cutover room",
        "Phase, timers against their limits, who advertises from each vantage point, and the "
        "Flowspec rules that are left. What the routes show, not what the detectors say.",
        refresh="5s",
    )
    made.time("now-30m", "now").with_variable(clickhouse())
    names = [(name, name) for name in plan.cutovers]
    made.with_variable(choice("cutover", "Cutover", names, several=False))
    made.with_variable(board_box(plan))
    for constant in constants(plan):
        made.with_variable(constant)
    panels = [
        stat_of(
            "Phase",
            "planned, armed (only the old site), both, moved (only new sites, rules left), "
            "complete; `nobody` where the address is gone, `not seen` where what is seen does not "
            "tell, as a site or all of them may be hidden.",
            (6, 6),
            sql=sql.PHASE,
            unit="string",
            mappings=words(sites=plan.sites),
            empty="not seen",
        ),
        stat_of(
            "Limits",
            "Shares of what the plan allows, orange from three quarters and red from all of it on: "
            "the time from the first step to the last (or to now), the longest that old and new "
            "sites both advertised in the window, and the longest that nobody did; and the vantage "
            "points that cannot be seen now.",
            (14, 6),
            sql=sql.LIMITS,
            fields={
                "deadline used": ("percentunit", OF_A_LIMIT),
                "overlap used": ("percentunit", OF_A_LIMIT),
                "gap used": ("percentunit", OF_A_LIMIT),
                "cannot see": ("short", ((None, GREEN), (1, PURPLE))),
            },
        ),
        stat_of(
            "Rules left",
            "Flowspec rules to the destinations of the policy that is flushed, which some "
            "vantage point still shows.",
            (4, 6),
            sql=sql.RULES_COUNT,
            limits=((None, GREEN), (1, ORANGE)),
        ),
        lanes("Phases", "The phases one after the other.", (24, 4), sql.PHASES, plan.sites),
        lanes(
            "Who advertises the address",
            "The site that each vantage point (router, peer or table) shows to advertise it.",
            (24, 9),
            sql.WHO,
            plan.sites,
        ),
        table_of(
            "Timers",
            "What each step took in the window, the longest where there were several, against "
            "what the plan allows; `used` is the share of it. Overlap and gap go on while a site "
            "that may end them cannot be seen.",
            (12, 6),
            sql.TIMERS,
            units={"taken": "s", "allowed": "s", "used": "percentunit"},
            limits={"used": OF_A_LIMIT},
        ),
        table_of(
            "The plan",
            "What the intent says of this cutover. Its name leads to its page on the board.",
            (12, 6),
            sql.PLAN,
            links={"cutover": THE_CUTOVER},
            units={"window_begins": "dateTimeAsIso", "window_ends": "dateTimeAsIso"},
        ),
        table_of(
            "Flowspec rules left",
            "Each rule that is to be flushed and is not, and where it is still shown.",
            (12, 9),
            sql.RULES_LEFT,
            units=TIMES,
        ),
        table_of(
            "Events",
            "What happened in the time range, the newest first. The id of an incident leads to "
            "its page on the board.",
            (12, 9),
            sql.EVENTS,
            units=TIMES,
            links={"id": THE_INCIDENT},
            widths={"time": 210, "what": 190, "place": 230, "id": 160},
        ),
    ]
    for panel in panels:
        made.with_panel(on_a_wall(panel))
    return made.build()
