"""`anchorwatch decode`: what a recording says, one event a line or a row."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from anchorwatch.cli.event_files import FORMATS, Write, event_output
from anchorwatch.errors import UserError
from collector.event import Event
from collector.inputs.files import FileError, Summary, read_events
from collector.inputs.wide import Sink

HELP = "decode BMP, BGP, MRT, pcap and pcapng files (.gz, .bz2), or hex on standard input (-)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Which files, and how to show them."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="recordings, or - for hex lines")
    parser.add_argument("--format", choices=FORMATS, default="jsonl")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write here (parquet needs it)")
    parser.add_argument("--raw", action="store_true", help="add each message")
    parser.add_argument("--count", action="store_true", help="only count messages and events")


def run(args: argparse.Namespace) -> int:
    """Decode every file, also after one that cannot be read to its end."""
    failures: list[str] = []
    if args.count:
        if args.output is not None:
            raise UserError("--count prints and writes no file: leave out --output")
        for path in args.files:
            _count(path, failures)
    else:
        _check_output(args.files, args.output)
        with event_output(args.format, args.output, raw=args.raw) as write:
            for path in args.files:
                quiet = sys.stdout.isatty() and args.output is None
                _write(path, write, failures, quiet=quiet)
    if failures:
        raise UserError("; ".join(failures))
    return 0


def _check_output(files: list[str], output: Path | None) -> None:
    if output is None or not output.exists():
        return
    for path in files:
        if path != "-" and Path(path).exists() and output.samefile(path):
            raise UserError(f"{output}: cannot be read and written at once")


def _write(path: str, write: Write, failures: list[str], *, quiet: bool) -> None:
    try:
        for event in with_progress(path, Summary(), quiet=quiet):
            write(event)
    except FileError as error:
        failures.append(str(error))


def with_progress(
    path: str, summary: Summary, *, quiet: bool, sink: Sink | None = None
) -> Iterator[Event]:
    """The events of a file, with a bar on a terminal that does not get the events themselves."""
    if path == "-" or not sys.stderr.isatty() or quiet:
        yield from read_events(path, summary=summary, sink=sink)
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        size = Path(path).stat().st_size if Path(path).exists() else 0
        task = bar.add_task(escape(path), total=size)
        progress = lambda done: bar.update(task, completed=done)  # noqa: E731 - one use
        yield from read_events(path, summary=summary, progress=progress, sink=sink)


def _count(path: str, failures: list[str]) -> None:
    summary = Summary()
    kinds: Counter[str] = Counter()
    try:
        for event in with_progress(path, summary, quiet=False):
            kinds[event.kind] += 1
    except FileError as error:
        failures.append(str(error))
    parts = (("messages", summary.messages), ("events", kinds), ("errors", summary.errors))
    for title, counter in parts:
        if counter:
            counted = " ".join(f"{name}:{count}" for name, count in sorted(counter.items()))
            print(f"{path}: {title} {counted}")
