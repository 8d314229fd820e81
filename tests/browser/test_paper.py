"""Pages where there is little room: on paper, and on a phone with long names."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader

from tests.browser.conftest import Window
from tests.integration.test_cutover import says, steady, with_a_cutover

CUT = """() => [...document.querySelectorAll('.wide, pre')]
  .filter((each) => each.scrollWidth > each.clientWidth + 1).map((each) => each.outerHTML)"""


@pytest.mark.parametrize("path", ["", "cutovers/move%2F1"])
def test_on_paper_a_page_is_white_whole_and_of_a_moment(
    tmp_path: Path, window: Window, path: str
) -> None:
    here, page = with_a_cutover(tmp_path), window.page
    with here.running(), here.connect() as router:
        router.sendall(steady())
        page.emulate_media(color_scheme="dark")
        page.goto(f"http://127.0.0.1:{here.web}/{path}")
        opened = page.evaluate("document.body.dataset.time")
        router.sendall(says("10.0.1.1", advertise=True))
        expect(page.locator("[aria-current=step] b")).to_have_text("both")
        page.wait_for_function("document.querySelector('.lanes svg')")
        page.emulate_media(media="print", color_scheme="dark")
        page.set_viewport_size({"width": 718, "height": 1000})  # A4
        style = "getComputedStyle(document.body)"
        colours = page.evaluate(f"[{style}.color, {style}.backgroundColor]")
        assert colours == ["rgb(31, 35, 40)", "rgb(255, 255, 255)"]
        assert page.evaluate(CUT) == []
        paper = PdfReader(BytesIO(page.pdf(format="A4")))
        text = " ".join(" ".join(each.extract_text().split()) for each in paper.pages)
        (moment,) = re.findall(r"anchorwatch, as of (\S+Z)", text)
        assert moment > opened  # it is of what is shown


def test_long_names_fit_a_phone(tmp_path: Path, phone: Window) -> None:
    here, page = with_a_cutover(tmp_path), phone.page
    intent = tmp_path / "intent.yaml"
    site, name = "edge-router-of-the-second-datacenter-" * 3, "move_" * 30
    intent.write_text(intent.read_text().replace("new-pe1", site).replace("move/1", name))
    with here.running(), here.connect() as router:
        router.sendall(steady() + says("10.0.1.1", advertise=True))
        for path in ("", "cutovers", "services", f"cutovers/{name}"):
            page.goto(f"http://127.0.0.1:{here.web}/{path}")
            expect(page.locator("main")).to_contain_text(site, timeout=10_000)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
