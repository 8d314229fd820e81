"""Peers that are shown before policy, after it, or first one way and then the other."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from collector.event import Event, Family, Kind, Provenance
from collector.wire.session import BmpSession
from detectors.engine import Engine
from detectors.incidents import State
from detectors.intent import parse_intent
from detectors.route import Cause
from detectors.routes import Routes
from tests.unit.rules.scenes import SECOND, START, play
from tests.unit.test_feeds import (
    ANCHOR,
    BMP,
    GRPC,
    LEGACY,
    LOC,
    POST,
    POST_POLICY,
    PRE,
    SERVICE,
    gone,
    said,
    seen,
    shown,
    state,
    up,
)
from tests.unit.wire import build

COMPARED = f"""
version: 1
sites: {{legacy-pe: {{match: [{{peer: {LEGACY}}}]}}}}
services: [{{name: web, prefix: {SERVICE}, home: [legacy-pe], hold: 1h}}]
feeds: [{{router: ctl, settle: 10s, silent_after: 10h}}]
"""


def in_post(events: Iterable[Event]) -> list[Event]:
    """The same from a router that shows its peers after policy; a Peer Up says pre-policy still."""
    return [e if e.view != PRE or e.kind == Kind.PEER_UP else replace(e, view=POST) for e in events]


def frr(events: list[Event]) -> list[Event]:
    return [replace(events[0], information={"sys_descr": "FRRouting 10.3"}), *events[1:]]


def test_a_router_that_shows_post_policy_now_is_believed_once_its_tables_have_ended() -> None:
    routes = state(frr(up("bmp", 0, shown("bmp", SERVICE, 0))))
    routes.apply(said("bmp", Kind.FEED_DOWN, 5))
    again = frr(in_post(up("bmp", 9, shown("bmp", SERVICE, 9), shown("bmp", ANCHOR, 9))))
    *dump, end, last = again
    for event in dump:
        routes.apply(event)
    assert seen(routes, SERVICE) == [("bmp", PRE, True)]  # pre-policy may follow
    assert seen(routes, ANCHOR) == []
    changes = routes.apply(end)
    assert seen(routes, SERVICE) == seen(routes, ANCHOR) == [("bmp", POST, False)]
    assert [(c.cause, c.subject, c.key and c.key.view) for c in changes[:-1]] == [
        (Cause.SWEEP, SERVICE, PRE),
        (Cause.VIEW, SERVICE, POST),
        (Cause.VIEW, ANCHOR, POST),
    ]
    routes.apply(last)
    routes.apply(gone(shown("bmp", SERVICE, 9, POST), 20))
    assert seen(routes, SERVICE) == []
    assert not routes.shows_pre_policy("ctl")


def test_a_peer_that_is_shown_in_post_policy_once_it_comes_back_is_believed() -> None:
    routes = state(frr(up("bmp", 0, shown("bmp", SERVICE, 0))))
    routes.apply(said("bmp", Kind.PEER_DOWN, 5, peer=LEGACY, view=PRE))
    for event in in_post(up("bmp", 9, shown("bmp", SERVICE, 9)))[1:-1]:
        routes.apply(event)
    assert seen(routes, SERVICE) == [("bmp", POST, False)]


@pytest.mark.parametrize("restarts", [False, True], ids=["reconnects", "after a restart"])
def test_a_router_that_shows_post_policy_first_is_not_believed_before_pre_policy_came(
    restarts: bool,
) -> None:
    """FRR does so, of each route: a policy that sets another next hop makes another site of it."""
    routes = state(frr(up("bmp", 0, shown("bmp", SERVICE, 0), views=(POST, PRE))))
    routes.apply(said("bmp", Kind.FEED_DOWN, 5))
    if restarts:
        held = [(route.event, route.since) for _, route in routes.all()]
        routes = Routes([SERVICE])
        routes.restore_feed(BMP, held, START + 6 * SECOND)
    post, pre = shown("bmp", SERVICE, 9, POST, next_hop="10.9.9.9"), shown("bmp", SERVICE, 9)
    family = {"family": Family.IPV4_UNICAST.value}
    events = frr(up("bmp", 9, post, pre, views=(POST, PRE)))
    events[4:4] = [replace(end, **family) for end in events[4:6]]
    for event in events:
        routes.apply(event)
        assert ("bmp", POST) not in [found[:2] for found in seen(routes, SERVICE)]
    assert seen(routes, SERVICE) == [("bmp", PRE, False)]


def test_what_one_feed_shows_before_policy_does_not_end_with_the_table_of_the_other() -> None:
    bmp = in_post(up("bmp", 0, shown("bmp", SERVICE, 0), views=(POST,)))
    routes = state([*bmp, *up("gobgp", 0, views=(PRE, LOC))])
    for event in in_post(up("bmp", 9, shown("bmp", SERVICE, 9), views=(POST,))):
        routes.apply(event)
    assert seen(routes, SERVICE) == []


@pytest.mark.parametrize("was", [(POST, LOC), (PRE, LOC)], ids=["always", "since its last session"])
def test_a_view_that_bmp_does_not_show_is_no_disagreement_with_grpc(was: tuple[str, ...]) -> None:
    """Its Peer Up says pre-policy all the same."""
    engine = Engine(parse_intent(COMPARED))
    post, pre = shown("bmp", SERVICE, 0, POST), shown("bmp", SERVICE, 0)
    first = up("bmp", 0, pre if was[0] == PRE else post, views=was)
    again = [said("bmp", Kind.FEED_DOWN, 20), *up("bmp", 30, post, views=(POST, LOC))]
    grpc = up("gobgp", 1, shown("gobgp", SERVICE, 1), views=(PRE, LOC))
    told = [*play(engine, [*first, *grpc, *again]), *engine.advance(START + 300 * SECOND)]
    assert [incident.key for incident in told if "feeds" in incident.key] == []
    # What both show is compared still.
    play(engine, [shown("gobgp", SERVICE, 310, LOC, None)])
    (opened,) = engine.advance(START + 400 * SECOND)
    assert (opened.key, opened.details["routes"][0]["view"]) == ("ctl feeds", LOC)


def test_a_view_that_grpc_alone_shows_is_unknown_while_grpc_is_lost() -> None:
    bmp = up("bmp", 0, shown("bmp", SERVICE, 0, POST), views=(POST, LOC))
    grpc = up("gobgp", 1, shown("gobgp", ANCHOR, 1), views=(PRE, LOC))
    routes = state([*bmp, *grpc, said("gobgp", Kind.FEED_DOWN, 9)])
    assert seen(routes, ANCHOR) == [("gobgp", PRE, True)]
    assert not routes.feeds.sees(GRPC)


def test_gobgp_that_shows_its_loc_rib_no_more_is_believed_in_post_policy() -> None:
    table = [shown("bmp", SERVICE, 0, POST), shown("bmp", SERVICE, 0, LOC, None)]
    routes = state(up("bmp", 0, *table, views=(POST, LOC)))
    assert seen(routes, SERVICE) == [("bmp", POST, False), ("bmp", LOC, False)]
    routes.apply(said("bmp", Kind.FEED_DOWN, 20))
    for event in up("bmp", 30, shown("bmp", SERVICE, 30, POST), views=(POST,)):
        routes.apply(event)
    assert ("bmp", POST, False) in seen(routes, SERVICE)


def test_a_table_that_ends_by_silence_shows_no_view() -> None:
    """Nothing came of the peer, so that the end is said of each view that there could be."""
    quiet = {"provenance": Provenance.SYNTHETIC.value, "reason": "quiet"}
    events = frr(up("bmp", 0, views=(POST, PRE)))
    routes = state(replace(e, **quiet) if e.kind == Kind.END_OF_RIB else e for e in events)
    routes.apply(shown("bmp", SERVICE, 9, POST))
    assert seen(routes, SERVICE) == [("bmp", POST, False)]


def test_a_router_that_was_set_to_post_policy_is_judged_by_it() -> None:
    """From its octets on, without any End-of-RIB."""
    sites = f"sites: {{legacy-pe: {{match: [{{peer: {LEGACY}}}]}}}}"
    service = f"services: [{{name: web, prefix: {SERVICE}, home: [legacy-pe], hold: 5s}}]"
    engine = Engine(parse_intent(f"version: 1\n{sites}\n{service}\n"))

    def transitions(events: Iterable[Event], until: int) -> list[tuple[str, str]]:
        found = play(engine, list(events)) + engine.advance(START + until * SECOND)
        return [(t.state, t.key) for t in found if t.detector == "unexpected_withdrawal"]

    for at, flags in ((0, 0), (20, POST_POLICY)):
        session = BmpSession("10.9.0.1")
        header, now = build.peer_header(LEGACY, flags=flags), START + at * SECOND
        table = build.update(b"", build.BASIC, build.prefix(SERVICE))
        octets = build.initiation("ctl") + build.peer_up(build.peer_header(LEGACY))
        shown = [*session.feed(octets + build.monitoring(table, header), now)]
        assert transitions([*shown, *session.tick(now + 9 * SECOND)], at + 9) == []
        if flags != POST_POLICY:
            assert transitions(session.close(now + 10 * SECOND, "reset"), at + 15) == []
    withdrawal = build.monitoring(build.update(build.prefix(SERVICE)), header)
    gone = session.feed(withdrawal, START + 60 * SECOND)
    assert transitions(gone, 70) == [(State.OPEN, "web everywhere")]
