"""Our decode of UPDATEs against what ExaBGP says of them, field by field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from collector.wire import bgp
from collector.wire.cursor import Cursor
from collector.wire.destinations import Context
from tests.golden import exabgp
from tests.golden.rows import Row, Tally, fields_of, host, report

FILES = ("exabgp_flowspec", "exabgp_encoding", "exabgp_decoding")
MARKER = b"\xff" * 16
EVERY_FAMILY = frozenset((afi, safi) for afi in (1, 2) for safi in (1, 4, 128))
OFFSET = "source-ipv6 ::1/128/120"
"""ExaBGP sends all 128 bits of a prefix with offset; only those behind the offset may follow (RFC
8956 section 3.1), so that nobody else can read the rest of such a rule."""
DEFAULTS: Row = {
    "as_path": None,
    "atomic_aggregate": False,
    **dict.fromkeys(("communities", "ext_communities", "large_communities"), ()),
    **dict.fromkeys(("cluster_list", "labels", "actions"), ()),
}
"""What an event has where a route says nothing."""


def vectors(shared_data: Path, name: str) -> list[dict[str, Any]]:
    lines = (shared_data / "_vectors" / f"{name}.jsonl").read_text().splitlines()
    assert lines
    return [json.loads(line) for line in lines]


def body_of(vector: dict[str, Any]) -> tuple[int, Cursor]:
    """Type and body of a message; some vectors are an UPDATE's body alone."""
    data = bytes.fromhex(vector["hex"])
    if data[:16] != MARKER:
        return bgp.UPDATE, Cursor(data)
    return bgp.read_message(Cursor(data))


def expectation(vector: dict[str, Any]) -> list[Row] | None:
    said = vector.get("expect")
    if said and "update" in said:
        return exabgp.rows(said["update"])
    return exabgp.command(vector["cmd"]) if vector.get("cmd") else None


def ours(vector: dict[str, Any], expected: list[Row]) -> list[Row]:
    """What we read, in the fields that are expected of each route."""
    kind, body = body_of(vector)
    assert kind == bgp.UPDATE
    with_ids = any(row.get("path_id") is not None for row in expected)
    context = Context(
        as4="no-asn4" not in vector["src"], add_path=EVERY_FAMILY if with_ids else frozenset()
    )
    routes = bgp.read_update(body, context)
    assert len(routes) == len(expected), routes
    return [_seen(route, row) for route, row in zip(routes, expected, strict=True)]


def _seen(route: Row, expected: Row) -> Row:
    row = {**DEFAULTS, **route}
    unknown = row.get("unknown_attributes", ())
    row["unknown"] = sorted(int(text.split(" ")[0]) for text in unknown)
    row["next_hop"] = host(row.get("next_hop"))
    if expected.get("nlri", "") is None:  # ExaBGP shows no octets of it
        row["nlri"] = None
    return {name: row.get(name) for name in expected}


@pytest.mark.parametrize("name", FILES)
def test_every_update_is_as_exabgp_decoded_it(name: str, shared_data: Path) -> None:
    total = Tally(f"ExaBGP {name}")
    for number, vector in enumerate(vectors(shared_data, name), 1):
        expected = expectation(vector)
        if expected is None:
            continue
        found = ours(vector, expected)
        if OFFSET in (vector.get("cmd") or ""):
            assert "undecodable" in found[0]["components"]
            assert found[0].pop("components") != expected[0].pop("components")
        assert found == expected, f"{name} line {number}: {vector['hex']}"
        total += Tally("", 1, len(expected), fields_of(expected))
    assert total.messages >= 20
    report(total)


def test_what_exabgp_has_no_json_for_is_read_without_an_error(shared_data: Path) -> None:
    kinds = []
    for name in FILES:
        for vector in vectors(shared_data, name):
            if expectation(vector) is None:
                kind, body = body_of(vector)
                kinds.append(kind)
                if kind == bgp.OPEN:
                    assert bgp.read_open(body).as_number
                elif kind == bgp.NOTIFICATION:
                    assert bgp.read_notification(body) == "notification 1/0 message header error"
    assert kinds.count(bgp.OPEN) == 4
    assert kinds.count(bgp.NOTIFICATION) == 1


def test_an_open_is_as_exabgp_decoded_it(shared_data: Path) -> None:
    said = [v for v in vectors(shared_data, "exabgp_decoding") if v["kind"] == "open"]
    assert len(said) == 1
    expected, (_, body) = said[0]["expect"], body_of(said[0])
    found = bgp.read_open(body)
    assert found.as_number == expected["asn"] == expected["capabilities"]["65"]["asn4"]
    assert found.hold_time == expected["hold_time"]
    assert found.bgp_id == expected["router_id"]
    assert expected["capabilities"]["1"]["families"] == ["ipv4/unicast"]
    assert found.families == ["ipv4-unicast"]
    assert found.capabilities == ["multiprotocol", "four-octet-as", "75"]
