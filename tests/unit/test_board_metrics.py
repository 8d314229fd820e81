"""What the board counts: listeners, what they are told, and questions to the store."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prometheus_client.registry import CollectorRegistry
from starlette.applications import Starlette
from starlette.routing import Route

from anchorwatch.board import live as live_module
from anchorwatch.board.live import Live
from anchorwatch.board.past import AT_ONCE, Past
from anchorwatch.metrics import Metrics
from anchorwatch.web.api.stream import Plain, stream_endpoint
from collector.store.backend import Reader, StoreError
from collector.store.remote import RemoteStore
from tests.unit.watched_board import PE1, Watched


def nobody() -> Reader:
    return RemoteStore("http://127.0.0.1:1")


class Counted(Watched):
    """A board with the metrics of a watch."""

    def __init__(self) -> None:
        super().__init__()
        self.metrics = Metrics()
        observe = self.metrics.board_seconds.observe
        self.live = Live(self.now, on_seconds=observe)
        self.past = Past(nobody)
        self.metrics.board = self.live, self.past
        self._registry = CollectorRegistry()
        self._registry.register(self.metrics)

    def value(self, name: str) -> float | None:
        name, _, label = f"anchorwatch_board_{name}".partition(" ")
        return self._registry.get_sample_value(name, {"result": label} if label else {})


def test_listeners_and_what_they_are_told_are_counted() -> None:
    board = Counted()
    assert [board.value(name) for name in ("listeners", "differences_total")] == [0, 0]
    with board.live.listening(), board.live.listening():
        assert board.value("listeners") == 2
        looks = board.value("look_seconds_count")
        board.steady()
        board.live.board()
        assert board.value("differences_total") == 2
        assert board.value("look_seconds_count") == (looks or 0) + 1
        seconds = board.value("look_seconds_sum")
        assert seconds is not None
        assert 0 < seconds < 300
        board.live.board()  # nothing is new
        assert board.value("differences_total") == 2
    assert board.value("listeners") == 0
    assert board.value("listeners_overrun_total") == 0


def test_a_listener_that_is_too_slow_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "MOST_WAITING", 3)
    board = Counted()
    board.steady()
    with board.live.listening() as listener:
        for second in range(1, 6):
            board.announce(PE1, "192.0.2.50/32", 2 * second)
            board.live.board()
            board.withdraw(PE1, "192.0.2.50/32", 2 * second + 1)
            board.live.board()
        assert listener.lost
    assert board.value("listeners_overrun_total") == 1
    assert board.value("differences_total") == 3


def test_who_is_turned_away_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "MOST_LISTENERS", 0)
    board = Counted()
    app = Starlette(routes=[Route("/stream", stream_endpoint(board.live, Plain()))])

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get("/stream")

    assert asyncio.run(ask()).status_code == 503
    assert board.value("listeners_refused_total") == 1


def fails(_: Reader) -> Any:
    raise StoreError("the store is gone")


def is_no_question(_: Reader) -> Any:
    raise ValueError("no such moment")


@pytest.mark.parametrize(
    ("question", "result"),
    [(lambda _: 7, "answered"), (fails, "failed"), (is_no_question, "refused")],
)
def test_questions_are_counted_by_what_became_of_them(
    question: Callable[[Reader], Any], result: str
) -> None:
    board = Counted()

    async def ask() -> Any:
        try:
            return await board.past.ask(question)
        except (StoreError, ValueError) as error:
            return str(error)

    assert asyncio.run(ask()) in (7, "the store is gone", "no such moment")
    results = ("answered", "failed", "cancelled", "refused")
    told = {each: board.value(f"questions_total {each}") for each in results}
    assert told == {each: float(each == result) for each in results}
    assert board.value("questions_open") == 0
    board.past.close()


def test_questions_that_wait_are_seen_and_who_leaves_is_counted() -> None:
    board = Counted()
    go = threading.Event()

    async def ask() -> None:
        tasks = [
            asyncio.create_task(board.past.ask(lambda _: go.wait(60))) for _ in range(AT_ONCE + 2)
        ]
        await asyncio.sleep(0)
        assert board.value("questions_open") == AT_ONCE + 2
        tasks[-1].cancel()
        await asyncio.gather(tasks[-1], return_exceptions=True)
        assert board.value("questions_open") == AT_ONCE + 1
        go.set()
        assert await asyncio.gather(*tasks[:-1]) == [True] * (AT_ONCE + 1)

    asyncio.run(ask())
    assert board.value("questions_total cancelled") == 1
    assert board.value("questions_total answered") == AT_ONCE + 1
    assert board.value("questions_open") == 0
    board.past.close()
