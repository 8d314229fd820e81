"""Where versions 3 and 4 of GoBGP's gRPC interface differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from collector.gobgp_api import Api, api
from collector.wire.cursor import WireError

Message = Any

BATCH = 4093
"""Paths of a message that we ask for. GoBGP sends one more, and a shorter message at the end; a
daemon that does not know the field sends all at once, hardly ever so many."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One version of the interface."""

    api: Api
    unwrap: Callable[[Message], Message]
    """See `collector.inputs.gobgp.octets.Unwrap`."""
    best: int
    """Numbers of the filters."""
    adj_in: int
    end_of_rib: int | None
    """None where the version has no such filter."""

    @property
    def version(self) -> int:
        """3 or 4."""
        return self.api.version

    @property
    def watch_event(self) -> str:
        """Full name of the method that streams."""
        return self.api.service + "WatchEvent"

    def watch_best(self) -> Message:
        """The request for the controller's own table: what it says now, then every change."""
        return self._request(self.best)

    def watch_adj_in(self) -> Message:
        """The request for the peers' tables and the peers themselves, on one stream: in order."""
        request = self._request(self.adj_in)
        request.peer.SetInParent()
        if self.end_of_rib is not None:
            request.table.filters.add().type = self.end_of_rib
        return request

    def _request(self, kind: int) -> Message:
        request = self.api.WatchEventRequest()
        if "batch_size" in request.DESCRIPTOR.fields_by_name:
            request.batch_size = BATCH
        table_filter = request.table.filters.add()
        table_filter.type, table_filter.init = kind, True
        return request


def _unwrap_any(api_: Api) -> Callable[[Message], Message]:
    def unwrap(held: Message) -> Message:
        name = held.type_url.rpartition(".")[2]
        try:
            return getattr(api_, name).FromString(held.value)
        except KeyError:
            raise WireError("message", 0, f"{held.type_url or 'none'} is unknown") from None
        except DecodeError as error:
            raise WireError(name, 0, f"is no such message: {error}") from error

    return unwrap


def _unwrap_oneof(held: Message) -> Message:
    field = held.WhichOneof(held.DESCRIPTOR.oneofs[0].name)
    if field is None:
        raise WireError(held.DESCRIPTOR.name, 0, "holds nothing that is known")
    return getattr(held, field)


def dialect(version: int) -> Dialect:
    """Version 3 or 4."""
    interface = api(version)
    if version == 3:
        # Version 3's number for ADJIN is version 4's for BEST.
        return Dialect(interface, _unwrap_any(interface), best=0, adj_in=1, end_of_rib=None)
    return Dialect(interface, _unwrap_oneof, best=1, adj_in=2, end_of_rib=4)
