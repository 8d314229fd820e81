"""The picture of a cutover: everything is in it, where it belongs, and names are only names."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from anchorwatch.pictures.marks import TITLE
from anchorwatch.pictures.scale import SECOND, exact
from anchorwatch.pictures.swimlane import (
    CHARACTER,
    WIDTH,
    Bar,
    Lane,
    Look,
    Mark,
    Swimlane,
    frame,
    in_words,
    swimlane,
)

T = 1_796_162_400 * SECOND
"""2026-12-01T22:00:00Z."""
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<b>\"&'</title><script>"


def at(seconds: float) -> int:
    return T + round(seconds * SECOND)


def bar(look: Look, since: float, until: float, label: str = "") -> Bar:
    return Bar(look, at(since), at(until), label)


def drawn(*marks: Mark, name: str = "legacy-pe", ended: float = 42, **more: int) -> Swimlane:
    lanes = (
        Lane(name, "old site", (bar(Look.ADVERTISED, -10, 30, "2 of 2"),)),
        Lane("new-pe1", "new site", (bar(Look.ABSENT, -10, 0), bar(Look.ADVERTISED, 0, 80))),
        Lane("gap", "none allowed", (bar(Look.NOBODY, 31, 31.0005, "0.5 ms"),)),
    )
    times = {"begun": at(0), "ended": at(ended), "deadline": at(60)} | more
    return Swimlane(f"move of {name}", at(-20), at(80), lanes, marks, **times)


def parsed(picture: Swimlane) -> ET.Element:
    return ET.fromstring(swimlane(picture))  # noqa: S314 - our own picture


def of_class(picture: ET.Element, kind: str) -> list[ET.Element]:
    return [each for each in picture.iter() if kind in each.get("class", "").split()]


def texts(picture: ET.Element) -> list[str]:
    return [each.text or "" for each in picture.iter(f"{SVG}text")]


def x_of(picture: ET.Element, seconds: float) -> float:
    """Where a moment must be, by the two bars whose ends are known."""
    old, _ = (
        each for each in of_class(picture, "advertised") if each.find(f"{SVG}title") is not None
    )
    begin, width = float(old.get("x", "")), float(old.get("width", ""))
    return begin + width * (seconds + 10) / 40


def test_bars_marks_and_the_deadline_stand_where_their_time_is() -> None:
    picture = parsed(drawn(Mark(at(0), "begun"), Mark(at(42), "complete")))
    (total,) = of_class(picture, "used")
    assert float(total.get("x", "")) == pytest.approx(x_of(picture, 0), abs=0.2)
    assert float(total.get("width", "")) == pytest.approx(
        x_of(picture, 42) - x_of(picture, 0), abs=0.2
    )
    lines = [float(line.get("x1", "")) for line in of_class(picture, "mark")]
    assert sorted(lines) == pytest.approx([x_of(picture, 0), x_of(picture, 42)], abs=0.2)
    (deadline,) = of_class(picture, "deadline")
    assert float(deadline.get("x1", "")) == pytest.approx(x_of(picture, 60), abs=0.2)
    assert {"begun 22:00:00.000", "complete 22:00:42.000", "deadline 22:01:00.000"} <= {
        *texts(picture)
    }
    assert "42 s of 1 min" in texts(picture)
    assert "late" not in (total.get("class") or "")


def test_what_is_short_is_drawn_all_the_same_and_said() -> None:
    picture = parsed(drawn())
    nobody = [each for each in of_class(picture, "nobody") if each.find(f"{SVG}title") is not None]
    assert [float(each.get("width", "")) for each in nobody] == [2.0]
    assert "0.5 ms" in texts(picture)


def test_words_that_have_no_room_are_left_out_and_never_stand_in_another_bar() -> None:
    bars = (bar(Look.ADVERTISED, 0, 1, "2 of 2"), bar(Look.ABSENT, 1, 80))
    picture = parsed(Swimlane("move", at(-20), at(80), (Lane("pe", "old site", bars),)))
    assert "2 of 2" not in texts(picture)
    titles = [each.findtext(f"{SVG}title") or "" for each in of_class(picture, "advertised")]
    assert titles[0].startswith("advertised (2 of 2) from 2026-12-01 22:00:00.000")


def test_what_is_late_says_so_in_words() -> None:
    picture = parsed(drawn(ended=75))
    (total,) = of_class(picture, "late")
    assert "1 min 15 s of 1 min, too late" in texts(picture)
    assert float(total.get("width", "")) > x_of(picture, 60) - x_of(picture, 0)


def test_without_a_first_step_no_clock_runs() -> None:
    picture = parsed(drawn(begun=0, deadline=0))
    assert not of_class(picture, "used")
    assert not of_class(picture, "deadline")
    assert "total" not in texts(picture)


def test_words_of_marks_never_lie_on_each_other() -> None:
    marks = [Mark(at(each / 10), f"step {each}", fault=each % 2 == 0) for each in range(12)]
    marks += [Mark(at(79), "late one"), Mark(at(79.9), "later one"), Mark(at(200), "outside")]
    words = of_class(parsed(drawn(*marks)), "marked")
    spans: dict[str, list[tuple[float, float]]] = {}
    for word in words:
        if (word.text or "").split()[0] not in ("step", "late", "later", "deadline"):
            continue
        size, x = 7.0 * len(word.text or ""), float(word.get("x", ""))
        span = (x - size, x) if word.get("text-anchor") == "end" else (x, x + size)
        assert span[0] >= 0
        assert span[1] <= WIDTH
        for other in spans.setdefault(word.get("y", ""), []):
            assert span[1] <= other[0] or span[0] >= other[1], word.text
        spans[word.get("y", "")].append(span)
    assert sum(map(len, spans.values())) == 15
    assert "outside 22:03:20.000" not in {word.text for word in words}


def test_a_hostile_name_is_a_name() -> None:
    picture = parsed(drawn(Mark(at(0), HOSTILE), name=HOSTILE))
    assert HOSTILE in texts(picture)
    assert f"{HOSTILE} 22:00:00.000" in texts(picture)
    assert not list(picture.iter("script"))
    (title,) = (each for each in picture.findall(f"{SVG}title"))
    assert title.text == f"move of {HOSTILE}"


def test_it_is_told_in_words() -> None:
    words = in_words(drawn(Mark(at(0), "begun")))
    assert words.startswith(
        "legacy-pe (old site): advertised (2 of 2) from 2026-12-01 21:59:50.000 to "
        "2026-12-01 22:00:30.000, 40 s."
    )
    assert "nobody (0.5 ms) from 2026-12-01 22:00:31.000" in words
    assert words.endswith(
        "begun at 2026-12-01 22:00:00.000. The deadline is 2026-12-01 22:01:00.000."
    )


def test_two_pictures_of_a_page_share_no_id() -> None:
    first, second = (
        {each.get("id") for each in ET.fromstring(swimlane(drawn(), ids)).iter()}  # noqa: S314
        for ids in ("a", "b")
    )
    assert first & second == {None}


@pytest.mark.parametrize(
    ("ended", "deadline", "shown"),
    [(42, 60, True), (42, 180, False), (42, 10, True), (0, 10, False), (13, 50, True)],
)
def test_the_frame_holds_all_that_happened_and_a_deadline_that_is_near(
    ended: int, deadline: int, *, shown: bool
) -> None:
    since, until = frame(at(0), at(ended), at(deadline))
    assert since < at(0)
    assert until > at(ended)
    assert (since <= at(deadline) <= until) is shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.0004, "0 s"),
        (0.25, "0.25 s"),
        (42.12, "42.12 s"),
        (60, "1 min"),
        (162.1204, "2 min 42.12 s"),
        (59.9996, "1 min"),
        (3600, "1 h"),
        (3601, "1 h 1 s"),
        (3661.5, "1 h 1 min 1.5 s"),
    ],
)
def test_a_length_to_the_millisecond(seconds: float, words: str) -> None:
    assert exact(round(seconds * SECOND)) == words


def test_no_line_strikes_the_words_of_another_mark() -> None:
    """The deadline's words stand left of it, so that `moved` is above, and its line comes down."""
    picture = parsed(drawn(Mark(at(30), "incident"), Mark(at(42), "moved"), deadline=at(76)))
    words = {(each.text or "").split()[0]: each for each in of_class(picture, "marked")}
    (line,) = [
        each
        for each in of_class(picture, "mark")
        if float(each.get("x1", "")) == pytest.approx(x_of(picture, 42), abs=0.2)
    ]
    begin = float(words["incident"].get("x", ""))
    end = begin + 7 * len("incident 22:00:30.000")
    assert begin < float(line.get("x1", "")) < end
    assert float(line.get("y1", "")) > float(words["incident"].get("y", ""))


def test_the_words_of_the_axis_stand_before_the_lines_with_paper_around_them() -> None:
    picture = parsed(drawn(Mark(at(0), "both"), Mark(at(42), "moved")))
    order = list(picture.iter())
    lines = [order.index(each) for kind in ("mark", "deadline") for each in of_class(picture, kind)]
    axis = [each for each in of_class(picture, "dim") if (each.text or "").startswith("22:0")]
    assert len(axis) > 3
    for each in axis:
        assert "marked" in (each.get("class") or "").split()
        assert order.index(each) > max(lines)


def test_a_long_name_ends_before_its_bars_and_is_whole_where_a_pointer_rests() -> None:
    name = "edge-router-<of>-the-second-datacenter-" * 4
    picture = parsed(drawn(name=name))
    labels = [each for each in picture.iter(f"{SVG}text") if each.find(f"{SVG}title") is not None]
    assert [each.findtext(f"{SVG}title") for each in labels] == [f"move of {name}", name]
    title, label = (each[0].tail or "" for each in labels)
    spoken = [each for each in of_class(picture, "advertised") if len(each)]
    bars = min(float(each.get("x", 0)) for each in spoken)
    assert 16 + CHARACTER * len(label) < bars
    assert 16 + TITLE * len(title) < WIDTH
    for shown in (title, label):
        first, _, last = shown.partition("…")
        assert f"move of {name}".find(first) >= 0
        assert name.endswith(last)


def test_a_name_that_fits_is_left_alone() -> None:
    assert "legacy-pe" in texts(parsed(drawn()))
