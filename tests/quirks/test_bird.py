"""BIRD's quirks in a recording of BIRD 3.1."""

from __future__ import annotations

from pathlib import Path

from collector.event import Event, Kind, View
from collector.wire import bmp
from collector.wire.session import BmpSession
from detectors.routes import Cause, Routes
from tests.quirks.recordings import STORY, changed, daemon, recorded

NAME = "bird317.35324"
SECOND = 1_000_000_000


def initiation_of(shared_data: Path) -> bytes:
    data = (shared_data / "_daemons" / f"{NAME}.bmp").read_bytes()
    assert data[5] == bmp.INITIATION
    return data[: int.from_bytes(data[1:5])]


def silent(shared_data: Path) -> tuple[BmpSession, list[Event]]:
    """What BIRD 3.1 sends after a reconnect, and some seconds of nothing."""
    session = BmpSession("192.0.2.1")
    events = session.feed(initiation_of(shared_data), 1)
    return session, events + session.tick(5 * SECOND)


def test_silent_after_initiation(shared_data: Path) -> None:
    session, events = silent(shared_data)
    up, told = events
    assert (up.kind, told.kind, told.provenance) == ("feed-up", "stats", "synthetic")
    assert told.statistics == {"peers_up": 0}
    assert told.warnings == ("quirk: silent-after-initiation",)
    assert session.sender.quirks == {"silent-after-initiation": 1}


def test_silence_ends_no_route(shared_data: Path) -> None:
    """The router had a route, reconnects, and tells of no peer: nobody knows if it still has it."""
    routes = Routes(["10.9.0.0/24"])
    before = [e for e in daemon(shared_data, NAME).events if e.kind != Kind.FEED_DOWN]
    held = max(n for n, e in enumerate(before) if e.prefix == "10.9.0.0/24") + 1
    for event in before[:held]:
        routes.apply(event)
    assert len(list(routes.of_prefix("10.9.0.0/24"))) == 1
    _, events = silent(shared_data)
    later = 10**19
    again = [changed(e, received=e.received + later, epoch=later) for e in events]
    causes = [change.cause for event in again for change in routes.apply(event)]
    assert Cause.SWEEP not in causes
    assert [route.stale for _, route in routes.of_prefix("10.9.0.0/24")] == [True]
    assert routes.feeds.words() == {"bird4": "dumping"}


def test_a_peer_after_the_silence_is_dumped_and_swept(shared_data: Path) -> None:
    session, _ = silent(shared_data)
    data = (shared_data / "_daemons" / f"{NAME}.bmp").read_bytes()
    up = data[len(initiation_of(shared_data)) :]
    session.feed(up[: int.from_bytes(up[1:5])], 6 * SECOND)
    ends = session.tick(20 * SECOND)
    assert [(e.view, e.reason) for e in ends] == [
        (View.ADJ_IN_POST, "quiet"),
        (View.ADJ_IN_PRE, "quiet"),
        (None, "initial tables complete"),
    ]


def test_a_router_that_says_its_peers_are_down_is_not_silent(shared_data: Path) -> None:
    frr = daemon(shared_data, "frr84.35002")
    assert frr.quirks["silent-after-initiation"] == 0
    assert recorded(STORY).quirks["silent-after-initiation"] == 0


def test_zero_time(shared_data: Path) -> None:
    heard = daemon(shared_data, NAME)
    said = heard.saying("zero-time")
    assert [e.kind for e in said] == ["peer-up", "peer-down", "peer-up"]
    assert heard.quirks["zero-time"] == 3
    assert {e.time for e in said} == {None}


def test_end_of_rib_before_routes(shared_data: Path) -> None:
    """It is left out, twice four in each view: the table ends when no more of it comes."""
    heard = daemon(shared_data, NAME)
    assert heard.quirks["end-of-rib-before-routes"] == 2
    ends = heard.of(kind=Kind.END_OF_RIB)
    assert {(e.provenance, e.reason) for e in ends if e.view} == {("synthetic", "quiet")}
    rules = heard.of(family="ipv4-flowspec", view=View.ADJ_IN_PRE)
    assert (rules[0].kind, rules[0].provenance) == (Kind.ANNOUNCE, "dump")
    first_end = min(e.sequence for e in ends if e.view == View.ADJ_IN_PRE)
    assert {e.provenance for e in rules if e.sequence < first_end} == {"dump"}


def test_an_early_end_of_rib_sweeps_nothing(shared_data: Path) -> None:
    """The peer flaps: BIRD says End-of-RIB, then the table that has the route still."""
    routes = Routes(["10.9.0.0/24"])
    causes = []
    for event in daemon(shared_data, NAME).events:
        causes += [c.cause for c in routes.apply(event) if c.key is not None]
    assert Cause.SWEEP not in causes


def test_local_pref_of_external_peer(shared_data: Path) -> None:
    heard = daemon(shared_data, NAME)
    assert heard.quirks["local-pref-of-external-peer"] == 2
    added = heard.of(kind=Kind.ANNOUNCE, view=View.ADJ_IN_PRE, local_pref=100)
    assert {e.peer_as for e in added} == {65002}


def test_the_sender_is_told_by_its_peer_up(shared_data: Path) -> None:
    heard = daemon(shared_data, NAME)
    (up,) = heard.of(kind=Kind.FEED_UP)
    assert up.information == {"sys_descr": "lab", "sys_name": "bird4"}  # which say nothing
    first, second = heard.of(kind=Kind.PEER_UP)
    assert [(e.information or {}).get("sender") for e in (first, second)] == ["bird", None]
