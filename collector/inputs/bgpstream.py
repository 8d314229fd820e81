"""Public vantage points (RIPE RIS, RouteViews) through BGPStream, as they see what is watched."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec

import msgspec

from collector.event import STOPPED, Event
from collector.inputs.bgpstream_elements import Element, VantagePoints
from collector.inputs.bgpstream_reader import Request

__all__ = ["BgpStreamSource", "Request", "installed"]

log = logging.getLogger(__name__)

LIBRARY = "pybgpstream"
READER = (sys.executable, "-m", "collector.inputs.bgpstream_reader")
READ_SIZE = 1 << 16
RETRY, LONGEST_RETRY = 5.0, 300.0
"""Seconds until a stream that broke is opened again; each time twice as many."""
PATIENCE = 5.0
"""Seconds that the reader has to end by itself."""


def installed() -> bool:
    """Whether the library is there; it is loaded by the reader alone."""
    return find_spec(LIBRARY) is not None


class BgpStreamSource:
    """Keeps a reader of the stream running, and hands on what it says.

    `on_batch` is called in the event loop with the events of one read. `room` is awaited after
    every read: while it blocks, nothing is read and the reader waits.
    """

    def __init__(  # noqa: PLR0913 - the last two are for tests
        self,
        request: Request,
        on_batch: Callable[[Sequence[Event]], None],
        room: Callable[[], Awaitable[object]],
        clock: Callable[[], int],
        *,
        reader: Sequence[str] = READER,
        retry: float = RETRY,
    ) -> None:
        """Read nothing yet. `reader` is the command that does, and `retry` the first wait, s."""
        self._request = request
        self._on_batch = on_batch
        self._room = room
        self._clock = clock
        self._reader = tuple(reader)
        self._retry = retry
        self._task: asyncio.Task[None] | None = None
        self._newest = request.begin
        self._decoder = msgspec.json.Decoder(Element)
        self.vantage_points = VantagePoints(dumps=request.begin is not None)
        self.failures = 0
        """Streams that broke."""

    def start(self) -> None:
        """Begin to read, in a task of its own."""
        self._task = asyncio.create_task(self._run(), name="bgpstream")

    async def close(self) -> None:
        """Stop reading; the feed-down events are still delivered."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        wait, loop = self._retry, asyncio.get_running_loop()
        while True:
            began = loop.time()
            reason: str | None = STOPPED
            try:
                reason = await self._stream()
            finally:
                self._deliver(self.vantage_points.close(self._clock(), reason or "end of stream"))
            if reason is None and self._request.until is not None:
                log.info("BGPStream: all was read")
                return
            self.failures += 1
            if loop.time() - began > LONGEST_RETRY:  # it worked: this is another trouble
                wait = self._retry
            log.warning("BGPStream: %s; again in %.0f s", reason or "the stream ended", wait)
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_RETRY)

    async def _stream(self) -> str | None:
        """Read one stream to its end; answer what went wrong."""
        pipe = asyncio.subprocess.PIPE
        try:
            # In a session of its own, so that Ctrl-C does not end it before we say why it ended.
            child = await asyncio.create_subprocess_exec(
                *self._reader, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
            )
        except OSError as error:
            return f"the reader does not start: {error.strerror}"
        assert child.stdin is not None  # noqa: S101 - it was asked for
        assert child.stdout is not None  # noqa: S101 - likewise
        assert child.stderr is not None  # noqa: S101 - likewise
        words = asyncio.create_task(_last_words(child.stderr))
        try:
            # An archive is read on from where it broke off.
            request = msgspec.structs.replace(self._request, begin=self._newest)
            with suppress(OSError):  # it has ended already, and says why
                child.stdin.write(msgspec.json.encode(request))
                await child.stdin.drain()
            child.stdin.close()
            await self._read(child.stdout)
            status = await child.wait()
            return (await words or f"the reader ended with {status}") if status else None
        except msgspec.DecodeError as error:
            return f"the reader wrote what is no element: {error}"
        finally:
            words.cancel()
            await _end(child)

    async def _read(self, stream: asyncio.StreamReader) -> None:
        rest = b""
        while data := await stream.read(READ_SIZE):
            *lines, rest = (rest + data).split(b"\n")
            events: list[Event] = []
            for line in lines:
                element = self._decoder.decode(line)
                if self._newest is not None:
                    self._newest = max(self._newest, int(element.time))
                events += self.vantage_points.take(element, self._clock())
            self._deliver(events)
            await self._room()

    def _deliver(self, events: Sequence[Event]) -> None:
        if events:
            self._on_batch(events)


async def _last_words(stream: asyncio.StreamReader) -> str:
    tail = b""
    while data := await stream.read(READ_SIZE):
        tail = (tail + data)[-READ_SIZE:]
    lines = tail.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    child.terminate()
    try:
        await asyncio.wait_for(child.wait(), PATIENCE)
    except TimeoutError:
        child.kill()
        await child.wait()
