"""What tests of running programs share: a port of their own, and patience with an end."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port of an address of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def until(
    condition: Callable[[], T | None],
    what: str,
    seconds: float = 30,
    context: Callable[[], str] = str,
) -> T:
    """Wait for something to be true, and answer it; fail with words where it does not come."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}\n{context()}")
