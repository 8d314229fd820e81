"""A cutover as one picture: sites × time, each step where it was taken, and the deadline.

Plain data in, SVG out. What it shows is told by words and shapes too, never by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from html import escape

from anchorwatch.pictures.marks import LEVEL, TITLE, fitted, heights
from anchorwatch.pictures.scale import SECOND, clock, length, ticks

WIDTH = 960
LEFT, RIGHT = 16, 16
ROW = 38
CHARACTER = 7.5
"""Width of a letter, about."""
NARROWEST = 2.0
"""Of what is shorter than this many pixels, this many are drawn: nothing is invisible."""


class Look(StrEnum):
    """What a bar says of its time."""

    ADVERTISED = "advertised"
    PARTLY = "not everywhere"
    """Some vantage points see it, others do not."""
    HELD = "rules held"
    BOTH = "both"
    NOBODY = "nobody"
    ABSENT = "absent"
    BLIND = "not seen"
    """A vantage point that matters does not see, and none that does shows it."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One state of a lane from `since` until `until` (ns)."""

    look: Look
    since: int
    until: int
    label: str = ""
    """A few letters to stand in it, such as `2 of 3`."""


@dataclass(frozen=True, slots=True)
class Lane:
    """What one site did, or what became of the rules."""

    name: str
    role: str
    """A word below the name: `old site`, `new site`."""
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment (ns) that all lanes share: a step, an incident, the word to go back."""

    at: int
    name: str
    fault: bool = False


@dataclass(frozen=True, slots=True)
class Swimlane:
    """All of it, from `since` until `until` (ns)."""

    title: str
    since: int
    until: int
    lanes: tuple[Lane, ...]
    marks: tuple[Mark, ...] = ()
    begun: int = 0
    """The first step, from which the deadline counts; 0 where it has not been taken."""
    ended: int = 0
    """When the clock stopped; 0 while it runs."""
    deadline: int = 0
    """The moment (ns) by which all must be done; 0 where it does not count yet."""


STYLE = """
  .swimlane { --ink: #1f2328; --dim: #57606a; --grid: #d8dee4; --paper: #ffffff;
    --good: #1a7f37; --rules: #8250df; --warn: #9a6700; --bad: #cf222e;
    font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
  @media screen and (prefers-color-scheme: dark) {
    .swimlane { --ink: #e6edf3; --dim: #9198a1; --grid: #30363d; --paper: #0d1117;
      --good: #3fb950; --rules: #bc8cff; --warn: #d29922; --bad: #ff7b72; } }
  .swimlane .paper { fill: var(--paper) } .swimlane text { fill: var(--ink) }
  .swimlane .title { font-weight: 600; font-size: 15px }
  .swimlane .dim { fill: var(--dim); font-size: 12px }
  .swimlane .grid { stroke: var(--grid) }
  .swimlane .row { stroke: var(--grid); stroke-dasharray: 1 3 }
  .swimlane rect.advertised, .swimlane rect.held { stroke: var(--paper) }
  .swimlane .advertised { fill: var(--good) }
  .swimlane .partly { fill: var(--paper); stroke: var(--good); stroke-width: 2 }
  .swimlane .held { fill: var(--rules) } .swimlane .both { fill: var(--warn) }
  .swimlane .nobody { fill: var(--bad) }
  .swimlane .absent { fill: none; stroke: var(--dim); stroke-width: 2; stroke-dasharray: 2 5 }
  .swimlane .hatched { stroke: var(--warn) }
  .swimlane .hatch { stroke: var(--warn); stroke-width: 2 }
  .swimlane text.inside { fill: var(--paper); font-size: 12px; font-weight: 600 }
  .swimlane text.beside { font-size: 12px }
  .swimlane .mark { stroke: var(--ink); stroke-width: 1.5 }
  .swimlane .mark.fault { stroke: var(--bad); stroke-dasharray: 5 2 }
  .swimlane .marked { paint-order: stroke; stroke: var(--paper); stroke-width: 4px;
    font-size: 12px }
  .swimlane text.marked.fault, .swimlane text.marked.deadline-word { fill: var(--bad) }
  .swimlane text.marked.fault { font-weight: 600 }
  .swimlane .limit { fill: none; stroke: var(--dim) } .swimlane .used { fill: var(--dim) }
  .swimlane .used.late { fill: var(--bad) }
  .swimlane .deadline { stroke: var(--bad); stroke-width: 2.5; stroke-dasharray: 9 4 }
"""
"""What the picture carries in its `style` element, for a page that allows styles by their hash."""

_CLASSES = {
    Look.ADVERTISED: "advertised",
    Look.PARTLY: "partly",
    Look.HELD: "held",
    Look.BOTH: "both",
    Look.NOBODY: "nobody",
    Look.ABSENT: "absent",
    Look.BLIND: "hatched",
}


_DEADLINE = "deadline"
_HOLLOW = frozenset({Look.PARTLY, Look.BLIND, Look.ABSENT})
"""Bars on whose paper words stand in ink."""


Looks = Iterable[tuple[int, Look, str]]
"""From when (ns) on something has a look, and the words that stand in it."""


def joined(looks: Looks, until: int) -> Iterator[Bar]:
    """A bar for each time in which the look and the words are the same, the last up to `until`."""
    last: Bar | None = None
    for at, look, label in looks:
        if last is not None and (last.look, last.label) == (look, label):
            continue
        if last is not None and at > last.since:
            yield replace(last, until=at)
        last = Bar(look, at, until, label)
    if last is not None:
        yield replace(last, until=max(until, last.since))


def frame(begun: int, ended: int, deadline: int) -> tuple[int, int]:
    """From when until when (ns) a cutover that took from `begun` to `ended` is well seen.

    Where the deadline is far, what happened has the width, and the deadline is not in the picture.
    """
    took = max(ended - begun, SECOND)
    last = deadline if ended < deadline <= begun + 4 * took else ended
    margin = max(last - begun, SECOND) // 8
    return begun - margin, last + 2 * margin


def swimlane(drawn: Swimlane, ids: str = "swimlane") -> str:
    """The picture as an SVG element. Each bar says its times where a pointer rests on it.

    Pictures that are on one page need different `ids`.
    """
    return _Picture(drawn, ids).text()


def in_words(drawn: Swimlane) -> str:
    """What the picture shows, for those who cannot see it."""
    sentences = []
    for lane in drawn.lanes:
        bars = "; ".join(f"{_words(bar)}" for bar in lane.bars) or "nothing"
        sentences.append(f"{lane.name} ({lane.role}): {bars}.")
    sentences += [f"{mark.name} at {clock(mark.at)}." for mark in drawn.marks]
    if drawn.deadline:
        sentences.append(f"The deadline is {clock(drawn.deadline)}.")
    return " ".join(sentences)


def _words(bar: Bar) -> str:
    label = f" ({bar.label})" if bar.label else ""
    lasted = length(bar.until - bar.since)
    return f"{bar.look}{label} from {clock(bar.since)} to {clock(bar.until)}, {lasted}"


class _Picture:
    """One picture while it is drawn."""

    def __init__(self, drawn: Swimlane, ids: str) -> None:
        self._drawn = drawn
        self._ids = ids
        names = [text for lane in drawn.lanes for text in (lane.name, lane.role)]
        if drawn.begun and drawn.deadline:
            names.append(_limit(drawn))
        longest = max(map(len, names), default=8)
        self._margin = min(LEFT + 14 + CHARACTER * longest, WIDTH * 0.4)
        self._labels = self._placed()
        levels = 1 + max((level for _, _, level, _ in self._labels), default=-1)
        self._axis = 70 + LEVEL * levels
        self._top = self._axis + 6
        self._timed = bool(drawn.begun and drawn.deadline)
        self._bottom = self._top + ROW * (len(drawn.lanes) + self._timed)

    def text(self) -> str:
        drawn, ids = self._drawn, self._ids
        height = self._bottom + 34
        spoken = f"{clock(drawn.since)} to {clock(drawn.until)} UTC"
        title = fitted(drawn.title, WIDTH - 2 * LEFT, TITLE)
        parts = [
            '<svg xmlns="http://www.w3.org/2000/svg" class="swimlane" role="img"',
            f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"',
            f'data-now="{self._x(drawn.ended or drawn.until):.1f}"',
            f'aria-labelledby="{ids}-title {ids}-desc">',
            f'<title id="{ids}-title">{escape(drawn.title)}</title>',
            f'<desc id="{ids}-desc">{escape(in_words(drawn))}</desc>',
            f"<style>{STYLE}</style>",
            f'<defs><pattern id="{ids}-hatch" width="6" height="6" patternUnits="userSpaceOnUse"',
            'patternTransform="rotate(45)"><line class="hatch" y2="6"/></pattern></defs>',
            f'<rect class="paper" width="{WIDTH}" height="{height}" rx="6"/>',
            f'<text class="title" x="{LEFT}" y="26">{title}</text>',
            f'<text class="dim" x="{LEFT}" y="45">{spoken}',
            f"({length(drawn.until - drawn.since)})</text>",
            *self._grid(),
        ]
        lanes = [*enumerate(drawn.lanes, 1 if self._timed else 0)]
        if self._timed:
            parts += self._total(self._top)
        for row, lane in lanes:
            parts += self._lane(lane, self._top + ROW * row)
        parts += self._lines()
        if self._timed:
            parts += self._labels_of([self._used()], self._top)
        for row, lane in lanes:
            parts += self._labels_of(self._shown(lane), self._top + ROW * row)
        parts += [*self._axis_words(), *self._words_of_marks()]
        parts += [*self._legend(height - 12), "</svg>"]
        return "\n".join(parts) + "\n"

    def _x(self, at: int) -> float:
        drawn = self._drawn
        size = max(drawn.until - drawn.since, 1)
        at = min(max(at, drawn.since), drawn.until)
        return self._margin + (WIDTH - RIGHT - self._margin) * (at - drawn.since) / size

    def _ticks(self) -> Iterator[tuple[float, str]]:
        most = max(int((WIDTH - self._margin) // 95), 2)
        for at, name in ticks(self._drawn.since, self._drawn.until, most):
            yield self._x(at), name

    def _grid(self) -> Iterator[str]:
        for x, _ in self._ticks():
            ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{self._axis + 3}" y2="{self._bottom}"'
            yield f'<line class="grid" {ends}/>'

    def _axis_words(self) -> Iterator[str]:
        for x, name in self._ticks():
            if x + CHARACTER * len(name) < WIDTH:
                yield f'<text class="dim marked" x="{x:.1f}" y="{self._axis}">{name}</text>'

    def _used(self) -> Bar:
        """The words of the total, and where they may stand."""
        drawn = self._drawn
        stop = drawn.ended or drawn.until
        late = ", too late" * (stop > drawn.deadline)
        words = f"{length(max(stop - drawn.begun, 0))} of {length(drawn.deadline - drawn.begun)}"
        return Bar(Look.HELD, drawn.begun, stop, f"{words}{late}")

    def _total(self, top: int) -> Iterator[str]:
        """How much of the time to the deadline is used."""
        drawn = self._drawn
        stop = drawn.ended or drawn.until
        late = stop > drawn.deadline
        begin, end = self._x(drawn.begun), self._x(drawn.deadline)
        width = max(self._x(stop) - begin, NARROWEST)
        shape = f'class="used{" late" * late}" x="{begin:.1f}" y="{top + 8}" width="{width:.1f}"'
        frame = f'x="{begin:.1f}" y="{top + 8}" width="{end - begin:.1f}"'
        yield from self._name("total", _limit(drawn), top)
        yield f'<rect {shape} height="22"><title>{self._used().label}</title></rect>'
        yield f'<rect class="limit" {frame} height="22"/>'

    def _name(self, name: str, role: str, top: int) -> Iterator[str]:
        ends = f'x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{top + ROW}" y2="{top + ROW}"'
        yield f'<line class="row" {ends}/>'
        room = self._margin - LEFT - 14
        for y, kind, text in ((17, "", name), (31, ' class="dim"', role)):
            shown = fitted(text, room, CHARACTER)
            yield f'<text{kind} x="{LEFT}" y="{top + y}">{shown}</text>'

    def _lane(self, lane: Lane, top: int) -> Iterator[str]:
        yield from self._name(lane.name, lane.role, top)
        for bar in self._shown(lane):
            x = self._x(bar.since)
            width = max(self._x(bar.until) - x, NARROWEST)
            yield self._shape(bar.look, x, top + 8, width, f"<title>{escape(_words(bar))}</title>")

    def _labels_of(self, bars: Sequence[Bar], top: int) -> Iterator[str]:
        """The words of bars, in them or beside them, where there is room."""
        for number, bar in enumerate(bars):
            x = self._x(bar.since)
            width = max(self._x(bar.until) - x, NARROWEST)
            free = self._x(bars[number + 1].since) if number + 1 < len(bars) else WIDTH
            size = 7.2 * len(bar.label) + 8
            if bar.label and size <= width:
                kind = "marked" if bar.look in _HOLLOW else "inside"
                at = f'x="{x + 5:.1f}" y="{top + 23}"'
                yield f'<text class="{kind}" {at}>{escape(bar.label)}</text>'
            elif bar.label and x + width + size <= free:
                at = f'x="{x + width + 4:.1f}" y="{top + 23}"'
                yield f'<text class="marked" {at}>{escape(bar.label)}</text>'

    def _shown(self, lane: Lane) -> list[Bar]:
        drawn = self._drawn
        return [bar for bar in lane.bars if bar.until >= drawn.since and bar.since <= drawn.until]

    def _shape(self, look: Look, x: float, y: float, width: float, said: str = "") -> str:
        kind = _CLASSES[look]
        if look is Look.ABSENT:  # a line can be told from a bar without colour
            return f'<path class="{kind}" d="M{x:.1f} {y + 11:.1f}h{width:.1f}">{said}</path>'
        fill = f' fill="url(#{self._ids}-hatch)"' if look is Look.BLIND else ""
        box = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="22"'
        return f'<rect class="{kind}" {box}{fill}>{said}</rect>'

    # Marks

    def _placed(self) -> list[tuple[Mark, float, int, bool]]:
        """Each mark with its place, the height of its words, and whether they stand left of it."""
        drawn = self._drawn
        deadline = [Mark(drawn.deadline, _DEADLINE)] if drawn.deadline else []
        inside = [m for m in (*drawn.marks, *deadline) if drawn.since <= m.at <= drawn.until]
        inside = sorted(inside, key=lambda mark: mark.at)[::-1]  # of equals the last first
        words = [(self._x(mark.at), CHARACTER * len(said(mark)) + 10) for mark in inside]
        return [
            (mark, x, level, left)
            for mark, (x, _), (level, left) in zip(
                inside, words, heights(words, WIDTH), strict=True
            )
        ]

    def _lines(self) -> Iterator[str]:
        for mark, x, level, _ in self._labels:
            kind = "deadline" if mark.name == _DEADLINE else f"mark{' fault' * mark.fault}"
            ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{self._height(level) - 10}" y2="{self._bottom}"'
            yield f'<line class="{kind}" {ends}/>'

    def _words_of_marks(self) -> Iterator[str]:
        for mark, x, level, left in reversed(self._labels):
            anchor, shift = ("end", -4) if left else ("start", 4)
            kind = " deadline-word" if mark.name == _DEADLINE else " fault" * mark.fault
            at = f'x="{x + shift:.1f}" y="{self._height(level)}" text-anchor="{anchor}"'
            yield f'<text class="marked{kind}" {at}>{escape(said(mark))}</text>'

    def _height(self, level: int) -> int:
        return self._axis - 22 - LEVEL * level

    def _legend(self, y: int) -> Iterator[str]:
        shown = {bar.look for lane in self._drawn.lanes for bar in self._shown(lane)}
        x: float = LEFT
        for look in Look:
            if look in shown:
                shape = self._shape(look, 0, 0, 20)
                yield f'<g transform="translate({x:.1f} {y - 11}) scale(1 .6)">{shape}</g>'
                yield f'<text class="dim" x="{x + 25:.1f}" y="{y}">{look}</text>'
                x += 40 + 7.2 * len(look)


def _limit(drawn: Swimlane) -> str:
    return f"{length(drawn.deadline - drawn.begun)} at most"


def said(mark: Mark) -> str:
    """What stands at a mark: its name and the time of day."""
    return f"{mark.name} {clock(mark.at)[11:]}"
