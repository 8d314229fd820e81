"""`origin` by place: who else inside our network announces an anycast address, or part of one."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from collector.event import Event, Feed, Kind, Provenance, View
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from detectors.rules.origin import Origin, never_left
from tests.unit.rules.scenes import PEERS, SECOND, START, make, play, route, steady_state
from tests.unit.rules.test_origin import NET, announce, found, watch

ANCHOR = "10.100.0.254/32"
LAB = "10.0.9.9"
REFLECTOR = "10.0.0.2"
INTENT = f"""
version: 1
sites:
  legacy-pe: {{match: [{{originator_id: 10.0.0.1}}, {{next_hop: 10.0.0.1}}]}}
  new-pe1: {{match: [{{originator_id: 10.0.1.1}}, {{next_hop: 10.0.1.1}}]}}
  new-pe2: {{match: [{{originator_id: 10.0.1.2}}, {{next_hop: 10.0.1.2}}]}}
anycast:
  - name: anchor
    prefix: {ANCHOR}
    sites: [new-pe1, new-pe2]
    only_sites: true
    origin_as: [65000, 64497]
"""


def seen(at: int, path: str | None = "", hop: str = LAB, **fields: object) -> Event:
    """An announcement of the address by this next hop, as a reflector tells of it."""
    event = route(Kind.ANNOUNCE, "r1", REFLECTOR, ANCHOR, at, Provenance.LIVE)
    values: dict[str, object] = {"peer_as": 65000, "local_pref": 100, "originator_id": hop}
    last = (path or "").rpartition(" ")[2]
    origin_as = int(last) if last.isdecimal() else None
    values |= {"next_hop": hop, "as_path": path, "origin_as": origin_as}
    return replace(event, **values | fields)


def watching(text: str = INTENT) -> Engine:
    engine = Engine(parse_intent(text), rules=[Origin])
    assert play(engine, [event for event in steady_state(START) if event.prefix is None]) == []
    return engine


def test_a_place_that_is_no_site_is_told_until_it_stops() -> None:
    engine = watching()
    stranger = seen(START + SECOND)
    (opened,) = play(engine, [stranger])
    assert (opened.state, opened.severity, opened.key) == (
        State.OPEN,
        "warning",
        f"anchor {ANCHOR}",
    )
    assert opened.evidence == (stranger,)
    place = "unknown site (next hop 10.0.9.9, originator 10.0.9.9, peer 10.0.0.2)"
    assert opened.details["offences"] == [
        {"prefix": ANCHOR, "origin": "AS65000", "site": place, "reasons": ["place"]}
    ]
    assert opened.summary == (
        f"anchor ({ANCHOR}): AS65000 announces it from {place}, seen at r1 since "
        "2027-01-15T08:00:01Z: only new-pe1, new-pe2 may. Stop it there, or add that place to the "
        "sites of the intent (path empty)."
    )
    gone = route(Kind.WITHDRAW, "r1", REFLECTOR, ANCHOR, START + 2 * SECOND, Provenance.LIVE)
    (resolved,) = play(engine, [gone])
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def test_a_site_that_the_entry_does_not_list_is_named() -> None:
    (opened,) = play(watching(), [seen(START + 1, "64497", PEERS["legacy-pe"])])
    assert opened.details["offences"][0]["site"] == "legacy-pe"
    assert "AS64497 announces it from legacy-pe, seen at r1" in opened.summary


def test_its_sites_may_by_whatever_view_they_are_seen() -> None:
    engine = watching()
    hop = PEERS["new-pe1"]
    views = [
        seen(START + 1, hop=hop),
        seen(START + 1, hop="10.0.0.9", originator_id=hop),  # a border sets itself as next hop
        seen(START + 1, "64497", hop, peer=hop, peer_as=64497, local_pref=None, originator_id=None),
        seen(START + 1, hop=hop, peer=None, peer_as=None, view=View.LOC_RIB, originator_id=None),
    ]
    assert play(engine, views) == []


def test_it_is_asked_for() -> None:
    quiet = watching(INTENT.replace("    only_sites: true\n", ""))
    assert play(quiet, [seen(START + 1), seen(START + 2, hop=PEERS["legacy-pe"])]) == []


def test_another_intent_judges_what_is_there_already() -> None:
    lenient = parse_intent(INTENT.replace("    only_sites: true\n", ""))
    engine = Engine(lenient, rules=[Origin])
    assert play(engine, [seen(START + 1)]) == []
    (opened,) = engine.adopt(parse_intent(INTENT), START + SECOND)
    assert (opened.state, opened.severity) == (State.OPEN, "warning")
    (resolved,) = engine.adopt(lenient, START + 2 * SECOND)
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


@pytest.mark.parametrize(
    ("path", "fields", "inside"),
    [
        ("", {}, True),
        ("", {"peer": None, "peer_as": None, "local_pref": None}, True),  # a Loc-RIB
        ("64497", {}, True),
        ("64497 64497 64497", {}, True),
        ("64497", {"peer_as": 64497, "local_pref": None}, True),  # by EBGP from the site's AS
        ("64497", {"peer_as": 65010, "local_pref": 100}, True),  # by IBGP in another AS of ours
        ("64497", {"peer_as": None, "local_pref": None}, True),
        ("{64497,65000}", {}, True),
        ("(64512 64513)", {"peer_as": 64512}, True),  # members of our confederation
        ("(64512) [64513,64514] 64497", {"peer_as": 64512}, True),
        ("64511 64497", {}, False),  # back from a transit, learnt by IBGP
        ("64511 64497", {"peer_as": 64511, "local_pref": None}, False),
        ("65000 64511 64497", {}, False),
        ("64497 {64511,64497}", {}, False),
        ("64497", {"peer_as": 64600, "local_pref": None}, False),  # by a route server
        ("64497", {"feed": Feed.BGPSTREAM}, False),
        (None, {}, False),
    ],
)
def test_what_never_left_our_network(
    path: str | None, fields: dict[str, Any], inside: bool
) -> None:
    event = seen(START + 1, path, **fields)
    assert never_left(event, {65000, 64497}) is inside
    if event.feed != Feed.BGPSTREAM and event.origin_as in (65000, 64497):
        assert bool(play(watching(), [event])) is inside


def test_without_origin_as_only_an_empty_path_is_ours() -> None:
    text = INTENT.replace("    origin_as: [65000, 64497]\n", "")
    assert play(watching(text), [seen(START + 1, "64497")]) == []
    assert len(play(watching(text), [seen(START + 1)])) == 1


def test_what_others_ignore_is_ignored_here() -> None:
    engine = watching()
    sent = seen(START + 1, view=View.ADJ_OUT_PRE)
    assert play(engine, [sent]) == []
    pre = seen(START + 2, hop=PEERS["new-pe1"])
    assert play(engine, [pre, seen(START + 3, view=View.ADJ_IN_POST)]) == []


def test_a_place_out_of_sight_opens_nothing_and_resolves_nothing() -> None:
    engine = watching()
    (opened,) = play(engine, [seen(START + 1)])
    (unknown,) = play(engine, [make(Kind.FEED_DOWN, "r1", START + SECOND)])
    assert (unknown.state, unknown.id) == (State.UNKNOWN, opened.id)
    held = {key.seen_by: [(r.event, r.since)] for key, r in engine.routes.all()}
    after = Engine(parse_intent(INTENT), rules=[Origin], held=held, lived=START + SECOND)
    assert after.advance(START + 60 * SECOND) == []


def test_it_goes_on_after_a_restart() -> None:
    engine = watching()
    (opened,) = play(engine, [seen(START + 1)])
    after = Engine(parse_intent(INTENT), rules=[Origin], restored=[opened])
    at = START + 60 * SECOND
    up = make(Kind.FEED_UP, "r1", at, epoch=at)
    unknown, again = play(after, [up, seen(at, hop="10.0.9.8")])
    assert (unknown.state, unknown.id) == (State.UNKNOWN, opened.id)
    assert (again.state, again.id) == (State.UPDATED, opened.id)
    (resolved,) = play(after, [seen(at + SECOND, hop=PEERS["new-pe2"])])
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def test_what_is_critical_stays_so_beside_a_place() -> None:
    engine = watching()
    (opened,) = play(engine, [seen(START + 1)])
    wrong = replace(seen(START + 2, "64511 64666"), peer="10.0.0.3")
    (worse,) = play(engine, [wrong])
    assert (worse.state, worse.severity, worse.id) == (State.UPDATED, "critical", opened.id)
    assert worse.summary.startswith(f"anchor ({ANCHOR}): AS64666 announces it")
    assert [o["reasons"] for o in worse.details["offences"]] == [["origin"], ["place"]]
    part = watching(INTENT.replace(ANCHOR, "10.100.0.0/24"))
    (critical,) = play(part, [seen(START + 1)])
    assert critical.severity == "critical"
    assert critical.details["offences"][0]["reasons"] == ["more-specific"]


# Parts of a service, while it moves and after that


def part(at: int, site: str) -> Event:
    return announce(at, "65000", "203.0.113.0/25", site)


def moved() -> Engine:
    """The service was at its old site, and moved in the window of its cutover."""
    engine = watch()
    at = START + 110 * SECOND
    steps = [
        announce(START + SECOND, "65000"),
        announce(at, "65000", site="new-pe1"),
        route(Kind.WITHDRAW, "r1", PEERS["legacy-pe"], NET, at + SECOND, Provenance.LIVE),
    ]
    assert found(engine, *steps) == []
    (progress,) = engine.cutovers
    assert progress.complete
    return engine


def offenders(transitions: list[Incident]) -> list[str]:
    return [o["site"] for t in transitions for o in t.details.get("offences", ())]


def test_after_a_cutover_the_old_home_may_not_announce_parts_any_more() -> None:
    at = START + 400 * SECOND
    assert found(moved(), part(at, "new-pe1")) == []
    (opened,) = found(moved(), part(at, "legacy-pe"))
    assert offenders([opened]) == ["legacy-pe"]
    assert "only new-pe1 may announce parts of it" in opened.summary


def test_a_window_that_went_by_gives_no_leave() -> None:
    engine = watch()
    found(engine, announce(START + SECOND, "65000"))
    engine.advance(START + 400 * SECOND)
    (opened,) = found(engine, part(START + 401 * SECOND, "new-pe1"))
    assert offenders([opened]) == ["new-pe1"]


def test_while_it_is_under_way_both_may() -> None:
    engine = watch()
    at = START + 110 * SECOND
    found(engine, announce(START + SECOND, "65000"), announce(at, "65000", site="new-pe1"))
    assert found(engine, part(at + 1, "new-pe1"), part(at + 2, "legacy-pe")) == []
    assert offenders(found(engine, part(at + 3, "new-pe2"))) == ["new-pe2"]
