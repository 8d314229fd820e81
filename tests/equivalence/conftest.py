"""Both decoders must be there to be compared."""

from __future__ import annotations

import pytest

from tests.conftest import need_native


@pytest.fixture(autouse=True)
def _native() -> None:
    need_native()
