"""Opens the store of an installation, and the spool before it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from anchorwatch.settings import Settings
from collector.store.address import ServerAddress
from collector.store.backend import Store, StoreError
from collector.store.opening import open_store
from collector.store.spool import Spool
from collector.store.ttl import apply_ttl
from collector.store.writer import Writer


def open_writer(settings: Settings) -> Writer:
    """What takes all rows; its lock says whether the state is ours. Raises StoreError, OSError."""
    place = settings.store_place()
    opened = partial(_open_store, place, settings.store.ttl.seconds())
    spool = Spool(settings.spool_folder, max_octets=settings.spool.max_size)
    try:
        # A server that is down is no reason not to watch and page.
        return Writer(opened, spool, wait_for_store=isinstance(place, ServerAddress))
    except StoreError:
        spool.close()
        raise


def _open_store(place: Path | ServerAddress, kept: Mapping[str, int]) -> Store:
    store = open_store(place)
    try:
        apply_ttl(store, kept, place.cluster if isinstance(place, ServerAddress) else None)
    except StoreError:
        store.close()
        raise
    return store
