"""A gRPC connection to a controller: what version it speaks, and its streams."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.experimental

from collector.inputs.gobgp.controller import Tls
from collector.inputs.gobgp.dialect import Dialect, dialect

Message = Any

VERSIONS = (4, 3)
TIMEOUT = 10.0
"""Seconds for an answer that is not a stream."""
OPTIONS = (
    ("grpc.max_receive_message_length", -1),  # version 3 sends a table as one message
    ("grpc.use_local_subchannel_pool", 1),  # a new connection is one indeed
    (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1),  # a message costs half
)


class ConnectError(Exception):
    """There is no such connection to be had: one sentence."""


class GobgpConnection:
    """One connection. Its methods block; `close` ends whatever waits in another thread."""

    def __init__(self, address: str, tls: Tls | None) -> None:
        """Connect to `host:port`; nothing waits for the connection yet. Raises ConnectError."""
        options: list[tuple[str, int | str]] = list(OPTIONS)
        if tls is None:
            self._channel = grpc.insecure_channel(address, options=options)
        else:
            if tls.server_name is not None:
                options.append(("grpc.ssl_target_name_override", tls.server_name))
            self._channel = grpc.secure_channel(address, _credentials(tls), options=options)

    def probe(self) -> tuple[Dialect, dict[str, Any]]:
        """The version that is spoken, and what the controller says of itself.

        Raises ConnectError.
        """
        for version in VERSIONS:
            spoken = dialect(version)
            messages = spoken.api
            call = self._channel.unary_unary(
                messages.service + "GetBgp",
                request_serializer=messages.GetBgpRequest.SerializeToString,
                response_deserializer=messages.GetBgpResponse.FromString,
            )
            try:
                answer = call(messages.GetBgpRequest(), timeout=TIMEOUT)
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                    continue
                raise ConnectError(reason(error)) from error
            state = getattr(answer, "global")
            said = {"local_as": state.asn, "bgp_id": state.router_id}
            return spoken, {"sys_descr": f"GoBGP, gRPC version {version}", **said}
        raise ConnectError("it speaks neither version 3 nor version 4 of GoBGP's interface")

    def ask(self, spoken: Dialect) -> None:
        """See whether it still answers. Raises ConnectError.

        HTTP/2 has pings for that, but GoBGP ends a connection that pings within five minutes.
        """
        messages = spoken.api
        call = self._channel.unary_unary(
            messages.service + "GetBgp",
            request_serializer=messages.GetBgpRequest.SerializeToString,
        )
        try:
            call(messages.GetBgpRequest(), timeout=TIMEOUT)
        except grpc.RpcError as error:
            raise ConnectError(reason(error)) from error

    def families(self, spoken: Dialect) -> dict[str, int]:
        """How many families each peer is configured with. Raises ConnectError."""
        messages = spoken.api
        call = self._channel.unary_stream(
            messages.service + "ListPeer",
            request_serializer=messages.ListPeerRequest.SerializeToString,
            response_deserializer=messages.ListPeerResponse.FromString,
        )
        try:
            answers = list(call(messages.ListPeerRequest(), timeout=TIMEOUT))
        except grpc.RpcError as error:
            raise ConnectError(reason(error)) from error
        return {each.peer.state.neighbor_address: len(each.peer.afi_safis) for each in answers}

    def watch(self, method: str, request: bytes) -> Iterator[bytes]:
        """The messages of a stream, not yet parsed. Raises grpc.RpcError where it ends."""
        stream: Iterator[bytes] = self._channel.unary_stream(method)(request)
        return stream

    def close(self) -> None:
        """End it, and every stream of it."""
        self._channel.close()


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    def read(path: Path | None) -> bytes | None:
        return path.read_bytes() if path is not None else None

    try:
        return grpc.ssl_channel_credentials(
            root_certificates=read(tls.ca),
            private_key=read(tls.key),
            certificate_chain=read(tls.certificate),
        )
    except OSError as error:
        raise ConnectError(f"cannot read {error.filename}: {error.strerror}") from error


def reason(error: grpc.RpcError) -> str:
    """Why a call ended, in a few words."""
    code, details = getattr(error, "code", None), getattr(error, "details", None)
    if code is None or details is None:
        return str(error) or type(error).__name__
    return f"{code().name.lower().replace('_', ' ')}: {details()}"
