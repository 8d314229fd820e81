"""`anchorwatch intent suggest` on the store of the demonstration's story."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.inputs.files import read_events
from collector.wire.communities import flowspec_action
from detectors.engine import Engine
from detectors.intent import Intent, parse_intent
from detectors.suggest import draft
from tests.integration.stored_story import OPENED, STORY, said, story

__all__ = ["story"]  # the fixture

BEFORE = "2026-11-21T05:39:20Z"
ROW: dict[str, Any] = {
    **dict.fromkeys(("rd", "peer", "originator_id", "view"), ""),
    "router": "rr1",
    "next_hop": "10.0.0.1",
    "origin_as": None,
    "prefix": "192.0.2.1/32",
}


def suggested(story: Path, *more: str) -> tuple[str, Intent]:
    (answer,) = said(story, ["intent", "suggest", "--from-store", *more])
    assert (answer.status, answer.err) == (0, "")
    return answer.out, parse_intent(answer.out, "draft")


def test_a_draft_of_the_story(story: Path) -> None:
    text, intent = suggested(story, "--at", BEFORE)
    assert sorted(intent.sites) == ["site-10-0-1-1", "site-10-0-1-2"]
    homes = {service.prefix: service.home for service in intent.services}
    assert homes == dict.fromkeys(("192.0.2.50/32", "192.0.2.60/32"), ("site-10-0-1-1",))
    (anycast,) = intent.anycast
    assert (anycast.prefix, anycast.minimum, len(anycast.sites)) == ("10.100.0.254/32", 2, 2)
    (policy,) = intent.flowspec
    assert policy.require == ("destination", "protocol", "destination_port")
    assert [str(action) for action in policy.actions] == ["redirect-to-nexthop 10.100.0.254"]
    assert [(feed.router, feed.feed) for feed in intent.feeds] == [("controller", "bmp")]
    lines = text.splitlines()
    for index, line in enumerate(lines):  # every guess has its reason above it
        if line.startswith(("  - ", '  "site-')):
            assert lines[index - 1].startswith("  #"), line


def test_what_was_a_kill_switch_is_no_policy(story: Path) -> None:
    text, intent = suggested(story, "--at", "2026-11-21T05:39:22Z")
    assert "# left out: rule `destination 0.0.0.0/0 port =179` could touch tcp/179" in text
    pages = [
        transition
        for event in read_events(STORY)
        for transition in Engine(intent).process(event)
        if event.rule == "destination 0.0.0.0/0 port =179"
    ]
    assert any(page.kill_switch for page in pages)


def test_a_prefix_that_is_named(story: Path) -> None:
    _, intent = suggested(story, "--at", OPENED, "--prefix", "192.0.2.0/24")
    assert intent.advertised_prefixes() == ["192.0.2.50/32", "192.0.2.60/32"]
    (answer,) = said(story, ["intent", "suggest", "--from-store", "--prefix", "nowhere"])
    assert answer.status == 2
    assert answer.err.startswith("anchorwatch intent: --prefix is no prefix: ")


def test_where_nothing_was_seen_the_draft_says_so() -> None:
    text = draft([], [], [], at="T")
    assert parse_intent(text).flowspec == ()
    for words in ("No site", "No other Flowspec rule", "No router was seen"):
        assert words in text


@pytest.mark.parametrize(
    ("octets", "allowed"),
    [
        ("8008fde800000032", ["redirect-to-vrf 65000:50"]),
        ("8009000000000000", ["mark 0"]),
        ("800900000000002e", ["mark 46"]),
        ("8006000044610000", ["rate-limit-bytes at least 900"]),
        ("800600005a635fa9", ["rate-limit-bytes"]),  # more than an intent may ask for
        ("8006000000000000", ["discard"]),
        ("080000000000000a", ["redirect-to-nexthop 10.100.0.254"]),
        ("0900000000000007", None),  # redirect to an indirection id
        ("0702000000010001", None),  # interface set
    ],
)
def test_what_a_rule_does_is_what_its_policy_allows(octets: str, allowed: list[str] | None) -> None:
    actions = flowspec_action(bytes.fromhex(octets), "10.100.0.254")
    rule = "destination 192.0.2.50/32 protocol =17 destination-port =53"
    row = {
        "family": "ipv4-flowspec",
        "rule": rule,
        "actions": msgspec.json.encode(actions).decode(),
    }
    text = draft([], [row], [], at="T")
    (policy,) = parse_intent(text).flowspec or (None,)
    if policy is None:
        (action,) = actions
        assert allowed is None
        left = f"# left out: rule `{rule}` does {action['action']}, which no policy can allow"
        assert left in text.splitlines()
    else:
        assert [str(action) for action in policy.actions] == allowed


def test_originators_and_what_stands_in_for_a_next_hop() -> None:
    rows: list[dict[str, Any]] = [
        {**ROW, "originator_id": "10.9.9.9"},
        {**ROW, "prefix": "192.0.2.2/32", "next_hop": "::", "peer": "10.0.0.7", "rd": "1:5"},
        {**ROW, "prefix": "192.0.2.3/32", "next_hop": "", "origin_as": 65001},
    ]
    intent = parse_intent(draft(rows, [], [], at="T"))
    keys = {name: [m.keys() for m in site.match] for name, site in intent.sites.items()}
    assert keys == {
        "site-10-0-0-1": [("originator_id",), ("next_hop",)],
        "site-10-0-0-7": [("peer",)],
        "site-rr1": [("router",)],
    }
    assert [service.rd for service in intent.services] == [None, "1:5", None]
    assert intent.services[2].origin_as == (65001,)


def test_a_route_of_a_vrf_s_own_session_is_of_that_vpn() -> None:
    (service,) = parse_intent(draft([{**ROW, "peer_rd": "65000:5"}], [], [], at="T")).services
    assert service.rd == "65000:5"


def test_a_mapped_next_hop_is_the_same_place() -> None:
    rows = [ROW, {**ROW, "prefix": "2001:db8::1/128", "next_hop": "::ffff:10.0.0.1"}]
    intent = parse_intent(draft(rows, [], [], at="T"))
    assert list(intent.sites) == ["site-10-0-0-1"]
    assert [service.home for service in intent.services] == [("site-10-0-0-1",)] * 2


@pytest.mark.parametrize("name", ["r\nservices: x", 'a"b', "# x", "{}: - &a"])
def test_what_routers_call_themselves_cannot_write_the_file(name: str) -> None:
    row = {**ROW, "router": name, "next_hop": ""}
    feed = {"router": name, "feed": "bmp", "times": 1, "last": "T"}
    intent = parse_intent(draft([row], [], [feed], at="T"))
    assert intent.feeds[0].router == name.replace("\n", "?")
    assert [service.prefix for service in intent.services] == ["192.0.2.1/32"]
    assert len(intent.sites) == 1


WEB = "destination 192.0.2.1/32 protocol =6 destination-port =443"


def drafted(*actions: dict[str, Any]) -> tuple[str, Intent]:
    """The draft from a rule that is seen once with each of these actions."""
    rows = [
        {**ROW, "family": "ipv4-flowspec", "rule": WEB, "actions": json.dumps([action])}
        for action in actions
    ]
    text = draft([], rows, [], at="T")
    return text, parse_intent(text, "draft")


@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        ({"action": "redirect-to-vrf", "target": "65000:666"}, "redirect-to-vrf 65000:666"),
        ({"action": "mark", "dscp": 0}, "mark 0"),
        ({"action": "rate-limit-bytes", "rate": 1e6, "as": 0}, "rate-limit-bytes at least 1e+06"),
        ({"action": "rate-limit-bytes", "rate": None, "as": 0}, "rate-limit-bytes"),
    ],
)
def test_what_rules_may_do_is_what_was_seen_and_no_more(
    action: dict[str, Any], allowed: str
) -> None:
    _, intent = drafted(action)
    (policy,) = intent.flowspec
    assert [str(each) for each in policy.actions] == [allowed]


def test_a_view_that_lost_the_next_hop_allows_no_other_one() -> None:
    seen = {"action": "redirect-to-nexthop", "next_hop": "10.0.0.9", "copy": False}
    lost = {"action": "redirect-to-nexthop", "copy": False}
    for actions in ((seen, lost), (lost, seen)):
        _, intent = drafted(*actions)
        (policy,) = intent.flowspec
        assert [str(each) for each in policy.actions] == ["redirect-to-nexthop 10.0.0.9"]


def test_one_prefix_in_two_vpns_may_be_two_services() -> None:
    rows = [{**ROW, "rd": "65000:1"}, {**ROW, "rd": "65000:2", "next_hop": "10.0.0.2"}]
    text = draft(rows, [], [], at="T")
    assert [anycast.prefix for anycast in parse_intent(text).anycast] == ["192.0.2.1/32"]
    assert "# (in rd 65000:1, rd 65000:2: where these are" in text
    assert "where these are" not in draft(rows[:1], [], [], at="T")
