"""Reads what nfacctd (pmacct) printed of a BMP session: one JSON object for each thing it heard."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from collector.wire.families import family_name
from tests.golden.rows import Row, host, unmapped

Line = dict[str, Any]

ORIGINS = {"i": "igp", "e": "egp", "u": "incomplete"}
KINDS = {"withdraw": "withdraw", "end-of-rib": "end-of-rib"}
LABELLED = 4
ATTRIBUTES = (
    *("labels", "next_hop", "as_path", "origin", "med", "local_pref"),
    *("communities", "ext_communities", "large_communities", "aigp", "label_index"),
)
STATISTICS = {
    "Number of (known) duplicate prefix advertisements": "duplicate_announcements",
    "Number of (known) duplicate withdraws": "duplicate_withdraws",
    "Number of updates invalidated due to AS_PATH loop": "as_path_loop",
    "Number of routes in Adj-RIBs-In": "adj_rib_in_routes",
    "Number of routes in Loc-RIB": "loc_rib_routes",
    "Number of routes in per-AFI/SAFI Loc-RIB": "loc_rib_routes_by_family",
}


def lines(path: Path, *messages: str | None) -> list[Line]:
    """The lines about BMP messages of these kinds (`bmp_msg_type`)."""
    found = [json.loads(text) for text in path.read_text().splitlines()]
    return [line for line in found if line.get("bmp_msg_type") in messages]


def peer(line: Line) -> Row:
    """Which peer a line is about, and which of its tables."""
    if line["is_loc"]:
        view = "loc-rib"
    else:
        side = "in" if line["is_in"] else "out"
        view = f"adj-{side}-{'post' if line['is_post'] else 'pre'}"
    return {
        "time": int(Decimal(line["timestamp"]) * 10**9),
        # pmacct prints the zero address of a Loc-RIB peer, which is none (RFC 9069 section 4.1).
        "peer": None if line["is_loc"] else host(line["peer_ip"]),
        "peer_as": line["peer_asn"],
        "peer_bgp_id": line["bgp_id"],
        # pmacct has one field for the RD of the route and that of the peer, and says which it is.
        "peer_rd": rd(line["rd"]) if line["rd_origin"] == "bmp" else None,
        "view": view,
    }


def rd(text: str | None) -> str | None:
    """pmacct writes the RD's type before it: `2:65543:105`."""
    return text.split(":", 1)[1] if text else None


def words(value: Any) -> list[str]:
    """A list, which pmacct prints as JSON or as one text, depending on its configuration."""
    return value.split() if isinstance(value, str) else list(value or [])


def route(line: Line) -> Row:
    """A route with the fields of an event."""
    row = {**peer(line), **destination(line)}
    if line["safi"] == LABELLED:
        del row["peer_rd"]  # pmacct prints none for labelled routes, though the peer has one
    return row


def destination(line: Line) -> Row:
    """A route without the peer that it came from."""
    kind = KINDS.get(line.get("log_type", ""), "announce")  # updates, and what it dumps or deletes
    row: Row = {
        "kind": kind,
        "family": family_name(line["afi"], line["safi"]),
        "rd": rd(line["rd"]) if line["rd_origin"] == "bgp" else None,
        "prefix": line["ip_prefix"],
        "path_id": line["as_path_id"],
    }
    return row | attributes(line) if kind == "announce" else row


def attributes(line: Line) -> Row:
    """What the path attributes of a route say."""
    return {
        "labels": tuple(map(int, words(line["mpls_label"]))),
        # pmacct holds an IPv4-mapped address and its IPv4 one for the same, and prints either.
        "next_hop": unmapped(line["bgp_nexthop"]),
        "as_path": " ".join(words(line["as_path"])),
        "origin": ORIGINS.get(line["origin"]),
        "med": line["med"],
        "local_pref": line["local_pref"],
        # pmacct sorts communities of each kind.
        "communities": sorted(words(line["comms"])),
        # pmacct writes RT and SoO in capitals.
        "ext_communities": sorted(text.lower() for text in words(line["ecomms"])),
        "large_communities": sorted(words(line["lcomms"])),
        "aigp": line["aigp"],
        "label_index": line["psid_li"],
    }


def statistics(found: Iterable[Line]) -> list[Row]:
    """One row for each counter, as pmacct prints them."""
    rows = []
    for line in found:
        name = STATISTICS[line["counter_type_str"]]
        if line["afi"] is not None:
            name += f" {line['afi']}/{line['safi']}"
        rows.append({**peer(line), "name": name, "value": line["counter_value"]})
    return rows


def of_octets(unknown: Iterable[str]) -> Row:
    """What pmacct prints of attributes that events carry as octets."""
    octets = {text.split(" ")[0]: bytes.fromhex(text.split(" ")[2]) for text in unknown}
    aigp, sid = octets.get("26", b""), octets.get("40", b"")
    return {
        # The AIGP TLV (RFC 7311 section 3): type 1, eleven octets.
        "aigp": int.from_bytes(aigp[3:11]) if aigp[:3] == b"\x01\x00\x0b" else None,
        # The Label-Index TLV (RFC 8669 section 3.1): type 1, seven octets.
        "label_index": int.from_bytes(sid[6:10]) if sid[:3] == b"\x01\x00\x07" else None,
    }
