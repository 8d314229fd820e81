"""A timeline as SVG: one file, dark or light as its reader wants it, states told by shape too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from anchorwatch.pictures.marks import LEVEL, TITLE, fitted, heights, worded
from anchorwatch.pictures.scale import clock, length, ticks
from anchorwatch.pictures.swimlane import Mark, said
from anchorwatch.pictures.terminal import label
from collector.store.timeline import Lane, Span, State, Timeline

WIDTH = 960
ROW = 34
TOP, BOTTOM = 76, 40
CHARACTER = 7.9
"""Width of a letter of the labels, about."""
NARROWEST = 1.5
"""Of a span that is shorter than this many pixels, this many are drawn: no gap is invisible."""

_STYLE = """
  .timeline { --ink: #1f2328; --dim: #57606a; --grid: #d8dee4; --paper: #ffffff;
    --advertised: #1a7f37; --blind: #bf8700; --change: #ffffff; --bad: #cf222e;
    font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
  @media screen and (prefers-color-scheme: dark) {
    .timeline { --ink: #e6edf3; --dim: #9198a1; --grid: #30363d; --paper: #0d1117;
      --advertised: #3fb950; --blind: #d29922; --change: #0d1117; --bad: #ff7b72; } }
  .paper { fill: var(--paper) } text { fill: var(--ink) }
  .title { font-weight: 600; font-size: 15px } .dim { fill: var(--dim); font-size: 12px }
  .grid { stroke: var(--grid) } .advertised { fill: var(--advertised) }
  .absent { fill: none; stroke: var(--dim); stroke-width: 2; stroke-dasharray: 2 5 }
  .blind { fill: url(#blind); stroke: var(--blind) }
  .not-yet-known { fill: none; stroke: var(--grid) }
  .hatch { stroke: var(--blind); stroke-width: 2 }
  .change { stroke: var(--change); stroke-width: 1.5 }
  .timeline .mark { stroke: var(--ink); stroke-width: 1.5 }
  .timeline .mark.fault { stroke: var(--bad); stroke-dasharray: 5 2 }
  .timeline .marked { paint-order: stroke; stroke: var(--paper); stroke-width: 4px;
    font-size: 12px }
  .timeline text.marked.fault { fill: var(--bad) }
"""
_HATCH = (
    '<defs><pattern id="blind" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><line class="hatch" y2="6"/></pattern></defs>'
)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where things are in one picture."""

    timeline: Timeline
    margin: float
    top: int
    """Where the first lane begins; the words of marks make room for themselves above it."""
    words: tuple[tuple[Mark, float, int, bool], ...]
    """Marks that have words, each with its place, their height, and whether they stand left."""

    @property
    def bottom(self) -> int:
        return self.top + ROW * len(self.timeline.lanes)

    def x(self, at: int) -> float:
        return _x(at, self.timeline, self.margin)


def picture(timeline: Timeline, ids: str = "timeline", marks: Sequence[Mark] = ()) -> str:
    """The whole file. Each span says its times where a pointer rests on it.

    Pictures that are on one page need different `ids`. Those of `marks` that are in its time are
    lines through all lanes.
    """
    marks = [mark for mark in marks if timeline.since <= mark.at <= timeline.until]
    frame = _frame(timeline, marks)
    height = frame.bottom + BOTTOM
    name = f"Who held {timeline.title}"
    spoken = f"{clock(timeline.since)} to {clock(timeline.until)} UTC"
    lasted = length(timeline.until - timeline.since)
    moments = "".join(f" {mark.name} at {clock(mark.at)}." for mark in marks)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" class="timeline" role="img"',
        f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"',
        f'aria-labelledby="{ids}-title {ids}-desc">',
        f'<title id="{ids}-title">{escape(name)}</title>',
        f'<desc id="{ids}-desc">{escape(in_words(timeline) + moments)}</desc>',
        f"<style>{_STYLE}</style>{_HATCH}",
        f'<rect class="paper" width="{WIDTH}" height="{height}" rx="6"/>',
        f'<text class="title" x="16" y="26">{fitted(name, WIDTH - 32, TITLE)}</text>',
        f'<text class="dim" x="16" y="45">{spoken} ({lasted})</text>',
        *_axis(frame),
    ]
    for row, lane in enumerate(timeline.lanes):
        parts += _lane(lane, row, frame)
    parts += [*_marks(frame, marks), *_legend(frame.margin, height - 18), "</svg>"]
    return "\n".join(parts) + "\n"


def _frame(timeline: Timeline, marks: Sequence[Mark]) -> _Frame:
    longest = max((len(label(lane, timeline)) for lane in timeline.lanes), default=8)
    margin = min(30 + CHARACTER * longest, WIDTH * 0.45)
    said_of = sorted(worded(marks), key=lambda mark: mark.at)[::-1]
    places = [(_x(mark.at, timeline, margin), CHARACTER * len(said(mark))) for mark in said_of]
    words = tuple(
        (mark, x, level, left)
        for mark, (x, _), (level, left) in zip(said_of, places, heights(places, WIDTH), strict=True)
    )
    levels = 1 + max((level for _, _, level, _ in words), default=-1)
    return _Frame(timeline, margin, TOP + LEVEL * levels, words)


def in_words(timeline: Timeline) -> str:
    """What the picture shows, for those who cannot see it."""
    sentences = []
    for lane in timeline.lanes:
        spans = "; ".join(
            f"{span.state} from {clock(span.since)} to {clock(span.until)}" for span in lane.spans
        )
        sentences.append(f"{label(lane, timeline)}: {spans}.")
    return " ".join(sentences) or "Nobody was seen to advertise it."


def _x(at: int, timeline: Timeline, margin: float) -> float:
    size = max(timeline.until - timeline.since, 1)
    return margin + (WIDTH - 16 - margin) * (at - timeline.since) / size


def _axis(frame: _Frame) -> Iterator[str]:
    most = max(int((WIDTH - frame.margin) // 95), 2)
    top = frame.top
    for at, name in ticks(frame.timeline.since, frame.timeline.until, most):
        x = frame.x(at)
        anchor = "end" if x > WIDTH - 70 else "start"
        ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{top - 10}" y2="{frame.bottom}"'
        yield f'<line class="grid" {ends}/>'
        yield f'<text class="dim" x="{x:.1f}" y="{top - 14}" text-anchor="{anchor}">{name}</text>'


def _lane(lane: Lane, row: int, frame: _Frame) -> Iterator[str]:
    top = frame.top + ROW * row
    name = fitted(label(lane, frame.timeline), frame.margin - 30, CHARACTER)
    yield f'<text x="16" y="{top + 19}">{name}</text>'
    for span in lane.spans:
        yield _span(span, top, frame)
    for at in lane.changes:
        if frame.timeline.since <= at <= frame.timeline.until:
            x = frame.x(at)
            moment = f"<title>changed at {clock(at)}</title>"
            ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{top + 6}" y2="{top + 22}"'
            yield f'<line class="change" {ends}>{moment}</line>'


def _marks(frame: _Frame, marks: Sequence[Mark]) -> Iterator[str]:
    """A line for each, from its words down, and the words."""
    levels = {mark: level for mark, _, level, _ in frame.words}
    for mark in marks:
        x, top = frame.x(mark.at), frame.top - 10
        if mark in levels:
            top = frame.top - 40 - LEVEL * levels[mark]
        ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{frame.bottom}"'
        moment = f"<title>{escape(mark.name)} at {clock(mark.at)}</title>"
        yield f'<line class="mark{" fault" * mark.fault}" {ends}>{moment}</line>'
    for mark, x, level, left in reversed(frame.words):
        anchor, shift = ("end", -4) if left else ("start", 4)
        at = f'x="{x + shift:.1f}" y="{frame.top - 30 - LEVEL * level}" text-anchor="{anchor}"'
        yield f'<text class="marked{" fault" * mark.fault}" {at}>{escape(said(mark))}</text>'


def _span(span: Span, top: int, frame: _Frame) -> str:
    x = frame.x(span.since)
    width = max(frame.x(span.until) - x, NARROWEST)
    why = f" ({span.reason})" if span.reason else ""
    moment = (
        f"<title>{span.state} from {clock(span.since)} to {clock(span.until)}, "
        f"{length(span.until - span.since)}{escape(why)}</title>"
    )
    return _shape(span.state, x, top + 4, width, moment)


def _shape(state: State, x: float, y: float, width: float, title: str = "") -> str:
    kind = state.replace(" ", "-")
    if state is State.ABSENT:  # thin, and dashed: a line can be told from a bar without colour
        path = f"M{x:.1f} {y + 10:.1f}h{width:.1f}"
        return f'<path class="{kind}" d="{path}">{title}</path>'
    box = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="20"'
    return f'<rect class="{kind}" {box}>{title}</rect>'


def _legend(margin: float, y: int) -> Iterator[str]:
    x = margin
    for state in State:
        yield _shape(state, x, y - 12, 22)
        yield f'<text class="dim" x="{x + 28:.1f}" y="{y + 2}">{state}</text>'
        x += 46 + 7 * len(state)
