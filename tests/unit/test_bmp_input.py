"""The BMP server: several sessions of one router, and several routers of one name."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine

import pytest

from collector.event import Event, Kind
from collector.inputs.bmp import Allowed, BmpServer
from collector.inputs.clock import Clock
from collector.inputs.wide import WideSession
from detectors.feed import FeedKey
from detectors.routes import Routes
from tests.unit.wire import build

HERE = "127.0.0.1"
PREFIX = "192.0.2.50/32"
R1 = FeedKey("r1", "bmp")
TABLE = b"".join(
    (
        build.peer_up(build.peer_header()),
        build.monitoring(build.update(b"", build.BASIC, build.prefix(PREFIX))),
        build.monitoring(build.update()),
    )
)


class Station:
    """A server, what it told, and what a watch knows by that."""

    def __init__(self, *allowed: Allowed) -> None:
        self.clock = Clock()
        self.events: list[Event] = []
        self.routes = Routes([PREFIX])
        self._server = BmpServer(
            allowed, lambda events, _: self._take(list(events)), self._room, self.now
        )
        self._server.watch([PREFIX])
        self._port = 0
        self._news = asyncio.Event()
        self._routers: list[Router] = []

    def now(self) -> int:
        return self.clock()

    async def _room(self) -> None:
        await asyncio.sleep(0)

    def _take(self, events: list[Event]) -> None:
        self.events += events
        for event in events:
            self.routes.apply(event)
        self._news.set()

    @property
    def sessions(self) -> list[WideSession]:
        return list(self._server.sessions)

    @property
    def quirks(self) -> dict[tuple[str, str], int]:
        return dict(self._server.quirks)

    def run(self, story: Callable[[Station], Coroutine[None, None, None]]) -> None:
        async def play() -> None:
            self._port = await self._server.start(HERE, 0)
            try:
                async with asyncio.timeout(20):
                    await story(self)
            finally:
                for router in self._routers:
                    await router.end()
                await self._server.close()

        asyncio.run(play())

    async def session(self, address: str, octets: bytes = b"") -> Router:
        """A router comes up as `r1` from an address, and shows a table of one route."""
        ends = len(self.of(Kind.END_OF_RIB))
        router = await self.connect(address, build.initiation("r1") + TABLE + octets)
        await self.until(lambda: len(self.of(Kind.END_OF_RIB)) > ends)
        return router

    async def connect(self, address: str, octets: bytes) -> Router:
        reader, writer = await asyncio.open_connection(HERE, self._port, local_addr=(address, 0))
        writer.write(octets)
        self._routers.append(Router(reader, writer))
        return self._routers[-1]

    async def until(self, true: Callable[[], object]) -> None:
        while not true():
            self._news.clear()
            await self._news.wait()

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]

    def live(self) -> bool:
        return [route.stale for _, route in self.routes.all()] == [False]


class Router:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def say(self, octets: bytes) -> None:
        self._writer.write(octets)

    async def end(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def is_ended(self) -> bool:
        return await self._reader.read() == b""


WITHDRAWAL = build.monitoring(build.update(build.prefix(PREFIX)))
NAMED, NAMELESS = Allowed.of("127.0.0.0/8", "r1"), Allowed.of("127.0.0.0/8")


@pytest.mark.parametrize("last", [b"", build.bmp(5, build.tlv(1, b"\0\0"))], ids=["lost", "said"])
def test_the_older_session_of_a_router_is_ended_with_the_newer_one(last: bytes) -> None:
    """What it had sent was left out for the newer one, so that it has to send all of it again."""

    async def story(here: Station) -> None:
        older = await here.session("127.0.0.2")
        newer = await here.session("127.0.0.3")
        newer.say(last)
        await newer.end()
        assert await older.is_ended()
        await here.until(lambda: len(here.of(Kind.FEED_DOWN)) == 2)
        reason = here.of(Kind.FEED_DOWN)[1].reason
        assert reason == "a newer session of the router has ended: it has to send its tables again"
        again = await here.session("127.0.0.2")
        assert here.live()
        again.say(WITHDRAWAL)
        await here.until(lambda: not here.routes.all())

    Station(NAMED).run(story)


def test_a_newer_session_goes_on_when_the_older_one_ends() -> None:
    async def story(here: Station) -> None:
        older = await here.session("127.0.0.2")
        newer = await here.session("127.0.0.3")
        await older.end()
        await here.until(lambda: here.of(Kind.FEED_DOWN))
        newer.say(WITHDRAWAL)
        await here.until(lambda: not here.routes.all())
        assert len(here.of(Kind.FEED_DOWN)) == 1

    Station(NAMED).run(story)


def test_sessions_of_other_routers_go_on() -> None:
    async def story(here: Station) -> None:
        other = await here.session("127.0.0.2")
        newer = await here.session("127.0.0.3")
        await newer.end()
        await here.until(lambda: here.of(Kind.FEED_DOWN))
        other.say(WITHDRAWAL)
        await here.until(lambda: here.of(Kind.WITHDRAW))
        assert len(here.of(Kind.FEED_DOWN)) == 1

    Station(Allowed.of("127.0.0.2", "r2"), NAMED).run(story)


def test_a_name_that_the_settings_give_two_addresses_is_meant() -> None:
    async def story(here: Station) -> None:
        await here.session("127.0.0.2")
        await here.session("127.0.0.3")
        assert [e.warnings for e in here.of(Kind.FEED_UP)] == [(), ()]
        assert here.quirks == {}

    Station(NAMED).run(story)


def test_a_router_that_comes_back_from_its_own_address_shares_no_name() -> None:
    """Its old session may not have died yet."""

    async def story(here: Station) -> None:
        await here.session("127.0.0.2")
        await here.session("127.0.0.2")
        assert [e.warnings for e in here.of(Kind.FEED_UP)] == [(), ()]

    Station(NAMELESS).run(story)


def test_what_a_session_held_goes_with_it() -> None:
    """A long one is old by then, and garbage is looked for among the old once an hour."""

    async def story(station: Station) -> None:
        router = await station.session(HERE)
        gone = asyncio.Event()
        kept = [weakref.ref(each, lambda _: gone.set()) for each in station.sessions]
        assert len(kept) == 1
        await router.end()
        await gone.wait()

    gc.collect()
    gc.disable()
    try:
        Station(Allowed.of(HERE)).run(story)
    finally:
        gc.enable()
