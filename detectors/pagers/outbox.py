"""What must not be forgotten: the open incidents, and the pages that are still to be sent."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from detectors.incidents import Incident, State

_SCHEMA = """
CREATE TABLE IF NOT EXISTS incidents (id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pages (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    pager TEXT NOT NULL,
    incident TEXT NOT NULL,
    kill_switch INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS pages_of_pager ON pages (pager, number);
CREATE INDEX IF NOT EXISTS pages_of_incident ON pages (pager, incident, number);
CREATE INDEX IF NOT EXISTS kill_switches ON pages (pager, number) WHERE kill_switch = 1;
"""
_NEXT = """
WITH passed_over AS (SELECT value FROM json_each(:without))
SELECT number, body FROM pages WHERE pager = :pager AND incident = coalesce(
    (SELECT incident FROM pages WHERE pager = :pager AND kill_switch = 1
        AND incident NOT IN passed_over ORDER BY number LIMIT 1),
    (SELECT incident FROM pages WHERE pager = :pager AND :any
        AND incident NOT IN passed_over ORDER BY number LIMIT 1)
) ORDER BY number LIMIT 1
"""
"""A kill switch goes first, preceded only by earlier transitions of the same incident."""


class OutboxError(Exception):
    """One sentence: which file, and what is the matter with it."""


class Outbox:
    """A file (SQLite) in which one transaction keeps an incident's state and the pages about it.

    What `record` has returned from survives `kill -9` and a power cut.
    """

    def __init__(self, path: Path, pagers: Sequence[str]) -> None:
        """Open or make the file; pages for pagers that are no longer there are dropped."""
        self._path = path
        self._pagers = tuple(pagers)
        with self._problems():
            self._database = sqlite3.connect(path, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._database.close()
                raise

    def record(self, incidents: Sequence[Incident]) -> None:
        """Make transitions and a page to every pager about each durable, all or none."""
        if not incidents:
            return
        with self._problems(), self._transaction():
            for incident in incidents:
                self._record(incident)

    def open_incidents(self) -> list[Incident]:
        """The incidents that are open, as they were last told, oldest first."""
        with self._problems():
            rows = self._database.execute("SELECT body FROM incidents").fetchall()
        return sorted((self._load(body) for (body,) in rows), key=lambda i: (i.opened, i.id))

    def next_page(
        self, pager: str, without: Collection[str] = (), *, kill_switch: bool = False
    ) -> tuple[int, Incident] | None:
        """The page that is to be sent next, and its number, `without` those of some incidents.

        With `kill_switch`, the page of an incident of which one about a kill switch waits, or None.
        """
        given = {"pager": pager, "without": json.dumps(list(without)), "any": not kill_switch}
        with self._problems():
            row = self._database.execute(_NEXT, given).fetchone()
        return (row[0], self._load(row[1])) if row else None

    def last_kill_switch(self, pager: str) -> int:
        """The number of the latest page about a kill switch that is still to be sent, or 0."""
        query = "SELECT coalesce(max(number), 0) FROM pages WHERE pager = ? AND kill_switch = 1"
        with self._problems():
            return int(self._database.execute(query, (pager,)).fetchone()[0])

    def done(self, number: int) -> None:
        """Forget a page: it was accepted, or never will be.

        That survives `kill -9`. After a power cut the page may be sent again: nothing waits here
        for the disk.
        """
        with self._problems():
            self._database.execute("PRAGMA synchronous = NORMAL")
            try:
                self._database.execute("DELETE FROM pages WHERE number = ?", (number,))
            finally:
                self._database.execute("PRAGMA synchronous = FULL")

    def pending(self, pager: str) -> int:
        """How many pages are still to be sent."""
        query = "SELECT count(*) FROM pages WHERE pager = ?"
        with self._problems():
            return int(self._database.execute(query, (pager,)).fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _prepare(self) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_SCHEMA)
        marks = ", ".join("?" * len(self._pagers))
        self._database.execute(
            f"DELETE FROM pages WHERE pager NOT IN ({marks})",  # noqa: S608 - marks alone
            self._pagers,
        )

    def _record(self, incident: Incident) -> None:
        body = incident.to_json()
        if incident.state == State.RESOLVED:
            self._database.execute("DELETE FROM incidents WHERE id = ?", (incident.id,))
        else:
            self._database.execute(
                "INSERT INTO incidents VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = ?",
                (incident.id, body, body),
            )
        for pager in self._pagers:
            self._database.execute(
                "INSERT INTO pages (pager, incident, kill_switch, body) VALUES (?, ?, ?, ?)",
                (pager, incident.id, incident.kill_switch, body),
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:  # a full disk has SQLite roll back by itself
                self._database.execute("ROLLBACK")
            raise

    @contextmanager
    def _problems(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise OutboxError(f"cannot use {self._path}: {error}") from error

    def _load(self, body: str) -> Incident:
        try:
            return Incident.from_dict(msgspec.json.decode(body))
        except (ValueError, KeyError, TypeError) as error:  # a damaged row, or another version's
            raise OutboxError(f"cannot use {self._path}: unreadable incident: {error}") from error
