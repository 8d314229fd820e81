"""Where a controller is and how it is reached: what settings say, without gRPC itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tls:
    """The files (PEM) of an encrypted connection."""

    ca: Path | None = None
    """Who may sign the controller's certificate; without it, the public authorities."""
    certificate: Path | None = None
    """Our own, where the controller asks for one."""
    key: Path | None = None
    server_name: str | None = None
    """The name in the controller's certificate, where it is not the host that is connected to."""


@dataclass(frozen=True, slots=True)
class Controller:
    """Where a controller is, and what it is called."""

    name: str
    address: str
    """`host:port`."""
    tls: Tls | None = None
