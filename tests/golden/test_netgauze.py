"""Our decode of BMP captures against NetGauze's of the same captures, message by message."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from collector.event import Event, Kind
from tests.golden import netgauze
from tests.golden.rows import Row, Tally, difference, fields_of, heard, host, report

ASSETS = "NetGauze+NetGauze/assets/pcaps"
CASES = (
    *("bmp/evpn/evpn", "bmp/path-status/ipv4_unicast_path_marking"),
    "bmp/stateless-with-add-path/ipv4_unicast_all",
    "pmacct-tests/200-BMP-HUAWEI-locrib_instance/traffic-00",
    "pmacct-tests/201-BMP-CISCO-rd_instance/traffic-00",
    *(f"pmacct-tests/202-BMP-CISCO-HUAWEI-multiple-sources/traffic-0{n}" for n in (1, 2)),
    "pmacct-tests/204-BMP-CISCO-peer_down/traffic-00",
    "pmacct-tests/206-BMP-high-availability/traffic-00",
    "pmacct-tests/400-IPFIXv10-BMP-CISCO-SRv6-multiple-sources/traffic-00",
    "pmacct-tests/400-IPFIXv10-BMP-CISCO-SRv6-multiple-sources/traffic-01",
)
PEER = ("time", "peer", "peer_as", "peer_bgp_id", "peer_rd", "view")
DESTINATION = ("kind", "family", "prefix", "rd", "path_id", "labels", "components")
ATTRIBUTES = (
    *("as_path", "origin", "med", "local_pref", "communities", "ext_communities"),
    *("large_communities", "cluster_list", "originator_id", "aggregator", "atomic_aggregate"),
)
KINDS = {
    "Initiation": Kind.FEED_UP,
    "PeerUpNotification": Kind.PEER_UP,
    "PeerDownNotification": Kind.PEER_DOWN,
    "StatisticsReport": Kind.STATS,
}
ERROR = "BmpMessageParsingError"
REFUSED = {"PeerUpNotificationMessageError": "PeerUpNotification"}
REFUSED |= {"RouteMonitoringMessageError": "RouteMonitoring"}
ZERO = {"0.0.0.0", "::", 0}  # noqa: S104 - an address that stands for none
OPEN_BGP_ID = slice(92, 96)
"""Where the BGP identifier of the first OPEN stands in a Peer Up."""


def pick(event: Event, names: tuple[str, ...]) -> Row:
    return {name: getattr(event, name) for name in names}


def route(event: Event) -> Row:
    row = pick(event, PEER + DESTINATION)
    # NetGauze prints no peer address where it is zero, as FRR has it for its own routes.
    row["peer"] = None if event.peer in ZERO else event.peer
    if event.kind == Kind.ANNOUNCE:
        row |= pick(event, ATTRIBUTES)
        row["next_hop"] = host(event.next_hop)
        row["unknown"] = [int(text.split(" ")[0]) for text in event.unknown_attributes]
    return row


def golden(shared_data: Path, case: str) -> list[tuple[str, netgauze.Json]]:
    found = netgauze.messages(shared_data / ASSETS / f"{case}-bmp.json")
    assert found
    return found


def ours(shared_data: Path, case: str) -> list[Event]:
    return heard(shared_data / ASSETS / f"{case}.pcap")


def refusals(shared_data: Path, case: str) -> Counter[str]:
    """The messages that NetGauze cannot read, by type."""
    errors = [body for name, body in golden(shared_data, case) if name == ERROR]
    return Counter(REFUSED[name] for body in errors for name in body["BmpV3MessageValueError"])


def is_two_octet(event: Event) -> bool:
    """Whether it is a route of its own that FRR 8.0 wrote with AS numbers of two octets.

    The peer header says four (RFC 7854 section 4.2): NetGauze refuses, we warn.
    """
    return event.prefix == "192.0.2.19/32" and bool(event.warnings)


def update_of(body: netgauze.Json) -> netgauze.Json:
    if "update_message" in body:
        return dict(body["update_message"]["Update"])
    return dict(body["update_pdu"]["value"]["BgpUpdate"]["Update"])


@pytest.mark.parametrize("case", CASES)
def test_every_route_is_as_netgauze_decoded_it(case: str, shared_data: Path) -> None:
    expected = [
        {**netgauze.peer(body["peer_header"]), **each}
        for name, body in golden(shared_data, case)
        if name == "RouteMonitoring"
        for each in netgauze.routes(update_of(body))
    ]
    events = [e for e in ours(shared_data, case) if e.family]
    unread = [event for event in events if is_two_octet(event)]
    assert len(unread) == refusals(shared_data, case)["RouteMonitoring"]
    found = [route(event) for event in events if event not in unread]
    assert difference(expected, found) == ""
    assert found == expected  # in the same order, too
    messages = len({event.raw for event in events})
    report(Tally(f"NetGauze {case}", messages, len(expected), fields_of(expected)))


@pytest.mark.parametrize("case", CASES)
def test_there_are_as_many_messages_of_each_type(case: str, shared_data: Path) -> None:
    expected = Counter(name for name, _ in golden(shared_data, case))
    events = ours(shared_data, case)
    found = Counter(
        name for name, kind in KINDS.items() for event in events if event.kind == kind and event.raw
    )
    monitored: list[bytes | None] = []
    for event in events:
        # The routes of one message stand one behind the other.
        if event.family and (not monitored or monitored[-1] is not event.raw):
            monitored.append(event.raw)
    found["RouteMonitoring"] = len(monitored)
    expected.pop(ERROR, 0)
    assert found == expected + refusals(shared_data, case)
    unread = [
        e for e in events if e.kind == Kind.UNDECODABLE and "stream ended" not in str(e.reason)
    ]
    assert not unread


@pytest.mark.parametrize("case", CASES)
def test_every_peer_that_comes_up_is_as_netgauze_decoded_it(case: str, shared_data: Path) -> None:
    lines = golden(shared_data, case)
    expected = [_peer_up(body) for name, body in lines if name == "PeerUpNotification"]
    events = [e for e in ours(shared_data, case) if e.kind == Kind.PEER_UP and e.raw]
    refused = [e for e in events if (e.raw or b"")[OPEN_BGP_ID] == bytes(4)]
    # NetGauze refuses an OPEN with BGP identifier zero (RFC 6286); a Peer Up that says so is news.
    assert len(refused) == refusals(shared_data, case)["PeerUpNotification"]
    found = []
    for event in events:
        if event in refused:
            continue
        said = dict(event.information or {})
        said.pop("text", None)
        # NetGauze prints no address and no port where they are zero, as a Loc-RIB's are.
        for name in ("local_address", "local_port", "remote_port"):
            said[name] = None if said[name] in ZERO else said[name]
        found.append({**pick(event, PEER), **said, "table": event.table})
    assert difference(expected, found) == ""
    report(Tally(f"NetGauze {case} peer up", len(expected), 0, fields_of(expected)))


def _peer_up(body: netgauze.Json) -> Row:
    sent = netgauze.opened(body["sent_message"])
    received = netgauze.opened(body["received_message"])
    tables = [each["VrfTableName"] for each in body["information"] if "VrfTableName" in each]
    return {
        **netgauze.peer(body["peer_header"]),
        "local_address": host(body["local_address"]),
        "local_port": body["local_port"],
        "remote_port": body["remote_port"],
        "hold_time": min(sent["hold_time"], received["hold_time"]),
        "families": [name for name in received["families"] if name in sent["families"]],
        "capabilities": received["capabilities"],
        "sent_capabilities": sent["capabilities"],
        "table": tables[0] if tables else None,
    }


def test_every_statistics_report_is_as_netgauze_decoded_it(shared_data: Path) -> None:
    total = Tally("NetGauze statistics")
    for case in CASES:
        expected = [
            {**netgauze.peer(body["peer_header"]), **netgauze.counters(body)}
            for name, body in golden(shared_data, case)
            if name == "StatisticsReport"
        ]
        events = [e for e in ours(shared_data, case) if e.kind == Kind.STATS]
        found = [{**pick(event, PEER), **(event.statistics or {})} for event in events]
        assert difference(expected, found) == "", case
        total += Tally("", len(expected), 0, fields_of(expected))
    assert total.messages > 100
    report(total)


def test_every_peer_goes_down_for_the_reason_that_netgauze_decoded(shared_data: Path) -> None:
    total = Tally("NetGauze peer down")
    for case in CASES:
        expected = [
            {**netgauze.peer(body["peer_header"]), "reason": netgauze.down(body["reason"])}
            for name, body in golden(shared_data, case)
            if name == "PeerDownNotification"
        ]
        events = [e for e in ours(shared_data, case) if e.kind == Kind.PEER_DOWN]
        found = [{**pick(event, PEER), "reason": event.reason} for event in events]
        assert difference(expected, found) == "", case
        total += Tally("", len(expected), 0, fields_of(expected))
    assert total.messages == 6
    report(total)


def test_version_4_says_what_becomes_of_each_path(shared_data: Path) -> None:
    compared = 0
    for case in CASES[1:3]:
        expected = []
        for name, body in golden(shared_data, case):
            if name == "RouteMonitoring":
                found = netgauze.routes(update_of(body))
                expected += _marked(found, body)
        events = [e for e in ours(shared_data, case) if e.family]
        fields = ("prefix", "table", "path_status", "path_id")
        assert difference(expected, [pick(e, fields) for e in events]) == ""
        compared += fields_of(expected)
    assert compared >= 50
    report(Tally("NetGauze version 4 TLVs", 0, 0, compared))


def _marked(routes: list[Row], body: netgauze.Json) -> list[Row]:
    """The routes with what the TLVs around them say."""
    values = [(tlv["index"], *tlv["value"].items()) for tlv in body["tlvs"]]
    tables = [each[1][1] for each in values if each[1][0] == "VrfTableName"]
    status: dict[int, tuple[str, ...]] = {}
    for index, (name, value) in values:
        if name == "PathMarking":
            words = value["path_status"].lower().replace("_", "-").split(" | ")
            status[index] = tuple(words)
    return [
        {
            "prefix": each["prefix"],
            "path_id": each["path_id"],
            "table": tables[0] if tables else None,
            "path_status": status.get(number, ()),
        }
        for number, each in enumerate(routes, 1)
    ]
