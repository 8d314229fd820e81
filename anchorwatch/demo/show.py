"""Runs the demonstration: starts the watch, plays the recording, shows what it pages."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from anchorwatch.demo.player import play
from anchorwatch.demo.scenario import Step, prepare, read_steps
from anchorwatch.demo.screen import Screen
from anchorwatch.errors import UserError
from anchorwatch.web.app import WebServer
from collector.event import parse_rfc3339, rfc3339
from collector.inputs.files import capture_streams

START_SECONDS = 30
END_SECONDS = 15

CHAPTERS = {
    "steady": "The steady state",
    "right-advertise": "A cutover done right",
    "wrong-advertise": "A cutover done wrong",
    "kill-switch": "The kill switch",
}


class Show:
    """One run of the demonstration."""

    def __init__(self, folder: Path, screen: Screen) -> None:
        self._folder = folder
        self._screen = screen
        self._steps = read_steps()
        self._paged_for_web = False
        self.kill_switch_at: int | None = None
        """When the kill switch was in force, for the commands to try."""

    async def run(self) -> None:
        """The whole show; UserError where it cannot go on."""
        pages = WebServer(
            Starlette(routes=[Route("/page", self._page, methods=["POST"])]),
            "127.0.0.1",
            0,
            has_token=False,
        )
        pages.start()
        bmp, web = _free_port(), _free_port()
        recording = prepare(self._folder, bmp=bmp, web=web, pages=pages.port)
        try:
            async with self._watch(web):
                await play(capture_streams(recording), "127.0.0.1", bmp, self._on_time)
                await asyncio.sleep(0.5)
        finally:
            await pages.close()

    @asynccontextmanager
    async def _watch(self, web: int) -> AsyncIterator[None]:
        """A real `anchorwatch run`, up and ready, ended as Ctrl-C would."""
        command = (sys.executable, "-m", "anchorwatch", "run", "-c", "anchorwatch.yaml")
        with (self._folder / "run.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=self._folder, stdout=log, stderr=log
            )
        try:
            await self._ready(process, web)
            yield
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            try:
                await asyncio.wait_for(process.wait(), END_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _ready(self, process: asyncio.subprocess.Process, web: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        async with httpx.AsyncClient() as client:
            while process.returncode is None and time.monotonic() < deadline:
                with suppress(httpx.HTTPError):
                    await client.get(f"http://127.0.0.1:{web}/healthz")
                    return
                await asyncio.sleep(0.05)
        raise UserError(f"`anchorwatch run` does not start; see {self._folder / 'run.log'}")

    async def _on_time(self, seconds: float) -> None:
        """Tell the steps of the story that have come by now."""
        while self._steps and self._steps[0].at <= seconds + 0.05:
            self._tell(self._steps.pop(0))

    def _tell(self, step: Step) -> None:
        if step.step == "wrong-advertise" and not self._paged_for_web:
            self._screen.good("web moved as planned: nobody was paged.")
        if step.step in CHAPTERS:
            self._screen.chapter(CHAPTERS[step.step])
        self._screen.say(step.say, at=step.at)

    async def _page(self, request: Request) -> Response:
        """A page has come in, over HTTP as to any receiver."""
        incident: dict[str, Any] = await request.json()
        cause = incident["evidence"][0]["received"] if incident["evidence"] else incident["time"]
        opened = parse_rfc3339(incident["time"])
        self._paged_for_web = self._paged_for_web or incident["details"].get("service") == "web"
        if incident["details"].get("kill_switch") and incident["state"] == "open":
            self.kill_switch_at = parse_rfc3339(cause)
        self._screen.page(incident, (time.time_ns() - opened) / 1e6)
        return Response(status_code=204)


def commands(folder: Path, program: str, kill_switch_at: int | None) -> list[tuple[str, str]]:
    """What to try next, and what it answers."""
    at = rfc3339(kill_switch_at + 1_000_000_000) if kill_switch_at else "-10s"
    store = folder / "anchorwatch-data" / "store"
    return [
        (
            f"{program} history 192.0.2.60/32 --store {store}",
            "who advertised beast's address, and when",
        ),
        (
            f"{program} flowspec --at {at} --store {store}",
            "the Flowspec rules that were in force with the kill switch",
        ),
        (
            f"{program} replay {folder / 'story.pcap.gz'} --intent {folder / 'intent.yaml'}",
            "would the recording, made outside these windows, have paged?",
        ),
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
