"""The steps of a cutover, and what to do next in one: in a sentence, and as commands."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

STEPS = ("begun", "both", "moved", "flushed", "complete")
"""In this order."""
SHOWN = 3
"""So many names are told, the rest by number."""


def next_step(cutover: dict[str, Any]) -> str:
    """The next step of a cutover that is told as `anchorwatch.cutovers.standing` does."""
    phase, window, other = cutover["phase"], cutover["window"], cutover.get("superseded_by")
    if phase == "complete" or other is not None:
        why = (
            "it is complete" if other is None else f"cutover {other} of the service is in its place"
        )
        return f"Nothing: {why}."
    if "rollback" in cutover:
        return _way_back(cutover)
    if phase != "armed":
        return _way_on(cutover)
    if window["state"] == "ahead":
        return f"Wait for its window, which opens at {window['start'][:19]}Z."
    if window["state"] == "over":
        return "Its window is over and it has not begun: plan another one in the intent."
    return f"Advertise {cutover['prefix']} at {_named(cutover['to'])}."


def commands(name: str, config: str = "", *, back: bool = False) -> list[tuple[str, str]]:
    """What to ask of a cutover, and what it answers; `back` where it may go back.

    `config` is the file of the watch's settings, empty for that of the folder where one types.
    """
    asked = [
        ("status", "where it stands"),
        ("watch", "the same, live"),
        *([("rollback", "going back is wanted: it is no alarm then")] if back else []),
        ("report", "all of it as one page to hand on"),
    ]
    of = shlex.quote(name) + (f" -c {shlex.quote(config)}" if config else "")
    return [(f"cutover {action} {of}", answer) for action, answer in asked]


def unseen(cutover: dict[str, Any]) -> bool:
    """Whether nobody sees who advertises: then it is not known that nobody does."""
    points = cutover["vantage_points"]
    asked = [point for point in points if point["saw_old"]] or points
    return not cutover["advertised_by"] and not any(point["sees"] for point in asked)


def _way_on(cutover: dict[str, Any]) -> str:
    prefix, old, new = cutover["prefix"], cutover["from"], cutover["to"]
    live = cutover["advertised_by"]
    missing = [site for site in new if site not in live]
    if unseen(cutover):
        return _wait(cutover, set(new))
    if missing and old not in live:
        nobody = "" if live else f"Nobody advertises {prefix}: "
        return f"{nobody}{'advertise' if nobody else 'Advertise'} it at {_named(missing)}."
    if old in live:
        points = [p for p in cutover["vantage_points"] if p["saw_old"] or p["advertised_by"]]
        seen = [point for point in points if old in point["advertised_by"]]
        also = f"Advertise {prefix} at {_named(missing)}, and withdraw" if missing else "Withdraw"
        return (
            f"{also} {'it' if missing else prefix} at {old}: {len(seen)} of {len(points)} vantage "
            "points see it there."
        )
    left = cutover["rules_left"]
    if left and "flush" in cutover:
        places = [f"{count} at {place}" for place, count in left.items()]
        return f"Withdraw the rules of {cutover['flush']} that are left: {_named(places)}."
    return _wait(cutover, set(new))


def _way_back(cutover: dict[str, Any]) -> str:
    prefix, old, live = cutover["prefix"], cutover["from"], cutover["advertised_by"]
    if unseen(cutover):
        return _wait(cutover, {old})
    if old not in live:
        return f"Advertise {prefix} at {old} again."
    if new := [site for site in cutover["to"] if site in live]:
        return f"Withdraw {prefix} at {_named(new)}: {old} advertises it again."
    return _wait(cutover, {old})


def _wait(cutover: dict[str, Any], sites: set[str]) -> str:
    """All is done that has to be, and is not proven yet."""
    points = cutover["vantage_points"]
    if unseen := [point["at"] for point in points if not point["sees"]]:
        return f"Bring the sessions of {_named(unseen)} back: without them nothing is proven there."
    behind = [
        point["at"]
        for point in points
        if point["saw_old"] and not sites.intersection(point["advertised_by"])
    ]
    if behind:
        return f"Wait for {_named(behind)}: {_named(sorted(sites))} is not seen there yet."
    return "Wait until every vantage point has shown it."


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def limits_missed(*, gap_allowed: bool) -> dict[str, str]:
    """What is said of a cutover that did not keep a limit, by the limit's name."""
    return {
        "total": "the deadline was missed",
        "going_back": "going back took too long",
        "overlap": "both sites advertised for too long",
        "gap": "nobody advertised" + " for too long" * gap_allowed,
    }
