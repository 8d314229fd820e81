"""What was read of a controller's streams and not yet taken in: bounded, and measured."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple


class Item(NamedTuple):
    """A message of a stream, or the end of one."""

    received: int
    """When it was read, ns."""
    is_best: bool
    data: bytes
    end: str | None = None
    """Why the stream ended; None where it goes on."""


class ReadQueue:
    """From the threads that read to the one that takes in.

    Nobody waits to put anything in: GoBGP keeps without limit what a client does not read.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        """An empty queue; `clock` gives ns."""
        self._clock = clock
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self.octets = 0
        """Of all messages in it."""

    def put(self, is_best: bool, data: bytes, end: str | None = None) -> None:
        """Add a message that was read just now, or the end of its stream."""
        with self._changed:  # the times are in order as the messages are
            self._items.append(Item(self._clock(), is_best, data, end))
            self.octets += len(data)
            self._changed.notify()

    def get(self, seconds: float) -> Item | None:
        """The oldest message, or None where there is none for so long."""
        with self._changed:
            if not self._items:
                self._changed.wait(seconds)
            if not self._items:
                return None
            item = self._items.popleft()
            self.octets -= len(item.data)
            return item

    def clear(self) -> None:
        """Forget all."""
        with self._changed:
            self._items.clear()
            self.octets = 0

    def __len__(self) -> int:
        """Messages in it."""
        return len(self._items)

    @property
    def oldest(self) -> int | None:
        """When the oldest message was read, ns."""
        with self._changed:
            return self._items[0].received if self._items else None
