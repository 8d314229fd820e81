"""What the dashboards share: targets, panels, variables and colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    histogram,
    logs,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery as Prometheus
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DashboardRegexMapOptions,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Panel,
    RegexMap,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
    VariableOption,
    VariableRefresh,
)

from dashboards.plan import Plan

CLICKHOUSE = DataSourceRef(type_val="grafana-clickhouse-datasource", uid="${datasource}")
PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${prometheus}")
FORMATS = {"timeseries": 0, "table": 1, "logs": 2}
RED, ORANGE, GREEN, BLUE, PURPLE, GREY = (
    *("dark-red", "dark-orange", "dark-green", "dark-blue", "dark-purple"),
    "#4b4f56",
)
WORDS = {
    **dict.fromkeys(("critical", "kill switch", "down", "below minimum", "nobody advertises"), RED),
    **dict.fromkeys(("warning", "dumping", "both"), ORANGE),
    **dict.fromkeys(("not seen", "unknown", "never seen", "not seen now"), PURPLE),
    **dict.fromkeys(("nobody", "gone", "planned"), GREY),
    **dict.fromkeys(("no incident", "no finding", "seen", "enough sites", "complete"), GREEN),
    **dict.fromkeys(("info", "armed"), BLUE),
    "moved": "dark-yellow",
    "healthy": GREEN,
    "failed": RED,
    "open": RED,
    "updated": RED,
    "resolved": GREEN,
}
"""A colour beside each word, never instead of it."""
SITES = ("dark-blue", "dark-green", "dark-yellow", "super-light-blue", "super-light-green")
"""Colours of sites, in the order of the intent."""
Mappings = list[ValueMapping]
Limits = Sequence[tuple[float | None, str]]


class Query(variants.Dataquery):
    """A query of the ClickHouse data source, as its version 4 keeps it."""

    def __init__(self, sql: str, kind: str, ref: str) -> None:
        self.sql = " ".join(sql.split())
        self.kind = kind
        self.ref = ref

    def to_json(self) -> dict[str, Any]:
        """The target's JSON."""
        return {
            "refId": self.ref,
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

    def __init__(self, sql: str, kind: str, ref: str = "A") -> None:
        self._query = Query(sql, kind, ref)

    def build(self) -> Query:
        """The query."""
        return self._query


class _Common(Protocol):
    """What the builders of all panels have."""

    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: DataSourceRef) -> Self: ...
    def span(self, w: int) -> Self: ...
    def height(self, h: int) -> Self: ...


Made = TypeVar("Made", bound=_Common)


def _place(
    panel: Made, title: str, description: str, size: tuple[int, int], source: DataSourceRef
) -> Made:
    width, height = size
    placed = panel.title(title).description(description).datasource(source)
    return placed.span(width).height(height)


def words(*also: tuple[str, str], sites: Sequence[str] = ()) -> Mappings:
    """The colours of the words that a panel shows; a site that the intent does not know is red."""
    colours = {**WORDS, **dict(also)}
    colours |= {site: SITES[order % len(SITES)] for order, site in enumerate(sites)}
    results = {
        word: ValueMappingResult(color=colour, index=index, text=word)
        for index, (word, colour) in enumerate(colours.items())
    }
    unknown = ValueMappingResult(color=RED, index=len(results))
    pattern = DashboardRegexMapOptions(pattern="^unknown site.*", result=unknown)
    return [ValueMap(options=results), RegexMap(options=pattern)]


def steps(*limits: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Thresholds: from each value on, its colour; the first value is None."""
    config = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE)
    return config.steps([Threshold(value=value, color=colour) for value, colour in limits])


BAD_FROM_ONE = ((None, GREEN), (1.0, RED))
OF_A_LIMIT = ((None, GREEN), (0.75, ORANGE), (1.0, RED))
"""Shares of what is allowed."""
NOTHING = "nothing in this range"
"""What a panel over time says where it has nothing to show."""


def stat_of(  # noqa: PLR0913 - each by name
    title: str,
    description: str,
    size: tuple[int, int],
    *,
    sql: str = "",
    expr: str = "",
    unit: str = "short",
    limits: Limits = BAD_FROM_ONE,
    mappings: Mappings | None = None,
    empty: str = "0",
    fields: dict[str, tuple[str, Limits]] | None = None,
    legend: str = "",
) -> stat.Panel:
    """One big figure, or word, on a ground of its colour; or several, with their names."""
    panel = _place(stat.Panel(), title, description, size, CLICKHOUSE if sql else PROMETHEUS)
    panel.with_target(Ask(sql, "table") if sql else _instant(expr, legend)).unit(unit).no_value(
        empty
    )
    panel.color_mode(kinds.BigValueColorMode.BACKGROUND_SOLID)
    panel.graph_mode(kinds.BigValueGraphMode.NONE).text_mode(kinds.BigValueTextMode.VALUE)
    shown = "/.*/" if mappings is not None else ""
    reduce = common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
    panel.reduce_options(reduce.fields(shown)).thresholds(steps(*limits))
    for name, (of_unit, of_limits) in (fields or {}).items():
        panel.text_mode(kinds.BigValueTextMode.VALUE_AND_NAME)
        unit_of = DynamicConfigValue(id_val="unit", value=of_unit)
        limits_of = DynamicConfigValue(id_val="thresholds", value=steps(*of_limits).build())
        panel.override_by_name(name, [unit_of, limits_of])
    return panel.mappings(mappings) if mappings is not None else panel


def _instant(expr: str, legend: str) -> Prometheus:
    target = Prometheus().expr(expr).instant().ref_id("A").datasource(PROMETHEUS)
    return target.legend_format(legend) if legend else target


def table_of(  # noqa: PLR0913 - each by name
    title: str,
    description: str,
    size: tuple[int, int],
    sql: str,
    *,
    words_in: Sequence[str] = (),
    units: dict[str, str] | None = None,
    links: dict[str, tuple[str, str]] | None = None,
    widths: dict[str, int] | None = None,
    limits: dict[str, Limits] | None = None,
    mappings: Mappings | None = None,
) -> table.Panel:
    """A table; the words and figures of some columns stand on a ground of their colour."""
    panel = _place(table.Panel(), title, description, size, CLICKHOUSE)
    panel.with_target(Ask(sql, "table")).cell_height(kinds.TableCellHeight.MD).filterable(True)
    panel.no_value("-")
    properties: dict[str, list[DynamicConfigValue]] = {}
    ground = DynamicConfigValue(
        id_val="custom.cellOptions", value={"type": "color-background", "mode": "basic"}
    )
    for name in words_in:
        of_words = DynamicConfigValue(id_val="mappings", value=mappings or words())
        properties.setdefault(name, []).extend([ground, of_words])
    for name, of_limits in (limits or {}).items():
        coloured = DynamicConfigValue(id_val="thresholds", value=steps(*of_limits).build())
        properties.setdefault(name, []).extend([ground, coloured])
    for name, unit in (units or {}).items():
        properties.setdefault(name, []).append(DynamicConfigValue(id_val="unit", value=unit))
    for name, (text, url) in (links or {}).items():
        link = [{"title": text, "url": url, "targetBlank": not url.startswith("/")}]
        properties.setdefault(name, []).append(DynamicConfigValue(id_val="links", value=link))
    for name, width in (widths or {}).items():
        found = DynamicConfigValue(id_val="custom.width", value=width)
        properties.setdefault(name, []).append(found)
    for name, values in properties.items():
        panel.override_by_name(name, values)
    return panel


def lanes(
    title: str, description: str, size: tuple[int, int], sql: str, sites: Sequence[str] = ()
) -> statetimeline.Panel:
    """A lane for each `lane` of the rows, with the words of `state` over time."""
    panel = _place(statetimeline.Panel(), title, description, size, CLICKHOUSE)
    panel.with_target(Ask(sql, "table")).mappings(words(sites=sites)).unit("string")
    panel.no_value(NOTHING)
    panel.display_name("${__field.labels.lane}").merge_values(True).fill_opacity(85)
    panel.show_value(kinds.VisibilityMode.AUTO).row_height(0.85).line_width(0)
    panel.legend(common.VizLegendOptions().show_legend(False))
    parts = {"fields": ["lane"], "keepFields": False, "naming": {"asLabels": True}}
    return panel.with_transformation(
        DataTransformerConfig(id_val="partitionByValues", options=parts)
    )


def series(  # noqa: PLR0913 - each by name
    title: str,
    description: str,
    size: tuple[int, int],
    *,
    sql: Sequence[str] = (),
    exprs: Sequence[tuple[str, str]] = (),
    unit: str = "short",
    bars: bool = False,
    stepped: bool = False,
    limits: Limits = (),
) -> timeseries.Panel:
    """Lines, steps or stacked bars over time; `exprs` are PromQL and how its series are called."""
    panel = _place(timeseries.Panel(), title, description, size, CLICKHOUSE if sql else PROMETHEUS)
    for ref, question in zip("ABCDEF", sql, strict=False):
        panel.with_target(Ask(question, "timeseries", ref))
    for ref, (expr, legend) in zip("ABCDEF", exprs, strict=False):
        target = Prometheus().expr(expr).legend_format(legend).range().ref_id(ref)
        panel.with_target(target.datasource(PROMETHEUS))
    panel.no_value(NOTHING).unit(unit).min(0).line_width(2).fill_opacity(10)
    panel.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(kinds.LegendDisplayMode.LIST)
        .placement(kinds.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
    )
    panel.tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI))
    if sql:
        panel.display_name("${__field.labels.name}")
    if bars:
        panel.draw_style(kinds.GraphDrawStyle.BARS).fill_opacity(80).line_width(0)
        panel.stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL))
    if stepped:
        panel.line_interpolation(kinds.LineInterpolation.STEP_AFTER).span_nulls(True)
    if limits:
        panel.thresholds(steps(*limits))
        panel.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(kinds.GraphThresholdsStyleMode.DASHED)
        )
    return panel


def distribution(
    title: str, description: str, size: tuple[int, int], sql: str, unit: str
) -> histogram.Panel:
    """How often which value came."""
    panel = _place(histogram.Panel(), title, description, size, CLICKHOUSE)
    panel.with_target(Ask(sql, "table")).unit(unit).no_value(NOTHING)
    return panel.combine(True).fill_opacity(80)


def lines(title: str, description: str, size: tuple[int, int], sql: str) -> logs.Panel:
    """Messages, the newest first."""
    panel = _place(logs.Panel(), title, description, size, CLICKHOUSE).with_target(Ask(sql, "logs"))
    panel.no_value(NOTHING).show_time(True).wrap_log_message(True).enable_log_details(True)
    return panel.sort_order(kinds.LogsSortOrder.DESCENDING)


def on_a_wall(panel: builder.Builder[Panel]) -> builder.Builder[Panel]:
    """The panel, so that it can be read from across a room: figures with names, and high rows."""
    if isinstance(panel, stat.Panel):
        panel.text(common.VizTextDisplayOptions().title_size(28).value_size(72))
        panel.text_mode(kinds.BigValueTextMode.VALUE_AND_NAME)
        made = panel.build()
        if made.title and not (made.field_config and made.field_config.overrides):
            panel.display_name(made.title)
    elif isinstance(panel, table.Panel):
        panel.cell_height(kinds.TableCellHeight.LG)
    return panel


def board(name: str, title: str, description: str, *, refresh: str = "10s") -> dashboard.Dashboard:
    """A dashboard with links to the others, in the same time range."""
    link = dashboard.DashboardLink("anchorwatch").type(DashboardLinkType.DASHBOARDS)
    link.tags(["anchorwatch"]).as_dropdown(False).include_vars(True).keep_time(True)
    made = dashboard.Dashboard(title).uid(f"anchorwatch-{name}").description(description)
    made.tags(["anchorwatch", "bgp"]).refresh(refresh).time("now-1h", "now").timezone("utc")
    made.tooltip(DashboardCursorSync.CROSSHAIR).link(link)
    return made


def clickhouse() -> dashboard.DatasourceVariable:
    """Which ClickHouse data source is asked."""
    variable = dashboard.DatasourceVariable("datasource").label("ClickHouse")
    return variable.type("grafana-clickhouse-datasource")


def prometheus() -> dashboard.DatasourceVariable:
    """Which Prometheus is asked."""
    return dashboard.DatasourceVariable("prometheus").label("Prometheus").type("prometheus")


def constants(plan: Plan) -> list[dashboard.ConstantVariable]:
    """What the questions have to know of the intent."""
    values = {"site": plan.site, "watch": plan.watch, "plan": plan.plan}
    return [dashboard.ConstantVariable(name).value(value) for name, value in values.items()]


def choice(
    name: str, label: str, options: Sequence[tuple[str, str]], *, several: bool = True
) -> dashboard.CustomVariable:
    """One or several of the names of the intent; values are what the questions compare with."""
    variable = dashboard.CustomVariable(name).label(label)
    listed = [(_escaped(text), _escaped(value)) for text, value in options]
    variable.values(", ".join(f"{t} : {v}" if t != v else t for t, v in listed))
    variable.allow_custom_value(False)
    if several:
        variable.multi(True).include_all(True)
        return variable.current(VariableOption(text=["All"], value=["$__all"], selected=True))
    text, value = options[0] if options else ("", "")
    return variable.current(VariableOption(text=text, value=value, selected=True))


def _escaped(text: str) -> str:
    return text.replace(",", "\\,")


def routers() -> dashboard.QueryVariable:
    """All routers that were ever seen, or some."""
    sql = "SELECT DISTINCT router FROM sessions ORDER BY router"
    variable = dashboard.QueryVariable("router").label("Router").datasource(CLICKHOUSE)
    variable.query(sql)
    variable.refresh(VariableRefresh.ON_DASHBOARD_LOAD).multi(True).include_all(True)
    return variable.current(VariableOption(text=["All"], value=["$__all"], selected=True))


def prefix_box(prefix: str) -> dashboard.TextBoxVariable:
    """The prefix that is looked into, typed or taken from a link."""
    variable = dashboard.TextBoxVariable("prefix").label("Prefix").default_value(prefix)
    return variable.current(VariableOption(text=prefix, value=prefix, selected=True))


def board_box(plan: Plan) -> dashboard.TextBoxVariable:
    """Where the browser finds anchorwatch's own board, for the links to its pages."""
    address = plan.board
    variable = dashboard.TextBoxVariable("board").label("Board").default_value(address)
    return variable.current(VariableOption(text=address, value=address, selected=True))


FORENSICS = (
    "Look into it",
    "/d/anchorwatch-forensics?var-prefix=${__data.fields.prefix}&${__url_time_range}",
)
"""The link of a column `prefix`."""
LOOK_INTO = (
    "Look into it",
    FORENSICS[1].replace("-forensics?", "-${__data.fields.look_into}?"),
)
"""The link of rows that say in `look_into` which dashboard tells more: not all have a prefix."""
THE_INCIDENT = ("Its page on the board", "${board:raw}/incidents/${__data.fields.id}")
"""The link of a column `id`; the dashboard needs `board_box`."""
THE_CUTOVER = ("Its page on the board", "${board:raw}/cutovers/${cutover:percentencode}")
TO_OVERVIEW = ("Open incidents", "/d/anchorwatch-overview?${__url_time_range}")
TIMES = dict.fromkeys(("opened", "changed", "since", "received", "time", "began"), "dateTimeAsIso")
