"""How people name a moment."""

from __future__ import annotations

import re

from collector.event import FOREVER, parse_rfc3339
from collector.store.backend import Reader

_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9}
_LENGTH = r"\d+(?:ms|s|m|h|d)"
_RELATIVE = re.compile(rf"-({_LENGTH})")
_INCIDENT = re.compile(rf"([0-9a-f]{{4,16}})(?:([+-])({_LENGTH}))?")


def parse_length(text: str) -> int:
    """A length of time such as `90s` or `250ms` as ns. Raises ValueError."""
    if not re.fullmatch(_LENGTH, text):
        raise ValueError(f"{text!r} is no length of time: give 90s, 15m, 2h or 1d")
    digits = text.rstrip("msdh")
    return int(digits) * _UNITS[text[len(digits) :]]


def parse_moment(text: str, now: int) -> int:
    """`now`, `-10m` (before `now`) or RFC 3339 text as ns; ValueError where it is none of them."""
    if text == "now":
        return now
    relative = _RELATIVE.fullmatch(text)
    if relative:
        return _kept(text, now - parse_length(relative[1]))
    try:
        moment = parse_rfc3339(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no moment: give RFC 3339 such as 2026-12-01T22:00:00Z, -10m, now, "
            "or the id of an incident"
        ) from error
    return _kept(text, moment)


def _kept(text: str, ns: int) -> int:
    """The moment, if a store can have rows of it. Raises ValueError."""
    if not 0 <= ns < FOREVER:
        raise ValueError(f"{text!r} is no moment of a store: those are from 1970 to 2116")
    return ns


def names_incident(text: str) -> bool:
    """Whether a moment is told by an incident: `4f1c…`, `4f1c…+30s`, `4f1c…-10s`."""
    return _INCIDENT.fullmatch(text) is not None


def moment_of_incident(store: Reader, text: str) -> int:
    """The opening of the incident that `text` names, and so much later or earlier, ns.

    Raises ValueError where no incident, or more than one, has an id that begins so.
    """
    found = _INCIDENT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} names no incident")
    begin, sign, length = found.groups()
    shift = parse_length(length) if length else 0
    opened = _opening(store, begin)
    return _kept(text, opened - shift if sign == "-" else opened + shift)


_OPENINGS = """
SELECT id, toInt64(toUnixTimestamp64Nano(min(opened))) AS at FROM incidents
WHERE startsWith(id, {begin:String}) GROUP BY id ORDER BY at, id LIMIT 4
"""


def incident_called(store: Reader, begin: str) -> str:
    """The one incident whose id begins so. Raises ValueError where there is none, or several."""
    return _the_one(store, begin)[0]


def _opening(store: Reader, begin: str) -> int:
    return _the_one(store, begin)[1]


def _the_one(store: Reader, begin: str) -> tuple[str, int]:
    rows = store.query(_OPENINGS, {"begin": begin}).to_pylist()
    if not rows:
        raise ValueError(f"the store knows no incident whose id begins with {begin!r}")
    exact = [row for row in rows if row["id"] == begin]
    if len(rows) > 1 and not exact:
        several = ", ".join(row["id"] for row in rows[:3]) + (", …" if len(rows) > 3 else "")
        raise ValueError(f"{begin!r} begins the ids of several incidents: {several}")
    row = (exact or rows)[0]
    return str(row["id"]), int(row["at"])
