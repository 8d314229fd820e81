"""GoBGP's quirks in recordings of GoBGP 3.10, 3.36 and 4.8."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.event import Event, Kind, View
from collector.inputs.files import capture_streams
from collector.wire import bmp
from collector.wire.cursor import Cursor
from collector.wire.session import BmpSession
from detectors.routes import Routes
from tests.quirks.recordings import LAB, STORY, daemon, recorded

LATER = ("g310.33976", "g336.49178", "g48.51832")
"""GoBGP 3.10, 3.36 and 4.8."""


def rules(events: list[Event]) -> set[str | None]:
    return {event.rule for event in events}


def test_post_policy_ghosts() -> None:
    """Six rules were there when BMP connected. Both other views tell that they went."""
    story = recorded(STORY)
    dumped = story.of(kind=Kind.ANNOUNCE, view=View.ADJ_IN_POST, peer="10.0.9.9")
    gone = story.of(kind=Kind.WITHDRAW, view=View.ADJ_IN_PRE, peer="10.0.9.9")
    assert len(dumped) == 6
    assert rules(gone) == rules(dumped)
    assert story.of(kind=Kind.WITHDRAW, view=View.ADJ_IN_POST, peer="10.0.9.9") == []
    assert set(map(id, story.saying("post-policy-ghosts"))) == set(map(id, dumped))
    assert story.quirks["post-policy-ghosts"] == 4  # peers with routes in post-policy


@pytest.mark.parametrize("hidden", [View.ADJ_IN_PRE, None])
def test_a_ghost_holds_nothing(hidden: str | None) -> None:
    """The Loc-RIB is asked where pre-policy is not seen."""
    story = [event for event in recorded(STORY).events if event.view != hidden]
    routes = Routes()
    for event in story[:-1]:  # not the end of the recording
        routes.apply(event)
    ghosts = [rule for rule in routes.rules() if "192.0.2.50/32" in str(rule)]
    assert len(ghosts) == 3
    assert [list(routes.of_rule(rule)) for rule in ghosts] == [[], [], []]


def test_where_nothing_else_is_seen_post_policy_is_asked() -> None:
    seen = (View.ADJ_IN_POST, None)
    story = [event for event in recorded(STORY).events if event.view in seen]
    routes = Routes(["192.0.2.50/32"])
    for event in story[:-1]:
        routes.apply(event)
    assert {key.peer for key, _ in routes.of_prefix("192.0.2.50/32")} == {"10.0.1.1"}


def test_add_path_not_as_negotiated(shared_data: Path) -> None:
    heard = daemon(shared_data, "g48.51832")
    odd = [e for e in heard.events if "add-path-not-as-negotiated" in e.warnings]
    assert heard.quirks["add-path-not-as-negotiated"] == len(odd) == 35
    assert {(e.view, e.path_id, e.rule is not None) for e in odd} == {(View.LOC_RIB, 1, True)}
    unicast = heard.of(view=View.LOC_RIB, family="ipv4-unicast", kind=Kind.ANNOUNCE)
    assert {e.path_id for e in unicast} == {1}  # negotiated, and no quirk


@pytest.mark.parametrize(("name", "count"), [(LATER[0], 1), (LATER[1], 1), (LATER[2], 0)])
def test_loc_rib_without_peer_up(name: str, count: int, shared_data: Path) -> None:
    heard = daemon(shared_data, name)
    assert heard.quirks["loc-rib-without-peer-up"] == count
    assert len(heard.of(kind=Kind.PEER_UP, view=View.LOC_RIB)) == 1 - count
    assert heard.of(kind=Kind.ANNOUNCE, view=View.LOC_RIB)


@pytest.mark.parametrize("name", LATER)
def test_withdrawal_with_old_time(name: str, shared_data: Path) -> None:
    heard = daemon(shared_data, name)
    assert heard.quirks["withdrawal-with-old-time"] == 2  # so are others, at Peer Down
    (announced,) = heard.of(kind=Kind.ANNOUNCE, view=View.LOC_RIB, rule="destination 10.9.9.0/24")
    (gone,) = heard.of(kind=Kind.WITHDRAW, view=View.LOC_RIB, rule="destination 10.9.9.0/24")
    assert gone.time == announced.time
    assert gone.received > announced.received


def test_end_of_rib_flags() -> None:
    story = recorded(STORY)
    ends = story.of(kind=Kind.END_OF_RIB, view=View.ADJ_IN_POST, provenance="dump")
    assert [e.raw[7] for e in ends if e.raw] == [0x60] * 4
    assert {e.raw[7] for e in story.of(kind=Kind.ANNOUNCE, view=View.ADJ_IN_POST) if e.raw} == {
        0x40
    }
    assert story.saying("end-of-rib-flags") == ends
    assert story.quirks["end-of-rib-flags"] == 4


def test_default_name(shared_data: Path) -> None:
    path = shared_data / "_locallab" / "gobgp-3.10-flowspec-unicast.bmp"
    session = BmpSession("192.0.2.1")
    (up, *_) = session.feed(path.read_bytes(), 1)
    assert session.sender.quirks["default-name"] == 1
    assert up.information is not None
    assert (up.router, up.information["sys_name"]) == ("192.0.2.1", "GoBGP")
    assert up.warnings == ("quirk: default-name",)
    assert recorded(STORY).quirks["default-name"] == 0  # somebody has named it


def test_redirect_next_hop_lost() -> None:
    redirects = recorded(LAB / "redirects.pcap.gz")
    lost = redirects.saying("redirect-next-hop-lost")
    assert sorted(str(e.view) for e in lost) == [View.ADJ_IN_POST, View.LOC_RIB]
    assert redirects.quirks["redirect-next-hop-lost"] == 2
    raw = redirects.of(kind=Kind.ANNOUNCE, view=View.ADJ_IN_PRE, rule=lost[0].rule)[0]
    assert [action.get("next_hop") for action in raw.actions] == ["10.100.0.254"]
    assert [action.get("next_hop") for e in lost for action in e.actions] == [None, None]


def test_the_sender_is_told_by_its_initiation() -> None:
    (up,) = recorded(STORY).of(kind=Kind.FEED_UP)
    assert up.information == {"sys_name": "controller", "sys_descr": "GoBGP", "sender": "gobgp"}


def test_the_sender_is_told_by_its_capabilities_where_it_is_renamed() -> None:
    """The Initiation is left away."""
    (stream,) = capture_streams(STORY)
    data = b"".join(octets for _, octets in stream.chunks)
    session = BmpSession("192.0.2.1")
    events = session.feed(data[int.from_bytes(data[1:5]) :], 1)
    told = [(e.kind, (e.information or {}).get("sender")) for e in events[:3]]
    assert told == [("feed-up", None), ("peer-up", "gobgp"), ("peer-up", None)]
    header = bmp.read_peer_header(Cursor(events[1].raw or b"", bmp.HEADER))
    assert session.sender.profile == "gobgp"
    assert header.view == View.ADJ_IN_PRE
