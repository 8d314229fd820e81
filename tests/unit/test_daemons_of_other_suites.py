"""Fetching daemons of other suites, by a real apt from a small archive in a folder."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.lab import daemons_of_other_suites as suites
from deploy.lab.daemons_of_other_suites import FOLDER, main, unpacked
from tests.conftest import unavailable

PROGRAM = "usr/bin/gobgpd"
PACKAGES = {
    "gobgpd": ("Depends: libthing (>= 1), adduser | passwd\n", PROGRAM),
    "libthing": ("", "usr/lib/x86_64-linux-gnu/libthing.so.1"),
}


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite with a daemon, which needs a library, and something that is no library."""
    if shutil.which("dpkg-deb") is None or shutil.which("apt-get") is None:
        unavailable("needs dpkg-deb and apt-get")
    monkeypatch.setattr(suites, "WANTED", {"trixie": ("gobgpd",)})
    folder = tmp_path / "archive"
    folder.mkdir()
    index = "".join(_package(tmp_path / name, folder, name) for name in PACKAGES)
    (folder / "Packages").write_text(index)
    digest = hashlib.sha256(index.encode()).hexdigest()
    (folder / "Release").write_text(
        f"Suite: trixie\nCodename: trixie\nSHA256:\n {digest} {len(index)} Packages\n"
    )
    (tmp_path / "sources.list").write_text(f"deb [trusted=yes] file:{folder} ./\n")
    return folder


def _package(root: Path, folder: Path, name: str) -> str:
    """Build it; answer its paragraph of the index."""
    needs, program = PACKAGES[name]
    control = (
        f"Package: {name}\nVersion: 1:3.36.0-2+b3\nArchitecture: all\n"
        f"Maintainer: nobody\nDescription: none\n{needs}"
    )
    for path, text in (("DEBIAN/control", control), (program, f"{name}\n")):
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(text)
    deb = folder / f"{name}.deb"
    command = ["dpkg-deb", "--root-owner-group", "-b", str(root), str(deb)]
    subprocess.run(command, check=True, capture_output=True)
    data = deb.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return f"{control}Filename: ./{name}.deb\nSize: {len(data)}\nSHA256: {digest}\n\n"


def fetched(tmp_path: Path) -> int:
    return main([str(tmp_path / "daemons"), "--sources", str(tmp_path / "sources.list")])


def test_a_daemon_comes_with_its_libraries_and_is_found_by_its_version(
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del archive
    assert fetched(tmp_path) == 0
    daemons = tmp_path / "daemons"
    assert capsys.readouterr().out == f"{daemons}/gobgpd-3.36.0\n\nexport {FOLDER}={daemons}\n"
    for _, path in PACKAGES.values():
        assert (daemons / "gobgpd-3.36.0" / path).is_file()
    monkeypatch.setenv(FOLDER, str(daemons))
    found = unpacked("gobgpd", "3.36")
    assert found is not None
    assert (found.package, found.version) == ("gobgpd", "3.36.0")
    assert unpacked("gobgpd", "4.8") is None
    monkeypatch.delenv(FOLDER)
    assert unpacked("gobgpd", "3.36") is None
    # The C library is not in this archive; where it is, its loader runs the program.
    loader = daemons / "gobgpd-3.36.0" / "usr/lib64/ld-linux-x86-64.so.2"
    loader.parent.mkdir()
    loader.touch()
    command = found.command(PROGRAM)
    libraries = str(daemons / "gobgpd-3.36.0" / "usr/lib/x86_64-linux-gnu")
    assert command == [str(loader), "--library-path", libraries, str(found.folder / PROGRAM)]


def test_a_package_that_is_not_what_the_index_says_is_refused(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deb = archive / "gobgpd.deb"
    deb.write_bytes(deb.read_bytes()[:-1] + b"!")
    assert fetched(tmp_path) == 1
    assert "Hash Sum mismatch" in capsys.readouterr().err
    assert not (tmp_path / "daemons").exists()


def test_a_suite_out_of_reach_is_one_sentence(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(archive)
    assert fetched(tmp_path) == 1
    error = capsys.readouterr().err
    assert error.startswith("apt-get -qq update: E:")
    assert str(archive) in error
    assert "Traceback" not in error


def test_sources_that_cannot_be_read_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetched(tmp_path) == 1
    missing = tmp_path / "sources.list"
    assert capsys.readouterr().err == f"cannot read {missing}: No such file or directory\n"
