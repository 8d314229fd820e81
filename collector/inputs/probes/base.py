"""What all ways of asking share."""

from __future__ import annotations

import os


class ProbeFailed(Exception):  # noqa: N818 - it is what was found, no fault of ours
    """The service does not answer as it should; the text says in what."""


class CannotProbe(Exception):  # noqa: N818 - as above
    """The prober itself lacks what it needs to ask: this says nothing of the service."""


def bracketed(address: str) -> str:
    """An address as it stands in a URL."""
    return f"[{address}]" if ":" in address else address


def reason_of(error: OSError) -> str:
    """A fault of the network in few words."""
    # asyncio writes the address into its own words; people know that one.
    words = os.strerror(error.errno) if error.errno else str(error)
    return (words or type(error).__name__).lower()
