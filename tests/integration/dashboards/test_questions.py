"""Every question of every dashboard, asked of a running program as Grafana's plugin asks it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from dashboards import sql
from dashboards.build import DASHBOARDS, content, demo_intent
from dashboards.grafana import expand, variables
from tests.integration.dashboards.played import ROOT, Played

ALERTS = ROOT / "deploy/grafana/provisioning/alerting/anchorwatch.yaml"
NUMBERS = ("UInt", "Int", "Float")
MOMENTS = {
    "overview.json": 25.5,
    "cutover.json": 20.0,
    "flowspec.json": 25.5,
    "anycast.json": None,
    "forensics.json": None,
}
"""Seconds after its beginning, at which the story has something to tell in each panel."""
OF_THE_FLAP = ("anycast.json",)


def of_panels() -> list[tuple[str, str]]:
    return [
        (name, panel["title"])
        for name in DASHBOARDS
        for panel in content(name, demo_intent())["panels"]
        if any("rawSql" in target for target in panel["targets"])
    ]


@pytest.mark.parametrize(("name", "title"), of_panels())
def test_every_panel_gets_rows_of_the_columns_that_it_needs(
    name: str, title: str, story: Played, flap: Played
) -> None:
    played = flap if name in OF_THE_FLAP else story
    (panel,) = (panel for panel, _ in played.panels(name) if panel["title"] == title)
    chosen = {"cutover": "beast-cutover"} if name == "cutover.json" else {}
    if name == "forensics.json":
        chosen = {"prefix": "192.0.2.60/32"}
    for question in played.question(name, title, MOMENTS[name], **chosen):
        columns, rows = played.ask(question)
        assert rows, question
        needs(panel, columns, rows)


def needs(
    panel: dict[str, Any], columns: list[tuple[str, str]], rows: list[tuple[Any, ...]]
) -> None:
    """What the visualisation and the plugin's conversion to frames ask of an answer."""
    types = dict(columns)
    names = [name for name, _ in columns]
    assert not any("Array" in kind or "Tuple" in kind for kind in types.values()), types
    kind = panel["type"]
    if kind == "timeseries":
        assert names[0] == "time"
        assert types["time"].startswith("DateTime")
        assert types.get("name", "String").endswith("String)" if "(" in types["name"] else "String")
        assert [n for n in names[1:] if types[n].startswith(NUMBERS)] == names[2:]
        times = [row[0] for row in rows]
        assert times == sorted(times), "the plugin refuses series that are not in order"
    elif kind == "state-timeline":
        assert names == ["time", "lane", "state"]
        assert types["time"] == "DateTime64(9, 'UTC')"
        assert types["state"] in ("String", "LowCardinality(String)")
        times = [row[0] for row in rows]
        assert times == sorted(times)
        (told,) = panel["transformations"]
        assert told["options"]["fields"] == ["lane"]
    elif kind == "logs":
        assert names == ["timestamp", "body", "level"]
        assert types["timestamp"] == "DateTime64(9, 'UTC')"
        assert {row[2] for row in rows} <= {"debug", "info", "warning", "error", "critical"}
    elif kind == "stat":
        assert len(rows) == 1
        overrides = [each["matcher"]["options"] for each in panel["fieldConfig"]["overrides"]]
        assert overrides == (names if len(names) > 1 else [])
        assert all(types[name].startswith((*NUMBERS, "String")) for name in names)
        assert None not in rows[0]
    elif kind == "histogram":
        assert all(value.startswith("Float") for value in types.values())
    else:
        assert kind == "table"
        for override in panel["fieldConfig"]["overrides"]:
            matcher = override["matcher"]
            is_time = any(
                value["id"] == "unit" and value["value"] == "dateTimeAsIso"
                for value in override["properties"]
            )
            # Times are formatted in all tables alike; other columns are named because they exist.
            assert is_time or matcher["options"] in names, (panel["title"], matcher)


def test_the_alert_rule_gets_the_critical_incidents_that_are_open(
    story: Played, moves: Played, flap: Played
) -> None:
    """Of the end of each store, as an alert is about what is so now."""
    (asked,) = (
        part["model"]["rawSql"]
        for rule in yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
        for part in rule["data"]
        if part["datasourceUid"] == "anchorwatch-clickhouse"
    )
    for played, count in (
        (story, 0),  # both of its incidents were resolved
        (moves, 3),  # two cutovers and a feed; of the anycast address nothing is known any more
        (flap, 1),  # it flapped, whatever is seen now
    ):
        columns, rows = played.ask(expand(asked, {}, played.begin, played.end))
        assert [(name, kind.startswith("UInt")) for name, kind in columns] == [("critical", True)]
        assert rows == [(count,)]


# Of what was told before the range only the end is worked upon
ALWAYS = "toDateTime64(0, 9, 'UTC')"
"""A beginning with all that was ever told after it."""


def asked(played: Played, question: str, begin: float, end: float) -> list[tuple[Any, ...]]:
    values = variables(content("overview.json", demo_intent(played.window)))
    moments = (played.begin + round(moment * 1000) for moment in (begin, end))
    return sorted(played.ask(expand(question, values, *moments))[1])


def held(states: str) -> str:
    """What is so at the end, but for rules that are gone, or were when they were last seen."""
    there = "family NOT LIKE '%flowspec' OR now NOT IN ('gone', 'not seen')"
    return f"SELECT * FROM ({sql.at_the_end(states)}) WHERE {there}"  # noqa: S608 - our own


@pytest.mark.parametrize("at", [4.0, 9.0, 17.0, 26.0, 40.0])
def test_what_was_so_at_the_end_does_not_need_the_whole_past(
    at: float, story: Played, flap: Played
) -> None:
    for played in (story, flap):
        for whole, short in (
            (sql.advertised(sql.WATCHED, begin=ALWAYS), sql.advertised(sql.WATCHED, begin=sql.END)),
            (sql.rules(begin=ALWAYS), sql.rules(begin=sql.END)),
        ):
            assert asked(played, held(short), 0, at) == asked(played, held(whole), 0, at)


@pytest.mark.parametrize("begin", [4.0, 13.0, 20.0, 31.0])
def test_lanes_begin_as_they_were_left_before_the_range(
    begin: float, story: Played, flap: Played
) -> None:
    lane = f"concat(thing, ' at ', {sql.VANTAGE})"
    for played in (story, flap):
        short, whole = (
            asked(played, sql.spans(sql.advertised(sql.WATCHED, begin=since), lane), begin, 40)
            for since in (sql.BEGIN, ALWAYS)
        )
        assert short == whole
        assert short or played is flap
