from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.event import Event, Family, Kind, Provenance, View, rfc3339
from detectors.base import Status
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import load_intent, parse_intent
from detectors.route import Change, Concern
from detectors.routes import Routes
from detectors.rules.origin import Origin, origins
from tests.unit.rules.scenes import PEERS, SECOND, START, make, play, route, steady_state

NET = "203.0.113.0/24"
ANCHOR = "10.100.0.0/24"
WINDOW = f"[{rfc3339(START + 100 * SECOND)}, {rfc3339(START + 300 * SECOND)}]"
INTENT = f"""
version: 1
sites:
  legacy-pe: {{match: [{{peer: 10.0.0.1}}]}}
  new-pe1: {{match: [{{peer: 10.0.1.1}}]}}
  new-pe2: {{match: [{{peer: 10.0.1.2}}]}}
services:
  - {{name: web, prefix: {NET}, home: [legacy-pe], origin_as: [65000, 64496]}}
  - {{name: any-as, prefix: 198.51.100.0/24, home: [legacy-pe]}}
anycast:
  - {{name: anchor, prefix: {ANCHOR}, sites: [new-pe1, new-pe2], origin_as: [64497]}}
cutovers:
  - {{name: move, service: web, from: legacy-pe, to: [new-pe1], window: {WINDOW}}}
"""


def announce(
    at: int, path: str | None, prefix: str = NET, site: str = "legacy-pe", **fields: object
) -> Event:
    """An announcement with this AS path; `origin_as` follows from it as the decoders do it."""
    event = route(Kind.ANNOUNCE, "r1", PEERS[site], prefix, at, Provenance.LIVE)
    last = (path or "").rpartition(" ")[2]
    number = int(last) if last.isdecimal() else None
    return replace(event, as_path=path, origin_as=number, **fields)


def withdraw(at: int, prefix: str = NET, site: str = "legacy-pe") -> Event:
    return route(Kind.WITHDRAW, "r1", PEERS[site], prefix, at, Provenance.LIVE)


def watch(intent: str = INTENT) -> Engine:
    engine = Engine(parse_intent(intent))
    play(engine, [event for event in steady_state(START) if event.prefix is None])
    return engine


def found(engine: Engine, *events: Event) -> list[Incident]:
    return [t for t in play(engine, events) if t.detector == "origin"]


def test_a_wrong_origin_opens_and_the_right_one_resolves() -> None:
    engine = watch()
    assert found(engine, announce(START + 1, "64511 65000")) == []
    bad = announce(START + SECOND, "64511 64666")
    (opened,) = found(engine, bad)
    assert (opened.state, opened.severity, opened.key) == (State.OPEN, "critical", f"web {NET}")
    assert opened.evidence == (bad,)
    assert opened.details["service"] == "web"
    assert opened.details["origin_as"] == [64496, 65000]
    assert opened.details["offences"] == [
        {"prefix": NET, "origin": "AS64666", "site": "legacy-pe", "reasons": ["origin"]}
    ]
    assert opened.summary == (
        f"web ({NET}): AS64666 announces it from legacy-pe, seen at r1 since "
        "2027-01-15T08:00:01Z: its origin must be AS64496 or AS65000. Have it withdrawn there, or "
        "filter it where it enters (path 64511 64666)."
    )
    (resolved,) = found(engine, announce(START + 2 * SECOND, "64511 65000"))
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)
    assert "nobody announces it without leave any more" in resolved.summary


def test_a_withdrawal_resolves_and_only_that_of_the_last_vantage_point() -> None:
    engine = watch()
    bad = announce(START + 1, "64666")
    assert len(found(engine, bad)) == 1
    assert found(engine, replace(bad, router="r2", received=START + 2)) == []
    assert found(engine, withdraw(START + 3)) == []
    (resolved,) = found(engine, replace(withdraw(START + 4), router="r2"))
    assert resolved.state == State.RESOLVED


def test_a_second_offender_updates_the_incident_of_the_prefix() -> None:
    engine = watch()
    (opened,) = found(engine, announce(START + 1, "64666"))
    (updated,) = found(engine, announce(START + 2, "64667", "203.0.113.128/25", "new-pe2"))
    assert (updated.state, updated.id) == (State.UPDATED, opened.id)
    assert [o["prefix"] for o in updated.details["offences"]] == [NET, "203.0.113.128/25"]
    assert updated.details["offences_total"] == 2
    assert "(1 more like it)" in updated.summary


def test_a_service_without_origin_as_takes_any() -> None:
    assert found(watch(), announce(START + 1, "64666", "198.51.100.0/24")) == []
    more = announce(START + 1, "64666", "198.51.100.0/25", "new-pe2")
    assert found(watch(), more) == []  # dual_advertisement's question


@pytest.mark.parametrize(
    ("prefix", "path", "site", "reasons"),
    [
        ("203.0.113.0/25", "65000", "legacy-pe", None),
        ("203.0.113.0/25", "65000", "new-pe2", ["more-specific"]),
        ("203.0.113.0/25", "64666", "legacy-pe", ["origin"]),
        ("203.0.113.0/25", "64666", "new-pe2", ["origin", "more-specific"]),
        ("10.100.0.0/24", "64497", "new-pe1", None),
        ("10.100.0.0/24", "64666", "new-pe1", ["origin"]),
        ("10.100.0.0/25", "64497", "new-pe1", ["more-specific"]),
        ("10.100.0.254/32", "64497", "new-pe2", ["more-specific"]),
        ("203.0.112.0/23", "64666", "new-pe2", None),
    ],
)
def test_what_a_more_specific_means(
    prefix: str, path: str, site: str, reasons: list[str] | None
) -> None:
    transitions = found(watch(), announce(START + 1, path, prefix, site))
    assert [t.details["offences"][0]["reasons"] for t in transitions] == (
        [] if reasons is None else [reasons]
    )


def test_a_more_specific_says_who_may() -> None:
    (opened,) = found(watch(), announce(START + 1, "65000", "203.0.113.0/25", "new-pe2"))
    assert "AS65000 announces the more-specific 203.0.113.0/25 from new-pe2" in opened.summary
    assert "only legacy-pe may announce parts of it" in opened.summary
    (opened,) = found(watch(), announce(START + 1, "64497", "10.100.0.0/25", "new-pe1"))
    assert "no part of it may be, and the longer prefix takes the traffic" in opened.summary
    assert opened.details["anycast"] == "anchor"


def test_an_entry_of_its_own_takes_a_more_specific_out() -> None:
    intent = INTENT.replace(
        "cutovers:",
        "  - {name: half, prefix: 10.100.0.0/25, sites: [new-pe1], origin_as: [64498]}\ncutovers:",
    )
    assert found(watch(intent), announce(START + 1, "64498", "10.100.0.0/25", "new-pe1")) == []
    (opened,) = found(watch(intent), announce(START + 1, "64497", "10.100.0.0/25", "new-pe1"))
    assert opened.key == "half 10.100.0.0/25"


def test_a_cutover_lets_its_target_announce_parts_once_it_has_begun() -> None:
    part = "203.0.113.0/25"
    engine = watch()
    (opened,) = found(engine, announce(START + 50 * SECOND, "65000", part, "new-pe1"))
    (resolved,) = [t for t in engine.advance(START + 200 * SECOND) if t.detector == "origin"]
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)
    assert resolved.time == START + 100 * SECOND
    assert found(watch(), announce(START + 100 * SECOND, "65000", part, "new-pe1")) == []


def test_a_route_distinguisher_is_asked_for() -> None:
    intent = INTENT.replace(f"prefix: {NET},", f'prefix: {NET}, rd: "65000:50",')
    vpn = {"family": Family.L3VPN_IPV4}
    other = announce(START + 1, "64666", rd="65000:51", **vpn)
    assert found(watch(intent), other) == []
    assert len(found(watch(intent), replace(other, rd="65000:50"))) == 1


# Paths whose origin is not simply their last number


@pytest.mark.parametrize(
    ("path", "peer_as", "expected"),
    [
        ("64511 65000", 64511, {65000}),
        ("65000 65000 65000", 65000, {65000}),
        ("64511 {65000,64496}", 64511, {65000, 64496}),
        ("{65000}", 64511, {65000}),
        ("64511 {65000} 64496", 64511, {64496}),
        ("", 65000, {65000}),
        ("", None, set()),
        ("", 0, set()),
        (None, 65000, set()),
        ("(64512 64513)", 65000, set()),
        ("[64512,64513]", 65000, set()),
        ("(64512) 64511 64496", 65000, {64496}),
    ],
)
def test_who_may_have_originated_a_route(
    path: str | None, peer_as: int | None, expected: set[int]
) -> None:
    assert origins(announce(START, path, peer_as=peer_as)) == expected


@pytest.mark.parametrize(
    ("path", "peer_as", "opens"),
    [
        ("64511 {65000,64496}", 64511, False),
        ("64511 {65000,64666}", 64511, True),
        ("64511 {64666}", 64511, True),
        ("", 65000, False),
        ("", 64999, True),
        ("", None, False),
        (None, 64999, False),
        ("(64512)", 65000, False),
        ("64512", 65000, True),
        ("64511 4200000001", 65000, True),
    ],
)
def test_every_possible_origin_must_be_allowed(
    path: str | None, peer_as: int | None, opens: bool
) -> None:
    event = announce(START + 1, path, peer_as=peer_as)
    assert bool(found(watch(), event)) is opens


def test_the_summary_names_an_as_set_and_an_own_route() -> None:
    (opened,) = found(watch(), announce(START + 1, "64511 {64496,64666}"))
    assert "one of AS64496, AS64666 announces it" in opened.summary
    (opened,) = found(watch(), announce(START + 1, "", peer_as=64999))
    assert "AS64999 announces it" in opened.summary
    assert "(path empty)" in opened.summary


# Blindness, restarts, and work that need not be done


def test_a_lost_feed_makes_it_unknown_and_the_dump_decides() -> None:
    engine = watch()
    (opened,) = found(engine, announce(START + 1, "64666"))
    (unknown,) = found(engine, make(Kind.FEED_DOWN, "r1", START + SECOND))
    assert (unknown.state, unknown.id) == (State.UNKNOWN, opened.id)
    at = START + 60 * SECOND
    up = [
        make(Kind.FEED_UP, "r1", at, epoch=at),
        make(Kind.PEER_UP, "r1", at, peer=PEERS["legacy-pe"], view=View.ADJ_IN_PRE, epoch=at),
    ]
    assert found(engine, *up) == []
    done = make(Kind.END_OF_RIB, "r1", at + SECOND, peer=PEERS["legacy-pe"], view=View.ADJ_IN_PRE)
    (resolved,) = found(engine, done)
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def test_a_route_that_is_out_of_sight_opens_nothing() -> None:
    engine = watch()
    found(engine, announce(START + 1, "64511 65000"))
    assert found(engine, make(Kind.FEED_DOWN, "r1", START + SECOND)) == []


def test_after_a_restart_it_goes_on_with_its_id() -> None:
    engine = watch()
    (opened,) = found(engine, announce(START + 1, "64666"))
    after = Engine(parse_intent(INTENT), restored=engine.open_incidents)
    at = START + 60 * SECOND
    assert [t.state for t in after.advance(at) if t.detector == "origin"] == [State.UNKNOWN]
    up = make(Kind.FEED_UP, "r1", at, epoch=at)
    (again,) = found(after, up, announce(at, "64666"))
    assert (again.state, again.id) == (State.UPDATED, opened.id)
    (resolved,) = found(after, withdraw(at + SECOND))
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def test_an_entry_that_the_intent_names_no_longer_resolves() -> None:
    engine = watch()
    (opened,) = found(engine, announce(START + 1, "64666"))
    after = Engine(parse_intent("version: 1"), restored=[opened])
    (resolved,) = after.advance(START + SECOND)
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def test_what_is_allowed_is_not_even_judged() -> None:
    routes = Routes([NET])
    rule = Origin(parse_intent(INTENT))
    (change,) = routes.apply(announce(START, "64511 65000"))
    assert list(rule.subjects(change, routes)) == []
    assert Concern.FLOWSPEC not in rule.concerns
    assert rule.judge(f"web {NET}", routes, START).status is Status.FINE
    assert isinstance(change, Change)


# The RPKI

ROAS = [
    {"asn": "AS65000", "prefix": "203.0.0.0/16", "maxLength": 24, "ta": "ripe"},
    {"asn": "AS64511", "prefix": "203.0.113.0/24", "maxLength": 24, "ta": "ripe"},
    {"asn": "AS0", "prefix": "198.51.100.0/24", "maxLength": 24, "ta": "apnic"},
]
BY_RPKI = f"""
version: 1
sites: {{legacy-pe: {{match: [{{peer: 10.0.0.1}}]}}}}
services:
  - {{name: web, prefix: {NET}, home: [legacy-pe]}}
  - {{name: nobody, prefix: 198.51.100.0/24, home: [legacy-pe]}}
  - {{name: unsigned, prefix: 192.0.2.0/24, home: [legacy-pe]}}
rpki: {{vrps: vrps.json}}
"""


def by_rpki(folder: Path) -> Engine:
    (folder / "vrps.json").write_text(json.dumps({"metadata": {}, "roas": ROAS}))
    (folder / "intent.yaml").write_text(BY_RPKI)
    engine = Engine(load_intent(folder / "intent.yaml"))
    play(engine, [event for event in steady_state(START) if event.prefix is None])
    return engine


@pytest.mark.parametrize(
    ("path", "prefix", "opens"),
    [
        ("3356 64511", NET, False),
        ("3356 13335", NET, True),
        ("3356 64511", "203.0.113.0/25", True),  # longer than the ROA allows
        ("3356 13335", "192.0.2.0/24", False),  # no ROA covers it
        ("3356 13335", "198.51.100.0/24", True),  # AS 0: nobody may
        ("3356 {64511}", NET, True),  # an AS_SET matches no ROA
        ("3356 {64511}", "192.0.2.0/24", False),
        ("", NET, False),  # our own route
        ("64512", NET, False),  # the border takes a private AS away
        ("3356 4200000000", NET, False),
        ("3356 65535", NET, True),  # reserved is not private
        ("(64512)", NET, False),
    ],
)
def test_invalid_opens_and_not_found_does_not(
    tmp_path: Path, path: str, prefix: str, opens: bool
) -> None:
    transitions = found(by_rpki(tmp_path), announce(START + 1, path, prefix, peer_as=13335))
    assert [t.details["offences"][0]["reasons"] for t in transitions] == (
        [["rpki"]] if opens else []
    )


def test_an_invalid_route_names_the_roas_that_forbid_it(tmp_path: Path) -> None:
    (opened,) = found(by_rpki(tmp_path), announce(START + 1, "3356 13335"))
    assert (
        "it is invalid by the RPKI (AS65000 203.0.0.0/16 up to /24, AS64511 203.0.113.0/24 up to "
        "/24)" in opened.summary
    )


def test_the_rpki_is_not_asked_of_vpn_routes(tmp_path: Path) -> None:
    vpn = announce(START + 1, "3356 13335", family=Family.L3VPN_IPV4, rd="65000:1")
    assert found(by_rpki(tmp_path), vpn) == []
