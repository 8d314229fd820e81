"""Fetches routing daemons of other Debian suites into a folder, without installing them.

    python -m deploy.lab.daemons_of_other_suites FOLDER
    ANCHORWATCH_DAEMONS=FOLDER pytest tests/lab/test_senders.py

apt downloads them, and checks them against the signed index of their suite; `dpkg -x` unpacks
each with its libraries into a folder of its own. Nothing else of this machine is touched. A daemon
is run by the loader that came with it, so it may need a newer C library than this machine has.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from anchorwatch.errors import UserError

FOLDER = "ANCHORWATCH_DAEMONS"
"""Environment variable that names the folder."""
WANTED = {
    "trixie": ("gobgpd", "frr", "bird3"),
    "sid": ("gobgpd", "bird2"),
}
"""Which packages of which suite; the main suite's are installed as usual."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TIMEOUT = 600
_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]+")


@dataclass(frozen=True)
class Unpacked:
    """A package with its libraries, in a folder that is named `package-version`."""

    folder: Path

    @property
    def package(self) -> str:
        """The package's name."""
        return self.folder.name.partition("-")[0]

    @property
    def version(self) -> str:
        """Its version, as upstream counts."""
        return self.folder.name.partition("-")[2]

    def command(self, program: str) -> list[str]:
        """What runs a program of it: `usr/sbin/bird`. Arguments follow."""
        path = self.folder / program
        loader = next(self.folder.glob("usr/lib*/ld-linux*.so.*"))
        libraries = [*self.folder.glob("usr/lib/*-linux-gnu"), *self.folder.glob("usr/lib/*/frr")]
        return [str(loader), "--library-path", ":".join(map(str, libraries)), str(path)]


def unpacked(package: str, version: str) -> Unpacked | None:
    """The package in the folder that the environment names, if it is there in this version."""
    folder = os.environ.get(FOLDER)
    found = sorted(Path(folder).glob(f"{package}-{version}*")) if folder else []
    return Unpacked(found[-1].absolute()) if found else None


class Apt:
    """An apt with a state, a cache and sources of its own."""

    def __init__(self, folder: Path, sources: str) -> None:
        """Write its configuration and read the indexes; UserError where a suite is out of reach."""
        self._folder = folder
        self._had: dict[str, Path] = {}
        for name in ("lists/partial", "cache/archives/partial", "debs"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text(sources)
        configuration = folder / "apt.conf"
        configuration.write_text(
            f'Dir::State "{folder}";\nDir::State::status "{folder}/status";\n'
            f'Dir::State::lists "{folder}/lists";\nDir::Cache "{folder}/cache";\n'
            f'Dir::Etc::sourcelist "{folder}/sources.list";\nDir::Etc::sourceparts "/dev/null";\n'
            'Dir::Etc::preferences "/dev/null";\nDir::Etc::preferencesparts "/dev/null";\n'
            'APT::Sandbox::User "root";\nAPT::Update::Error-Mode "any";\n'
        )
        self._environment = os.environ | {"APT_CONFIG": str(configuration), "LC_ALL": "C"}
        self._run("apt-get", "-qq", "update")

    def download(self, package: str, suite: str) -> Path:
        """The file of a package, checked by apt."""
        if package not in self._had:
            debs = self._folder / "debs"
            before = set(debs.iterdir())
            self._run("apt-get", "-qq", "download", f"{package}/{suite}")
            (self._had[package],) = set(debs.iterdir()) - before
        return self._had[package]

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command,
            cwd=self._folder / "debs",
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        if done.returncode:
            wrong = [line for line in done.stderr.splitlines() if line.startswith("E:")]
            raise UserError(f"{' '.join(command)}: {' '.join(wrong) or done.stderr.strip()}")


def main(words: list[str]) -> int:
    """Fetch all, or those of one suite."""
    parser = argparse.ArgumentParser(prog="python -m deploy.lab.daemons_of_other_suites")
    parser.add_argument("folder", type=Path, help="where to unpack them")
    parser.add_argument("--suite", action="append", choices=WANTED, help="only those of this one")
    parser.add_argument(
        "--sources", type=Path, help="an apt sources.list that has the suites, not this machine's"
    )
    args = parser.parse_args(words)
    try:
        fetch(args.folder, args.suite or list(WANTED), args.sources)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\nexport {FOLDER}={args.folder.absolute()}")
    return 0


def fetch(folder: Path, suites: Iterable[str], sources: Path | None = None) -> None:
    """Download and unpack what is wanted of these suites. Raises UserError."""
    missing = [name for name in ("apt-get", "dpkg", "dpkg-deb") if shutil.which(name) is None]
    if missing:
        raise UserError(f"needs {' '.join(missing)}: run this on Debian")
    for suite in suites:
        text = _read(sources) if sources is not None else sources_of(suite)
        with tempfile.TemporaryDirectory() as work:
            apt = Apt(Path(work), text)
            for package in WANTED[suite]:
                print(unpack(apt, package, suite, folder).folder)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def sources_of(suite: str) -> str:
    """A source for this suite at the archive that this machine takes Debian from."""
    fields = "$(ORIGIN)|$(LABEL)|$(SITE)|$(COMPONENT)"
    command = ("apt-get", "indextargets", "--format", fields, "Identifier: Packages")
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    rows = [line.split("|") for line in listed.splitlines()]
    sites = [site for origin, label, site, part in rows if (origin, label) == ("Debian",) * 2]
    if not sites:
        raise UserError("this machine's apt has no Debian archive: update it, or give --sources")
    return f"deb [signed-by={KEYRING}] {sites[0]} {suite} main\n"


def unpack(apt: Apt, package: str, suite: str, folder: Path) -> Unpacked:
    """A package and all libraries that it needs, down to the C library."""
    daemon = apt.download(package, suite)
    version = re.split(r"[-+]", _field(daemon, "Version").rpartition(":")[2])[0]
    target = folder / f"{package}-{version}"
    target.mkdir(parents=True, exist_ok=True)
    waiting, had = [daemon], {package}
    while waiting:
        path = waiting.pop()
        subprocess.run(["dpkg", "-x", str(path), str(target)], check=True)
        for name in _libraries(path):
            if name not in had:
                had.add(name)
                waiting.append(apt.download(name, suite))
    return Unpacked(target)


def _libraries(path: Path) -> list[str]:
    """The libraries that a package depends on; nothing else of a suite is wanted."""
    words = (text.split("|")[0].strip() for text in _field(path, "Depends").split(","))
    names = [found[0] for word in words if (found := _NAME.match(word))]
    return [name for name in names if name.startswith("lib")]


def _field(path: Path, name: str) -> str:
    done = subprocess.run(
        ["dpkg-deb", "-f", str(path), name], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
