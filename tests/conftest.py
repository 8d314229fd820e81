"""What all tests share: where the data of other projects lies, if it lies here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Captures and vectors of other projects, in `shared/data` beside the checkout."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        reason = "needs the captures of other projects in shared/data beside the checkout"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return path
