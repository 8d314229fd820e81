"""Silence of a router says that its table is complete, but not where nobody listened."""

from __future__ import annotations

import asyncio

from collector.event import Event, Kind, Provenance
from collector.inputs.wide import WideSession
from collector.native import Block
from detectors.routes import Cause
from tests.unit.rules.scenes import SECOND, START
from tests.unit.test_bmp_input import NAMED, PREFIX, Router, Station
from tests.unit.wire import build

HALF = build.initiation("r1") + build.peer_up(build.peer_header())
OTHER = build.monitoring(build.update(b"", build.BASIC, build.prefix("192.0.2.0/24")))
REST = build.monitoring(build.update(b"", build.BASIC, build.prefix(PREFIX)))
LOOKS = 0.5
"""Seconds in which a server looks at its time more than once."""


class Scene(Station):
    """A router whose route was live is back, and has sent half of its table."""

    def __init__(self) -> None:
        super().__init__(NAMED)
        self.room = asyncio.Event()
        self.leap = 0
        self.missed = 0
        """Routes that were taken for withdrawn, as a complete table lacks them."""

    def now(self) -> int:
        return super().now() + self.leap

    async def _room(self) -> None:
        await self.room.wait()

    def _take(self, events: list[Event]) -> None:
        self.events += events
        changes = [change for event in events for change in self.routes.apply(event)]
        self.missed += sum(change.cause is Cause.SWEEP for change in changes)
        self._news.set()

    def silence(self) -> int:
        """For how long nothing is taken to have been heard of the router, ns."""
        ((_, heard),) = self._server.heard
        return self.now() - heard

    async def begin(self) -> Router:
        self.room.set()
        first = await self.session("127.0.0.2")
        await self.ended(3)  # what it said itself, and what its silence says
        await first.end()
        await self.until(lambda: self.of(Kind.FEED_DOWN))
        self.events.clear()
        router = await self.connect("127.0.0.2", HALF + OTHER)
        await self.announced(1)
        return router

    async def announced(self, count: int) -> None:
        await self.until(lambda: len(self.of(Kind.ANNOUNCE)) == count)

    async def ended(self, count: int) -> None:
        await self.until(lambda: len(self.of(Kind.END_OF_RIB)) == count)

    async def is_whole(self) -> None:
        """All of the table came, and none of it was news."""
        await self.ended(2)
        assert {event.provenance for event in self.of(Kind.ANNOUNCE)} == {Provenance.DUMP}
        assert self.missed == 0
        assert self.live()


def test_a_router_of_which_nothing_is_read_is_not_silent() -> None:
    """While the spool is full, the rest of its table waits where nobody looks."""

    async def story(here: Station) -> None:
        assert isinstance(here, Scene)
        router = await here.begin()
        here.room.clear()
        router.say(OTHER)
        await here.announced(2)  # from here on, nothing more is read
        router.say(REST)
        here.leap += 10_000_000_000
        await asyncio.sleep(LOOKS)
        assert here.of(Kind.END_OF_RIB) == []
        assert here.silence() < SECOND
        here.room.set()
        await here.is_whole()

    Scene().run(story)


def test_a_router_is_not_silent_while_the_program_stands_still() -> None:
    """As a machine does that is moved to another host."""

    async def story(here: Station) -> None:
        assert isinstance(here, Scene)
        router = await here.begin()
        for _ in range(2):
            here.leap += 300_000_000_000
            await asyncio.sleep(LOOKS)
            assert here.silence() < SECOND
            router.say(OTHER)
        router.say(REST)
        await here.is_whole()

    Scene().run(story)


def test_a_router_that_is_silent_after_that_has_sent_all() -> None:
    async def story(here: Station) -> None:
        assert isinstance(here, Scene)
        await here.begin()
        here.leap += 300_000_000_000
        await here.ended(2)
        assert here.missed == 1

    Scene().run(story)


def test_what_the_native_decoder_took_counts_from_when_somebody_listens_again() -> None:
    session = WideSession("192.0.2.1", Block.release)
    session.feed(HALF + OTHER, START)
    session.feed(OTHER, START + SECOND)
    session.excuse(10 * SECOND)
    session.excuse(10 * SECOND)
    assert session.tick(START + 23 * SECOND - 1) == []
    ends = [e for e in session.tick(START + 23 * SECOND) if e.kind == Kind.END_OF_RIB]
    assert {e.received for e in ends} == {START + 23 * SECOND}


def test_the_longest_dump_is_as_much_longer() -> None:
    session = WideSession("192.0.2.1", Block.release)
    session.feed(HALF, START)
    session.excuse(60 * SECOND)
    ends = [
        event.received
        for second in range(60, 181)
        for event in session.feed(OTHER, START + second * SECOND)
        if event.kind == Kind.END_OF_RIB
    ]
    assert set(ends) == {START + 180 * SECOND}
