"""What all ways of asking share."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

OUR_OWN = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""What the prober's own machine lacks: it could not even ask."""


class ProbeFailed(Exception):  # noqa: N818 - it is what was found, no fault of ours
    """The service does not answer as it should; the text says in what."""


class CannotProbe(Exception):  # noqa: N818 - as above
    """The prober itself lacks what it needs to ask: this says nothing of the service."""


def bracketed(address: str) -> str:
    """An address as it stands in a URL."""
    return f"[{address}]" if ":" in address else address


def fault_of(error: BaseException, words: str) -> ProbeFailed | CannotProbe:
    """What to raise for an error: in these words, unless it is the prober that is at fault."""
    for cause in _causes(error):
        if isinstance(cause, MemoryError):
            return CannotProbe("this machine is short of memory")
        if isinstance(cause, OSError) and cause.errno in OUR_OWN:
            return CannotProbe(f"this machine is short of means: {reason_of(cause)}")
    return ProbeFailed(words)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that led to it: libraries have errors of their own for the system's."""
    known: set[int] = set()
    left = [error]
    while left:
        each = left.pop()
        if id(each) in known:
            continue
        known.add(id(each))
        yield each
        left += [e for e in (each.__cause__, each.__context__) if e is not None]
        if isinstance(each, BaseExceptionGroup):
            left += each.exceptions


def reason_of(error: OSError) -> str:
    """A fault of the network in few words."""
    # asyncio writes the address into its own words; people know that one.
    words = os.strerror(error.errno) if error.errno else str(error)
    return (words or type(error).__name__).lower()
