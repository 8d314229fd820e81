"""What an intent cannot mean, or cannot mean twice: told, where it was silently never so."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from collector.event import Kind, View
from collector.inputs.files import read_events
from detectors.documents import Mistakes
from detectors.intent import Intent, parse_intent
from detectors.intent.values import parse_rd
from tests.conftest import ROOT
from tests.unit.rules.scenes import make

STORY = ROOT / "anchorwatch/demo/story.pcap.gz"

SITES = "sites: {a: {match: [{peer: 10.0.0.1}]}, b: {match: [{peer: 10.0.0.2}]}}\n"
ONE = "services: [{name: w, prefix: 192.0.2.1/32, home: [a]"
OTHER = "{name: x, prefix: 192.0.2.1/32, home: [b]"

NO_RD = 'is not a route distinguisher: write "65000:50"'
TAKEN = "services[1].prefix: 192.0.2.1/32 is service 'w' already"

EARLY, LATE = (f"window: [2026-12-0{day}T10:00:00Z, 2026-12-0{day}T12:00:00Z]" for day in (1, 2))
MOVES = f"cutovers: [{{{{name: c, service: w, from: {{}}, to: [{{}}], {EARLY}}}}}]"


def read(text: str) -> Intent:
    return parse_intent(f"version: 1\n{text}", "i.yaml")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            SITES + ONE + ", rd: '65000:4294967296'}]",
            f"services[0].rd: '65000:4294967296' {NO_RD}",
        ),
        (
            SITES + ONE + ", rd: '10.0.0.300:1'}]",
            f"services[0].rd: '10.0.0.300:1' {NO_RD}",
        ),
        (
            SITES + ONE + ", rd: '1:1'}, " + OTHER + "}]",
            f"{TAKEN}: without an rd, this one would take its routes too",
        ),
        (
            SITES + ONE + "}, " + OTHER + ", rd: '1:1'}]",
            f"{TAKEN}, which has no rd: it would take these routes too",
        ),
        (
            SITES + ONE + "}]\nanycast: [{name: w, prefix: 10.0.0.1/32, sites: [a]}]",
            "anycast[0].name: 'w' is also services[0] (i.yaml:3)",
        ),
        (
            "sites: {a: {match: [{peer: 10.0.0.1}]}, b: {match: [{peer: 10.0.0.1}]}}",
            "sites.b: no route is ever of it: all that it is known by is of 'a', before it",
        ),
        (
            SITES + ONE.replace("[a]", "[a, b]") + "}]\n" + MOVES.format("a", "b"),
            "cutovers[0].to: 'b' is a home of 'w' already: it advertises before the first step",
        ),
        (
            "flowspec: [{name: p, actions: [{redirect-to-vrf: 'rt:65000:100'}]}]",
            "flowspec[0].actions[0]: 'rt:65000:100' is not a route target: write \"65000:100\"",
        ),
    ],
)
def test_what_can_never_be_is_a_mistake(section: str, message: str) -> None:
    with pytest.raises(Mistakes) as caught:
        read(section)
    assert [re.sub(r"^i\.yaml:\d+: ", "", str(each)) for each in caught.value.mistakes] == [message]


def test_sites_may_share_a_matcher_where_each_has_one_of_its_own() -> None:
    read("sites: {a: {match: [{peer: 10.0.0.1}]}, b: {match: [{peer: 10.0.0.1}, {peer_as: 5}]}}")


@pytest.mark.parametrize("given", ["10.0.0.1", "::ffff:10.0.0.1", "::FFFF:a00:1"])
@pytest.mark.parametrize("shown", ["10.0.0.1", "::ffff:10.0.0.1"])
def test_an_ipv6_route_may_have_the_ipv4_next_hop_of_its_site(given: str, shown: str) -> None:
    """Over IPv4 sessions it is mapped (RFC 4798 section 2, RFC 4659 section 3.2.1.2)."""
    intent = read(f"sites: {{a: {{match: [{{next_hop: '{given}'}}]}}}}")
    assert intent.site_of(make(Kind.ANNOUNCE, "r1", 0, next_hop=shown)) == "a"
    assert intent.site_of(make(Kind.ANNOUNCE, "r1", 0, next_hop="::10.0.0.1")) is None


def test_a_service_may_move_to_a_home_that_it_left() -> None:
    there = f"{{name: there, service: w, from: a, to: [b], {EARLY}}}"
    back = f"{{name: back, service: w, from: b, to: [a], {LATE}}}"
    intent = read(f"{SITES}{ONE}}}]\ncutovers: [{there}, {back}]")
    assert [cutover.name for cutover in intent.cutovers_of("w")] == ["there", "back"]


def test_a_loc_rib_names_no_peer_so_the_next_hop_stands_for_it() -> None:
    intent = read(f"{SITES}")
    path = {"view": View.LOC_RIB, "prefix": "192.0.2.1/32"}
    assert intent.site_of(make(Kind.ANNOUNCE, "r1", 0, next_hop="10.0.0.2", **path)) == "b"
    assert intent.site_of(make(Kind.ANNOUNCE, "r1", 0, next_hop="::ffff:10.0.0.2", **path)) == "b"
    by_peer = make(Kind.ANNOUNCE, "r1", 0, next_hop="10.0.0.2", peer="10.0.0.1")
    assert intent.site_of(by_peer) == "a"
    assert intent.site_of(replace(by_peer, peer="10.0.0.9")) is None
    rule = {"view": View.LOC_RIB, "rule": "destination 192.0.2.1/32"}
    assert intent.site_of(make(Kind.ANNOUNCE, "r1", 0, next_hop="10.0.0.2", **rule)) is None


def test_sites_that_are_known_by_their_peers_are_seen_in_a_recorded_loc_rib() -> None:
    """The neighbours of a GoBGP that sends all its views, as docs/how-to/routers.md says."""
    hosts = ("10.0.0.1", "10.0.1.1", "10.0.1.2")
    sites = ", ".join(f"s{n}: {{match: [{{peer: {host}}}]}}" for n, host in enumerate(hosts))
    intent = read(f"sites: {{{sites}}}")
    routes = [e for e in read_events(STORY) if e.kind == Kind.ANNOUNCE and e.prefix and e.next_hop]
    assert {e.view for e in routes} == {View.ADJ_IN_PRE, View.ADJ_IN_POST, View.LOC_RIB}
    assert {intent.site_of(e) for e in routes} == {"s0", "s1", "s2"}


def test_one_prefix_in_several_vpns_is_several_services() -> None:
    intent = read(SITES + ONE + ", rd: '1:1'}, " + OTHER + ", rd: '0002:03'}]")
    assert [service.rd for service in intent.services] == ["1:1", "2:3"]


@pytest.mark.parametrize(
    "rd", ["0:4294967295", "65535:4294967295", "65536:65535", "4294967295:1", "192.0.2.1:65535"]
)
def test_every_route_distinguisher_may_be_named(rd: str) -> None:
    assert parse_rd(rd) == rd


def test_a_range_of_marks_is_all_of_them() -> None:
    (policy,) = read("flowspec: [{name: p, actions: [{mark: [10-12, 46]}]}]").flowspec
    assert policy.actions[0].values == (10, 11, 12, 46)


@pytest.mark.parametrize(
    "target", ["65000:100", "65000L:100", "70000:1", "192.0.2.1:1", "[2001:db8::1]:1"]
)
def test_route_targets_are_named_as_they_are_shown(target: str) -> None:
    text = f"flowspec: [{{name: p, actions: [{{redirect-to-vrf: '{target}'}}]}}]"
    assert read(text).flowspec[0].actions[0].values == (target,)
