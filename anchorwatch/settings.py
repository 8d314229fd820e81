"""`anchorwatch.yaml`: how this installation runs. What should be true is in the intent instead."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from anchorwatch.errors import UserError
from collector.inputs.bmp import Allowed
from detectors.documents import Mistakes, load_document
from detectors.pagers.factory import PagerSettings


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


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RouterSettings(_Section):
    """A router, or a network of routers, that may send BMP."""

    address: Annotated[str, AfterValidator(lambda text: str(Allowed.of(text).network))]
    """Address (`192.0.2.1`) or network (`192.0.2.0/24`) that sessions come from."""
    name: str | None = None
    """What to call it; otherwise its sysName, or its address until it has said that."""


class BmpSettings(_Section):
    """Where routers connect, and which may."""

    listen: Listen = "127.0.0.1:11019"
    """Address and port; the default serves routers on this machine alone."""
    routers: tuple[RouterSettings, ...] = Field(min_length=1)
    """Sessions from any other address are refused and counted."""


class WebSettings(_Section):
    """Where `/metrics` and `/healthz` are served."""

    listen: Listen = "127.0.0.1:8480"
    """Anything but loopback needs `token_file`."""
    token_file: Path | None = None
    """File whose first line is the bearer token that clients must send."""

    def token(self) -> str | None:
        """The token, read now; UserError where the file cannot be read or is empty."""
        if self.token_file is None:
            return None
        try:
            lines = self.token_file.read_text().splitlines()
        except OSError as error:
            raise UserError(f"cannot read {self.token_file}: {error.strerror}") from error
        if not lines or not lines[0].strip():
            raise UserError(f"{self.token_file} holds no token")
        return lines[0].strip()


class Settings(_Section):
    """The whole file. Relative paths start at the file's own folder."""

    intent: Path
    """What should be true: see the intent reference."""
    state: Path = Path("anchorwatch-data")
    """Folder for the embedded store, the open incidents and the pages still to be sent."""
    bmp: BmpSettings
    web: WebSettings = WebSettings()
    pagers: tuple[PagerSettings, ...] = ()
    """Who is told. Without any, incidents are logged and stored only."""

    @property
    def store(self) -> Path:
        """The folder of the embedded ClickHouse store."""
        return self.state / "store"

    @property
    def outbox(self) -> Path:
        """The file of open incidents and pages still to be sent."""
        return self.state / "outbox.sqlite"


def load_settings(path: Path) -> Settings:
    """The settings, for a command that needs them right; UserError tells every mistake."""
    try:
        return read_settings(path)
    except Mistakes as mistakes:
        raise UserError(f"{path} cannot be used:\n{mistakes}") from mistakes


def read_settings(path: Path) -> Settings:
    """Read and check the file. Raises Mistakes, with all of them."""
    settings = load_document(path, Settings)
    here = path.parent
    return settings.model_copy(
        update={"intent": here / settings.intent, "state": here / settings.state}
    )
