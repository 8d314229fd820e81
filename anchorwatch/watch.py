"""The wiring of `anchorwatch run`: what comes from where and goes to whom. No logic lives here."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from anchorwatch import impairments
from anchorwatch.board.past import Past
from anchorwatch.board.running import RunningBoard
from anchorwatch.cutover_file import CutoverFileError, TrackFile, UnderWay
from anchorwatch.cutovers import rollback_event
from anchorwatch.errors import UserError
from anchorwatch.held import HeldError, open_held
from anchorwatch.impairments import Impairments
from anchorwatch.kept import Keeping
from anchorwatch.lifeline import Lifeline
from anchorwatch.metrics import Metrics, Parts
from anchorwatch.opening import open_writer
from anchorwatch.own_probes import OwnProbes, own_duties
from anchorwatch.pauses import Pauses
from anchorwatch.public import public_request
from anchorwatch.reloading import Reloading
from anchorwatch.served import ServedStore
from anchorwatch.settings import Settings
from anchorwatch.sources import Sources
from anchorwatch.status import feeds, probers, problems_of, status
from anchorwatch.web.api.cutovers import CutoverQuestions
from anchorwatch.web.api.probes import probes_endpoint
from anchorwatch.web.api.routes import status_endpoint
from anchorwatch.web.app import Health, WebServer, create_app
from anchorwatch.web.pages.routes import board_routes
from anchorwatch.web_settings import split_listen
from collector.event import Event, Feed
from collector.inputs.clock import Clock
from collector.native import Block
from collector.store.backend import Reader, StoreError
from collector.store.opening import open_store
from collector.store.remote import RemoteStore
from detectors.engine import Engine
from detectors.feed import FeedKey
from detectors.incidents import Incident, State
from detectors.intent import Intent
from detectors.pagers.delivery import Delivery
from detectors.pagers.factory import build_pagers
from detectors.pagers.outbox import Outbox, OutboxError
from detectors.route import Route, RouteKey

log = logging.getLogger(__name__)

TICK = 0.05
"""Seconds between looks at what has fallen due."""


class Watch:
    """One process that collects, stores, detects and pages."""

    def __init__(
        self, settings: Settings, intent: Intent, config: str = "anchorwatch.yaml"
    ) -> None:
        """Open everything that can be refused; UserError says what, where and why.

        `config` is the file of the settings, as commands will name it.
        """
        self._settings = settings
        self._config = Path(config).resolve()
        self._metrics = Metrics()
        self._stopping = False
        public = public_request(settings.bgpstream, intent)
        own_duties(settings.prober, intent)  # before anything is opened
        try:
            pagers = build_pagers(settings.pagers)
            self._lifeline = Lifeline(settings.heartbeat, self._health)
            settings.state.mkdir(parents=True, exist_ok=True)
            # This comes first: its lock says whether the state is ours to touch.
            self._writer = open_writer(settings)
        except (StoreError, ValueError) as error:
            raise UserError(str(error)) from error
        except OSError as error:
            raise UserError(f"cannot use {error.filename}: {error.strerror}") from error
        try:
            self._outbox = Outbox(settings.outbox, [pager.name for pager in pagers])
            restored = self._outbox.open_incidents()
            self._held, held = open_held(settings.held)
        except (OutboxError, HeldError) as error:
            self._writer.close()
            raise UserError(str(error)) from error
        self._clock = Clock(not_before=self._writer.lived)
        self._writer.ahead = self._clock.ahead
        self._delivery = Delivery(self._outbox, pagers, on_sent=self._page_sent)
        own = [incident for incident in restored if incident.detector in impairments.DETECTORS]
        self._impairments = Impairments(own)
        self._under_way = UnderWay(settings.cutovers, settings.unfinished)
        self._engine = Engine(
            intent,
            restored=[incident for incident in restored if incident not in own],
            held=held,
            lived=self._writer.lived,
            cutovers=self._under_way.cutovers.load(),
            unfinished=self._under_way.unfinished.load(),
            on_error=_rule_failed,
            on_route=self._route_changed,
        )
        self._store_served: ServedStore | None = None
        self._past = Past(self._reader)
        self._keeping_held = Keeping(HeldError, "what feeds show is not kept for a restart")
        self._keeping_cutovers = Keeping(
            CutoverFileError, "what is under way is not kept for a restart"
        )
        self._recording = Keeping(OutboxError, "pages cannot be recorded")
        self._unrecorded: list[Incident] = []
        self._sources = Sources(
            settings,
            intent,
            public,
            take=self._take,
            room=self._writer.room,
            clock=self._clock,
        )
        self._server = self._sources.server
        self._parts = Parts(
            self._clock,
            self._server,
            self._engine,
            self._impairments,
            self._writer,
            self._outbox,
            self._delivery,
        )
        self._metrics.watch(self._parts)
        self._board = RunningBoard(
            self._parts,
            TrackFile(settings.tracks),
            self._feeds,
            lambda: self._health().problems + self._reloading.files.problem,
            self._metrics.board_seconds.observe,
        )
        self._metrics.gobgp, self._metrics.public = self._sources.gobgp, self._sources.public
        self._probes = OwnProbes(
            settings.prober, partial(self._take, blocks=()), self._clock, self._metrics.probed
        )
        self._metrics.probes = self._probes.intake
        self._reloading = Reloading(intent, settings, self._parts, self._probes, self._adopted)
        self._metrics.intent = self._reloading.files
        self._metrics.heartbeat = self._lifeline.heartbeat
        if restored:
            log.info("%d incidents were open before; they are judged again", len(restored))

    async def run(self) -> None:
        """Watch until SIGINT or SIGTERM, then write out what is still in memory.

        SIGHUP reads the intent again, and so does a change of its files.
        """
        stop, told = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, told.set)
        self._server.on_stalled = self._hear
        try:
            web = self._web()
            served = self._store_served = self._served()
            await self._listen()
        except UserError:
            self._writer.close()
            raise
        await self._probes.use(self._reloading.intent)
        web.start()
        log.info("the board is at http://%s/", self._settings.web.listen)
        if served is not None:
            served.start()
        self._sources.start()
        self._delivery.start()
        self._lifeline.start()
        pauses = Pauses(time.monotonic())
        ticker = asyncio.create_task(self._tick(pauses), name="tick")
        # Without it nothing that depends on time is judged: nobody may believe in such a watch.
        ticker.add_done_callback(lambda _: stop.set())
        reader = asyncio.create_task(self._reloading.follow(told), name="intent")
        await stop.wait()
        log.info("stopping")
        self._stopping = True
        await self._lifeline.stop()
        failed = ticker.exception() if ticker.done() else None
        ticker.cancel()
        reader.cancel()
        await self._probes.close()
        await self._sources.close()
        self._record()  # what could not be recorded so far may go out yet
        await self._delivery.stop()
        self._board.close()
        self._past.close()
        if served is not None:
            await served.close()
        left = await asyncio.to_thread(self._writer.close)
        if left:
            log.error("%d rows could not be kept: %s", left, self._writer.last_error)
        await web.close()
        self._close_files()
        pauses.close()
        if failed is not None:
            log.critical("the watch has failed and is stopped", exc_info=failed)
            raise UserError(f"the watch has failed: {failed!r}")

    def _close_files(self) -> None:
        self._record()
        if self._unrecorded:
            log.error("pages that cannot be recorded and are lost: %d", len(self._unrecorded))
        self._outbox.close()
        self._remember()
        self._held.close()
        self._keep_cutovers()

    async def _listen(self) -> None:
        host, port = split_listen(self._settings.bmp.listen)
        try:
            port = await self._server.start(host, port)
        except OSError as error:
            cause = error.strerror or error
            raise UserError(f"cannot listen for BMP on {host} port {port}: {cause}") from error
        log.info("listening for BMP on %s port %d", host, port)

    def _web(self) -> WebServer:
        self._metrics.board = self._board.live, self._past
        host, port = split_listen(self._settings.web.listen)
        token = self._settings.web.token()
        place = str(self._settings.store_folder.resolve())
        cutovers = CutoverQuestions(lambda: self._engine, self._clock, self._roll_back)
        more = [
            status_endpoint(self._status),
            probes_endpoint(self._probes.intake),
            *cutovers.endpoints(),
        ]
        secured, shown = token is not None, self._board
        board = board_routes(
            shown.live,
            self._past,
            shown.cutovers,
            place,
            more,
            config=str(self._config),
            secured=secured,
            grafana=self._settings.web.grafana,
        )
        app = create_app(self._metrics, self._health, token, more=board)
        return WebServer(app, host, port, has_token=secured)

    def _served(self) -> ServedStore | None:
        if self._settings.store.server is not None:
            return None  # it serves itself
        folder, observe = self._settings.store_folder, self._metrics.query_seconds.observe
        served = ServedStore(folder, self._settings.store, observe)
        self._metrics.asked = served.counts
        return served

    def _reader(self) -> Reader:
        """What answers the board's questions of the past. Raises StoreError."""
        if self._store_served is not None:
            token = self._settings.store.token() or ""
            return RemoteStore(self._store_served.url, password=token)
        return open_store(self._settings.store_place(), create=False)

    # What flows

    def _take(self, events: Sequence[Event], blocks: Sequence[Block]) -> None:
        """Judge events first, so that no page waits for the store, then store them."""
        if not self._stopping:  # our own stop is no news about the network
            told = False
            for event in events:
                transitions = self._engine.process(event)
                self._tell(transitions)
                told = told or bool(transitions)
                self._board.after(event)
            self._held.take(events)
            if told:  # who is killed now must know again what this rests on
                self._remember()
        self._metrics.count(events, ())
        self._writer.put([*events, *blocks])  # together: a read is kept as a whole

    def _hear(self, missed: int = 0) -> None:
        """Know which routers have said something, or had nobody to listen for `missed` ns."""
        for router, heard in self._server.heard:
            self._engine.hear(FeedKey(router, Feed.BMP), heard, missed)
        if missed:
            self._engine.catch_up(self._clock())

    def _route_changed(self, key: RouteKey, route: Route | None) -> None:
        self._held.route(key, route)
        self._board.touch(key)

    def _remember(self) -> None:
        """Keep what is seen now."""
        with self._keeping_held.attempt():
            self._held.write()

    def _keep_cutovers(self, *, sure: bool = False) -> None:
        """Keep how far cutovers have come, and what else is under way."""
        with self._keeping_cutovers.attempt():
            self._under_way.write(self._engine, sure=sure)
            self._board.keep()

    def _roll_back(self, name: str) -> None:
        """Take in that somebody wants a cutover to go back."""
        self._take([rollback_event(name, self._clock())], ())
        self._keep_cutovers(sure=True)

    def _tell(self, transitions: Sequence[Incident]) -> None:
        if not transitions and not self._unrecorded:
            return
        self._metrics.count((), transitions)
        self._board.told(transitions)
        self._unrecorded += transitions
        self._record()
        for incident in transitions:
            level = logging.INFO if incident.state == State.RESOLVED else logging.WARNING
            log.log(level, "%s %s: %s", incident.state, incident.detector, incident.summary)
        self._writer.put([incident.to_dict() for incident in transitions])

    def _record(self) -> None:
        """Have pages sent; where a full disk keeps them back, they wait for the next look."""
        with self._recording.attempt():
            self._outbox.record(self._unrecorded)
            self._unrecorded = []
            self._delivery.wake()

    def _adopted(self, transitions: Sequence[Incident]) -> None:
        """Another intent is about to be used, or is."""
        self._tell(transitions)
        self._remember()

    async def _tick(self, pauses: Pauses) -> None:
        while True:
            await asyncio.sleep(TICK)
            now = self._clock()
            self._server.tick(now)
            self._hear()
            ahead = self._writer.ahead = self._clock.ahead
            own = self._impairments.judge(self._writer, ahead, now)
            self._tell(self._engine.advance(now) + own)
            self._board.tick(now)
            self._keep_cutovers()
            self._board.look()
            self._remember()
            pauses.tick(time.monotonic())
            self._lifeline.tick(time.monotonic())

    def _page_sent(self, pager: str, incident: Incident) -> None:
        if incident.state == State.OPEN:
            seconds = (time.time_ns() - incident.opened) / 1e9
            self._metrics.page_latency.labels(pager).observe(max(0.0, seconds))

    def _health(self) -> Health:
        problems = problems_of(self._writer)
        problems += self._recording.problem
        problems += [
            f"pager {name} does not take pages: {error}"
            for name, error in self._delivery.last_error.items()
        ]
        if self._writer.full:
            problems.append("reading is paused: too much waits for the store")
        problems += self._keeping_held.problem
        problems += self._keeping_cutovers.problem
        incidents = len(self._engine.open_incidents) + len(self._impairments.open)
        return Health(problems, self._engine.feeds(), incidents)

    def _feeds(self) -> list[dict[str, Any]]:
        return feeds(self._engine, [each.name for each in self._settings.gobgp], self._clock())

    def _status(self) -> dict[str, Any]:
        server = self._settings.store.server
        place = "embedded" if server is None else f"server {server.address}"
        controllers = [each.name for each in self._settings.gobgp]
        problems = self._health().problems
        told = status(self._parts, problems, store=place, controllers=controllers)
        asked = probers(self._reloading.intent, self._probes.intake, self._clock())
        return told | {"intent": self._reloading.files.status(), "probers": asked}


def _rule_failed(rule: str, error: Exception) -> None:
    log.error("rule %s failed; the others go on", rule, exc_info=error)
