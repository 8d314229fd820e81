"""How GoBGP really behaves as a sender, in recordings of 3.10, 3.36 and 4.8."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.event import Event, Kind, Provenance, View
from collector.wire.session import BmpSession
from detectors.routes import Routes
from tests.quirks.recordings import LAB, STORY, Recording, daemon, recorded
from tests.unit.wire.build import (
    BASIC,
    NOW,
    bmp,
    initiation,
    monitoring,
    peer_header,
    peer_up,
    prefix,
    update,
)

SECOND = 1_000_000_000
KILL_SWITCH = "destination 0.0.0.0/0 port =179"


def before(heard: Recording, event: Event, **fields: object) -> list[Event]:
    return [e for e in heard.of(**fields) if e.sequence < event.sequence]


def test_a_rule_injected_at_the_controller_is_seen_in_loc_rib_alone() -> None:
    story = recorded(STORY)
    seen = story.of(rule=KILL_SWITCH)
    assert [(e.kind, e.view) for e in seen] == [("announce", "loc-rib"), ("withdraw", "loc-rib")]


@pytest.mark.parametrize("path", [LAB / "flap.pcap.gz", STORY], ids=["unicast", "flowspec"])
def test_post_policy_withdraws_nothing_that_was_dumped_and_pre_policy_does(path: Path) -> None:
    """The first withdrawal of what was there when BMP connected."""
    heard = recorded(path)
    what = {"prefix": "10.100.0.254/32"}
    peer = "10.0.1.2"
    if path == STORY:
        what = {"rule": "destination 192.0.2.50/32 protocol =6 destination-port =8443"}
        peer = "10.0.9.9"
    gone = heard.of(kind=Kind.WITHDRAW, view=View.ADJ_IN_PRE, peer=peer, **what)[0]
    (dumped,) = heard.of(provenance="dump", view=View.ADJ_IN_POST, peer=peer, **what)
    post = heard.of(kind=Kind.WITHDRAW, view=View.ADJ_IN_POST, peer=peer, **what)
    again = heard.of(kind=Kind.ANNOUNCE, provenance="live", peer=peer, **what)
    assert dumped.sequence < gone.sequence
    # Of those that were announced anew since, a withdrawal comes.
    assert all(again and e.sequence > again[0].sequence for e in post)


def test_gobgp_4_8_withdraws_no_dumped_post_policy_route_either(shared_data: Path) -> None:
    heard = daemon(shared_data, "g48.51832")
    (down,) = heard.of(kind=Kind.PEER_DOWN)
    gone = {
        view: len(before(heard, down, kind=Kind.WITHDRAW, view=view))
        for view in (View.ADJ_IN_PRE, View.ADJ_IN_POST, View.LOC_RIB)
    }
    assert gone == {View.ADJ_IN_PRE: 17, View.ADJ_IN_POST: 2, View.LOC_RIB: 17}


@pytest.mark.parametrize(("name", "pre"), [("g310.33976", 2), ("g336.49178", 2), ("g48.51832", 17)])
def test_at_peer_down_loc_rib_withdraws_first(name: str, pre: int, shared_data: Path) -> None:
    """Pre-policy: 3.x says Peer Down only, 4.8 withdraws. All of it comes before the Peer Down."""
    heard = daemon(shared_data, name)
    (down,) = heard.of(kind=Kind.PEER_DOWN)
    assert len(before(heard, down, kind=Kind.WITHDRAW, view=View.LOC_RIB)) == 17
    assert len(before(heard, down, kind=Kind.WITHDRAW, view=View.ADJ_IN_PRE)) == pre
    assert heard.events[down.sequence - 2].kind == Kind.WITHDRAW
    # Whichever way it was said: nobody has the route now.
    routes = Routes(["10.9.0.0/24"])
    held = []
    for event in heard.events[: down.sequence]:
        routes.apply(event)
        held.append(len(list(routes.of_prefix("10.9.0.0/24"))))
    assert max(held) == 2
    assert held[-1] == 0


@pytest.mark.parametrize("name", ["g310.33976", "g336.49178"])
def test_at_peer_down_post_policy_of_3_x_withdraws_first(name: str, shared_data: Path) -> None:
    heard = daemon(shared_data, name)
    (down,) = heard.of(kind=Kind.PEER_DOWN)
    assert len(before(heard, down, kind=Kind.WITHDRAW, view=View.ADJ_IN_POST)) == 17


def test_at_peer_down_pre_policy_of_3_10_says_peer_down_only() -> None:
    heard = recorded(LAB / "session-loss.pcap.gz")
    (down,) = heard.of(kind=Kind.PEER_DOWN)
    assert heard.of(kind=Kind.WITHDRAW) == []
    routes = Routes(["10.100.0.254/32"])
    for event in heard.events[: down.sequence]:
        routes.apply(event)
    left = {key.peer for key, _ in routes.of_prefix("10.100.0.254/32")}
    assert left == {"10.0.1.1", None}


def test_withdrawals_eight_seconds_after_the_peer_down_change_nothing() -> None:
    """Built: GoBGP 4.8 sends them so under graceful restart, before the next Peer Up."""
    route = monitoring(update(attributes=BASIC, nlri=prefix("192.0.2.50/32")))
    gone = monitoring(update(withdrawn=prefix("192.0.2.50/32")))
    session, routes = BmpSession("10.0.0.254"), Routes(["192.0.2.50/32"])
    events = session.feed(initiation() + peer_up() + route, NOW)
    events += session.feed(bmp(2, peer_header() + b"\x04"), NOW + 20 * SECOND)
    for event in events:
        routes.apply(event)
    assert list(routes.of_prefix("192.0.2.50/32")) == []
    late = session.feed(gone, NOW + 28 * SECOND)
    assert [(e.kind, [c.key for c in routes.apply(e)]) for e in late] == [("withdraw", [])]
    up, announced = session.feed(peer_up() + route, NOW + 40 * SECOND)[-2:]
    assert (up.epoch, announced.epoch) == (NOW + 40 * SECOND, NOW + 40 * SECOND)


def test_end_of_rib_comes_for_each_family_before_and_after_policy_and_never_for_loc_rib() -> None:
    story = recorded(STORY)
    said = story.of(kind=Kind.END_OF_RIB, provenance="dump")
    families = {"ipv4-unicast", "ipv6-unicast", "ipv4-flowspec", "ipv6-flowspec"}
    peers = {"10.0.0.1", "10.0.1.1", "10.0.1.2", "10.0.9.9"}
    pre = {(e.peer, e.family) for e in said if e.view == View.ADJ_IN_PRE}
    assert pre == {(peer, family) for peer in peers for family in families}
    assert {e.peer for e in said if e.view == View.ADJ_IN_POST} == peers
    assert [e for e in said if e.view == View.LOC_RIB] == []
    (timer,) = story.of(kind=Kind.END_OF_RIB, view=View.LOC_RIB)
    assert (timer.provenance, timer.reason) == (Provenance.SYNTHETIC, "quiet")


def test_only_pre_policy_keeps_the_raw_octets_of_a_rule() -> None:
    redirects = recorded(LAB / "redirects.pcap.gz")
    rule = "destination 192.0.2.50/32 protocol =6 destination-port =8443"
    seen = redirects.of(kind=Kind.ANNOUNCE, provenance="live", rule=rule)[:3]
    hops = {e.view: [action.get("next_hop") for action in e.actions] for e in seen}
    assert hops == {
        View.ADJ_IN_PRE: ["10.100.0.254"],
        View.ADJ_IN_POST: [None],
        View.LOC_RIB: [None],
    }
