"""Where Flowspec rules of a VPN redirect to."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from collector.event import Family
from detectors.incidents import State
from tests.unit.rules.scenes import SECOND, play
from tests.unit.rules.test_redirect_target import (
    HOP,
    LATER,
    OTHER,
    SCRUBBER,
    announce,
    found,
    later,
    rule,
    watch,
    withdraw,
)

VPN: dict[str, Any] = {"family": Family.L3VPN_IPV4, "rd": "65000:50"}
VPN_RULE: dict[str, Any] = {"family": Family.L3VPN_IPV4_FLOWSPEC, "rd": "65000:50"}


def test_a_rule_of_a_vpn_asks_for_a_route_of_that_vpn() -> None:
    engine = watch()
    (opened,) = found(engine, rule(LATER, **VPN_RULE))
    assert opened.key == f"{HOP} rd 65000:50"
    assert "in the VPN 65000:50" in opened.summary
    assert found(engine, announce(LATER + 1, **(VPN | {"rd": "65000:51"}))) == []
    assert found(engine, announce(LATER + 2, **VPN)) == []
    (resolved,) = later(engine)
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def test_a_route_of_a_vpn_covers_nothing_in_the_global_table() -> None:
    engine = watch(anchor=False)
    play(engine, [announce(LATER, **VPN)])
    assert len(found(engine, rule(LATER + 1))) == 1


def test_each_site_may_have_a_route_distinguisher_of_its_own() -> None:
    engine = watch(anchor=False)
    target = {"ext_communities": ("rt:65000:7",)}
    play(engine, [announce(LATER, **(VPN | {"rd": "65000:51"} | target))])
    assert found(engine, rule(LATER + 1, **(VPN_RULE | target))) == []
    other = {"ext_communities": ("rt:65000:8",)}
    assert len(found(engine, rule(LATER + 2, what=OTHER, **(VPN_RULE | other)))) == 0
    gone = withdraw(LATER + 3, **(VPN | {"rd": "65000:51"}))
    assert [t.state for t in found(engine, gone)] == [State.OPEN]


ELSEWHERE: dict[str, Any] = VPN | {"rd": "65000:51"}
RT7, RT8 = {"ext_communities": ("rt:65000:7",)}, {"ext_communities": ("rt:65000:8",)}


def test_a_route_that_loses_its_route_target_covers_no_more_until_it_has_it_again() -> None:
    engine = watch(anchor=False)
    play(engine, [announce(LATER, **(ELSEWHERE | RT7))])
    assert found(engine, rule(LATER + 1, **(VPN_RULE | RT7))) == []
    lost = announce(LATER + SECOND, **(ELSEWHERE | RT8))
    (opened,) = found(engine, lost)
    assert (opened.state, opened.evidence[0]) == (State.OPEN, lost)
    assert found(engine, announce(LATER + 2 * SECOND, **(ELSEWHERE | RT7))) == []
    (resolved,) = later(engine)
    assert (resolved.state, resolved.id) == (State.RESOLVED, opened.id)


def test_a_scrubber_that_only_a_policy_names_loses_its_route_target() -> None:
    """It is judged from when it was seen: another VPN's route that changes says nothing of it."""
    engine = watch(anchor=False)
    host = {"prefix": f"{SCRUBBER}/32"}
    other = announce(LATER, "new-pe2", **(host | VPN | {"rd": "65000:52"} | RT8))
    play(engine, [other, replace(other, received=LATER + 1, med=9)])
    assert found(engine, rule(LATER + 1, SCRUBBER, **(VPN_RULE | RT7))) == []
    again = replace(other, received=LATER + 2, ext_communities=("rt:65000:9",))
    assert found(engine, again) == []
    play(engine, [announce(LATER + 3, **(host | ELSEWHERE | RT7))])
    lost = announce(LATER + SECOND, **(host | ELSEWHERE | RT8))
    (opened,) = found(engine, lost)
    assert (opened.state, opened.evidence[0]) == (State.OPEN, lost)


def test_the_sessions_of_a_vrf_are_a_vpn_too() -> None:
    engine = watch()
    (opened,) = found(engine, rule(LATER, peer_rd="65000:50"))
    assert opened.key == f"{HOP} rd 65000:50"
    assert found(engine, announce(LATER + 1, peer_rd="65000:50")) == []
    (resolved,) = later(engine)
    assert resolved.id == opened.id
