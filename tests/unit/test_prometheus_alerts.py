"""The alert rules for Prometheus, tried with its own tool."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import unavailable
from tests.unit.test_dashboards import PROMETHEUS, alert_rules, prometheus_alerts

FIRES: dict[str, tuple[str, str]] = {
    "AnchorwatchIsNotThere": ("up", "1x10"),
    "AnchorwatchReadingIsPaused": ("anchorwatch_reading_paused", "1x10"),
    "AnchorwatchReceiverTakesNoPages": (
        'anchorwatch_pager_failing_seconds{pager="noc"}',
        "0+30x10",
    ),
    "AnchorwatchRuleIsAtFault": ('anchorwatch_rule_errors_total{rule="flapping"}', "0 1x9"),
    "AnchorwatchRowsWait": ("anchorwatch_spool_age_seconds", "0+60x10"),
    "AnchorwatchInsertsFail": ("anchorwatch_store_insert_failures_total", "0+1x10"),
    "AnchorwatchFeedsAreBlind": ("anchorwatch_feeds_blind", "1x10"),
    "AnchorwatchControllerIsNotConnected": ('anchorwatch_gobgp_up{router="c"}', "0x10"),
    "AnchorwatchIntentIsNotUsed": (
        'anchorwatch_intent_reloads_total{result="refused"}',
        "0 1x9",
    ),
    "AnchorwatchProbesHaveEnded": ("anchorwatch_probes_total", "5x10"),
}
"""What each alert fires upon: a series, and its values minute by minute."""
ALL_WELL = {
    "anchorwatch_build_info": "1x10",
    "anchorwatch_reading_paused": "0x10",
    'anchorwatch_pager_failing_seconds{pager="noc"}': "0 40 0x8",
    'anchorwatch_rule_errors_total{rule="flapping"}': "3x10",
    "anchorwatch_spool_age_seconds": "0 200 0x8",
    "anchorwatch_store_insert_failures_total": "7x10",
    "anchorwatch_feeds_blind": "0 1 1 1 0x6",
    'anchorwatch_gobgp_up{router="c"}': "1 0 1x8",
    'anchorwatch_intent_reloads_total{result="refused"}': "2x10",
    "anchorwatch_probes_total": "0+6x10",
}


def test_each_alert_for_prometheus_fires_when_it_should_and_not_before(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        unavailable("needs promtool (Debian: prometheus)")
    assert {alert["alert"] for alert in prometheus_alerts()} == FIRES.keys()
    tests: list[dict[str, Any]] = [
        {
            "interval": "1m",
            "input_series": [{"series": series, "values": values}],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}})',
                    "eval_time": "9m",
                    "exp_samples": [{"value": 1}],
                }
            ],
        }
        for name, (series, values) in FIRES.items()
    ]
    tests.append(
        {
            "interval": "1m",
            "input_series": [{"series": s, "values": v} for s, v in ALL_WELL.items()],
            "promql_expr_test": [
                {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{minute}m"}
                for minute in range(10)
            ],
        }
    )
    file = tmp_path / "tests.yml"
    file.write_text(
        yaml.safe_dump(
            {"rule_files": [str(PROMETHEUS)], "evaluation_interval": "1m", "tests": tests}
        )
    )
    done = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_alerts_on_what_grafana_alerts_on() -> None:
    """But for the incident in the store, of which Prometheus knows nothing."""

    def metrics(exprs: Iterable[str]) -> set[str]:
        return {metric for expr in exprs for metric in re.findall(r"anchorwatch_\w+", expr)}

    asked = [
        part["model"]["expr"]
        for rule in alert_rules()
        for part in rule["data"]
        if "expr" in part["model"]
    ]
    assert metrics(asked) == metrics(alert["expr"] for alert in prometheus_alerts())
