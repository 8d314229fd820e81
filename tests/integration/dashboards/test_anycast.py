"""What the anycast dashboard says of a site that withdraws and comes back six times."""

from __future__ import annotations

import pytest

from tests.integration.dashboards.played import Played

WITHDRAWN = (3.01, 4.02, 5.03, 6.04, 7.06, 8.07)
BACK = (3.52, 4.53, 5.54, 6.55, 7.56, 8.57)


@pytest.mark.parametrize(
    ("at", "sites", "state", "names"),
    [
        (2.9, 2, "enough sites", "new-pe1, new-pe2"),
        (3.2, 1, "below minimum", "new-pe1"),
        (3.8, 2, "enough sites", "new-pe1, new-pe2"),
        (None, 0, "not seen", "none"),
    ],
)
def test_sites_stand_against_the_minimum(
    flap: Played, at: float | None, sites: int, state: str, names: str
) -> None:
    (row,) = flap.answer("anycast.json", "Sites now", at)
    assert row == {
        "name": "flowspec-anchor",
        "prefix": "10.100.0.254/32",
        "sites": sites,
        "minimum": 2,
        "state": state,
        "advertised_by": names,
        "planned": "new-pe1, new-pe2",
    }
    below = int(state == "below minimum")
    assert flap.answer("anycast.json", "Below minimum", at) == [{"below": below}]


def test_each_vantage_point_has_its_lane(flap: Played) -> None:
    lanes = flap.lanes("anycast.json", "Who advertised", 8.569)
    moves = [(at, "nobody") for at in WITHDRAWN] + [(at, "new-pe2") for at in BACK]
    changing = lanes.pop("flowspec-anchor at controller from 10.0.1.2")
    assert changing[:2] == [(0.0, "not seen"), (0.0, "new-pe2")]
    assert changing[2:] == sorted(moves)[: len(changing) - 2]
    assert len(changing) >= 2 + 11
    assert {lane: told[1:] for lane, told in lanes.items()} == {
        "flowspec-anchor at controller from 10.0.1.1": [(0.0, "new-pe1")],
        "flowspec-anchor at controller loc-rib": [(0.0, "new-pe1")],
    }


def test_a_move_lasts_from_the_first_change_to_the_last(flap: Played) -> None:
    """Half a second lies between the changes, so that all of them are one move of one place."""
    (move,) = flap.answer("anycast.json", "Moves")
    assert (move["lost"], move["vantage_points"]) == ("new-pe2", 1)
    assert flap.seconds(move["began"]) == WITHDRAWN[0]
    assert move["seconds"] == pytest.approx(BACK[-1] - WITHDRAWN[0], abs=0.01)
    assert flap.answer("anycast.json", "Convergence") == [{"seconds": move["seconds"]}]
