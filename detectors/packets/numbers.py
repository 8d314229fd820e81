"""Sets of numbers as ordered, disjoint spans: what one component of a Flowspec rule allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class NumberSet:
    """Numbers from 0 up. Equal sets have equal spans."""

    spans: Spans = ()
    """(first, last), both included, in order, with a gap between each two."""

    @classmethod
    def of(cls, spans: Iterable[tuple[int, int]]) -> NumberSet:
        """The union of spans in any order; those that end before they begin are empty."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted(span for span in spans if span[0] <= span[1]):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    @classmethod
    def where(cls, domain: NumberSet, holds: Callable[[int], bool]) -> NumberSet:
        """The members of a (small) domain for which something holds."""
        return cls.of(
            (n, n) for first, last in domain.spans for n in range(first, last + 1) if holds(n)
        )

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __contains__(self, number: int) -> bool:
        return any(first <= number <= last for first, last in self.spans)

    def __or__(self, other: NumberSet) -> NumberSet:
        return NumberSet.of((*self.spans, *other.spans))

    def __and__(self, other: NumberSet) -> NumberSet:
        out = []
        mine, theirs = 0, 0
        while mine < len(self.spans) and theirs < len(other.spans):
            (a, b), (c, d) = self.spans[mine], other.spans[theirs]
            if max(a, c) <= min(b, d):
                out.append((max(a, c), min(b, d)))
            if b < d:
                mine += 1
            else:
                theirs += 1
        return NumberSet(tuple(out))

    def __sub__(self, other: NumberSet) -> NumberSet:
        gaps, start = [], 0
        for first, last in other.spans:
            gaps.append((start, first - 1))
            start = last + 1
        if self.spans:
            gaps.append((start, self.spans[-1][1]))
        return self & NumberSet.of(gaps)

    def __le__(self, other: NumberSet) -> bool:
        return not self - other

    def choose(self, *preferred: int) -> int:
        """A member: the first of the preferred ones that is, or else the smallest.

        Raises IndexError where the set is empty.
        """
        return next((number for number in preferred if number in self), self.spans[0][0])

    def __str__(self) -> str:
        return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in self.spans) or "none"
