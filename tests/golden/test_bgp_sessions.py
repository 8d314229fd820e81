"""Our decode of captured BGP sessions against NetGauze's and nfacctd's of the same captures."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.wire import bgp
from collector.wire.destinations import Context
from tests.golden import netgauze, pmacct
from tests.golden.rows import Row, Tally, difference, fields_of, host, report, unmapped
from tests.golden.sessions import messages, streams
from tests.golden.test_netgauze import ASSETS as NETGAUZE
from tests.golden.test_netgauze import ATTRIBUTES, DESTINATION
from tests.golden.test_pmacct import TESTS as PMACCT

DEFAULTS: Row = {
    **dict.fromkeys((*DESTINATION, *ATTRIBUTES, "next_hop")),
    **dict.fromkeys(("labels", "communities", "ext_communities", "large_communities"), ()),
    "cluster_list": (),
    "atomic_aggregate": False,
}
"""What an event has where a route says nothing."""


def read(path: Path) -> tuple[list[Row], list[bgp.Open], list[int]]:
    """The routes of both sides of all sessions, their OPENs, and the types of all messages."""
    routes, opens, kinds = [], [], []
    for data in streams(path).values():
        context = Context()
        for kind, body in messages(data):
            kinds.append(kind)
            if kind == bgp.OPEN:
                opens.append(bgp.read_open(body))
                context.as4 = opens[-1].as4
            elif kind == bgp.UPDATE:
                routes += bgp.read_update(body, context)
    return routes, opens, kinds


def filled(route: Row, names: tuple[str, ...]) -> Row:
    row = {**DEFAULTS, **route}
    return {name: row[name] for name in names}


@pytest.mark.parametrize(
    "case",
    [
        "300-BGP-IPv6-CISCO-extNH_enc",
        "301-BGP-CISCO-pretag",
        "303-BGP-high-availability",
        "500-IPFIXv10-BGP-CISCO-SRv6",
        "501-IPFIXv10-BGP-IPv6-CISCO-MPLS",
    ],
)
def test_every_update_is_as_netgauze_decoded_it(case: str, shared_data: Path) -> None:
    folder = shared_data / NETGAUZE / "pmacct-tests" / case
    golden = netgauze.messages(folder / "traffic-00-bgp.json")
    expected = [row for name, body in golden if name == "Update" for row in netgauze.routes(body)]
    routes, opens, kinds = read(folder / "traffic-00.pcap")
    found = [as_netgauze(route) for route in routes]
    assert difference(expected, found) == ""
    assert found == expected  # in the same order, too
    said = [netgauze.opened(body) for name, body in golden if name == "Open"]
    assert difference(said, map(as_open, opens)) == ""
    assert len(kinds) == len(golden)
    report(Tally(f"NetGauze {case}", len(kinds), len(expected), fields_of(expected)))


def test_sessions_that_netgauze_decoded_in_part_are_read_whole(shared_data: Path) -> None:
    # NetGauze's decode ends early: it holds the messages of some of the ten sessions only.
    folder = shared_data / NETGAUZE / "bgp" / "multiple-sessions"
    golden = netgauze.messages(folder / "traffic-bgp.json")
    expected = [row for name, body in golden if name == "Update" for row in netgauze.routes(body)]
    routes, opens, kinds = read(folder / "traffic.pcap")
    ours = list(map(repr, map(as_netgauze_sorted, routes)))
    missing = [row for row in expected if repr(dict(sorted(row.items()))) not in ours]
    assert not missing
    assert len(opens) == kinds.count(bgp.OPEN) == 20
    assert kinds.count(bgp.UPDATE) == 100
    report(Tally("NetGauze multiple sessions", len(golden), len(expected), fields_of(expected)))


def as_open(found: bgp.Open) -> Row:
    names = ("as_number", "hold_time", "bgp_id", "capabilities", "families")
    return {name: getattr(found, name) for name in names}


def as_netgauze(route: Row) -> Row:
    if route["kind"] != "announce":
        return filled(route, DESTINATION)
    unknown = [int(text.split(" ")[0]) for text in route.get("unknown_attributes", ())]
    row = filled(route, (*DESTINATION, *ATTRIBUTES))
    return {**row, "next_hop": host(route["next_hop"]), "unknown": unknown}


def as_netgauze_sorted(route: Row) -> Row:
    return dict(sorted(as_netgauze(route).items()))


@pytest.mark.parametrize(
    "case",
    [
        "300-BGP-IPv6-CISCO-extNH_enc",
        "301-BGP-CISCO-pretag",
        "500-IPFIXv10-BGP-CISCO-SRv6",
        "501-IPFIXv10-BGP-IPv6-CISCO-MPLS",
    ],
)
def test_every_route_is_as_nfacctd_decoded_it(case: str, shared_data: Path) -> None:
    folder = shared_data / PMACCT / case
    lines = [
        line
        for line in pmacct.lines(folder / "output-bgp-00.json", None)
        if line["event_type"] == "log"
    ]
    expected = [pmacct.destination(line) for line in lines]
    routes, _, kinds = read(folder / "traffic-00.pcap")
    assert difference(expected, [as_pmacct(route) for route in routes]) == ""
    report(Tally(f"pmacct {case}", len(kinds), len(expected), fields_of(expected)))


def as_pmacct(route: Row) -> Row:
    names = ("kind", "family", "rd", "prefix", "path_id")
    if route["kind"] != "announce":
        return filled(route, names)
    wanted = (*names, *pmacct.ATTRIBUTES)
    row = filled({**route, **pmacct.of_octets(route.get("unknown_attributes", ()))}, wanted)
    for name in ("communities", "ext_communities", "large_communities"):
        row[name] = sorted(row[name])
    return {**row, "next_hop": unmapped(route["next_hop"])}
