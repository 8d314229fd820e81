"""Our decode of captured UPDATEs and NOTIFICATIONs against what tcpdump prints of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.wire import bgp
from collector.wire.destinations import Context
from tests.golden import tcpdump
from tests.golden.rows import Row, Tally, fields_of, host, report
from tests.golden.sessions import messages, streams

TESTS = "the-tcpdump-group+tcpdump/tests"


def folder(shared_data: Path) -> Path:
    return shared_data / TESTS


def capture(shared_data: Path, name: str) -> Path:
    (path,) = folder(shared_data).glob(f"{name}.pcap*")
    return path


def seen(route: Row, expected: Row) -> Row:
    row = {"labels": (), **route, "next_hop": host(route["next_hop"])}
    return {name: row.get(name) for name in expected}


@pytest.mark.parametrize(
    ("name", "routes", "as4"),
    [
        ("bgp-aigp-2", 1, False),
        ("bgp-enhanced-route-refresh-subtype", 12, True),
        ("bgp_vpn_attrset", 1, False),
        ("mpbgp-linklocal-nexthop", 1, False),
    ],
)
def test_every_route_is_as_tcpdump_prints_it(
    name: str, routes: int, as4: bool, shared_data: Path
) -> None:
    text = (folder(shared_data) / f"{name}.out").read_text()
    expected = [row for rows in tcpdump.updates(text) for row in rows]
    assert len(expected) == routes
    found: list[Row] = []
    for data in streams(capture(shared_data, name)).values():
        for kind, body in messages(data):
            if kind == bgp.UPDATE:
                found += bgp.read_update(body, Context(as4=as4))
    assert len(found) == routes
    assert [seen(route, row) for route, row in zip(found, expected, strict=True)] == expected
    report(Tally(f"tcpdump {name}", len(expected), routes, fields_of(expected)))


@pytest.mark.parametrize(
    "name",
    ["bgp-cease-hard-reset", "bgp-shutdown-communication", "bgp-malformed-hard-reset"],
)
def test_every_notification_has_the_code_that_tcpdump_prints(name: str, shared_data: Path) -> None:
    text = (folder(shared_data) / f"{name}.out").read_text()
    expected = tcpdump.notifications(text)
    assert expected
    found = [
        bgp.read_notification(body)
        for data in streams(capture(shared_data, name)).values()
        for kind, body in messages(data)
        if kind == bgp.NOTIFICATION
    ]
    # The second packet of one capture repeats the first with other content, which TCP discards.
    assert [text.split(" ")[1] for text in found] == expected[: len(found)]
    assert found
    if "communication" in name:
        assert all("This is a test of the shutdown communication" in text for text in found)
    report(Tally(f"tcpdump {name}", len(found), 0, len(found)))
