"""The state of routes and feeds: sessions, tables, gaps, and two feeds of one router."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from collector.event import Event, Family, Feed, Kind, Provenance, View
from detectors.engine import Engine
from detectors.feed import FeedKey
from detectors.incidents import Incident, State
from detectors.intent import parse_intent
from detectors.route import Cause, FlowspecRule
from detectors.routes import Routes
from tests.unit.rules.scenes import ALLOWED, PEERS, SECOND, START, make, play, route

SERVICE, ANCHOR = "192.0.2.50/32", "10.100.0.254/32"
LEGACY = PEERS["legacy-pe"]
PRE, POST, LOC = View.ADJ_IN_PRE.value, View.ADJ_IN_POST.value, View.LOC_RIB.value
LIVE, DUMP = Provenance.LIVE, Provenance.DUMP
BOTH = (PRE, LOC)
POST_POLICY = 0x40
"""The flag L of a peer header (RFC 7854 section 4.2)."""
BMP, GRPC = FeedKey("ctl", Feed.BMP), FeedKey("ctl", Feed.GOBGP)
RULE = FlowspecRule(Family.IPV4_FLOWSPEC, None, ALLOWED)


def said(feed: str, kind: str, at: int, **fields: object) -> Event:
    return make(kind, "ctl", START + at * SECOND, feed=feed, **fields)


def shown(
    feed: str, what: str, at: int, view: str = PRE, peer: str | None = LEGACY, **fields: object
) -> Event:
    """An announcement as one feed shows it."""
    event = route(Kind.ANNOUNCE, "ctl", peer or LEGACY, what, START + at * SECOND, LIVE)
    return replace(event, feed=feed, view=view, peer=peer, **fields)


def gone(event: Event, at: int) -> Event:
    return replace(
        event, kind=Kind.WITHDRAW, received=START + at * SECOND, next_hop=None, actions=(), med=None
    )


def up(feed: str, at: int, *routes: Event, views: tuple[str, ...] = (PRE,)) -> list[Event]:
    """A session that comes up, with one peer, and shows its tables."""
    epoch = START + at * SECOND
    sender = {"sys_descr": "GoBGP", "sys_name": "ctl"}
    peers = [said(feed, Kind.PEER_UP, at, peer=LEGACY, view=PRE, epoch=epoch)]
    ends = [
        said(feed, Kind.END_OF_RIB, at, peer=None if view == LOC else LEGACY, view=view)
        for view in views
    ]
    return [
        said(feed, Kind.FEED_UP, at, epoch=epoch, information=sender),
        *peers,
        *(replace(event, provenance=DUMP.value) for event in routes),
        *ends,
        said(feed, Kind.END_OF_RIB, at),
    ]


def state(events: Iterable[Event], watched: tuple[str, ...] = (SERVICE, ANCHOR)) -> Routes:
    routes = Routes(watched)
    for event in events:
        routes.apply(event)
    return routes


def seen(routes: Routes, what: str | FlowspecRule) -> list[tuple[str, str | None, bool]]:
    """(feed, view, stale) of the routes that tell."""
    found = routes.of_prefix(what) if isinstance(what, str) else routes.of_rule(what)
    return sorted((key.feed, key.view, route.stale) for key, route in found)


# Two feeds of one router


def test_each_feed_of_a_router_has_its_own_table() -> None:
    routes = state(
        [*up("bmp", 0, shown("bmp", SERVICE, 0)), *up("gobgp", 0, shown("gobgp", SERVICE, 0))]
    )
    routes.apply(gone(shown("gobgp", SERVICE, 0), 5))
    assert seen(routes, SERVICE) == [("bmp", PRE, False)]


def test_the_end_of_one_session_is_not_that_of_the_other() -> None:
    events = [*up("bmp", 0, shown("bmp", SERVICE, 0)), *up("gobgp", 0, shown("gobgp", SERVICE, 0))]
    routes = state([*events, said("gobgp", Kind.PEER_DOWN, 5, peer=LEGACY, view=PRE)])
    assert seen(routes, SERVICE) == [("bmp", PRE, False)]
    assert routes.feeds.sees(BMP)
    assert routes.feeds.sees(GRPC)


def test_what_one_feed_lost_and_the_other_sees_is_known() -> None:
    events = [*up("bmp", 0, shown("bmp", SERVICE, 0)), *up("gobgp", 0, shown("gobgp", SERVICE, 0))]
    routes = state([*events, said("bmp", Kind.FEED_DOWN, 5)])
    assert seen(routes, SERVICE) == [("gobgp", PRE, False)]
    assert routes.feeds.blind() == []
    routes.apply(gone(shown("gobgp", SERVICE, 0), 6))
    assert seen(routes, SERVICE) == []  # not unknown: the other feed knows


def test_what_a_lost_feed_alone_could_tell_is_unknown() -> None:
    """The rule that was injected at the controller is in its Loc-RIB, which BMP does not show."""
    local = shown("gobgp", ALLOWED, 0, LOC, None)
    events = [*up("bmp", 0, shown("bmp", SERVICE, 0)), *up("gobgp", 0, local, views=(PRE, LOC))]
    routes = state([*events, said("gobgp", Kind.FEED_DOWN, 5)])
    assert seen(routes, RULE) == [("gobgp", LOC, True)]
    assert routes.feeds.blind() == ["ctl"]
    assert routes.feeds.words() == {"ctl": "down"}


def test_both_feeds_lost_is_blind_and_both_back_is_not() -> None:
    events = [*up("bmp", 0, shown("bmp", SERVICE, 0)), *up("gobgp", 0, shown("gobgp", SERVICE, 0))]
    routes = state([*events, said("bmp", Kind.FEED_DOWN, 5), said("gobgp", Kind.FEED_DOWN, 6)])
    assert routes.feeds.blind() == ["ctl"]
    assert seen(routes, SERVICE) == [("bmp", PRE, True), ("gobgp", PRE, True)]
    for event in up("bmp", 10, shown("bmp", SERVICE, 10)):
        routes.apply(event)
    assert routes.feeds.blind() == []
    assert routes.feeds.words() == {"ctl": "complete"}


# GoBGP's post-policy


def test_post_policy_of_gobgp_holds_no_route_that_pre_policy_lacks() -> None:
    ghost = shown("bmp", SERVICE, 0, POST)
    routes = state(up("bmp", 0, ghost, views=(PRE, POST)))
    assert seen(routes, SERVICE) == []


def test_post_policy_of_gobgp_holds_no_route_that_loc_rib_lacks() -> None:
    ghost, best = shown("bmp", SERVICE, 0, POST), shown("bmp", SERVICE, 0, LOC, None)
    events = up("bmp", 0, ghost, best, views=(POST, LOC))
    events = [e if e.kind != Kind.PEER_UP else replace(e, view=POST) for e in events]
    routes = state(events)
    assert ("bmp", POST, False) in seen(routes, SERVICE)
    routes.apply(gone(best, 5))
    assert seen(routes, SERVICE) == []


def test_post_policy_of_gobgp_ends_no_route_that_loc_rib_has() -> None:
    post, best = shown("bmp", SERVICE, 0, POST), shown("bmp", SERVICE, 0, LOC, None)
    events = up("bmp", 0, post, best, views=(POST, LOC))
    routes = state([e if e.kind != Kind.PEER_UP else replace(e, view=POST) for e in events])
    routes.apply(gone(post, 5))
    assert seen(routes, SERVICE) == [("bmp", LOC, False)]


def test_grpc_tells_against_the_post_policy_of_bmp() -> None:
    events = up("bmp", 0, shown("bmp", SERVICE, 0, POST), views=(POST,))
    events = [e if e.kind != Kind.PEER_UP else replace(e, view=POST) for e in events]
    routes = state([*events, *up("gobgp", 0, views=(PRE, LOC))])
    assert seen(routes, SERVICE) == []


def test_post_policy_of_another_sender_is_believed() -> None:
    events = up("bmp", 0, shown("bmp", SERVICE, 0, POST), views=(POST, LOC))
    events = [e if e.kind != Kind.PEER_UP else replace(e, view=POST) for e in events]
    first = replace(events[0], information={"sys_descr": "FRRouting 10.3"})
    assert seen(state([first, *events[1:]]), SERVICE) == [("bmp", POST, False)]


# Sessions and tables


def test_a_redump_is_no_news() -> None:
    routes = state(up("bmp", 0, shown("bmp", SERVICE, 0)))
    before = next(iter(routes.of_prefix(SERVICE)))[1].since
    routes.apply(said("bmp", Kind.FEED_DOWN, 5))
    for event in up("bmp", 9, shown("bmp", SERVICE, 9)):
        routes.apply(event)
    assert next(iter(routes.of_prefix(SERVICE)))[1].since == before
    feed = routes.feeds.get(BMP)
    assert feed is not None
    assert feed.gap is not None
    assert (feed.gap.since, feed.gap.until) == (START + 5 * SECOND, START + 9 * SECOND)
    assert feed.gap.found == ()


def test_what_a_table_lacks_is_withdrawn_by_an_event_that_nobody_sent() -> None:
    routes = state(up("bmp", 0, shown("bmp", SERVICE, 0, med=7)))
    routes.apply(said("bmp", Kind.FEED_DOWN, 5))
    changes = [change for event in up("bmp", 9) for change in routes.apply(event)]
    (swept,) = [change for change in changes if change.cause is Cause.SWEEP]
    assert swept.event.kind == Kind.WITHDRAW
    assert swept.event.provenance == Provenance.SYNTHETIC
    assert swept.event.prefix == SERVICE
    assert swept.event.peer == LEGACY
    assert swept.event.received == START + 9 * SECOND
    assert swept.event.time is None
    assert swept.event.reason == "not in the table that was sent after a gap"
    assert swept.before is not None
    assert swept.before.med == 7


def test_an_end_of_rib_of_one_table_sweeps_no_other() -> None:
    routes = state(up("bmp", 0, shown("bmp", SERVICE, 0), shown("bmp", ALLOWED, 0)))
    again = [event for event in up("bmp", 9) if event.kind in (Kind.FEED_UP, Kind.PEER_UP)]
    end = said("bmp", Kind.END_OF_RIB, 9, peer=LEGACY, view=PRE, family=Family.IPV4_UNICAST)
    for event in [*again, end]:
        routes.apply(event)
    assert seen(routes, SERVICE) == []
    assert seen(routes, RULE) == [("bmp", PRE, True)]


def test_events_of_an_old_session_change_nothing() -> None:
    """A router that reconnects before its old session has died speaks on two for a while."""
    routes = state(up("bmp", 10, shown("bmp", SERVICE, 10)))
    old = START + 1 * SECOND
    assert routes.apply(said("bmp", Kind.FEED_DOWN, 11, epoch=old)) == []
    assert routes.apply(replace(gone(shown("bmp", SERVICE, 0), 11), epoch=old)) == []
    assert seen(routes, SERVICE) == [("bmp", PRE, False)]


@pytest.mark.parametrize("order", ["before", "after", "without"])
def test_withdrawals_may_come_before_or_after_a_peer_down_or_not_at_all(order: str) -> None:
    routes = state(up("bmp", 0, shown("bmp", SERVICE, 0)))
    down = said("bmp", Kind.PEER_DOWN, 5, peer=LEGACY, view=PRE, reason="remote closed")
    withdrawal = gone(shown("bmp", SERVICE, 0), 5)
    events = {"before": [withdrawal, down], "after": [down, withdrawal], "without": [down]}[order]
    causes = [c.cause for e in events for c in routes.apply(e) if c.key is not None]
    assert causes == [Cause.WITHDRAW if order == "before" else Cause.PEER_DOWN]
    assert seen(routes, SERVICE) == []
    feed = routes.feeds.get(BMP)
    assert feed is not None
    assert feed.withdrawals.unknown == 0


def test_graceful_restart_of_gobgp_4_8() -> None:
    """Peer Down at once; Loc-RIB keeps the route and withdraws it 8 s later; then Peer Up."""
    routes = state(
        up(
            "bmp",
            0,
            shown("bmp", SERVICE, 0),
            shown("bmp", SERVICE, 0, LOC, None),
            views=(PRE, LOC),
        )
    )
    routes.apply(said("bmp", Kind.PEER_DOWN, 5, peer=LEGACY, view=PRE))
    assert seen(routes, SERVICE) == [("bmp", LOC, False)]
    routes.apply(gone(shown("bmp", SERVICE, 0), 13))
    routes.apply(gone(shown("bmp", SERVICE, 0, LOC, None), 13))
    assert seen(routes, SERVICE) == []
    routes.apply(said("bmp", Kind.PEER_UP, 14, peer=LEGACY, view=PRE))
    routes.apply(shown("bmp", SERVICE, 14))
    assert seen(routes, SERVICE) == [("bmp", PRE, False)]


def test_silence_after_initiation_ends_no_route() -> None:
    routes = state(up("bmp", 0, shown("bmp", SERVICE, 0)))
    quiet = ("quirk: silent-after-initiation",)
    routes.apply(said("bmp", Kind.FEED_UP, 9, epoch=START + 9 * SECOND))
    routes.apply(said("bmp", Kind.END_OF_RIB, 11, warnings=quiet))
    assert seen(routes, SERVICE) == [("bmp", PRE, True)]
    assert routes.feeds.words() == {"ctl": "dumping"}


# Disagreement

INTENT = f"""
version: 1
sites: {{legacy-pe: {{match: [{{peer: {LEGACY}}}, {{next_hop: {LEGACY}}}]}}}}
services: [{{name: web, prefix: {SERVICE}, home: [legacy-pe], hold: 1h}}]
feeds: [{{router: ctl, settle: 10s, silent_after: 10h}}]
"""


def blind_only(transitions: list[Incident]) -> list[Incident]:
    return [t for t in transitions if t.detector == "feed_blind"]


def agreeing(*extra: Event) -> Engine:
    """Both feeds up, with one route each."""
    engine = Engine(parse_intent(INTENT))
    events = [
        *up("bmp", 0, shown("bmp", SERVICE, 0), *(e for e in extra if e.feed == "bmp"), views=BOTH),
        *up(
            "gobgp", 1, shown("gobgp", SERVICE, 1), *(e for e in extra if e.feed == "gobgp"),
            views=BOTH,
        ),
    ]  # fmt: skip
    assert play(engine, events) == []
    assert engine.advance(START + 60 * SECOND) == []
    return engine


def test_two_feeds_that_disagree_for_longer_than_they_may_are_a_finding_that_shows_both() -> None:
    engine = agreeing()
    at = START + 100 * SECOND
    assert blind_only(play(engine, [gone(shown("gobgp", SERVICE, 0), 100)])) == []
    assert blind_only(engine.advance(at + 10 * SECOND - 1)) == []
    (opened,) = blind_only(engine.advance(at + 10 * SECOND))
    assert (opened.key, opened.details["state"]) == ("ctl feeds", "disagree")
    assert "BMP shows adj-in-pre of 10.0.0.1: next hop 10.0.0.1" in opened.summary
    assert "gRPC shows nothing" in opened.summary
    assert opened.details["routes"] == [
        {
            "destination": SERVICE,
            "view": PRE,
            "shown": {"bmp": ["adj-in-pre of 10.0.0.1: next hop 10.0.0.1"], "gobgp": []},
        }
    ]
    resolved = blind_only(play(engine, [shown("gobgp", SERVICE, 120)]))
    assert [(t.id, t.state) for t in resolved] == [(opened.id, State.RESOLVED)]


def test_a_rule_that_one_feed_shows_and_the_other_does_not() -> None:
    engine = agreeing(shown("bmp", ALLOWED, 0, LOC, None), shown("gobgp", ALLOWED, 1, LOC, None))
    play(engine, [gone(shown("gobgp", ALLOWED, 1, LOC, None), 100)])
    (opened,) = blind_only(engine.advance(START + 120 * SECOND))
    assert opened.details["routes"][0]["destination"] == ALLOWED


def test_what_grpc_cannot_carry_is_no_disagreement() -> None:
    lost = ({"action": "redirect-to-nexthop"},)
    agreeing(
        shown("bmp", ALLOWED, 0, next_hop="10.100.0.254"),
        shown("gobgp", ALLOWED, 1, next_hop=None, actions=lost, time=None),
    )


def test_other_attributes_are_a_disagreement() -> None:
    engine = agreeing()
    play(engine, [shown("bmp", SERVICE, 100, med=1000), shown("gobgp", SERVICE, 100, med=10)])
    (opened,) = blind_only(engine.advance(START + 120 * SECOND))
    assert "med 1000" in opened.summary
    assert "med 10," not in opened.summary.replace("med 1000", "")


def test_news_that_reach_one_feed_first_are_no_disagreement() -> None:
    engine = agreeing()
    events = [shown("gobgp", SERVICE, 100, med=9), shown("bmp", SERVICE, 105, med=9)]
    assert blind_only(play(engine, events)) == []
    assert blind_only(engine.advance(START + 500 * SECOND)) == []


def test_a_feed_that_does_not_see_agrees_with_nobody_and_disagrees_with_nobody() -> None:
    engine = agreeing()
    play(engine, [said("bmp", Kind.FEED_DOWN, 100), gone(shown("gobgp", SERVICE, 0), 101)])
    told = blind_only(engine.advance(START + 500 * SECOND))
    assert "ctl feeds" not in {t.key for t in told}
    # It comes back with the same table as the other one.
    back = blind_only(play(engine, up("bmp", 600, views=BOTH)))
    back += blind_only(engine.advance(START + 700 * SECOND))
    assert "ctl feeds" not in {t.key for t in back}
