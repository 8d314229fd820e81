"""BMP over TCP: a server that many routers connect to (RFC 7854 section 3.2)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_network

import msgspec

from collector.event import STOPPED, Event, Kind
from collector.inputs.connection import Connection
from collector.inputs.wide import WideSession
from collector.native import Block, decoder_name
from collector.quirks import Profile, Sender, warning
from collector.quirks.devices import SHARED_NAME

log = logging.getLogger(__name__)

READ_SIZE = {"native": 1 << 18, "python": 1 << 13}
"""Octets decoded at once: a few milliseconds, so that no router makes the others wait."""
SUPERSEDED = "a newer session of the router has ended: it has to send its tables again"
"""Why the older one of two sessions of a router is ended."""
TICK = 0.1
"""Seconds between looks at what has fallen silent."""
HELD = 10_000_000
"""A session of which nothing was read for less than this (ns) was read as ever."""
STALL = 1_000_000_000
"""Where so much time has passed since the last look (ns), nobody has read meanwhile."""

OnBatch = Callable[[Sequence[Event], Sequence[Block]], None]


@dataclass(frozen=True, slots=True)
class Allowed:
    """Routers that may connect: an address or network, and the name to know the router by."""

    network: IPv4Network | IPv6Network
    name: str | None = None
    sender: Profile | None = None
    """Whose software it runs, where that is known."""

    @classmethod
    def of(cls, text: str, name: str | None = None, sender: Profile | None = None) -> Allowed:
        """From text such as `192.0.2.1` or `2001:db8::/64`; ValueError where it is neither."""
        return cls(ip_network(text), name, sender)


class BmpServer:
    """Accepts listed routers, decodes what they send, and hands the events on in order.

    `on_batch` is called in the event loop with all that came of one read: events, and where the
    native decoder runs, blocks of the routes that are not `watched`. `room` is awaited after every
    read: while it blocks, nothing is read and TCP makes the routers wait.
    """

    def __init__(
        self,
        allowed: Iterable[Allowed],
        on_batch: OnBatch,
        room: Callable[[], Awaitable[object]],
        clock: Callable[[], int],
        *,
        watched: Iterable[str] = (),
    ) -> None:
        """Make a server that does not listen yet."""
        self._allowed = tuple(allowed)
        self._on_batch = on_batch
        self._watched = tuple(watched)
        self._read_size = READ_SIZE[decoder_name()]
        self._room = room
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._sessions: dict[asyncio.Task[None], WideSession] = {}
        self._connections: dict[WideSession, Connection] = {}
        self._ending: dict[WideSession, str] = {}
        """Those that we end ourselves, and why."""
        self._blocks: dict[WideSession, list[Block]] = {}
        """What the sessions have handed out since somebody was told."""
        self._heard: dict[WideSession, int] = {}
        """When each session was last read from, ns."""
        self._held: set[WideSession] = set()
        """Those of which nothing is read, as there is no room."""
        self._looked: int | None = None
        """When somebody last looked, ns."""
        self.on_stalled: Callable[[int], None] = lambda _: None
        """Is told, before anything that comes after, for how long nobody has looked (ns)."""
        self._ticker: asyncio.Task[None] | None = None
        self.refused: Counter[str] = Counter()
        """Connections turned away, by reason."""
        self.messages: Counter[tuple[str, str]] = Counter()
        """BMP messages by (router, type), of sessions that have ended too."""
        self.errors: Counter[tuple[str, str]] = Counter()
        """Decoding errors by (router, reason), likewise."""
        self.quirks: Counter[tuple[str, str]] = Counter()
        """Quirks that senders have shown by (router, quirk), likewise."""
        self.octets: Counter[str] = Counter()
        """Octets read by router."""
        self.routes: Counter[str] = Counter()
        """Routes that were handed on in blocks, by kind of event."""

    @property
    def sessions(self) -> list[WideSession]:
        """The sessions that are up now."""
        return list(self._sessions.values())

    @property
    def heard(self) -> list[tuple[str, int]]:
        """The router of each session that is up, and when it was last read from, ns.

        Where nothing is read, or was until now, that is no silence: it counts as heard.
        """
        now = self._clock()
        return [
            (session.router, now if session in self._held else heard)
            for session, heard in self._heard.items()
        ]

    async def start(self, host: str, port: int) -> int:
        """Listen; answer the port (which differs from `port` if that is 0).

        Raises OSError where the address or port cannot be had.
        """
        make = partial(Connection, self._read_size, self._accept)
        self._server = await asyncio.get_running_loop().create_server(make, host, port)
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

    def _accept(self, connection: Connection) -> None:
        address = connection.address
        if address is None:  # gone before we looked
            connection.close()
            return
        allowed = next((a for a in self._allowed if address in a.network), None)
        if allowed is None:
            self.refused["unknown-router"] += 1
            log.warning("refused BMP session from %s: it is not a listed router", address)
            connection.close()
            return
        blocks: list[Block] = []
        session = WideSession(str(address), blocks.append, name=allowed.name, watched=self._watched)
        session.sender = Sender(allowed.sender)
        self._blocks[session] = blocks
        self._connections[session] = connection
        task = asyncio.create_task(self._serve(session, connection), name=f"bmp {address}")
        self._sessions[task] = session
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        session = self._sessions.pop(task)
        del self._blocks[session], self._connections[session]
        self._heard.pop(session, None)
        self._ending.pop(session, None)

    async def _serve(self, session: WideSession, connection: Connection) -> None:
        log.info("BMP session from %s opened", session.router_address)
        reason = STOPPED
        try:
            while session.broken is None:
                data = await connection.read()
                if not data:
                    reason = self._ending.get(session, "router closed the connection")
                    break
                self.octets[session.router] += len(data)
                now = self._heard[session] = self._clock()
                self._awake(now)
                name = session.router
                events = session.feed(data, now)
                if session.router != name:
                    events = self._with_name(session, events)
                # Nothing that was read stays here: the spool has it before more is read.
                session.flush()
                self._deliver(session, events)
                await self._have_room(session)
            reason = session.broken or reason
        except OSError as error:
            reason = f"connection lost: {error.strerror or error}"
        except Exception as error:
            log.error("%s: what came over BMP was not taken in", session.router, exc_info=error)
            reason = f"a fault of anchorwatch: {error!r}"
        finally:
            # Shielded by being synchronous: a cancelled session still says that it ended.
            with suppress(Exception):  # the same fault again, which was told
                self._deliver(session, session.close(self._clock(), reason))
            connection.close()
            self._end_older(session)
            log.info(
                "BMP session of %s (%s) ended: %s", session.router, session.router_address, reason
            )

    async def _have_room(self, session: WideSession) -> None:
        """Return when there is room for more; a router that is not read is not silent."""
        began = self._clock()
        self._held.add(session)
        try:
            await self._room()
        finally:
            self._held.discard(session)
            self._heard[session] = now = self._clock()
            if now - began >= HELD:
                session.excuse(now - began)

    def _awake(self, now: int) -> None:
        """The program may have stood still, or the time made a leap: then nobody was silent."""
        stalled = now - self._looked if self._looked is not None else 0
        self._looked = now
        if stalled >= STALL:
            for session in self.sessions:
                if session not in self._held:  # else this is in the time without room
                    session.excuse(stalled)
            self._heard = dict.fromkeys(self._heard, now)
            self.on_stalled(stalled)

    def _others(self, session: WideSession) -> list[WideSession]:
        """The other sessions of the router, or of what calls itself so."""
        return [
            s for s in self.sessions if s is not session and s.epoch and s.router == session.router
        ]

    def _end_older(self, ended: WideSession) -> None:
        """Have a router whose newest session has ended send its tables again by those that it has.

        What is said by an older one is left out while there is a newer one.
        """
        older = self._others(ended)
        if older and ended.epoch > max(session.epoch for session in older):
            for session in older:
                self._ending[session] = SUPERSEDED
                self._connections[session].close()

    def _with_name(self, session: WideSession, events: list[Event]) -> list[Event]:
        """Say where the name that a router gives itself is that of another address already.

        Of one router that is right, and of two the newer one takes the place of the older.
        """
        others = {s.router_address for s in self._others(session)} - {session.router_address}
        if not others:
            return events
        session.sender.quirks[SHARED_NAME] += 1
        log.warning(
            "%s calls itself %s, and so does %s: only the one that came last is seen. Give each "
            "router a name of its own in bmp.routers; give both the same if they are one router",
            *(session.router_address, session.router, " and ".join(sorted(others))),
        )
        told = (warning(SHARED_NAME),)
        return [
            msgspec.structs.replace(e, warnings=(*e.warnings, *told))
            if e.kind == Kind.FEED_UP
            else e
            for e in events
        ]

    def _deliver(self, session: WideSession, events: Sequence[Event]) -> None:
        self.routes.update(session.counted)
        session.counted.clear()
        for name, count in session.messages.items():
            self.messages[session.router, name] += count
        for name, count in session.errors.items():
            self.errors[session.router, name] += count
        for name, count in session.sender.quirks.items():
            self.quirks[session.router, name] += count
        session.messages.clear()
        session.errors.clear()
        session.sender.quirks.clear()
        blocks = self._blocks[session]
        if events or blocks:
            self._on_batch(events, tuple(blocks))
            blocks.clear()

    def watch(self, watched: Iterable[str]) -> None:
        """From here on, routes of these prefixes become events, also of sessions that are up."""
        self._watched = tuple(watched)
        for session in self.sessions:
            session.watch(self._watched)

    def tick(self, now: int) -> None:
        """Hand on what time alone makes due up to `now` (ns), before anything later is judged."""
        self._awake(now)
        for session in self.sessions:
            if session not in self._held:
                self._deliver(session, session.tick(now))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self.tick(self._clock())
