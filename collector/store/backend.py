"""What a store is: the small interface that every back end has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # what only names the errors need not load it
    import pyarrow as pa


class StoreError(Exception):
    """One sentence: which store, and what is the matter with it."""


_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


def escaped(value: Any) -> Any:
    """A parameter as ClickHouse reads it: texts are in the escaping of TabSeparated."""
    return value.translate(_ESCAPES) if isinstance(value, str) else value


class StoreUnreachableError(StoreError):
    """The store cannot be reached just now, or did not answer: the next call may go well."""


class Reader(Protocol):
    """What answers questions."""

    @property
    def name(self) -> str:
        """Which store it is, for people: a folder or an address."""

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The answer of one statement as columns. Raises StoreError."""

    def close(self) -> None:
        """Give back what it holds."""


class Store(Reader, Protocol):
    """What keeps rows, too. One instance belongs to one thread."""

    @property
    def may_forget(self) -> bool:
        """Whether it may know the token of rows that it lost when it was killed."""

    def execute(self, sql: str) -> None:
        """Run a statement that answers nothing. Raises StoreError."""

    def insert(self, table: str, rows: pa.Table, token: str) -> None:
        """Add rows durably, once for each `token`. Raises StoreError; then nothing was added.

        One call is one block: below a million rows, of one day.
        """

    def insert_native(self, table: str, columns: Sequence[str], path: Path, token: str) -> None:
        """Add the rows of a file of Native blocks durably, once for each `token`.

        All blocks have these columns; they are fewer than a million rows, of one day. Raises
        StoreError; then nothing was added.
        """
