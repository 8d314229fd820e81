"""Which store a command is about."""

from __future__ import annotations

import argparse
from pathlib import Path

from collector.store.address import ServerAddress

DEFAULT_STORE = Path("anchorwatch-data/store")


def add_store(parser: argparse.ArgumentParser) -> None:
    """The option that names it."""
    help_text = "folder of the store, or settings (anchorwatch.yaml) that say where it is"
    parser.add_argument("--store", type=Path, default=DEFAULT_STORE, help=help_text)


def place_of(path: Path) -> Path | ServerAddress:
    """Where the store is that an option names: a folder or a server. Raises UserError."""
    if not path.is_file():
        return path
    # Most ask a folder: the whole of the settings takes longer to load than the answer.
    from anchorwatch.settings import load_settings  # noqa: PLC0415

    return load_settings(path).store_place()
