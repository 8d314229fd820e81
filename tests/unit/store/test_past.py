"""Questions about the past: rules in force, the history of a prefix, moments and ranges."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.store.moments import parse_moment
from collector.store.prefixes import prefix_range
from tests.unit.store.children import child


def test_rules_in_force_at_a_moment(tmp_path: Path) -> None:
    """Announced, replaced, withdrawn; ended with its peer; blind while our session is down."""
    out = child(
        tmp_path,
        """
        S = SECOND
        PEER = dict(peer="10.0.1.1", view="adj-in-pre")
        DESTINATION = (b"\\x20\\xc0\\0\\2\\x32", b"\\0")
        def rule(kind, at, what=ALLOWED):
            return msgspec.structs.replace(
                route(kind, "r1", "10.0.1.1", what, START + at * S, "live"), sequence=at + 1,
                precedence=precedence([(1, DESTINATION[what == KILL_SWITCH])], 1))
        def session(kind, at, **fields):
            return msgspec.structs.replace(
                make(kind, "r1", START + at * S, epoch=START + at * S, **fields), sequence=at + 1)
        events = [
            session("feed-up", 0), session("peer-up", 1, **PEER), rule("announce", 2),
            rule("announce", 3, KILL_SWITCH), rule("withdraw", 5, KILL_SWITCH),
            session("peer-down", 10, **PEER), session("peer-up", 12, **PEER),
            rule("announce", 13), session("feed-down", 20), session("feed-up", 30),
            session("peer-up", 31, **PEER), session("end-of-rib", 35),
        ]
        writer = Writer.embedded(folder); writer.put(events); writer.close()
        store = EmbeddedStore(folder)
        for at in (2, 3, 4, 6, 11, 14, 25, 32, 40):
            rows = flowspec_rows(store, START + at * S + 1).to_pylist()
            print(at, [(r["rule"][12:22], "blind" if r["blind_since"] else "live") for r in rows])
        """,
    )
    assert out.splitlines() == [
        "2 [('192.0.2.50', 'live')]",
        "3 [('192.0.2.50', 'live'), ('0.0.0.0/0 ', 'live')]",
        "4 [('192.0.2.50', 'live'), ('0.0.0.0/0 ', 'live')]",
        "6 [('192.0.2.50', 'live')]",
        "11 []",
        "14 [('192.0.2.50', 'live')]",
        "25 [('192.0.2.50', 'blind')]",
        "32 [('192.0.2.50', 'blind')]",
        "40 []",
    ]


def test_history_of_a_prefix_and_of_what_it_covers(tmp_path: Path) -> None:
    out = child(
        tmp_path,
        """
        events = list(read_events(f"{CASES}flap.pcap.gz"))
        writer = Writer.embedded(folder); writer.put(events); writer.close()
        store = EmbeddedStore(folder)
        mine = [e for e in events if e.prefix == "10.100.0.254/32"]
        rows = history_rows(store, "10.100.0.254")
        seen = [r for r in rows.to_pylist() if r["prefix"]]
        assert [r["sequence"] for r in seen] == [e.sequence for e in mine]
        assert {r["kind"] for r in rows.to_pylist() if not r["prefix"]} == {
            "feed-up", "feed-down", "peer-up"}
        assert history_rows(store, "10.100.0.0/24").num_rows == 0
        covered = history_rows(store, "10.100.0.0/24", covered=True)
        assert covered.num_rows == rows.num_rows
        late = history_rows(store, "10.100.0.254/32", since=mine[-1].received)
        assert late.to_pylist()[0]["kind"] == mine[-1].kind
        frame = frames.history(store, "10.100.0.254/32")
        print(len(frame) == rows.num_rows, str(frame["received"].dtype))
        """,
    )
    assert out == "True datetime64[ns, UTC]"


def test_moments() -> None:
    now = 1_800_000_000_000_000_000
    assert parse_moment("now", now) == now
    assert parse_moment("-10m", now) == now - 600 * 10**9
    assert parse_moment("-250ms", now) == now - 250 * 10**6
    assert parse_moment("2026-12-01T22:00:00Z", now) == 1_796_162_400 * 10**9
    with pytest.raises(ValueError, match="'soon' is no moment"):
        parse_moment("soon", now)


@pytest.mark.parametrize(
    "text",
    ["-99999999d", "-999999999999999999999d", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"],
)
def test_a_moment_of_which_no_store_has_rows_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' is no moment of a store: those are from 1970"):
        parse_moment(text, 1_800_000_000_000_000_000)


def test_prefix_ranges() -> None:
    assert prefix_range("192.0.2.0/24") == ("::ffff:c000:200", 120, "::ffff:c000:2ff")
    assert prefix_range("2001:db8::1") == ("2001:db8::1", 128, "2001:db8::1")
    with pytest.raises(ValueError, match="nonsense"):
        prefix_range("nonsense")
