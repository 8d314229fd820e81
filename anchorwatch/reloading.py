"""The intent while the watch runs: read again when its files change, or when it is told to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from anchorwatch.errors import UserError
from anchorwatch.intent_files import IntentFiles
from anchorwatch.metrics import Parts
from anchorwatch.own_probes import OwnProbes, own_duties
from anchorwatch.settings import Settings
from collector.store.backend import Reader, StoreError
from collector.store.opening import open_store
from collector.store.span import span
from collector.store.writer import Writer
from detectors.incidents import Incident
from detectors.intent import Intent
from detectors.routes import Routes

LOOK = 1.0
"""Seconds between two looks at the files: one that just changed is given so long to be whole."""
PATIENCE = 30.0
"""Seconds that the store may take to have what was received."""


class Reloading:
    """Makes all parts of the watch go by the intent that its files say."""

    def __init__(
        self,
        intent: Intent,
        settings: Settings,
        parts: Parts,
        probes: OwnProbes,
        on_transitions: Callable[[Sequence[Incident]], None],
    ) -> None:
        """All parts go by `intent`; `on_transitions` is told what changes with another one."""
        self.intent = intent
        """The intent that is in use."""
        self.files = IntentFiles(settings.intent)
        """Where it was read."""
        self._settings = settings
        self._parts = parts
        self._probes = probes
        self._on_transitions = on_transitions

    async def follow(self, told: asyncio.Event) -> None:
        """Take up what the files say as soon as that is another intent, or `told` is set."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), LOOK)
            if told.is_set() or await asyncio.to_thread(self.files.changed):
                told.clear()
                try:
                    await self._reload()
                except Exception as error:  # noqa: BLE001 - a defect must not end the following
                    self.files.refuse(f"a fault of anchorwatch: {error!r}", error)

    async def _reload(self) -> None:
        """Judge by what the files say, or go on as before: nothing in between."""
        intent = await asyncio.to_thread(self.files.read)
        if intent is None:
            return
        try:
            own_duties(self._settings.prober, intent)
        except UserError as error:
            self.files.refuse(str(error))
            return
        engine, server = self._parts.engine, self._parts.server
        try:
            new = engine.prepare(intent)
            server.watch([*self.intent.watched_prefixes(), *new])
            try:
                learnt = await self._learn(new) if new else None
            except (StoreError, UserError) as error:
                self.files.refuse(f"what is known of {', '.join(new)} cannot be learnt: {error}")
            else:
                await self._adopt(intent, learnt)
        finally:  # nothing waits for an intent that is in use, or is not to be
            engine.prepare(self.intent)
            server.watch(self.intent.watched_prefixes())

    async def _adopt(self, intent: Intent, learnt: Routes | None) -> None:
        engine, now = self._parts.engine, self._parts.clock()
        # What has fallen due is told, whatever comes of the new intent.
        self._on_transitions(engine.advance(now))
        transitions = engine.adopt(intent, now, learnt)
        self.intent = intent
        self.files.use()
        self._on_transitions(transitions)
        await self._probes.use(intent)

    async def _learn(self, prefixes: list[str]) -> Routes:
        """What was received of prefixes that were not watched so far. Raises StoreError."""
        await all_stored(self._parts.writer)
        opened = partial(open_store, self._settings.store_place(), create=False)
        return await asyncio.to_thread(learn, opened, prefixes)


def learn(open_store: Callable[[], Reader], prefixes: list[str]) -> Routes:
    """What the store knows of prefixes that were not watched so far. Raises StoreError."""
    routes = Routes(prefixes)
    store = open_store()
    try:
        for event in span(store, prefixes):
            routes.apply(event)
    finally:
        store.close()
    return routes


async def all_stored(writer: Writer) -> None:
    """Return when the store has all that was received until now. Raises StoreError."""
    began = time.monotonic()
    while writer.pending_octets or writer.spool.age > time.monotonic() - began:
        if time.monotonic() - began > PATIENCE:
            raise StoreError(f"it has not taken within {PATIENCE:g} s what was received")
        await asyncio.sleep(0.05)
