"""Watches one controller: a process that reads, a thread that takes in, and a new connection."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress

from google.protobuf.message import DecodeError

from collector.event import STOPPED, Event
from collector.inputs.gobgp.connection import ConnectError, GobgpConnection
from collector.inputs.gobgp.controller import Controller
from collector.inputs.gobgp.dialect import Dialect
from collector.inputs.gobgp.queue import ReadQueue
from collector.inputs.gobgp.reading import BEST, Reading, streams_of
from collector.inputs.gobgp.session import GobgpSession

log = logging.getLogger(__name__)

OnEvents = Callable[[Sequence[Event]], None]

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
"""Seconds before connecting again, doubled with every attempt that fails."""
LOOK = 0.1
"""Seconds between looks at what has fallen due while nothing comes."""
MOST_OCTETS = 512 << 20
"""What is read and not taken in may grow to this; then the connection is ended and made anew."""
MUCH_OCTETS = MOST_OCTETS // 4
"""From here on the log says so."""
STALLED = 10_000_000_000
"""A message that is not taken in for so long (ns) means that taking in has stalled."""
SILENT = 10_000_000_000
"""A controller that said nothing for so long (ns) is asked whether it is there."""
PART = 2000
"""Events that are handed on at once."""


class GobgpClient:
    """The gRPC feed of one controller.

    `on_events` is called in the event loop; `room` is awaited there after each call. While that
    blocks, what GoBGP sends is read all the same and waits here, as octets.
    """

    def __init__(
        self,
        controller: Controller,
        on_events: OnEvents,
        room: Callable[[], Awaitable[object]],
        clock: Callable[[], int],
        *,
        most_octets: int = MOST_OCTETS,
    ) -> None:
        """Make a client that does nothing yet."""
        self.controller = controller
        host = controller.address.rpartition(":")[0].strip("[]")
        self.session = GobgpSession(controller.name, host)
        self.queue = ReadQueue(clock)
        self.connects: Counter[str] = Counter()
        """Connections by how they came out: `up`, `failed`, `lost`, `overrun`, `faulty`."""
        self.is_stalled = False
        self._on_events = on_events
        self._room = room
        self._clock = clock
        self._most = most_octets
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._watchdog: asyncio.Task[None] | None = None
        self._connection: GobgpConnection | None = None
        self.reading: Reading | None = None
        """What reads now, while connected."""
        self._taking_since: int | None = None
        self._now = 0
        self._overrun: str | None = None
        """Why a reader gave the connection up."""
        self._ready: list[Event] = []
        """Taken in, and not yet handed on."""
        self._is_much = False

    @property
    def up(self) -> bool:
        """Whether the controller is connected."""
        return self.session.up

    @property
    def lag(self) -> float:
        """Seconds that the oldest message that was read waits to be taken in."""
        waiting = [at for at in (self._taking_since, self.queue.oldest) if at is not None]
        return max(0, self._clock() - min(waiting)) / 1e9 if waiting else 0.0

    def start(self) -> None:
        """Begin, from within the event loop."""
        self._loop = asyncio.get_running_loop()
        name = f"gobgp {self.controller.name}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        self._watchdog = asyncio.create_task(self._watch(), name=name)

    async def close(self) -> None:
        """End the connection; its feed-down is still handed on."""
        self._stop.set()
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self.reading is not None:
            self.reading.end()
        if self._connection is not None:
            self._connection.close()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 10)

    # In the event loop

    async def _watch(self) -> None:
        """Tell of a queue that grows, or that nobody takes from."""
        name = self.controller.name
        while True:
            await asyncio.sleep(1)
            stalled = self.lag * 1e9 > STALLED
            if stalled and not self.is_stalled:
                log.warning("%s: what comes over gRPC has waited for %.0f s", name, self.lag)
            elif self.is_stalled and not stalled:
                log.info("%s: what comes over gRPC is taken in again", name)
            self.is_stalled = stalled
            much = self.queue.octets > min(MUCH_OCTETS, self._most // 2)
            if much and not self._is_much:
                octets, count = self.queue.octets >> 20, len(self.queue)
                log.warning("%s: %d messages (%d MiB) wait to be taken in", name, count, octets)
            self._is_much = much

    async def _take(self, events: Sequence[Event]) -> None:
        self._on_events(events)
        await self._room()

    # In the client's own thread

    def _run(self) -> None:
        wait = FIRST_WAIT
        said: str | None = None
        while not self._stop.is_set():
            try:
                why = self._serve()
            except ConnectError as error:
                self.connects["failed"] += 1
                why = str(error)
            except Exception as error:  # noqa: BLE001 - a defect must be told, not end the watch
                why = self._faulty(error)
            else:
                wait = FIRST_WAIT
                said = None
            if self._stop.is_set():
                return
            if why != said:
                where = (self.controller.name, self.controller.address)
                log.warning("no gRPC session with %s at %s: %s", *where, why)
                said = why
            self._stop.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    def _serve(self) -> str:
        """One connection from its start to its end; answer why it ended. Raises ConnectError."""
        connection = GobgpConnection(self.controller.address, self.controller.tls)
        self._connection = connection
        try:
            spoken, information = connection.probe()
            families = connection.families(spoken)
            self._hand_on(
                self.session.open(spoken, self._time(self._clock()), information, families)
            )
            self.connects["up"] += 1
            where = (self.controller.name, self.controller.address, spoken.version)
            log.info("gRPC session with %s at %s, version %d", *where)
            self._read(spoken)
            why = self._take_in(connection, spoken)
            self._flush()
            self.connects["overrun" if self._overrun else "lost"] += 1
            why, self._overrun = self._overrun or why, None
        finally:
            connection.close()
            if self.reading is not None:
                self.reading.close()
                self.reading = None
            self.queue.clear()
            self._connection = None
        self._hand_on(self.session.close(self._time(self._clock()), why))
        return why

    def _faulty(self, error: Exception) -> str:
        """A defect must be told, and must not end the watch: all is begun anew."""
        log.error("%s: what came over gRPC was not taken in", self.controller.name, exc_info=error)
        self.connects["faulty"] += 1
        self._ready.clear()
        self.session.forget()
        why = f"a fault of anchorwatch: {error!r}"
        with suppress(Exception):  # the same fault again, which was told
            self._hand_on(self.session.close(self._time(self._clock()), why))
        return why

    def _read(self, spoken: Dialect) -> None:
        """Have both streams read, by somebody who does nothing else."""
        streams = streams_of(self.controller.address, self.controller.tls, spoken)
        try:
            self.reading = Reading(streams, self._have_read, self._have_ended)
        except OSError as error:
            raise ConnectError(f"no process can be started: {error.strerror}") from error

    def _have_read(self, number: int, data: bytes) -> None:
        self.queue.put(number == BEST, data)
        if self._overrun is None and self._is_overrun():
            self._overrun = f"more than {self._most} octets waited to be taken in"
            if self.reading is not None:
                self.reading.end()  # so that GoBGP keeps nothing for us either

    def _have_ended(self, why: str) -> None:
        self.queue.put(False, b"", why)

    def _take_in(self, connection: GobgpConnection, spoken: Dialect) -> str:
        """Take in what was read until a stream ends; answer why it did."""
        parse = spoken.api.WatchEventResponse.FromString
        heard = self._clock()
        while not self._stop.is_set():
            # Going to the event loop and back takes longer than a message: many go at once.
            if len(self._ready) >= PART or not self.queue:
                self._flush()
            self._taking_since = None
            item = self.queue.get(LOOK)
            if item is None:
                if self._clock() - heard > SILENT:
                    try:
                        connection.ask(spoken)
                    except ConnectError as error:
                        return f"it does not answer: {error}"
                    heard = self._clock()
                self._hand_on(self.session.tick(self._time(self._clock())))
                continue
            if item.end is not None:
                return item.end
            heard = self._taking_since = item.received
            try:
                response = parse(item.data)
            except DecodeError as error:
                return f"a message cannot be read: {error}"
            take = self.session.best if item.is_best else self.session.adj_in
            self._ready += take(response, self._time(item.received))
        return STOPPED

    def _is_overrun(self) -> bool:
        """Whether too much waits; the first tables are as large as they are."""
        return self.queue.octets > self._most and self.session.settled

    def _time(self, at: int) -> int:
        """This moment, or the last that was told of, where that is later (ns)."""
        self._now = max(self._now, at)
        return self._now

    def _flush(self) -> None:
        ready, self._ready = self._ready, []
        self._hand_on(ready)

    def _hand_on(self, events: Sequence[Event]) -> None:
        """Give events to the event loop, in parts, and wait until it has taken them."""
        assert self._loop is not None  # noqa: S101 - `start` sets it before the thread runs
        for start in range(0, len(events), PART):
            part = events[start : start + PART]
            done: Future[None] = asyncio.run_coroutine_threadsafe(self._take(part), self._loop)
            while True:
                try:
                    done.result(1)
                except FutureTimeoutError:
                    if self._stop.is_set() and self._loop.is_closed():
                        return
                    continue
                except CancelledError:
                    return
                break
