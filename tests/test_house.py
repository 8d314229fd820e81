"""The house rules: who may import whom, what stays pure, and the linters."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import unavailable

ROOT = Path(__file__).parents[1]
OURS = ("anchorwatch", "collector", "detectors", "deploy", "dashboards", "benchmarks", "tests")

MAY_IMPORT = {
    "collector/event.py": (),
    "collector/gobgp_api": (),
    "collector/quirks": ("collector.event", "collector.quirks"),
    "collector/wire": ("collector.event", "collector.quirks", "collector.wire"),
    "collector/native": (),
    "collector/inputs": (
        *("collector.event", "collector.wire", "collector.inputs"),
        *("collector.gobgp_api", "collector.native", "collector.quirks"),
    ),
    "collector/store": ("collector.event", "collector.native", "collector.store"),
    "detectors/documents.py": (),
    "detectors/joined.py": ("detectors.documents",),
    "detectors/intent": (
        *("collector.event", "detectors.documents", "detectors.intent", "detectors.joined"),
    ),
    "detectors/packets": ("detectors.intent", "detectors.packets"),
    "detectors/suggest.py": ("detectors.intent", "detectors.packets"),
    "detectors/base.py": (
        *("collector.event", "detectors.feed", "detectors.intent"),
        *("detectors.route", "detectors.routes"),
    ),
    "detectors/watched.py": (),
    "detectors/gaps.py": ("collector.event",),
    "detectors/feed.py": ("collector.event", "collector.quirks", "detectors.gaps"),
    "detectors/feeds.py": ("collector.event", "detectors.feed"),
    "detectors/pre_policy.py": ("collector.event", "detectors.feed"),
    "detectors/route.py": ("collector.event", "detectors.feed"),
    "detectors/route_table.py": (
        *("collector.event", "detectors.feed", "detectors.route", "detectors.watched"),
    ),
    "detectors/sessions.py": (
        *("collector.event", "collector.quirks", "detectors.feed", "detectors.feeds"),
        *("detectors.gaps", "detectors.pre_policy", "detectors.route", "detectors.route_table"),
    ),
    "detectors/routes.py": (
        *("collector.event", "detectors.feed", "detectors.feeds", "detectors.pre_policy"),
        *("detectors.progress", "detectors.route", "detectors.route_table", "detectors.sessions"),
    ),
    "detectors/probes.py": ("detectors.intent",),
    "detectors/progress.py": ("collector.event", "detectors.feed", "detectors.route"),
    "detectors/sites.py": (
        *("collector.event", "detectors.intent", "detectors.route", "detectors.routes"),
    ),
    "detectors/sight.py": (
        *("collector.event", "detectors.intent", "detectors.progress"),
        *("detectors.route", "detectors.routes", "detectors.sites"),
    ),
    "detectors/cutovers.py": ("detectors.intent", "detectors.progress", "detectors.routes"),
    "detectors/incidents.py": ("collector.event", "detectors.base"),
    "detectors/grouping.py": ("collector.event", "detectors.base"),
    "detectors/explain.py": (
        *("collector.event", "detectors.feeds", "detectors.intent", "detectors.packets"),
        *("detectors.route", "detectors.rules"),
    ),
    # What a rule asks (routes, sites, cutovers, packets) is pure state and algebra.
    "detectors/rules": (
        "collector.event",
        "detectors.base",
        "detectors.cutovers",
        "detectors.feed",
        "detectors.feeds",
        "detectors.gaps",
        "detectors.intent",
        "detectors.packets",
        "detectors.probes",
        "detectors.progress",
        "detectors.route",
        "detectors.routes",
        "detectors.rules",
        "detectors.sight",
        "detectors.sites",
    ),
    "detectors/audience.py": ("detectors.base", "detectors.route"),
    "detectors/engine.py": (
        "collector.event",
        "detectors.audience",
        "detectors.base",
        "detectors.cutovers",
        "detectors.feed",
        "detectors.grouping",
        "detectors.incidents",
        "detectors.intent",
        "detectors.progress",
        "detectors.route",
        "detectors.routes",
        "detectors.rules",
        "detectors.sight",
        "detectors.watched",
    ),
    "detectors/pagers": ("collector.event", "detectors.incidents", "detectors.pagers"),
}
"""What each part may import of the others. `anchorwatch` wires everything and may import all."""

PURE = (
    "collector/event.py",
    "collector/inputs/gobgp/attributes.py",
    "collector/inputs/gobgp/extended.py",
    "collector/inputs/gobgp/octets.py",
    "collector/inputs/gobgp/session.py",
    "collector/inputs/gobgp/table.py",
    "collector/inputs/gobgp/update.py",
    "collector/quirks",
    "collector/wire",
    "detectors/audience.py",
    "detectors/base.py",
    "detectors/cutovers.py",
    "detectors/engine.py",
    "detectors/explain.py",
    "detectors/feed.py",
    "detectors/feeds.py",
    "detectors/gaps.py",
    "detectors/grouping.py",
    "detectors/incidents.py",
    "detectors/packets",
    "detectors/pre_policy.py",
    "detectors/probes.py",
    "detectors/progress.py",
    "detectors/route.py",
    "detectors/route_table.py",
    "detectors/routes.py",
    "detectors/rules",
    "detectors/sessions.py",
    "detectors/sight.py",
    "detectors/sites.py",
    "detectors/watched.py",
)
"""Parts without a clock, I/O or logging: what they do follows from what they are given."""
IMPURE = {
    *("asyncio", "io", "logging", "os", "pathlib", "random", "secrets", "select", "shutil"),
    *("signal", "socket", "sqlite3", "subprocess", "tempfile", "threading", "time", "urllib"),
}
IMPURE_CALLS = {"open", "print", "input", "now", "utcnow", "today"}


def sources(part: str) -> list[Path]:
    path = ROOT / part
    return [path] if path.suffix else sorted(path.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            assert node.module is not None
            yield node.module


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_only_what_the_design_allows(part: str) -> None:
    allowed = MAY_IMPORT[part]
    files = sources(part)
    assert files, f"{part} is gone: mend the table"
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imports(path)
        if name.split(".")[0] in OURS
        and not any(name == ok or name.startswith(f"{ok}.") for ok in allowed)
    ]
    assert not wrong


@pytest.mark.parametrize("part", ["collector", "detectors"])
def test_every_part_is_in_the_table(part: str) -> None:
    covered = {path for row in MAY_IMPORT for path in sources(row)}
    docstring_only = ROOT / part / "__init__.py"
    missing = set(sources(part)) - covered - {docstring_only}
    assert not missing


@pytest.mark.parametrize("part", PURE)
def test_no_clock_and_no_io_in_pure_parts(part: str) -> None:
    for path in sources(part):
        tree = ast.parse(path.read_text())
        assert not IMPURE.intersection(name.split(".")[0] for name in imports(path)), path
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", None))
                assert name not in IMPURE_CALLS, f"{path}:{node.lineno}: calls {name}"


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
    ],
    ids=" ".join,
)
def test_linters_pass(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["cargo", "fmt", "--check"],
        ["cargo", "clippy", "--offline", "--all-targets", "--", "-D", "warnings"],
    ],
    ids=" ".join,
)
def test_linters_of_the_native_decoder_pass(command: list[str]) -> None:
    if shutil.which("cargo") is None:
        unavailable("needs cargo with clippy and rustfmt")
    done = subprocess.run(command, cwd=ROOT / "native", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_unsafe_code_is_in_the_c_abi_alone() -> None:
    source = ROOT / "native" / "src"
    library = (source / "lib.rs").read_text()
    modules = re.findall(r"^(?:#\[(.*)\]\n)?(?:pub )?mod (\w+);", library, re.MULTILINE)
    assert modules == [("", "abi"), ("forbid(unsafe_code)", "decode")]
    outside = {path.name for path in source.glob("*.rs")}
    assert outside == {"lib.rs", "abi.rs"}
