"""Captured BGP sessions of real routers against nfacctd's decode, route by route."""

from __future__ import annotations

import json
from collections import Counter
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest

from collector.event import Event, Kind
from collector.inputs.files import read_events

FAMILIES = {
    (1, 1): "ipv4-unicast",
    (2, 1): "ipv6-unicast",
    (1, 128): "l3vpn-ipv4-unicast",
    (2, 128): "l3vpn-ipv6-unicast",
}
ORIGINS = {"i": "igp", "e": "egp", "u": "incomplete"}
Route = tuple[Any, ...]


def plain(hop: str) -> str:
    """nfacctd writes the next hop of an IPv6 VPN route over IPv4 as IPv4."""
    address = ip_address(hop)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def theirs(row: dict[str, Any]) -> Route:
    return (
        FAMILIES[row["afi"], row["safi"]],
        (row.get("rd") or "").partition(":")[2],  # nfacctd puts the RD's type before it
        row["ip_prefix"],
        plain(row["bgp_nexthop"]),
        " ".join(row["as_path"]),
        ORIGINS[row["origin"]],
        *(row["local_pref"], row["med"]),
        *(tuple(row["comms"]), tuple(sorted(text.lower() for text in row["ecomms"]))),
        row.get("mpls_label"),
    )


def ours(event: Event) -> Route:
    return (
        *(event.family, event.rd or "", event.prefix, plain(event.next_hop or "")),
        *(event.as_path, event.origin, event.local_pref, event.med),
        *(event.communities, tuple(sorted(event.ext_communities))),
        str(event.labels[0]) if event.labels else None,
    )


@pytest.mark.parametrize(
    ("name", "routes"),
    [
        ("300-BGP-IPv6-CISCO-extNH_enc", 163),
        ("301-BGP-CISCO-pretag", 38),
        ("500-IPFIXv10-BGP-CISCO-SRv6", 4),
        ("501-IPFIXv10-BGP-IPv6-CISCO-MPLS", 27),
    ],
)
def test_every_route_is_what_nfacctd_reads(shared_data: Path, name: str, routes: int) -> None:
    folder = shared_data / "pmacct+pmacct" / "tests" / name
    lines = (folder / "output-bgp-00.json").read_text().splitlines()
    rows = [json.loads(line) for line in lines if line.strip()]
    expected = Counter(theirs(row) for row in rows if row.get("log_type") == "update")
    events = [event for event in read_events(folder / "traffic-00.pcap") if event.feed == "bgp"]
    found = Counter(ours(event) for event in events if event.kind == Kind.ANNOUNCE)
    assert found == expected
    assert found.total() == routes
    ends = sum(event.kind == Kind.END_OF_RIB for event in events)
    assert ends == sum(row.get("log_type") == "end-of-rib" for row in rows)
