"""What the feeds showed last, kept on disk, so that a restart can tell what changed meanwhile."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from collector.event import Event, Kind
from detectors.engine import Held
from detectors.feed import FeedKey
from detectors.route import Route, RouteKey

log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS feeds (router TEXT, feed TEXT, PRIMARY KEY (router, feed));
CREATE TABLE IF NOT EXISTS routes (
    key BLOB PRIMARY KEY, since INTEGER NOT NULL, event BLOB NOT NULL
);
"""


class HeldError(Exception):
    """One sentence: which file, and what is the matter with it."""


class HeldRoutes:
    """A file (SQLite) of the watched routes, and of the feeds whose tables were once complete.

    It holds nothing that cannot be learnt again, so it need not survive a power cut whole: then
    what changed in the gap is not reported, and nothing else is lost.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises HeldError."""
        self._path = path
        self._changed: dict[RouteKey, Route | None] = {}
        self._complete: list[FeedKey] = []
        try:
            self._database = sqlite3.connect(path, isolation_level=None)
            try:
                self._database.execute("PRAGMA journal_mode = WAL")
                self._database.execute("PRAGMA synchronous = NORMAL")
                self._database.executescript(_SCHEMA)
            except BaseException:
                self._database.close()
                raise
        except sqlite3.Error as error:
            raise HeldError(f"cannot use {path}: {error}") from error

    def load(self) -> Held:
        """What each feed showed last. Raises HeldError."""
        held: dict[FeedKey, list[tuple[Event, int]]] = {}
        try:
            for router, feed in self._database.execute("SELECT router, feed FROM feeds"):
                held[FeedKey(router, feed)] = []
            for body, since in self._database.execute("SELECT event, since FROM routes"):
                event = msgspec.json.decode(body, type=Event)
                held.setdefault(FeedKey.of(event), []).append((event, since))
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise HeldError(f"cannot use {self._path}: {error}") from error
        return held

    def route(self, key: RouteKey, route: Route | None) -> None:
        """Note that a route is now this one, or gone; `write` makes it last."""
        self._changed[key] = route

    def take(self, events: Sequence[Event]) -> None:
        """Note which feeds these events complete."""
        for event in events:
            if event.kind == Kind.END_OF_RIB and event.peer is None and event.view is None:
                self._complete.append(FeedKey.of(event))

    def write(self) -> None:
        """Put what was noted into the file. Raises HeldError; it is tried again with the next."""
        if not self._changed and not self._complete:
            return
        gone = [
            (msgspec.json.encode(key),) for key, route in self._changed.items() if route is None
        ]
        there = [
            (msgspec.json.encode(key), route.since, msgspec.json.encode(route.event))
            for key, route in self._changed.items()
            if route is not None
        ]
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany("DELETE FROM routes WHERE key = ?", gone)
                self._database.executemany("INSERT OR REPLACE INTO routes VALUES (?, ?, ?)", there)
                self._database.executemany(
                    "INSERT OR IGNORE INTO feeds VALUES (?, ?)", self._complete
                )
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # a full disk has SQLite roll back by itself
                    self._database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise HeldError(f"cannot use {self._path}: {error}") from error
        self._changed.clear()
        self._complete.clear()

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def open_held(path: Path) -> tuple[HeldRoutes, Held]:
    """The file and what it holds; a damaged one is begun anew, and said to be. Raises HeldError."""
    try:
        held = HeldRoutes(path)
        try:
            return held, held.load()
        except HeldError:
            held.close()
            raise
    except HeldError as error:
        log.error("%s: what changed while anchorwatch was away is not reported", error)
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    return HeldRoutes(path), {}
