"""Flowspec rules that a router mirrors: it says them once, and after a reconnect says nothing."""

from __future__ import annotations

import pytest

from collector.event import FLOWSPEC_FAMILIES
from collector.wire.session import BmpSession
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from tests.unit.rules.scenes import SECOND, START, play
from tests.unit.rules.test_contract import INTENT
from tests.unit.wire import build

NLRI = bytes.fromhex("0901200a0000010481b3")
"""Destination 10.0.0.1/32, port 179."""
KEY = "ipv4-flowspec destination 10.0.0.1/32 port =179"
PATH = build.attribute(1, b"\0") + build.attribute(2, b"")
DISCARD = build.ext("8006000000000000")
ANNOUNCE = build.update(b"", PATH + build.reach(1, 133, b"", NLRI) + DISCARD)
WITHDRAW = build.update(b"", build.unreach(1, 133, NLRI))
NO_MORE = build.monitoring(build.update(b"", build.unreach(1, 133, b"")))
TABLE = build.monitoring(build.update(b"", build.BASIC, build.prefix("192.0.2.50/32")))
END = build.monitoring(build.update())
DOWN = build.bmp(2, build.peer_header() + b"\4")


def mirrored(message: bytes) -> bytes:
    return build.bmp(6, build.peer_header() + build.tlv(0, message))


class Router:
    """Its sessions, and what is told of the rule."""

    def __init__(self) -> None:
        self.engine = Engine(parse_intent(INTENT))
        self.now = START
        self.session = BmpSession("10.9.0.1")

    def comes(self, *octets: bytes) -> list[Incident]:
        """A new session, whose tables are complete after a while."""
        self.session = BmpSession("10.9.0.1")
        said = b"".join(octets) or build.peer_up()
        return self.says(build.initiation("r1") + said + TABLE + END) + self.waits(9)

    def says(self, octets: bytes) -> list[Incident]:
        self.now += SECOND
        return self._of_rule(play(self.engine, self.session.feed(octets, self.now)))

    def waits(self, seconds: int) -> list[Incident]:
        self.now += seconds * SECOND
        told = play(self.engine, self.session.tick(self.now))
        return self._of_rule(told + self.engine.advance(self.now))

    def goes(self) -> list[Incident]:
        return self._of_rule(play(self.engine, self.session.close(self.now, "reset")))

    def held(self) -> list[bool]:
        """Of each rule that is held, whether it is stale."""
        routes = self.engine.routes.all()
        return [route.stale for key, route in routes if key.family in FLOWSPEC_FAMILIES]

    @staticmethod
    def _of_rule(told: list[Incident]) -> list[Incident]:
        return [i for i in told if (i.detector, i.key) == ("flowspec_policy", KEY)]


def states(told: list[Incident]) -> list[str]:
    return [incident.state for incident in told]


@pytest.fixture
def router() -> Router:
    """A rule was mirrored that must not be, and then the session was lost."""
    router = Router()
    assert router.comes() == []
    (opened,) = router.says(mirrored(ANNOUNCE))
    assert opened.details["kill_switch"]
    assert states(router.goes()) == [State.UNKNOWN]
    return router


def test_a_table_without_it_says_nothing_of_what_was_mirrored(router: Router) -> None:
    assert router.comes() + router.waits(600) == []
    assert router.held() == [True]
    assert states(router.says(mirrored(ANNOUNCE))) == [State.UPDATED]
    assert states(router.says(mirrored(WITHDRAW))) == [State.RESOLVED]


@pytest.mark.parametrize(
    "end", [mirrored(WITHDRAW), DOWN, NO_MORE], ids=["withdrawal", "peer-down", "end-of-rib"]
)
def test_it_ends_with_what_says_so(router: Router, end: bytes) -> None:
    """Its withdrawal, the end of its session, or that of a table which shows such rules."""
    assert router.comes() == []
    assert states(router.says(end)) == [State.RESOLVED]
    assert router.held() == []


def test_a_session_that_did_not_come_back_has_taken_it_along(router: Router) -> None:
    assert states(router.comes(build.peer_up(build.peer_header("10.0.1.1")))) == [State.RESOLVED]


def test_a_rule_that_was_monitored_is_swept() -> None:
    router = Router()
    router.comes()
    assert states(router.says(build.monitoring(ANNOUNCE))) == [State.OPEN]
    router.goes()
    assert states(router.comes()) == [State.RESOLVED]


def test_what_was_mirrored_before_its_peer_came_up_is_there() -> None:
    """FRR mirrors as soon as a collector is connected, and says afterwards who is up."""
    router = Router()
    assert states(router.comes(mirrored(ANNOUNCE), build.peer_up())) == [State.OPEN]
    assert router.held() == [False]
    # Another Peer Up without a Peer Down before it is another session, of which nothing is known.
    router.says(build.peer_up())
    assert router.held() == [True]
