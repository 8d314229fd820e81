"""Pages about one thing that keep themselves up to date, over a restart too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Window, keep
from tests.integration.installation import ROUTE, Installation
from tests.integration.test_board import ADVERTISED, STRANGER
from tests.integration.test_cutover import says, steady, with_a_cutover
from tests.unit.wire.build import initiation, peer_up

UNREACHED = "Failed to load resource: net::ERR_"
"""What the console says while nobody answers."""
WHERE = "document.activeElement.getBoundingClientRect().top"
IN_WORDS = "document.querySelector('svg.swimlane desc').textContent"


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def stays(page: Page) -> None:
    """The page is the one that was opened: nobody loaded it again."""
    assert page.evaluate("window.opened") == "once"


def test_an_incident_tells_what_is_new_and_the_reader_keeps_the_place(
    here: Installation, window: Window
) -> None:
    page = window.page
    board = f"http://127.0.0.1:{here.web}/"
    with here.running(), here.connect() as router:
        router.sendall(initiation(name="r1") + peer_up() + ROUTE)
        router.sendall(peer_up(STRANGER) + ADVERTISED)
        page.goto(board)
        page.locator("[data-section=incidents] a").first.click()
        expect(page.locator("#connection")).to_contain_text("live")
        page.evaluate("window.opened = 'once'")
        expect(page.locator(".story")).to_contain_text("It is still open.")
        keep(page, "incident")
        page.locator("details summary").first.click()
        page.evaluate("scrollTo(0, 400)")
        page.locator("#around .wide").focus()
        place = page.evaluate(WHERE)
        router.sendall(says("10.0.1.1", advertise=False))
        expect(page.locator(".word.is-resolved")).to_have_count(1)
        expect(page.locator(".story")).to_contain_text("it was resolved")
        assert page.locator("details").first.get_attribute("open") is None
        assert page.evaluate("document.activeElement.ariaLabel") == "Messages around it"
        assert abs(page.evaluate(WHERE) - place) < 150  # what came above it has moved it little
        stays(page)
    assert [said for said in window.complaints if UNREACHED not in said] == []


def test_a_cutover_is_followed_on_its_page_over_a_restart(tmp_path: Path, window: Window) -> None:
    here, page = with_a_cutover(tmp_path), window.page
    current = page.locator("[aria-current=step] b")
    with here.running(), here.connect() as router:
        router.sendall(steady())
        page.goto(f"http://127.0.0.1:{here.web}/cutovers/move%2F1")
        page.evaluate("window.opened = 'once'")
        expect(current).to_have_text("armed")
        router.sendall(says("10.0.1.1", advertise=True))
        expect(current).to_have_text("both")
        expect(page.locator("#now .timer .figure").nth(0)).to_contain_text("left")
        page.locator("#proofs summary").first.click()
    expect(page.locator("#connection")).to_contain_text("not connected")
    with here.running(), here.connect() as router:
        expect(page.locator("#connection")).to_contain_text("● live")
        expect(current).to_have_text("both")
        router.sendall(steady() + says("10.0.1.1", advertise=True))
        expect(page.locator("#who")).to_contain_text("seen at 1 of 1 vantage point")
        router.sendall(says("10.0.0.1", advertise=False))
        expect(current).to_have_text("complete")
        page.wait_for_function(f"{IN_WORDS}.includes('complete at')")
        told = page.evaluate(IN_WORDS)
        assert re.search(r"legacy-pe \(old site\): .*advertised.*not seen \(nobody watched\)", told)
        keep(page, "cutover")
        stays(page)
        page.goto(f"http://127.0.0.1:{here.web}/")
        expect(page.locator("li.cutover")).to_contain_text("complete")
    assert [said for said in window.complaints if UNREACHED not in said] == []


NOW_IS_IN_VIEW = """() => {
  const lanes = document.querySelector("[data-moves]");
  const box = lanes?.getBoundingClientRect();
  const used = lanes?.querySelector("rect.used")?.getBoundingClientRect();
  return used && used.right > box.left && used.right < box.right;
}"""


@pytest.mark.parametrize("path", ["", "cutovers/move%2F1"])
def test_on_a_phone_now_is_in_view(tmp_path: Path, phone: Window, path: str) -> None:
    here, page = with_a_cutover(tmp_path), phone.page
    intent = tmp_path / "intent.yaml"
    intent.write_text(intent.read_text().replace("max_overlap: 10m", "deadline: 2s"))
    with here.running(), here.connect() as router:
        router.sendall(steady())
        page.goto(f"http://127.0.0.1:{here.web}/{path}")
        expect(page.locator("li.cutover .lanes, #now .lanes").first).to_be_visible()
        router.sendall(says("10.0.1.1", advertise=True))
        expect(page.locator(".timer.over[data-ends]")).to_have_count(1)
        page.wait_for_function(NOW_IS_IN_VIEW, timeout=20_000)
        left = page.evaluate("document.querySelector('[data-moves]').scrollLeft")
        assert left > 0
        keep(page, "phone-cutover")
        # Who looks elsewhere is left alone.
        page.evaluate("document.querySelector('[data-moves]').scrollLeft = 0")
        drawn = page.evaluate("document.querySelector('.lanes svg').outerHTML")
        page.wait_for_function(
            "old => document.querySelector('.lanes svg').outerHTML !== old", arg=drawn
        )
        assert page.evaluate("document.querySelector('[data-moves]').scrollLeft") == 0
    assert [said for said in phone.complaints if UNREACHED not in said] == []


def test_a_page_that_is_not_live_stands_still_and_says_of_when_it_is(
    tmp_path: Path, window: Window
) -> None:
    here, page = with_a_cutover(tmp_path), window.page
    with here.running(), here.connect() as router:
        router.sendall(steady() + says("10.0.1.1", advertise=True))
        page.goto(f"http://127.0.0.1:{here.web}/")
        expect(page.locator(".timer[data-ends] .figure")).to_contain_text("left")
        for path in ("cutovers", "services", "prefix/192.0.2.50%2F32"):
            page.goto(f"http://127.0.0.1:{here.web}/{path}")
            expect(page.locator("main")).to_contain_text("As of ")
            moving = page.locator(".figure, [data-age], [data-lasted], [data-until]")
            told = moving.all_inner_texts()
            assert told, path
            lasted = page.locator("[data-lasted]").all_inner_texts()
            assert all(re.fullmatch(r"for (a moment|\d+ (s|min))", text) for text in lasted), lasted
            assert lasted or path == "cutovers"
            page.wait_for_timeout(1500)
            assert moving.all_inner_texts() == told, path
    assert window.complaints == []


def test_what_is_not_connected_stands_still(tmp_path: Path, window: Window) -> None:
    here, page = with_a_cutover(tmp_path), window.page
    figure = page.locator(".timer[data-ends] .figure")
    with here.running(), here.connect() as router:
        router.sendall(steady() + says("10.0.1.1", advertise=True))
        page.goto(f"http://127.0.0.1:{here.web}/")
        expect(figure).to_contain_text("left")
        told = figure.inner_text()
        expect(figure).not_to_have_text(told)  # it is live, and runs down
    expect(page.locator("#connection")).to_contain_text("not connected")
    told = figure.inner_text()
    page.wait_for_timeout(1500)
    assert figure.inner_text() == told
