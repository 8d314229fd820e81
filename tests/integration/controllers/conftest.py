"""Real GoBGP controllers of several releases, and who watches them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.lab.daemons_of_other_suites import FOLDER, unpacked
from tests.conftest import unavailable
from tests.integration.gobgp import Pair, Watching

VERSIONS = {"installed": 3, "3.36": 3, "4.8": 4}
"""GoBGP by its release: the version of its gRPC interface."""
RULE = (
    "-a ipv4-flowspec match destination 192.0.2.50/32 protocol tcp destination-port >=8080&<=8088"
)


def programs(release: str) -> tuple[list[str], list[str]]:
    """gobgpd and gobgp of a release; skips where they are not to be had."""
    if release == "installed":
        if shutil.which("gobgpd") is None:
            unavailable("needs the Debian package gobgpd")
        return ["gobgpd"], ["gobgp"]
    found = unpacked("gobgpd", release)
    if found is None:
        pytest.skip(f"needs gobgpd-{release} in the folder that {FOLDER} names: docs/how-to/lab.md")
    return found.command("usr/bin/gobgpd"), found.command("usr/bin/gobgp")


@pytest.fixture(params=VERSIONS)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pair(release: str, tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path, *programs(release))
    yield pair
    pair.close()


@pytest.fixture
def watching(pair: Pair) -> Iterator[Watching]:
    watching = Watching(f"127.0.0.1:{pair.controller.api}")
    yield watching
    watching.close()
