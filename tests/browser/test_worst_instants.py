"""Pages at the moments at which they are most easily wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from anchorwatch.board.live import SHOWN
from tests.browser.conftest import Window
from tests.integration.installation import ROUTE, Installation
from tests.integration.test_board import ADVERTISED, STRANGER
from tests.integration.test_cutover import says, steady, with_a_cutover
from tests.unit.wire.build import initiation, peer_up

BREAKS_OFF = """() => {
  const real = window.fetch;
  window.broken = 0;
  window.fetch = (...asked) => {
    if (window.broken++) return real(...asked);
    const body = new ReadableStream({ start: (body) => body.error(new TypeError("broken off")) });
    return Promise.resolve(new Response(body));
  };
}"""
"""Of the next answer the head comes, and of its body nothing."""


def test_a_page_whose_answer_breaks_off_asks_again(tmp_path: Path, window: Window) -> None:
    here, page = with_a_cutover(tmp_path), window.page
    with here.running(), here.connect() as router:
        router.sendall(steady())
        page.goto(f"http://127.0.0.1:{here.web}/cutovers/move%2F1")
        expect(page.locator("#who")).to_contain_text("seen at 1 of 1 vantage point")
        page.wait_for_timeout(4000)  # what was asked for later has come
        page.evaluate(BREAKS_OFF)
        router.sendall(says("10.0.1.1", advertise=True))
        expect(page.locator("[aria-current=step] b")).to_have_text("both")
        assert page.evaluate("window.broken") > 1
    assert not [said for said in window.complaints if "broken off" in said]


def test_a_cutover_that_the_intent_no_longer_has_is_not_shown_as_live(
    tmp_path: Path, window: Window
) -> None:
    here, page = with_a_cutover(tmp_path), window.page
    intent = tmp_path / "intent.yaml"
    whole = intent.read_text()
    with here.running(), here.connect() as router:
        router.sendall(steady())
        page.goto(f"http://127.0.0.1:{here.web}/cutovers/move%2F1")
        expect(page.locator("#who")).to_contain_text("seen at 1 of 1 vantage point")
        intent.write_text(whole[: whole.index("cutovers:")])
        expect(page.locator("main")).to_contain_text("the intent has no cutover 'move/1'")
        expect(page.locator("#who")).to_have_count(0)
        intent.write_text(whole)
        expect(page.locator("#who")).to_contain_text("seen at 1 of 1 vantage point")


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_a_board_that_is_opened_late_counts_its_incidents_in_the_title(
    here: Installation, window: Window
) -> None:
    page = window.page
    with here.running(), here.connect() as router:
        router.sendall(initiation(name="r1") + peer_up() + ROUTE)
        router.sendall(peer_up(STRANGER) + ADVERTISED)
        page.goto(f"http://127.0.0.1:{here.web}/")
        expect(page.locator("[data-section=incidents] > li")).to_have_count(1)
        page.goto(f"http://127.0.0.1:{here.web}/")
        expect(page.locator("#connection")).to_contain_text("live")
        assert page.title() == "(1) anchorwatch"


def test_what_does_not_fit_on_the_board_is_counted_rightly(
    here: Installation, window: Window
) -> None:
    """The board was opened while all of it was there, and then there was more."""
    counts = {**dict.fromkeys(SHOWN, 0), "incidents": 200, "services": 500}
    state = {"number": 5, "head": "", "counts": counts} | dict.fromkeys(SHOWN, ())
    state |= {
        name: [{"id": f"{n}", "html": f"<li data-id={n}>one</li>"} for n in range(SHOWN[name])]
        for name in ("incidents", "services")
    }
    told = f"event: state\nid: run-5\ndata: {json.dumps(state)}\n\n"

    def answer(route: Route) -> None:
        route.fulfill(body=told, content_type="text/event-stream")

    page = window.page
    with here.running():
        page.route("**/api/v1/stream**", answer)
        page.goto(f"http://127.0.0.1:{here.web}/")
        expect(page.locator("[data-more=services]")).to_contain_text("The worst 60 of 500 are here")
        expect(page.locator("[data-more=incidents]")).to_contain_text("The worst 40 of 200 are")
        assert page.title() == "(200) anchorwatch"


FOCUSED = "document.activeElement.getAttribute('href')"


def test_who_reads_by_keyboard_keeps_the_focus_and_the_place(
    tmp_path: Path, window: Window
) -> None:
    """An item changes, another one moves, and the whole state comes anew."""
    here, page = with_a_cutover(tmp_path), window.page
    page.set_viewport_size({"width": 1280, "height": 400})
    with here.running(), here.connect() as router:
        router.sendall(steady())
        page.goto(f"http://127.0.0.1:{here.web}/")
        expect(page.locator(".who").first).to_contain_text("seen at 1 of 1 vantage point")
        page.locator(".cutover .title-link").focus()
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        place = page.evaluate("scrollY")
        router.sendall(says("10.0.1.1", advertise=True))
        expect(page.locator("[aria-current=step] b")).to_have_text("both")
        assert page.evaluate(FOCUSED) == "/cutovers/move%2F1"
        assert abs(page.evaluate("scrollY") - place) < 150
        assert place > 150
    with here.running():
        expect(page.locator("#connection")).to_contain_text("● live")
        assert page.evaluate(FOCUSED) == "/cutovers/move%2F1"
