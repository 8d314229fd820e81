"""That no change of the board is missed or told wrongly."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchorwatch.board import live as live_module
from anchorwatch.board import now as now_module
from anchorwatch.board.live import SHOWN, Difference, Live
from anchorwatch.board.now import Item, Now
from anchorwatch.board.past import Past
from anchorwatch.web.api import stream
from collector.event import Event, Feed, Kind, View
from collector.store.backend import StoreError
from tests.unit.rules.scenes import ALLOWED, KILL_SWITCH
from tests.unit.rules.test_contract import histories
from tests.unit.watched_board import PE1, Watched

WORDS = {"incidents": "severity"}


class Copy:
    """A page that does what it is told."""

    def __init__(self, live: Live) -> None:
        board = live.board()
        self.number = board.number
        self.sections = {name: list(items) for name, items in board.sections.items()}

    def take(self, difference: Difference) -> None:
        assert difference.number == self.number + 1
        self.number = difference.number
        for name, ids in difference.gone.items():
            self.sections[name] = [i for i in self.sections[name] if i["id"] not in ids]
        for name, puts in difference.put.items():
            for put in puts:
                items = [i for i in self.sections[name] if i["id"] != put.item["id"]]
                ids = [item["id"] for item in items]
                items.insert(0 if put.after is None else ids.index(put.after) + 1, put.item)
                self.sections[name] = items


def same(sections: Mapping[str, Sequence[Item]], live: Live) -> None:
    assert sections == {name: list(items) for name, items in live.board().sections.items()}


@st.composite
def sights(draw: st.DrawFn) -> list[Event]:
    """Histories that are seen by several feeds and views of a router, which hide one another."""
    events = []
    for event in draw(histories()):
        feed, view = event.feed, event.view
        if feed == Feed.BMP:
            feed = draw(st.sampled_from([Feed.BMP, Feed.BMP, Feed.GOBGP]))
        if view is not None:
            view = draw(st.sampled_from([view, View.ADJ_IN_POST, View.LOC_RIB]))
        told = {"sys_descr": "GoBGP"} if draw(st.booleans()) else None
        says = told if event.kind == Kind.FEED_UP else event.information
        events.append(msgspec.structs.replace(event, feed=feed, view=view, information=says))
    return events


@settings(max_examples=150, deadline=None)
@given(events=st.one_of(histories(), sights()), data=st.data())
def test_who_takes_every_change_has_what_a_fresh_look_shows(
    events: list[Event], data: st.DataObject
) -> None:
    watched = Watched()
    copy = Copy(watched.live)
    with watched.live.listening() as listener:
        for event in events:
            watched.take(event)
            if data.draw(st.booleans()):
                watched.live.board()
        watched.live.board()
        for difference in listener.waiting:
            copy.take(difference)
    same(copy.sections, watched.live)
    afresh = Now(lambda: watched.engine).sections()
    for name, items in afresh.items():
        assert copy.sections[name] == items.first(SHOWN[name])
        counts = Counter(item[WORDS.get(name, "state")] for item in items.first())
        assert watched.live.board().counts[name] == {"all": len(items), **counts}


THINGS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 1)), unique_by=lambda each: each[0], max_size=12
)


@given(before=THINGS, after=THINGS)
def test_whatever_moves_is_told_so_that_the_order_is_the_same(
    before: list[tuple[int, int]], after: list[tuple[int, int]]
) -> None:
    old, new = ([{"id": str(n), "says": says} for n, says in each] for each in (before, after))
    copy = Copy(Watched().live)
    ids = {item["id"] for item in new}
    copy.sections["rules"] = list(old)
    gone = [str(item["id"]) for item in old if item["id"] not in ids]
    put = list(live_module._put(old, new))
    copy.take(Difference(copy.number + 1, {"rules": put}, {"rules": gone}, {}, []))
    assert copy.sections["rules"] == new
    if before == after:
        assert put == []


def test_of_too_much_that_changed_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(now_module, "MOST_TOUCHED", 1)
    watched = Watched().steady()
    assert watched.service()["state"] == "fine"
    watched.announce(PE1, "192.0.2.50/32").announce(PE1, ALLOWED).announce(PE1, KILL_SWITCH)
    assert watched.now._made is None
    assert watched.service()["state"] == "violated"


def test_a_change_makes_only_what_it_is_about() -> None:
    watched = Watched().steady().announce(PE1, ALLOWED).announce(PE1, "10.100.0.254/32")
    before = {name: items.first() for name, items in watched.now.sections().items()}
    watched.announce(PE1, "192.0.2.50/32", 2)
    after = watched.now.sections()
    assert before["services"][0] is not after["services"].first()[0]
    for name in ("anycast", "rules"):
        assert before[name][0] is after[name].first()[0]


def test_nothing_is_told_where_nothing_changed() -> None:
    watched = Watched().steady()
    heard = iter(range(10))
    feed = {"router": "r1", "state": "complete"}
    now = Now(lambda: watched.engine, list, lambda: [{**feed, "heard": next(heard)}])
    watched.live = Live(now)
    with watched.live.listening() as listener:
        number = watched.live.board().number
        watched.live.board()
        assert (watched.live.board().number, list(listener.waiting)) == (number, [])


def test_a_listener_that_is_too_slow_is_told_so_and_costs_no_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_module, "MOST_WAITING", 3)
    watched = Watched().steady()
    with watched.live.listening() as listener:
        for second in range(1, 6):
            watched.announce(PE1, "192.0.2.50/32", 2 * second)
            watched.live.board()
            watched.withdraw(PE1, "192.0.2.50/32", 2 * second + 1)
            watched.live.board()
        assert listener.lost
        assert not listener.waiting


def test_a_change_is_shown_once_for_all_who_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(stream.Plain):
        calls: ClassVar[list[str]] = []

        def item(self, section: str, item: Item) -> Item:
            self.calls.append(item["id"])
            return item

    watched = Watched().steady()
    with watched.live.listening() as one, watched.live.listening() as other:
        watched.announce(PE1, ALLOWED)
        board = watched.live.board()
        told = [
            stream.made_once(listener.waiting[-1], Counting(), stream._change)
            for listener in (one, other)
        ]
    assert told[0] == told[1]
    assert Counting.calls == [board.sections["rules"][0]["id"]]
    first = stream.made_once(board, Counting(), stream._state)
    assert stream.made_once(board, Counting(), stream._state) is first
    monkeypatch.setattr(stream, "FRESH", 0.0)
    assert stream.made_once(board, Counting(), stream._state) is not first


def test_without_listeners_nothing_is_made() -> None:
    watched = Watched().steady()
    watched.live.look()
    assert watched.live.number == 0


def test_a_watch_that_stops_says_so_to_who_asks_of_the_past() -> None:
    async def ask() -> None:
        past = Past(lambda: pytest.fail("nobody is asked any more"))
        past.close()
        with pytest.raises(StoreError, match="the watch stops"):
            await past.ask(lambda _: None)

    asyncio.run(ask())
