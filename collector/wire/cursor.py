"""The one place that checks bounds: everything from the network is read through a `Cursor`."""

from __future__ import annotations


class WireError(ValueError):
    """Bytes that cannot be what they claim to be: which field, where, what was wanted and had."""

    def __init__(self, field: str, offset: int, problem: str) -> None:
        super().__init__(f"{field} at octet {offset}: {problem}")
        self.field = field
        self.offset = offset
        """From the start of the message."""


class Cursor:
    """A window on a message that only moves forward and never past its end."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, position: int = 0, end: int | None = None) -> None:
        self.data = data
        self.position = position
        self.end = len(data) if end is None else end

    @property
    def remaining(self) -> int:
        """Octets left in the window."""
        return self.end - self.position

    def _advance(self, count: int, field: str) -> int:
        start = self.position
        if count > self.end - start:
            raise WireError(field, start, f"wanted {count} octets, had {self.end - start}")
        self.position = start + count
        return start

    def u8(self, field: str) -> int:
        """One octet as a number."""
        return self.data[self._advance(1, field)]

    def u16(self, field: str) -> int:
        """Two octets, network order."""
        start = self._advance(2, field)
        return int.from_bytes(self.data[start : start + 2])

    def u32(self, field: str) -> int:
        """Four octets, network order."""
        start = self._advance(4, field)
        return int.from_bytes(self.data[start : start + 4])

    def take(self, count: int, field: str) -> bytes:
        """The next octets as they are."""
        start = self._advance(count, field)
        return self.data[start : start + count]

    def rest(self) -> bytes:
        """All that is left in the window."""
        return self.take(self.remaining, "rest")

    def window(self, count: int, field: str) -> Cursor:
        """A cursor on the next octets alone; this one moves past them."""
        start = self._advance(count, field)
        return Cursor(self.data, start, start + count)

    def finish(self, field: str) -> None:
        """Say that nothing may be left."""
        if self.remaining:
            raise WireError(field, self.position, f"{self.remaining} octets left over")
