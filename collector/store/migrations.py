"""The schema: numbered files of SQL, each applied once, in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from importlib import resources

from collector.store.backend import Store, StoreError

VERSIONS = """
CREATE TABLE IF NOT EXISTS schema_version (version UInt32, applied DateTime)
ENGINE = MergeTree ORDER BY version
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
"""


def schema_files() -> dict[int, str]:
    """Text of every schema file by its number."""
    folder = resources.files("collector.store").joinpath("schema")
    files = {
        int(entry.name.partition("_")[0]): entry.read_text()
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    }
    return dict(sorted(files.items()))


def statements(text: str) -> Iterator[str]:
    """The statements of a schema file; what is only a comment is none."""
    for statement in re.split(r";\s*\n", text + "\n"):
        if re.sub(r"--.*", "", statement).strip():
            yield statement.strip()


def pending(store: Store) -> dict[int, str]:
    """Schema files that the store does not have yet. Raises StoreError where it is of the future.

    The store has the table of versions.
    """
    answer = store.query("SELECT max(version) AS version FROM schema_version")
    current = int(answer["version"][0].as_py())
    files = schema_files()
    newest = max(files)
    if current > newest:
        raise StoreError(
            f"the store at {store.name} has schema version {current}, newer than this "
            f"program's {newest}: use a newer anchorwatch"
        )
    return {version: text for version, text in files.items() if version > current}


def migrate(store: Store, render: Callable[[str], Iterable[str]] = lambda each: (each,)) -> None:
    """Bring the store's schema up to date. Raises StoreError, also where it is of the future.

    `render` makes of each statement what this store takes in its place.
    """
    for statement in render(VERSIONS):
        store.execute(statement)
    for version, text in pending(store).items():
        for statement in statements(text):
            for each in render(statement):
                store.execute(each)
        store.execute(f"INSERT INTO schema_version SELECT {version}, now()")
