"""A timeline as SVG: one file, dark or light as its reader wants it, states told by shape too."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from anchorwatch.pictures.scale import clock, length, ticks
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
    --advertised: #1a7f37; --blind: #bf8700; --change: #ffffff;
    font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
  @media screen and (prefers-color-scheme: dark) {
    .timeline { --ink: #e6edf3; --dim: #9198a1; --grid: #30363d; --paper: #0d1117;
      --advertised: #3fb950; --blind: #d29922; --change: #0d1117; } }
  .paper { fill: var(--paper) } text { fill: var(--ink) }
  .title { font-weight: 600; font-size: 15px } .dim { fill: var(--dim); font-size: 12px }
  .grid { stroke: var(--grid) } .advertised { fill: var(--advertised) }
  .absent { fill: none; stroke: var(--dim); stroke-width: 2; stroke-dasharray: 2 5 }
  .blind { fill: url(#blind); stroke: var(--blind) }
  .not-yet-known { fill: none; stroke: var(--grid) }
  .hatch { stroke: var(--blind); stroke-width: 2 }
  .change { stroke: var(--change); stroke-width: 1.5 }
"""
_HATCH = (
    '<defs><pattern id="blind" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><line class="hatch" y2="6"/></pattern></defs>'
)


def picture(timeline: Timeline, ids: str = "timeline") -> str:
    """The whole file. Each span says its times where a pointer rests on it.

    Pictures that are on one page need different `ids`.
    """
    margin = 30 + CHARACTER * max(
        (len(label(lane, timeline)) for lane in timeline.lanes), default=8
    )
    margin = min(margin, WIDTH * 0.45)
    height = TOP + ROW * len(timeline.lanes) + BOTTOM
    name = f"Who held {timeline.title}"
    spoken = f"{clock(timeline.since)} to {clock(timeline.until)} UTC"
    lasted = length(timeline.until - timeline.since)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" class="timeline" role="img"',
        f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"',
        f'aria-labelledby="{ids}-title {ids}-desc">',
        f'<title id="{ids}-title">{escape(name)}</title>',
        f'<desc id="{ids}-desc">{escape(in_words(timeline))}</desc>',
        f"<style>{_STYLE}</style>{_HATCH}",
        f'<rect class="paper" width="{WIDTH}" height="{height}" rx="6"/>',
        f'<text class="title" x="16" y="26">{escape(name)}</text>',
        f'<text class="dim" x="16" y="45">{spoken} ({lasted})</text>',
        *_axis(timeline, margin, height),
    ]
    for row, lane in enumerate(timeline.lanes):
        parts += _lane(lane, row, timeline, margin)
    parts += [*_legend(margin, height - 18), "</svg>"]
    return "\n".join(parts) + "\n"


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


def _axis(timeline: Timeline, margin: float, height: int) -> Iterator[str]:
    most = max(int((WIDTH - margin) // 95), 2)
    for at, name in ticks(timeline.since, timeline.until, most):
        x = _x(at, timeline, margin)
        anchor = "end" if x > WIDTH - 70 else "start"
        ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 10}" y2="{height - BOTTOM}"'
        yield f'<line class="grid" {ends}/>'
        yield f'<text class="dim" x="{x:.1f}" y="{TOP - 14}" text-anchor="{anchor}">{name}</text>'


def _lane(lane: Lane, row: int, timeline: Timeline, margin: float) -> Iterator[str]:
    top = TOP + ROW * row
    name = escape(label(lane, timeline))
    yield f'<text x="16" y="{top + 19}">{name}</text>'
    for span in lane.spans:
        yield _span(span, top, timeline, margin)
    for at in lane.changes:
        if timeline.since <= at <= timeline.until:
            x = _x(at, timeline, margin)
            said = f"<title>changed at {clock(at)}</title>"
            ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{top + 6}" y2="{top + 22}"'
            yield f'<line class="change" {ends}>{said}</line>'


def _span(span: Span, top: int, timeline: Timeline, margin: float) -> str:
    x = _x(span.since, timeline, margin)
    width = max(_x(span.until, timeline, margin) - x, NARROWEST)
    why = f" ({span.reason})" if span.reason else ""
    said = (
        f"<title>{span.state} from {clock(span.since)} to {clock(span.until)}, "
        f"{length(span.until - span.since)}{escape(why)}</title>"
    )
    return _shape(span.state, x, top + 4, width, said)


def _shape(state: State, x: float, y: float, width: float, said: str = "") -> str:
    kind = state.replace(" ", "-")
    if state is State.ABSENT:  # thin, and dashed: a line can be told from a bar without colour
        path = f"M{x:.1f} {y + 10:.1f}h{width:.1f}"
        return f'<path class="{kind}" d="{path}">{said}</path>'
    box = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="20"'
    return f'<rect class="{kind}" {box}>{said}</rect>'


def _legend(margin: float, y: int) -> Iterator[str]:
    x = margin
    for state in State:
        yield _shape(state, x, y - 12, 22)
        yield f'<text class="dim" x="{x + 28:.1f}" y="{y + 2}">{state}</text>'
        x += 46 + 7 * len(state)
