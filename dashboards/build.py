"""Builds the Grafana dashboards: `python -m dashboards.build` writes `dashboards/*.json`.

Panels ask ClickHouse (grafana-clickhouse-datasource) for what the network did, and Prometheus for
how anchorwatch itself is. Both data sources are variables of the dashboard.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import dashboard, stat, table, timeseries
from grafana_foundation_sdk.builders.prometheus import Dataquery as Prometheus
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard, DataSourceRef

FOLDER = Path(__file__).parent
CLICKHOUSE = DataSourceRef(type_val="grafana-clickhouse-datasource", uid="${datasource}")
PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${prometheus}")
FORMATS = {"timeseries": 0, "table": 1}

OPEN_INCIDENTS = """
SELECT severity, detector, key, opened,
       argMax(incidents.state, time) AS state, argMax(incidents.summary, time) AS summary
FROM incidents
GROUP BY id, severity, detector, key, opened
HAVING state != 'resolved'
ORDER BY severity = 'critical' DESC, opened
"""
TRANSITIONS = """
SELECT $__timeInterval(time) AS time, state, count() AS transitions
FROM incidents WHERE $__timeFilter(incidents.time)
GROUP BY time, state ORDER BY time
"""
RULES = """
SELECT rule, router, argMax(actions, (received, sequence)) AS actions,
       minIf(received, kind = 'announce') AS first_seen, max(received) AS changed
FROM flowspec WHERE view IN ('adj-in-pre', 'loc-rib')
GROUP BY rule, router HAVING argMax(kind, (received, sequence)) = 'announce'
ORDER BY changed DESC
"""
CHANGES = """
SELECT $__timeInterval(received) AS time, kind, count() AS changes
FROM (
    SELECT received, kind FROM routes WHERE $__timeFilter(received)
    UNION ALL
    SELECT received, kind FROM flowspec WHERE $__timeFilter(received)
)
GROUP BY time, kind ORDER BY time
"""


class Query(variants.Dataquery):
    """A query of the ClickHouse data source, as its version 4 keeps it."""

    def __init__(self, sql: str, kind: str) -> None:
        self.sql = " ".join(sql.split())
        self.kind = kind

    def to_json(self) -> dict[str, Any]:
        """The target's JSON."""
        return {
            "refId": "A",
            "datasource": {"type": CLICKHOUSE.type_val, "uid": CLICKHOUSE.uid},
            "pluginVersion": "4.20.0",
            "editorType": "sql",
            "queryType": self.kind,
            "format": FORMATS[self.kind],
            "rawSql": self.sql,
            "meta": {},
        }


class Ask(builder.Builder[Query]):
    """The builder that panels take."""

    def __init__(self, sql: str, kind: str) -> None:
        self._query = Query(sql, kind)

    def build(self) -> Query:
        """The query."""
        return self._query


def overview() -> Dashboard:
    """What is open, what the network does, and whether the watch itself is well."""
    clickhouse = dashboard.DatasourceVariable("datasource").label("ClickHouse")
    prometheus = dashboard.DatasourceVariable("prometheus").label("Prometheus")
    return (
        dashboard.Dashboard("anchorwatch overview")
        .uid("anchorwatch-overview")
        .description("Open incidents, what the network does, and whether the watch is well.")
        .tags(["anchorwatch", "bgp"])
        .refresh("10s")
        .time("now-1h", "now")
        .timezone("utc")
        .with_variable(clickhouse.type("grafana-clickhouse-datasource"))
        .with_variable(prometheus.type("prometheus"))
        .with_panel(
            table.Panel()
            .title("Open incidents")
            .description("Every incident that is not resolved, the critical ones first.")
            .datasource(CLICKHOUSE)
            .span(24)
            .height(8)
            .with_target(Ask(OPEN_INCIDENTS, "table"))
        )
        .with_panel(
            timeseries.Panel()
            .title("Incident transitions")
            .description("How many incidents opened, changed and resolved.")
            .datasource(CLICKHOUSE)
            .unit("short")
            .span(12)
            .height(7)
            .with_target(Ask(TRANSITIONS, "timeseries"))
        )
        .with_panel(
            timeseries.Panel()
            .title("Route and rule changes")
            .description("Announcements and withdrawals, Flowspec rules included.")
            .datasource(CLICKHOUSE)
            .unit("short")
            .span(12)
            .height(7)
            .with_target(Ask(CHANGES, "timeseries"))
        )
        .with_panel(
            table.Panel()
            .title("Flowspec rules")
            .description("The rules that each router was last seen to hold.")
            .datasource(CLICKHOUSE)
            .span(24)
            .height(8)
            .with_target(Ask(RULES, "table"))
        )
        .with_panel(
            stat.Panel()
            .title("BMP sessions")
            .description("Routers that are connected now.")
            .datasource(PROMETHEUS)
            .unit("short")
            .span(6)
            .height(4)
            .with_target(Prometheus().expr("anchorwatch_bmp_sessions"))
        )
        .with_panel(
            stat.Panel()
            .title("Blind feeds")
            .description("Routers whose tables are not completely seen now.")
            .datasource(PROMETHEUS)
            .unit("short")
            .span(6)
            .height(4)
            .with_target(Prometheus().expr("anchorwatch_feeds_blind"))
        )
        .with_panel(
            timeseries.Panel()
            .title("Waiting for the store")
            .description("Rows in memory that are not yet written.")
            .datasource(PROMETHEUS)
            .unit("bytes")
            .span(12)
            .height(4)
            .with_target(Prometheus().expr("anchorwatch_store_pending_bytes"))
        )
        .build()
    )


DASHBOARDS = {"overview.json": overview}


def rendered(name: str) -> str:
    """One dashboard as the text of its file; panels are numbered, as Grafana wants them."""
    content = json.loads(JSONEncoder(sort_keys=True, indent=2).encode(DASHBOARDS[name]()))
    for number, panel in enumerate(content["panels"], 1):
        panel["id"] = number
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write every dashboard."""
    for name in DASHBOARDS:
        (FOLDER / name).write_text(rendered(name))


if __name__ == "__main__":
    main()
