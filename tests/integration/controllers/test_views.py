"""What a controller tells of its rules, its peers and itself, over gRPC."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

from tests.integration.controllers.conftest import RULE, VERSIONS, programs
from tests.integration.gobgp import Pair, Watching
from tests.waiting import until


def test_the_version_is_probed(release: str, pair: Pair, watching: Watching) -> None:
    pair.start()
    watching.start()
    watching.settled()
    (up,) = watching.seen.find(kind="feed-up")
    assert up.information == {
        "sys_descr": f"GoBGP, gRPC version {VERSIONS[release]}",
        "local_as": 65001,
        "bgp_id": pair.controller.address,
    }
    (peer,) = watching.seen.find(kind="peer-up")
    assert (peer.peer, peer.peer_as, peer.peer_bgp_id) == (pair.peer.address, 65002, peer.peer)
    assert peer.view == "adj-in-pre"
    assert peer.information["local_address"] == pair.controller.address
    ends = watching.seen.find(kind="end-of-rib")
    assert [(end.view, end.provenance) for end in ends if end.view] != []
    assert {(end.view, end.provenance) for end in ends} == {
        ("loc-rib", "dump"),
        ("adj-in-pre", "dump"),
        (None, "synthetic"),
    }


def test_a_rule_that_is_injected_is_news_of_the_controllers_own_table(
    pair: Pair, watching: Watching
) -> None:
    pair.start()
    watching.start()
    watching.settled()
    pair.controller.run(f"global rib add {RULE} then discard")
    (rule,) = until(
        lambda: watching.seen.find(kind="announce", family="ipv4-flowspec"), "the rule is seen"
    )
    assert (rule.feed, rule.router, rule.router_address) == ("gobgp", "ctl", "127.0.0.1")
    assert (rule.view, rule.peer, rule.provenance) == ("loc-rib", None, "live")
    text = "destination 192.0.2.50/32 protocol =6 destination-port >=8080&<=8088"
    assert rule.rule == text
    assert rule.actions == ({"action": "discard"},)
    assert rule.components["destination-port"] == ">=8080&<=8088"
    assert rule.time is None
    pair.controller.run(f"global rib del {RULE} then discard")
    (gone,) = until(lambda: watching.seen.find(kind="withdraw"), "its withdrawal is seen")
    assert (gone.rule, gone.view, gone.provenance) == (text, "loc-rib", "live")


def test_what_a_peer_sends_is_seen_in_its_own_view(pair: Pair, watching: Watching) -> None:
    pair.start()
    watching.start()
    watching.settled()
    pair.peer.run("global rib add 198.51.100.0/24 nexthop 192.0.2.5 med 50 community 65002:1")
    route = until(
        lambda: watching.seen.find(kind="announce", view="adj-in-pre"), "the route is seen"
    )[0]
    assert (route.peer, route.peer_as) == (pair.peer.address, 65002)
    assert (route.prefix, route.as_path, route.med) == ("198.51.100.0/24", "65002", 50)
    assert (route.next_hop, route.communities) == ("192.0.2.5", ("65002:1",))
    best = until(lambda: watching.seen.find(kind="announce", view="loc-rib"), "and chosen")[0]
    assert (best.peer, best.prefix) == (None, "198.51.100.0/24")


def test_a_peer_that_goes_down_takes_its_routes_along(pair: Pair, watching: Watching) -> None:
    pair.start()
    pair.peer.run("global rib add 198.51.100.0/24 nexthop 192.0.2.5")
    pair.peer.run("global rib add -a ipv6 2001:db8:1::/48 nexthop 2001:db8::5")
    until(lambda: "198.51.100.0" in pair.controller.run("global rib"), "the route has come")
    watching.start()
    watching.settled()
    pair.controller.run(f"neighbor {pair.peer.address} disable")
    (down,) = until(lambda: watching.seen.find(kind="peer-down"), "the peer is down")
    assert down.peer == pair.peer.address
    gone = until(
        lambda: (found := watching.seen.find(kind="withdraw", view="adj-in-pre"))[1:] and found,
        "both routes are withdrawn",
    )
    assert {each.prefix for each in gone} == {"198.51.100.0/24", "2001:db8:1::/48"}
    assert {(each.provenance, each.reason) for each in gone} == {("synthetic", "the peer is down")}
    assert {each.peer for each in gone} == {pair.peer.address}
    # GoBGP itself says so of its own table.
    until(
        lambda: watching.seen.find(kind="withdraw", view="loc-rib", provenance="live")[1:],
        "the controller's own table lacks them",
    )
    pair.controller.run(f"neighbor {pair.peer.address} enable")
    back = until(
        lambda: (
            (f := watching.seen.find(kind="announce", view="adj-in-pre", prefix="2001:db8:1::/48"))[
                1:
            ]
            and f
        ),
        "the route is back",
        60,
    )
    assert [each.provenance for each in back] == ["dump", "dump"]


def test_a_peer_that_restarts_gracefully(release: str, tmp_path: Path) -> None:
    """RFC 4724: its own view is empty while it is away; the controller's own table keeps all."""
    pair = Pair(tmp_path, *programs(release), families=["ipv4-unicast"], graceful=True)
    watching = Watching(f"127.0.0.1:{pair.controller.api}")
    try:
        pair.start()
        for number in range(3):
            pair.peer.run(f"global rib add 198.51.{number}.0/24 nexthop 192.0.2.5")
        until(lambda: "198.51.2.0" in pair.controller.run("global rib"), "the routes have come")
        watching.start()
        watching.settled()
        before = len(watching.seen.events)
        pair.peer.kill()
        until(lambda: watching.seen.find(kind="peer-down"), "the peer is down")
        assert "198.51.2.0" in pair.controller.run("global rib")
        pair.start_peer()
        pair.wait_established()
        for number in range(2):  # the third does not come back
            pair.peer.run(f"global rib add 198.51.{number}.0/24 nexthop 192.0.2.5")

        def after(kind: str, view: str) -> set[str]:
            events = watching.seen.events[before:]
            return {e.prefix for e in events if (e.kind, e.view) == (kind, view)}

        kept = {f"198.51.{number}.0/24" for number in range(2)}
        until(lambda: after("announce", "adj-in-pre") == kept, "what came back is told")
        lost = partial(after, "withdraw", "loc-rib")
        until(lambda: "198.51.2.0/24" in lost(), "what did not come back is gone", 90)
        assert after("withdraw", "adj-in-pre") == {*kept, "198.51.2.0/24"}
    finally:
        watching.close()
        pair.close()


def test_what_comes_again_unchanged_is_no_event(pair: Pair, watching: Watching) -> None:
    pair.start()
    pair.peer.run("global rib add 198.51.100.0/24 nexthop 192.0.2.5 med 1")
    until(lambda: "198.51.100.0" in pair.controller.run("global rib"), "the route has come")
    watching.start()
    watching.settled()
    pair.peer.run(f"neighbor {pair.controller.address} softresetout")
    until(lambda: watching.client.session.unchanged["adj-in-pre"], "it came again")
    pair.peer.run("global rib add 198.51.100.0/24 nexthop 192.0.2.5 med 2")
    changed = until(
        lambda: watching.seen.find(kind="announce", view="adj-in-pre", med=2), "it has changed"
    )
    assert [each.provenance for each in changed] == ["live"]
    assert len(watching.seen.find(kind="announce", view="adj-in-pre")) == 2


def test_a_controller_that_was_killed_is_compared_with_what_it_was(
    pair: Pair, watching: Watching
) -> None:
    pair.start()
    for prefix in ("198.51.100.0/24", "203.0.113.0/24"):
        pair.peer.run(f"global rib add {prefix} nexthop 192.0.2.5")
    until(lambda: "203.0.113.0" in pair.controller.run("global rib"), "the routes have come")
    watching.start()
    watching.settled()
    before = len(watching.seen.events)
    pair.controller.kill()
    (lost,) = until(lambda: watching.seen.find(kind="feed-down"), "the feed is down")
    assert "unavailable" in lost.reason
    assert not watching.client.up
    pair.peer.run("global rib del 203.0.113.0/24")
    time.sleep(1.2)  # the first attempt to connect again fails
    pair.start_controller()
    pair.wait_established()
    until(lambda: "198.51.100.0" in pair.controller.run("global rib"), "the route has come back")
    watching.settled(2)
    until(
        lambda: len(watching.seen.find(kind="announce", prefix="198.51.100.0/24")) == 4,
        "the route is told of again, in both views",
    )
    after = watching.seen.events[before:]
    assert not [e for e in after if e.kind == "announce" and e.prefix == "203.0.113.0/24"]
    gone = [e for e in after if e.kind == "withdraw" and e.prefix == "203.0.113.0/24"]
    assert {(e.view, e.provenance) for e in gone} == {
        ("loc-rib", "synthetic"),
        ("adj-in-pre", "synthetic"),
    }
    assert [e.kind for e in after if e.kind.startswith("feed")] == ["feed-down", "feed-up"]
    assert watching.client.connects["lost"] == 1
    assert watching.client.connects["failed"] >= 1


def test_a_peer_whose_route_went_while_nobody_watched(pair: Pair, watching: Watching) -> None:
    """The stream is cut and the daemon lives on: the table that it sends again is no news."""
    pair.start()
    for number in range(5):
        pair.peer.run(f"global rib add 198.51.{number}.0/24 nexthop 192.0.2.5")
    until(lambda: "198.51.4.0" in pair.controller.run("global rib"), "the routes have come")
    watching.start()
    watching.settled()
    reading = watching.client.reading
    assert reading is not None
    pair.peer.run("global rib del 198.51.3.0/24")
    for view in ("loc-rib", "adj-in-pre"):  # two streams: either may be first
        left = partial(watching.seen.find, kind="withdraw", view=view)
        until(left, f"a route left {view}")
    before = len(watching.seen.events)
    os.kill(reading.pid, signal.SIGKILL)
    (lost,) = until(lambda: watching.seen.find(kind="feed-down"), "the feed is down")
    assert lost.reason == "the process that reads ended with status -9"
    pair.peer.run("global rib del 198.51.4.0/24")
    watching.settled(2)
    after = watching.seen.events[before:]
    routes = [e for e in after if e.kind == "announce"]
    assert {e.provenance for e in routes} == {"dump"}
    assert len(routes) == 6
    gone = [(e.view, e.prefix, e.provenance) for e in after if e.kind == "withdraw"]
    assert sorted(gone) == [
        ("adj-in-pre", "198.51.4.0/24", "synthetic"),
        ("loc-rib", "198.51.4.0/24", "synthetic"),
    ]
