"""What tables for people share."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from collector.event import parse_rfc3339


def plain(file: TextIO | None = None, *, piped: int | None = None) -> Console:
    """A console that shows every text as it is, `piped` columns wide where it is no terminal.

    What stands in brackets or between colons is no markup here: `re[0]` is a router, and in
    `65000:100:200` nobody means a picture.
    """
    width = None if (file or sys.stdout).isatty() else piped
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


def table_of(*headings: str) -> Table:
    """A plain table, as commands show them."""
    table = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        padding=(0, 2, 0, 0),
        show_header=bool(headings),
    )
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def print_rows(console: Console, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table; in a terminal too narrow for its longest words, a paragraph for each row."""
    widths = _widths([*zip(headings, *rows, strict=True)], console.width)
    if widths is None and console.is_terminal:
        for row in rows:
            for line in _paragraph(headings, row, console.width):
                console.print(line, soft_wrap=True)
        return
    table = table_of(*headings)
    if widths is not None:
        for column, width in zip(table.columns, widths, strict=True):
            column.width = width
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """How wide each column is where no word is broken; None where that takes more than `room`."""
    least = [max(len(word) for cell in cells for word in cell.split()) for cells in columns]
    widths = [max(map(len, cells)) for cells in columns]
    room -= 2 * (len(columns) - 1)
    if sum(least) > room:
        return None
    while sum(widths) > room:  # the widest gives way
        _, widest = max((w, at) for at, w in enumerate(widths) if w > least[at])
        widths[widest] -= 1
    return widths


def _paragraph(headings: Sequence[str], row: Sequence[str], width: int) -> Iterator[Text]:
    """What a row says: its first cell, then each heading with what stands below it, if anything."""
    line = Text(row[0], style="bold")
    for heading, cell in zip(headings[1:], row[1:], strict=True):
        if not cell:
            continue
        said = Text.assemble((heading, "dim"), " ", cell, style="not bold")
        if len(line) + 2 + len(said) > width:
            yield line
            line = Text("")
        line = Text.assemble(line, "  ", said)
    yield line


def ago(now: int, then: str) -> str:
    """How long ago a time was, in its two largest units."""
    seconds = max(0, now - parse_rfc3339(then)) // 1_000_000_000
    units = (("d", seconds // 86400), ("h", seconds // 3600 % 24), ("m", seconds // 60 % 60))
    parts = [f"{count}{unit}" for unit, count in (*units, ("s", seconds % 60)) if count]
    return " ".join(parts[:2]) or "0s"
