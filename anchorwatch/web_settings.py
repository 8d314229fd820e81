"""The part of `anchorwatch.yaml` that says where the watch is served over HTTP.

Commands that ask a watch that runs need no more than this: it loads no database and no gRPC.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from anchorwatch.errors import UserError
from detectors.documents import AtKey, Mistakes, load_document


def read_secret(path: Path, what: str) -> str:
    """The first line of a file. Raises UserError."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text") from error
    if not lines or not lines[0].strip():
        raise UserError(f"{path} holds no {what}")
    return lines[0].strip()


def _address_and_port(text: str) -> str:
    split_listen(text)
    return text


def split_listen(text: str) -> tuple[str, int]:
    """`address:port` or `[address]:port` as (address, port); ValueError where it is neither."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        ip_address(host)
        number = int(port)
    except ValueError:
        raise ValueError(f"{text!r} is not ADDRESS:PORT, such as 127.0.0.1:8480") from None
    if not 0 <= number <= 65_535:
        raise ValueError(f"port {number} is not between 0 and 65535")
    return host, number


Listen = Annotated[str, AfterValidator(_address_and_port)]


def _address_of_web(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is no address such as https://grafana.example.net")
    return text


Address = Annotated[str, AfterValidator(_address_of_web)]


class Served(BaseModel):
    """Something that is served over HTTP."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    section: ClassVar[str]
    """What it is called in the file."""

    listen: Listen
    """Anything but loopback needs `token_file`."""
    token_file: Path | None = None
    """File whose first line is the token that clients must send."""

    @model_validator(mode="after")
    def _not_for_everybody(self) -> Self:
        host, _ = split_listen(self.listen)
        if self.is_served and self.token_file is None and not ip_address(host).is_loopback:
            asked = f"set {self.section}.token_file, or listen on 127.0.0.1"
            raise AtKey("listen", f"{host} is not loopback: {asked}")
        return self

    @property
    def is_served(self) -> bool:
        """Whether this program serves it at all."""
        return True

    def beside(self, folder: Path) -> Self:
        """The same with a path that starts there, where it is relative."""
        file = folder / self.token_file if self.token_file is not None else None
        return self.model_copy(update={"token_file": file})

    def token(self) -> str | None:
        """The token, read now; UserError where the file cannot be read or is empty."""
        if self.token_file is None:
            return None
        return read_secret(self.token_file, "token")


class WebSettings(Served):
    """Where the board, its API, `/metrics` and `/healthz` are served."""

    section: ClassVar[str] = "web"

    listen: Listen = "127.0.0.1:8480"
    grafana: Address | None = None
    """Where browsers find the Grafana that has the dashboards: pages lead there."""


class _WebAlone(BaseModel):
    """The rest of the file is for `anchorwatch run` to judge."""

    web: WebSettings = WebSettings()


def load_web_settings(path: Path) -> WebSettings:
    """The section `web`, for who asks the watch; UserError tells every mistake in it."""
    try:
        return load_document(path, _WebAlone).web.beside(path.parent)
    except Mistakes as mistakes:
        raise UserError(f"{path} cannot be used:\n{mistakes}") from mistakes
