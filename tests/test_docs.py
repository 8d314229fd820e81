"""What the documents say is true: links lead somewhere, commands exist, tables are complete."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from anchorwatch.board.live import Live
from anchorwatch.board.now import Now
from anchorwatch.board.past import Past
from anchorwatch.cli import COMMANDS, build_parser, with_moments
from anchorwatch.heartbeat import Heartbeat, HeartbeatSettings
from anchorwatch.impairments import Impairments
from anchorwatch.intent_files import IntentFiles
from anchorwatch.metrics import Metrics, Parts
from anchorwatch.settings import read_settings
from anchorwatch.web.clickhouse import Counts
from collector.inputs.bgpstream import BgpStreamSource, Request
from collector.inputs.bmp import BmpServer
from collector.inputs.clock import Clock
from collector.inputs.gobgp.client import GobgpClient
from collector.inputs.gobgp.controller import Controller
from collector.inputs.probes.intake import ProbeIntake
from collector.store.remote import RemoteStore
from collector.store.writer import Writer
from detectors.engine import Engine
from detectors.intent import parse_intent
from detectors.pagers.delivery import Delivery
from detectors.pagers.outbox import Outbox
from detectors.rules import discover

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_line_is_one_that_the_program_takes(page: Path) -> None:
    """Also in running text: `anchorwatch …` in a code span or block parses."""
    text = page.read_text()
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    lines = re.findall(r"^(?:\.venv/bin/)?anchorwatch (.+)$", blocks, re.MULTILINE)
    lines += re.findall(r"`anchorwatch ([^`]+)`", text)
    for line in lines:
        words = shlex.split(re.sub(r"\s+", " ", line.split(" #")[0]))
        if words[0] not in COMMANDS or any(word in "…|" for word in words) or len(words) == 1:
            assert words[0].strip("…") in (*COMMANDS, "", "version"), line
            continue
        build_parser().parse_args(with_moments(words))


def test_the_readmes_picture_and_commands_are_there() -> None:
    readme = (ROOT / "README.md").read_text()
    first_screen = readme[:1800]
    assert "docs/demo.svg" in first_screen
    assert "anchorwatch demo" in first_screen
    assert ".venv/bin/pytest" in first_screen
    assert "What it is not for" in first_screen
    assert (ROOT / "docs" / "demo.svg").read_text().startswith("<svg")


def test_the_readme_names_every_detector() -> None:
    readme = (ROOT / "README.md").read_text()
    for rule in discover():
        assert f"| `{rule.name}` |" in readme


def test_the_readmes_settings_are_right(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    path = tmp_path / "anchorwatch.yaml"
    path.write_text(re.sub(r"^   ", "", block, flags=re.MULTILINE))
    assert read_settings(path).bmp.routers[0].name == "rr1"


def test_every_metric_is_in_the_reference_with_its_help(tmp_path: Path) -> None:
    """In a child process, as the store takes one folder for the life of a process."""
    code = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from tests.test_docs import all_metrics\n"
        "for line in all_metrics(Path(sys.argv[1])): print(line)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reference = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    lines = done.stdout.splitlines()
    assert len(lines) > 15
    for line in lines:
        assert line in reference
    assert reference.count("| `anchorwatch_") == len(lines)


def all_metrics(folder: Path) -> list[str]:
    """A row of the reference for each metric of a whole program."""
    writer = Writer.embedded(folder / "store")
    outbox = Outbox(folder / "outbox", [])
    metrics = Metrics()
    server = BmpServer([], lambda events, blocks: None, writer.room, lambda: 0)
    engine = Engine(parse_intent("version: 1"))
    parts = (Clock(), server, engine, Impairments(), writer, outbox, Delivery(outbox, []))
    metrics.watch(Parts(*parts))
    metrics.asked = Counts()
    metrics.board = Live(Now(lambda: engine)), Past(lambda: RemoteStore("http://127.0.0.1:1"))
    metrics.intent = IntentFiles(ROOT / "docs/examples/intent.yaml")
    metrics.probes = ProbeIntake([], print, Clock(), print)
    controller = Controller("rr1", "192.0.2.1:50051")
    metrics.gobgp = [GobgpClient(controller, print, writer.room, Clock())]
    switch = HeartbeatSettings(url="http://127.0.0.1:1/")
    metrics.heartbeat = Heartbeat(switch, list, dict)
    metrics.public = BgpStreamSource(Request(prefixes=()), print, writer.room, Clock())
    rows = []
    for family in metrics.collect():
        suffix = {"counter": "_total"}.get(family.type, "")
        rows.append(f"| `{family.name}{suffix}` | {family.type} | {family.documentation} |")
    writer.close()
    outbox.close()
    return rows


def test_every_detector_has_its_section() -> None:
    page = (ROOT / "docs/reference/detectors.md").read_text()
    assert re.findall(r"(?m)^## (.*)$", page) == sorted(rule.name for rule in discover())
