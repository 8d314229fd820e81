"""Sums up how much was compared with each decoder."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.golden.rows import TALLIES, Tally


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """With `-s`, one line for each source."""
    if terminalreporter.config.getoption("capture") != "no" or not TALLIES:
        return
    sources: dict[str, list[Tally]] = defaultdict(list)
    for tally in TALLIES:
        sources[tally.source.split(" ")[0]].append(tally)
    terminalreporter.section("compared with the decode of others")
    for source, tallies in sorted(sources.items()):
        terminalreporter.line(str(sum(tallies, Tally(source))))
