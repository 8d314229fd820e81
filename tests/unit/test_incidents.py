from __future__ import annotations

import pytest

from collector.event import Event
from detectors.base import FINE, UNKNOWN, Severity, Status, Verdict
from detectors.incidents import Incident, Incidents, State, incident_id

OPENING = Event(received=7, sequence=3, feed="bmp", kind="announce", router_address="10.0.0.1")


def violated(summary: str = "bad", **details: object) -> Verdict:
    return Verdict(
        status=Status.VIOLATED,
        severity=Severity.CRITICAL,
        summary=summary,
        details=details,
        measures={"penalty": summary},
        evidence=(OPENING,),
    )


@pytest.fixture
def incidents() -> Incidents:
    return Incidents()


def states(*transitions: Incident | None) -> list[str | None]:
    return [t.state if t else None for t in transitions]


def test_the_life_of_an_incident(incidents: Incidents) -> None:
    told = [
        incidents.apply("d", "k", verdict, at)
        for at, verdict in enumerate(
            [FINE, UNKNOWN, violated(), violated(), violated(a=1), UNKNOWN, UNKNOWN, violated(a=1)]
        )
    ]
    assert states(*told) == [None, None, "open", None, "updated", "unknown", None, "updated"]
    assert len({t.id for t in told if t}) == 1
    assert {t.opened for t in told if t} == {2}
    resolved = incidents.apply("d", "k", FINE, 9)
    assert resolved is not None
    assert (resolved.state, resolved.time, resolved.summary) == (State.RESOLVED, 9, "resolved: bad")
    assert incidents.open == {}


def test_what_moves_all_the_time_is_no_update(incidents: Incidents) -> None:
    incidents.apply("d", "k", violated("penalty 1"), 1)
    assert incidents.apply("d", "k", violated("penalty 2"), 2) is None


def test_unknown_says_so_and_keeps_the_story(incidents: Incidents) -> None:
    incidents.apply("d", "k", violated(), 1)
    unknown = incidents.apply("d", "k", UNKNOWN, 2)
    assert unknown is not None
    assert unknown.summary == "Not seen now, so neither better nor worse is known: bad"
    assert unknown.evidence == (OPENING,)


def test_an_id_is_the_same_for_whoever_computes_it() -> None:
    one = incident_id("d", "k", OPENING, 1)
    assert one == incident_id("d", "k", OPENING, 999)
    assert one == "59042b97a20335e3"  # ids that were given out stay what they are
    others = {
        incident_id("e", "k", OPENING, 1),
        incident_id("d", "l", OPENING, 1),
        incident_id("d", "k", None, 1),
    }
    assert len({one, *others}) == 4


def test_json_and_back(incidents: Incidents) -> None:
    opened = incidents.apply("d", "k", violated(sites=["a"], cutover=None), 5)
    assert opened is not None
    assert Incident.from_dict(opened.to_dict()) == opened
    assert opened.to_dict()["opened"] == "1970-01-01T00:00:00.000000005Z"


def test_a_restored_incident_goes_on(incidents: Incidents) -> None:
    opened = incidents.apply("d", "k", violated(), 1)
    assert opened is not None
    later = Incidents([opened])
    assert later.apply("d", "k", violated(), 2) is None
    resolved = later.apply("d", "k", FINE, 3)
    assert resolved is not None
    assert resolved.id == opened.id
