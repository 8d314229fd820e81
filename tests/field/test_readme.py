"""Every sentence about the field has its tests, and they are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_every_test_that_the_readme_names_is_there() -> None:
    readme = (ROOT / "tests" / "README.md").read_text()
    named = NAMED.findall(readme)
    assert len(named) > 30
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text())
        defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert name in defined, f"{path}::{name}"


def test_every_line_of_its_tables_names_a_test() -> None:
    readme = (ROOT / "tests" / "README.md").read_text()
    rows = [line for line in readme.splitlines() if line.startswith("| ") and "---" not in line]
    rows = [row for row in rows if not row.startswith("| what ")]
    assert len(rows) > 25
    assert [row for row in rows if not NAMED.search(row)] == []
