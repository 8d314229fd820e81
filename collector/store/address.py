"""Where a ClickHouse server is, and how to log in there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tls:
    """How the connection is secured. The server's certificate is always checked."""

    ca_file: Path | None = None
    """Certificates of those who may sign the server's; otherwise the public ones."""
    certificate_file: Path | None = None
    """Our own certificate, and `key_file` its key, where the server wants one."""
    key_file: Path | None = None
    server_name: str | None = None
    """The name in the server's certificate, where it is not the host of the address."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A database on a server, or on every server of a cluster."""

    host: str
    port: int = 9000
    """Of the native protocol."""
    database: str = "default"
    user: str = "default"
    password: str = field(default="", repr=False)
    tls: Tls | None = None
    cluster: str | None = None
    """Tables are made on all servers of this cluster: see `rendering`."""
    connect_timeout: float = 5.0
    timeout: float = 60.0
    """Seconds without an octet from the server after which a call is given up."""

    @property
    def server(self) -> str:
        """Host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.server}/{self.database}"
