"""Which page may be tried when, as some or all of them fail."""

from __future__ import annotations

from detectors.pagers.patience import Patience


def patience() -> Patience:
    return Patience(1.0, 8.0, jitter=lambda: 1.0)


def test_one_that_fails_waits_ever_longer_and_alone() -> None:
    found = patience()
    now = 0.0
    for wait in (1, 2, 4, 8, 8):
        found.failed("a", "500", now)
        assert not found.down
        assert found.waiting(now + wait - 0.01) == {"a"}
        assert found.next_due == now + wait
        now += wait
        assert found.waiting(now) == set()
    found.accepted("a")
    assert found.next_due is None
    found.failed("a", "500", now)
    assert found.next_due == now + 1


def test_two_that_fail_are_a_receiver_that_is_down() -> None:
    found = patience()
    found.failed("a", "500", 0.0)
    found.failed("b", "500", 0.0)
    assert found.down
    assert found.next_due == 1
    found.failed("c", "500", 1.0)
    assert found.next_due == 3
    assert found.tried == ["a", "b", "c"]
    found.failed("a", "500", 3.0)
    assert found.next_due == 7
    assert found.tried == ["b", "c", "a"]
    found.accepted("d")
    assert not found.down
    assert found.waiting(7.0) == set(), "it is back: all of them at once"


def test_what_fails_while_others_are_accepted_says_nothing_of_the_receiver() -> None:
    found = patience()
    for name in "ab":
        found.failed(name, "500", 0.0)
    found.accepted("c")
    for name in "ab":
        found.failed(name, "500", 1.0)
    assert not found.down
    found.failed("d", "500", 1.0)
    assert not found.down
    found.failed("e", "500", 1.0)
    assert found.down


def test_what_is_refused_for_good_is_forgotten() -> None:
    found = patience()
    found.failed("a", "500", 0.0)
    found.failed("b", "401", 0.0)
    found.dropped("a")
    assert not found.down
    assert (found.message, found.tried) == ("401", ["b"])
    found.dropped("b")
    assert found.message is None
