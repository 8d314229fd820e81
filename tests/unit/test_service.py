"""The units of systemd, and the files that docs/how-to/service.md shows."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from anchorwatch.cli import build_parser
from tests.conftest import ROOT, unavailable, unavailable_in_ci_too

UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
PROGRAM = "/opt/anchorwatch/bin/anchorwatch"
GUIDE = (ROOT / "docs/how-to/service.md").read_text()


def said(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(), re.MULTILINE)


def checked(*command: str) -> None:
    if shutil.which(command[0]) is None:
        unavailable(f"needs {command[0]}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_a_command_that_the_program_takes(unit: Path) -> None:
    (line,) = said(unit, "ExecStart")
    program, *words = shlex.split(line)
    assert program == PROGRAM
    build_parser().parse_args(words)


def test_the_service_can_be_reloaded_and_a_hang_up_is_no_end_of_it() -> None:
    unit = ROOT / "deploy/systemd/anchorwatch.service"
    assert said(unit, "ExecReload") == ["/bin/kill -HUP $MAINPID"]
    assert said(unit, "RestartForceExitStatus") == ["SIGHUP"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_a_unit(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        unavailable_in_ci_too("needs systemd-analyze (Debian: systemd)")
    copy = tmp_path / unit.name.replace("@", "@x")
    copy.write_text(unit.read_text().replace(PROGRAM, "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")  # what it does not know is a warning there


def block(word: str) -> str:
    (found,) = (each for each in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL) if word in each)
    return str(found)


def test_what_the_guide_shows_of_prometheus_is_right(tmp_path: Path) -> None:
    rules = ROOT / "deploy/prometheus" / "anchorwatch.rules.yml"
    assert f"rule_files: [{rules.name}]" in block("scrape_configs:")
    (tmp_path / rules.name).write_text(rules.read_text())
    (tmp_path / "prometheus.yaml").write_text(block("scrape_configs:"))
    checked("promtool", "check", "config", "--syntax-only", str(tmp_path / "prometheus.yaml"))


def test_what_the_guide_shows_of_alertmanager_is_right(tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yaml"
    path.write_text(block("receivers:"))
    checked("amtool", "check-config", str(path))
    routed = ("amtool", "config", "routes", "test", f"--config.file={path}")
    checked(*routed, "--verify.receivers=phone", "kill_switch=true", "severity=critical")
    checked(*routed, "--verify.receivers=noc", "kill_switch=false", "severity=critical")
