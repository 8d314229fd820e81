"""Native blocks as clients of the HTTP interface want them that name a protocol revision.

The engine writes its Native format for revision 0. From revision 1 on a block begins with its
information, and from 54454 on each column says that it is serialised in the usual way.
"""

from __future__ import annotations

from collector.store.native_format import read_number, read_text, skip_column

BLOCK_INFORMATION = b"\x01\x00\x02\xff\xff\xff\xff\x00"
"""Not an overflow block; no bucket; the end."""
CUSTOM_SERIALIZATION = 54_454
MORE = 1.5
"""An incomplete block is looked at again once there is so many times as much of it."""


class RevisedNative:
    """Takes octets of Native blocks in any pieces, gives back blocks of a later revision."""

    def __init__(self, revision: int) -> None:
        self._revision = revision
        self._data = b""
        self._enough = 0

    def feed(self, data: bytes) -> bytes:
        """The blocks that are complete now. Raises UnknownTypeError."""
        self._data += data
        return self._complete() if len(self._data) >= self._enough else b""

    def end(self) -> bytes:
        """The rest. What a stream that broke off leaves is left out."""
        return self._complete()

    def _complete(self) -> bytes:
        out: list[bytes] = []
        at = self._enough = 0
        while at < len(self._data):
            try:
                block, at = self._block(at)
            except IndexError:
                self._enough = int((len(self._data) - at) * MORE)
                break
            out.append(block)
        self._data = self._data[at:]
        return b"".join(out)

    def _block(self, at: int) -> tuple[bytes, int]:
        data, out, begin = self._data, [BLOCK_INFORMATION], at
        columns, at = read_number(data, at)
        rows, at = read_number(data, at)
        out.append(data[begin:at])
        for _ in range(columns):
            begin = at
            length, at = read_number(data, at)
            length, at = read_number(data, at + length)
            kind, at = read_text(data, at, length)
            out.append(data[begin:at])
            if self._revision >= CUSTOM_SERIALIZATION:
                out.append(b"\x00")
            begin = at
            if rows:
                at = skip_column(data, at, kind, rows)
            if at > len(data):
                raise IndexError
            out.append(data[begin:at])
        return b"".join(out), at
