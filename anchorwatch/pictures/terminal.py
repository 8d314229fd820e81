"""A timeline in the terminal: a bar for each place, readable without colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from anchorwatch.pictures.marks import worded
from anchorwatch.pictures.scale import clock, length, ticks
from anchorwatch.pictures.swimlane import Mark
from collector.store.timeline import Lane, Span, State, Timeline

Glyphs = Mapping[State | None, str]
GLYPHS: Glyphs = {
    State.ADVERTISED: "█",
    State.ABSENT: "·",
    State.BLIND: "░",
    State.NOT_YET_KNOWN: " ",
    None: "╳",
}
ASCII: Glyphs = {
    State.ADVERTISED: "#",
    State.ABSENT: "-",
    State.BLIND: "?",
    State.NOT_YET_KNOWN: " ",
    None: "x",
}
"""For terminals whose character set has no more. None is a cell in which it came and went."""
_COLOURS: Mapping[State | None, str] = {
    State.ADVERTISED: "green",
    State.BLIND: "yellow",
    None: "magenta",
}
NARROWEST = 20
"""Cells of a bar; a terminal too narrow for that wraps."""


def lines(
    timeline: Timeline, width: int, *, plain: bool = False, marks: Sequence[Mark] = ()
) -> Iterator[Text]:
    """The picture, line by line; `plain` uses ASCII alone."""
    glyphs = ASCII if plain else GLYPHS
    labels = [label(lane, timeline) for lane in timeline.lanes]
    margin = min(max(map(len, labels), default=0), max(width // 3, 12)) + 1
    cells = max(width - margin - 2, NARROWEST)
    begin, end = clock(timeline.since), clock(timeline.until)
    yield Text(
        f"{timeline.title}, {begin} to {end} UTC ({length(timeline.until - timeline.since)})"
    )
    tick = "|" if plain else "╷"
    yield _axis(timeline, margin, cells, tick)
    yield from _marks(timeline, margin, cells, tick, marks)
    for name, lane in zip(labels, timeline.lanes, strict=True):
        long = len(name) >= margin
        if long:  # it cannot stand beside its bar
            yield Text(name, style="bold")
        line = Text(("" if long else name).ljust(margin), style="bold")
        for state in bar(lane, timeline, cells):
            line.append(glyphs[state], style=f"not bold {_COLOURS.get(state, 'dim')}")
        yield line
        if lane.spans:
            yield Text(" " * margin + _words(lane.spans[-1]), style="dim")
    yield _legend(glyphs)


def label(lane: Lane, timeline: Timeline) -> str:
    """What a lane is called: its place, and its subject where the timeline has several."""
    several = len({(each.subject, each.rd) for each in timeline.lanes}) > 1
    parts = (lane.subject if several else "", lane.rd and f"rd {lane.rd}", lane.place)
    return "  ".join(filter(None, parts))


def _words(last: Span) -> str:
    since = f"{last.state} since {clock(last.since)}"
    return f"{since} ({last.reason})" if last.reason else since


def bar(lane: Lane, timeline: Timeline, cells: int) -> list[State | None]:
    """What stands in each cell; None where something shorter than a cell came or went in it.

    A cell that two states share shows the one that lasted longer in it: its neighbours show the
    other. A span that no neighbour shows, because it is shorter than a cell, must not be hidden.
    """
    size = max(timeline.until - timeline.since, 1)
    shown: list[State | None] = []
    first = 0
    for cell in range(cells):
        begin = timeline.since + size * cell // cells
        end = timeline.since + size * (cell + 1) // cells
        while first + 1 < len(lane.spans) and lane.spans[first].until <= begin:
            first += 1
        inside = []
        for span in lane.spans[first:]:
            if span.since >= end:
                break
            inside.append(span)
        shown.append(_of_cell(inside, begin, end))
    return shown


def _of_cell(inside: Sequence[Span], begin: int, end: int) -> State | None:
    known = [span for span in inside if span.state is not State.NOT_YET_KNOWN]
    inside = known or inside  # that nobody knew yet is no news
    if len(inside) > 1 and any(begin <= span.since and span.until <= end for span in inside):
        return None
    lasted = [(min(span.until, end) - max(span.since, begin), span.state) for span in inside]
    return max(lasted, key=lambda each: each[0])[1] if lasted else State.NOT_YET_KNOWN


def _axis(timeline: Timeline, margin: int, cells: int, tick: str) -> Text:
    size = max(timeline.until - timeline.since, 1)
    line = [" "] * (cells + 12)
    free = 0
    for at, name in ticks(timeline.since, timeline.until, max(cells // 14, 2)):
        cell = min((at - timeline.since) * cells // size, cells - 1)
        if cell >= free:
            free = cell + len(name) + 2
            line[cell : cell + len(name) + 1] = f"{tick}{name}"
    return Text(" " * margin + "".join(line).rstrip(), style="dim")


def _marks(
    timeline: Timeline, margin: int, cells: int, tick: str, marks: Sequence[Mark]
) -> Iterator[Text]:
    """Lines of words at their moments, as many as are needed for none to lie on another."""
    size = max(timeline.until - timeline.since, 1)
    rows: list[str] = []
    for mark in worded([m for m in marks if timeline.since <= m.at <= timeline.until]):
        cell = min((mark.at - timeline.since) * cells // size, cells - 1)
        left = cell + len(mark.name) >= cells
        words = f"{mark.name}{tick}" if left else f"{tick}{mark.name}"
        begin = max(cell - len(mark.name) * left, 0)
        free = (row for row, text in enumerate(rows) if len(text) < begin)
        row = next(free, len(rows))
        rows += [""] * (row == len(rows))
        rows[row] = f"{rows[row].ljust(begin)}{words}"
    for text in rows:
        yield Text(" " * margin + text, style="dim")


def _legend(glyphs: Glyphs) -> Text:
    words = [f"{glyphs[state]} {state}" for state in State if glyphs[state] != " "]
    words += [f"{glyphs[None]} came or went within a cell", "blank not yet known"]
    return Text("   ".join(words), style="dim")
