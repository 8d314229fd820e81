"""Builds the native decoder where cargo is. Without it the Python decoder does all the work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
CRATE = ROOT / "native"
LIBRARY = ROOT / "collector" / "native" / "libanchorwatch_native.so"
WITHOUT = "ANCHORWATCH_WITHOUT_NATIVE"


def build_native() -> None:
    """Put the library beside its binding; say so where that cannot be done."""
    LIBRARY.unlink(missing_ok=True)
    cargo = shutil.which("cargo")
    if cargo is None or os.environ.get(WITHOUT):
        sys.stderr.write("no native decoder: cargo is not there or not wanted\n")
        return
    # The crate has no dependencies, so nothing is fetched.
    command = [cargo, "build", "--release", "--offline", "--locked"]
    done = subprocess.run(command, cwd=CRATE, check=False)  # noqa: S603 - our own command
    if done.returncode:
        sys.stderr.write("no native decoder: cargo build failed\n")
        return
    shutil.copy2(CRATE / "target" / "release" / LIBRARY.name, LIBRARY)


class BuildPy(build_py):
    """Builds the library before the packages are put together."""

    def run(self) -> None:
        """Build."""
        build_native()
        super().run()


class BdistWheel(bdist_wheel):
    """One wheel for every Python 3 of a platform: the library knows nothing of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        """`py3-none-<platform>`, or what a pure wheel has."""
        python, abi, platform = super().get_tag()
        return ("py3", "none", platform) if LIBRARY.exists() else (python, abi, platform)


class Platform(Distribution):
    """A distribution that may hold a library of one platform."""

    def has_ext_modules(self) -> bool:
        """Whether the wheel belongs to a platform."""
        return LIBRARY.exists() or shutil.which("cargo") is not None


setup(cmdclass={"build_py": BuildPy, "bdist_wheel": BdistWheel}, distclass=Platform)
