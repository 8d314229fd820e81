"""BMP over TCP: a server that many routers connect to (RFC 7854 section 3.2)."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from collector.event import Event
from collector.inputs.wide import Sink, WideSession
from collector.native import decoder_name

log = logging.getLogger(__name__)

READ_SIZE = {"native": 65_536, "python": 8_192}
"""Octets decoded at once: a few milliseconds, so that no router makes the others wait."""
TICK = 0.1
"""Seconds between looks at what has fallen silent."""
KEEPALIVE = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))
"""BMP has no keepalive of its own (RFC 7854 section 3.3), so TCP must notice a dead router."""

OnEvents = Callable[[Sequence[Event]], None]


@dataclass(frozen=True, slots=True)
class Allowed:
    """Routers that may connect: an address or network, and the name to know the router by."""

    network: IPv4Network | IPv6Network
    name: str | None = None

    @classmethod
    def of(cls, text: str, name: str | None = None) -> Allowed:
        """From text such as `192.0.2.1` or `2001:db8::/64`; ValueError where it is neither."""
        return cls(ip_network(text), name)


class Clock:
    """Nanoseconds since 1970 UTC that never run backwards, whatever is done to the system's."""

    def __init__(self) -> None:
        self._last = 0

    def __call__(self) -> int:
        """The time now, ns."""
        self._last = max(self._last, time.time_ns())
        return self._last


class BmpServer:
    """Accepts listed routers, decodes what they send, and hands the events on in order.

    `on_events` is called in the event loop with each batch of one session. `room` is awaited
    before every read: while it blocks, nothing is read and TCP makes the routers wait. Where the
    native decoder runs, routes that are not `watched` go to `sink` in blocks instead.
    """

    def __init__(  # noqa: PLR0913 - what it needs, each once
        self,
        allowed: Iterable[Allowed],
        on_events: OnEvents,
        room: Callable[[], Awaitable[object]],
        clock: Callable[[], int],
        *,
        sink: Sink,
        watched: Iterable[str] = (),
    ) -> None:
        """Make a server that does not listen yet."""
        self._allowed = tuple(allowed)
        self._on_events = on_events
        self._sink = sink
        self._watched = tuple(watched)
        self._read_size = READ_SIZE[decoder_name()]
        self._room = room
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._sessions: dict[asyncio.Task[None], WideSession] = {}
        self._ticker: asyncio.Task[None] | None = None
        self.refused: Counter[str] = Counter()
        """Connections turned away, by reason."""
        self.messages: Counter[tuple[str, str]] = Counter()
        """BMP messages by (router, type), of sessions that have ended too."""
        self.errors: Counter[tuple[str, str]] = Counter()
        """Decoding errors by (router, reason), likewise."""
        self.octets: Counter[str] = Counter()
        """Octets read by router."""
        self.routes: Counter[str] = Counter()
        """Routes that went to `sink` in blocks, by kind of event."""

    @property
    def sessions(self) -> list[WideSession]:
        """The sessions that are up now."""
        return list(self._sessions.values())

    async def start(self, host: str, port: int) -> int:
        """Listen; answer the port (which differs from `port` if that is 0).

        Raises OSError where the address or port cannot be had.
        """
        self._server = await asyncio.start_server(self._accept, host, port, limit=self._read_size)
        self._ticker = asyncio.create_task(self._tick(), name="bmp-tick")
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and end every session; their feed-down events are still delivered."""
        if self._ticker is not None:
            self._ticker.cancel()
        if self._server is not None:
            self._server.close()
        for task in self._sessions:
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        if peer is None:  # gone before we looked
            writer.close()
            return
        address = ip_address(peer[0].split("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        allowed = next((a for a in self._allowed if address in a.network), None)
        if allowed is None:
            self.refused["unknown-router"] += 1
            log.warning("refused BMP session from %s: it is not a listed router", address)
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio calls this in a task of its own
        session = WideSession(str(address), self._sink, name=allowed.name, watched=self._watched)
        self._sessions[task] = session
        try:
            await self._serve(session, reader, writer)
        finally:
            del self._sessions[task]
            writer.close()

    async def _serve(
        self, session: WideSession, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        _keep_alive(writer)
        log.info("BMP session from %s opened", session.router_address)
        reason = "anchorwatch stopped"
        try:
            while session.broken is None:
                await self._room()
                data = await reader.read(self._read_size)
                if not data:
                    reason = "router closed the connection"
                    break
                self.octets[session.router] += len(data)
                self._deliver(session, session.feed(data, self._clock()))
                # A read of what is already there does not let anybody else run.
                await asyncio.sleep(0)
            reason = session.broken or reason
        except OSError as error:
            reason = f"connection lost: {error.strerror or error}"
        finally:
            # Shielded by being synchronous: a cancelled session still says that it ended.
            self._deliver(session, session.close(self._clock(), reason))
            log.info(
                "BMP session of %s (%s) ended: %s", session.router, session.router_address, reason
            )

    def _deliver(self, session: WideSession, events: Sequence[Event]) -> None:
        self.routes.update(session.counted)
        session.counted.clear()
        for name, count in session.messages.items():
            self.messages[session.router, name] += count
        for name, count in session.errors.items():
            self.errors[session.router, name] += count
        session.messages.clear()
        session.errors.clear()
        if events:
            self._on_events(events)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            for session in self.sessions:
                self._deliver(session, session.tick(self._clock()))


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
