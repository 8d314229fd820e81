from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from collector.event import Event, parse_rfc3339
from detectors.documents import Mistakes
from detectors.intent import AllowedAction, Intent, ProtectedPort, Span, load_intent, parse_intent
from tests.unit.rules.scenes import SECOND, make

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs/examples/intent.yaml"
REFERENCE = ROOT / "docs/reference/intent.md"


def mistakes(text: str) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        parse_intent(text, "i.yaml")
    return str(caught.value).splitlines()


# The whole vocabulary


def test_the_example_says_all_that_it_says() -> None:
    intent = load_intent(EXAMPLE)
    assert list(intent.sites) == ["legacy-pe", "new-pe1", "new-pe2"]
    service = intent.service("legacy-beast")
    assert (service.prefix, service.rd, service.home) == (
        "192.0.2.50/32",
        "65000:50",
        ("legacy-pe",),
    )
    assert (service.origin_as, service.hold) == ((65000,), 5 * SECOND)
    (anycast,) = intent.anycast
    assert anycast.minimum == 2
    assert (anycast.flap.half_life, anycast.flap.suppress, anycast.flap.reuse) == (
        900 * SECOND,
        2000,
        750,
    )
    assert anycast.probe is not None
    assert (anycast.probe.tcp, anycast.probe.every, anycast.probe.from_) == (
        8443,
        5 * SECOND,
        "site",
    )
    policy = intent.policy("migration")
    assert policy.destination == ("192.0.2.50/32",)
    assert policy.protocol == (Span(6, 6),)
    assert policy.destination_port == (Span(1024, 65535),)
    assert policy.actions == (AllowedAction("redirect-to-nexthop", ("10.100.0.254",)),)
    assert policy.require == ("destination", "protocol", "destination_port")
    assert (policy.from_, policy.max_rules) == (("controller",), 500)
    assert policy.max_age == 30 * 86400 * SECOND
    assert intent.protect == (
        ProtectedPort(6, 179, 179),
        ProtectedPort(17, 3784, 3784),
        "10.0.0.0/24",
    )
    (cutover,) = intent.cutovers_of("legacy-beast")
    assert cutover.window.start == parse_rfc3339("2026-12-01T22:00:00Z")
    assert cutover.window.end - cutover.window.start == 3600 * SECOND
    assert (cutover.deadline, cutover.max_overlap, cutover.max_gap) == (
        180 * SECOND,
        30 * SECOND,
        0,
    )
    assert (cutover.from_, cutover.to, cutover.flush) == ("legacy-pe", ("new-pe1",), "migration")
    assert intent.watched_prefixes() == ["192.0.2.50/32", "10.100.0.254/32"]
    assert intent.expected_feeds() == [("rr1", None)]
    assert intent.feeds[0].silent_after == 60 * SECOND


def test_what_is_left_out_has_the_documented_value() -> None:
    intent = parse_intent(
        "version: 1\n"
        "sites: {a: {match: [{peer_as: 65001}]}, b: {match: [{router: r2}]}}\n"
        "services: [{name: s, prefix: 2001:DB8::/32, home: [a]}]\n"
        "anycast: [{name: x, prefix: 10.0.0.1/32, sites: [a]}]\n"
        "cutovers: [{name: c, service: s, from: a, to: [b],"
        " window: [2026-12-01T22:00:00Z, 2026-12-01T23:30:00+01:00]}]\n"
        "feeds: [{router: r1}]\n"
    )
    assert intent.services[0].prefix == "2001:db8::/32"
    assert intent.services[0].hold == 5 * SECOND
    assert intent.anycast[0].minimum == 1
    cutover = intent.cutovers[0]
    assert (cutover.deadline, cutover.max_overlap, cutover.max_gap) == (
        180 * SECOND,
        30 * SECOND,
        0,
    )
    assert cutover.window.end - cutover.window.start == 1800 * SECOND
    assert intent.feeds[0].silent_after == 60 * SECOND


@pytest.mark.parametrize(
    ("text", "judged"),
    [("", False), ("flowspec: []", True), ("protect: [tcp/179]", True), ("services: []", False)],
)
def test_flowspec_is_judged_where_the_intent_speaks_of_it(text: str, judged: bool) -> None:
    assert parse_intent(f"version: 1\n{text}").judges_flowspec is judged


def test_every_word_of_the_vocabulary_is_in_the_reference() -> None:
    text = REFERENCE.read_text()
    missing = [key for key in keys_of(Intent) if f"`{key}`" not in text]
    assert missing == []


def keys_of(model: type[BaseModel]) -> set[str]:
    found = set()
    for name, info in model.model_fields.items():
        found.add(info.alias or name)
        for inner in re.findall(r"detectors\.intent\.\w+\.(\w+)", str(info.annotation)):
            module = __import__("detectors.intent", fromlist=[inner])
            part = getattr(module, inner, None)
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= keys_of(part)
    return found


def test_examples_in_the_reference_are_right() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", REFERENCE.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        parse_intent(block, "reference")


# Every mistake, at its line

TEN = """\
version: 1
sites:
  pe1: {match: [{next_hop: 10.0.1.1}]}
  pe2: {match: [{nexthop: 10.0.1.2}]}
services:
  - name: web
    prefix: 192.0.2.50/24
    home: [pe1]
  - name: mail
    prefix: 192.0.2.51/32
    home: [pe11]
    hold: 5
anycast:
  - name: anchor
    prefix: 10.100.0.254/32
    sites: [pe1, pe2]
    minimum: 3
flowspec:
  - name: migration
    protocol: [tpc]
    actions: [discrad]
    require: [destination_prot]
cutovers:
  - name: move
    service: mial
    from: pe1
    to: [pe2]
    window: [2026-12-01T23:00:00Z, 2026-12-01T22:00:00Z]
"""

TYPO = (
    "i.yaml:22: flowspec[0].require[0]: unknown component 'destination_prot'"
    " (did you mean 'destination_port'?)"
)
BACKWARDS = (
    "i.yaml:28: cutovers[0].window: ends (2026-12-01T22:00:00Z)"
    " before it starts (2026-12-01T23:00:00Z)"
)


def test_ten_mistakes_are_told_in_one_run_each_with_its_line() -> None:
    assert mistakes(TEN) == [
        "i.yaml:4: sites.pe2.match[0].nexthop: unknown key (did you mean 'next_hop'?)",
        "i.yaml:7: services[0].prefix: '192.0.2.50/24' has host bits set: write 192.0.2.0/24",
        "i.yaml:11: services[1].home[0]: unknown site 'pe11' (did you mean 'pe1'?)",
        "i.yaml:12: services[1].hold: 5 is not a duration: write 5s (ns, us, ms, s, m, h, d)",
        "i.yaml:17: anycast[0].minimum: 3 is more than the number of sites (2)",
        "i.yaml:20: flowspec[0].protocol[0]: unknown protocol 'tpc' (did you mean 'tcp'?)",
        "i.yaml:21: flowspec[0].actions[0]: unknown action 'discrad' (did you mean 'discard'?)",
        TYPO,
        "i.yaml:25: cutovers[0].service: unknown service 'mial' (did you mean 'mail'?)",
        BACKWARDS,
    ]


NOTHING = "sites.a.match[0]: names nothing: give originator_id, next_hop, peer, peer_as or router"
SITES = (
    "sites: {a: {match: [{peer: 10.0.0.1}]}, b: {match: [{peer: 10.0.0.2}]},"
    " pe-new: {match: [{peer: 10.0.0.3}]}}\n"
)
SERVICES = SITES + "services: [{name: web, prefix: 192.0.2.1/32, home: [a]}]\n"
EARLY = "window: [2026-12-01T10:00:00Z, 2026-12-01T12:00:00Z]"
LATE = "window: [2026-12-01T11:00:00Z, 2026-12-01T13:00:00Z]"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("version: 1", "version: is given twice (first on line 1)"),
        ("site: {}", "site: unknown key (did you mean 'sites'?)"),
        ("sites: []", "sites: must be a mapping"),
        ("services: {}", "services: must be a list"),
        ("feeds: [{}]", "feeds[0].router: is missing"),
        (
            "feeds: [{router: 7}]",
            "feeds[0].router: should be a valid string, not 7 (put it in quotes)",
        ),
        ("feeds: [{router: r, silent_after: 0s}]", "feeds[0].silent_after: must be longer than 0s"),
        ("feeds: [{router: r}, {router: r}]", "feeds[1].router: 'r' is also feeds[0] (i.yaml:2)"),
        (
            "sites: {a: {match: [{}]}}",
            NOTHING,
        ),
        ("sites: {a: {match: []}}", "sites.a.match: must not be empty"),
        ("sites: {a: {match: [{peer: r1}]}}", "sites.a.match[0].peer: 'r1' is not an IP address"),
        (
            "sites: {a: {match: [{peer_as: true}]}}",
            "sites.a.match[0].peer_as: True is not a whole number",
        ),
        (
            SITES + "services: [{name: w, prefix: 10.0.0.1, home: [a]}]",
            "services[0].prefix: '10.0.0.1' has no prefix length: write 10.0.0.1/32",
        ),
        (
            SITES + "services: [{name: w, prefix: 10.0.0.1/32, home: [a], rd: 65000}]",
            'services[0].rd: 65000 is not a route distinguisher: write "65000:50"',
        ),
        (
            SERVICES + "anycast: [{name: x, prefix: 192.0.2.1/32, sites: [a]}]",
            "anycast[0].prefix: 192.0.2.1/32 is service 'web', with one home",
        ),
        (
            SITES + "anycast: [{name: x, prefix: 10.0.0.1/32, sites: [a], flap: {reuse: 2000}}]",
            "anycast[0].flap.reuse: 2000 must be below suppress (2000)",
        ),
        (
            SITES + "anycast: [{name: x, prefix: 10.0.0.1/32, sites: [a], probe: {every: 5s}}]",
            "anycast[0].probe: needs exactly one of tcp, http, dns and icmp",
        ),
        (
            SERVICES + f"cutovers: [{{name: c, service: web, from: b, to: [a], {EARLY}}}]",
            "cutovers[0].from: 'b' is not a home of 'web' (a)",
        ),
        (
            SERVICES + f"cutovers: [{{name: c, service: web, from: a, to: [b], {EARLY}}},"
            f" {{name: d, service: web, from: a, to: [b], {LATE}}}]",
            "cutovers[1].window: overlaps the window of 'c', which moves 'web' too",
        ),
        (
            SERVICES + f"cutovers: [{{name: c, service: web, from: a, to: [a], {EARLY}}}]",
            "cutovers[0].to: moves from 'a' to itself",
        ),
        (
            SERVICES
            + f"cutovers: [{{name: c, service: web, from: a, to: [b], {EARLY}, flush: m}}]",
            "cutovers[0].flush: unknown policy 'm'",
        ),
        (
            SITES + "maintenance: [{site: c, window: [2026-12-01T10:00:00Z, 2026-12-02], why: x}]",
            "maintenance[0].window: '2026-12-02' is not a time: write 2026-12-01T22:00:00Z",
        ),
        ("protect: [10.0.0.0/0]", "protect[0]: '10.0.0.0/0' has host bits set: write 0.0.0.0/0"),
        ("protect: ['::/0']", "protect[0]: '::/0' is everything: every rule would touch it"),
        (
            "protect: [tpc/179]",
            "protect[0]: 'tpc/179' is neither a port (tcp/179, udp/3784) nor a prefix",
        ),
        (
            "flowspec: [{name: p, destination_port: [9-1], actions: [accept]}]",
            "flowspec[0].destination_port[0]: '9-1' is not a range: it ends before it begins",
        ),
        (
            "flowspec: [{name: p, dscp: [64], actions: [accept]}]",
            "flowspec[0].dscp[0]: 64 is not a range: numbers here are 0 to 63",
        ),
        (
            "flowspec: [{name: p, actions: [{rate-limit-bytes: 0}]}]",
            "flowspec[0].actions[0]: 0 is not a rate above 0 (a rate of 0 is `discard`)",
        ),
        (
            SITES + "flowspec: [{name: p, actions: [accept], from: [pe-nw, controller]}]",
            "flowspec[0].from[0]: unknown site 'pe-nw' (did you mean 'pe-new'?)",
        ),
    ],
)
def test_a_mistake_says_where_and_what(section: str, message: str) -> None:
    found = [re.sub(r"^i\.yaml:\d+: ", "", line) for line in mistakes(f"version: 1\n{section}")]
    assert message in found


def test_a_cutover_may_start_where_an_earlier_one_ended() -> None:
    later = "window: [2026-12-02T10:00:00Z, 2026-12-02T12:00:00Z]"
    intent = parse_intent(
        f"version: 1\n{SERVICES}cutovers:\n"
        f"  - {{name: back, service: web, from: b, to: [a], {later}}}\n"
        f"  - {{name: there, service: web, from: a, to: [b], {EARLY}}}\n"
    )
    assert [cutover.name for cutover in intent.cutovers_of("web")] == ["there", "back"]


# What rules ask


MATCHED = """
version: 1
sites:
  by-peer: {match: [{peer: 10.0.0.1}]}
  by-hop: {match: [{next_hop: 10.0.0.2}, {next_hop: 2001:db8::2}]}
  by-originator: {match: [{originator_id: 10.0.0.3}]}
  by-router: {match: [{router: r1}, {router: 192.0.2.9}]}
  by-as: {match: [{peer_as: 65001}]}
  by-both: {match: [{next_hop: 10.0.0.7, peer_as: 65007}]}
  by-hop-again: {match: [{next_hop: 10.0.0.2}, {next_hop: 10.0.0.7}]}
"""


@pytest.mark.parametrize(
    ("fields", "site"),
    [
        ({"peer": "10.0.0.1"}, "by-peer"),
        ({"peer": "10.0.0.1", "next_hop": "10.0.0.2"}, "by-hop"),
        (
            {"peer": "10.0.0.1", "next_hop": "10.0.0.2", "originator_id": "10.0.0.3"},
            "by-originator",
        ),
        ({"peer": "10.0.0.1", "originator_id": "10.9.9.9"}, "by-peer"),
        ({"next_hop": "2001:db8::2"}, "by-hop"),
        ({"router": "r1"}, "by-router"),
        ({"router": "r9", "router_address": "192.0.2.9", "peer_as": 65001}, "by-router"),
        ({"peer_as": 65001}, "by-as"),
        ({"peer_as": 65007, "next_hop": "10.0.0.7"}, "by-both"),
        ({"peer_as": 65008, "next_hop": "10.0.0.7"}, "by-hop-again"),
        ({"peer": "10.0.0.9"}, None),
        ({}, None),
    ],
)
def test_the_better_matcher_names_the_site(fields: dict[str, object], site: str | None) -> None:
    values = {"router": "elsewhere", **fields}
    router = str(values.pop("router"))
    event: Event = make("announce", router, 1, **values)
    assert parse_intent(MATCHED).site_of(event) == site


def test_maintenance_holds_from_its_start_up_to_its_end() -> None:
    intent = load_intent(EXAMPLE)
    (maintenance,) = intent.maintenance
    start, end = maintenance.window
    assert intent.in_maintenance("new-pe2", start - 1) is None
    assert intent.in_maintenance("new-pe2", start) is maintenance
    assert intent.in_maintenance("new-pe2", end - 1) is maintenance
    assert intent.in_maintenance("new-pe2", end) is None
    assert intent.in_maintenance("new-pe1", start) is None
