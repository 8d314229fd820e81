"""The embedded store: ClickHouse itself, in this process, on a folder of its own."""

from __future__ import annotations

import errno
import io
import os
import re
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from chdb import session as chdb_session

from collector.store.backend import StoreError, escaped
from collector.store.migrations import migrate
from collector.store.owner import Owner, is_store, other_owner, write_owner

_LOCKED = re.compile(r"Cannot lock file|Another server instance|already running")


class EmbeddedStore:
    """One session with the engine. Sessions are not shared between threads: open one in each.

    ClickHouse locks the folder for one process.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Open the store at `path`, making it unless `create` is False. Raises StoreError."""
        self.path = path
        if not create and not is_store(path):
            raise StoreError(f"there is no store at {path}")
        try:
            path.mkdir(parents=True, exist_ok=True)
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            session: Any = chdb_session.Session(str(path))  # type: ignore[no-untyped-call]
            self._session = session
            # A process that ends with an open session hangs now and then, so it is closed then.
            self._close = weakref.finalize(self, session.close)
            session.query("SELECT 1")
            if create:
                write_owner(path, Owner(os.getpid()))
                migrate(self)
        except OSError as error:
            raise StoreError(f"cannot open a store at {path}: {error.strerror}") from error
        except RuntimeError as error:
            raise self._opening_failed(str(error)) from error
        except StoreError:
            self.close()
            raise

    may_forget = True
    """A token is noted before its rows are in for good."""

    @property
    def name(self) -> str:
        """The folder."""
        return str(self.path)

    def _opening_failed(self, message: str) -> StoreError:
        owner = other_owner(self.path)
        if _LOCKED.search(message) or owner is not None:
            return StoreError(
                f"the store at {self.path} is in use by another anchorwatch "
                f"(process {owner.pid if owner else 'unknown'}); stop that first"
            )
        return StoreError(f"cannot open the store at {self.path}: {_first_line(message)}")

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The answer of one statement as columns. Raises StoreError."""
        given = {name: escaped(value) for name, value in (parameters or {}).items()}
        data = self.answer(sql, "Arrow", given).bytes()
        if not data:
            return pa.table({})
        return pa.ipc.open_file(io.BytesIO(data)).read_all()

    def answer(self, sql: str, kind: str, parameters: Mapping[str, Any]) -> Any:
        """The engine's own answer in a format; parameters are escaped. Raises StoreError."""
        try:
            return self._session.query(sql, kind, params=dict(parameters))
        except RuntimeError as error:
            raise StoreError(_first_line(str(error))) from error

    def execute(self, sql: str) -> None:
        """Run a statement that answers nothing. Raises StoreError."""
        try:
            self._session.query(sql)
        except RuntimeError as error:
            raise StoreError(_first_line(str(error))) from error

    def insert(self, table: str, rows: pa.Table, token: str) -> None:
        """Add rows as one block, durably: see `Store`."""
        columns = ", ".join(rows.column_names)
        # The engine's default is to gather inserts; here one insert is one acknowledged block.
        settings = f"async_insert=0, insert_deduplication_token='{token}'"
        # Not chdb's send_insert: it reports success for rows that a full disk did not take.
        # chdb finds the rows by the name of the local variable.
        insert = f"INSERT INTO {table} ({columns}) SETTINGS {settings}"
        sql = f"{insert} SELECT {columns} FROM Python(rows)"  # noqa: S608 - our own names
        try:
            self._session.query(sql)
        except RuntimeError as error:
            raise StoreError(f"{self.path}: {_first_line(str(error))}") from error

    def insert_native(self, table: str, columns: Sequence[str], path: Path, token: str) -> None:
        """Add the rows of a file of Native blocks: see `Store`."""
        names = ", ".join(columns)
        settings = f"async_insert=0, insert_deduplication_token='{token}'"
        place = str(path).replace("\\", "\\\\").replace("'", "\\'")
        insert = f"INSERT INTO {table} ({names}) SETTINGS {settings}"
        try:
            self._session.query(f"{insert} SELECT {names} FROM file('{place}', 'Native')")  # noqa: S608 - our own names
        except RuntimeError as error:
            raise StoreError(f"{self.path}: {_first_line(str(error))}") from error

    def close(self) -> None:
        """Give the session back; the folder's lock goes with the last one."""
        self._close()


def _first_line(message: str) -> str:
    text = re.sub(r"\s*\(version [^)]*\).*|\s*Stack trace:.*", "", message, flags=re.DOTALL)
    return text.strip().splitlines()[0] if text.strip() else message
