"""The part of `anchorwatch.yaml` that says which server keeps the rows, and how long."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    model_validator,
)

from anchorwatch.errors import UserError
from anchorwatch.web_settings import read_secret
from collector.store.address import ServerAddress, Tls
from detectors.documents import AtKey
from detectors.intent.values import parse_duration


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def split_host(text: str) -> tuple[str, int]:
    """`host:port` or `[address]:port` as (host, port); ValueError where it is neither."""
    found = _HOST.fullmatch(text)
    if not found or not 0 < int(found["port"]) <= 65_535:
        raise ValueError(f"{text!r} is not HOST:PORT, such as clickhouse.example.net:9000")
    return found["address"] or found["host"], int(found["port"])


_HOST = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<host>[\w.-]+)):(?P<port>\d{1,5})")


def _host_and_port(text: str) -> str:
    split_host(text)
    return text


def _some_seconds(value: Any) -> int:
    seconds = parse_duration(value) // 10**9
    if seconds < 1:
        raise ValueError(f"{value!r} is shorter than a second")
    return seconds


Kept = Annotated[int | None, PlainValidator(_some_seconds)]
"""Seconds, written as a duration."""


class TlsSettings(_Section):
    """How the connection to the server is secured."""

    ca_file: Path | None = None
    """Certificates of those who may sign the server's; otherwise the public ones."""
    certificate_file: Path | None = None
    """Our own certificate, for a server that asks for one."""
    key_file: Path | None = None
    """The key of that certificate."""
    server_name: str | None = None
    """The name in the server's certificate, where it is not the host of `address`."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.key_file is not None and self.certificate_file is None:
            raise AtKey("key_file", "is the key of a certificate: give certificate_file, too")
        return self

    def beside(self, here: Path) -> TlsSettings:
        """The same with paths that start at `here`."""
        files = ("ca_file", "certificate_file", "key_file")
        given = {name: getattr(self, name) for name in files}
        places = {name: here / path for name, path in given.items() if path is not None}
        return self.model_copy(update=places)


def or_as_usual(value: Any) -> Any:
    """A section that may be just `true` or `false`."""
    return ({} if value else None) if isinstance(value, bool) else value


class ServerSettings(_Section):
    """A ClickHouse server that keeps the rows."""

    address: Annotated[str, AfterValidator(_host_and_port)]
    """Host and port of the native protocol: usually 9000, or 9440 with TLS."""
    database: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")] = "default"
    user: str = "default"
    password_file: Path | None = None
    """File whose first line is the password."""
    password_env: str | None = None
    """Environment variable that holds the password instead."""
    tls: Annotated[TlsSettings | None, BeforeValidator(or_as_usual)] = None
    """`true`, or how the connection is secured."""
    cluster: Annotated[str, Field(pattern=r"^[\w.-]+$")] | None = None
    """Make the tables on all servers of this cluster, sharded and replicated."""
    timeout: Annotated[int, PlainValidator(_some_seconds)] = 60
    """How long the server may be silent within a call."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.password_file is not None and self.password_env is not None:
            raise AtKey("password_env", "give password_file or password_env, not both")
        return self

    def beside(self, here: Path) -> ServerSettings:
        """The same with paths that start at `here`."""
        found: dict[str, Any] = {}
        if self.password_file is not None:
            found["password_file"] = here / self.password_file
        if self.tls is not None:
            found["tls"] = self.tls.beside(here)
        return self.model_copy(update=found)

    def server(self) -> ServerAddress:
        """What to connect to, its password read now. Raises UserError."""
        host, port = split_host(self.address)
        return ServerAddress(
            host,
            port,
            database=self.database,
            user=self.user,
            password=self._password(),
            tls=self._tls(),
            cluster=self.cluster,
            timeout=float(self.timeout),
        )

    def _password(self) -> str:
        if self.password_file is not None:
            return read_secret(self.password_file, "password")
        if self.password_env is not None:
            password = os.environ.get(self.password_env, "")
            if not password:
                raise UserError(f"environment variable {self.password_env} holds no password")
            return password
        return ""

    def _tls(self) -> Tls | None:
        given = self.tls
        if given is None:
            return None
        for path in (given.ca_file, given.certificate_file, given.key_file):
            if path is not None and not path.is_file():
                raise UserError(f"there is no file {path}")
        return Tls(given.ca_file, given.certificate_file, given.key_file, given.server_name)


class TtlSettings(_Section):
    """How long the rows of each table are kept; forever, where nothing is said."""

    routes: Kept = None
    flowspec: Kept = None
    sessions: Kept = None
    stats: Kept = None
    undecodable: Kept = None
    probes: Kept = None
    incidents: Kept = None

    def seconds(self) -> dict[str, int]:
        """Seconds by table, of those that let go of rows."""
        return {name: kept for name, kept in self if kept is not None}
