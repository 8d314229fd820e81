"""A real browser, Debian's Chromium, and pages that must not complain."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import unavailable

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE = 120_000
"""Milliseconds: what is waited for comes at once, but not on a machine that is busy."""
expect.set_options(timeout=PATIENCE)
SCREENSHOTS = "ANCHORWATCH_SCREENSHOTS"
"""The environment variable that names a folder for screenshots; without it none is made."""


def keep(page: Page, name: str) -> None:
    """Keep what a page looks like, if anybody wants it."""
    folder = os.environ.get(SCREENSHOTS)
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        unavailable("needs chromium (Debian package)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


class Window:
    """A page and what its console said."""

    def __init__(self, browser: Browser, *, width: int = 1280) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900})
        self.context.set_default_timeout(PATIENCE)
        self.complaints: list[str] = []
        self.page: Page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type == "error" else None,
        )

    def close(self) -> None:
        self.context.close()


@pytest.fixture
def window(browser: Browser) -> Iterator[Window]:
    window = Window(browser)
    yield window
    window.close()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Window]:
    window = Window(browser, width=360)
    yield window
    window.close()
