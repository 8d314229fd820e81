"""What BGPStream says, as events; which stream is asked for, and what the detectors make of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from anchorwatch.errors import UserError
from anchorwatch.public import public_request
from anchorwatch.settings import BgpStreamSettings, read_settings
from collector.event import Kind, Provenance
from collector.inputs.bgpstream import installed
from collector.inputs.bgpstream_elements import VantagePoints
from collector.inputs.bgpstream_reader import elements, open_stream
from collector.inputs.files import read_events
from detectors.documents import Mistakes
from detectors.engine import Engine
from detectors.intent import parse_intent
from tests.conftest import unavailable, unavailable_in_ci_too
from tests.unit.bgpstream import NOW, Elem, Library, Record, read, route, told
from tests.unit.rules.test_contract import INTENT

ATTRIBUTES: dict[str, tuple[Elem, dict[str, Any]]] = {
    "announcement": (
        Elem("A", route(communities={"64500:100", "64500:20"})),
        {
            "kind": "announce",
            "provenance": "live",
            "family": "ipv4-unicast",
            "prefix": "192.0.2.50/32",
            "next_hop": "192.0.2.9",
            "as_path": "64500 64501 64502",
            "origin_as": 64_502,
            "communities": ("64500:20", "64500:100"),
        },
    ),
    "row of a table": (Elem("R", route()), {"kind": "announce", "provenance": "dump"}),
    "withdrawal": (
        Elem("W", {"prefix": "192.0.2.50/32"}),
        {"kind": "withdraw", "provenance": "live", "next_hop": None, "as_path": None},
    ),
    "IPv6": (
        Elem("A", route(**{"prefix": "2001:DB8:50:0::/64", "next-hop": "2001:db8::0:9"})),
        {"family": "ipv6-unicast", "prefix": "2001:db8:50::/64", "next_hop": "2001:db8::9"},
    ),
    "host bits": (Elem("A", route(prefix="192.0.2.50/24")), {"prefix": "192.0.2.0/24"}),
    "AS_SET at the end": (
        Elem("A", route(**{"as-path": "64500 64501 {64502,64503}"})),
        {"as_path": "64500 64501 {64502,64503}", "origin_as": None},
    ),
    "AS_SET inside, confederation": (
        Elem("A", route(**{"as-path": "(65001 65002) 64500 {64501} [65003,65004] 4200000000"})),
        {
            "as_path": "(65001 65002) 64500 {64501} [65003,65004] 4200000000",
            "origin_as": 4_200_000_000,
        },
    ),
    "empty path": (Elem("A", route(**{"as-path": ""})), {"as_path": "", "origin_as": None}),
    "well-known communities": (
        Elem("A", route(communities={"65535:666", "65535:65281", "65535:0"})),
        {"communities": ("graceful-shutdown", "blackhole", "no-export")},
    ),
    "established": (
        Elem("S", {"old-state": "OPENCONFIRM", "new-state": "ESTABLISHED"}),
        {"kind": "peer-up", "reason": None},
    ),
    "RIS Live up, the old state not told": (
        Elem("S", {"old-state": "", "new-state": "ESTABLISHED"}),
        {"kind": "peer-up"},
    ),
    "lost": (
        Elem("S", {"old-state": "ESTABLISHED", "new-state": "IDLE"}),
        {"kind": "peer-down", "reason": "state ESTABLISHED to IDLE"},
    ),
    "RIS Live down, the old state not told": (
        Elem("S", {"old-state": "", "new-state": "IDLE"}),
        {"kind": "peer-down", "reason": "state unknown to IDLE"},
    ),
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_element_is_one_event(name: str) -> None:
    elem, expected = ATTRIBUTES[name]
    (event,) = told(read(Record([elem])))
    expected = {
        "feed": "bgpstream",
        "router": "ris-live.rrc00",
        "peer": "192.0.2.9",
        "peer_as": 64_500,
        "view": "adj-in-pre",
        "received": NOW,
        "time": 1_553_627_987_890_000_000,
        "epoch": NOW,
        **expected,
    }
    assert {key: getattr(event, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [("IDLE", "CONNECT"), ("", "CONNECT"), ("ACTIVE", "IDLE"), ("ESTABLISHED", "ESTABLISHED")],
)
def test_a_state_that_ends_and_begins_no_session_is_no_event(old: str, new: str) -> None:
    assert told(read(Record([Elem("S", {"old-state": old, "new-state": new})]))) == []


@pytest.mark.parametrize(
    ("elem", "reason"),
    [
        (Elem("A", route(prefix="192.0.2.0/33")), "does not appear to be an IPv4 or IPv6 network"),
        (Elem("W", {}), "element W: no prefix"),
        (Elem("Q", route()), "element Q: no such type of element"),
        (Elem("A", route(), peer_address="none"), "does not appear to be an IPv4 or IPv6 address"),
        (Elem("A", route(communities={"a:b"})), "invalid literal"),
    ],
)
def test_what_is_not_as_documented_is_told_and_the_rest_goes_on(elem: Elem, reason: str) -> None:
    vantage_points = VantagePoints(dumps=False)
    lines = elements([Record([elem, Elem("A", route())])], lambda: 0.0)
    wrong, right = told([e for line in lines for e in vantage_points.take(line, NOW)])
    assert wrong.kind == Kind.UNDECODABLE
    assert reason in (wrong.reason or "")
    assert right.kind == Kind.ANNOUNCE
    assert vantage_points.errors == {("ris-live.rrc00", "element"): 1}


def test_a_corrupted_record_is_counted_and_no_event() -> None:
    vantage_points = VantagePoints(dumps=False)
    (line,) = elements([Record(status="corrupted-record")], lambda: 0.0)
    assert vantage_points.take(line, NOW) == []
    assert vantage_points.errors == {("ris-live.rrc00", "corrupted"): 1}


def test_each_collector_is_a_feed_with_a_sequence_of_its_own() -> None:
    other = Record([Elem("A", route())], project="routeviews-stream", collector="amsix")
    events = read(Record([Elem("A", route())]), other, Record([Elem("W", route())]))
    by_router: dict[str, list[tuple[int, str]]] = {}
    for event in events:
        by_router.setdefault(event.router, []).append((event.sequence, event.kind))
    assert by_router == {
        "ris-live.rrc00": [
            *((1, "feed-up"), (2, "end-of-rib"), (3, "announce"), (4, "stats"), (5, "withdraw")),
        ],
        "routeviews-stream.amsix": [
            *((1, "feed-up"), (2, "end-of-rib"), (3, "announce"), (4, "stats")),
        ],
    }


def test_the_end_of_a_table_is_end_of_rib() -> None:
    table = [
        Record([Elem("R", route())], type="rib", project="ris"),
        Record(type="rib", project="ris", dump_position="end", status="filtered-source"),
    ]
    events = [event for event in read(*table, dumps=True) if event.kind != Kind.STATS]
    assert [event.kind for event in events] == ["feed-up", "announce", "end-of-rib"]
    assert events[-1].provenance == Provenance.SYNTHETIC
    assert (events[-1].peer, events[-1].view) == (None, None)


def test_a_live_stream_has_no_table_to_wait_for_but_a_gap_is_not_swept() -> None:
    vantage_points = VantagePoints(dumps=False)
    (line, _) = elements([Record([Elem("A", route())])], lambda: 0.0)
    first = vantage_points.take(line, NOW)
    assert [event.kind for event in first] == ["feed-up", "end-of-rib", "announce"]
    (down,) = vantage_points.close(NOW + 1, "connection lost")
    assert (down.kind, down.reason, down.sequence) == ("feed-down", "connection lost", 4)
    again = vantage_points.take(line, NOW + 2)
    assert [event.kind for event in again] == ["feed-up", "announce"]
    assert {event.epoch for event in again} == {NOW + 2}


def test_a_collector_that_says_nothing_of_what_is_watched_shows_that_it_lives() -> None:
    moments = iter([0.0, 10.0, 29.0, 30.0, 45.0])
    lines = list(elements([Record() for _ in range(5)], lambda: next(moments)))
    assert [line.count for line in lines] == [1, 3]
    vantage_points = VantagePoints(dumps=False)
    *_, alive = [event for line in lines for event in vantage_points.take(line, NOW)]
    assert (alive.kind, alive.statistics) == ("stats", {"records": 3})


def test_a_stream_is_asked_for_the_watched_prefixes_and_their_more_specifics() -> None:
    settings = BgpStreamSettings.model_validate(
        {
            "projects": ["ris"],
            "collectors": ["rrc00", "rrc06"],
            "from": "2026-11-21T00:00:00Z",
            "until": "2026-11-21T01:00:00Z",
        }
    )
    library = Library()
    open_stream(library, settings.request(["192.0.2.50/32", "2001:db8::/48"]))
    assert library.asked == {
        "from_time": 1_795_219_200,
        "until_time": 1_795_222_800,
        "projects": ["ris"],
        "collectors": ["rrc00", "rrc06"],
    }
    assert library.filters == [("prefix-more", "192.0.2.50/32"), ("prefix-more", "2001:db8::/48")]
    live = BgpStreamSettings().request(["192.0.2.50/32"])
    assert (live.projects, live.begin, live.until) == (("ris-live",), None, None)


def test_settings_that_make_no_sense_are_refused_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "anchorwatch.yaml"
    path.write_text(
        "intent: intent.yaml\nbmp: {routers: [{address: 192.0.2.1}]}\n"
        "bgpstream:\n  until: 2026-11-21T00:00:00Z\n"
    )
    with pytest.raises(Mistakes, match="until needs a from that is before it"):
        read_settings(path)


def test_without_the_library_one_sentence_says_how_to_install_it() -> None:
    if installed():
        unavailable_in_ci_too("needs a machine without pybgpstream")
    with pytest.raises(UserError, match=r"pip install 'anchorwatch\[bgpstream\]'"):
        public_request(BgpStreamSettings(), parse_intent(INTENT))
    with pytest.raises(UserError, match="names no service and no anycast address"):
        public_request(BgpStreamSettings(), parse_intent("version: 1"))
    assert public_request(None, parse_intent(INTENT)) is None


def test_the_world_opens_nothing_unless_the_intent_counts_on_it() -> None:
    stranger = Record([Elem("A", route())])
    events = read(stranger)
    engine = Engine(parse_intent(INTENT))
    assert [i for event in events for i in engine.process(event)] == []
    assert engine.feeds() == Engine(parse_intent(INTENT)).feeds()
    named = INTENT + "\nfeeds: [{router: ris-live.rrc00}]\n"
    engine = Engine(parse_intent(named))
    opened = [i for event in events for i in engine.process(event)]
    # The world shows a stranger, and no site of the anycast address.
    assert [i.detector for i in opened] == ["anchor_redundancy", "dual_advertisement"]
    assert engine.feeds()["ris-live.rrc00"] == "complete"


FILES = (
    "CAIDA+libbgpstream/test/ris.rrc06.updates.1427846400.gz",
    "westseii+CS-3640-Assignment-3/data/updates.20080219.0015.bz2",
)
STATES = ("", "IDLE", "CONNECT", "ACTIVE", "OPENSENT", "OPENCONFIRM", "ESTABLISHED")


def element_of_line(text: str) -> Elem:
    """The element that libbgpstream makes of what is this line of `bgpdump -m`: its own words."""
    _, moment, kind, peer, number, *rest = text.split("|")
    fields: dict[str, Any]
    if kind == "STATE":
        old, new = (STATES[int(state)] for state in rest)
        kind, fields = "S", {"old-state": old, "new-state": new}
    elif kind == "W":
        fields = {"prefix": rest[0]}
    else:
        names = {"no-export": "65535:65281", "no-advertise": "65535:65282"}
        texts = {names.get(text, text) for text in rest[6].split()}
        fields = {"prefix": rest[0], "as-path": rest[1], "next-hop": rest[3], "communities": texts}
    return Elem(kind, fields, time=float(moment), peer_address=peer, peer_asn=int(number))


@pytest.mark.parametrize("name", FILES)
def test_what_real_collectors_heard_is_what_we_read_in_their_files(
    shared_data: Path, name: str
) -> None:
    if shutil.which("bgpdump") is None:
        unavailable("needs bgpdump (Debian package bgpdump)")
    path = shared_data / name
    done = subprocess.run(["bgpdump", "-m", str(path)], capture_output=True, text=True, check=True)
    record = Record([element_of_line(line) for line in done.stdout.splitlines()])
    theirs = told(read(record))
    ours = [event for event in read_events(path) if event.kind != Kind.END_OF_RIB]
    keys = ("kind", "peer", "peer_as", "prefix", "next_hop", "as_path", "origin_as")
    assert len(theirs) > 1500
    for mine, other in zip(ours, theirs, strict=True):
        assert [getattr(mine, key) for key in keys] == [getattr(other, key) for key in keys]
        assert mine.family in {other.family, "1/2"}  # multicast, of which the text says nothing
        assert sorted(mine.communities) == sorted(other.communities)
        assert (mine.time or mine.received) == other.time
