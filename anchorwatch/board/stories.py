"""One incident, from the store and from what the store does not tell yet."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from anchorwatch.board.live import Live
from anchorwatch.board.now import Item, incident_item
from anchorwatch.board.past import Past
from anchorwatch.pictures.lanes import site_of, timelines_of
from collector.event import Event, parse_rfc3339, rfc3339
from collector.store.backend import Reader, StoreError
from collector.store.evidence import WINDOW, Evidence, Place, evidence_of, time_of
from collector.store.incidents import incidents_before
from collector.store.timeline import Timeline
from detectors.incidents import Incident

Cursor = tuple[int, str]
"""When an incident opened (ns), and its id."""


@dataclass(frozen=True, slots=True)
class Story:
    """An incident with what goes with it."""

    evidence: Evidence
    timelines: tuple[Timeline, ...] = ()
    fault: str = ""
    """Why the store could not be asked, in a sentence."""
    live: bool = False
    """Whether the watch itself has it open now."""


async def story_of(live: Live, past: Past, identity: str) -> Story | None:
    """The incident of this id; None where there is none.

    What has just happened is known before the store tells it, and while it does not answer.
    """
    news, now = _news(live, identity), time.time_ns()
    intent = live.now.engine.intent

    def ask(store: Reader) -> Story | None:
        try:
            evidence = evidence_of(store, identity, now)
        except ValueError:
            return None
        drawn = timelines_of(store, evidence, lambda row: site_of(intent, row), now)
        return Story(evidence, tuple(drawn))

    fault = ""
    try:
        story = await past.ask(ask)
    except StoreError as error:
        if not news:
            raise
        story, fault = None, str(error)
    if story is None and not news:
        return None
    evidence = _with_news(story.evidence, news) if story else _of_news(news, now)
    of_now = any(incident.id == identity for incident in live.now.open())
    return Story(evidence, story.timelines if story else (), fault, live=of_now)


async def incidents(
    live: Live, past: Past, limit: int, before: Cursor, of: tuple[str, str] | None = None
) -> list[Item]:
    """The last transitions of incidents, the newest first; those before the cursor alone.

    With `of`, those of one detector and key. Raises StoreError.
    """
    began, identity = before
    stored = await past.ask(lambda store: incidents_before(store, limit, began, identity, of))
    found: dict[str, Item] = {item["id"]: item for item in stored}
    for incident in [*live.now.open(), *live.recent]:
        if of is not None and (incident.detector, incident.key) != of:
            continue
        known = found.get(incident.id)
        if (incident.opened, incident.id) < before and (
            known is None or known["time"] <= rfc3339(incident.time)
        ):
            found[incident.id] = incident_item(incident)
    return sorted(found.values(), key=cursor_of, reverse=True)[:limit]


def cursor_of(item: Item) -> Cursor:
    """Where an incident stands among all of them."""
    return parse_rfc3339(item["opened"]), str(item["id"])


def evidence_values(evidence: Evidence) -> dict[str, Any]:
    """JSON values: the incident as it is, all its transitions, its evidence, and the blindness."""
    last = evidence.transitions[-1]
    transitions = [
        {name: value for name, value in each.items() if name not in ("evidence", "id")}
        for each in evidence.transitions
    ]
    return {
        **{name: value for name, value in last.items() if name != "evidence"},
        "transitions": transitions,
        "evidence": [event.to_dict(raw=True) for event in evidence.proof],
        "around": [event.to_dict() for event in evidence.around],
        "blind": [
            {**each, "from": rfc3339(each["from"].value), "until": rfc3339(each["until"].value)}
            for each in evidence.blind
        ],
    }


def _news(live: Live, identity: str) -> list[Incident]:
    opened = [incident for incident in live.now.open() if incident.id == identity]
    return [*opened, *(incident for incident in live.recent if incident.id == identity)]


def _of_news(news: list[Incident], now: int) -> Evidence:
    first = news[0]
    transitions = _transitions([], news)
    until, cut = time_of(transitions, now)
    proof = _in_order(event for incident in news for event in incident.evidence)
    return Evidence(
        id=first.id,
        transitions=transitions,
        opened=first.opened,
        since=min([first.opened, *(event.received for event in proof)]) - WINDOW,
        until=until,
        proof=proof,
        around=proof,
        cut=cut,
    )


def _with_news(evidence: Evidence, news: list[Incident]) -> Evidence:
    proof = _in_order([*evidence.proof, *(e for incident in news for e in incident.evidence)])
    return replace(evidence, transitions=_transitions(evidence.transitions, news), proof=proof)


def _transitions(
    known: Iterable[dict[str, Any]], news: Iterable[Incident]
) -> tuple[dict[str, Any], ...]:
    found = {(each["time"], each["state"]): each for each in known}
    for incident in news:
        values = incident.to_dict()
        found.setdefault((values["time"], values["state"]), values)
    return tuple(sorted(found.values(), key=lambda each: (each["time"], each["state"] != "open")))


def _in_order(events: Iterable[Event]) -> tuple[Event, ...]:
    """Events in order, each once."""
    found: dict[Place, Event] = {}
    for event in events:
        found.setdefault(Place.of(event), event)
    return tuple(sorted(found.values(), key=lambda event: (event.received, event.sequence)))
