"""What all recordings have in common: being opened, being counted, and breaking off."""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, cast

CHUNK = 65_536

Progress = Callable[[int], None]
"""Told the octets of the file that have been read so far."""


class FileError(Exception):
    """A file that cannot be read, or not to its end: which one, where, and why."""

    def __init__(self, path: Path | str, cause: str) -> None:
        super().__init__(f"{path}: {cause}")
        self.cause = cause
        """What is the matter with it, without which file it is."""

    @property
    def may_pass(self) -> bool:
        """Whether the file could not be had, whatever is in it: another time it may be read."""
        return isinstance(self.__cause__, OSError) and self.__cause__.errno is not None


@dataclass(slots=True)
class Summary:
    """What a file held, filled while its events are read."""

    messages: Counter[str] = field(default_factory=Counter)
    """BMP and BGP messages and MRT records by type."""
    errors: Counter[str] = field(default_factory=Counter)
    quirks: Counter[str] = field(default_factory=Counter)
    """What senders did that the RFCs do not say, by name."""
    skipped: int = 0
    """Directions of TCP connections that carry neither BMP nor BGP."""

    def add(
        self, messages: Counter[str], errors: Counter[str], quirks: Counter[str] | None = None
    ) -> None:
        """Count what one session of the file held."""
        self.messages += messages
        self.errors += errors
        self.quirks += quirks or Counter()


class Decoding(Protocol):
    """What decodes a recording, to whoever takes it in pieces."""

    def flush(self) -> None:
        """Hand out the blocks of all that was read."""

    def narrow(self, on: bool) -> None:
        """From here on, whether all routes come as events, none in blocks."""


class Plain:
    """Decoding that makes events of everything."""

    def flush(self) -> None:
        """Nothing waits."""

    def narrow(self, on: bool) -> None:
        """It is ever so."""


Pause = Callable[[int, Decoding], None]
"""Told how many octets of a recording, unpacked, have been read and decoded.

It is told at the same octets whichever decoder reads them, and before the first.
"""


def chunks(file: BinaryIO, decoding: Decoding, pause: Pause | None) -> Iterator[bytes]:
    """What a file holds; whoever asks for more has decoded what came before."""
    octets = 0
    while True:
        if pause is not None:
            pause(octets, decoding)
        chunk = file.read(CHUNK)
        if not chunk:
            return
        yield chunk
        octets += len(chunk)


@contextmanager
def opened(path: Path, progress: Progress | None = None) -> Iterator[BinaryIO]:
    """The file's octets, out of gzip or bzip2 where they are in it. Raises FileError."""
    try:
        with path.open("rb") as file:
            magic = file.read(3)
            file.seek(0)
            reported = cast("BinaryIO", _Reported(file, progress))
            if magic[:2] == b"\x1f\x8b":
                with gzip.GzipFile(fileobj=reported) as unpacked:
                    yield cast("BinaryIO", unpacked)
            elif magic == b"BZh":
                with bz2.BZ2File(reported) as unzipped:
                    yield cast("BinaryIO", unzipped)
            else:
                yield reported
    except EOFError as error:
        kind = "gzip" if magic[:2] == b"\x1f\x8b" else "bzip2"
        raise FileError(path, f"is cut short: its {kind} stream has no end") from error
    except (OSError, zlib.error) as error:  # gzip and bz2 raise them for a damaged file
        cause = getattr(error, "strerror", None) or str(error)
        raise FileError(path, f"cannot be read: {cause}") from error


class _Reported:
    """A file that tells how far it has been read."""

    def __init__(self, file: BinaryIO, progress: Progress | None) -> None:
        self._file = file
        self._progress = progress

    def read(self, count: int = -1) -> bytes:
        data = self._file.read(count)
        if self._progress is not None:
            self._progress(self._file.tell())
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()
