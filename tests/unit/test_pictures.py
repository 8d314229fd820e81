"""Timelines as people see them: in the terminal, and as SVG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from anchorwatch.pictures.page import hex_lines
from anchorwatch.pictures.scale import DAY, HOUR, MINUTE, SECOND, clock, length, ticks
from anchorwatch.pictures.svg import CHARACTER, picture
from anchorwatch.pictures.terminal import bar, lines
from collector.store.timeline import Lane, Span, State, Timeline

START = 1_796_162_400 * SECOND
"""2026-12-01T22:00:00Z."""
A, B, C, D = State.ADVERTISED, State.ABSENT, State.BLIND, State.NOT_YET_KNOWN
SVG = "{http://www.w3.org/2000/svg}"


def lane(*marks: tuple[int, State], place: str = "pe1", until: int = 100) -> Lane:
    """A lane by the seconds at which its states begin."""
    ends = [at for at, _ in marks[1:]] + [until]
    spans = tuple(
        Span(state, START + at * SECOND, START + end * SECOND, f"why {state}")
        for (at, state), end in zip(marks, ends, strict=True)
    )
    return Lane("192.0.2.50/32", "", place, ("r1",), spans, (START + 30 * SECOND,))


def timeline(*lanes: Lane, until: int = 100) -> Timeline:
    return Timeline("192.0.2.50/32", START, START + until * SECOND, lanes)


def parsed(drawn: Timeline) -> ET.Element:
    return ET.fromstring(picture(drawn))  # noqa: S314 - our own picture


def shown(drawn: Timeline, width: int = 60, *, plain: bool = False) -> list[str]:
    return [line.plain for line in lines(drawn, width, plain=plain)]


def test_each_state_has_a_glyph_of_its_own() -> None:
    drawn = timeline(lane((0, D), (20, A), (50, B), (80, C)))
    head, axis, line, last, legend = shown(drawn, 46)
    assert head == (
        "192.0.2.50/32, 2026-12-01 22:00:00.000 to 2026-12-01 22:01:40.000 UTC (1 min 40 s)"
    )
    assert axis.split() == ["╷22:00", "╷22:01"]
    assert line == "pe1 " + " " * 8 + "█" * 12 + "·" * 12 + "░" * 8
    assert last.strip() == "blind since 2026-12-01 22:01:20.000 (why blind)"
    assert legend.startswith("█ advertised   · absent   ░ blind")
    plain = shown(drawn, 46, plain=True)
    assert plain[2] == "pe1 " + " " * 8 + "#" * 12 + "-" * 12 + "?" * 8
    assert all(text.isascii() for text in plain)


def test_what_is_shorter_than_a_cell_is_not_hidden() -> None:
    gap = timeline(lane((0, A), (50, B), (51, A)))
    cells = bar(gap.lanes[0], gap, 20)
    assert cells == [A] * 10 + [None] + [A] * 9
    at_the_end = timeline(lane((0, B), (99, A)))
    assert bar(at_the_end.lanes[0], at_the_end, 20)[-2:] == [B, None]
    # That nobody knew for a moment is no news.
    begun = timeline(lane((0, D), (1, A)))
    assert bar(begun.lanes[0], begun, 20) == [A] * 20


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_it_is_as_wide_as_the_terminal(width: int) -> None:
    drawn = timeline(lane((0, A), place="a place with a name that is rather long"))
    text = shown(drawn, width)
    assert "a place with a name that is rather long" in text[2]
    bars = [line for line in text if "█" in line and "advertised" not in line]
    assert len(bars) == 1
    assert len(bars[0]) <= max(width, 36)


def test_lanes_name_their_subject_where_there_are_several() -> None:
    first = lane((0, A))
    second = Lane("192.0.2.0/24", "65000:1", "pe1", ("r1",), first.spans, ())
    assert shown(timeline(first))[2].startswith("pe1 ")
    text = "\n".join(shown(timeline(first, second), 120))
    assert "192.0.2.50/32  pe1" in text
    assert "192.0.2.0/24  rd 65000:1  pe1" in text


def test_nothing_to_show() -> None:
    assert len(shown(timeline())) == 3
    assert parsed(timeline()).find(f"{SVG}desc") is not None


def test_the_picture_is_svg_that_tells_its_states_by_shape_too() -> None:
    place = "a <b> & \"c\" 'd'"
    root = parsed(timeline(lane((0, D), (20, A), (50, B), (80, C), place=place)))
    assert root.attrib["role"] == "img"
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert title.text == "Who held 192.0.2.50/32"
    assert desc is not None
    assert f"{place}: not yet known from 2026-12-01 22:00:00.000" in (desc.text or "")
    labelled = set(root.attrib["aria-labelledby"].split())
    assert labelled == {title.attrib["id"], desc.attrib["id"]}
    shapes = [e for e in root if e.find(f"{SVG}title") is not None]
    assert [e.attrib["class"] for e in shapes] == [
        *("not-yet-known", "advertised", "absent", "blind", "change"),
    ]
    assert [e.tag.removeprefix(SVG) for e in shapes] == ["rect", "rect", "path", "rect", "line"]
    said = shapes[1].find(f"{SVG}title")
    assert said is not None
    assert said.text == (
        "advertised from 2026-12-01 22:00:20.000 to 2026-12-01 22:00:50.000, 30 s (why advertised)"
    )


def test_the_picture_needs_nothing_from_elsewhere_and_has_two_colour_schemes() -> None:
    text = picture(timeline(lane((0, A), (50, C))))
    assert "@media screen and (prefers-color-scheme: dark)" in text
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert "@import" not in text
    assert "@font-face" not in text


def test_a_short_span_can_be_seen() -> None:
    drawn = timeline(lane((0, A), (50, C), (51, A), until=90_000), until=90_000)
    shapes = parsed(drawn).iter(f"{SVG}rect")
    widths = [float(e.attrib["width"]) for e in shapes if e.attrib["class"] == "blind"]
    assert min(widths) >= 1.5


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (5 * SECOND, ["22:00:00", "22:00:02", "22:00:04"]),
        (40 * MINUTE, ["22:00", "22:15", "22:30"]),
        (5 * HOUR, ["22:00", "12-02", "02:00"]),
        (40 * DAY, ["2026-12-03", "2026-12-17", "2026-12-31"]),
        (SECOND // 100, ["00.000", "00.005", "00.010"]),
        (0, ["00.000"]),
    ],
)
def test_ticks_are_round_moments(span: int, expected: list[str]) -> None:
    assert [name for _, name in ticks(START, START + span, 4)] == expected


def test_times_for_people() -> None:
    assert clock(START + 123_456_789) == "2026-12-01 22:00:00.123"
    assert [
        length(ns) for ns in (1_500_000, SECOND, 59_900_000_000, MINUTE, HOUR + 5 * MINUTE)
    ] == [
        *("1.5 ms", "1 s", "59.9 s", "1 min", "1 h 5 min"),
    ]
    assert length(3 * DAY + 2 * MINUTE) == "3 d"


def test_octets_in_lines() -> None:
    assert hex_lines(bytes(range(18))) == (
        "0000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f\n0010  10 11"
    )


def test_a_long_label_ends_before_its_spans() -> None:
    place = "2001:db8:1234:5678:9abc:def0:1234:5678/128 edge-router-of-the-second-datacenter"
    drawn = parsed(timeline(lane((0, A)), lane((0, A), place=place)))
    spans = min(
        float(each.get("x", 0))
        for each in drawn.iter(f"{SVG}rect")
        if each.find(f"{SVG}title") is not None
    )
    (label,) = (each[0].tail or "" for each in drawn.iter(f"{SVG}text") if len(each))
    assert label.startswith("2001:db8:")
    assert label.endswith("datacenter")
    assert 16 + CHARACTER * len(label) < spans
