"""The lab for tests: skipped with its reason where it cannot be had, but never in CI."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.lab.lab import Lab
from deploy.lab.netns import LabUnavailableError
from tests.conftest import unavailable


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab in its steady state."""
    # Daemons drop to users of their own, who must reach their sockets.
    folder = tmp_path_factory.mktemp("lab")
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o755)
    try:
        lab = Lab(folder)
        lab.__enter__()
    except LabUnavailableError as error:
        unavailable(f"the lab {error}")
    try:
        yield lab
    finally:
        lab.__exit__(None, None, None)
