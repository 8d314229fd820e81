"""An engine with a board, as the watch wires them."""

from __future__ import annotations

from anchorwatch.board.live import Live
from anchorwatch.board.now import Item, Now
from collector.event import Event, Kind, Provenance
from detectors.engine import Engine
from detectors.intent import parse_intent
from tests.unit.rules.scenes import SECOND, START, route, steady_state
from tests.unit.rules.test_contract import INTENT

LEGACY, PE1, PE2 = "10.0.0.1", "10.0.1.1", "10.0.1.2"


class Watched:
    """An engine with a board, as the watch wires them."""

    def __init__(self, text: str = INTENT) -> None:
        self.engine = Engine(parse_intent(text), on_route=lambda key, _: self.live.touch(key))
        self.now = Now(lambda: self.engine)
        self.live = Live(self.now)

    def take(self, *events: Event) -> Watched:
        for event in events:
            self.live.told(self.engine.process(event))
        return self

    def steady(self) -> Watched:
        return self.take(*steady_state(START))

    def announce(self, peer: str, what: str, seconds: int = 1) -> Watched:
        at = START + seconds * SECOND
        events = [route(Kind.ANNOUNCE, r, peer, what, at, Provenance.LIVE) for r in ("r1", "r2")]
        return self.take(*events)

    def withdraw(self, peer: str, what: str, seconds: int) -> Watched:
        at = START + seconds * SECOND
        events = [route(Kind.WITHDRAW, r, peer, what, at, Provenance.LIVE) for r in ("r1", "r2")]
        return self.take(*events)

    def service(self) -> Item:
        (item,) = self.now.services()
        return item
