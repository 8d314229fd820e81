"""What all tests share: where the data of other projects lies, if it lies here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from collector.native import library

ROOT = Path(__file__).parents[1]


def unavailable(reason: str) -> NoReturn:
    """Skip for this reason, which must not be one in CI: there everything is installed."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def need_native() -> None:
    """Skip where the native decoder was not built."""
    if library() is None:
        unavailable("needs the native decoder: install with cargo")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Captures and vectors of other projects, in `shared/data` beside the checkout."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        reason = "needs the captures of other projects in shared/data beside the checkout"
        unavailable(reason)
    return path
