"""The time of receipt, whatever is done to the system's clock."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.inputs.clock import Clock

SECOND = 1_000_000_000
START = 1_800_000_000 * SECOND


class System:
    """Clocks that go as they are told."""

    def __init__(self) -> None:
        self.wall = START
        self.steady = 0

    def passes(self, ns: int, *, step: int = 0) -> None:
        self.steady += ns
        self.wall += ns + step

    def clock(self, not_before: int = 0) -> Clock:
        return Clock(not_before=not_before, wall=lambda: self.wall, steady=lambda: self.steady)


def test_it_is_the_systems() -> None:
    system = System()
    clock = system.clock()
    for _ in range(3):
        system.passes(SECOND, step=-400)  # as NTP slows a clock that is fast
        assert clock() == system.wall
    assert clock.ahead == 0


def test_a_step_forward_is_followed_at_once() -> None:
    system = System()
    clock = system.clock()
    system.passes(SECOND, step=3600 * SECOND)
    assert clock() == START + 3601 * SECOND


def test_a_step_back_makes_it_slower_until_the_system_has_caught_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    system = System()
    clock = system.clock()
    system.passes(SECOND, step=-9 * SECOND)
    with caplog.at_level(logging.WARNING):
        first = clock()
    assert first == START + SECOND * 7 // 8
    assert clock.ahead == SECOND * 7 // 8 + 8 * SECOND
    assert "the system's clock was set back by 8.9 s" in caplog.text
    for _ in range(10):
        system.passes(SECOND)
        clock()
    assert clock.ahead == SECOND * 7 // 8 + 8 * SECOND - 10 * SECOND // 8
    system.passes(100 * SECOND)
    assert clock() == system.wall
    assert clock.ahead == 0
    assert len(caplog.records) == 1


def test_it_goes_on_where_an_earlier_run_ended() -> None:
    system = System()
    clock = system.clock(not_before=START + 5 * SECOND)
    assert clock() == START + 5 * SECOND
    assert clock.ahead == 5 * SECOND
    system.passes(800)
    assert clock() == START + 5 * SECOND + 700


def test_an_earlier_run_with_a_wrong_clock_is_not_gone_on_with() -> None:
    system = System()
    day = 86_400 * SECOND
    assert system.clock(not_before=START + day)() == START + day
    assert system.clock(not_before=START + day + 1)() == START


@pytest.mark.parametrize("ahead", [0, 3600 * SECOND])
def test_several_threads_see_it_go_on(ahead: int) -> None:
    """Whoever is held up between looking and telling must not take the others back."""

    def wall() -> int:
        now = time.time_ns()
        time.sleep(0.001)
        return now

    clock = Clock(not_before=time.time_ns() + ahead, wall=wall)
    told: list[int] = []
    waiting = threading.Barrier(4)

    def ask() -> None:
        waiting.wait()
        for _ in range(25):
            before = max(told, default=0)
            now = clock()
            assert now >= before
            told.append(now)

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(ask) for _ in range(4)]:
            done.result()


@given(st.lists(st.tuples(st.integers(0, 10 * SECOND), st.integers(-(10**12), 10**12))))
def test_it_never_goes_back_nor_stands_still(steps: list[tuple[int, int]]) -> None:
    system = System()
    clock = system.clock()
    for elapsed, step in steps:
        before = clock()
        system.passes(elapsed, step=step)
        assert clock() >= before + elapsed - elapsed // 8
