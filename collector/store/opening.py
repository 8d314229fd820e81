"""Opens the store that the settings name, whichever kind it is."""

from __future__ import annotations

from pathlib import Path

from collector.store.address import ServerAddress
from collector.store.backend import Store


def open_store(where: Path | ServerAddress, *, create: bool = True) -> Store:
    """The store in a folder or on a server; one for each thread. Raises StoreError.

    With `create` the tables are made, or brought up to date, first.
    """
    if isinstance(where, ServerAddress):
        # The driver takes 30 MiB, which a watch with an embedded store has other uses for.
        from collector.store.server import ServerStore  # noqa: PLC0415

        return ServerStore(where, create=create)
    # The engine is half a gigabyte, which who asks a watch that runs has no use for.
    from collector.store.embedded import EmbeddedStore  # noqa: PLC0415

    return EmbeddedStore(where, create=create)
