"""Where the ticks of a time axis stand, and what they say."""

from __future__ import annotations

from datetime import UTC, datetime

MS, SECOND = 10**6, 10**9
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
_STEPS = (
    *(factor * MS for factor in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
    *(factor * SECOND for factor in (1, 2, 5, 10, 15, 30)),
    *(factor * MINUTE for factor in (1, 2, 5, 10, 15, 30)),
    *(factor * HOUR for factor in (1, 2, 3, 6, 12)),
    *(factor * DAY for factor in (1, 2, 7, 14, 28, 91, 182, 364)),
)


def ticks(since: int, until: int, most: int) -> list[tuple[int, str]]:
    """At most `most` round moments (ns) from `since` to `until`, and their labels (UTC)."""
    length = max(until - since, 1)
    step = next((step for step in _STEPS if length // step < most), _STEPS[-1])
    first = -(-since // step) * step
    return [(at, _label(at, step)) for at in range(first, until + 1, step)][:most]


def _label(at: int, step: int) -> str:
    moment = datetime.fromtimestamp(at // SECOND, UTC)
    if step >= DAY:
        return f"{moment:%Y-%m-%d}"
    if step >= MINUTE:
        return f"{moment:%H:%M}" if at % DAY else f"{moment:%m-%d}"
    if step >= SECOND:
        return f"{moment:%H:%M:%S}"
    return f"{moment:%S}.{at % SECOND // MS:03d}"


def clock(at: int) -> str:
    """A moment for people: `2026-12-01 22:14:03.123` (UTC)."""
    moment = datetime.fromtimestamp(at // SECOND, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{at % SECOND // MS:03d}"


def length(ns: int) -> str:
    """A length of time for people, in its two largest units: `1 h 5 min`, `3.2 s`."""
    if ns < MINUTE:
        return f"{ns / SECOND:.3g} s" if ns >= SECOND else f"{ns / MS:.3g} ms"
    units = (("d", DAY), ("h", HOUR), ("min", MINUTE), ("s", SECOND))
    parts: list[str] = []
    for name, size in units:
        count, ns = divmod(ns, size)
        if count or parts:
            parts.append(f"{count} {name}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(filter(None, parts))


def exact(ns: int) -> str:
    """A length of time to the millisecond: `2 min 42.12 s`, `3 min`, `0 s`."""
    minutes, rest = divmod(round(ns / MS) * MS, MINUTE)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / SECOND:.3f}".rstrip("0").rstrip(".")
    parts = [f"{hours} h" * bool(hours), f"{minutes} min" * bool(minutes)]
    if seconds != "0" or not any(parts):
        parts.append(f"{seconds} s")
    return " ".join(filter(None, parts))
