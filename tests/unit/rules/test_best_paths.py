"""A router that shows best paths alone hides one site behind another."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from collector.event import Event, Family, Kind, Provenance, View
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from tests.unit.rules.scenes import SECOND, START, make, play

ANCHOR, BLOCK = "10.100.0.254/32", "192.0.2.0/24"
ONE, TWO = "10.0.1.1", "10.0.1.2"
REFLECTOR = "10.0.0.254"
INTENT = f"""
version: 1
sites:
  one: {{match: [{{originator_id: {ONE}}}, {{next_hop: {ONE}}}]}}
  two: {{match: [{{originator_id: {TWO}}}, {{next_hop: {TWO}}}]}}
services: [{{name: block, prefix: {BLOCK}, home: [one, two]}}]
anycast: [{{name: anchor, prefix: {ANCHOR}, sites: [one, two], minimum: 2}}]
"""
LATE = START + 60 * SECOND


def shown(kind: str, site: str, at: int, prefix: str, peer: str | None = None) -> Event:
    """A path of a Loc-RIB; or of the session of `peer`, who reflects it unless it is the site."""
    fields: dict[str, object] = {"family": Family.IPV4_UNICAST, "prefix": prefix}
    fields |= {"view": View.ADJ_IN_PRE if peer else View.LOC_RIB}
    if peer:
        fields["peer"] = peer
    if kind == Kind.ANNOUNCE:
        fields["next_hop"] = site
        if peer == REFLECTOR:
            fields["originator_id"] = site
    provenance = Provenance.DUMP if at == START else Provenance.LIVE
    return make(kind, "r1", at, provenance=provenance, **fields)


def table(*paths: tuple[str, str | None]) -> list[Event]:
    """The table of one router: who advertises both prefixes, and the session that shows it."""
    events = [make(Kind.FEED_UP, "r1", START, epoch=START)]
    for session in {peer: None for _, peer in paths if peer}:
        view = View.ADJ_IN_PRE
        events.append(make(Kind.PEER_UP, "r1", START, peer=session, view=view, epoch=START))
    for site, peer in paths:
        events += [shown(Kind.ANNOUNCE, site, START, prefix, peer) for prefix in (ANCHOR, BLOCK)]
    events.append(make(Kind.END_OF_RIB, "r1", START))
    return [replace(event, sequence=number) for number, event in enumerate(events)]


def told(transitions: list[Incident]) -> list[tuple[str, str, str]]:
    return [(each.state, each.detector, each.key) for each in transitions]


@pytest.mark.parametrize("peer", [None, REFLECTOR])
def test_a_site_that_a_best_path_may_hide_is_not_told_as_gone(peer: str | None) -> None:
    engine = Engine(parse_intent(INTENT))
    opened = play(engine, table((ONE, peer))) + engine.advance(LATE)
    # The router likes the other site better now.
    moves = [shown(Kind.ANNOUNCE, TWO, LATE, prefix, peer) for prefix in (ANCHOR, BLOCK)]
    assert told(opened + play(engine, moves) + engine.advance(2 * LATE - START)) == []


def test_who_is_missing_where_each_neighbour_is_shown_is_told() -> None:
    engine = Engine(parse_intent(INTENT))
    opened = play(engine, table((ONE, ONE), (ONE, None))) + engine.advance(LATE)
    assert told(opened) == [
        (State.OPEN, "anchor_redundancy", "anchor"),
        (State.OPEN, "unexpected_withdrawal", "block/two"),
    ]


def test_where_nobody_is_seen_nobody_hides_anybody() -> None:
    engine = Engine(parse_intent(INTENT))
    assert told(play(engine, table((ONE, None))) + engine.advance(LATE)) == []
    gone = [shown(Kind.WITHDRAW, ONE, LATE, prefix) for prefix in (ANCHOR, BLOCK)]
    opened = play(engine, gone) + engine.advance(2 * LATE - START)
    assert told(opened) == [
        (State.OPEN, "anchor_redundancy", "anchor"),
        (State.OPEN, "unexpected_withdrawal", "block everywhere"),
    ]


def test_a_withdrawal_is_one_whoever_shows_the_rest() -> None:
    """The session of one site, and a reflector that shows the best path."""
    engine = Engine(parse_intent(INTENT))
    assert told(play(engine, table((ONE, ONE), (TWO, REFLECTOR)))) == []
    gone = [shown(Kind.WITHDRAW, ONE, LATE, prefix, ONE) for prefix in (ANCHOR, BLOCK)]
    opened = play(engine, gone) + engine.advance(2 * LATE - START)
    assert ("open", "anchor_redundancy", "anchor") in told(opened)
    assert ("open", "unexpected_withdrawal", "block/one") in told(opened)
