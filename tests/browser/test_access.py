"""Nothing keeps people from using the pages: axe-core's rules for WCAG 2 A and AA, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.browser.conftest import PATIENCE, Window
from tests.browser.contrast import hard_to_read, words_in_pictures
from tests.integration.test_api import Busy, busy
from tests.integration.test_board import Asker
from tests.integration.test_dashboard_links import there_is_grafana
from tests.waiting import until

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
WITH_PICTURES = {"board", "incident", "cutover", "prefix"}
"""Pages that have pictures with words, which axe-core does not judge."""


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    here = Busy(tmp_path_factory.mktemp("access"))
    there_is_grafana(here)
    yield from busy(here)


@pytest.fixture(scope="module")
def pages(asker: Asker) -> dict[str, str]:
    """Each kind of page by name, with a place that shows much of it."""
    (rule,) = asker.get("/flowspec")["items"]
    incident = f"/incidents/{asker.open()[0]['id']}"
    until(lambda: "<svg xmlns" in asker.page(incident), "the incident's picture", 60)
    return {
        "board": "/",
        "list of incidents": "/incidents",
        "incident": incident,
        "services": "/services",
        "cutovers": "/cutovers",
        "cutover": "/cutovers/move%2F1",
        "prefix": "/prefix/192.0.2.50/32",
        "rule": f"/flowspec/{rule['id']}",
        "sorry": "/incidents/0123456789abcdef",
    }


def violations(found: dict[str, Any]) -> list[str]:
    return [
        f"{rule['id']}: {rule['help']}: {node['target']} {node['html']} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def address(asker: Asker, path: str) -> str:
    return str(asker.client.base_url.join(path))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_every_page_can_be_used_by_everybody(
    browser: Browser, asker: Asker, pages: dict[str, str], scheme: str, width: int
) -> None:
    window = Window(browser, width=width)
    page = window.page
    drawn: dict[str, int] = {}
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    try:
        for name, path in pages.items():
            page.goto(address(asker, path))
            if name == "board":
                expect(page.locator("body.live")).to_be_visible(timeout=PATIENCE)
            found = Axe().run(page, options=RULES).response
            assert len(found["passes"]) > 8, name
            assert violations(found) == [], (name, scheme, width)
            assert hard_to_read(page) == [], (name, scheme, width)
            drawn[name] = len(words_in_pictures(page))
        assert {name for name, words in drawn.items() if words > 5} >= WITH_PICTURES
    finally:
        window.close()


def test_what_keeps_people_out_is_found(asker: Asker, window: Window) -> None:
    window.page.goto(address(asker, "/services"))
    window.page.evaluate("main.insertAdjacentHTML('beforeend', '<img src=/static/anchor.svg>')")
    window.page.evaluate("main.style.color = '#bbb'")
    found = {rule["id"] for rule in Axe().run(window.page, options=RULES).response["violations"]}
    assert found == {"image-alt", "color-contrast"}
