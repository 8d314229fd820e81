"""Where words stand in a picture, so that none lies on another."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TypeVar

T = TypeVar("T")
MOST_WORDS = 8
"""Of the moments of an incident, so many have words in a picture: the first and the last."""
TITLE = 9.2
"""Width of a letter of a picture's title, about, pixels."""
LEVEL = 16
"""Between the words of one height and those of the next, pixels."""


def fitted(text: str, room: float, letter: float) -> str:
    """A text as SVG, without its midst where it is longer than `room`, of such letters (pixels).

    Then all of it is where a pointer rests on it.
    """
    most = max(int(room / letter + 0.01), 3)
    if len(text) <= most:
        return escape(text)
    tail = most // 2
    short = f"{text[: most - tail - 1]}…{text[-tail:]}"
    return f"<title>{escape(text)}</title>{escape(short)}"


def worded(moments: Sequence[T]) -> Sequence[T]:
    """Those that have words."""
    if len(moments) <= MOST_WORDS:
        return moments
    return [moments[0], *moments[1 - MOST_WORDS :]]


def heights(words: Sequence[tuple[float, float]], right: float) -> list[tuple[int, bool]]:
    """Of each (place, width) how high its words stand, and whether they do so left of it.

    The last come first: of words that would lie on each other, those of the earlier moment stand
    higher, so that no line of a later one goes through them.
    """
    taken: list[list[tuple[float, float]]] = []
    lines: list[tuple[float, int]] = []
    found = []
    for x, size in words:
        left = x + size > right
        span = (x - size, x) if left else (x, x + size)
        struck = max((high for at, high in lines if span[0] < at < span[1]), default=-1)
        free = (i for i, used in enumerate(taken) if i > struck and _free(span, used))
        level = next(free, len(taken))
        taken += [[]] * (level == len(taken))
        taken[level] = [*taken[level], span]
        lines.append((x, level))
        found.append((level, left))
    return found


def _free(span: tuple[float, float], used: Sequence[tuple[float, float]]) -> bool:
    return all(span[1] <= begin or span[0] >= end for begin, end in used)
