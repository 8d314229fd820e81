"""A TCP connection of which no more is read than somebody asks for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

KEEPALIVE = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))
"""BMP has no keepalive of its own (RFC 7854 section 3.3), so TCP must notice a dead router."""


class Connection(asyncio.BufferedProtocol):
    """What is not asked for stays with the kernel, and TCP makes the sender wait.

    asyncio's own streams read ahead: what a program that is killed has read ahead is lost.
    """

    def __init__(self, size: int, on_open: Callable[[Connection], None]) -> None:
        """Read at most `size` octets at once; `on_open` is told when the connection is there."""
        self._room = memoryview(bytearray(size))
        self._on_open = on_open
        self._transport: asyncio.Transport | None = None
        self._asked: asyncio.Future[int] | None = None
        self._ended = False
        self._error: Exception | None = None
        self.address: IPv4Address | IPv6Address | None = None
        """Of the other side; None where it was gone before we looked."""

    async def read(self) -> memoryview:
        """The next octets, which are there until the next call; none at the end.

        Raises OSError where the connection was lost.
        """
        if self._error is not None:
            raise self._error
        if self._ended or self._transport is None:
            return self._room[:0]
        self._asked = asyncio.get_running_loop().create_future()
        self._transport.resume_reading()
        return self._room[: await self._asked]

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - as asyncio documents
        self._transport = transport
        transport.pause_reading()
        peer = transport.get_extra_info("peername")
        if peer is not None:
            address = ip_address(peer[0].split("%")[0])
            self.address = getattr(address, "ipv4_mapped", None) or address
            _keep_alive(transport.get_extra_info("socket"))
        self._on_open(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Where to read to."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """So many octets were read."""
        if self._transport is not None:
            self._transport.pause_reading()
        self._answer(nbytes)

    def eof_received(self) -> bool:
        """The other side says no more; False: so do we."""
        self._ended = True
        self._answer(0)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._ended, self._error = True, exc
        if exc is not None and self._asked is not None and not self._asked.done():
            self._asked.set_exception(exc)
        self._answer(0)

    def _answer(self, octets: int) -> None:
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(octets)


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
