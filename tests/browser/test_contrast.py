"""Words in pictures: every look of a bar, and whether what is hard to read is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pytest

from anchorwatch.pictures import swimlane
from anchorwatch.pictures.document import STYLE
from anchorwatch.pictures.scale import SECOND
from anchorwatch.pictures.svg import picture
from anchorwatch.pictures.swimlane import Bar, Look, Mark, Swimlane
from collector.store.timeline import Lane, Span, State, Timeline
from tests.browser.conftest import Window
from tests.browser.contrast import hard_to_read, words_in_pictures

LABEL = "2 of 3"


def every_look() -> str:
    """A bar of each look with words in it and one with words beside it, and all kinds of marks."""
    lanes = tuple(
        swimlane.Lane(
            look,
            "new site",
            (Bar(look, 0, 50 * SECOND, LABEL), Bar(look, 70 * SECOND, 71 * SECOND, LABEL)),
        )
        for look in Look
    )
    marks = (Mark(10 * SECOND, "begun"), Mark(40 * SECOND, "incident", fault=True))
    return swimlane.swimlane(
        Swimlane(
            title="move",
            since=0,
            until=100 * SECOND,
            lanes=lanes,
            marks=marks,
            begun=10 * SECOND,
            ended=90 * SECOND,
            deadline=60 * SECOND,
        )
    )


def every_state() -> str:
    spans = tuple(
        Span(state, at * 10 * SECOND, (at + 1) * 10 * SECOND, "") for at, state in enumerate(State)
    )
    lane = Lane("192.0.2.50/32", "", "new-pe1", ("r1",), spans, (SECOND,))
    marks = (Mark(10 * SECOND, "opened", fault=True), Mark(30 * SECOND, "resolved"))
    return picture(Timeline("192.0.2.50/32", 0, 40 * SECOND, (lane,)), marks=marks)


def page(*pictures: str) -> str:
    return f"<!doctype html><style>{STYLE}</style><body>{''.join(pictures)}</body>"


def found(window: Window) -> dict[str, float]:
    return {each["words"]: round(each["contrast"], 2) for each in words_in_pictures(window.page)}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_look_of_a_bar_can_be_read(window: Window, scheme: Literal["light", "dark"]) -> None:
    window.page.emulate_media(color_scheme=scheme)
    window.page.set_content(page(every_look(), every_state()))
    words: Sequence[str] = [each["words"] for each in words_in_pictures(window.page)]
    assert words.count(LABEL) == 2 * len(Look)
    assert {*Look, *State} <= {*words}
    assert {"opened 00:00:10.000", "resolved 00:00:30.000"} <= {*words}
    assert hard_to_read(window.page) == []


def test_the_contrast_is_that_of_wcag(window: Window) -> None:
    window.page.set_content(
        """<body style="background: #fff"><svg width="900" height="200">
        <text x="0" y="20">paper</text>
        <text x="0" y="40" fill="#777">grey</text>
        <text x="0" y="60" fill="#000" opacity=".5">faint</text>
        <text x="0" y="90" fill="#777" style="font-size: 24px">large</text>
        <rect x="100" width="200" height="100" fill="#000"/>
        <rect x="300" width="200" height="100" fill="#777"/>
        <text x="110" y="20" fill="#fff">white</text>
        <text x="110" y="40" fill="#777">greyer</text>
        <text x="280" y="60" fill="#fff" textLength="100">reaches over</text>
        <text x="310" y="20" fill="#fff" stroke="#000" stroke-width="4"
          style="paint-order: stroke">halo</text>
        <defs><pattern id="p" width="6" height="6" patternUnits="userSpaceOnUse">
          <line x2="6" stroke="#767676"/></pattern></defs>
        <rect x="500" width="200" height="100" fill="url(#p)"/>
        <text x="510" y="20">hatched</text>
        <text x="510" y="40" fill="none"> </text>
        <rect x="0" y="110" width="200" height="40" fill="none"/>
        <text x="10" y="130">hollow</text>
        </svg></body>"""
    )
    assert found(window) == {
        "paper": 21.0,
        "grey": 4.48,
        "faint": 3.98,
        "large": 4.48,
        "white": 21.0,
        "greyer": 4.69,
        "reaches over": 4.48,
        "halo": 21.0,
        "hatched": 4.62,
        "hollow": 21.0,
    }
    assert hard_to_read(window.page) == ["'grey': 4.48", "'faint': 3.98", "'reaches over': 4.48"]
