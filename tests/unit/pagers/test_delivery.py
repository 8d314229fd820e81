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
        outbox.record([incident("b")])
        delivery.wake()
        await asyncio.sleep(0.05)
        assert receiver.tried == ["a"]
        outbox.record([incident("k", kill=True)])
        for _ in range(20):
            delivery.wake()
            await asyncio.sleep(0.002)
        assert receiver.tried == ["a", "k"]
        # An open incident that becomes a kill switch: its earlier page, then all that waits.
        receiver.fault = None
        outbox.record([incident("b", "updated", kill=True)])
        delivery.wake()
        await until(lambda: not outbox.pending("p"))
        await delivery.stop()
        outbox.close()

    asyncio.run(run())
    assert receiver.got == [("k", "open"), ("b", "open"), ("b", "updated"), ("a", "open")]


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
