from __future__ import annotations

import bz2
import gzip
import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anchorwatch.cli import main
from collector.event import Event, Kind, parse_rfc3339, rfc3339
from collector.inputs.capture import CutShortError, read_segments
from collector.inputs.files import FileError, Summary, capture_streams, read_events
from tests.unit.wire.build import (
    BASIC,
    bgp,
    bgp_open,
    initiation,
    monitoring,
    peer_up,
    prefix,
    update,
)
from tests.unit.wire.test_mrt import bgp4mp, record

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "captures" / "lab"
UPDATE = update(attributes=BASIC, nlri=prefix("192.0.2.0/24"))
ROUTE = monitoring(UPDATE)
SECOND = 1_000_000_000


COLLECTOR = (b"\x0a\0\0\x01", 40000, b"\x0a\0\x08\x08", 11019)
"""From where to where, unless a segment says otherwise."""


def pcap(*segments: tuple[Any, ...], link: int = 1) -> bytes:
    """(second, sequence number, payload, flags, and where from and to) of each packet."""
    out = struct.pack("!IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, link)
    for second, sequence, payload, flags, *ends in segments:
        source, from_port, target, to_port = ends or COLLECTOR
        tcp = struct.pack("!HHIIBBHHH", from_port, to_port, sequence, 0, 0x50, flags, 512, 0, 0)
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 40 + len(payload), 0, 0, 64, 6, 0)
        packet = LINKS[link] + ip + source + target + tcp + payload
        out += struct.pack("!IIII", second, 0, len(packet), len(packet)) + packet
    return out


LINKS = {
    1: bytes(12) + b"\x08\0",
    9: b"\xff\x03\0\x21",
    101: b"",
    104: b"\x0f\0\x88\x47" + b"\0\x01\x20\xff" + b"\0\x01\x21\xff",
}
"""What stands before IP: Ethernet, PPP, nothing, Cisco HDLC with two MPLS labels."""
ACK, SYN, FIN = 0x10, 0x02, 0x11


def events(path: Path) -> list[Event]:
    return list(read_events(path))


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "recording"
    path.write_bytes(data)
    return path


def test_raw_bmp_takes_the_routers_times(tmp_path: Path) -> None:
    found = events(write(tmp_path, initiation() + peer_up() + ROUTE))
    assert [e.kind for e in found] == [
        *("feed-up", "peer-up", "announce", "feed-down"),
    ]
    assert {e.received for e in found} == {1_700_000_000_250_000_000}


@pytest.mark.parametrize("link", LINKS)
def test_reassembly(tmp_path: Path, link: int) -> None:
    """Out of order, sent again, overlapping, and around the end of the sequence numbers."""
    data = initiation() + peer_up() + ROUTE
    start = 2**32 - 20
    at = [start + 1, start + 31, start + 61]
    parts = [
        (1, start, b"", SYN),
        (2, at[0] % 2**32, data[:30], ACK),
        (3, at[2] % 2**32, data[60:], ACK),
        (4, at[0] % 2**32, data[:45], ACK),
        (5, at[1] % 2**32, data[30:60], ACK),
        (6, (start + 1 + len(data)) % 2**32, b"", FIN),
    ]
    found = events(write(tmp_path, pcap(*parts, link=link)))
    assert [(e.kind, e.received // SECOND) for e in found] == [
        ("feed-up", 2),
        ("stats", 4),  # no peer yet: whether it has none is not known
        ("peer-up", 5),
        ("announce", 5),
        ("feed-down", 6),
    ]
    assert found[-1].reason == "router closed the connection"
    assert found[0].router_address == "10.0.0.1"


def test_octets_that_the_capture_lacks_are_told(tmp_path: Path) -> None:
    first = initiation()
    parts = [(1, 0, b"", SYN), (2, 1, first, ACK), (3, 1 + len(first) + 50, ROUTE, ACK)]
    summary = Summary()
    found = list(read_events(write(tmp_path, pcap(*parts)), summary=summary))
    assert [e.kind for e in found] == ["feed-up", "feed-down", "feed-up", "announce", "feed-down"]
    assert found[1].reason == "the capture lacks 50 octets"
    assert summary.errors["capture-gap"] == 1


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "is empty"),
        (b"hello", "is neither BMP, BGP, MRT nor a capture file: it begins with 68656c6c"),
        (initiation() + ROUTE[:40], "is cut short: it ends inside a BMP message"),
        (initiation() + b"\x09" * 30, "cannot be read to its end: BMP version 9"),
        (pcap((1, 0, initiation(), ACK))[:-4], "is cut short: it ends inside a packet"),
        (pcap((1, 0, b"not bmp at all", ACK)), "holds no BMP or BGP session"),
        (
            gzip.compress(initiation() + ROUTE, mtime=0)[:-9],
            "is cut short: its gzip stream has no end",
        ),
        (struct.pack("!I", 0xA1B2C3D4) + b"\0\0", "is not a whole capture file"),
        (bz2.compress(bgp4mp(UPDATE))[:-9], "is cut short: its bzip2 stream has no end"),
        (b"BZh9" + bytes(99), "cannot be read: Invalid data stream"),
        (gzip.compress(bgp4mp(UPDATE), mtime=0)[:10] + b"\xff" * 99, "cannot be read: Error -3"),
        (bgp4mp(UPDATE)[:-1], "is cut short: it ends inside an MRT record"),
        (bgp4mp(UPDATE) + bytes(99), "is damaged: no MRT record in the octets from "),
        (record(16, 4, b"abc", length=9), "is cut short: it ends inside an MRT record"),
        (UPDATE + UPDATE[:-1], "is cut short: it ends inside a BGP message"),
        (UPDATE + b"noise" + UPDATE, "is damaged: not all of it is BGP messages"),
    ],
)
def test_files_that_cannot_be_read_say_why(tmp_path: Path, data: bytes, cause: str) -> None:
    path = write(tmp_path, data)
    with pytest.raises(FileError) as caught:
        events(path)
    assert str(caught.value).startswith(f"{path}: {cause}")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
@pytest.mark.parametrize(
    ("data", "feed"),
    [
        (initiation() + ROUTE, "bmp"),
        (UPDATE, "bgp"),
        (bgp4mp(UPDATE), "mrt"),
        (pcap((1, 1, initiation() + ROUTE, ACK)), "bmp"),
        (pcap((1, 1, UPDATE, ACK)), "bgp"),
    ],
    ids=["bmp", "bgp", "mrt", "bmp in pcap", "bgp in pcap"],
)
def test_every_format_is_known_by_its_content_packed_or_not(
    tmp_path: Path, data: bytes, feed: str, pack: Callable[[bytes], bytes]
) -> None:
    (route,) = (event for event in events(write(tmp_path, pack(data))) if event.prefix)
    assert (route.feed, route.prefix) == (feed, "192.0.2.0/24")


def test_both_directions_of_a_connection_are_one_bgp_session(tmp_path: Path) -> None:
    here, there = (b"\x0a\0\0\x01", 40000), (b"\x0a\0\0\x02", 179)
    hello = bgp_open(b"\x41\x04\0\0\xfd\xea")
    data = pcap(
        (1, 0, b"", SYN, *here, *there),
        (1, 500, b"", SYN, *there, *here),
        (2, 1, hello, ACK, *here, *there),
        (3, 501, hello, ACK, *there, *here),
        (4, 1 + len(hello), UPDATE + bgp(4, b""), ACK, *here, *there),
        (5, 501 + len(hello), b"", FIN, *there, *here),
        (6, 20 + len(hello) + len(UPDATE), b"", FIN, *here, *there),
    )
    summary = Summary()
    found = list(read_events(write(tmp_path, data), summary=summary))
    assert [(event.kind, event.received // SECOND, event.router) for event in found] == [
        ("peer-up", 3, "10.0.0.2"),
        ("peer-up", 3, "10.0.0.1"),
        ("announce", 4, "10.0.0.2"),
        ("peer-down", 5, "10.0.0.2"),
        ("peer-down", 5, "10.0.0.1"),
    ]
    assert found[-1].reason == "10.0.0.2 closed the connection"
    assert summary.messages == {"open": 2, "update": 1, "keepalive": 1}


def test_what_could_be_read_comes_before_the_error(tmp_path: Path) -> None:
    path = write(tmp_path, initiation() + peer_up() + ROUTE + ROUTE[:40])
    found = []
    with pytest.raises(FileError):
        for event in read_events(path):
            found.append(event.kind)  # noqa: PERF401 - the failure comes after them
    assert found == ["feed-up", "peer-up", "announce", "undecodable", "feed-down"]


def test_a_missing_file_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", str(tmp_path / "none")]) == 2
    error = capsys.readouterr().err
    assert error == (
        f"anchorwatch decode: {tmp_path / 'none'}: cannot be read: No such file or directory\n"
    )


def test_decode_prints_a_line_of_json_for_each_event(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, initiation() + peer_up() + ROUTE)
    assert main(["decode", "--raw", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert '"prefix":"192.0.2.0/24"' in lines[2]
    assert f'"raw":"{ROUTE.hex()}"' in lines[2]
    assert main(["decode", "--count", str(path)]) == 0
    counted = capsys.readouterr().out
    assert "messages initiation:1 peer-up:1 route-monitoring:1" in counted
    assert main(["decode", "--format", "table", str(path)]) == 0
    assert "announce  ipv4-unicast  192.0.2.0/24" in capsys.readouterr().out


def test_a_bad_file_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write(tmp_path, initiation() + ROUTE)
    bad = tmp_path / "bad"
    bad.write_bytes(b"nonsense")
    assert main(["decode", str(bad), str(good)]) == 2
    shown = capsys.readouterr()
    assert "192.0.2.0/24" in shown.out
    assert shown.err.count("\n") == 1


def test_hex_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"# a message a line\n{initiation().hex()}\nxyz\n{ROUTE.hex()}\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["decode", "-"]) == 2
    shown = capsys.readouterr()
    assert "192.0.2.0/24" in shown.out
    assert "-: line 3 is not hex" in shown.err


def test_a_line_of_hex_may_be_a_bare_bgp_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (UPDATE[:-1], UPDATE, bgp(4, b""), initiation(), ROUTE)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(line.hex() for line in lines)))
    assert main(["decode", "-"]) == 0
    found = [Event.from_dict(json.loads(each)) for each in capsys.readouterr().out.splitlines()]
    assert [(event.feed, event.kind) for event in found[:2]] == [
        ("bgp", "undecodable"),
        ("bgp", "announce"),
    ]
    announced = [event for event in found if event.prefix == "192.0.2.0/24"]
    assert [(event.feed, event.peer) for event in announced] == [("bgp", None), ("bmp", "10.0.0.1")]


def test_progress_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, (initiation() + ROUTE) * 3000)
    told: list[int] = []
    list(read_events(path, progress=told.append))
    assert told[-1] == path.stat().st_size
    assert len(told) > 3


def test_the_labs_captures() -> None:
    """What the lab did is what its captures say."""
    flapped = [e for e in events(CASES / "flap.pcap.gz") if e.prefix == "10.100.0.254/32"]
    pre = [e.kind for e in flapped if e.peer == "10.0.1.2" and e.view == "adj-in-pre"]
    assert pre == ["announce"] + ["withdraw", "announce"] * 6
    kinds = [e.kind for e in events(CASES / "session-loss.pcap.gz") if e.peer == "10.0.1.2"]
    assert kinds.count(Kind.PEER_DOWN) == 1
    assert kinds.count(Kind.PEER_UP) == 2
    rules = [e for e in events(CASES / "redirects.pcap.gz") if e.rule and e.view == "adj-in-pre"]
    to = {"action": "redirect-to-nexthop", "next_hop": "10.100.0.254", "copy": False}
    assert [list(e.actions) for e in rules] == [[to], [to], [{"action": "discard"}], []]
    six = [e for e in events(CASES / "ipv6.pcap.gz") if e.family == "ipv6-flowspec" and e.rule]
    assert {e.rule for e in six} == {
        "destination 2001:db8:50::1/128 protocol =6 destination-port =443"
    }


def test_streams_of_a_capture_can_be_played_again() -> None:
    (stream,) = capture_streams(ROOT / "anchorwatch" / "demo" / "story.pcap.gz")
    assert stream.router_address == "10.0.0.254"
    assert stream.chunks[0][1][:1] == b"\x03"
    times = [at for at, _ in stream.chunks]
    assert times == sorted(times)
    assert 30 * SECOND < times[-1] - times[0] < 45 * SECOND


def test_segments_of_what_is_cut_short_come_first() -> None:
    whole = pcap((1, 0, b"abc", ACK), (2, 3, b"def", ACK))
    found = []
    with pytest.raises(CutShortError):
        for segment in read_segments(io.BytesIO(whole[:-2])):
            found.append(segment.data)  # noqa: PERF401 - the failure comes after them
    assert b"".join(found) == b"abcd"


def test_times_are_exact_to_the_nanosecond() -> None:
    assert rfc3339(1_795_222_280_988_270_282) == "2026-11-21T00:51:20.988270282Z"
    assert parse_rfc3339("2026-11-21T00:51:20.988270282Z") == 1_795_222_280_988_270_282
    assert parse_rfc3339("2026-11-21T01:51:20.5+01:00") == 1_795_222_280_500_000_000
    for bad in ("2026-11-21T00:51:20", "yesterday", "2026-11-21T00:51:20.Z"):
        with pytest.raises(ValueError, match=r"."):
            parse_rfc3339(bad)
