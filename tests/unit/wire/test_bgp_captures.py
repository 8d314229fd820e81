"""Every capture of plain BGP that others published, message by message and route by route."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from collector.event import Event, Kind
from collector.inputs.files import FileError, Summary, read_events
from collector.inputs.raw import read_hex_lines

NAMES = {
    "KEEPALIVE": "keepalive",
    "OPEN": "open",
    "UPDATE": "update",
    "NOTIF": "notification",
    "RREFRESH": "route-refresh",
}
ROW = re.compile(
    r"^\| `(?P<path>\S+)` \| \d+ \|(?P<messages>[^|]*)\|(?P<content>[^|]*)\|", re.MULTILINE
)
FAMILIES = {"ipv4-unicast": "v4u", "ipv6-unicast": "v6u"}
KINDS = {Kind.ANNOUNCE: "ann", Kind.WITHDRAW: "wd"}
MORE_MESSAGES = {
    # The description stops at the first message that is broken; here the next marker is found.
    "bgp-aigp-oobr.pcap": {"update": 449},
    "bgp-ub.pcap": {"update": 22},
    "bgp_vpn_rt-oobr.pcap": {"update": 3},
    # The description wants a message to be whole before it counts it.
    "bgp-bgp_capabilities_print-oobr-1.pcap": {"open": 1},
    "bgp_pmsi_tunnel-oobr.pcap": {"update": 1},
    # Three messages on one connection that all begin at the same sequence number.
    "bgp-shutdown-msg-variations.pcap": {"notification": 3},
}
BROKEN = {*MORE_MESSAGES, "bgp-addpath.pcap"}
"""Their routes are nobody's; the last has MP_REACH_NLRI twice (RFC 7606 section 3, item g)."""


def numbers(pattern: str, text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, count in re.findall(pattern, text):
        found[name] += int(count)
    return found


def routes(events: list[Event]) -> Counter[str]:
    found: Counter[str] = Counter()
    for event in events:
        if event.family in FAMILIES and event.kind in KINDS:
            found[f"{KINDS[Kind(event.kind)]}:{FAMILIES[event.family]}"] += 1
    return found


def test_every_capture_holds_what_its_description_says(shared_data: Path) -> None:
    readme = (shared_data / "README.md").read_text()
    section = readme.split("### BGP (not BMP) pcaps")[1].split("\n## ", maxsplit=1)[0]
    table = list(ROW.finditer(section))
    assert len(table) >= 50
    for row in table:
        path = shared_data / row["path"]
        summary = Summary()
        events = list(read_events(path, summary=summary))
        messages = numbers(r"([A-Z]+):(\d+)", row["messages"])
        expected = {NAMES[name]: count for name, count in messages.items()}
        assert summary.messages == MORE_MESSAGES.get(path.name, expected), path.name
        assert {event.feed for event in events} <= {"bgp"}
        if path.name in BROKEN:
            assert summary.errors or path.name == "bgp-shutdown-msg-variations.pcap"
            continue
        assert routes(events) == numbers(r"((?:ann|wd):v[46]u):(\d+)", row["content"]), path.name
        ends = sum(event.kind == Kind.END_OF_RIB for event in events)
        assert ends == numbers(r"(EoR):\w+:(\d+)", row["content"])["EoR"], path.name


def test_captured_flowspec_is_what_its_octets_say(shared_data: Path) -> None:
    """The same UPDATEs as lines of hex and in their captures give the same rules."""
    text = (shared_data / "_vectors" / "pcap_flowspec_updates.open.jsonl").read_text()
    vectors = [json.loads(line) for line in text.splitlines()]
    lines = io.StringIO("\n".join(vector["hex"] for vector in vectors))
    alone = [event for event in read_hex_lines(lines, Summary()) if event.rule]
    assert len(alone) == 5
    captured = [
        event
        for source in sorted({vector["src"] for vector in vectors})
        for event in read_events(shared_data / source)
        if event.rule
    ]
    assert [(e.rule, e.actions) for e in captured] == [(e.rule, e.actions) for e in alone]


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        # No OPENs were captured; the path alone says that the session is one of two octets.
        ("4-byte_AS_numbers_Mixed_Scenario.cap", ["655361 2621441", "2 2621441"]),
        ("16-bit-asn.cap", ["65100 65200", "65100"]),
    ],
)
def test_as_paths_of_two_octets(shared_data: Path, name: str, paths: list[str]) -> None:
    events = read_events(shared_data / "DevQps+bgp-rs/res/pcap" / name)
    found = list(dict.fromkeys(event.as_path for event in events if event.as_path))
    assert found[:2] == paths


def test_captures_made_to_break_decoders_give_events_or_one_sentence(shared_data: Path) -> None:
    kinds: Counter[str] = Counter()
    for path in sorted((shared_data / "the-tcpdump-group+tcpdump/tests").glob("*.pcap*")):
        kinds["file"] += 1
        try:
            kinds += Counter(event.kind for event in read_events(path))
        except FileError as error:
            assert "\n" not in str(error)  # noqa: PT017 - not all of them raise it
    assert kinds["file"] > 20
    assert kinds[Kind.ANNOUNCE] > 500
    assert kinds[Kind.UNDECODABLE] > 200
