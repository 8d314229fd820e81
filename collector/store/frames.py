"""The forensic questions for notebooks: each answer is a pandas DataFrame.

A moment is nanoseconds since 1970 UTC, a `datetime` with a time zone, or what the command line
takes: RFC 3339, `-10m`, `now`, or the id of an incident (also `ID+30s`, `ID-10s`).
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from collector.event import FOREVER, Event
from collector.store.backend import Reader
from collector.store.differences import diff_rows, flowspec_diff_rows
from collector.store.evidence import WINDOW, evidence_of
from collector.store.history import history_rows, timeline_of
from collector.store.moments import moment_of_incident, names_incident, parse_moment
from collector.store.rib import rib_rows
from collector.store.rules import flowspec_rows, life_rows
from collector.store.sight import blind_rows
from collector.store.timeline import PlaceOf, seen_as

Moment = int | str | datetime


def moment(store: Reader, at: Moment) -> int:
    """A moment as ns. Raises ValueError where it is none."""
    if isinstance(at, int):
        return at
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise ValueError(f"{at} has no time zone")
        return pd.Timestamp(at).value
    return moment_of_incident(store, at) if names_incident(at) else parse_moment(at, time.time_ns())


def _between(store: Reader, since: Moment | None, until: Moment | None) -> tuple[int, int]:
    return (
        0 if since is None else moment(store, since),
        FOREVER if until is None else moment(store, until),
    )


def _frame(rows: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = rows.to_pandas()
    return frame


def rib(
    store: Reader, at: Moment = "now", prefix: str | None = None, **narrowed: Any
) -> pd.DataFrame:
    """The routes that were held at a moment, of a prefix or of whole tables.

    `narrowed` by `match` (exact, covering, covered), `router`, `peer`, `view`, `family`, `rd`; by
    the `clock` (received, router). Column `blind_since` says since when nobody could see a route.
    """
    return _frame(rib_rows(store, moment(store, at), prefix=prefix, **narrowed))


def diff(
    store: Reader, before: Moment, after: Moment, *prefixes: str, **narrowed: Any
) -> pd.DataFrame:
    """The routes that were gained, lost or changed between two moments; `narrowed` as in `rib`."""
    moments = moment(store, before), moment(store, after)
    return _frame(diff_rows(store, *moments, prefixes, **narrowed))


def history(
    store: Reader,
    prefix: str,
    since: Moment | None = None,
    until: Moment | None = None,
    *,
    covered: bool = False,
) -> pd.DataFrame:
    """Every change of a prefix, with what its sessions did; with `covered`, more-specifics too."""
    begin, end = _between(store, since, until)
    return _frame(history_rows(store, prefix, since=begin, until=end, covered=covered))


def timeline(  # noqa: PLR0913 - each is a part of the question
    store: Reader,
    prefix: str,
    since: Moment | None = None,
    until: Moment | None = None,
    *,
    covered: bool = False,
    place_of: PlaceOf = seen_as,
) -> pd.DataFrame:
    """Who advertised a prefix when: a row for each span of each place.

    `place_of` names the place of a route (a row of `routes` as a mapping); without it that is the
    router, its peer and the next hop. States: advertised, absent, blind, not yet known.
    """
    return _frame(
        timeline_of(
            store,
            prefix,
            since=None if since is None else moment(store, since),
            until=None if until is None else moment(store, until),
            now=time.time_ns(),
            covered=covered,
            place_of=place_of,
        ).table()
    )


def flowspec_at(store: Reader, at: Moment = "now", **clock: Any) -> pd.DataFrame:
    """The Flowspec rules that each router held at a moment, in every view, as it applies them."""
    return _frame(flowspec_rows(store, moment(store, at), **clock))


def flowspec_diff(
    store: Reader, before: Moment, after: Moment, *, router: str | None = None
) -> pd.DataFrame:
    """The Flowspec rules that were gained, lost or changed between two moments."""
    moments = moment(store, before), moment(store, after)
    return _frame(flowspec_diff_rows(store, *moments, router=router))


def flowspec_life(
    store: Reader, pattern: str = "", since: Moment | None = None, until: Moment | None = None
) -> pd.DataFrame:
    """What became of the rules with `pattern` in their text: a row for each change of each."""
    begin, end = _between(store, since, until)
    return _frame(life_rows(store, pattern, since=begin, until=end))


def blind(
    store: Reader, since: Moment, until: Moment = "now", routers: list[str] | None = None
) -> pd.DataFrame:
    """When, between two moments, the watch did not see all that (these) routers did, and why."""
    return _frame(blind_rows(store, moment(store, since), moment(store, until), routers))


class Incident(NamedTuple):
    """An incident as DataFrames."""

    transitions: pd.DataFrame
    """Each transition: id, detector, key, severity, state, time, opened, summary, details."""
    evidence: pd.DataFrame
    """The events that the detector showed; `raw` is the message, octets."""
    around: pd.DataFrame
    """All messages around it, evidence included."""
    blind: pd.DataFrame
    """When the watch was blind in that time."""


def incident(store: Reader, begin: str, window: int = WINDOW) -> Incident:
    """An incident by its id, or how that begins, with the messages of its time.

    They begin `window` ns before its opening, and end as long after its last transition or after
    now while it is open; a day after its opening at the latest. Raises ValueError where no
    incident, or more than one, has an id that begins so.
    """
    found = evidence_of(store, begin, time.time_ns(), window)
    transitions = pd.DataFrame(found.transitions).drop(columns="evidence")
    for name in ("time", "opened"):
        transitions[name] = pd.to_datetime(transitions[name])
    return Incident(
        transitions=transitions,
        evidence=_events(found.proof),
        around=_events(found.around),
        blind=pd.DataFrame(found.blind, columns=["router", "peer", "from", "until", "why"]),
    )


def _events(events: tuple[Event, ...]) -> pd.DataFrame:
    frame = pd.DataFrame(
        [{name: getattr(event, name) for name in Event.__struct_fields__} for event in events],
        columns=list(Event.__struct_fields__),
    )
    for name in ("received", "time", "epoch"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame
