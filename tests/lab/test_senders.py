"""What senders of BMP really do, shown by the daemons themselves: FIELD.md section 1, FACTS.md E.

Each sentence about a version is a test on that version. The main suite's daemons run wherever the
lab does; the others where `ANCHORWATCH_DAEMONS` names the folder that
`python -m deploy.lab.daemons_of_other_suites` made, and elsewhere a recording of them stands in.
Messages are read as they are on the wire, with nothing mended, so that what is shown is the sender
and not what we make of it.
"""

from __future__ import annotations

import pytest

from collector.event import Kind
from deploy.lab.netns import LabUnavailableError
from deploy.lab.senders import INSTALLED, LOCAL, OF_OTHER_SUITES, sender
from tests.conftest import unavailable
from tests.lab.story_of_a_sender import SEEN, UNSEEN, A, B, C, Told, recording, tell

pytestmark = pytest.mark.lab

PRE, POST, LOC_RIB = "adj-in-pre", "adj-in-post", "loc-rib"
UNICAST, FLOWSPEC = "ipv4-unicast", "ipv4-flowspec"
WEB, DNS, UNSEEN_RULE = (f"destination 10.9.8.0/24 protocol ={number}" for number in (6, 17, 1))
OWN_RULE = f"destination {LOCAL} protocol =17"
SECOND = 1_000_000_000

GOBGP = ("gobgp-3.10", "gobgp-3.36", "gobgp-4.8")
GOBGP3 = GOBGP[:2]
FRR = ("frr-8.4", "frr-10.3")
BIRD = ("bird2-2.20", "bird3-3.1")
ALL = (*GOBGP, *FRR, *BIRD)
WITH_FLOWSPEC = (*GOBGP, *BIRD)

_told: dict[str, Told] = {}


@pytest.fixture
def said(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What the daemon that a test names said of each part of the story, which is told once."""
    name: str = request.param
    if name not in _told:
        daemon = sender(name)
        if daemon is None and name in INSTALLED:
            unavailable(f"the lab needs {name} of the main suite")
        if daemon is None:
            _told[name] = Told.load(recording(name))
        else:
            try:
                _told[name] = tell(tmp_path_factory.mktemp(name), daemon)
            except LabUnavailableError as error:
                unavailable(f"the lab {error}")
    return _told[name]


def of(*names: str) -> pytest.MarkDecorator:
    """The test is about these daemons, in the order in which their stories are told."""
    return pytest.mark.parametrize("said", names, indirect=True, scope="module")


def test_every_daemon_is_told_of() -> None:
    assert {*INSTALLED, *OF_OTHER_SUITES} == set(ALL)


# What all do


@of(*ALL)
def test_routes_are_announced_changed_and_withdrawn_before_and_after_policy(
    said: Told,
) -> None:
    for view in (PRE, POST):
        assert said["routes up"].what(Kind.ANNOUNCE, view) == {A, B}
        (change,) = [r for _, r in said["changed"].routes(Kind.ANNOUNCE, view) if r.get("prefix")]
        assert (change["prefix"], change["med"]) == (A, 60)
        assert B in said["withdrawn"].what(Kind.WITHDRAW, view)


@of("gobgp-3.10", "gobgp-3.36", "gobgp-4.8", "frr-8.4", "frr-10.3", "bird2-2.20")
def test_after_a_reconnect_the_table_is_dumped_without_what_went_in_the_gap(
    said: Told,
) -> None:
    back = said["collector back"]
    assert back.messages[0].kind == "initiation"
    assert len(back.of("peer-up")) >= 1
    for view in (PRE, POST):
        prefixes = {p for p in back.what(Kind.ANNOUNCE, view) if p.startswith("10.9.")}
        assert prefixes == {B, C, UNSEEN}  # A was withdrawn while nobody listened: no word of it
        assert A not in back.what(Kind.WITHDRAW, view)
        assert UNICAST in back.what(Kind.END_OF_RIB, view)


@of(*WITH_FLOWSPEC)
def test_rules_are_monitored_before_and_after_policy(said: Told) -> None:
    for view in (PRE, POST):
        assert said["rules up"].what(Kind.ANNOUNCE, view) == {WEB, DNS}
        rules = [r for _, r in said["changed"].routes(Kind.ANNOUNCE, view) if r.get("rule")]
        assert [(r["rule"], r["actions"]) for r in rules] == [(DNS, ({"action": "discard"},))]
        assert WEB in said["withdrawn"].what(Kind.WITHDRAW, view)


# GoBGP


@of(*GOBGP)
def test_gobgp_a_route_or_rule_of_its_own_is_in_loc_rib_alone(said: Told) -> None:
    assert said["originated"].what(Kind.ANNOUNCE, LOC_RIB) == {LOCAL, OWN_RULE}
    for view in (PRE, POST):
        assert said["originated"].what(Kind.ANNOUNCE, view) == set()


@of(*GOBGP)
def test_gobgp_post_policy_never_withdraws_what_came_in_the_dump(said: Told) -> None:
    dump = said["collector back"]
    assert {UNSEEN, UNSEEN_RULE} <= dump.what(Kind.ANNOUNCE, POST)
    withdrawn = said["unseen withdrawn"]
    assert withdrawn.what(Kind.WITHDRAW, POST) == set()
    for view in (PRE, LOC_RIB):
        assert withdrawn.what(Kind.WITHDRAW, view) == {UNSEEN, UNSEEN_RULE}
    # What was first seen live is withdrawn there too.
    assert SEEN in said["seen withdrawn"].what(Kind.WITHDRAW, POST)


@of(*GOBGP)
def test_gobgp_loc_rib_withdraws_with_the_time_of_the_announcement(said: Told) -> None:
    announced = {r["prefix"]: h.time for h, r in said["routes up"].routes(Kind.ANNOUNCE, LOC_RIB)}
    gone = [
        (h.time, r["prefix"])
        for h, r in said["withdrawn"].routes(Kind.WITHDRAW, LOC_RIB)
        if r.get("prefix")
    ]
    assert gone == [(announced[B], B)]
    pre = [h.time for h, r in said["withdrawn"].routes(Kind.WITHDRAW, PRE) if r.get("prefix") == B]
    assert pre[0] is not None
    assert pre[0] >= (announced[B] or 0) + SECOND


@of(*GOBGP)
def test_gobgp_times_are_whole_seconds(said: Told) -> None:
    times = {m.header.time for part in said.values() for m in part.messages if m.header}
    assert len(times) > 5
    assert {time % SECOND for time in times if time is not None} == {0}


@of(*GOBGP3)
def test_gobgp_3_has_no_peer_up_for_its_loc_rib(said: Told) -> None:
    ups = [m for part in said.values() for m in part.of("peer-up")]
    assert {m.header.view for m in ups if m.header} == {PRE}
    assert said["routes up"].what(Kind.ANNOUNCE, LOC_RIB) == {A, B}
    routes = [r for part in said.values() for _, r in part.routes(Kind.ANNOUNCE, LOC_RIB)]
    assert {r.get("path_id") for r in routes} == {None}


@of("gobgp-4.8")
def test_gobgp_4_has_a_peer_up_for_its_loc_rib(said: Told) -> None:
    for part in ("begin", "collector back"):
        (up,) = [m for m in said[part].of("peer-up") if m.header and m.header.view == LOC_RIB]
        assert up.up is not None
        assert up.up.table == "global"
        assert set(up.up.sent.add_path) == {(1, 1), (2, 1)}


@of("gobgp-4.8")
def test_gobgp_4_rules_of_loc_rib_have_path_ids_that_were_not_negotiated(
    said: Told,
) -> None:
    parts = (said["routes up"], said["rules up"], said["collector back"])
    routes = [r for part in parts for _, r in part.routes(Kind.ANNOUNCE, LOC_RIB)]
    assert {(r["family"], r["path_id"]) for r in routes} == {(UNICAST, 1), (FLOWSPEC, 1)}
    others = [r for part in parts for _, r in part.routes(Kind.ANNOUNCE, PRE)]
    assert {r.get("path_id") for r in others} == {None}


@of(*GOBGP3)
def test_gobgp_3_peer_down_withdraws_post_policy_and_loc_rib_first_and_pre_policy_never(
    said: Told,
) -> None:
    down = said["peer down"]
    assert down.kinds() == ["route-monitoring", "peer-down"]
    assert down.what(Kind.WITHDRAW, PRE) == set()
    for view in (POST, LOC_RIB):
        assert down.what(Kind.WITHDRAW, view) == {A, DNS}


@of("gobgp-4.8")
def test_gobgp_4_peer_down_withdraws_pre_policy_and_loc_rib_first_and_post_policy_never(
    said: Told,
) -> None:
    down = said["peer down"]
    assert down.kinds() == ["route-monitoring", "peer-down"]
    assert down.what(Kind.WITHDRAW, POST) == set()
    for view in (PRE, LOC_RIB):
        assert down.what(Kind.WITHDRAW, view) == {A, DNS}


@of(*GOBGP)
def test_gobgp_ends_each_table_but_loc_rib(said: Told) -> None:
    back = said["collector back"]
    for view in (PRE, POST):
        assert back.what(Kind.END_OF_RIB, view) == {UNICAST, FLOWSPEC}
    assert back.what(Kind.END_OF_RIB, LOC_RIB) == set()
    assert {UNSEEN, UNSEEN_RULE} <= back.what(Kind.ANNOUNCE, LOC_RIB)


# FRR


@of(*FRR)
def test_frr_prepends_its_own_as(said: Told) -> None:
    monitored = [
        r["as_path"]
        for part in ("routes up", "changed", "collector back")
        for view in (PRE, POST, LOC_RIB)
        for _, r in said[part].routes(Kind.ANNOUNCE, view)
    ]
    assert set(monitored) == {"65004 65002"}
    mirrored = said["routes up"].routes(Kind.ANNOUNCE, PRE, by="route-mirroring")
    assert {r["as_path"] for _, r in mirrored} == {"65002"}


@of(*FRR)
def test_frr_monitors_no_flowspec_but_mirrors_it(said: Told) -> None:
    for view in (PRE, POST, LOC_RIB):
        assert said["rules up"].what(Kind.ANNOUNCE, view) == set()
    mirrored = said["rules up"].what(Kind.ANNOUNCE, PRE, by="route-mirroring")
    assert mirrored == {WEB, DNS}
    gone = said["withdrawn"].what(Kind.WITHDRAW, PRE, by="route-mirroring")
    assert gone == {B, WEB}
    # A mirror is no table: after a reconnect nothing says which rules there are.
    back = said["collector back"]
    rules = {DNS, UNSEEN_RULE}
    assert not rules & back.what(Kind.ANNOUNCE, PRE, by="route-mirroring")
    assert FLOWSPEC not in back.what(Kind.END_OF_RIB, PRE)


@of(*FRR)
def test_frr_says_peer_down_of_a_peer_that_was_never_up(said: Told) -> None:
    kinds = said["begin"].kinds(PRE)
    assert kinds == ["peer-down", "peer-up"]
    (down, *_) = said["begin"].of("peer-down")
    assert down.header is not None
    assert (down.header.bgp_id, down.reason) == (
        "0.0.0.0",  # noqa: S104 - a router id
        "local, without notification, FSM event 0",
    )


@of("frr-8.4")
def test_frr_8_repeats_peer_down_with_every_attempt(said: Told) -> None:
    downs = said["peer down"].of("peer-down") + said["peer up"].of("peer-down")
    assert len(downs) > 2
    assert said["peer up"].kinds()[:2] == ["peer-down", "peer-up"]


@of("frr-10.3")
def test_frr_10_says_peer_down_once(said: Told) -> None:
    downs = said["peer down"].of("peer-down") + said["peer up"].of("peer-down")
    assert len(downs) == 1


@of(*FRR)
def test_frr_live_peer_up_has_the_time_of_something_else(said: Told) -> None:
    def moment(part: str, kind: str) -> int:
        found = [m.header.time for m in said[part].of(kind) if m.header and m.header.view == PRE]
        assert found[-1] is not None
        return found[-1]

    now = max(
        h.time or 0 for h, _ in said["routes up"].routes(Kind.ANNOUNCE, PRE, by="route-mirroring")
    )
    assert now - moment("begin", "peer-up") > 60 * SECOND  # the machine's boot, or thereabouts
    # After a flap it is that of the Peer Down; only a dump tells the right one.
    down, up = moment("peer down", "peer-down"), moment("peer up", "peer-up")
    assert abs(up - down) < SECOND
    assert moment("collector back", "peer-up") > down + SECOND


@of(*FRR)
def test_frr_end_of_rib_has_no_time(said: Told) -> None:
    ends = said["collector back"].routes(Kind.END_OF_RIB, PRE)
    assert [h.time for h, _ in ends] == [None]


@of(*FRR)
def test_frr_post_policy_goes_before_pre_policy(said: Told) -> None:
    views = [
        m.header.view
        for m in said["routes up"].of("route-monitoring")
        if m.header and any(r.get("prefix") == A for r in m.routes)
    ]
    assert [view for view in views if view != LOC_RIB] == [POST, PRE]


@of("frr-10.3")
def test_frr_10_has_loc_rib_with_a_peer_up_and_withdraws_without_time(
    said: Told,
) -> None:
    (up,) = [m for m in said["begin"].of("peer-up") if m.header and m.header.view == LOC_RIB]
    assert up.up is not None
    assert up.up.table == "global"
    assert said["routes up"].what(Kind.ANNOUNCE, LOC_RIB) == {A, B}
    gone = said["withdrawn"].routes(Kind.WITHDRAW, LOC_RIB)
    assert [(h.time, r["prefix"]) for h, r in gone] == [(None, B)]
    assert said["collector back"].what(Kind.END_OF_RIB, LOC_RIB) == {UNICAST}


@of("frr-10.3")
def test_frr_10_dies_of_the_first_message_to_mirror_after_a_reconnect(said: Told) -> None:
    assert said["collector back"].of("route-monitoring")
    assert not said.survived
    for part in ("seen up", "seen withdrawn", "unseen withdrawn"):
        assert said[part].messages == []


@of("gobgp-3.10", "gobgp-3.36", "gobgp-4.8", "frr-8.4", "bird2-2.20", "bird3-3.1")
def test_the_others_survive(said: Told) -> None:
    assert said.survived


# BIRD


@of(*BIRD)
def test_bird_peer_up_and_peer_down_have_no_time_and_there_are_no_statistics(
    said: Told,
) -> None:
    messages = [m for part in said.values() for m in part.messages]
    sessions = [m for m in messages if m.kind in ("peer-up", "peer-down")]
    assert len(sessions) >= 3
    assert {m.header.time for m in sessions if m.header} == {None}
    assert [m for m in messages if m.kind == "statistics"] == []


@of(*BIRD)
def test_bird_ends_the_table_of_a_new_peer_before_it_begins(said: Told) -> None:
    for view in (PRE, POST):
        kinds = [
            r["kind"]
            for m in said["peer up"].of("route-monitoring")
            if m.header and m.header.view == view
            for r in m.routes
        ]
        assert kinds == [Kind.END_OF_RIB, Kind.END_OF_RIB, Kind.ANNOUNCE, Kind.ANNOUNCE]


@of("bird2-2.20")
def test_bird_2_ends_a_dump_after_it(said: Told) -> None:
    back = said["collector back"]
    for view in (PRE, POST):
        assert back.what(Kind.ANNOUNCE, view) == {B, C, UNSEEN, DNS, UNSEEN_RULE}
        last = [m for m in back.messages if m.header and m.header.view == view][-1]
        assert last.routes[0]["kind"] == Kind.END_OF_RIB


@of("bird3-3.1")
def test_bird_3_is_silent_after_a_reconnect(said: Told) -> None:
    assert [m.kind for m in said["collector back"].messages] == ["initiation"]
    for part in ("seen up", "seen withdrawn", "unseen withdrawn"):
        assert said[part].messages == []


@of(*BIRD)
def test_bird_adds_a_local_preference_to_what_an_external_peer_sent(said: Told) -> None:
    routes = [r for view in (PRE, POST) for _, r in said["routes up"].routes(Kind.ANNOUNCE, view)]
    assert {r["local_pref"] for r in routes} == {100}


@of("bird2-2.20")
def test_bird_2_peer_down_is_one_message_with_its_reason(said: Told) -> None:
    (message,) = said["peer down"].messages
    assert message.reason == "remote notification 6/2 cease, administrative shutdown"


@of("bird3-3.1")
def test_bird_3_withdraws_everything_before_peer_down_and_names_the_wrong_reason(
    said: Told,
) -> None:
    down = said["peer down"]
    assert down.kinds() == ["route-monitoring", "peer-down"]
    for view in (PRE, POST):
        assert down.what(Kind.WITHDRAW, view) == {A, DNS}
    assert down.of("peer-down")[0].reason == "remote, without notification"
    (up,) = said["begin"].of("peer-up")
    assert up.up is not None
    assert up.up.information["local_port"] == 0


@of("bird3-3.1")
def test_bird_3_withdraws_with_the_time_of_the_announcement(said: Told) -> None:
    announced = {r["prefix"]: h.time for h, r in said["routes up"].routes(Kind.ANNOUNCE, PRE)}
    gone = [h.time for h, r in said["withdrawn"].routes(Kind.WITHDRAW, PRE) if r.get("prefix") == B]
    ((time,), was) = (gone, announced[B])
    assert time is not None
    assert was is not None
    assert abs(time - was) <= 1000  # its clock's ticks are rounded
