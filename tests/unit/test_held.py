"""What feeds showed last, kept over a restart of the program."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from anchorwatch.held import HeldError, HeldRoutes, open_held
from collector.event import Kind, Provenance
from detectors.engine import Engine
from detectors.feed import FeedKey
from detectors.intent import parse_intent
from tests.conftest import disk
from tests.unit.rules.scenes import ALLOWED, PEERS, SECOND, START, make, play, route, steady_state
from tests.unit.rules.test_contract import INTENT

R1, R2 = FeedKey("r1", "bmp"), FeedKey("r2", "bmp")


def lived(held: HeldRoutes) -> Engine:
    """A watch that has seen the steady state, and wrote down what it saw."""
    engine = Engine(parse_intent(INTENT), on_route=held.route)
    events = steady_state(START)
    play(engine, events)
    held.take(events)
    held.write()
    return engine


def test_what_was_seen_is_known_again_with_its_age(tmp_path: Path) -> None:
    held = HeldRoutes(tmp_path / "held")
    engine = lived(held)
    at = START + 60 * SECOND
    rule = replace(
        route(Kind.ANNOUNCE, "r1", PEERS["new-pe1"], ALLOWED, at, Provenance.LIVE), raw=b"\x03\xff"
    )
    same = route(Kind.ANNOUNCE, "r1", PEERS["legacy-pe"], "192.0.2.50/32", at, Provenance.LIVE)
    gone = route(Kind.WITHDRAW, "r1", PEERS["new-pe2"], "10.100.0.254/32", at, Provenance.LIVE)
    play(engine, [rule, same, gone])
    held.write()
    held.close()
    again = HeldRoutes(tmp_path / "held")
    known = again.load()
    assert set(known) == {R1, R2}
    assert len(known[R2]) == 3
    shown = {event.prefix or event.rule: (event, since) for event, since in known[R1]}
    assert set(shown) == {"192.0.2.50/32", "10.100.0.254/32", ALLOWED}
    assert shown[ALLOWED] == (rule, at)
    assert shown["192.0.2.50/32"] == (same, START)  # there since then, though said anew
    assert len(known[R1]) == 3
    again.close()


def test_a_feed_without_a_watched_route_is_known_too(tmp_path: Path) -> None:
    held = HeldRoutes(tmp_path / "held")
    held.take([make(Kind.END_OF_RIB, "r1", START), make(Kind.END_OF_RIB, "r1", START)])
    held.take([make(Kind.END_OF_RIB, "r2", START, peer="10.0.0.1")])  # of one peer only
    held.write()
    assert held.load() == {R1: []}
    held.close()


def test_a_route_that_is_known_again_and_goes_leaves_the_file(tmp_path: Path) -> None:
    """The keys of a restart are those of before it, though they were made of other objects."""
    held = HeldRoutes(tmp_path / "held")
    lived(held)
    engine = Engine(parse_intent(INTENT), held=held.load(), lived=START, on_route=held.route)
    kept = [e for e in steady_state(START + 90 * SECOND) if e.prefix != "10.100.0.254/32"]
    play(engine, kept)
    held.write()
    assert {event.prefix for event, _ in held.load()[R1]} == {"192.0.2.50/32"}
    held.close()


def test_a_damaged_file_is_begun_anew_and_said_to_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It must not keep the watch from starting: it can all be learnt again."""
    path = tmp_path / "held"
    path.write_bytes(b"no database at all" * 100)
    held, known = open_held(path)
    assert known == {}
    assert "file is not a database: what changed while anchorwatch was away" in caplog.text
    lived(held)
    held.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE routes SET event = '{}'")
    database.close()
    held, known = open_held(path)
    assert known == {}
    lived(held)
    held.close()
    held, known = open_held(path)
    assert len(known[R1]) == 3
    held.close()


def test_a_full_disk_is_an_error_and_what_was_noted_is_written_later(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "size=1m") as folder:
        held = HeldRoutes(folder / "held")
        filler = folder / "filler"
        with pytest.raises(OSError, match="No space left"):
            filler.write_bytes(bytes(2 << 20))
        with pytest.raises(HeldError, match=r"full|disk I/O error"):
            lived(held)
        filler.unlink()
        held.write()
        assert len(held.load()[R1]) == 3
        held.close()
