"""Random histories: what the store answers of any moment is what a simple model says."""

from __future__ import annotations

import os
import random
from collections import defaultdict, deque
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from collector.event import FLOWSPEC_FAMILIES, Event, Kind, Provenance
from collector.store.backend import Store
from collector.store.embedded import EmbeddedStore
from collector.store.life import ROUTE_CONTENT, ROUTE_KEY, Cause, Lives, Step
from collector.store.rib import Clock, rib_rows
from collector.store.rows import event_table, table_of
from collector.store.rules import flowspec_rows
from tests.unit.store.children import child
from tests.unit.store.histories import LENGTH, START, Held, Key, Simulator, key_of, rib_at

HISTORIES = int(os.environ.get("ANCHORWATCH_HISTORIES", "400"))
MOMENTS = 12
TOLD = (Provenance.LIVE, Provenance.DUMP)
CLOCKS: tuple[Clock, ...] = ("received", "router")
_HISTORIES: dict[str, list[Event]] = {}
"""By router, in the child process."""
Answer = dict[str, dict[Key, Held]]


def test_the_store_answers_as_the_model_does(tmp_path: Path) -> None:
    """`ANCHORWATCH_HISTORIES` says how many histories; each is asked about at many moments."""
    code = f"""
    from tests.unit.store.test_rib_model import *
    store, histories = filled(folder, range({HISTORIES}))
    for ask in (ask_routes, ask_rules, ask_one_prefix, ask_lives):
        print(ask(store, histories))
    """
    compared = [int(line) for line in child(tmp_path, code, seconds=280).splitlines()]
    assert all(count > HISTORIES for count in compared), compared


def history(seed: int) -> list[Event]:
    """What one router says; every third is seen over two feeds that know nothing of each other."""
    events = Simulator(seed).run()
    if seed % 3 == 0:
        events += Simulator(-1 - seed, router=f"r{seed}", feed="gobgp").run()
    return events


def filled(folder: Path, seeds: range) -> tuple[Store, dict[str, list[Event]]]:
    """A store with one history for each seed, and the histories by router."""
    store = EmbeddedStore(folder)
    histories = _HISTORIES
    histories |= {f"r{seed}": history(seed) for seed in seeds}
    by_table: dict[str, list[Event]] = defaultdict(list)
    for events in histories.values():
        for event in events:
            by_table[table_of(event)].append(event)
    for name, events in by_table.items():
        # In any order: what counts is when each was received.
        random.Random(1).shuffle(events)
        store.insert(name, event_table(name, events), name)
    return store, histories


@cache
def _held(router: str, at: int, clock: Clock) -> dict[Key, Held]:
    events = _HISTORIES[router]
    by_feed = [[event for event in events if event.feed == feed] for feed in ("bmp", "gobgp")]
    return {key: held for one in by_feed for key, held in rib_at(one, at, clock).items()}


def moments() -> list[int]:
    dice = random.Random(2)
    return [START + dice.randint(0, LENGTH) for _ in range(MOMENTS)] + [START + 2 * LENGTH]


def ask_routes(store: Store, histories: dict[str, list[Event]]) -> int:
    return _compare(
        histories, flowspec=False, asked=lambda at, clock: rib_rows(store, at, clock=clock)
    )


def ask_rules(store: Store, histories: dict[str, list[Event]]) -> int:
    return _compare(
        histories, flowspec=True, asked=lambda at, clock: flowspec_rows(store, at, clock=clock)
    )


def _compare(histories: dict[str, list[Event]], *, flowspec: bool, asked: Any) -> int:
    compared = 0
    for at in moments():
        for clock in CLOCKS:
            answer = _by_router(asked(at, clock))
            for router, events in histories.items():
                expected = _expected(router, at, clock, flowspec=flowspec)
                _same(answer[router], expected, f"{router} at {at} by {clock}", events)
                compared += len(expected)
    return compared


def ask_one_prefix(store: Store, histories: dict[str, list[Event]]) -> int:
    """What is asked of one prefix is that part of the whole table."""
    compared = 0
    for at in moments()[::3]:
        whole = _by_router(rib_rows(store, at))
        for prefix, match, meant in (
            ("192.0.2.0/24", "exact", {"192.0.2.0/24"}),
            ("192.0.2.50", "covering", {"192.0.2.50/32", "192.0.2.0/24", "0.0.0.0/0"}),
            ("192.0.0.0/16", "covered", {"192.0.2.50/32", "192.0.2.0/24"}),
            ("2001:db8::1", "covering", {"2001:db8::/32"}),
            ("::/0", "covered", {"2001:db8::/32", "::ffff:192.0.2.0/120"}),
        ):
            asked = rib_rows(store, at, prefix=prefix, match=match)  # type: ignore[arg-type]
            answer = _by_router(asked)
            for router, events in histories.items():
                expected = {key: held for key, held in whole[router].items() if key[8] in meant}
                _same(answer[router], expected, f"{router} at {at}: {match} {prefix}", events)
                compared += len(expected)
    return compared


def ask_lives(store: Store, histories: dict[str, list[Event]]) -> int:
    """Steps taken one after the other come to the same RIB."""
    compared = 0
    lives = Lives(ROUTE_KEY, ROUTE_CONTENT)
    held: Answer = defaultdict(dict)
    rows = _walked(store)
    for at in sorted(moments()):
        while rows and rows[0]["at"] <= at:
            row = rows.popleft()
            for step in lives.take(row):
                if isinstance(step, Step):
                    _step(held[row["router"]], step)
        for router, events in histories.items():
            expected = _expected(router, at, "received", flowspec=False)
            # A re-announcement that says nothing new is no step: compare what is said.
            ours = {key: value[1::2] for key, value in held[router].items()}
            theirs = {key: value[1::2] for key, value in expected.items()}
            assert ours == theirs, f"{router} at {at}\n{_told(events)}"
            compared += len(expected)
    return compared


def _walked(store: Store) -> deque[dict[str, Any]]:
    times = """toInt64(toUnixTimestamp64Nano(received)) AS at,
               toInt64(toUnixTimestamp64Nano(epoch)) AS epoch_at"""
    columns = "*, prefix, as_path_text AS as_path, communities, ext_communities, large_communities"
    routes = f"SELECT {columns}, cluster_list, false AS session, {times} FROM routes"  # noqa: S608
    sessions = f"SELECT *, true AS session, {times} FROM sessions"  # noqa: S608 - our own words
    rows = [*store.query(routes).to_pylist(), *store.query(sessions).to_pylist()]
    return deque(sorted(rows, key=lambda row: (row["at"], row["sequence"])))


def _step(held: dict[Key, Held], step: Step) -> None:
    row = step.after or step.before
    assert row is not None
    names = ("router", "feed", "peer", "peer_rd", "view", "table_name", "family", "rd")
    key = (*(row[name] for name in names), row["prefix"] or row["nlri"], row["path_id"])
    if step.after is None:
        del held[key]
    else:
        blind = step.at if step.cause is Cause.UNSEEN else None
        held[key] = (row["at"], row["next_hop"], row["provenance"], blind)


def _expected(router: str, at: int, clock: Clock, *, flowspec: bool) -> dict[Key, Held]:
    held = _held(router, at, clock)
    return {key: value for key, value in held.items() if (key[6] in FLOWSPEC_FAMILIES) == flowspec}


def _by_router(rows: pa.Table) -> Answer:
    found: Answer = defaultdict(dict)
    for row in rows.to_pylist():
        what = row.get("rule") or row["prefix"] or row["nlri"]
        names = ("router", "feed", "peer", "peer_rd", "view", "table_name", "family", "rd")
        key = (*(row[name] for name in names), what, row["path_id"])
        assert key not in found[row["router"]], f"twice: {key}"
        blind = row["blind_since"].value if row["blind_since"] is not None else None
        held = (row["changed"].value, row["next_hop"], row["provenance"], blind)
        found[row["router"]][key] = held
    return found


def _same(
    ours: dict[Key, Held], expected: dict[Key, Held], where: str, events: list[Event]
) -> None:
    for key in sorted(ours.keys() | expected.keys(), key=str):
        store, model = ours.get(key), expected.get(key)
        assert store == model, f"{where}\n{key}\nstore {store}\nmodel {model}\n{_told(events)}"


def _told(events: list[Event]) -> str:
    lines: Iterator[str] = (
        f"{e.received} {e.sequence} time {e.time} epoch {e.epoch} {e.provenance} {e.kind} "
        f"{e.peer} {e.peer_rd} {e.view} {e.table} {e.family} {e.rd} "
        f"{e.rule or e.prefix or e.nlri or ''} {e.path_id} {e.next_hop or ''}"
        for e in events
    )
    return "\n".join(lines)


def test_the_histories_have_every_kind_of_event_and_both_outcomes() -> None:
    """A model that never meets a case proves nothing about it."""
    events = [event for seed in range(60) for event in Simulator(seed).run()]
    no_routes = {Kind.STATS, Kind.UNDECODABLE, Kind.PROBE, Kind.ROLLBACK}
    assert {event.kind for event in events} == set(Kind) - no_routes
    held = blind = withdrawn = ended = 0
    for seed in range(60):
        history = Simulator(seed).run()
        rib = rib_at(history, START + 2 * LENGTH, "received")
        last = {key_of(event): event for event in history if event.provenance in TOLD}
        announced = {key for key, event in last.items() if event.kind == Kind.ANNOUNCE}
        withdrawn += sum(event.kind == Kind.WITHDRAW for event in last.values())
        held += len(rib)
        blind += sum(value[3] is not None for value in rib.values())
        ended += len(announced - rib.keys())
    assert min(held - blind, blind, withdrawn, ended) > 50
