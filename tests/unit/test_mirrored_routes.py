"""Plain routes that a router both monitors and mirrors (FRR with `bmp mirror`)."""

from __future__ import annotations

import pytest

from collector.wire.session import BmpSession
from detectors.engine import Engine
from detectors.incidents import Incident
from detectors.intent import parse_intent
from tests.unit.rules.scenes import SECOND, START, play
from tests.unit.wire import build

SERVICE, OTHER = "192.0.2.50/32", "203.0.113.0/24"
INTENT = f"""
version: 1
sites: {{old: {{match: [{{peer: 10.0.0.1}}]}}}}
services:
  - {{name: web, prefix: {SERVICE}, home: [old], hold: 5s}}
  - {{name: other, prefix: {OTHER}, home: [old], hold: 5s}}
"""


def announce(prefix: str) -> bytes:
    return build.update(b"", build.BASIC, build.prefix(prefix))


def withdraw(prefix: str) -> bytes:
    return build.update(build.prefix(prefix))


class Router:
    """It monitors its peer in one view, or not at all, and mirrors all that it hears of it."""

    def __init__(self, flags: int | None) -> None:
        self.engine = Engine(parse_intent(INTENT))
        self.session = BmpSession("10.9.0.1")
        self.now = START
        self._flags = flags
        self.says(build.initiation("r1") + build.peer_up())
        for prefix in (SERVICE, OTHER):
            self.monitors(announce(prefix))
        self.waits(9)

    def says(self, octets: bytes) -> list[Incident]:
        return play(self.engine, self.session.feed(octets, self.now))

    def monitors(self, message: bytes) -> list[Incident]:
        if self._flags is None:
            return []
        return self.says(build.monitoring(message, build.peer_header(flags=self._flags)))

    def hears(self, message: bytes) -> list[Incident]:
        mirrored = build.bmp(6, build.peer_header() + build.tlv(0, message))
        return self.says(mirrored) + self.monitors(message)

    def waits(self, seconds: int) -> list[Incident]:
        self.now += seconds * SECOND
        told = play(self.engine, self.session.tick(self.now))
        return told + self.engine.advance(self.now)


views = pytest.mark.parametrize("flags", [0, 0x40], ids=["pre-policy", "post-policy"])


@views
def test_a_mirrored_withdrawal_is_no_withdrawal_of_nothing(flags: int) -> None:
    router = Router(flags)
    told = []
    for _ in range(30):
        told += router.hears(withdraw(SERVICE)) + router.waits(1)
        told += router.hears(announce(SERVICE)) + router.waits(60)
    assert told == []


@views
def test_what_is_mirrored_hides_nothing_that_is_monitored(flags: int) -> None:
    router = Router(flags)
    assert router.hears(announce(SERVICE)) + router.waits(60) == []
    told = router.hears(withdraw(OTHER)) + router.waits(60)
    assert [incident.key for incident in told] == ["other everywhere"]
    assert router.hears(withdraw(SERVICE)) == []
    assert [incident.key for incident in router.waits(60)] == ["web everywhere"]


def test_what_is_mirrored_alone_is_all_that_is_known() -> None:
    router = Router(None)
    assert "web everywhere" in [incident.key for incident in router.engine.open_incidents]
    for message, is_open in ((announce(SERVICE), False), (withdraw(SERVICE), True)):
        router.hears(message)
        router.waits(60)
        assert is_open == ("web everywhere" in [i.key for i in router.engine.open_incidents])


@views
def test_what_was_mirrored_before_the_table_came_ends_with_its_withdrawal(flags: int) -> None:
    router = Router(None)
    router.hears(announce(SERVICE))
    router._flags = flags
    router.monitors(announce(OTHER))
    router.waits(60)
    router.hears(withdraw(SERVICE))
    router.waits(60)
    assert [incident.key for incident in router.engine.open_incidents] == ["web everywhere"]


@views
def test_the_monitored_path_stands(flags: int) -> None:
    """FRR puts its own AS before the paths that it monitors, and not before what it mirrors."""
    router = Router(flags)
    router.hears(announce(SERVICE))
    for _ in range(2):
        (route,) = [r for key, r in router.engine.routes.all() if key.destination == SERVICE]
        assert route.event.provenance != "mirror"
        router.says(build.bmp(6, build.peer_header() + build.tlv(0, announce(SERVICE))))
