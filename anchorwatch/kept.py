"""What is done again and again: where it fails that is told once, and pages go out as ever."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


class Keeping:
    """Attempts at one thing (to keep it, mostly), and what became of the last of them."""

    def __init__(self, failure: type[Exception], sentence: str) -> None:
        """A `failure` is what an attempt may end with; the `sentence` says what that means."""
        self._failure = failure
        self._sentence = sentence
        self.error: str | None = None
        """Why the last attempt failed; None where it did not."""

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Try within this context."""
        try:
            yield
        except self._failure as error:
            if self.error is None:
                log.error("%s: %s", self._sentence, error)
            self.error = str(error)
        else:
            self.error = None

    @property
    def problem(self) -> list[str]:
        """The sentence and why, where the last attempt failed."""
        return [] if self.error is None else [f"{self._sentence}: {self.error}"]
