"""The timelines that belong to an incident, and the sites that an intent gives their lanes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from anchorwatch.pictures.swimlane import Mark
from collector.event import Event, parse_rfc3339
from collector.store.backend import Reader
from collector.store.evidence import Evidence
from collector.store.history import timeline_of
from collector.store.rules import life_timeline
from collector.store.timeline import PlaceOf, Timeline
from detectors.intent import Intent
from detectors.sites import site_name

MOST_PICTURES = 4
"""Of the prefixes of an incident so many get a timeline, and so many of its rules."""
_MARKS = {"open": "opened", "unknown": "not seen"}
"""What a mark says where that is not the state itself."""


def site_of(intent: Intent, row: Mapping[str, Any]) -> str:
    """The site that a row of `routes` comes from, or words for a place that nobody named."""
    names = ("router", "router_address", "peer", "peer_as", "next_hop", "originator_id")
    fields = {name: row[name] for name in names if row.get(name)}
    return site_name(intent, Event(received=0, sequence=0, feed="", kind="", **fields))


def timelines_of(store: Reader, evidence: Evidence, place_of: PlaceOf, now: int) -> list[Timeline]:
    """Who held what the evidence speaks of, in its time, which ends `now` (ns) at the latest."""
    since, until = evidence.since, min(evidence.until, now)
    drawn = [
        timeline_of(store, prefix, since=since, until=until, now=now, place_of=place_of)
        for prefix in evidence.prefixes[:MOST_PICTURES]
    ]
    for rule in evidence.rules[:MOST_PICTURES]:
        life = life_timeline(store, rule, since=since, until=until, now=now)
        # Other rules may have this one's text in theirs.
        lanes = tuple(lane for lane in life.lanes if lane.subject == rule)
        drawn.append(replace(life, lanes=lanes))
    return drawn


def marks_of(evidence: Evidence) -> tuple[Mark, ...]:
    """The moments of an incident that its timelines share."""
    return tuple(
        Mark(parse_rfc3339(each["time"]), _MARKS.get(state, state), fault=state == "open")
        for each in evidence.transitions
        for state in [each["state"]]
    )
