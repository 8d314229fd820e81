"""A board whose browser slept, as that of a laptop does: awake again it is right."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from collector.event import parse_rfc3339
from tests.browser.conftest import Window
from tests.integration.installation import Installation
from tests.integration.test_cutover import says, steady, with_a_cutover
from tests.unit.wire.build import initiation
from tests.waiting import until

NIGHT = 14
"""Seconds of sleep: more than the twelve after which a page takes its stream for lost."""
NEAR = 2.5
"""Seconds that what is shown may be beside the truth: a page counts in whole ones."""
AGES = """
[...document.querySelectorAll("time[data-age], time[data-lasted]")].map(
    (each) => [each.dateTime, each.textContent])
"""
LEFT = "li.cutover [data-ends][data-since] .figure"
SIZES = {"s": 1, "min": 60}


@contextmanager
def asleep(browser: Browser) -> Iterator[None]:
    """Nothing of the browser runs: no clock of a page ticks, and nobody reads its connections."""
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    processes = [each["id"] for each in told["processInfo"]]
    assert len(processes) > 2, "the browser, its network and its pages are processes of their own"
    try:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for process in reversed(processes):
            os.kill(process, signal.SIGCONT)


def wrong_ages(page: Page) -> list[str]:
    """What the page says of how long ago something was, where that is not so."""
    found = page.evaluate(AGES)
    assert found
    wrong = []
    for moment, text in found:
        truth = time.time() - parse_rfc3339(moment) / 1e9
        count, _, unit = text.removesuffix(" ago").removeprefix("for ").partition(" ")
        told = 0 if text in ("just now", "for a moment") else int(count) * SIZES[unit]
        if not told - NEAR <= truth < told + SIZES.get(unit, 1) + NEAR:
            wrong.append(f"{moment}: {text}, and it is {truth:.1f} s")
    return wrong


def left(page: Page) -> float:
    """Seconds to the deadline, as the page tells them."""
    text = page.locator(LEFT).first.inner_text()
    found = re.fullmatch(r"(?:(\d+):(\d\d) min|([\d.]+) s) left", text)
    assert found, text
    return float(found[3]) if found[3] else int(found[1]) * 60 + int(found[2])


def really_left(here: Installation) -> float:
    told = httpx.get(f"http://127.0.0.1:{here.web}/api/v1/board").json()["cutovers"][0]["timers"]
    begun = parse_rfc3339(told["total"]["since"]) / 1e9
    return float(told["total"]["limit"] - (time.time() - begun))


@pytest.mark.parametrize("restarted", [False, True], ids=["same run", "another run"])
def test_after_a_sleep_the_board_is_right_and_counts_from_now(
    tmp_path: Path, window: Window, browser: Browser, restarted: bool
) -> None:
    here, page = with_a_cutover(tmp_path), window.page
    feeds = page.locator("[data-section=feeds]")
    told = steady() + says("10.0.1.1", advertise=True)
    with ExitStack() as days:
        with ExitStack() as day:
            of_the_day = day if restarted else days
            of_the_day.enter_context(here.running())
            of_the_day.enter_context(here.connect()).sendall(told)
            page.goto(f"http://127.0.0.1:{here.web}/")
            page.evaluate("window.opened = 'once'")
            expect(page.locator(LEFT).first).to_be_visible()
            expect(feeds).to_contain_text("r1")
            night = days.enter_context(ExitStack())
            night.enter_context(asleep(browser))
        begun = time.monotonic()
        if restarted:
            days.enter_context(here.running())
            days.enter_context(here.connect()).sendall(told)
        days.enter_context(here.connect()).sendall(initiation(name="r2"))
        until(lambda: "r2" in httpx.get(f"http://127.0.0.1:{here.web}/api/v1/feeds").text, "r2")
        time.sleep(max(NIGHT - (time.monotonic() - begun), 0))
        night.close()
        expect(page.locator("#connection")).to_contain_text("● live")
        expect(feeds).to_contain_text("r2")
        until(lambda: not wrong_ages(page), "ages are right", 15, lambda: str(wrong_ages(page)))
        until(
            lambda: abs(left(page) - really_left(here)) < NEAR,
            "the time left is right",
            60,
            lambda: f"{left(page)}, and it is {really_left(here)}",
        )
        assert page.evaluate("window.opened") == "once"  # nobody loaded it again
