"""The watch's own troubles, judged from how its writer is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anchorwatch.impairments import Impairments
from detectors.incidents import State

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
    return [incident.state for incident in impairments.judge(writer, START + at * SECOND)]


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
