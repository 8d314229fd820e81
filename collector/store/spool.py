"""What was received and is not yet in the store: on disk, in segments, oldest first.

A row counts as received once it is here. `append` and `seal` belong to one thread, `oldest` and
`remove` to another.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from collector.store.backend import StoreError
from collector.store.segment import Row, SegmentWriter, recover, sync_folder

log = logging.getLogger(__name__)

MAX_OCTETS = 4 << 30
_OPEN, _STORED, _ASIDE = ".open", ".stored", ".refused"
_OURS = re.compile(r"\d{20}-[0-9a-f]{8}-\d{8}(?:\.(?:open|stored|refused))?")
"""Our folders by name; of others, such as `lost+found`, we know nothing."""
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A segment that is complete and durable."""

    folder: Path
    octets: int
    since: float
    """When it was begun, in seconds of `time.monotonic`."""

    left: bool = False
    """Whether an earlier program may have begun to store it."""

    @property
    def name(self) -> str:
        """Unlike that of any other segment, of this and of other spools."""
        return self.folder.name


class Spool:
    """A folder of segments, for one program at a time."""

    def __init__(self, folder: Path, *, max_octets: int = MAX_OCTETS) -> None:
        """Open the folder, or make it; what an earlier program left there is kept.

        Raises StoreError. The spool is `full` from `max_octets` on disk on.
        """
        self.folder = folder
        self.max_octets = max_octets
        self._changed = threading.Condition()
        self._sealed: list[Sealed] = []
        self._aside: list[Path] = []
        self._open: SegmentWriter | None = None
        self._begun = 0.0
        self._run = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        self._number = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
            self._take_lock()
            self._recover()
        except OSError as error:
            raise StoreError(f"cannot use the spool {folder}: {error.strerror}") from error

    @property
    def octets(self) -> int:
        """How much is on disk."""
        with self._changed:
            return sum(each.octets for each in self._sealed) + self._open_octets()

    @property
    def depth(self) -> int:
        """How many segments there are."""
        with self._changed:
            return len(self._sealed) + (self._open is not None)

    @property
    def age(self) -> float:
        """How long the oldest row may have been here, seconds; 0 where there is none."""
        with self._changed:
            if self._sealed:
                return time.monotonic() - self._sealed[0].since
            return 0.0 if self._open is None else time.monotonic() - self._begun

    @property
    def full(self) -> bool:
        """Whether no more should be read."""
        return self.octets >= self.max_octets

    @property
    def filling(self) -> bool:
        """Whether there are rows that are not sealed."""
        return self._open is not None

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows, all or none. Raises StoreError; then none was added."""
        try:
            if self._open is None:
                self._number += 1
                name = f"{self._run}-{self._number:08d}{_OPEN}"
                self._open, self._begun = SegmentWriter(self.folder / name), time.monotonic()
            self._open.append(rows)
        except OSError as error:
            raise StoreError(
                f"cannot write to the spool {self.folder}: {error.strerror}"
            ) from error

    def due(self, *, octets: int, seconds: float) -> bool:
        """Whether the open segment has so many octets, or is so old."""
        if self._open is None or not self._open.rows:
            return False
        return self._open.octets >= octets or time.monotonic() - self._begun >= seconds

    def seal(self) -> None:
        """Complete the open segment, if any, and make it durable. Raises StoreError."""
        segment = self._open
        if segment is None:
            return
        try:
            segment.sync()
            folder = segment.folder.with_suffix("")
            segment.folder.rename(folder)
            sync_folder(self.folder)
        except OSError as error:
            raise StoreError(
                f"cannot write to the spool {self.folder}: {error.strerror}"
            ) from error
        segment.close()
        with self._changed:
            self._open = None
            self._sealed.append(Sealed(folder, segment.octets, self._begun))
            self._changed.notify_all()

    def oldest(self, timeout: float) -> Sealed | None:
        """The segment to store next, waiting for one at most so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._sealed), timeout)
            return self._sealed[0] if self._sealed else None

    @property
    def newest(self) -> Sealed | None:
        """The segment that was sealed last and is still here."""
        with self._changed:
            return self._sealed[-1] if self._sealed else None

    def remove(self, segment: Sealed) -> None:
        """The store has it: forget it. Raises StoreError."""
        try:
            # A half-deleted segment must never be taken for a whole one.
            gone = segment.folder.with_suffix(_STORED)
            segment.folder.rename(gone)
            shutil.rmtree(gone)
        except OSError as error:
            raise StoreError(f"cannot clear the spool {self.folder}: {error.strerror}") from error
        with self._changed:
            self._sealed.remove(segment)

    def put_aside(self, segment: Sealed) -> Path:
        """The store will never have all of it: keep it, and let the others pass.

        Answers where it is now; there it stays until somebody removes it. Raises StoreError.
        """
        aside = segment.folder.with_suffix(_ASIDE)
        try:
            segment.folder.rename(aside)
            sync_folder(self.folder)
        except OSError as error:
            raise StoreError(
                f"cannot write to the spool {self.folder}: {error.strerror}"
            ) from error
        with self._changed:
            self._sealed.remove(segment)
            self._aside.append(aside)
        return aside

    @property
    def set_aside(self) -> int:
        """How many segments are here that the store will never have, also of earlier runs."""
        with self._changed:
            return sum(path.exists() for path in self._aside)

    def close(self) -> None:
        """Let another program use the folder."""
        os.close(self._lock)

    def _open_octets(self) -> int:
        return self._open.octets if self._open is not None else 0

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise StoreError(f"the spool {self.folder} is in use by another anchorwatch") from None

    def _recover(self) -> None:
        for path in sorted(self.folder.iterdir()):
            if _OURS.fullmatch(path.name) is None or not path.is_dir():
                continue
            if path.suffix == _STORED:
                shutil.rmtree(path)
            elif path.suffix == _ASIDE:
                self._aside.append(path)
            else:
                self._take_up(path)
        if self._sealed:
            self._sealed[0] = replace(self._sealed[0], left=True)  # the others had to wait for it
            log.info("%d segments of an earlier run are stored first", len(self._sealed))

    def _take_up(self, path: Path) -> None:
        if path.suffix == _OPEN:
            cut = recover(path)
            if cut:
                log.warning("%s: %d octets that were not whole are left out", path, cut)
            path = path.rename(path.with_suffix(""))
            sync_folder(self.folder)
        octets = sum(file.stat().st_size for file in path.iterdir())
        age = max(0.0, time.time() - path.stat().st_mtime)
        self._sealed.append(Sealed(path, octets, time.monotonic() - age))
