"""What all tests share: where the data of other projects lies, if it lies here."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from collector.native import library

ROOT = Path(__file__).parents[1]

# A busy machine makes examples slowly, which is no fault of theirs. What is new is looked for by
# whoever works on it; CI says whether what passed before does so still.
settings.register_profile(
    "anchorwatch",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
settings.load_profile("anchorwatch")


def unavailable(reason: str) -> NoReturn:
    """Skip for this reason, which must not be one in CI: there everything is installed."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def unavailable_in_ci_too(reason: str) -> NoReturn:
    """Skip for this reason, which CI cannot mend: no package that it installs holds what is needed.

    The tests that so skip have one beside them that runs everywhere.
    """
    pytest.skip(reason)


def need_native() -> None:
    """Skip where the native decoder was not built."""
    if library() is None:
        unavailable("needs the native decoder: install with cargo")


@contextmanager
def disk(folder: Path, options: str) -> Iterator[Path]:
    """A disk of its own at `folder`, as `mount` takes its options: `size=24m`, `ro`."""
    if os.geteuid() != 0:
        unavailable("needs root, to mount a disk")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk that has room for a new store and little more."""
    with disk(tmp_path / "disk", "size=24m") as folder:
        yield folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Captures and vectors of other projects, in `shared/data` beside the checkout."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        reason = "needs the captures of other projects in shared/data beside the checkout"
        unavailable(reason)
    return path
