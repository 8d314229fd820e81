"""Rules that judge only what may have changed, against plain models that look at everything."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from collector.event import Event, Family, Kind, Provenance, View
from detectors.base import Rule
from detectors.engine import Engine
from detectors.intent import parse_intent
from detectors.rules.anchor_redundancy import AnchorRedundancy
from detectors.rules.origin import Origin
from detectors.rules.redirect_target import RedirectTarget
from tests.unit.rules.scenes import PEERS, SECOND, START, make, route

ANCHOR, PART, NET, HALF = "10.100.0.0/24", "10.100.0.254/32", "203.0.113.0/24", "203.0.113.0/25"
ONLY = "10.200.0.0/24"
HOP = "10.100.0.254"
SITES = ("new-pe1", "new-pe2", "legacy-pe")
PLACES = """
version: 1
sites:
  legacy-pe: {match: [{peer: 10.0.0.1}]}
  new-pe1: {match: [{peer: 10.0.1.1}]}
  new-pe2: {match: [{peer: 10.0.1.2}]}
"""
INTENT = f"""{PLACES}
services:
  - {{name: web, prefix: {NET}, home: [legacy-pe], origin_as: [65000]}}
anycast:
  - {{name: anchor, prefix: {ANCHOR}, sites: [{", ".join(SITES)}], minimum: 2, origin_as: [65000]}}
"""
ONLY_SITES = f"""{PLACES}
anycast:
  - {{name: only, prefix: {ONLY}, sites: [new-pe1], only_sites: true, origin_as: [65000]}}
"""
RULE = "destination 192.0.2.50/32"
Key = tuple[str, str, str]


@st.composite
def steps(draw: st.DrawFn) -> list[Event]:
    events: list[Event] = []
    for number in range(1, draw(st.integers(2, 40))):
        at = START + 10 * number * SECOND
        router = draw(st.sampled_from(["r1", "r2"]))
        site = draw(st.sampled_from(SITES))
        what = draw(st.sampled_from([ANCHOR, ANCHOR, PART, NET, HALF, ONLY, RULE]))
        kind = draw(st.sampled_from([Kind.ANNOUNCE, Kind.ANNOUNCE, Kind.WITHDRAW, Kind.PEER_DOWN]))
        peer = PEERS[site]
        if kind == Kind.PEER_DOWN:
            down = make(kind, router, at, peer=peer, view=View.ADJ_IN_PRE, epoch=START)
            up = make(Kind.PEER_UP, router, at, peer=peer, view=View.ADJ_IN_PRE, epoch=START)
            events += [down, up]
            continue
        event = route(kind, router, peer, ANCHOR, at, Provenance.LIVE)
        if what == RULE:
            hop = draw(st.sampled_from([HOP, "10.100.0.1", "192.0.2.1"]))
            action = {"action": "redirect-to-nexthop", "next_hop": hop, "copy": False}
            actions = (action,) if kind == Kind.ANNOUNCE else ()
            family = Family.IPV4_FLOWSPEC
            event = replace(event, family=family, prefix=None, rule=RULE, actions=actions)
        elif kind == Kind.ANNOUNCE:
            asn = draw(st.sampled_from([65000, 65000, 64666]))
            communities = draw(st.sampled_from([(), (), ("graceful-shutdown",)]))
            event = replace(
                event, prefix=what, as_path=str(asn), origin_as=asn, communities=communities
            )
        else:
            event = replace(event, prefix=what)
        events.append(event)
    return [replace(event, sequence=i) for i, event in enumerate(events, 1)]


def after(held: dict[Key, Event], event: Event) -> dict[Key, Event]:
    """The routes that are held after one more event, by router, peer and destination."""
    key = (event.router, str(event.peer), event.prefix or event.rule or "")
    if event.kind == Kind.ANNOUNCE:
        return held | {key: event}
    if event.kind == Kind.WITHDRAW:
        return {k: e for k, e in held.items() if k != key}
    return {k: e for k, e in held.items() if k[:2] != key[:2]}


def expected(held: dict[Key, Event]) -> set[tuple[str, str]]:
    """What must be open, with these routes held for long enough."""
    found = set()
    anchors = [e for e in held.values() if e.prefix == ANCHOR]
    sites = {e.peer for e in anchors}
    staying = {e.peer for e in anchors if not e.communities}
    if len(sites) < 2 or not staying:
        found.add(("anchor_redundancy", "anchor"))
    legacy = PEERS["legacy-pe"]
    if any(
        (e.prefix in (NET, HALF) and e.origin_as != 65000)
        or (e.prefix == HALF and e.peer != legacy)
        for e in held.values()
    ):
        found.add(("origin", f"web {NET}"))
    if any(
        e.prefix == PART or (e.prefix == ANCHOR and e.origin_as != 65000) for e in held.values()
    ):
        found.add(("origin", f"anchor {ANCHOR}"))
    for hop in {a["next_hop"] for e in held.values() for a in e.actions}:
        covering = {ANCHOR: ("10.100.0.1", HOP), PART: (HOP,)}
        if hop in covering[ANCHOR] and not any(
            hop in covering.get(e.prefix or "", ()) for e in held.values()
        ):
            found.add(("redirect_target", hop))
    return found


def strangers(held: dict[Key, Event]) -> set[tuple[str, str]]:
    """The same, where only the listed site may announce."""
    only = [e for e in held.values() if e.prefix == ONLY]
    if any(e.peer != PEERS["new-pe1"] or e.origin_as != 65000 for e in only):
        return {("origin", f"only {ONLY}")}
    return set()


def connected(intent: str, *rules: type[Rule]) -> Engine:
    """Both routers and all their peers are up, and nothing is announced."""
    engine = Engine(parse_intent(intent), rules=rules)
    for router in ("r1", "r2"):
        engine.process(make(Kind.FEED_UP, router, START, epoch=START))
    for router in ("r1", "r2"):
        for peer in PEERS.values():
            up = make(Kind.PEER_UP, router, START, peer=peer, view=View.ADJ_IN_PRE, epoch=START)
            engine.process(up)
        engine.process(make(Kind.END_OF_RIB, router, START))
    return engine


@settings(max_examples=150, deadline=None)
@given(events=steps())
def test_what_is_open_is_what_the_routes_say(events: list[Event]) -> None:
    # No others, and no second address: what a lost session took along is told with it.
    engine = connected(INTENT, AnchorRedundancy, Origin, RedirectTarget)
    only = connected(ONLY_SITES, Origin)
    held: dict[Key, Event] = {}
    for event in events:
        held = after(held, event)
        for watch, model in ((engine, expected), (only, strangers)):
            watch.process(event)
            watch.advance(event.received + 9 * SECOND)
            assert {(i.detector, i.key) for i in watch.open_incidents} == model(held)
    assert not engine.errors
    assert not only.errors
