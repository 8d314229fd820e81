from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from detectors.incidents import Incident
from detectors.pagers.base import PageError
from detectors.pagers.delivery import Delivery
from detectors.pagers.factory import PagerSettings, build_pagers
from detectors.pagers.outbox import Outbox, OutboxError
from tests.unit.pagers.test_outbox import Receiver, incident

DOWN = PageError("down", retry=True)


class Down(Receiver):
    """Down until told otherwise; notes every attempt."""

    def __init__(self, fault: Exception = DOWN) -> None:
        super().__init__()
        self.fault: Exception | None = fault
        self.tried: list[str] = []

    async def send(self, incident: Incident) -> None:
        self.tried.append(incident.id)
        if self.fault is not None:
            raise self.fault
        await super().send(incident)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)


def test_only_a_new_kill_switch_ends_a_wait_and_only_once(tmp_path: Path) -> None:
    receiver = Down()

    async def run() -> None:
        outbox = Outbox(tmp_path / "outbox", ["p"])
        delivery = Delivery(outbox, [receiver], first_wait=60.0)
        outbox.record([incident("a")])
        delivery.start()
        await until(lambda: receiver.tried == ["a"])
        for _ in range(20):
            delivery.wake()
            await asyncio.sleep(0.002)
        outbox.record([incident("b")])  # it may be the page that is at fault: one other is tried
        delivery.wake()
        await until(lambda: receiver.tried == ["a", "b"])
        outbox.record([incident("c")])
        delivery.wake()
        await asyncio.sleep(0.05)
        assert receiver.tried == ["a", "b"]
        outbox.record([incident("k", kill=True)])
        for _ in range(20):
            delivery.wake()
            await asyncio.sleep(0.002)
        assert receiver.tried == ["a", "b", "k"]
        # An open incident that becomes a kill switch: its earlier page, then all that waits.
        receiver.fault = None
        outbox.record([incident("b", "updated", kill=True)])
        delivery.wake()
        await until(lambda: not outbox.pending("p"))
        await delivery.stop()
        outbox.close()

    asyncio.run(run())
    first = [("k", "open"), ("b", "open"), ("b", "updated")]
    assert receiver.got == [*first, ("a", "open"), ("c", "open")]


class Choosy(Receiver):
    """Does not take some incidents, and notes when it was asked for any."""

    def __init__(self, *odd: str) -> None:
        super().__init__()
        self.odd = set(odd)
        self.asked: list[tuple[float, str]] = []

    async def send(self, incident: Incident) -> None:
        self.asked.append((time.monotonic(), incident.id))
        if incident.id in self.odd:
            raise PageError("status 500", retry=True)
        await super().send(incident)


def test_a_page_that_a_receiver_chokes_on_holds_up_no_other(tmp_path: Path) -> None:
    receiver = Choosy("a", "k")

    async def run() -> None:
        outbox = Outbox(tmp_path / "outbox", ["p"])
        delivery = Delivery(outbox, [receiver], first_wait=0.05, longest_wait=0.2)
        outbox.record([incident("a"), incident("k", kill=True)])
        outbox.record([incident(name) for name in "bcd"] + [incident("a", "resolved")])
        delivery.start()
        await until(lambda: len(receiver.got) == 3)
        await until(lambda: sum(name == "a" for _, name in receiver.asked) >= 4)
        outbox.record([incident("e")])  # now that it is known which pages are at fault: at once
        delivery.wake()
        began = time.monotonic()
        await until(lambda: len(receiver.got) == 4)
        assert time.monotonic() - began < 0.1
        assert delivery.last_error == {"p": "status 500"}, "it is told as long as one waits"
        receiver.odd.clear()
        await until(lambda: not outbox.pending("p"))
        assert delivery.last_error == {}
        await delivery.stop()
        outbox.close()

    asyncio.run(run())
    assert [name for name, _ in receiver.got[:4]] == ["b", "c", "d", "e"]
    assert [state for name, state in receiver.got if name == "a"] == ["open", "resolved"]
    times = [at for at, name in receiver.asked if name == "a"]
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert waits[-2] >= 0.95 * 0.15, "it waits ever longer"


def test_of_a_receiver_that_is_down_one_page_after_the_other_is_asked(tmp_path: Path) -> None:
    names = "abcdef"
    receiver = Choosy(*names)

    async def run() -> None:
        outbox = Outbox(tmp_path / "outbox", ["p"])
        delivery = Delivery(outbox, [receiver], first_wait=0.04, longest_wait=0.04)
        outbox.record([incident(name) for name in names])
        delivery.start()
        await until(lambda: len(receiver.asked) >= 9)
        receiver.odd.clear()
        await until(lambda: not outbox.pending("p"))
        await delivery.stop()
        outbox.close()

    asyncio.run(run())
    assert [name for _, name in receiver.asked[:8]] == [*names, "a", "b"]
    times = [at for at, _ in receiver.asked[1:9]]
    assert all(later - earlier >= 0.028 for earlier, later in itertools.pairwise(times))
    assert {name for name, _ in receiver.got} == set(names)
    assert receiver.asked[-1][0] - times[-1] < 0.2, "once it is back, all goes out"


def test_who_is_refused_for_now_is_asked_again_for_so_long(tmp_path: Path) -> None:
    """A token that is being replaced costs no page; one that is wrong holds none for ever."""
    receiver = Down(PageError("status 401", retry=True, within=0.5))

    async def run() -> None:
        outbox = Outbox(tmp_path / "outbox", ["p"])
        delivery = Delivery(outbox, [receiver], first_wait=0.02, longest_wait=0.02)
        fresh = [incident(name, time=time.time_ns()) for name in "ab"]
        outbox.record([*fresh, incident("old")])  # of before the start: that long nobody tried
        delivery.start()
        await until(lambda: len(receiver.tried) > 6)
        receiver.fault = None
        await until(lambda: not outbox.pending("p"))
        assert delivery.failed == {("p", "retried"): len(receiver.tried) - 3}
        receiver.fault = PageError("status 401", retry=True, within=0.2)
        outbox.record([incident(name, time=time.time_ns()) for name in "cd"])
        began = time.monotonic()
        delivery.wake()
        await until(lambda: not outbox.pending("p"))
        assert time.monotonic() - began > 0.19
        assert delivery.failed["p", "dropped"] == 2
        await delivery.stop()
        outbox.close()

    asyncio.run(run())
    assert sorted(name for name, _ in receiver.got) == ["a", "b", "old"]


def test_the_wait_grows_up_to_the_longest(tmp_path: Path) -> None:
    times: list[float] = []

    class Clocked(Down):
        async def send(self, incident: Incident) -> None:
            times.append(time.monotonic())
            await super().send(incident)

    async def run() -> None:
        outbox = Outbox(tmp_path / "outbox", ["p"])
        outbox.record([incident("a")])
        delivery = Delivery(outbox, [Clocked()], first_wait=0.04, longest_wait=0.16)
        delivery.start()
        await until(lambda: len(times) == 6)
        await delivery.stop(0)
        outbox.close()

    asyncio.run(run())
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    least = [0.03, 0.06, 0.12, 0.12, 0.12]
    assert all(wait >= 0.95 * low for wait, low in zip(waits, least, strict=True)), waits


def test_failing_since_is_set_once_and_cleared_by_success(tmp_path: Path) -> None:
    receiver = Down()

    async def run() -> None:
        outbox = Outbox(tmp_path / "outbox", ["p"])
        outbox.record([incident("a")])
        delivery = Delivery(outbox, [receiver], first_wait=0.01, longest_wait=0.01)
        before = time.time()
        delivery.start()
        await until(lambda: bool(receiver.tried))
        since = delivery.failing_since["p"]
        assert before <= since <= time.time()
        await until(lambda: len(receiver.tried) > 3)
        assert delivery.failing_since == {"p": since}
        assert delivery.last_error == {"p": "down"}
        receiver.fault = None
        await until(lambda: not outbox.pending("p"))
        assert delivery.failing_since == {}
        assert delivery.last_error == {}
        await delivery.stop()
        outbox.close()

    asyncio.run(run())


def test_a_fault_in_a_pager_keeps_the_page_and_the_task(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Down(RuntimeError("a bug"))

    async def run() -> None:
        outbox = Outbox(tmp_path / "outbox", ["p"])
        outbox.record([incident("a")])
        delivery = Delivery(outbox, [receiver], first_wait=0.01)
        delivery.start()
        await until(lambda: len(receiver.tried) > 2)
        assert delivery.last_error == {"p": "fault in the pager: RuntimeError"}
        receiver.fault = None
        await until(lambda: not outbox.pending("p"))
        await delivery.stop()
        outbox.close()

    asyncio.run(run())
    assert receiver.got == [("a", "open")]
    assert caplog.text.count("Traceback") == 1


def test_a_page_that_cannot_be_struck_out_is_not_sent_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = Receiver()
    refusals = [OutboxError("cannot use outbox: database or disk is full")] * 3
    done = Outbox.done

    def refuse(outbox: Outbox, number: int) -> None:
        if refusals:
            raise refusals.pop()
        done(outbox, number)

    monkeypatch.setattr(Outbox, "done", refuse)

    async def run() -> None:
        outbox = Outbox(tmp_path / "outbox", ["p"])
        outbox.record([incident("a", kill=True)])
        delivery = Delivery(outbox, [receiver], first_wait=0.01)
        delivery.start()
        await until(lambda: "p" in delivery.last_error)
        assert "disk is full" in delivery.last_error["p"]
        await until(lambda: not outbox.pending("p"))
        assert delivery.last_error == {}
        await delivery.stop()
        outbox.close()

    asyncio.run(run())
    assert receiver.got == [("a", "open")]


@pytest.mark.parametrize("url", ["ftp://host/", "http://", "http://host:99999/", "http://host:x/"])
def test_a_url_that_nothing_can_be_sent_to_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        PagerSettings.model_validate({"webhook": {"url": url}})


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"pigeon": {"url": "http://h"}},
        {"webhook": {"url": "http://h"}, "alertmanager": {"url": "http://h"}},
        {"webhook": {"url": "http://h", "token_file": "x", "token_env": "Y"}},
    ],
)
def test_a_setting_that_is_not_one_pager_is_refused(setting: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"exactly one|Extra inputs|not both"):
        PagerSettings.model_validate(setting)


def test_two_pagers_of_one_name_and_tokens_that_are_not_there_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settings(**more: str) -> PagerSettings:
        return PagerSettings.model_validate({"webhook": {"url": "http://h", **more}})

    with pytest.raises(ValueError, match="two pagers are named 'webhook'"):
        build_pagers([settings(), settings()])
    with pytest.raises(FileNotFoundError):
        build_pagers([settings(token_file=str(tmp_path / "none"))])
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ValueError, match="empty holds no token"):
        build_pagers([settings(token_file=str(tmp_path / "empty"))])
    monkeypatch.setenv("AW_TEST_TOKEN", " \n")
    with pytest.raises(ValueError, match="variable AW_TEST_TOKEN holds no token"):
        build_pagers([settings(token_env="AW_TEST_TOKEN")])  # noqa: S106 - a name
    monkeypatch.setenv("AW_TEST_TOKEN", "secret\n")
    (pager,) = build_pagers([settings(token_env="AW_TEST_TOKEN")])  # noqa: S106 - a name
    assert pager.name == "webhook"
