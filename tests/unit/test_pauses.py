"""Garbage is found among new objects at once, among old ones once an hour."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest

from anchorwatch.pauses import HOUR, Pauses


class Cycle:
    """Garbage as soon as nobody knows it: it knows itself."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture
def pauses() -> Iterator[Pauses]:
    before = sys.getswitchinterval()
    pauses = Pauses(0.0)
    yield pauses
    pauses.close()
    sys.setswitchinterval(before)


def test_what_is_there_at_the_start_is_not_looked_through_again(pauses: Pauses) -> None:
    assert gc.get_freeze_count() > 1000
    assert sys.getswitchinterval() < 0.001


def test_what_outlives_a_look_is_not_looked_through_again(pauses: Pauses) -> None:
    kept = [Cycle() for _ in range(1000)]
    before = gc.get_freeze_count()
    gc.collect(1)
    assert gc.get_freeze_count() == before  # a look among the young ones makes nothing old
    gc.collect()
    assert gc.get_freeze_count() >= before + len(kept)


def test_new_garbage_is_found_at_once_and_old_garbage_within_an_hour(pauses: Pauses) -> None:
    new = weakref.ref(Cycle())
    old = Cycle()
    known = weakref.ref(old)
    gc.collect()
    assert new() is None
    del old
    gc.collect()
    assert known() is not None
    pauses.tick(HOUR - 1)
    gc.collect()
    assert known() is not None
    pauses.tick(HOUR)
    assert known() is None
    assert gc.get_freeze_count() > 1000


def test_it_is_left_to_python_again() -> None:
    before = list(gc.callbacks)
    Pauses(0.0).close()
    assert gc.callbacks == before
    assert gc.get_freeze_count() == 0
