"""The embedded store: ClickHouse itself, in this process, on a folder of its own."""

from __future__ import annotations

import errno
import io
import os
import re
import weakref
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
from chdb import session as chdb_session

DEFAULT_STORE = Path("anchorwatch-data/store")
OWNER = "anchorwatch.pid"
_LOCKED = re.compile(r"Cannot lock file|Another server instance|already running")


class StoreError(Exception):
    """One sentence: which store, and what is the matter with it."""


class EmbeddedStore:
    """One session with the engine. Sessions are not shared between threads: open one in each.

    ClickHouse locks the folder for one process.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Open the store at `path`, making it unless `create` is False. Raises StoreError."""
        self.path = path
        if not create and not (path / OWNER).exists():
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
                (path / OWNER).write_text(str(os.getpid()))
                self._migrate()
        except OSError as error:
            raise StoreError(f"cannot open a store at {path}: {error.strerror}") from error
        except RuntimeError as error:
            raise StoreError(self._opening_failed(str(error))) from error
        except StoreError:
            self.close()
            raise

    def _opening_failed(self, message: str) -> str:
        owner = _owner(self.path)
        if _LOCKED.search(message) or owner is not None:
            return (
                f"the store at {self.path} is in use by another anchorwatch "
                f"(process {owner or 'unknown'}); stop that first"
            )
        return f"cannot open the store at {self.path}: {_first_line(message)}"

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The answer of one statement as columns. Raises StoreError."""
        try:
            answer = self._session.query(sql, "Arrow", params=dict(parameters or {}))
        except RuntimeError as error:
            raise StoreError(_first_line(str(error))) from error
        data = answer.bytes()
        if not data:
            return pa.table({})
        return pa.ipc.open_file(io.BytesIO(data)).read_all()

    def execute(self, sql: str) -> None:
        """Run a statement that answers nothing. Raises StoreError."""
        try:
            self._session.query(sql)
        except RuntimeError as error:
            raise StoreError(_first_line(str(error))) from error

    def insert(self, table: str, rows: pa.Table, token: str) -> None:
        """Add rows durably, once for each `token`. Raises StoreError; then nothing was added.

        One call is one block: below a million rows, of one day.
        """
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
        """Add the rows of a file of Native blocks durably, once for each `token`.

        All blocks have these columns; they are fewer than a million rows, of one day. Raises
        StoreError; then nothing was added.
        """
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

    def _migrate(self) -> None:
        """Bring the schema up to date: numbered files, each applied once, in order."""
        self.execute(
            "CREATE TABLE IF NOT EXISTS schema_version (version UInt32, applied DateTime) "
            "ENGINE = MergeTree ORDER BY version "
            "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
        )
        files = sorted(
            entry.name
            for entry in resources.files("collector.store").joinpath("schema").iterdir()
            if entry.name.endswith(".sql")
        )
        answer = self.query("SELECT max(version) AS version FROM schema_version")
        current = int(answer["version"][0].as_py())
        newest = int(files[-1].partition("_")[0])
        if current > newest:
            raise StoreError(
                f"the store at {self.path} has schema version {current}, newer than this "
                f"program's {newest}: use a newer anchorwatch"
            )
        for name in files:
            version = int(name.partition("_")[0])
            if version > current:
                self._apply(name, version)

    def _apply(self, name: str, version: int) -> None:
        text = resources.files("collector.store").joinpath("schema", name).read_text()
        for statement in re.split(r";\s*\n", text + "\n"):
            if re.sub(r"--.*", "", statement).strip():
                self.execute(statement)
        record = "INSERT INTO schema_version SETTINGS async_insert=0"
        self.execute(f"{record} VALUES ({version}, now())")


def _first_line(message: str) -> str:
    text = re.sub(r"\s*\(version [^)]*\).*|\s*Stack trace:.*", "", message, flags=re.DOTALL)
    return text.strip().splitlines()[0] if text.strip() else message


def _owner(path: Path) -> int | None:
    """The process that last opened the store for writing, if it still runs and is not this one."""
    try:
        owner = int((path / OWNER).read_text())
        os.kill(owner, 0)
    except (OSError, ValueError):
        return None
    return owner if owner != os.getpid() else None
