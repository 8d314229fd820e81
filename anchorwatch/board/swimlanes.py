"""The picture of a cutover, from the item that the board and the API tell of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile

from anchorwatch.board.cutovers import UNDER_WAY, role_of
from anchorwatch.board.now import Item
from anchorwatch.pictures.swimlane import Bar, Lane, Look, Looks, Mark, Swimlane, frame, joined
from collector.event import parse_rfc3339

SECOND = 1_000_000_000
ARMED = "armed"
AHEAD_OF_STEP = 60 * SECOND
"""Of a cutover whose first step is to come, so much of the time before now is drawn, ns."""

TOO_BRIEF = 20
"""What is shorter than this part of the picture has no words in it."""


def swimlane_of(item: Item, now: int) -> Swimlane | None:
    """What to draw at `now` (ns); None where nothing was seen of its time."""
    track = item["track"]
    if not track:
        return None
    begun, ended, deadline = _clockwork(item, now)
    since, until = _between(item, begun, ended, deadline, now)
    if parse_rfc3339(track[0]["at"]) > until:
        return None
    shown = min(until, max(now, ended))
    told = [
        (site, role_of(site, item["from"], item["to"]), _of_site(item, site))
        for site in _sites(item)
    ]
    told.append(("overlap, gap", "of old and new", _overlap(item)))
    if "flush" in item:
        told.append(("Flowspec rules", item["flush"], _rules(item)))
    brief = (until - since) // TOO_BRIEF
    lanes = [Lane(name, role, tuple(_bars(looks, shown, brief))) for name, role, looks in told]
    return Swimlane(
        title=f"{item['name']}: {item['service']} {item['prefix']}",
        since=since,
        until=until,
        lanes=tuple(lanes),
        marks=tuple(sorted(_marks(item), key=lambda mark: mark.at)),
        begun=begun,
        ended=ended,
        deadline=deadline,
    )


def _clockwork(item: Item, now: int) -> tuple[int, int, int]:
    """The first step, the end (`now` while it runs) and the deadline, ns; 0 where none counts."""
    limit = round(item["timers"]["total"]["limit"] * SECOND)
    steps = item["steps"]
    if item["stage"] in UNDER_WAY:
        begun = parse_rfc3339(item["timers"]["total"]["since"])
        return begun, now, begun + limit
    if "complete" in steps and "begun" in steps:
        begun = parse_rfc3339(steps["begun"])
        return begun, parse_rfc3339(steps["complete"]), begun + limit
    return 0, 0, 0


def _between(item: Item, begun: int, ended: int, deadline: int, now: int) -> tuple[int, int]:
    """From when until when is drawn, ns."""
    changes = [parse_rfc3339(each["at"]) for each in item["track"]]
    if item["stage"] in UNDER_WAY:  # the deadline has its place from the first step on
        first = min([begun, *(_first_step(item))])
        margin = max(deadline - begun, SECOND) // 8
        return first - margin, max(deadline, now) + margin
    if begun:
        return frame(begun, ended, deadline)
    if item["stage"] in ("rolled back", "replaced"):
        back = item.get("rolled_back")
        first = min(_first_step(item), default=changes[0])
        return frame(first, parse_rfc3339(back) if back else changes[-1], 0)
    return max(changes[0], now - AHEAD_OF_STEP), max(now, changes[0] + SECOND)


def _first_step(item: Item) -> Iterator[int]:
    for each in item["track"]:
        if each.get("phase", ARMED) != ARMED:
            yield parse_rfc3339(each["at"])
            return


def _sites(item: Item) -> list[str]:
    named = dict.fromkeys((item["from"], *item["to"]))
    for each in item["track"]:
        named |= dict.fromkeys(each.get("sites", ()))
    return [*named]


def _bars(looks: Looks, until: int, brief: int) -> Iterator[Bar]:
    """A bar for each look up to a moment; what is `brief` (ns) or less has no words."""
    bars = joined(takewhile(lambda look: look[0] <= until, looks), until)
    return (bar if bar.until - bar.since > brief else replace(bar, label="") for bar in bars)


def _of_site(item: Item, site: str) -> Looks:
    for each in item["track"]:
        at = parse_rfc3339(each["at"])
        seen, places = each.get("sites", {}).get(site, 0), each.get("places", 0)
        if not each["watched"]:
            yield at, Look.BLIND, "nobody watched"
        elif seen:
            partly = seen < places
            yield at, Look.PARTLY if partly else Look.ADVERTISED, f"{seen} of {places}" * partly
        else:
            yield at, Look.BLIND if site in each.get("hidden", ()) else Look.ABSENT, ""


def _overlap(item: Item) -> Looks:
    old, new = item["from"], {*item["to"]}
    for each in item["track"]:
        at = parse_rfc3339(each["at"])
        live, hidden = {*each.get("sites", ())}, {*each.get("hidden", ())}
        perhaps = live | hidden
        if not each["watched"]:
            yield at, Look.BLIND, ""
        elif old in live and live & new:
            yield at, Look.BOTH, ""
        elif not live:
            yield at, Look.BLIND if hidden else Look.NOBODY, ""
        else:  # where one of them is hidden, both may advertise
            yield at, Look.BLIND if old in perhaps and perhaps & new else Look.ABSENT, ""


def _rules(item: Item) -> Looks:
    for each in item["track"]:
        at = parse_rfc3339(each["at"])
        held, places = each.get("rules", 0), each.get("rules_at", 0)
        if not each["watched"]:
            yield at, Look.BLIND, ""
        elif held:
            where = f" at {places} places" if places > 1 else ""
            yield at, Look.HELD, f"{held} rule{'s' * (held != 1)}{where}"
        else:
            yield at, Look.BLIND if each.get("rules_hidden") else Look.ABSENT, ""


def _marks(item: Item) -> Iterator[Mark]:
    """Each phase that was reached, going back, and its incidents."""
    phase, back = None, False
    for each in item["track"]:
        if not each["watched"]:
            continue
        at = parse_rfc3339(each["at"])
        if each.get("back", False) and not back:
            yield Mark(at, "rollback asked")
        elif phase is not None and each["phase"] != phase:
            yield Mark(at, "back" if each["phase"] == ARMED else each["phase"])
        phase, back = each["phase"], each.get("back", False)
    incidents = {each["id"]: each for each in item["faults"]}
    if "incident" in item:  # it may have opened before anything was noted
        incidents.setdefault(item["incident"]["id"], item["incident"])
    for each in incidents.values():
        yield Mark(parse_rfc3339(each["opened"]), "incident", fault=True)
        if "resolved" in each:
            yield Mark(parse_rfc3339(each["resolved"]), "resolved")
