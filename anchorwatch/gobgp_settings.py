"""The part of `anchorwatch.yaml` that says which GoBGP controllers to watch over gRPC."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from anchorwatch.server_settings import TlsSettings, or_as_usual, split_host
from collector.inputs.gobgp.controller import Controller, Tls
from detectors.intent.values import Name


def _host_and_port(text: str) -> str:
    try:
        split_host(text)
    except ValueError:
        raise ValueError(f"{text!r} is not HOST:PORT, such as 192.0.2.1:50051") from None
    return text


class GobgpSettings(BaseModel):
    """A GoBGP controller whose gRPC interface is watched."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    """What to call it: the name that its BMP has, where it sends that too."""
    address: Annotated[str, AfterValidator(_host_and_port)]
    """Host and port of its gRPC interface (`--api-hosts`), usually 50051."""
    tls: Annotated[TlsSettings | None, BeforeValidator(or_as_usual)] = None
    """`true`, or how the connection is secured."""

    def beside(self, here: Path) -> GobgpSettings:
        """The same with paths that start at `here`."""
        tls = self.tls.beside(here) if self.tls is not None else None
        return self.model_copy(update={"tls": tls})

    def controller(self) -> Controller:
        """What to connect to."""
        tls = self.tls
        if tls is None:
            return Controller(self.name, self.address)
        files = Tls(tls.ca_file, tls.certificate_file, tls.key_file, tls.server_name)
        return Controller(self.name, self.address, files)
