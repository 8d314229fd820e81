"""Telling again of what is open, to a receiver that forgets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from detectors.incidents import Incident
from detectors.pagers import delivery as module
from detectors.pagers.base import PageError
from detectors.pagers.delivery import Delivery
from detectors.pagers.outbox import Outbox
from tests.unit.pagers.test_delivery import until
from tests.unit.pagers.test_outbox import Receiver, drain, incident


class Forgetful(Receiver):
    """Has to hear again all the time; `on_send` is called before each answer."""

    repeat_every = 0.01

    def __init__(self, on_send: Callable[[Incident], None] = lambda _: None) -> None:
        super().__init__()
        self.on_send = on_send

    async def send(self, incident: Incident) -> None:
        self.on_send(incident)
        await asyncio.sleep(0)
        await super().send(incident)


def told(tmp_path: Path, *names: str) -> Outbox:
    """An outbox in which these are open, and were told."""
    outbox = Outbox(tmp_path / "outbox", ["p"])
    outbox.record([incident(name) for name in names])
    drain(outbox)
    return outbox


def run_until(outbox: Outbox, receiver: Receiver, done: Callable[[Delivery], bool]) -> Delivery:
    async def run() -> Delivery:
        delivery = Delivery(outbox, [receiver], first_wait=0.01)
        delivery.start()
        await until(lambda: done(delivery))
        await delivery.stop()
        outbox.close()
        return delivery

    return asyncio.run(run())


def test_one_that_is_refused_does_not_silence_the_others(tmp_path: Path) -> None:
    def refuse(incident: Incident) -> None:
        if incident.id == "a":
            raise PageError("status 400", retry=False)

    receiver = Forgetful(refuse)
    outbox = told(tmp_path, "a", "b", "c")
    delivery = run_until(outbox, receiver, lambda _: receiver.got.count(("c", "open")) == 3)
    assert receiver.got[:4] == [("b", "open"), ("c", "open")] * 2
    # Never silently: the refusal shows although the others were accepted after it.
    assert delivery.last_error == {"p": "status 400"}


def test_a_receiver_that_is_down_is_not_asked_for_each(tmp_path: Path) -> None:
    tried: list[str] = []

    def fail(incident: Incident) -> None:
        tried.append(incident.id)
        raise PageError("down", retry=True)

    run_until(told(tmp_path, *"abcd"), Forgetful(fail), lambda _: len(tried) >= 6)
    assert tried[:6] == ["a", "b", "c", "d", "a", "b"], "two in a round"


def test_one_that_a_receiver_chokes_on_does_not_silence_the_others(tmp_path: Path) -> None:
    def choke(incident: Incident) -> None:
        if incident.id in ("a", "b"):
            raise PageError("status 500", retry=True)

    receiver = Forgetful(choke)
    outbox = told(tmp_path, "a", "b", "c", "d")
    delivery = run_until(outbox, receiver, lambda _: receiver.got.count(("d", "open")) == 3)
    assert receiver.got[:4] == [("c", "open"), ("d", "open")] * 2
    assert delivery.last_error == {"p": "status 500"}


def test_news_goes_before_what_is_told_again(tmp_path: Path) -> None:
    names = [f"i{number:02}" for number in range(20)]
    outbox = told(tmp_path, *names)
    news = [incident("k", kill=True)]

    def happen(incident: Incident) -> None:
        if incident.id == "i03" and news:
            outbox.record([news.pop()])

    receiver = Forgetful(happen)
    run_until(outbox, receiver, lambda _: receiver.got.count(("k", "open")) == 2)
    order = [name for name, _ in receiver.got]
    assert order[:6] == ["i00", "i01", "i02", "i03", "k", "i04"]
    assert order[6:22] == [*names[5:], "k"]  # each once in a round, the new one too


def test_what_resolves_meanwhile_is_not_opened_anew(tmp_path: Path) -> None:
    outbox = told(tmp_path, "a", "b")
    news = [incident("b", "resolved")]

    def happen(incident: Incident) -> None:
        if incident.id == "a" and news:
            outbox.record([news.pop()])

    receiver = Forgetful(happen)
    run_until(outbox, receiver, lambda _: receiver.got.count(("a", "open")) == 3)
    assert receiver.got[:2] == [("a", "open"), ("b", "resolved")]
    assert ("b", "open") not in receiver.got


def test_a_receiver_that_never_finishes_is_one_that_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.02)

    class Hanging(Receiver):
        async def send(self, incident: Incident) -> None:
            await asyncio.sleep(60)

    outbox = Outbox(tmp_path / "outbox", ["p"])
    outbox.record([incident("a")])
    delivery = run_until(outbox, Hanging(), lambda d: d.failed["p", "retried"] == 2)
    assert delivery.last_error == {"p": "no answer in 0.02 s"}


def test_a_stop_closes_everything_even_where_the_outbox_fails(tmp_path: Path) -> None:
    receiver = Receiver()

    async def run() -> None:
        outbox = Outbox(tmp_path / "outbox", ["p"])
        delivery = Delivery(outbox, [receiver])
        delivery.start()
        outbox.close()
        outbox._database = Outbox(tmp_path / "other", ["p"])._database
        outbox._database.execute("DROP TABLE pages")
        await delivery.stop()
        outbox.close()

    asyncio.run(run())
    assert receiver.closed
