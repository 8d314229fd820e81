"""What the board tells of a network."""

from __future__ import annotations

import msgspec

from anchorwatch.board.live import SHOWN
from anchorwatch.board.now import Now, rule_id
from collector.event import Kind, Provenance, View
from detectors.engine import Engine
from detectors.intent import parse_intent
from tests.unit.rules.scenes import ALLOWED, KILL_SWITCH, SECOND, START, make, route
from tests.unit.rules.test_contract import INTENT
from tests.unit.watched_board import LEGACY, PE1, PE2, Watched


def test_a_service_at_its_home_is_fine_and_says_who_sees_it() -> None:
    item = Watched().steady().service()
    assert (item["name"], item["state"], item["why"]) == ("web", "fine", "Advertised by legacy-pe.")
    (advertiser,) = item["advertised_by"]
    assert (advertiser["site"], advertiser["role"]) == ("legacy-pe", "home")
    places = advertiser["vantage_points"]
    assert [(p["router"], p["peer"], p["view"], p["next_hop"], p["stale"]) for p in places] == [
        ("r1", LEGACY, "adj-in-pre", LEGACY, False),
        ("r2", LEGACY, "adj-in-pre", LEGACY, False),
    ]
    assert item["absent"] == []


def test_a_service_with_two_homes_is_violated_and_names_its_incident() -> None:
    watched = Watched().steady().announce(PE1, "192.0.2.50/32")
    item = watched.service()
    (incident,) = watched.engine.open_incidents
    assert (item["state"], item["incidents"]) == ("violated", [incident.id])
    assert item["why"] == incident.summary
    roles = {each["site"]: each["role"] for each in item["advertised_by"]}
    assert roles == {"legacy-pe": "home", "new-pe1": "not its home"}
    assert watched.withdraw(PE1, "192.0.2.50/32", 2).service()["state"] == "fine"


def test_what_nobody_can_see_is_unknown() -> None:
    assert Watched().service()["state"] == "unknown"
    watched = Watched().steady()
    downs = [make(Kind.FEED_DOWN, r, START + SECOND, reason="lost") for r in ("r1", "r2")]
    item = watched.take(*downs).service()
    assert (item["state"], item["absent"]) == ("unknown", ["legacy-pe"])
    assert item["why"] == "The feeds that showed it do not see now."
    assert all(p["stale"] for p in item["advertised_by"][0]["vantage_points"])


def test_anycast_tells_which_sites_are_absent() -> None:
    watched = Watched().steady().withdraw(PE2, "10.100.0.254/32", 1)
    (item,) = watched.now.anycast()
    assert [each["site"] for each in item["advertised_by"]] == ["new-pe1"]
    assert (item["minimum"], item["absent"]) == (1, ["new-pe2"])


def test_rules_have_their_verdict_and_the_worst_comes_first() -> None:
    watched = Watched().steady().announce(PE1, ALLOWED).announce(PE1, KILL_SWITCH, 2)
    bad, good = watched.now.rules()
    assert (bad["rule"], bad["state"], bad["actions"]) == (KILL_SWITCH, "violated", "discard")
    assert "could touch tcp/179" in bad["why"]
    assert (good["rule"], good["state"]) == (ALLOWED, "fine")
    assert good["id"] == rule_id("ipv4-flowspec", None, ALLOWED)
    watched.withdraw(PE1, KILL_SWITCH, 3)
    assert [item["rule"] for item in watched.now.rules()] == [ALLOWED]
    assert watched.now.rule(bad["id"]) is None


def test_without_policies_a_rule_is_not_called_fine() -> None:
    text = INTENT[: INTENT.index("flowspec:\n")]
    (item,) = Watched(text).steady().announce(PE1, ALLOWED).now.rules()
    assert (item["state"], item["why"]) == ("unknown", "The intent says nothing of Flowspec.")


def test_the_gravest_incident_comes_first_and_a_kill_switch_before_all() -> None:
    watched = Watched().steady().announce(PE1, KILL_SWITCH).announce(PE1, "192.0.2.50/32", 2)
    first, second = watched.now.incidents()
    assert (first["detector"], first["kill_switch"]) == ("flowspec_policy", True)
    assert second["detector"] == "dual_advertisement"


def test_what_another_view_or_feed_hides_is_hidden_at_once() -> None:
    """Nothing happened to the route itself."""
    watched = Watched()
    seen = [make(Kind.FEED_UP, "r1", START, epoch=START)]
    seen.append(route(Kind.ANNOUNCE, "r1", PE1, "192.0.2.50/32", START, Provenance.DUMP))
    seen[1] = msgspec.structs.replace(seen[1], view=View.ADJ_IN_POST)
    assert watched.take(*seen).service()["advertised_by"][0]["site"] == "new-pe1"
    other = route(Kind.ANNOUNCE, "r1", PE1, "10.100.0.254/32", START, Provenance.DUMP)
    assert watched.take(other).service()["advertised_by"] == []  # that peer is seen before policy
    (item,) = Now(lambda: watched.engine).services()
    assert item == watched.service()


def test_whether_absence_means_something_is_told_at_once() -> None:
    watched = Watched().take(make(Kind.FEED_UP, "r1", START, epoch=START))
    assert watched.service()["why"] == "Not seen, and not every feed sees now."
    watched.take(make(Kind.END_OF_RIB, "r1", START + SECOND))
    assert watched.service()["why"] == "No feed shows it."


def test_only_the_worst_of_many_are_shown_and_all_are_counted() -> None:
    services = "".join(
        f"  - {{name: s{n:03}, prefix: 198.51.{n // 100}.{n % 100}/32, home: [legacy-pe]}}\n"
        for n in range(500)
    )
    text = INTENT.replace("anycast:\n", f"{services}anycast:\n")
    watched = Watched(text).steady()
    watched.announce(LEGACY, "198.51.3.7/32").announce(PE1, "198.51.3.7/32", 2)
    board = watched.live.board()
    assert len(board.sections["services"]) == SHOWN["services"]
    assert board.sections["services"][0]["name"] == "s307"
    assert board.counts["services"] == {"all": 501, "violated": 1, "unknown": 499, "fine": 1}


def test_another_intent_is_shown_at_once() -> None:
    watched = Watched().steady()
    assert watched.service()["state"] == "fine"
    other = INTENT.replace("name: web", "name: shop").replace(
        "home: [legacy-pe]", "home: [new-pe1]"
    )
    watched.engine.adopt(parse_intent(other), START + 10 * SECOND)
    (advertiser,) = watched.service()["advertised_by"]
    assert watched.service()["name"] == "shop"
    assert (advertiser["site"], advertiser["role"]) == ("legacy-pe", "not its home")
    watched.engine = Engine(parse_intent(INTENT))
    assert (watched.service()["name"], watched.service()["advertised_by"]) == ("web", [])
