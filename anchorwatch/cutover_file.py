"""How far cutovers have come, and what else is under way, kept on disk over a restart."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from anchorwatch.board.tracks import Track
from detectors.base import Unfinished
from detectors.engine import Engine
from detectors.progress import Progress

T = TypeVar("T")

log = logging.getLogger(__name__)


class CutoverFileError(Exception):
    """One sentence: which file, and what is the matter with it."""


class KeptFile(Generic[T]):
    """A JSON list, replaced as a whole whenever it changes."""

    def __init__(self, path: Path, kind: type[T], lost: str) -> None:
        """Touch nothing yet; `lost` says what is lost where it cannot be read."""
        self._path = path
        self._kind = kind
        self._lost = lost
        self._written = b""

    def load(self) -> list[T]:
        """What was kept. A file that cannot be read is begun anew, and that is said."""
        try:
            content = self._path.read_bytes()
            kept: list[T] = msgspec.json.decode(content, type=list[self._kind])  # type: ignore[name-defined]
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError) as error:
            log.error("cannot use %s (%s): %s", self._path, error, self._lost)
            return []
        self._written = content  # so that it is replaced where nothing of it is left
        return kept

    def write(self, cutovers: Iterable[T], *, sure: bool = False) -> None:
        """Keep these, if they changed; with `sure`, also over a power cut. Raises CutoverFileError.

        It is written often while a cutover is under way, and pages must not wait for the disk.
        """
        content = msgspec.json.encode(list(cutovers), order="sorted")
        if content == self._written or (content == b"[]" and not self._written):
            return
        beside = self._path.with_name(self._path.name + ".new")
        try:
            with beside.open("wb") as file:
                file.write(content)
                if sure:
                    file.flush()
                    os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise CutoverFileError(f"cannot write {self._path}: {error.strerror}") from error
        self._written = content


class CutoverFile(KeptFile[Progress]):
    """How far each cutover has come, with the earlier ones to compare."""

    def __init__(self, path: Path) -> None:
        """Touch nothing yet."""
        super().__init__(path, Progress, "how far cutovers had come is lost")


class UnfinishedFile(KeptFile[Unfinished]):
    """What rules have begun to judge and not told yet."""

    def __init__(self, path: Path) -> None:
        """Touch nothing yet."""
        super().__init__(path, Unfinished, "what was being judged is lost")


class UnderWay:
    """The files of what goes on when the watch ends."""

    def __init__(self, cutovers: Path, unfinished: Path) -> None:
        """Touch nothing yet."""
        self.cutovers = CutoverFile(cutovers)
        self.unfinished = UnfinishedFile(unfinished)

    def write(self, engine: Engine, *, sure: bool = False) -> None:
        """Keep it; with `sure`, cutovers over a power cut too. Raises CutoverFileError."""
        self.cutovers.write(engine.cutovers, sure=sure)
        self.unfinished.write(engine.unfinished)


class TrackFile(KeptFile[Track]):
    """What was seen of each cutover, for its picture."""

    def __init__(self, path: Path) -> None:
        """Touch nothing yet."""
        super().__init__(path, Track, "what was seen of cutovers is lost for their pictures")
