"""Tables for people: names are only names, and a narrow terminal breaks no word."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from anchorwatch.cli import status
from anchorwatch.cli.tables import plain, print_rows
from tests.unit.test_live_views import answer_of

HEADINGS = ("received (UTC)", "router", "next hop", "communities")
ROWS = [
    ("2026-11-22 01:24:02.848", "re[0]", "2001:db8:cd:1::1", "65000:100:200 65000:1:b:2"),
    ("2026-11-22 01:24:08.943", "re[/bold]", "", ""),
]


def shown(width: int, *, terminal: bool = True) -> list[str]:
    file = StringIO()
    console = Console(
        file=file,
        width=width,
        force_terminal=terminal,
        color_system=None,
        highlight=False,
        markup=False,
        emoji=False,
    )
    print_rows(console, HEADINGS, ROWS)
    return [line.rstrip() for line in file.getvalue().splitlines()]


WIDE = [
    "received (UTC)           router     next hop          communities",
    "2026-11-22 01:24:02.848  re[0]      2001:db8:cd:1::1  65000:100:200 65000:1:b:2",
    "2026-11-22 01:24:08.943  re[/bold]",
]


def test_where_all_fits_it_is_a_table() -> None:
    assert shown(80) == WIDE


def test_lines_break_between_words() -> None:
    assert shown(58) == [
        "received (UTC)  router     next hop          communities",
        "2026-11-22      re[0]      2001:db8:cd:1::1  65000:100:200",
        "01:24:02.848                                 65000:1:b:2",
        "2026-11-22      re[/bold]",
        "01:24:08.943",
    ]


def test_where_words_would_break_each_row_is_a_paragraph() -> None:
    assert shown(50) == [
        "2026-11-22 01:24:02.848  router re[0]",
        "  next hop 2001:db8:cd:1::1",
        "  communities 65000:100:200 65000:1:b:2",
        "2026-11-22 01:24:08.943  router re[/bold]",
    ]


def test_a_program_that_reads_gets_a_table_at_any_width() -> None:
    assert shown(50, terminal=False)[0].split()[0] == "received"
    assert len(shown(50, terminal=False)) > len(ROWS) + 1


def test_no_text_is_markup() -> None:
    file = StringIO()
    print_rows(plain(file, piped=160), HEADINGS, ROWS)
    assert [line.rstrip() for line in file.getvalue().splitlines()] == WIDE


def test_what_a_router_calls_itself_cannot_hide_it_or_end_the_status(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = ["re[0]", "re[/bold]", "2001:db8:cd:1::1", "rr :bomb:"]
    feeds = [{"router": name, "feed": "bmp", "state": "complete"} for name in names]
    status.show(answer_of(feeds=feeds), plain(piped=160))
    out = capsys.readouterr().out
    assert all(f"\n{name} " in out for name in names), out
