"""Makes `docs/board.png`: the board in the demonstration's faulty cutover, as Chromium shows it.

    python docs/screenshots.py

It needs the demonstration's own minute, the test dependencies (`pip install -e '.[test]'`) and
Debian's `chromium`.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
START_SECONDS, STORY_SECONDS = 60, 120
MOMENT = """() => {
  const late = document.querySelector("[data-id='cutover beast-cutover'] .timer.over");
  return late && document.body.innerText.includes("left over");
}"""
"""The demonstration's faulty cutover is beyond its limits, and its incident says what is left."""


def main() -> None:
    """Run the demonstration and take the picture at its moment."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("output", nargs="?", type=Path, default=Path(__file__).parent / "board.png")
    parser.add_argument("--dark", action="store_true", help="as who works in the dark sees it")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = (sys.executable, "-m", "anchorwatch", "demo", "--stay")
        with out.open("wb") as file:
            demo = subprocess.Popen(
                [*command, "--folder", str(Path(folder) / "demo")],
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                stdout=file,
                stderr=file,
            )
        try:
            take(board_of(out), args.output, dark=args.dark)
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(60)
    print(f"{args.output}: {args.output.stat().st_size // 1024} KiB")


def board_of(out: Path) -> str:
    """Where the board is, once the demonstration says so."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        found = re.search(r"The live board: (http://127.0.0.1:\d+/) ", out.read_text())
        if found:
            return found[1]
        time.sleep(0.1)
    raise SystemExit(f"the demonstration does not start:\n{out.read_text()}")


def take(url: str, output: Path, *, dark: bool) -> None:
    """Wait for the moment, and keep what is on the screen then."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page: Page = browser.new_page(
            viewport={"width": 1280, "height": 1065}, color_scheme="dark" if dark else "light"
        )
        page.goto(url)
        page.wait_for_function(MOMENT, timeout=STORY_SECONDS * 1000)
        page.screenshot(path=output)
        browser.close()


if __name__ == "__main__":
    main()
