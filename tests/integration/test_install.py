"""What an install makes, with and without cargo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import need_native, unavailable

ROOT = Path(__file__).parents[2]
LIBRARY = "collector/native/libanchorwatch_native.so"


def wheel(tmp_path: Path, **environment: str) -> Path:
    """Build a wheel from a copy of the tree, as git has it."""
    tree = tmp_path / "tree"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, files.stdout.decode().split("\0")):
        if (ROOT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), "."]
    subprocess.run(command, cwd=tree, env=os.environ | environment, check=True)
    (found,) = tmp_path.glob("*.whl")
    return found


def imported(found: Path, tmp_path: Path) -> str:
    """Which decoder the wheel's own code says that it has."""
    with zipfile.ZipFile(found) as archive:
        archive.extractall(tmp_path / "unpacked")
    code = "from collector.native import decoder_name; print(decoder_name())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "unpacked",
        env=os.environ | {"PYTHONPATH": str(tmp_path / "unpacked")},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_with_cargo_one_wheel_serves_every_python_of_the_platform(tmp_path: Path) -> None:
    if shutil.which("cargo") is None:
        unavailable("needs cargo")
    found = wheel(tmp_path)
    assert "-py3-none-linux_" in found.name
    assert LIBRARY in zipfile.ZipFile(found).namelist()
    assert imported(found, tmp_path) == "native"


def test_without_cargo_the_install_still_succeeds(tmp_path: Path) -> None:
    found = wheel(tmp_path, ANCHORWATCH_WITHOUT_NATIVE="1")
    assert LIBRARY not in zipfile.ZipFile(found).namelist()
    assert imported(found, tmp_path) == "python"


@pytest.mark.parametrize("decoder", ["python", "native"])
def test_the_version_says_which_decoder_runs(decoder: str) -> None:
    if decoder == "native":
        need_native()
    done = subprocess.run(
        [sys.executable, "-m", "anchorwatch", "version"],
        cwd=ROOT,
        env=os.environ | {"ANCHORWATCH_DECODER": decoder},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"decoder     {decoder}\n" in done.stdout
