"""Reports in a real browser: readable on every screen, and whole on paper."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from pypdf import PdfReader

from tests.browser.conftest import Window
from tests.browser.contrast import hard_to_read, words_in_pictures
from tests.browser.test_access import RULES, violations
from tests.integration.stored_story import incident, said, story

__all__ = ["story"]  # a fixture
Scheme = Literal["light", "dark"]
KEPT = os.environ.get("ANCHORWATCH_SCREENSHOTS")
CONTRAST = """
() => {
  const light = (text) => {
    const part = text.match(/[\\d.]+/g).slice(0, 3).map((each) => {
      const value = each / 255;
      return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const of = (each) => {
    const ink = light(getComputedStyle(each).color);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  };
  const words = [...document.querySelectorAll("h1, h2, p, td, th, dt, dd, b, span")];
  return Math.min(...words.map(of));
}
"""
"""The least contrast of words against the paper (WCAG 2)."""


@pytest.fixture(scope="module")
def reports(story: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A report of each kind."""
    folder = tmp_path_factory.mktemp("reports")
    names = ("cutover-web-cutover", "cutover-beast-cutover", "incident")
    files = {name: folder / f"{name}.html" for name in names}
    intent = ["--intent", str(story / "intent.yaml")]
    for each in said(
        story,
        *(
            ["cutover", "report", name, *intent, "--output", str(folder)]
            for name in ("web-cutover", "beast-cutover")
        ),
        [
            "incident",
            incident(story, kill_switch=True),
            *intent,
            "--report",
            str(files["incident"]),
        ],
    ):
        assert each.status == 0, each.err
    return files


def keep(window: Window, name: str) -> None:
    """A picture for people, where they want one."""
    if KEPT:
        window.page.screenshot(path=Path(KEPT) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("name", ["cutover-web-cutover", "cutover-beast-cutover", "incident"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_on_a_screen_nothing_is_fetched_and_all_is_readable(
    browser: Browser, reports: dict[str, Path], name: str, scheme: Scheme, width: int
) -> None:
    window = Window(browser, width=width)
    asked: list[str] = []
    window.page.on("request", lambda request: asked.append(request.url))
    window.page.emulate_media(color_scheme=scheme)
    window.page.goto(reports[name].as_uri())
    assert asked == [reports[name].as_uri()]
    assert window.page.evaluate(CONTRAST) >= 4.5
    assert len(words_in_pictures(window.page)) > 5
    assert hard_to_read(window.page) == []
    found = Axe().run(window.page, options=RULES).response
    assert len(found["passes"]) > 8
    assert violations(found) == []
    over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert window.page.evaluate(over) <= 0, "the page itself does not scroll sideways"
    assert window.complaints == []
    keep(window, f"{name}-{scheme}-{width}")
    window.close()


def test_on_paper_nothing_is_cut(browser: Browser, reports: dict[str, Path]) -> None:
    window = Window(browser)
    window.page.emulate_media(color_scheme="dark")  # paper is white for those, too
    window.page.goto(reports["cutover-beast-cutover"].as_uri())
    paper = PdfReader(BytesIO(window.page.pdf(prefer_css_page_size=True)))
    sizes = {(round(page.mediabox.width), round(page.mediabox.height)) for page in paper.pages}
    assert sizes == {(595, 842)}  # A4, as the page says itself
    assert 2 <= len(paper.pages) <= 8
    texts = [" ".join(page.extract_text().split()) for page in paper.pages]
    text = " ".join(texts)
    for words in (
        "Complete, but the deadline was missed and both sites advertised for too long",
        "both sites advertise, at the longest 6.101 s 4 s not kept",
        "controller bmp adj-in-pre peer 10.0.9.9 3 seen gone 2026-11-21 05:39:25.976 withdrawn",
        "flushed: every vantage point that showed rules shows none",
        "The watch was blind to controller",
        "anchorwatch history 192.0.2.60/32",
    ):
        assert words in text, words
    window.page.emulate_media(media="print", color_scheme="dark")
    ink = window.page.evaluate("getComputedStyle(document.body).color")
    ground = window.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ink, ground) == ("rgb(31, 35, 40)", "rgb(255, 255, 255)")
    avoided = "[...document.querySelectorAll('tr, svg')].every("
    avoided += "each => getComputedStyle(each).breakInside === 'avoid')"
    assert window.page.evaluate(avoided)
    window.close()
