"""The stores that the dashboards are asked of.

They hold recordings of real daemons, the demonstration's story and one of an anycast site that
flaps (with results of probes, made here), moves that are made up, and what the detectors said.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.dashboards.made import MOVES
from tests.integration.dashboards.played import FLAP, STORY, Played, play


@pytest.fixture(scope="package")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    yield from play(tmp_path_factory.mktemp("story"), STORY)


@pytest.fixture(scope="package")
def flap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    yield from play(tmp_path_factory.mktemp("flap"), FLAP)


@pytest.fixture(scope="package")
def moves(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    yield from play(tmp_path_factory.mktemp("moves"), MOVES)
