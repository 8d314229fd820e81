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
from collector.event import parse_rfc3339
from collector.inputs.files import capture_streams

START_SECONDS = 30
LAST_PAGES_SECONDS = 10
END_SECONDS = 15

CHAPTERS = {
    "steady": "The steady state",
    "right-advertise": "A cutover done right",
    "wrong-advertise": "A cutover done wrong",
    "kill-switch": "The kill switch",
}


class Show:
    """One run of the demonstration."""

    def __init__(self, folder: Path, screen: Screen, *, stay: bool = False) -> None:
        """With `stay`, the watch goes on after the story, until somebody ends it."""
        self._folder = folder
        self._screen = screen
        self._stay = stay
        self._steps = read_steps()
        self._paged_for_web = False
        self._open: set[str] = set()
        self._quiet = asyncio.Event()
        self.kill_switch: str | None = None
        """The incident of the kill switch, for the commands to try."""

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
                self._screen.board(f"http://127.0.0.1:{web}/", stays=self._stay)
                streams = capture_streams(recording)
                await play(streams, "127.0.0.1", bmp, self._on_time, self._rest)
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

    async def _rest(self) -> None:
        """Wait for the last pages, which a busy machine sends late; the network is still there."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), LAST_PAGES_SECONDS)
        if self._stay:
            self._screen.say("The board stays until Ctrl-C.")
            await self._ended()

    @staticmethod
    async def _ended() -> None:
        """Wait for SIGINT or SIGTERM."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await stop.wait()

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
        opened = parse_rfc3339(incident["time"])
        if incident["state"] == "resolved":
            self._open.discard(incident["id"])
        else:
            self._open.add(incident["id"])
        (self._quiet.clear if self._open else self._quiet.set)()
        self._paged_for_web = self._paged_for_web or incident["details"].get("service") == "web"
        if incident["details"].get("kill_switch") and incident["state"] == "open":
            self.kill_switch = incident["id"]
        self._screen.page(incident, (time.time_ns() - opened) / 1e6)
        return Response(status_code=204)


def commands(folder: Path, program: str, kill_switch: str | None) -> list[tuple[str, str]]:
    """What to try next, and what it answers."""
    at = kill_switch or "-10s"
    intent = folder / "intent.yaml"
    store = f"--store {folder / 'anchorwatch-data' / 'store'}"
    asked = [
        (
            f"{program} history 192.0.2.60/32 --intent {intent} {store}",
            "who advertised beast's address, and when",
        ),
        (
            f"{program} cutover report beast-cutover --output {folder} --intent {intent} {store}",
            "how the faulty cutover went, with its proof, as a page that prints",
        ),
        (
            f"{program} flowspec --at {at} {store}",
            "the Flowspec rules that were in force with the kill switch",
        ),
        (
            f"{program} replay {folder / 'story.pcap.gz'} --intent {intent}",
            "would the recording, made outside these windows, have paged?",
        ),
    ]
    if kill_switch is not None:
        bundle = f"{program} incident {kill_switch} --output {folder / 'kill-switch'} {store}"
        asked.insert(3, (bundle, "the kill switch as a folder: a page to read, events, octets"))
    return asked


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
