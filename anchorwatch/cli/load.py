"""`anchorwatch load`: recordings into the store, for questions about times before the watch."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from anchorwatch.cli.decode import with_progress
from anchorwatch.errors import UserError
from collector.event import Event
from collector.inputs.files import FileError, Summary
from collector.native import Block
from collector.store.embedded import DEFAULT_STORE, StoreError
from collector.store.writer import Writer

HELP = "put recordings (BMP, BGP, MRT, pcap) into the store, as fast as it takes them"
BATCH = 1_000
MOST_WAITING = 128 << 20
"""Octets in memory from which on nothing more is read."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Which files, and into which store."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="recordings")
    parser.add_argument("--store", type=Path, default=DEFAULT_STORE, help="folder of the store")


def run(args: argparse.Namespace) -> int:
    """Load every file, also after one that cannot be read to its end."""
    try:
        writer = Writer(args.store)
    except StoreError as error:
        raise UserError(str(error)) from error
    failures: list[str] = []
    begun = time.monotonic()
    try:
        for path in args.files:
            _load(path, writer, failures)
        _wait(writer, until=0)
    except StoreError as error:
        failures.append(str(error))
    finally:
        # What the store does not take now it does not take at all: nobody stays to try again.
        writer.close(0)
    seconds = time.monotonic() - begun
    print(f"{writer.rows_written} rows into {args.store} in {seconds:.1f} s")
    if failures:
        raise UserError("; ".join(failures))
    return 0


def _load(path: str, writer: Writer, failures: list[str]) -> None:
    events: list[Event] = []

    def take(block: Block) -> None:
        writer.put([block])
        _wait(writer, until=MOST_WAITING)

    try:
        for event in with_progress(path, Summary(), quiet=False, sink=take):
            events.append(event)
            if len(events) >= BATCH:
                writer.put(events)
                events = []
                _wait(writer, until=MOST_WAITING)
    except FileError as error:
        failures.append(str(error))
    writer.put(events)


def _wait(writer: Writer, *, until: int) -> None:
    """Read no further while more octets than that wait. Raises StoreError where none are taken."""
    while writer.pending_octets > until:
        if writer.last_error is not None:
            raise StoreError(f"not all could be stored: {writer.last_error}")
        time.sleep(0.01)
