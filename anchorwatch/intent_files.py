"""The files of the intent, and whether what is in use is what they say."""

from __future__ import annotations

import logging
import time
from collections import Counter
from pathlib import Path

from collector.event import rfc3339
from detectors.documents import Mistakes
from detectors.intent import Intent, load_intent

log = logging.getLogger(__name__)

Stamp = tuple[tuple[str, int, int, int], ...]


class IntentFiles:
    """The files of the intent, and whether what is in use is what they say."""

    def __init__(self, path: Path) -> None:
        """Look at `path`, whose intent was read just now."""
        self.path = path
        self.reloads: Counter[str] = Counter({"done": 0, "refused": 0})
        """How often the intent was read again, by what became of it."""
        self.used_since = time.time_ns()
        """When the intent that is in use was read, ns."""
        self.error: str | None = None
        """What is wrong with what the files say now; None where it is in use."""
        self._files = [path]
        try:
            load_intent(path, files=self._files)
        except Mistakes as wrong:  # since a moment ago: told with the next look
            self.error = str(wrong)
        self._used = self._seen = self._stamp()

    def changed(self) -> bool:
        """Whether the files are others than at the last reading, and the same as at the last look.

        Editors put a new file in the place of the old one, and may take several steps to do so.
        """
        before, self._seen = self._seen, self._stamp()
        return self._seen != self._used and self._seen == before

    def read(self) -> Intent | None:
        """The intent as the files say it now; None, and told why, where it has mistakes."""
        before = set(self._stamp())
        files = [self.path]
        try:
            intent = load_intent(self.path, files=files)
        except Mistakes as wrong:
            self.refuse(str(wrong))
            intent = None
        known, self._files = set(self._files), files
        self._used = self._seen = self._stamp()
        if any(Path(each[0]) in known and each not in before for each in self._used):
            self._used = ()  # a file changed while it was read
        return intent

    def refuse(self, why: str, fault: Exception | None = None) -> None:
        """Note that the intent that is in use stays so; a `fault` is shown with its traceback."""
        self.error = why
        self.reloads["refused"] += 1
        log.error("the intent is not used, the one before goes on: %s", why, exc_info=fault)

    def use(self) -> None:
        """Note that what was read is in use."""
        self.error = None
        self.used_since = time.time_ns()
        self.reloads["done"] += 1
        log.info("the intent of %s is in use", self.path)

    def status(self) -> dict[str, str]:
        """What `anchorwatch status` tells of it."""
        told = {"file": str(self.path), "used_since": rfc3339(self.used_since)}
        return told if self.error is None else {**told, "error": self.error}

    @property
    def problem(self) -> list[str]:
        """A sentence for who looks at what is judged, where that is not what the files say."""
        if self.error is None:
            return []
        return [f"the intent was refused as it is now, and the one before goes on: {self.error}"]

    def _stamp(self) -> Stamp:
        """What tells one state of the files from another."""
        stamps = []
        for path in dict.fromkeys(self._files):
            try:
                found = path.stat()
            except OSError:
                stamps.append((str(path), 0, 0, 0))
            else:
                stamps.append((str(path), found.st_ino, found.st_size, found.st_mtime_ns))
        return tuple(stamps)
