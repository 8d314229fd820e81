"""The wiring of `anchorwatch run`: what comes from where and goes to whom. No logic lives here."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Sequence

from anchorwatch.errors import UserError
from anchorwatch.metrics import Metrics
from anchorwatch.settings import Settings, split_listen
from anchorwatch.web.app import Health, WebServer, create_app
from collector.event import Event
from collector.inputs.bmp import Allowed, BmpServer, Clock
from collector.store.embedded import StoreError
from collector.store.writer import Writer
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import Intent
from detectors.pagers.delivery import Delivery
from detectors.pagers.factory import build_pagers
from detectors.pagers.outbox import Outbox, OutboxError

log = logging.getLogger(__name__)

TICK = 0.05
"""Seconds between looks at what has fallen due."""


class Watch:
    """One process that collects, stores, detects and pages."""

    def __init__(self, settings: Settings, intent: Intent) -> None:
        """Open everything that can be refused; UserError says what, where and why."""
        self._settings = settings
        self._clock = Clock()
        self._metrics = Metrics()
        self._stopping = False
        try:
            pagers = build_pagers(settings.pagers)
            settings.state.mkdir(parents=True, exist_ok=True)
            # The store comes first: its lock says whether this state is ours to touch.
            self._writer = Writer(settings.store)
        except (StoreError, ValueError) as error:
            raise UserError(str(error)) from error
        except OSError as error:
            raise UserError(f"cannot use {error.filename}: {error.strerror}") from error
        try:
            self._outbox = Outbox(settings.outbox, [pager.name for pager in pagers])
            restored = self._outbox.open_incidents()
        except OutboxError as error:
            self._writer.close()
            raise UserError(str(error)) from error
        self._delivery = Delivery(self._outbox, pagers, on_sent=self._page_sent)
        self._engine = Engine(intent, restored=restored, on_error=_rule_failed)
        self._unrecorded: list[Incident] = []
        self._outbox_error: str | None = None
        self._server = BmpServer(
            [Allowed.of(router.address, router.name) for router in settings.bmp.routers],
            self._take,
            self._writer.room,
            self._clock,
            sink=lambda block: self._writer.put([block]),
            watched=intent.watched_prefixes(),
        )
        self._metrics.watch(self._server, self._engine, self._writer, self._outbox, self._delivery)
        if restored:
            log.info("%d incidents were open before; they are judged again", len(restored))

    async def run(self) -> None:
        """Watch until SIGINT or SIGTERM, then write out what is still in memory."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        try:
            web = self._web()
            await self._listen()
        except UserError:
            self._writer.close()
            raise
        web.start()
        self._delivery.start()
        ticker = asyncio.create_task(self._tick(), name="tick")
        await stop.wait()
        log.info("stopping")
        self._stopping = True
        ticker.cancel()
        await self._server.close()
        await self._delivery.stop()
        left = await asyncio.to_thread(self._writer.close)
        if left:
            log.error("%d rows could not be stored: %s", left, self._writer.last_error)
        await web.close()
        self._outbox.close()

    async def _listen(self) -> None:
        host, port = split_listen(self._settings.bmp.listen)
        try:
            port = await self._server.start(host, port)
        except OSError as error:
            cause = error.strerror or error
            raise UserError(f"cannot listen for BMP on {host} port {port}: {cause}") from error
        log.info("listening for BMP on %s port %d", host, port)

    def _web(self) -> WebServer:
        host, port = split_listen(self._settings.web.listen)
        token = self._settings.web.token()
        app = create_app(self._metrics, self._health, token)
        return WebServer(app, host, port, has_token=token is not None)

    # What flows

    def _take(self, events: Sequence[Event]) -> None:
        """Judge events first, so that no page waits for the store, then store them."""
        if not self._stopping:  # our own stop is no news about the network
            for event in events:
                self._tell(self._engine.process(event))
        self._metrics.count(events, ())
        self._writer.put(events)

    def _tell(self, transitions: Sequence[Incident]) -> None:
        if not transitions and not self._unrecorded:
            return
        self._metrics.count((), transitions)
        self._unrecorded += transitions
        try:
            self._outbox.record(self._unrecorded)
        except OutboxError as error:
            # Kept, and recorded with the next look: a full disk must not lose a page.
            if self._outbox_error is None:
                log.error("cannot record a page, keeping it: %s", error)
            self._outbox_error = str(error)
        else:
            self._unrecorded, self._outbox_error = [], None
            self._delivery.wake()
        for incident in transitions:
            level = logging.INFO if incident.state == State.RESOLVED else logging.WARNING
            log.log(level, "%s %s: %s", incident.state, incident.detector, incident.summary)
        self._writer.put([incident.to_dict() for incident in transitions])

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self._tell(self._engine.advance(self._clock()))

    def _page_sent(self, pager: str, incident: Incident) -> None:
        if incident.state == State.OPEN:
            seconds = (time.time_ns() - incident.opened) / 1e9
            self._metrics.page_latency.labels(pager).observe(max(0.0, seconds))

    def _health(self) -> Health:
        problems = []
        if self._writer.last_error is not None:
            problems.append(f"the store does not take rows: {self._writer.last_error}")
        if self._outbox_error is not None:
            problems.append(f"pages cannot be recorded: {self._outbox_error}")
        problems += [
            f"pager {name} does not take pages: {error}"
            for name, error in self._delivery.last_error.items()
        ]
        if self._writer.full:
            problems.append("reading is paused: too much waits for the store")
        return Health(problems, self._engine.feeds(), len(self._engine.open_incidents))


def _rule_failed(rule: str, error: Exception) -> None:
    log.error("rule %s failed; the others go on", rule, exc_info=error)
