"""FRR's quirks in recordings of FRR 8.4 and 10.3."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.event import Kind, Provenance, View
from collector.quirks.sender import MANY
from collector.wire.session import BmpSession
from tests.quirks.recordings import daemon
from tests.unit.wire.build import BASIC, NOW, initiation, monitoring, peer_up, prefix, update

BOTH = ("frr84.35002", "frr103.35778")
SECOND = 1_000_000_000


@pytest.mark.parametrize(("name", "peers"), [(BOTH[0], 2), (BOTH[1], 2)])
def test_own_as_prepended(name: str, peers: int, shared_data: Path) -> None:
    heard = daemon(shared_data, name)
    assert heard.quirks["own-as-prepended"] == peers
    sent = [e for e in heard.of(kind=Kind.ANNOUNCE, prefix="10.9.0.0/24") if e.view]
    paths = {(e.provenance == Provenance.MIRROR, e.as_path, e.origin_as) for e in sent}
    # What it mirrors is what the peer sent; what it monitors has its own AS before it.
    assert paths == {(True, "65002", 65002), (False, "65004 65002", 65002)}


@pytest.mark.parametrize("name", BOTH)
def test_peer_up_with_old_time(name: str, shared_data: Path) -> None:
    heard = daemon(shared_data, name)
    ups = heard.saying("peer-up-with-old-time")
    assert len(ups) == heard.quirks["peer-up-with-old-time"] == 2
    downs = heard.of(kind=Kind.PEER_DOWN)
    late = ups[-1]
    (before,) = [e for e in downs if e.sequence == max(d.sequence for d in downs)]
    assert late.time is not None
    assert before.time is not None
    assert abs(late.time - before.time) <= 1000
    assert late.received - late.time > 10_000_000  # it came up when its routes did


@pytest.mark.parametrize("name", [*BOTH, "frr103.39702"])
def test_peer_down_without_peer_up(name: str, shared_data: Path) -> None:
    heard = daemon(shared_data, name)
    (down,) = heard.saying("peer-down-without-peer-up")
    assert heard.quirks["peer-down-without-peer-up"] == 1
    assert (down.peer, down.peer_bgp_id) == ("127.0.1.2", "0.0.0.0")  # noqa: S104
    assert down.sequence < min(
        (e.sequence for e in heard.of(peer="127.0.1.2") if e != down), default=99
    )


def test_repeated_peer_down(shared_data: Path) -> None:
    heard = daemon(shared_data, BOTH[0])
    again = heard.saying("repeated-peer-down")
    assert len(again) == heard.quirks["repeated-peer-down"] == 4
    (first,) = [e for e in heard.of(kind=Kind.PEER_DOWN) if not e.warnings]
    assert first.sequence + 1 == again[0].sequence
    assert {e.reason for e in again} == {first.reason}


def test_mirrored_before_peer_up(shared_data: Path) -> None:
    heard = daemon(shared_data, "frr84.55774")
    assert heard.quirks["mirrored-before-peer-up"] == 1
    ups = heard.of(kind=Kind.PEER_UP)
    assert len(ups) == 1
    assert heard.of(provenance=Provenance.MIRROR)


def withdrawal(number: int) -> bytes:
    octets = b"".join(prefix(f"10.{number}.{n}.0/24") for n in range(250))
    return monitoring(update(withdrawn=octets))


def test_fabricated_withdrawals() -> None:
    """One FRR sent 1,966,176 withdrawals and no announcement: here a thousand, then twice that."""
    session = BmpSession("192.0.2.1")
    announced = monitoring(update(attributes=BASIC, nlri=prefix("192.0.2.0/24")))
    session.feed(initiation() + peer_up() + announced, NOW)
    session.feed(b"".join(withdrawal(n) for n in range(4)), NOW + 1)
    assert session.tick(NOW + 2) == []  # one of them may be of what was announced
    session.feed(withdrawal(5), NOW + 3)
    (told,) = session.tick(NOW + 4)
    assert (told.kind, told.provenance, told.received) == ("stats", "synthetic", NOW + 3)
    assert told.statistics == {"withdrawals_of_unannounced": 1249}
    assert told.warnings == ("quirk: fabricated-withdrawals",)
    assert session.sender.quirks["fabricated-withdrawals"] == 1249 > MANY
    assert session.tick(NOW + 5) == []
    session.feed(b"".join(withdrawal(n) for n in range(6, 11)), NOW + 6)
    (more,) = session.close(NOW + 6, "gone")[:1]
    assert more.statistics == {"withdrawals_of_unannounced": 2499}
    assert session.sender.quirks["fabricated-withdrawals"] == 2499


def test_a_table_that_is_withdrawn_is_no_fault() -> None:
    session = BmpSession("192.0.2.1")
    octets = [b"".join(prefix(f"10.{a}.{b}.0/24") for b in range(250)) for a in range(8)]
    tables = b"".join(monitoring(update(attributes=BASIC, nlri=each)) for each in octets)
    session.feed(initiation() + peer_up() + tables, NOW)
    session.feed(b"".join(monitoring(update(withdrawn=each)) for each in octets), NOW + SECOND)
    events = session.close(NOW + 2 * SECOND, "gone")
    assert [e.kind for e in events if e.warnings] == []
    assert session.sender.quirks == {}


def test_zero_time_in_loc_rib(shared_data: Path) -> None:
    heard = daemon(shared_data, BOTH[1])
    assert heard.quirks["zero-time"] == 1
    assert {e.time for e in heard.of(kind=Kind.WITHDRAW, view=View.LOC_RIB)} <= {None}
