"""The session without a daemon: messages of both versions in, events out."""

from __future__ import annotations

from typing import Any

import pytest

from collector.event import Event
from collector.inputs.gobgp.dialect import BATCH, Dialect, dialect
from collector.inputs.gobgp.session import GobgpSession
from collector.wire.session import LONGEST_DUMP, QUIET

SECOND = 1_000_000_000
PEER = "192.0.2.2"


@pytest.fixture(params=[3, 4])
def spoken(request: pytest.FixtureRequest) -> Dialect:
    return dialect(request.param)


class Talk:
    """One controller that talks to one session."""

    def __init__(self, spoken: Dialect) -> None:
        self.spoken, self.api = spoken, spoken.api
        self.session = GobgpSession("rr1", "192.0.2.1")
        self.now = 0

    def held(self, into: Any, name: str, field: str, **values: Any) -> None:
        """Put a message into what holds it: an Any, or a oneof with this field."""
        message = getattr(self.api, name)(**values)
        if self.spoken.version == 3:
            into.type_url = f"type.googleapis.com/apipb.{name}"
            into.value = message.SerializeToString()
        else:
            getattr(into, field).CopyFrom(message)

    def path(self, prefix: str, *, withdraw: bool = False, med: int = 0, peer: str = PEER) -> Any:
        address, _, length = prefix.partition("/")
        path = self.api.Path(is_withdraw=withdraw, neighbor_ip=peer, source_asn=65002)
        path.family.afi, path.family.safi = (2 if ":" in prefix else 1), 1
        self.held(path.nlri, "IPAddressPrefix", "prefix", prefix=address, prefix_len=int(length))
        if not withdraw:
            self.held(path.pattrs.add(), "OriginAttribute", "origin", origin=0)
            self.held(path.pattrs.add(), "MultiExitDiscAttribute", "multi_exit_disc", med=med)
        return path

    def table(self, *paths: Any) -> Any:
        response = self.api.WatchEventResponse()
        response.table.SetInParent()
        response.table.paths.extend(paths)
        return response

    def peer(self, kind: int, state: int = 6, address: str = PEER) -> Any:
        response = self.api.WatchEventResponse()
        response.peer.type = kind
        said = response.peer.peer.state
        said.neighbor_address, said.session_state, said.peer_asn = address, state, 65002
        return response

    def open(self, families: int = 1) -> list[Event]:
        self.now += SECOND
        return self.session.open(self.spoken, self.now, {}, {PEER: families})

    def adj_in(self, *responses: Any) -> list[Event]:
        self.now += SECOND
        return [e for each in responses for e in self.session.adj_in(each, self.now)]

    def best(self, *responses: Any) -> list[Event]:
        self.now += SECOND
        return [e for each in responses for e in self.session.best(each, self.now)]

    def dumped(self, *prefixes: str) -> list[Event]:
        """A connection with one family of one peer, all of it sent."""
        events = self.open() + self.best(self.table(*map(self.path, prefixes)))
        end = self.peer(2, 1, "<nil>")
        return events + self.adj_in(
            self.peer(1), end, self.table(*map(self.path, prefixes)), self.table()
        )


def told(events: list[Event]) -> list[tuple[str, str | None, str | None, str]]:
    return [(e.kind, e.view, e.prefix, e.provenance) for e in events]


def test_the_first_tables_are_state_and_end_when_they_are_sent(spoken: Dialect) -> None:
    talk = Talk(spoken)
    assert told(talk.dumped("198.51.100.0/24")) == [
        ("feed-up", None, None, "live"),
        ("announce", "loc-rib", "198.51.100.0/24", "dump"),
        ("end-of-rib", "loc-rib", None, "dump"),
        ("peer-up", "adj-in-pre", None, "live"),
        ("announce", "adj-in-pre", "198.51.100.0/24", "dump"),
        ("end-of-rib", "adj-in-pre", None, "dump"),
        ("end-of-rib", None, None, "synthetic"),
    ]
    (event,) = talk.best(talk.table(talk.path("203.0.113.0/24")))
    assert (event.provenance, event.prefix, event.sequence) == ("live", "203.0.113.0/24", 8)


def test_a_table_in_many_messages_ends_with_the_short_one(spoken: Dialect) -> None:
    talk = Talk(spoken)
    talk.open()
    full = [talk.path(f"10.{n >> 8}.{n & 255}.0/24") for n in range(BATCH + 1)]
    assert not [e for e in talk.best(talk.table(*full)) if e.kind == "end-of-rib"]
    ends = [e for e in talk.best(talk.table()) if e.kind == "end-of-rib"]
    assert [e.view for e in ends] == ["loc-rib"]


def test_the_same_again_is_no_event_and_a_change_is_one(spoken: Dialect) -> None:
    talk = Talk(spoken)
    talk.dumped("198.51.100.0/24")
    again = talk.table(talk.path("198.51.100.0/24"))
    assert talk.adj_in(again) == []
    assert talk.session.unchanged == {"adj-in-pre": 1}
    (changed,) = talk.adj_in(talk.table(talk.path("198.51.100.0/24", med=7)))
    assert (changed.med, changed.provenance) == (7, "live")
    (gone,) = talk.adj_in(talk.table(talk.path("198.51.100.0/24", withdraw=True)))
    assert (gone.kind, gone.provenance) == ("withdraw", "live")
    assert talk.adj_in(talk.table(talk.path("198.51.100.0/24", withdraw=True))) == []


def test_why_a_peer_is_down_commands_nothing(spoken: Dialect) -> None:
    talk = Talk(spoken)
    talk.dumped("198.51.100.0/24")
    down = talk.peer(3, 1)
    if not hasattr(down.peer.peer.state, "disconnect_message"):
        assert talk.adj_in(down)[0].reason == "GoBGP does not say why"
        return
    down.peer.peer.state.disconnect_message = "bye\n\x1b[2J"
    assert talk.adj_in(down)[0].reason == r"said by GoBGP: bye\n\x1b[2J"


def test_a_peer_that_goes_down_and_comes_back(spoken: Dialect) -> None:
    talk = Talk(spoken)
    talk.dumped("198.51.100.0/24")
    assert told(talk.adj_in(talk.peer(3, 1), talk.peer(3, 3))) == [
        ("peer-down", "adj-in-pre", None, "live"),
        ("withdraw", "adj-in-pre", "198.51.100.0/24", "synthetic"),
    ]
    back = talk.adj_in(talk.peer(3), talk.table(talk.path("198.51.100.0/24")))
    assert told(back) == [
        ("peer-up", "adj-in-pre", None, "live"),
        ("announce", "adj-in-pre", "198.51.100.0/24", "dump"),
    ]
    assert talk.session.tick(talk.now + QUIET - 1) == []
    (end,) = talk.session.tick(talk.now + QUIET)
    assert (end.kind, end.peer, end.provenance, end.reason) == (
        "end-of-rib",
        PEER,
        "synthetic",
        "quiet",
    )


def test_after_a_lost_connection_only_what_went_is_withdrawn(spoken: Dialect) -> None:
    talk = Talk(spoken)
    talk.dumped("198.51.100.0/24", "203.0.113.0/24")
    (down,) = talk.session.close(talk.now, "lost")
    assert (down.kind, down.reason) == ("feed-down", "lost")
    again = talk.dumped("198.51.100.0/24")
    assert told(again) == [
        ("feed-up", None, None, "live"),
        ("announce", "loc-rib", "198.51.100.0/24", "dump"),
        ("withdraw", "loc-rib", "203.0.113.0/24", "synthetic"),
        ("end-of-rib", "loc-rib", None, "dump"),
        ("peer-up", "adj-in-pre", None, "live"),
        ("announce", "adj-in-pre", "198.51.100.0/24", "dump"),
        ("withdraw", "adj-in-pre", "203.0.113.0/24", "synthetic"),
        ("end-of-rib", "adj-in-pre", None, "dump"),
        ("end-of-rib", None, None, "synthetic"),
    ]
    assert [e.sequence for e in again] == list(range(1, 10))
    assert again[1].epoch == again[0].received


def test_a_peer_that_is_gone_after_a_lost_connection(spoken: Dialect) -> None:
    talk = Talk(spoken)
    talk.dumped("198.51.100.0/24")
    talk.session.close(talk.now, "lost")
    talk.open()
    talk.best(talk.table())
    events = talk.adj_in(talk.peer(1, 1), talk.peer(2, 1, "<nil>"))
    assert told(events) == [
        ("withdraw", "adj-in-pre", "198.51.100.0/24", "synthetic"),
        ("end-of-rib", None, None, "synthetic"),
    ]


def test_a_dump_that_never_ends_is_ended(spoken: Dialect) -> None:
    talk = Talk(spoken)
    talk.open(families=3)
    talk.adj_in(talk.peer(1), talk.peer(2, 1, "<nil>"), talk.table())
    start = SECOND
    assert talk.session.tick(start + LONGEST_DUMP - 1) == []
    later = talk.session.tick(start + LONGEST_DUMP + 2 * SECOND)
    assert {(e.kind, e.view, e.provenance) for e in later} == {
        ("end-of-rib", "loc-rib", "synthetic"),
        ("end-of-rib", "adj-in-pre", "synthetic"),
        ("end-of-rib", None, "synthetic"),
    }


def test_what_cannot_be_read_is_an_event_and_takes_nothing_along(spoken: Dialect) -> None:
    talk = Talk(spoken)
    talk.dumped()
    evpn = talk.path("198.51.100.0/24")
    evpn.family.afi, evpn.family.safi = 25, 70
    name, field = "EVPNEthernetSegmentRoute", "evpn_ethernet_segment"
    talk.held(evpn.nlri, name, field, ip_address="192.0.2.1")
    broken = talk.path("198.51.100.0/24")
    talk.held(broken.nlri, "IPAddressPrefix", "prefix", prefix="nonsense", prefix_len=24)
    events = talk.adj_in(talk.table(evpn, broken, talk.path("203.0.113.0/24")))
    assert [e.kind for e in events] == ["undecodable", "undecodable", "announce"]
    assert events[0].family == "l2vpn-evpn"
    assert name in (events[0].reason or "")
    assert "nonsense" in (events[1].reason or "")
    assert events[0].raw == evpn.SerializeToString()
    assert talk.session.errors == {"malformed-path": 2}


def test_an_attribute_without_an_encoder_is_a_warning(spoken: Dialect) -> None:
    talk = Talk(spoken)
    talk.dumped()
    path = talk.path("198.51.100.0/24")
    talk.held(path.pattrs.add(), "AigpAttribute", "aigp")
    communities = talk.api.ExtendedCommunitiesAttribute()
    held = communities.communities.add()
    talk.held(held, "ESImportRouteTarget", "es_import", es_import="no mac")
    talk.held(
        path.pattrs.add(),
        *("ExtendedCommunitiesAttribute", "extended_communities"),
        communities=communities.communities,
    )
    (event,) = talk.adj_in(talk.table(path))
    assert event.kind == "announce"
    said = [w for w in event.warnings if "not-decoded" in w]
    assert said[0] == "attribute-not-decoded: AigpAttribute"
    assert said[1].startswith("community-not-decoded: mac address")


def test_an_empty_message_is_counted(spoken: Dialect) -> None:
    talk = Talk(spoken)
    talk.dumped()
    (event,) = talk.best(talk.api.WatchEventResponse())
    assert (event.kind, event.reason) == ("undecodable", "a message of no known kind")
    assert talk.session.errors == {"unknown-message": 1}
