"""`anchorwatch import`: recordings into the store, for questions about times before the watch."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from anchorwatch.cli.places import add_store, place_of
from anchorwatch.errors import UserError
from collector.event import rfc3339
from collector.inputs.files import FileError, read_events
from collector.store.backend import StoreError
from collector.store.imports import ChangedError, Import, Importer, Source
from collector.store.opening import open_store

HELP = "put recordings (BMP, BGP, MRT, pcap) into the store, each once, as fast as it takes them"


def configure(parser: argparse.ArgumentParser) -> None:
    """Which files, and into which store."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Import every file, also after one that cannot be read to its end."""
    if Path("-") in args.files:
        raise UserError("standard input cannot be imported: write it to a file first")
    folder = args.store.with_name(f"{args.store.name}-import")
    place = place_of(args.store)
    try:
        importer = Importer(lambda: open_store(place), folder)
    except StoreError as error:
        raise UserError(str(error)) from error
    failures: list[str] = []
    begun = time.monotonic()
    try:
        for path in args.files:
            _import_one(path, importer, failures)
    except StoreError as error:
        failures.append(f"not all could be stored: {error}; run it again to store the rest")
    finally:
        importer.close()
    _report(importer, args.store, time.monotonic() - begun)
    if failures:
        raise UserError("; ".join(failures))
    return 0


def _import_one(path: Path, importer: Importer, failures: list[str]) -> None:
    try:
        with _progress(f"fingerprint of {path}", path) as progress:
            source = Source.of(path, progress)
    except OSError as error:
        failures.append(f"{path}: cannot be read: {error.strerror or error}")
        return
    incoming = importer.begin(source)
    known = incoming.known
    if known is not None and known.finished:
        name = "" if known.path == str(path) else f", as {known.path}"
        print(f"{path} is in the store already{name}")
        if known.fault:
            failures.append(f"{path}: {known.fault}")
        return
    try:
        with _progress(str(path), path) as progress:
            take_in(incoming, progress)
    except (FileError, ChangedError) as error:
        failures.append(str(error))


def take_in(incoming: Import, progress: Callable[[int], None] | None = None) -> None:
    """Import one recording, or what is missing of it.

    Raises FileError, where it is damaged after all of it that can be read is in; StoreError and
    ChangedError.
    """
    failure: FileError | None = None
    try:
        events = read_events(
            incoming.source.path,
            progress=progress,
            sink=incoming.add_block,
            pause=incoming.pause,
        )
        try:
            for event in events:
                incoming.add_event(event)
        except FileError as error:
            if error.may_pass:
                raise
            failure = error
        incoming.finish(failure.cause if failure else "")
    finally:
        incoming.drop()
    if failure is not None:
        raise failure


def _report(importer: Importer, store: Path, seconds: float) -> None:
    rows = importer.rows
    said = f"{rows} rows into {store} in {seconds:.1f} s ({rows / seconds:,.0f} rows/s)"
    if importer.span is not None:
        first, last = map(rfc3339, importer.span)
        said += f", received {first} to {last}"
    if importer.skipped:
        said += f"; {importer.skipped} batches were in already"
    print(said)


@contextmanager
def _progress(title: str, path: Path) -> Iterator[Callable[[int], None] | None]:
    """What takes how many octets were read, and shows them on a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(title), total=path.stat().st_size if path.exists() else 0)
        yield lambda done: bar.update(task, completed=done)
