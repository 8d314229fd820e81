"""The RIB at a moment: every clause of what it means, on histories that are made by hand.

Each history is of a router of its own in one store, which a child process asks all questions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.store.children import child

P1, P2 = "192.0.2.0/24", "198.51.100.0/24"
UP: list[tuple[Any, ...]] = [(1, "feed-up"), (2, "peer-up")]
WHOLE = {"peer": None, "view": None}
PEER = {"peer": "10.0.0.9"}
TABLE = [(2.1, "announce", {"prefix": P1}), (2.2, "announce", {"prefix": P2})]

Scene = tuple[list[tuple[Any, ...]], dict[float, dict[str, float | None]]]
SCENES: dict[str, Scene] = {
    "a withdraw ends a route": (
        [*UP, (3, "announce"), (5, "withdraw"), (7, "announce")],
        {2: {}, 3: {P1: None}, 4.9: {P1: None}, 5: {}, 7: {P1: None}},
    ),
    "in one read the sequence decides": (
        [*UP, (3, "announce"), (3, "withdraw"), (4, "withdraw"), (4, "announce")],
        {3: {}, 4: {P1: None}},
    ),
    "a peer-down takes its routes along": (
        [*UP, (3, "announce"), (5, "peer-down"), (6, "peer-up"), (7, "announce", {"prefix": P2})],
        {4: {P1: None}, 5: {}, 6.5: {}, 7: {P2: None}},
    ),
    "down, up and announced again in one read": (
        [*UP, (3, "announce"), (5, "peer-down"), (5, "peer-up"), (5, "announce")],
        {4: {P1: None}, 5: {P1: None}},
    ),
    "announced and down in one read": ([*UP, (3, "announce"), (3, "peer-down")], {3: {}}),
    "a down of another peer": ([*UP, (3, "announce"), (5, "peer-down", PEER)], {6: {P1: None}}),
    "a down of another distinguisher": (
        [*UP, (3, "announce"), (5, "peer-down", {"peer_rd": "1:1"})],
        {6: {P1: None}},
    ),
    "a down speaks for both policies": (
        [*UP, (3, "announce", {"view": "adj-in-post"}), (5, "peer-down")],
        {4: {P1: None}, 5: {}},
    ),
    "a down of the other direction": (
        [*UP, (3, "announce"), (5, "peer-down", {"view": "adj-out-pre"})],
        {6: {P1: None}},
    ),
    "loc-rib has a session of its own": (
        [
            *((1, "feed-up"), (2, "peer-up", {"peer": None, "view": "loc-rib"})),
            (3, "announce", {"peer": None, "view": "loc-rib"}),
            *((4, "peer-down"), (5, "peer-down", {"peer": None, "view": "loc-rib"})),
        ],
        {4: {P1: None}, 5: {}},
    ),
    "our session down leaves routes, blind": (
        [*UP, (3, "announce"), (5, "feed-down"), (9, "feed-up")],
        {4: {P1: None}, 5: {P1: 5}, 8: {P1: 5}, 9: {P1: 5}},
    ),
    "a collector that was killed says nothing": (
        [*UP, (3, "announce"), (9, "feed-up"), (10, "peer-up"), (11, "announce", {"prefix": P2})],
        {8: {P1: None}, 9: {P1: 9}, 12: {P1: 9, P2: None}},
    ),
    "announced again is seen again": (
        [*UP, *TABLE, (5, "feed-down"), (6, "feed-up"), (7, "peer-up"), (8, "announce")],
        {7.5: {P1: 5, P2: 5}, 8: {P1: None, P2: 5}},
    ),
    "the end of the table sweeps, by family": (
        [
            *(*UP, *TABLE, (6, "feed-up"), (7, "peer-up"), (8, "announce")),
            (9, "end-of-rib", {"family": "ipv6-unicast"}),
            (10, "end-of-rib", {"family": "ipv4-unicast", "view": "adj-in-post"}),
            (11, "end-of-rib", {"family": "ipv4-unicast", "peer": "10.0.0.9"}),
            (12, "end-of-rib", {"family": "ipv4-unicast"}),
        ],
        {11: {P1: None, P2: 6}, 12: {P1: None}},
    ),
    "the synthetic end of the peer's table sweeps": (
        [
            *(*UP, *TABLE, (6, "feed-up"), (7, "peer-up"), (8, "announce")),
            (9, "end-of-rib", {"provenance": "synthetic"}),
        ],
        {8: {P1: None, P2: 6}, 9: {P1: None}},
    ),
    "the end of all tables sweeps, peers that never came back too": (
        [*UP, (3, "announce"), (6, "feed-up"), (9, "end-of-rib", WHOLE)],
        {8: {P1: 6}, 9: {}},
    ),
    "what was swept stays gone when the peer comes up once more": (
        [
            *(*UP, (3, "announce"), (6, "feed-up"), (7, "peer-up")),
            *((8, "end-of-rib", {"provenance": "synthetic"}), (10, "peer-up")),
        ],
        {7.5: {P1: 6}, 8: {}, 11: {}},
    ),
    "a peer-up without a down makes blind": (
        [*UP, (3, "announce"), (4, "end-of-rib", WHOLE), (6, "peer-up"), (8, "end-of-rib")],
        {5: {P1: None}, 6: {P1: 6}, 8: {}},
    ),
    "an end of the first table sweeps nothing": (
        [*UP, (3, "announce"), (4, "end-of-rib"), (5, "end-of-rib", WHOLE)],
        {6: {P1: None}},
    ),
    "mirrored messages are in no RIB": (
        [
            *(*UP, (3, "announce"), (4, "withdraw", {"provenance": "mirror"})),
            (4, "announce", {"prefix": P2, "provenance": "mirror"}),
            *((6, "peer-up"), (7, "end-of-rib", {"provenance": "mirror"})),
        ],
        {5: {P1: None}, 7: {P1: 6}},
    ),
    "a session that says more of itself": (
        [*UP, (3, "announce"), (5, "feed-up", {"epoch": 1})],
        {6: {P1: None}},
    ),
    "the router's old connection dies late": (
        [
            *(*UP, (6, "feed-up"), (7, "peer-up"), (8, "announce")),
            *((9, "feed-down", {"epoch": 1}), (9.5, "peer-down", {"epoch": 2})),
        ],
        {10: {P1: None}},
    ),
    "a recording has no views and no feed": (
        [
            (1, "announce", {"view": None, "epoch": None}),
            (2, "announce", {"view": None, "epoch": None, "prefix": P2, "peer": "10.0.0.9"}),
            (3, "peer-down", {"view": None, "epoch": None}),
        ],
        {2: {P1: None, P2: None}, 3: {P2: None}},
    ),
}
ASK = """
EVERYTHING = json.loads({scenes!r})
EPOCHS = ("feed-up", "peer-up")
WHOLE = {{"peer": None, "view": None}}
def events(router, history):
    epochs = [None, None]
    for sequence, (at, kind, *fields) in enumerate(history, 1):
        fields = dict(fields[0]) if fields else {{}}
        received = START + int(at * SECOND)
        if kind in EPOCHS:
            epochs[EPOCHS.index(kind)] = received
        whole = kind.startswith("feed") or WHOLE.items() <= fields.items()
        epoch = fields.pop("epoch", "now")
        epoch = (epochs[0] if whole else epochs[1] or epochs[0]) if epoch == "now" else (
            epoch and START + epoch * SECOND)
        late = fields.pop("late", None)
        if late is not None:
            fields["time"] = START + int(late * SECOND)
        values = dict(peer=None if whole else "10.0.0.1", view=None if whole else "adj-in-pre",
                      epoch=epoch, sequence=sequence)
        if kind in ("announce", "withdraw"):
            values |= dict(prefix="192.0.2.0/24", family="ipv4-unicast")
        yield make(kind, router, received, **(values | fields))

def put(histories):
    writer = Writer.embedded(folder)
    for router, history in histories.items():
        writer.put(list(events(router, history)))
    writer.close()
    return EmbeddedStore(folder)

def seconds(moment):
    return None if moment is None else (moment.value - START) / SECOND
"""


def ask(tmp_path: Path, scenes: dict[str, Any], code: str) -> Any:
    """Put histories into a store; what the code prints, which is JSON."""
    common = ASK.format(scenes=json.dumps(scenes))
    return json.loads(
        child(tmp_path, f"{common}\nfrom collector.store.rib import blind_rows, rib_rows\n{code}")
    )


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the store answers, by scene and moment: blind_since of each prefix."""
    return ask(
        tmp_path_factory.mktemp("rib"),
        {name: [history, list(asked)] for name, (history, asked) in SCENES.items()},
        """
store = put({name: history for name, (history, _) in EVERYTHING.items()})
print(json.dumps({
    name: {at: {row["prefix"]: seconds(row["blind_since"]) for row in rib_rows(
        store, START + int(at * SECOND), router=name).to_pylist()} for at in moments}
    for name, (_, moments) in EVERYTHING.items()}))
""",
    )


@pytest.mark.parametrize("name", SCENES)
def test_routes_held_at_a_moment(answers: Any, name: str) -> None:
    expected = {str(at): routes for at, routes in SCENES[name][1].items()}
    assert answers[name] == expected


def test_what_makes_two_routes_of_one_prefix(tmp_path: Path) -> None:
    """Each part of the key; a withdraw of one leaves the others."""
    different = [
        *({"peer": "10.0.0.9"}, {"peer_rd": "1:1"}, {"view": "adj-in-post"}, {"table": "blue"}),
        *({"family": "ipv4-labelled-unicast"}, {"rd": "65000:1"}, {"path_id": 0}, {"path_id": 7}),
        {"prefix": "192.0.2.0/25"},
        {"prefix": None, "nlri": "mac-ip tag 7", "family": "l2vpn-evpn"},
    ]
    history = [(1, "announce", fields) for fields in [{}, *different]]
    histories = {f"r{n}": [*history, (2, "withdraw", fields)] for n, fields in enumerate(different)}
    found = ask(
        tmp_path,
        histories,
        """
store = put(EVERYTHING)
print(json.dumps([[rib_rows(store, START + at * SECOND, router=name).num_rows for at in (1, 2)]
                  for name in EVERYTHING]))
""",
    )
    assert found == [[len(different) + 1, len(different)]] * len(different)


QUESTIONS: list[tuple[dict[str, Any], list[str]]] = [
    ({"prefix": "192.0.2.0/24"}, ["192.0.2.0/24"]),
    ({"prefix": "192.0.2.7/24"}, ["192.0.2.0/24"]),
    ({"prefix": "192.0.2.50"}, ["192.0.2.50/32"]),
    ({"prefix": "192.0.2.0/25"}, []),
    (
        {"prefix": "192.0.2.50", "match": "covering"},
        ["0.0.0.0/0", "192.0.0.0/16", "192.0.2.0/24", "192.0.2.50/32"],
    ),
    ({"prefix": "192.0.2.0/24", "match": "covered"}, ["192.0.2.0/24", "192.0.2.50/32"]),
    (
        {"prefix": "0.0.0.0/0", "match": "covered"},
        ["0.0.0.0/0", "192.0.0.0/16", "192.0.2.0/24", "192.0.2.50/32", "203.0.113.0/24"],
    ),
    ({"prefix": "::/0"}, ["::/0"]),
    ({"prefix": "2001:db8::1", "match": "covering"}, ["::/0", "2001:db8::/32"]),
    ({"prefix": "::/0", "match": "covered"}, ["::/0", "::ffff:192.0.2.0/120", "2001:db8::/32"]),
    ({"prefix": "::ffff:192.0.2.0/120"}, ["::ffff:192.0.2.0/120"]),
    ({"router": "r1", "peer": "10.0.0.9"}, ["203.0.113.0/24"]),
    ({"router": "r2"}, []),
    ({"view": "adj-out-pre"}, ["203.0.113.0/24"]),
    ({"family": "l2vpn-evpn"}, [""]),
    ({"rd": "1:1"}, ["192.0.0.0/16"]),
]


def test_which_routes_are_asked_for(tmp_path: Path) -> None:
    six = {"family": "ipv6-unicast"}
    history = [
        *((1, "announce", {"prefix": p}) for p in ("0.0.0.0/0", "192.0.2.0/24", "192.0.2.50/32")),
        (1, "announce", {"prefix": "192.0.0.0/16", "rd": "1:1", "family": "l3vpn-ipv4-unicast"}),
        (1, "announce", {"prefix": "203.0.113.0/24", "peer": "10.0.0.9", "view": "adj-out-pre"}),
        *((1, "announce", {"prefix": p, **six}) for p in ("::/0", "2001:db8::/32")),
        (1, "announce", {"prefix": "::ffff:192.0.2.0/120", **six}),
        (1, "announce", {"prefix": None, "nlri": "multicast tag 0", "family": "l2vpn-evpn"}),
    ]
    found = ask(
        tmp_path,
        {"histories": {"r1": history}, "questions": [question for question, _ in QUESTIONS]},
        """
store = put(EVERYTHING["histories"])
print(json.dumps([rib_rows(store, START + 9 * SECOND, **question)["prefix"].to_pylist()
                  for question in EVERYTHING["questions"]]))
""",
    )
    for (question, expected), prefixes in zip(QUESTIONS, found, strict=True):
        assert sorted(prefixes) == sorted(expected), question


def test_columns_and_the_routers_clock(tmp_path: Path) -> None:
    """By the router's clock what it had done counts, though it was received later."""
    full = {
        "path_id": 3,
        "rd": "1:2",
        "labels": [16],
        "next_hop": "10.9.9.9",
        "as_path": "1 {2,3}",
        "origin": "igp",
        "med": 5,
        "local_pref": 100,
        "communities": ["1:2", "no-export"],
        "ext_communities": ["rt:1:2"],
        "large_communities": ["1:2:3"],
        "cluster_list": ["1.1.1.1"],
        "originator_id": "2.2.2.2",
        "path_status": ["best"],
        "warnings": ["w"],
        "origin_as": 4,
        "provenance": "dump",
        "peer_as": 65000,
        "table": "blue",
        "peer_rd": "9:9",
    }
    history = [
        *((1, "feed-up"), (2, "peer-up", {"late": 1, "peer_rd": "9:9"})),
        (5, "announce", {"late": 2, **full}),
        (8, "peer-down", {"late": 4, "peer_rd": "9:9"}),
    ]
    found = ask(
        tmp_path,
        {"r1": history},
        """
store = put(EVERYTHING)
count = lambda at, clock: rib_rows(store, START + at * SECOND, clock=clock).num_rows
counts = {clock: [count(at, clock) for at in (1, 2, 3, 4, 5, 7, 8)]
          for clock in ("received", "router")}
row = rib_rows(store, START + 6 * SECOND).to_pylist()[0]
times = {name: seconds(row.pop(name)) for name in ("changed", "time", "epoch", "blind_since")}
wrong = []
for question in ({"match": "near"}, {"clock": "wall"}, {"prefix": "nonsense"}):
    try:
        rib_rows(store, START, **question)
    except ValueError as error:
        wrong.append(str(error))
print(json.dumps([counts, row, times, wrong]))
""",
    )
    counts, row, times, wrong = found
    assert counts == {"received": [0, 0, 0, 0, 1, 1, 0], "router": [0, 1, 1, 0, 0, 0, 0]}
    assert times == {"changed": 5, "time": 2, "epoch": 2, "blind_since": None}
    expected = {**full, "router": "r1", "peer": "10.0.0.1", "view": "adj-in-pre", "nlri": ""}
    expected |= {"family": "ipv4-unicast", "prefix": P1, "table_name": expected.pop("table")}
    assert row == expected | {"router_address": "127.0.0.1", "feed": "bmp"}
    assert wrong[0] == "'near' is none of exact, covering, covered"
    assert wrong[1] == "'wall' is none of received, router"
    assert "nonsense" in wrong[2]


def test_when_the_watch_was_blind(tmp_path: Path) -> None:
    complete = {"view": "adj-in-pre"}
    histories = {
        "r1": [
            *((10, "feed-up"), (11, "peer-up"), (13, "end-of-rib", complete)),
            *((14, "end-of-rib", WHOLE), (20, "feed-up", {"epoch": 10})),
            *((30, "peer-down"), (40, "peer-up"), (42, "end-of-rib", complete)),
            *((50, "feed-down", {"reason": "it was quiet"}), (60, "feed-up"), (61, "peer-up")),
            *((62, "end-of-rib", complete), (65, "end-of-rib", WHOLE), (70, "peer-up", PEER)),
        ],
        "r2": [(5, "feed-up"), (7, "end-of-rib", WHOLE), (80, "feed-up")],
        "r3": [(2, "peer-up", {"view": None})],
    }
    found = ask(
        tmp_path,
        histories,
        """
store = put(EVERYTHING)
def told(*asked):
    since, until, *routers = asked
    rows = blind_rows(store, START + since * SECOND, START + until * SECOND, *routers)
    return [[r["router"], r["peer"], seconds(r["from"]), seconds(r["until"]), r["why"]]
            for r in rows.to_pylist()]
print(json.dumps([told(8, 100), told(41, 55), told(15, 18), told(0, 12, ["r1"]),
                  told(3, 4, ["r9", "r3"])]))
""",
    )
    not_complete = "its table was not complete yet"
    everything, clipped, nothing, first, others = found
    assert everything == [
        ["r1", "", 8, 10, "no session yet"],
        ["r1", "", 10, 14, not_complete],
        ["r1", "10.0.0.1", 40, 42, f"adj-in: {not_complete}"],
        ["r1", "", 50, 60, "its session with us was down: it was quiet"],
        ["r1", "", 60, 65, not_complete],
        ["r1", "10.0.0.9", 70, 100, f"adj-in: {not_complete}"],
        ["r2", "", 80, 100, not_complete],
    ]
    assert clipped == [
        ["r1", "10.0.0.1", 41, 42, f"adj-in: {not_complete}"],
        ["r1", "", 50, 55, "its session with us was down: it was quiet"],
    ]
    assert nothing == []
    assert first == [["r1", "", 0, 10, "no session yet"], ["r1", "", 10, 12, not_complete]]
    assert others == [["r9", "", 3, 4, "no session yet"]]
