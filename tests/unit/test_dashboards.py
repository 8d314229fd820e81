"""The dashboards are built from the script, keep the rules of good ones, and name what exists.

What their questions answer is in tests/integration/dashboards.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.build import DASHBOARDS, FOLDER, content, demo_intent, rendered
from dashboards.grafana import expand, variables
from dashboards.plan import plan_of, text
from detectors.intent import load_intent, parse_intent
from tests.conftest import unavailable

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "deploy/grafana"
KNOWN_UNITS = {"short", "string", "s", "bytes", "percentunit", "cps", "Bps", "dateTimeAsIso"}


def dashboard(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return found


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_rebuild_changes_nothing(name: str) -> None:
    assert (FOLDER / name).read_text() == rendered(name, demo_intent())


def test_every_file_of_the_folder_is_built() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == set(DASHBOARDS)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_grafana_s_own_types_lose_nothing(name: str) -> None:
    register_default_plugins()
    there = dashboard(name)
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(there)))
    assert again == there


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_can_be_found_linked_and_refreshed(name: str) -> None:
    there = dashboard(name)
    assert there["uid"] == f"anchorwatch-{name.removesuffix('.json')}"
    assert there["title"].startswith("anchorwatch: ")
    assert there["description"]
    assert there["tags"] == ["anchorwatch", "bgp"]
    assert there["timezone"] == "utc"
    (link,) = there["links"]
    assert (link["type"], link["tags"], link["keepTime"]) == ("dashboards", ["anchorwatch"], True)


def test_titles_and_uids_are_unique() -> None:
    boards = [dashboard(name) for name in DASHBOARDS]
    for key in ("uid", "title"):
        assert len({board[key] for board in boards}) == len(boards)
    for board in boards:
        titles = [panel["title"] for panel in board["panels"]]
        assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_says_what_it_shows_and_asks_a_variable_data_source(name: str) -> None:
    there = dashboard(name)
    known = {v["name"]: v.get("query") for v in there["templating"]["list"]}
    for panel in there["panels"]:
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["targets"], panel["title"]
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        for source in sources:
            assert known[source["uid"].strip("${}")] == source["type"], panel["title"]
        if panel["type"] not in ("table", "logs"):
            assert panel["fieldConfig"]["defaults"]["unit"] in KNOWN_UNITS, panel["title"]
        if panel["type"] == "stat":
            assert len(panel["fieldConfig"]["defaults"]["thresholds"]["steps"]) >= 1
    numbers = [panel["id"] for panel in there["panels"]]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_panel_without_data_says_so(name: str) -> None:
    for panel in dashboard(name)["panels"]:
        said = panel["fieldConfig"]["defaults"]["noValue"]
        if panel["type"] in ("stat", "table"):  # also that of a single value
            assert said in ("0", "-", "not seen"), panel["title"]
        else:
            assert said == "nothing in this range", panel["title"]


@pytest.mark.parametrize("name", ["overview.json", "cutover.json"])
def test_what_hangs_on_a_wall_can_be_read_from_afar(name: str) -> None:
    kinds = set()
    for panel in dashboard(name)["panels"]:
        options = panel["options"]
        kinds.add(panel["type"])
        if panel["type"] == "stat":
            assert options["text"] == {"titleSize": 28, "valueSize": 72}
            assert options["textMode"] == "value_and_name"
            names = [each["matcher"]["options"] for each in panel["fieldConfig"]["overrides"]]
            told = names or [panel["fieldConfig"]["defaults"]["displayName"]]
            assert told == (names or [panel["title"]])
            # A wall of 1920 pixels has 24 columns, and rows of 38; a letter is 0.6 of its height.
            assert max(map(len, told)) * 0.6 * 28 < panel["gridPos"]["w"] * 80 / len(told)
            assert panel["gridPos"]["h"] * 38 - 40 > 1.2 * (28 + 72)
        elif panel["type"] == "table":
            assert options["cellHeight"] == "lg"
    assert kinds >= {"stat", "table"}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_fill_the_width_and_do_not_overlap(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard(name)["panels"]:
        place = panel["gridPos"]
        cells = {
            (place.get("x", 0) + dx, place.get("y", 0) + dy)
            for dx in range(place["w"])
            for dy in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    rows = {y for _, y in taken}
    assert all((x, y) in taken for y in rows for x in range(24)), "a hole in the wall"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_no_macro_and_no_variable_is_left_over(name: str) -> None:
    there = dashboard(name)
    values = variables(there)
    for panel in there["panels"]:
        for target in panel["targets"]:
            if "rawSql" in target:
                asked = expand(target["rawSql"], values, 0, 1000)
                assert "$" not in asked, asked[asked.index("$") - 40 :][:100]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_variable_is_used(name: str) -> None:
    there = dashboard(name)
    used = json.dumps(there["panels"])
    for variable in there["templating"]["list"]:
        if variable["type"] != "constant":  # these come as one set
            assert re.search(rf"\$\{{{variable['name']}\b|\${variable['name']}\)", used)


def test_links_lead_to_dashboards_and_variables_that_exist() -> None:
    boards = {dashboard(name)["uid"]: dashboard(name) for name in DASHBOARDS}
    found = set(re.findall(r'"url": "(/d/[^"]*)"', json.dumps(list(boards.values()))))
    assert len(found) >= 3
    assert {f"anchorwatch-{each}" for each in ("forensics", "flowspec", "collector")} <= set(boards)
    for each in found:  # of those that a row may lead to, only forensics knows a prefix
        url = each.replace("${__data.fields.look_into}", "forensics")
        uid = url.split("/")[2].partition("?")[0]
        names = {variable["name"] for variable in boards[uid]["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)=", url)) <= names


def links_of(panel: dict[str, Any]) -> dict[str, str]:
    """The addresses that the columns of a table lead to."""
    return {
        override["matcher"]["options"]: link["url"]
        for override in panel["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "links"
        for link in each["value"]
    }


def test_the_cutover_room_leads_to_the_pages_of_the_board() -> None:
    there = dashboard("cutover.json")
    assert variables(there)["board"] == ["http://127.0.0.1:8480"]
    panels = {panel["title"]: panel for panel in there["panels"]}
    # A name may have any sign in it, as a `/`, and is one part of the address even so.
    assert links_of(panels["The plan"]) == {
        "cutover": "${board:raw}/cutovers/${cutover:percentencode}"
    }
    assert links_of(panels["Events"]) == {"id": "${board:raw}/incidents/${__data.fields.id}"}


# Prometheus


def exprs() -> dict[str, str]:
    """Every question to Prometheus, of panels and alert rules, by where it stands."""
    found = {
        f"{name}: {panel['title']} {target['refId']}": target["expr"]
        for name in DASHBOARDS
        for panel in dashboard(name)["panels"]
        for target in panel["targets"]
        if "expr" in target
    }
    for rule in alert_rules():
        for part in rule["data"]:
            if "expr" in part["model"]:
                found[f"alert: {rule['title']}"] = part["model"]["expr"]
    for alert in prometheus_alerts():
        found[f"Prometheus: {alert['alert']}"] = alert["expr"]
    return found


def prometheus_alerts() -> list[dict[str, Any]]:
    """The alert rules for those who alert from Prometheus."""
    (group,) = yaml.safe_load(PROMETHEUS.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


PROMETHEUS = ROOT / "deploy/prometheus/anchorwatch.rules.yml"
OF_TABLES = ("anchorwatch_gobgp_", "anchorwatch_board_")
"""What metrics begin with whose names the program puts together, or has elsewhere."""


def test_every_metric_has_a_panel_and_every_panel_a_metric_that_exists() -> None:
    listed = set(
        re.findall(
            r"^\| `(\w+)` \|", (ROOT / "docs/reference/metrics.md").read_text(), re.MULTILINE
        )
    )
    source = "".join(file.read_text() for file in sorted((ROOT / "anchorwatch").glob("*.py")))
    asked = {
        metric.removesuffix("_bucket")
        for expr in exprs().values()
        for metric in re.findall(r"anchorwatch_\w+", expr)
    }
    assert asked == listed
    literal = {name for name in asked if not name.startswith(OF_TABLES)}
    unknown = {name for name in literal if f'"{name.removesuffix("_total")}"' not in source}
    assert not unknown


def test_prometheus_understands_every_question(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        unavailable("needs promtool (Debian: prometheus)")
    rules = [
        {"record": f"asked:{number}", "expr": expr.replace("$__rate_interval", "1m")}
        for number, expr in enumerate(exprs().values())
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


# Provisioning


def provisioned(path: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((GRAFANA / "provisioning" / path).read_text())
    return found


def alert_rules() -> list[dict[str, Any]]:
    (group,) = provisioned("alerting/anchorwatch.yaml")["groups"]
    return list(group["rules"])


def test_the_data_sources_are_those_that_dashboards_and_alerts_ask() -> None:
    sources = provisioned("datasources/anchorwatch.yaml")["datasources"]
    by_uid = {source["uid"]: source["type"] for source in sources}
    assert sorted(by_uid.values()) == ["grafana-clickhouse-datasource", "prometheus"]
    for rule in alert_rules():
        for part in rule["data"]:
            assert part["datasourceUid"] in {*by_uid, "__expr__"}, rule["title"]


def test_alert_rules_say_what_to_do_and_have_a_condition() -> None:
    rules = alert_rules()
    assert len({rule["uid"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["condition"] in {part["refId"] for part in rule["data"]}
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["noDataState"] in ("OK", "Alerting", "NoData")


def test_dashboards_are_provisioned_from_where_they_are() -> None:
    (provider,) = provisioned("dashboards/anchorwatch.yaml")["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"].endswith("/dashboards")


# The intent


def test_names_of_the_intent_stand_as_text() -> None:
    assert text("it's $5\\") == r"'it\'s \x245\\'"


def test_an_empty_intent_makes_dashboards_too() -> None:
    plan = plan_of(parse_intent("version: 1"))
    assert plan.site == "next_hop"
    assert plan.watch.startswith("null('kind String")
    for name in DASHBOARDS:
        assert content(name, parse_intent("version: 1"))["panels"]


def test_the_better_matcher_goes_first() -> None:
    plan = plan_of(load_intent(ROOT / "docs/examples/intent.yaml"))
    hosts = [f"('{host}', '::ffff:{host}')" for host in ("10.0.0.1", "10.0.1.1", "10.0.1.2")]
    assert plan.site == (
        f"multiIf(originator_id = '10.0.0.1', 'legacy-pe', next_hop IN {hosts[0]}, 'legacy-pe', "
        f"next_hop IN {hosts[1]}, 'new-pe1', next_hop IN {hosts[2]}, 'new-pe2', "
        f"if(peer = '', next_hop, peer) IN {hosts[0]}, 'legacy-pe', "
        "concat('unknown site ', next_hop))"
    )


PLANNED = """
version: 1
sites: {old: {match: [{peer: 10.0.0.1}]}, new: {match: [{peer: 10.0.1.1}]}}
services: [{name: web, prefix: 192.0.2.50/32, home: [old]}]
cutovers:
  - {name: over, service: web, from: old, to: [new],
     window: [2020-01-01T22:00:00Z, 2020-01-01T23:00:00Z]}
  - {name: last, service: web, from: old, to: [new],
     window: [2120-01-01T22:00:00Z, 2120-01-01T23:00:00Z]}
  - {name: next, service: web, from: old, to: [new],
     window: [2110-01-01T22:00:00Z, 2110-01-01T23:00:00Z]}
  - {name: long over, service: web, from: old, to: [new],
     window: [2010-01-01T22:00:00Z, 2010-01-01T23:00:00Z]}
"""


def chosen(there: dict[str, Any]) -> tuple[str, list[str]]:
    """Which cutover the room opens on, and which it lists."""
    (variable,) = (v for v in there["templating"]["list"] if v["name"] == "cutover")
    return variable["current"]["value"], variable["query"].split(", ")


def test_the_cutover_room_opens_on_the_one_that_runs_or_is_next() -> None:
    intent = parse_intent(PLANNED)
    # Without a time, as what is checked in is built: the latest.
    assert chosen(content("cutover.json", intent)) == (
        "last",
        ["last", "next", "over", "long over"],
    )
    window = intent.cutovers[2].window
    for now in (window.start - 1, window.start, window.end):
        built = content("cutover.json", intent, now=now)
        assert chosen(built) == ("next", ["next", "last", "over", "long over"])
    built = content("cutover.json", intent, now=window.end + 1)
    assert chosen(built) == ("last", ["last", "next", "over", "long over"])


def test_the_command_knows_the_time(tmp_path: Path) -> None:
    intent = tmp_path / "intent.yaml"
    intent.write_text(PLANNED)
    words = ("-m", "dashboards.build", "--intent", intent, "--output", tmp_path)
    subprocess.run([sys.executable, *map(str, words)], cwd=ROOT, check=True)
    assert chosen(json.loads((tmp_path / "cutover.json").read_text()))[0] == "next"


def test_the_command_writes_for_another_intent_or_says_what_is_wrong(tmp_path: Path) -> None:
    def build(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dashboards.build", *map(str, words)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    intent = tmp_path / "intent.yaml"
    shutil.copy(ROOT / "docs/examples/intent.yaml", intent)
    done = build("--intent", intent, "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    built = json.loads((tmp_path / "cutover.json").read_text())
    assert variables(built)["cutover"] == ["legacy-beast-2026-12"]
    for wrong, words in (
        (("--intent", tmp_path / "none.yaml"), "none.yaml"),
        (("--output", tmp_path / "none"), "No such file or directory"),
    ):
        done = build(*wrong)
        assert done.returncode == 1
        assert words in done.stderr
        assert "Traceback" not in done.stderr
