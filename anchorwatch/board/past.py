"""What was: questions to the store, off the event loop, a few at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

from collector.store.backend import Reader, StoreError

T = TypeVar("T")
_STOPS = "the watch stops"
AT_ONCE = 2
"""Questions that are asked at once; the others wait for their turn."""
ANSWERED, FAILED, CANCELLED, REFUSED = "answered", "failed", "cancelled", "refused"
"""What becomes of a question: the store fails, who asked has left, there is no such thing."""


class Past:
    """Asks the store for the pages, as anybody else would."""

    def __init__(self, reader: Callable[[], Reader]) -> None:
        """`reader` makes a connection, which is used by one thread and closed again."""
        self._reader = reader
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="board-question")
        self.open = 0
        """Questions that wait for their turn or for their answer."""
        self.asked: Counter[str] = Counter()
        """Questions by what became of them."""
        self._closed = False

    async def ask(self, question: Callable[[Reader], T]) -> T:
        """What a function answers of the store. Raises what it raises, and StoreError."""

        def answer() -> T:
            with closing(self._reader()) as store:
                return question(store)

        self.open += 1
        outcome = REFUSED
        try:
            if self._closed:
                raise StoreError(_STOPS)
            answered = await asyncio.get_running_loop().run_in_executor(self._threads, answer)
            outcome = ANSWERED
        except StoreError:
            outcome = FAILED
            raise
        except asyncio.CancelledError:
            outcome = CANCELLED
            if self._closed:  # it had not begun
                raise StoreError(_STOPS) from None
            raise
        finally:
            self.open -= 1
            self.asked[outcome] += 1
        return answered

    def close(self) -> None:
        """Let what is under way end by itself; start nothing more."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
