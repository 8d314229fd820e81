"""What the store tells of an incident, from before its opening to its end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from anchorwatch.pictures.lanes import timelines_of
from collector.event import Event, rfc3339
from collector.store.embedded import EmbeddedStore
from collector.store.evidence import evidence_of
from collector.store.rows import event_table, incident_table
from collector.store.timeline import seen_as
from tests.unit.rules.scenes import ALLOWED, HOUR, KILL_SWITCH, SECOND, START, route

ROOT = Path(__file__).parents[3]
ASKED = "import sys; from tests.unit.store.test_evidence import asked; asked(sys.argv[1])"
MINE, OTHER = "192.0.2.50/32", "203.0.113.0/24"
LONGER = f"{ALLOWED} dscp =1"
"""Another rule, which has the text of that one in its own."""
MINUTE, DAY = 60, 86_400
EVENTS = {
    ("r1", MINE): (-30, 0, 5 * MINUTE, 11 * MINUTE + 30, 3 * HOUR // SECOND, 2 * DAY),
    ("r2", MINE): (6 * MINUTE,),
    ("r1", OTHER): (30, 7 * MINUTE, 10 * MINUTE + 50),
    ("r2", OTHER): (1,),
    ("r2", ALLOWED): (3 * MINUTE,),
    ("r2", LONGER): (4 * MINUTE,),
}
"""Seconds after the opening at which a router speaks of something."""


def seen() -> list[Event]:
    events = [
        route("announce", router, "10.0.1.1", what.removesuffix(" dscp =1"), at, "live")
        for (router, what), times in EVENTS.items()
        for at in (START + seconds * SECOND for seconds in times)
    ]
    events[-1] = msgspec.structs.replace(events[-1], rule=LONGER)
    return events


def transitions(name: str, *states: tuple[str, int], **more: Any) -> list[dict[str, Any]]:
    """Those of an incident, at these seconds after the start; its evidence is r1's message."""
    (proof,) = (e for e in seen() if (e.router, e.prefix, e.received) == ("r1", MINE, START))
    told = {"id": name, "detector": "cutover", "key": "k", "severity": "critical"}
    told |= {"opened": rfc3339(START), "summary": name}
    rows: list[dict[str, Any]] = [
        {**told, "state": state, "time": rfc3339(START + at * SECOND), "details": {}}
        for state, at in states
    ]
    return [{**row, "evidence": [proof.to_dict()], **more} for row in rows]


def asked(folder: str) -> None:
    """In a process of its own: a store takes one folder for the life of one."""
    store = EmbeddedStore(Path(folder))
    for table in ("routes", "flowspec"):
        mine = [event for event in seen() if (event.rule is not None) == (table == "flowspec")]
        store.insert(table, event_table(table, mine), table)
    over = (("open", 0), ("updated", 5 * MINUTE), ("resolved", 10 * MINUTE))
    named = [ALLOWED, f"ipv4-flowspec rd 65000:1 {KILL_SWITCH}"]
    rules = {"details": {"rules": named, "prefix": OTHER, "rule": ALLOWED}}
    rows = [
        *transitions("a-over", *over),
        *transitions("b-open", ("open", 0), ("updated", 5 * MINUTE)),
        *transitions("c-long", ("open", 0), ("resolved", 3 * DAY)),
        *transitions("d-named", *over, **rules),
    ]
    store.insert("incidents", incident_table(rows), "all")
    answers = {
        f"{name} {hours}": evidence_of(store, name, START + hours * HOUR)
        for name in ("a-over", "b-open", "c-long", "d-named")
        for hours in (0, 1, 100)
    }
    told = {
        name: {
            "until": (found.until - START) // SECOND,
            "cut": found.cut,
            "around": sorted(
                [e.router, e.prefix or e.rule, (e.received - START) // SECOND] for e in found.around
            ),
            "prefixes": found.prefixes,
            "rules": found.rules,
            "drawn": {
                each.title: sorted({lane.subject for lane in each.lanes})
                for each in timelines_of(store, found, seen_as, START + 100 * HOUR)
            },
        }
        for name, found in answers.items()
    }
    print(json.dumps(told))
    store.close()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What is told of each incident at so many hours after the start."""
    folder = tmp_path_factory.mktemp("evidence")
    command = [sys.executable, "-c", ASKED, str(folder / "store")]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return answers


@pytest.mark.parametrize(
    ("name", "until", "cut"),
    [
        ("a-over 0", 11 * MINUTE, False),
        ("a-over 100", 11 * MINUTE, False),  # it was over then
        ("b-open 0", 6 * MINUTE, False),
        ("b-open 1", 60 * MINUTE + MINUTE, False),
        ("b-open 100", DAY, True),
        ("c-long 100", DAY, True),
    ],
)
def test_it_is_told_to_its_end_and_while_it_is_open_up_to_now(
    told: dict[str, dict[str, Any]], name: str, until: int, cut: bool
) -> None:
    assert (told[name]["until"], told[name]["cut"]) == (until, cut)


def test_what_it_is_about_is_told_of_all_its_time_and_the_rest_near_what_changed(
    told: dict[str, dict[str, Any]],
) -> None:
    near = [["r1", OTHER, 30], ["r1", OTHER, 10 * MINUTE + 50]]
    mine = [["r1", MINE, at] for at in (-30, 0, 5 * MINUTE)]
    assert told["a-over 1"]["around"] == [*mine, *near, ["r2", MINE, 6 * MINUTE]]
    whole = [*mine, ["r1", MINE, 11 * MINUTE + 30], ["r1", MINE, 3 * HOUR // SECOND]]
    assert told["b-open 100"]["around"] == [*whole, near[0], ["r2", MINE, 6 * MINUTE]]


def test_what_the_details_name_is_part_of_it(told: dict[str, dict[str, Any]]) -> None:
    found = told["d-named 1"]
    assert (found["prefixes"], found["rules"]) == ([MINE, OTHER], [KILL_SWITCH, ALLOWED])
    assert ["r2", ALLOWED, 3 * MINUTE] in found["around"]
    assert ["r2", OTHER, 1] in found["around"]
    assert found["drawn"] == {each: [each] for each in (MINE, OTHER, ALLOWED)} | {KILL_SWITCH: []}
    assert ["r2", ALLOWED, 3 * MINUTE] not in told["a-over 1"]["around"]
