"""Octets that were made to break decoders: every one is read, or refused in the declared way."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from collector.event import Event, Kind
from collector.wire import bgp, bmp
from collector.wire.cursor import Cursor, WireError
from collector.wire.destinations import Context
from collector.wire.session import BmpSession
from tests.golden.rows import Tally, report
from tests.golden.sessions import messages, streams

BGP_HEADER = 19
PEER_HEADER = bytes(42)
TWO_OCTET_HEADER = b"\0\x20" + bytes(40)


def corpus(shared_data: Path) -> Iterator[tuple[str, bytes]]:
    """What AFL made of FRR's bgpd, out of the archive."""
    with tarfile.open(shared_data / "qlyoung+corpi.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name, file.read()


def crashers(shared_data: Path) -> list[bytes]:
    """What once made GoBGP panic."""
    lines = (shared_data / "_vectors" / "gobgp_badlen.jsonl").read_text().splitlines()
    return [bytes.fromhex(json.loads(line)["hex"]) for line in lines]


def monitored(message: bytes, header: bytes = PEER_HEADER, kind: int = 0) -> bytes:
    """A BGP message in a BMP message."""
    body = header + message
    return b"\x03" + (6 + len(body)).to_bytes(4) + bytes((kind,)) + body


def mirrored(message: bytes) -> bytes:
    """A BGP message in a Route Mirroring message, as far as its length has room for it."""
    tlv = b"\0\0" + min(len(message), 0xFFFF).to_bytes(2) + message[:0xFFFF]
    return monitored(tlv, kind=bmp.MIRRORING)


def reframed(data: bytes) -> bytes:
    """The same body behind a header that fits it."""
    body = data[BGP_HEADER:][: 0xFFFF - BGP_HEADER]
    return b"\xff" * 16 + (BGP_HEADER + len(body)).to_bytes(2) + b"\x02" + body


def fed(data: bytes) -> list[Event]:
    session = BmpSession("192.0.2.250")
    return [*session.feed(data, 1_000_000_000), *session.close(2_000_000_000, "end")]


def attempt(read: Callable[[], object]) -> bool:
    """Whether it can be read; any failure but the declared one comes through."""
    try:
        read()
    except WireError:
        return False
    return True


def test_updates_that_afl_made_are_read_or_refused(shared_data: Path) -> None:
    read = refused = 0
    for _name, data in corpus(shared_data):
        for as4 in (True, False):
            for add_path in (frozenset[tuple[int, int]](), frozenset({(1, 1), (2, 1), (1, 133)})):
                context = Context(as4=as4, add_path=add_path)
                body = Cursor(data[BGP_HEADER:])
                good = attempt(partial(bgp.read_update, body, context))
                read, refused = read + good, refused + (not good)
        attempt(partial(bgp.read_open, Cursor(data[BGP_HEADER:])))
        attempt(partial(bgp.read_notification, Cursor(data[BGP_HEADER:])))
    assert read > 500
    assert refused > 1000
    report(Tally(f"AFL corpus: {read} readings, {refused} refusals", (read + refused) // 4))


@pytest.mark.parametrize(
    "wrap",
    [
        monitored,
        mirrored,
        lambda data: monitored(reframed(data)),
        lambda data: monitored(reframed(data), TWO_OCTET_HEADER),
        lambda data: mirrored(reframed(data)),
        lambda data: monitored(bytes(20) + data + data, kind=bmp.PEER_UP),
        lambda data: monitored(b"\x01" + data, kind=bmp.PEER_DOWN),
        lambda data: monitored(data, kind=bmp.STATISTICS),
        lambda data: b"\x04" + monitored(b"\0\4" + len(data).to_bytes(4)[2:] + b"\0\0" + data)[1:],
        bytes,
    ],
    ids=[
        *("monitored", "mirrored", "reframed", "reframed-two-octet", "reframed-mirrored"),
        *("peer-up", "peer-down", "statistics", "version-4", "as-it-is"),
    ],
)
def test_a_bmp_session_outlives_everything_that_afl_made(
    wrap: Callable[[bytes], bytes], shared_data: Path
) -> None:
    inputs = events = undecodable = 0
    for _name, data in corpus(shared_data):
        found = fed(wrap(data))
        inputs += 1
        events += len(found)
        undecodable += sum(event.kind == Kind.UNDECODABLE for event in found)
    assert inputs > 1600
    assert events >= inputs - 20  # as it is, an input too short for a header says nothing
    report(Tally(f"AFL in BMP: {events} events, {undecodable} undecodable", inputs))


def test_one_session_goes_on_after_each_bad_message(shared_data: Path) -> None:
    session = BmpSession("192.0.2.250")
    good = b"\xff" * 16 + b"\0\x17\x02\0\0\0\0"  # an End-of-RIB
    count = 0
    for _name, data in corpus(shared_data):
        session.feed(monitored(reframed(data)), 1_000_000_000)
        events = session.feed(monitored(good), 1_000_000_000)
        assert [event.kind for event in events] == [Kind.END_OF_RIB]
        assert session.broken is None
        count += 1
    assert session.messages["route-monitoring"] == 2 * count


def test_what_made_gobgp_panic_is_refused(shared_data: Path) -> None:
    found = crashers(shared_data)
    assert len(found) == 11
    for data in found:
        with pytest.raises(WireError, match="bgp marker"):
            bgp.read_message(Cursor(data))
        kinds = [event.kind for event in fed(monitored(data))]
        assert Kind.UNDECODABLE in kinds
        fed(mirrored(data))
        fed(monitored(reframed(data)))
        for as4 in (True, False):
            attempt(partial(bgp.read_update, Cursor(data[BGP_HEADER:]), Context(as4=as4)))


READERS: dict[int, Callable[[Cursor], object]] = {
    bgp.OPEN: bgp.read_open,
    bgp.UPDATE: lambda body: bgp.read_update(body, Context()),
    bgp.NOTIFICATION: bgp.read_notification,
}


def test_malformed_captures_of_tcpdump_are_read_or_refused(shared_data: Path) -> None:
    paths = sorted((shared_data / "the-tcpdump-group+tcpdump" / "tests").glob("bgp*.pcap*"))
    assert len(paths) >= 15
    count = 0
    for path in paths:
        for data in streams(path).values():
            for kind, body in messages(data):
                if kind in READERS:
                    attempt(partial(READERS[kind], body))
                    count += 1
            fed(monitored(data))
            fed(mirrored(data))
    assert count >= 20
    report(Tally("tcpdump captures", count))
