"""The watch's own troubles, judged from how its writer is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anchorwatch.impairments import Impairments
from collector.event import rfc3339
from collector.inputs.clock import Clock
from detectors.incidents import Incident, State

SECOND = 1_000_000_000
START = 1_800_000_000 * SECOND


class Spool:
    octets, max_octets, folder = 1 << 20, 1 << 30, Path("spool")

    def __init__(self) -> None:
        self.age = 0.0


class Writer:
    full = False
    last_error = "the disk is full"

    def __init__(self) -> None:
        self.spool = Spool()


def judged(impairments: Impairments, writer: Any, at: int) -> list[str]:
    return [incident.state for incident in impairments.judge(writer, 0, START + at * SECOND)]


def test_rows_that_wait_too_long_are_an_incident_until_they_do_not() -> None:
    impairments, writer = Impairments(), Writer()
    assert judged(impairments, writer, 0) == []
    writer.spool.age = 29.9
    assert judged(impairments, writer, 40) == []
    writer.spool.age = 30.0
    assert judged(impairments, writer, 41) == [State.OPEN]
    (incident,) = impairments.open
    assert "the disk is full" in incident.summary
    writer.spool.age = 0.1
    assert judged(impairments, writer, 42) == [State.RESOLVED]


def test_rows_that_waited_while_we_were_away_do_not_count_yet() -> None:
    impairments, writer = Impairments(), Writer()
    writer.spool.age = 3600.0
    assert judged(impairments, writer, 0) == []
    assert judged(impairments, writer, 29) == []
    assert judged(impairments, writer, 30) == [State.OPEN]


def test_an_incident_of_before_a_restart_is_not_resolved_by_it() -> None:
    impairments, writer = Impairments(), Writer()
    writer.spool.age = 3600.0
    judged(impairments, writer, 0)
    assert judged(impairments, writer, 30) == [State.OPEN]
    after = Impairments(impairments.open)
    assert judged(after, writer, 60) == []
    assert len(after.open) == 1


class System:
    """A host whose clock somebody sets, and what watches on it."""

    def __init__(self) -> None:
        self.wall, self.steady = START, 0
        self.writer: Any = Writer()
        self.clock = self.begin()
        self.impairments = Impairments()

    def begin(self, not_before: int = 0) -> Clock:
        return Clock(not_before=not_before, wall=lambda: self.wall, steady=lambda: self.steady)

    def passes(self, seconds: float, *, step: float = 0) -> list[Incident]:
        self.steady += round(seconds * SECOND)
        self.wall += round((seconds + step) * SECOND)
        now = self.clock()
        return self.impairments.judge(self.writer, self.clock.ahead, now)


def test_a_clock_that_was_set_back_is_an_incident_until_it_has_caught_up() -> None:
    system = System()
    assert system.passes(1, step=-29) == []
    (opened,) = system.passes(1, step=-3600)
    assert (opened.detector, opened.key, opened.state) == ("clock", "ahead", State.OPEN)
    assert opened.severity == "warning"
    assert opened.details["ahead_seconds"] == round(3629 - 2 / 8)
    moment = opened.details["caught_up"]
    assert "ours is 3629 s ahead" in opened.summary
    assert f"will have caught up at {moment}" in opened.summary
    assert "windows of cutovers are judged by ours" in opened.summary
    assert "restart" not in opened.summary
    told: list[Incident] = []
    while not told:
        told = system.passes(60)
    assert [each.state for each in told] == [State.RESOLVED]
    # It was so when the system's clock said what had been foretold.
    assert moment <= rfc3339(system.wall)[:19] + "Z" <= rfc3339(system.wall + 61 * SECOND)
    assert abs(system.wall - START - (8 * 3629 - 3629) * SECOND) < 120 * SECOND
    assert system.impairments.open == []


def test_a_clock_that_is_set_back_further_updates_what_was_told() -> None:
    system = System()
    (opened,) = system.passes(1, step=-100)
    assert system.passes(10, step=-10) == []
    (updated,) = system.passes(10, step=-100)
    assert (updated.state, updated.id) == (State.UPDATED, opened.id)
    assert updated.details["caught_up"] > opened.details["caught_up"]
    (resolved,) = system.passes(1, step=300)
    assert resolved.state == State.RESOLVED


def test_a_clock_that_is_ahead_stays_so_over_a_restart() -> None:
    system = System()
    (opened,) = system.passes(1, step=-100)
    system.clock = system.begin(not_before=system.clock())
    system.impairments = Impairments(system.impairments.open)
    assert system.passes(1) == []
    assert [each.id for each in system.impairments.open] == [opened.id]
    # Where it was away for longer than that, it begins with the system's time.
    system.passes(1000)
    system.impairments = Impairments([opened])
    assert [each.state for each in system.passes(1)] == [State.RESOLVED]


def test_a_clock_that_is_ahead_beyond_belief_is_left_behind_by_a_restart() -> None:
    system = System()
    (opened,) = system.passes(1, step=-90_000)
    assert "restart anchorwatch" in opened.summary
    system.clock = system.begin(not_before=system.clock())
    (resolved,) = system.passes(1)
    assert resolved.state == State.RESOLVED
    assert system.clock() == system.wall


def test_store_and_clock_are_judged_side_by_side() -> None:
    system = System()
    assert system.passes(1) + system.passes(31) == []
    system.writer.spool.age = 40.0
    told = system.passes(1, step=-100)
    assert [each.detector for each in told] == ["store", "clock"]
    system.writer.spool.age = 0.0
    (resolved,) = system.passes(1)
    assert (resolved.detector, resolved.state) == ("store", State.RESOLVED)
    # An open incident of the clock does not make rows that wait since a restart late.
    again = Impairments(system.impairments.open)
    system.writer.spool.age = 3600.0
    assert judged(again, system.writer, 200) == [State.RESOLVED]
