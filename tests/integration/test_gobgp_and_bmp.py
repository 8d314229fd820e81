"""One history of a controller through both of its feeds: they say the same, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.event import FLOWSPEC_FAMILIES, Event
from tests.integration.controllers.conftest import programs
from tests.integration.gobgp import Pair, Watching
from tests.waiting import until

FIELDS = (
    *("kind", "view", "family", "rd", "prefix", "nlri", "path_id", "labels", "next_hop"),
    *("as_path", "origin_as", "origin", "med", "local_pref", "atomic_aggregate", "aggregator"),
    *("communities", "ext_communities", "large_communities", "originator_id", "cluster_list"),
    *("unknown_attributes", "rule", "components", "precedence", "actions", "warnings"),
)
OF_PEERS = ("peer", "peer_as", "peer_bgp_id")
"""Of the controller's own table BMP names the controller as its peer (RFC 9069), gRPC nobody."""

ROUTES = (
    "198.51.100.0/24 nexthop 192.0.2.5 med 50 community 65002:1,no-export",
    "198.51.101.0/24 nexthop 192.0.2.5 large-community 65002:1:2",
    "198.51.102.0/25 nexthop 192.0.2.6 origin egp aspath 65010,65011",
    "-a ipv6 2001:db8:1::/48 nexthop 2001:db8::5 community 65002:6",
    "-a vpnv4 10.8.0.0/16 label 100 rd 65002:100 rt 65002:100 nexthop 192.0.2.5",
    "-a vpnv4 10.9.0.0/16 label 101 rd 192.0.2.9:7 rt 65002:100 nexthop 192.0.2.5",
    "-a vpnv6 2001:db8:9::/48 label 102 rd 65002:100 rt 65002:100 nexthop 2001:db8::5",
)
RULES = (
    "-a ipv4-flowspec match destination 192.0.2.50/32 port >=80&<=88 ==443 then rate-limit 1000000",
    "-a ipv4-flowspec match destination 192.0.2.51/32 source 203.0.113.0/25 then discard",
    "-a ipv4-flowspec match destination 192.0.2.52/32 tcp-flags S &!A then mark 10",
    "-a ipv4-flowspec match destination 192.0.2.53/32 fragment is-fragment then accept",
    "-a ipv4-flowspec match destination 192.0.2.54/32 dscp ==46 then redirect 65002:100",
    "-a ipv4-flowspec match destination 192.0.2.55/32 icmp-type ==8 then action sample-terminal",
    "-a ipv4-flowspec match destination 192.0.2.56/32 then redirect 192.0.2.9:100",
    "-a ipv6-flowspec match destination 2001:db8:50::1/128 protocol udp then discard",
    "-a ipv6-flowspec match destination 2001:db8:51::/64 label ==7 then redirect 65002:101",
    "-a ipv4-l3vpn-flowspec rd 65002:100 match destination 10.9.1.0/24 protocol icmp then discard",
    "-a ipv6-l3vpn-flowspec rd 65002:100 match destination 2001:db8:9:1::/64 then redirect 65002:9",
)


@pytest.fixture(params=["installed", "3.36", "4.8"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Pair, Watching]]:
    """A controller that sends BMP and is watched over gRPC; both feeds are up."""
    pair = Pair(tmp_path, *programs(request.param))
    watching = Watching(f"127.0.0.1:{pair.controller.api}")
    station = (
        f'[[bmp-servers]]\n[bmp-servers.config]\naddress = "127.0.0.1"\n'
        f'port = {watching.bmp_port}\nroute-monitoring-policy = "all"\n'
    )
    try:
        pair.start(more=station)
        watching.start()
        watching.settled()
        until(lambda: watching.bmp.find(kind="peer-up"), "BMP shows the peer")
        yield pair, watching
    finally:
        watching.close()
        pair.close()


def said(event: Event) -> dict[str, Any]:
    """What a feed says of a route, without what the gRPC interface has not."""
    fields = FIELDS if event.view == "loc-rib" else (*FIELDS, *OF_PEERS)
    found = {name: getattr(event, name) for name in fields}
    found["warnings"] = [w for w in event.warnings if not w.startswith(("quirk: ", "add-path"))]
    if event.kind == "withdraw":
        found["labels"] = ()
    if event.view == "loc-rib":
        del found["path_id"]  # GoBGP gives its own numbers over BMP from 3.11 on
    if event.family in FLOWSPEC_FAMILIES:
        del found["next_hop"]  # GoBGP does not hand it on
    return found


def histories(events: list[Event]) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """What was said of each route of each view, in order, once where it was repeated."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for event in events:
        if event.kind not in ("announce", "withdraw"):
            continue
        if event.view not in ("loc-rib", "adj-in-pre"):
            continue
        key = (event.view, event.family, event.rd, event.prefix or event.rule)
        history = found.setdefault(key, [])
        if not history or history[-1] != said(event):
            history.append(said(event))
    return found


def test_both_feeds_say_the_same(both: tuple[Pair, Watching]) -> None:
    pair, watching = both
    for words in (*ROUTES, *RULES):
        pair.peer.run(f"global rib add {words}")
    pair.peer.run("global rib add 198.51.100.0/24 nexthop 192.0.2.7 med 60")
    pair.controller.run(f"global rib add {RULES[0].replace('.50/32', '.90/32')}")
    for words in ("198.51.101.0/24", ROUTES[4].partition(" rt ")[0], RULES[1], RULES[9]):
        pair.peer.run(f"global rib del {words}")
    count = 2 * (len(ROUTES) + len(RULES)) + 1

    def is_all() -> bool:
        return all(
            len(histories(seen.events)) == count
            and len(seen.find(kind="withdraw", view="loc-rib")) == 4
            for seen in (watching.seen, watching.bmp)
        )

    def counts() -> str:
        missing = set(histories(watching.seen.events)) ^ set(histories(watching.bmp.events))
        return str(sorted(map(str, missing)))

    until(is_all, "both feeds have shown everything", 15, counts)
    over_grpc, over_bmp = histories(watching.seen.events), histories(watching.bmp.events)
    assert over_grpc.keys() == over_bmp.keys()
    for key, history in over_bmp.items():
        assert over_grpc[key] == history, key
    assert watching.client.session.errors == {}
    withdrawn = {key[-1] for key, history in over_grpc.items() if history[-1]["kind"] == "withdraw"}
    assert withdrawn >= {"198.51.101.0/24", "10.8.0.0/16"}
