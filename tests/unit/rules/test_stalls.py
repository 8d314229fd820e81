"""An engine that nobody gave anything for a while, though the network went on."""

from __future__ import annotations

from collector.event import Kind
from detectors.engine import Engine
from tests.unit.rules.scenes import SECOND, START, play
from tests.unit.rules.test_unexpected_withdrawal import both, engine, told

__all__ = ["engine"]  # the fixture

WENT = START + 10 * SECOND
RESUMED = WENT + 30 * SECOND
"""Long after the service may be away."""


def test_what_is_still_to_be_read_may_end_what_time_makes_wrong(engine: Engine) -> None:
    play(engine, both(Kind.WITHDRAW, "legacy-pe", WENT))
    engine.catch_up(RESUMED)
    assert engine.advance(RESUMED) == []
    back = both(Kind.ANNOUNCE, "legacy-pe", RESUMED + SECOND // 2)
    assert play(engine, back) == []
    assert engine.advance(RESUMED + 10 * SECOND) == []


def test_who_is_not_back_then_is_told_as_of_then(engine: Engine) -> None:
    play(engine, both(Kind.WITHDRAW, "legacy-pe", WENT))
    engine.catch_up(RESUMED)
    assert engine.advance(RESUMED + SECOND - 1) == []
    assert told(engine.advance(RESUMED + SECOND)) == [("open", "web everywhere")]


def test_one_stall_after_the_other_does_not_stop_all_judging(engine: Engine) -> None:
    play(engine, both(Kind.WITHDRAW, "legacy-pe", WENT))
    found = []
    for number in range(5):
        at = RESUMED + number * SECOND
        engine.catch_up(at)
        found += told(engine.advance(at))
    assert found == [("open", "web everywhere")]
