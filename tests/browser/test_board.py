"""The board in a real browser: a story from first to last, restarts, gaps, and small screens."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from anchorwatch.board.live import SHOWN
from tests.browser.conftest import PATIENCE, Window, keep
from tests.integration.installation import ROUTE, Installation
from tests.integration.test_board import ADVERTISED, STRANGER
from tests.unit.wire.build import initiation, peer_up
from tests.waiting import until

LIVE = "body.live"
KEEP_WHAT_IS_SHOWN = """
window.shown = [];
window.stages = [];
window.lanes = {};
window.deadlines = [];
addEventListener("DOMContentLoaded", () => {
  const look = () => {
    const text = (each) => document.querySelector(each)?.innerText.replace(/\\s+/g, " ") ?? "";
    const now = [text("#head"), text("[data-section=incidents]"), text("[data-section=services]")];
    if (JSON.stringify(now) !== JSON.stringify(shown.at(-1))) shown.push(now);
    for (const each of document.querySelectorAll("li.cutover")) {
      const phase = each.querySelector("[aria-current] b").innerText;
      const stage = [each.dataset.id, each.querySelector(".word").innerText.trim(), phase].join();
      if (!stages.includes(stage)) stages.push(stage);
      lanes[stage] = each.querySelector("svg.swimlane desc")?.textContent ?? "";
      const left = each.querySelector("[data-ends][data-since] .figure")?.innerText;
      const late = each.dataset.id === "cutover beast-cutover";
      if (late && left && left !== deadlines.at(-1)) deadlines.push(left);
    }
  };
  look();
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
});
"""


@dataclass
class Demo:
    """A demonstration whose story has been told, and what a board showed of it."""

    url: str
    shown: list[list[str]]
    stages: list[str]
    """Each stage and phase that a cutover was shown in, in order."""
    lanes: dict[str, str]
    """What the picture of each of these said last, in words."""
    deadlines: list[str]
    """What was told to be left for the faulty cutover, as it ran down."""
    complaints: list[str]


def ended(page: Page, out: Path, words: str) -> bool:
    """Whether the story has been told; what the board looks like in it is kept on the way."""
    if page.get_by_text("left over").count() and page.locator(".timer.over").count():
        keep(page, "board")
    return words in out.read_text()


@pytest.fixture(scope="module")
def demo(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    out = folder / "out"
    with out.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "anchorwatch", "demo", "--stay", "--folder", "here"],
            cwd=folder,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stdout=file,
            stderr=file,
        )
    window = Window(browser)
    try:
        found = until(
            lambda: re.search(r"The live board: (http://127.0.0.1:\d+/) ", out.read_text()),
            "the demo says where its board is",
            120,
            out.read_text,
        )
        window.page.add_init_script(KEEP_WHAT_IS_SHOWN)
        window.page.goto(found[1])
        words = "The board stays until Ctrl-C."
        until(lambda: ended(window.page, out, words), "the story's end", 240, out.read_text)
        expect(window.page.locator("[data-section=incidents] > li")).to_have_count(0)
        expect(window.page.locator("[data-section=rules] > li")).to_have_count(0)
        names = ("shown", "stages", "lanes", "deadlines")
        seen = {name: window.page.evaluate(name) for name in names}
        yield Demo(url=found[1], complaints=window.complaints, **seen)
    finally:
        window.close()
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert process.returncode == 0, out.read_text()
    assert "Try next" in out.read_text()


def test_the_story_of_the_demo_is_followed_from_first_to_last(demo: Demo) -> None:
    heads, incidents, services = ([each[n] for each in demo.shown] for n in range(3))
    assert not any("web-cutover" in text or "web (" in text for text in incidents)  # as planned
    stages = [
        "longer than the 4 s of overlap that cutover beast-cutover allows",
        "left over",
        "KILL SWITCH at controller",
    ]
    places = [next(n for n, text in enumerate(incidents) if stage in text) for stage in stages]
    assert places == sorted(places)
    assert "1 critical incident open" in heads[places[0]]
    assert "critical incidents open" in heads[places[2]]
    assert incidents[places[2]].upper().startswith("CRITICAL KILL SWITCH")
    assert "No incident is open" in heads[-1]
    assert "0 Flowspec rules" in heads[-1]
    assert any(
        re.search(r"web 192\.0\.2\.50/32 legacy-pe for (a moment|\d+ )", text) for text in services
    )
    assert re.search(r"web 192\.0\.2\.50/32 new-pe1 new home by cutover web-cutover", services[-1])
    assert demo.complaints == []


def test_the_cutovers_of_the_demo_are_drawn_from_first_step_to_last(demo: Demo) -> None:
    done, late = ("cutover web-cutover", "cutover beast-cutover")
    for name in (done, late):
        steps = [stage.split(",")[1:] for stage in demo.stages if stage.startswith(name)]
        assert steps[0] == ["armed", "armed"]
        assert ["under way", "both"] in steps
        assert steps[-1] == ["complete", "complete"]
    assert [late, "under way", "moved"] in [stage.split(",") for stage in demo.stages]
    told = demo.lanes[f"{late},complete,complete"]
    assert re.search(r"legacy-pe \(old site\): .*advertised.*; absent", told)
    # for a moment fewer may be held: rules and places come one after the other
    assert re.search(
        r"Flowspec rules \(migration-beast\): .*rules held \(3 rules at 2 places\)", told
    )
    assert re.search(r"both at .* moved at .* complete at .* The deadline is ", told)
    spans = [re.fullmatch(r"([\d.]+) s (left|over)", text) for text in demo.deadlines]
    words = [span[2] for span in spans if span]
    assert words == sorted(words)  # first left, then over
    left = [float(span[1]) for span in spans if span and span[2] == "left"]
    assert len(left) == left.index(min(left)) + 1 > 2  # it runs down, and never up
    assert left == sorted(left, reverse=True)


def the_kill_switch(demo: Demo) -> str:
    items = httpx.get(f"{demo.url}api/v1/incidents").json()["items"]
    (identity,) = [item["id"] for item in items if "0.0.0.0/0 port =179" in item["key"]]
    return str(identity)


def test_every_page_fits_a_phone_and_says_nothing_in_the_console(demo: Demo, phone: Window) -> None:
    page = phone.page
    page.goto(f"{demo.url}incidents/{the_kill_switch(demo)}")
    rule = page.get_attribute("a[href^='/flowspec/']", "href") or ""
    paths = ["", "incidents", "cutovers", "cutovers/beast-cutover", "services", "anycast"]
    paths += ["prefix/192.0.2.50/32", rule.lstrip("/")]
    for path in [*paths, f"incidents/{the_kill_switch(demo)}"]:
        page.goto(demo.url + path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, path
        assert page.evaluate("document.querySelectorAll('h1').length") == 1
        keep(page, f"phone-{re.sub('[^a-z]+', '-', path.partition('/')[0]) or 'board'}")
    assert phone.complaints == []


def test_the_slider_goes_back_in_time_by_keyboard(demo: Demo, window: Window) -> None:
    page = window.page
    page.goto(f"{demo.url}prefix/192.0.2.50/32")
    expect(page.locator("#routes td:first-child").first).to_have_text("new-pe1")
    slider = page.locator("#slider")
    slider.focus()
    page.keyboard.press("Home")
    since, until_ = (int(slider.get_attribute(f"data-{end}") or 0) for end in ("since", "until"))
    for _ in range(2_000_000_000_000 // (until_ - since) + 1):  # two seconds, of a thousand steps
        page.keyboard.press("ArrowRight")
    expect(page.locator("#routes td:first-child").first).to_have_text("legacy-pe")
    at = page.input_value("#at")
    assert at.endswith("Z")
    rib = f"anchorwatch rib 192.0.2.50/32 --at {at} --store "  # to be asked in the terminal, too
    expect(page.locator("main pre")).to_contain_text(rib)
    page.get_by_role("button", name="Show").click()  # the same without a slider
    expect(page.locator("#routes td:first-child").first).to_have_text("legacy-pe")
    assert window.complaints == []


def test_a_rule_says_which_clause_fails(demo: Demo, window: Window) -> None:
    page = window.page
    page.goto(f"{demo.url}incidents/{the_kill_switch(demo)}")
    expect(page.locator("svg.timeline")).to_have_count(1)
    page.locator("a[href^='/flowspec/']").click()
    expect(page.locator("h1")).to_have_text("destination 0.0.0.0/0 port =179")
    expect(page.locator("main")).to_contain_text("It could touch tcp/179, which is protected.")
    expect(page.locator("main")).to_contain_text(
        "destination-port is required and the rule has none"
    )
    assert window.complaints == []


def test_the_keyboard_leads_past_the_navigation(demo: Demo, window: Window) -> None:
    page = window.page
    page.goto(demo.url)
    page.wait_for_selector(LIVE)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to what matters"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


# Restarts, silence, gaps


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def connection(page: Page, text: str) -> None:
    expect(page.locator("#connection")).to_contain_text(text)


def test_after_a_restart_the_board_shows_the_new_run(here: Installation, window: Window) -> None:
    page = window.page
    with here.running(), here.connect() as router:
        router.sendall(initiation(name="r1") + peer_up() + ROUTE)
        router.sendall(peer_up(STRANGER) + ADVERTISED)
        page.goto(f"http://127.0.0.1:{here.web}/")
        expect(page.locator("[data-section=incidents] > li")).to_contain_text("new-pe1")
        connection(page, "live")
    connection(page, "not connected: this is what was at")
    assert page.evaluate("document.body.classList.contains('lost')")
    with here.running():
        connection(page, "● live")
        # Nobody sees the router now: the incident stays, and says so.
        expect(page.locator("[data-section=incidents] > li")).to_have_count(1)
        expect(page.locator("[data-section=services] > li").first).to_contain_text("unknown")
        with here.connect() as router:
            router.sendall(initiation(name="r2") + peer_up() + ROUTE)
            expect(page.locator("[data-section=feeds]")).to_contain_text("r2")


def test_a_server_that_says_nothing_is_noticed(here: Installation, window: Window) -> None:
    page = window.page
    with here.running() as process:
        page.goto(f"http://127.0.0.1:{here.web}/")
        connection(page, "● live")
        process.send_signal(signal.SIGSTOP)
        try:
            connection(page, "not connected")
        finally:
            process.send_signal(signal.SIGCONT)
        connection(page, "● live")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A program that several tests ask."""
    here = Installation(tmp_path_factory.mktemp("running"))
    with here.running():
        yield here


@pytest.mark.parametrize(("number", "known"), [(6, 6), (7, 5)])
def test_after_a_gap_the_whole_state_is_asked_for(
    running: Installation, window: Window, number: int, known: int
) -> None:
    """A change that follows another one than the page knows changes nothing."""
    asked: list[str] = []
    counts = dict.fromkeys(SHOWN, 0)
    state = {"number": 5, "head": "<b>told</b>", "counts": counts} | dict.fromkeys(counts, ())
    item = {"id": "x", "html": "<li data-id=x>news</li>", "after": None}
    change = {"number": number, "head": "", "counts": counts, "put": {"rules": [item]}, "gone": {}}
    said = "".join(
        f"event: {kind}\nid: run-{data['number']}\ndata: {json.dumps(data)}\n\n"
        for kind, data in (("state", state), ("change", change))
    )

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            route.fulfill(body=said, content_type="text/event-stream")
        else:
            route.abort()

    page = window.page
    page.route("**/api/v1/stream**", answer)
    page.goto(f"http://127.0.0.1:{running.web}/")
    while len(asked) < 2:  # the test's own limit ends it
        page.wait_for_timeout(20)
    assert asked[1].endswith(f"after=run-{known}")
    news = page.locator("[data-section=rules] > li")
    expect(news).to_have_count(1 if known == number else 0)


def test_a_browser_gives_the_token_as_a_password(here: Installation, browser: Browser) -> None:
    path = here.folder / "anchorwatch.yaml"
    (here.folder / "token").write_text("secret\n")
    listen = f"web: {{listen: 127.0.0.1:{here.web}"
    path.write_text(path.read_text().replace(listen, f"{listen}, token_file: token"))
    with here.running():
        context = browser.new_context(http_credentials={"username": "noc", "password": "secret"})
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{here.web}/")
        connection(page, "● live")
        context.close()


def test_what_the_network_says_runs_nothing(running: Installation, window: Window) -> None:
    name = "<img src=x onerror=document.title='owned'>"
    page = window.page
    with running.connect() as router:
        page.goto(f"http://127.0.0.1:{running.web}/")
        router.sendall(initiation(name=name) + peer_up() + ROUTE)
        expect(page.locator("[data-section=services]")).to_contain_text(name)
        expect(page.locator("[data-section=feeds]")).to_contain_text(name)
        page.reload()
        expect(page.locator("[data-section=feeds]")).to_contain_text(name)
        assert page.locator("img").count() == 0
        assert "owned" not in page.title()
    assert window.complaints == []
