"""A fault of ours while something is taken in: it is told, and the router has to begin anew."""

from __future__ import annotations

import logging

import pytest

from collector.event import Event, Kind
from tests.unit.test_bmp_input import NAMED, TABLE, Station
from tests.unit.wire import build

BEGIN = build.initiation("r1")


class Faulty(Station):
    """Routes cannot be taken in; nor, where that is so for good, can the end of their session."""

    def __init__(self, *, for_good: bool) -> None:
        super().__init__(NAMED)
        self.fails, self._for_good = False, for_good

    def _take(self, events: list[Event]) -> None:
        self.fails = self.fails or any(event.kind == Kind.ANNOUNCE for event in events)
        if self.fails:
            self.fails = self._for_good
            raise ZeroDivisionError("a defect")
        super()._take(events)


@pytest.mark.parametrize("for_good", [False, True])
def test_it_ends_the_session_and_is_told(for_good: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def story(here: Station) -> None:
        assert isinstance(here, Faulty)
        router = await here.connect("127.0.0.2", b"")
        other = await here.connect("127.0.0.3", b"")
        router.say(BEGIN + TABLE)
        assert await router.is_ended()
        if not for_good:
            (down,) = here.of(Kind.FEED_DOWN)
            assert down.reason == "a fault of anchorwatch: ZeroDivisionError('a defect')"
        here.fails = False
        other.say(BEGIN + build.peer_up())
        await here.until(lambda: here.of(Kind.PEER_UP))

    with caplog.at_level(logging.ERROR):
        Faulty(for_good=for_good).run(story)
    (told,) = [record for record in caplog.records if record.name == "collector.inputs.bmp"]
    assert told.getMessage() == "r1: what came over BMP was not taken in"
    assert told.exc_info is not None
