"""Our decode of BMP captures against nfacctd's (pmacct) of the same captures, field by field."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.event import Event, Kind
from tests.golden import pmacct
from tests.golden.rows import (
    Row,
    Tally,
    difference,
    fields_of,
    heard,
    host,
    report,
    route_row,
    unmapped,
    without,
)

TESTS = "pmacct+pmacct/tests"
CASES = (
    "200-BMP-HUAWEI-locrib_instance",
    "201-BMP-CISCO-rd_instance",
    "202-BMP-CISCO-HUAWEI-multiple-sources",
    "203-BMP-HUAWEI-dump",
    "204-BMP-CISCO-peer_down",
    "207-BMP-CISCO-HUAWEI-multiple-sources-dump-spreading",
    "400-IPFIXv10-BMP-CISCO-SRv6-multiple-sources",
)
ROUTES = (Kind.ANNOUNCE, Kind.WITHDRAW, Kind.END_OF_RIB)
PEER = ("time", "peer", "peer_as", "peer_bgp_id", "peer_rd", "view")
NOT_PRINTED = ("originator_id", "cluster_list", "nlri", "aggregator", "atomic_aggregate")


def events_of(folder: Path) -> list[Event]:
    return [event for path in sorted(folder.glob("*.pcap")) for event in heard(path)]


def golden(folder: Path, *messages: str) -> list[pmacct.Line]:
    return pmacct.lines(folder / "output-bmp-00.json", *messages)


def peer_of(event: Event) -> Row:
    return {name: getattr(event, name) for name in PEER}


def comparable(event: Event) -> Row:
    """A route of ours as far as pmacct prints such a route."""
    row = without(route_row(event), *NOT_PRINTED)
    if event.kind == Kind.ANNOUNCE:
        for name in ("communities", "ext_communities", "large_communities"):
            row[name] = sorted(row[name])
        row["next_hop"] = unmapped(event.next_hop)
        row |= pmacct.of_octets(event.unknown_attributes)
    else:
        # What pmacct prints with a withdrawal is the route that goes, out of its own table.
        row = without(row, *pmacct.ATTRIBUTES)
    return without(row, "peer_rd") if "labelled" in (event.family or "") else row


class Tables:
    """The routes that stand, and those that a peer took with it when it went down."""

    def __init__(self) -> None:
        self.routes: dict[tuple[str | int | None, ...], Event] = {}
        self.swept: list[Event] = []

    def take(self, event: Event) -> bool:
        """Whether the event changed a table."""
        peer = (event.router_address, event.view, event.peer, event.peer_rd)
        key = (*peer, event.family, event.rd, event.prefix, event.path_id)
        if event.kind == Kind.ANNOUNCE:
            self.routes[key] = event
        elif event.kind == Kind.PEER_DOWN:
            gone = [each for each in self.routes if each[:4] == peer]
            self.swept += [self.routes.pop(each) for each in gone]
        elif event.kind == Kind.WITHDRAW:
            return self.routes.pop(key, None) is not None
        return True


@pytest.mark.parametrize("case", CASES)
def test_every_route_is_as_nfacctd_decoded_it(case: str, shared_data: Path) -> None:
    folder = shared_data / TESTS / case
    expected = [pmacct.route(line) for line in golden(folder, "route_monitor")]
    tables, messages = Tables(), set()
    ours: list[Row] = []
    unheld: list[Row] = []
    for event in events_of(folder):
        held = tables.take(event)
        if event.kind in ROUTES:
            messages.add(event.raw)
            # pmacct says nothing of the withdrawal of a route that it does not hold.
            (ours if held else unheld).append(comparable(event))
    assert expected
    assert difference(expected, ours) == ""
    assert len(unheld) == (4 if case.startswith("204") else 0)
    report(Tally(f"pmacct {case}", len(messages), len(expected), fields_of(expected)))


def deleted(folder: Path) -> list[pmacct.Line]:
    """The routes that nfacctd drops when a peer or the router goes."""
    paths = sorted(folder.glob("output-bmp-0?.json"))
    return [line for path in paths for line in pmacct.lines(path, "internal")]


def dumped(folder: Path) -> list[pmacct.Line]:
    """The tables that nfacctd dumps, each once."""
    lines = pmacct.lines(folder / "output-bmp-dump-00.json", "route_monitor")
    unique = {repr({**line, "seq": 0, "timestamp": "0"}): line for line in lines}
    return list(unique.values())


@pytest.mark.parametrize("case", [CASES[index] for index in (0, 1, 3, 4, 5, 6)])
def test_the_tables_that_result_are_those_of_nfacctd(case: str, shared_data: Path) -> None:
    folder = shared_data / TESTS / case
    lines = dumped(folder) if "dump" in case else deleted(folder)
    expected = [without(pmacct.route(line), "time") for line in lines]
    tables = Tables()
    for event in events_of(folder):
        tables.take(event)
    left = tables.swept if case.startswith("204") else [*tables.swept, *tables.routes.values()]
    assert expected
    assert difference(expected, [without(comparable(event), "time") for event in left]) == ""
    report(Tally(f"pmacct {case} tables", 0, len(expected), fields_of(expected)))


@pytest.mark.parametrize("case", CASES)
def test_every_peer_that_comes_up_is_as_nfacctd_decoded_it(case: str, shared_data: Path) -> None:
    folder = shared_data / TESTS / case
    expected = [
        {
            **pmacct.peer(line),
            "local_address": host(line["local_ip"]),
            "local_port": line["local_port"],
            "remote_port": line["remote_port"],
            "text": line["bmp_peer_up_info_string"],
            "table": line["bmp_peer_up_info_vrf_table_name"],
        }
        for line in golden(folder, "peer_up")
    ]
    found = []
    for event in events_of(folder):
        if event.kind == Kind.PEER_UP:
            said = event.information or {}
            row = {name: said[name] for name in ("local_address", "local_port", "remote_port")}
            found.append({**peer_of(event), **row, "text": said.get("text"), "table": event.table})
    assert expected
    assert difference(expected, found) == ""
    report(Tally(f"pmacct {case} peer up", len(expected), 0, fields_of(expected)))


@pytest.mark.parametrize("case", CASES)
def test_every_router_says_what_nfacctd_heard_it_say(case: str, shared_data: Path) -> None:
    folder = shared_data / TESTS / case
    expected = [
        {
            "sys_descr": line["bmp_init_info_sysdescr"],
            "sys_name": line["bmp_init_info_sysname"],
        }
        for line in golden(folder, "init")
    ]
    found = [event.information or {} for event in events_of(folder) if event.kind == Kind.FEED_UP]
    for said in found:
        said.pop("sender", None)  # our own conclusion
    assert expected
    assert difference(expected, found) == ""
    report(Tally(f"pmacct {case} initiation", len(expected), 0, fields_of(expected)))


@pytest.mark.parametrize("case", [CASES[1], CASES[4], CASES[6]])
def test_every_counter_is_as_nfacctd_decoded_it(case: str, shared_data: Path) -> None:
    folder = shared_data / TESTS / case
    expected = pmacct.statistics(golden(folder, "stats"))
    reports = [event for event in events_of(folder) if event.kind == Kind.STATS]
    found = [
        {**peer_of(event), "name": name, "value": value}
        for event in reports
        for name, value in (event.statistics or {}).items()
    ]
    assert expected
    assert difference(expected, found) == ""
    report(Tally(f"pmacct {case} statistics", len(reports), 0, fields_of(expected)))


def test_every_peer_that_goes_down_does_so_for_the_reason_that_nfacctd_heard(
    shared_data: Path,
) -> None:
    reasons = {
        "The remote system closed the session without a notification message": (
            "remote, without notification"
        )
    }
    folder = shared_data / TESTS / "204-BMP-CISCO-peer_down"
    expected = [
        {**pmacct.peer(line), "reason": reasons[line["reason_str"]]}
        for line in golden(folder, "peer_down")
    ]
    found = [
        {**peer_of(event), "reason": event.reason}
        for event in events_of(folder)
        if event.kind == Kind.PEER_DOWN
    ]
    assert len(expected) == 3
    assert difference(expected, found) == ""
    report(Tally("pmacct 204 peer down", len(expected), 0, fields_of(expected)))
