"""What the watch reads from: routers over BMP, controllers over gRPC, public vantage points."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from anchorwatch.settings import Settings
from collector.event import Event
from collector.inputs.bgpstream import BgpStreamSource, Request
from collector.inputs.bmp import Allowed, BmpServer
from collector.inputs.gobgp.client import GobgpClient
from collector.native import Block
from detectors.intent import Intent

Take = Callable[[Sequence[Event], Sequence[Block]], None]
Room = Callable[[], Awaitable[object]]
Time = Callable[[], int]


class Sources:
    """All of them, none started yet. What they read goes to `take`, which may have to wait."""

    def __init__(  # noqa: PLR0913 - each source needs nearly all
        self,
        settings: Settings,
        intent: Intent,
        public: Request | None,
        *,
        take: Take,
        room: Room,
        clock: Time,
    ) -> None:
        """Make those that the settings name; `public` is what to ask of public vantage points."""

        def events(taken: Sequence[Event]) -> None:
            take(taken, ())

        self.server = BmpServer(
            [Allowed.of(r.address, r.name, r.sender) for r in settings.bmp.routers],
            take,
            room,
            clock,
            watched=intent.watched_prefixes(),
        )
        controllers = [each.controller() for each in settings.gobgp]
        self.gobgp = [GobgpClient(each, events, room, clock) for each in controllers]
        self.public = BgpStreamSource(public, events, room, clock) if public is not None else None

    def start(self) -> None:
        """Begin to ask; whoever calls us is served by `server.start`."""
        if self.public is not None:
            self.public.start()
        for client in self.gobgp:
            client.start()

    async def close(self) -> None:
        """Read no more; what was read is still handed on."""
        await self.server.close()
        await asyncio.gather(*(client.close() for client in self.gobgp))
        if self.public is not None:
            await self.public.close()
