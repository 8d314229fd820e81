"""The descriptors that are checked in are those of the protos beside them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from collector import gobgp_api

HERE = Path(gobgp_api.__file__).parent


@pytest.mark.parametrize("version", [3, 4])
def test_made_again_they_are_the_same(tmp_path: Path, version: int) -> None:
    shutil.copytree(HERE / "protos", tmp_path / "protos")
    shutil.copy(HERE / "make.sh", tmp_path)
    environment = {**os.environ, "PYTHON": sys.executable}
    subprocess.run([tmp_path / "make.sh"], check=True, env=environment)
    made, kept = (
        FileDescriptorSet.FromString((folder / f"v{version}.binpb").read_bytes())
        for folder in (tmp_path, HERE)
    )
    assert {file.name: file for file in made.file} == {file.name: file for file in kept.file}
    assert kept.file
