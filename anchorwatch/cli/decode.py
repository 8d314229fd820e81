"""`anchorwatch decode`: what a recording says, one event a line."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from anchorwatch.errors import UserError
from collector.event import Event
from collector.inputs.files import FileError, Summary, read_events

HELP = "decode raw BMP, pcap and pcapng files (.gz too), or lines of hex on standard input (-)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Which files, and how to show them."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="recordings, or - for hex lines")
    parser.add_argument("--format", choices=("jsonl", "table"), default="jsonl")
    parser.add_argument("--raw", action="store_true", help="add each message in hex")
    parser.add_argument("--count", action="store_true", help="only count messages and events")


def run(args: argparse.Namespace) -> int:
    """Decode every file, also after one that cannot be read to its end."""
    failures: list[str] = []
    for path in args.files:
        summary = Summary()
        events = _with_progress(path, summary)
        try:
            if args.count:
                _count(path, events, summary)
            elif args.format == "table":
                for event in events:
                    print(_row(event))
            else:
                for event in events:
                    print(event.to_json(raw=args.raw))
        except FileError as error:
            failures.append(str(error))
    if failures:
        raise UserError("; ".join(failures))
    return 0


def _with_progress(path: str, summary: Summary) -> Iterator[Event]:
    """The events of a file, with a bar on a terminal that does not get the events themselves."""
    if path == "-" or not sys.stderr.isatty() or sys.stdout.isatty():
        yield from read_events(path, summary=summary)
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        size = Path(path).stat().st_size if Path(path).exists() else 0
        task = bar.add_task(path, total=size)
        progress = lambda done: bar.update(task, completed=done)  # noqa: E731 - one use
        yield from read_events(path, summary=summary, progress=progress)


def _count(path: str, events: Iterator[Event], summary: Summary) -> None:
    kinds: Counter[str] = Counter()
    failure = None
    try:
        for event in events:
            kinds[event.kind] += 1
    except FileError as error:
        failure = error
    parts = (("messages", summary.messages), ("events", kinds), ("errors", summary.errors))
    for title, counter in parts:
        if counter:
            counted = " ".join(f"{name}:{count}" for name, count in sorted(counter.items()))
            print(f"{path}: {title} {counted}")
    if failure is not None:
        raise failure


def _row(event: Event) -> str:
    """One event as a line for people."""
    fields = event.to_dict()
    what = event.rule or event.prefix or event.reason or ""
    who = " ".join(filter(None, (event.router, event.peer, event.view)))
    how = " ".join(
        f"{name.replace('_', '-')} {fields[name]}"
        for name in ("next_hop", "as_path", "med", "local_pref")
        if name in fields
    )
    actions = ", ".join(action["action"] for action in event.actions)
    return "  ".join(
        part
        for part in (
            fields["received"][:23],
            who,
            event.provenance,
            event.kind,
            event.family or "",
            what,
            f"then {actions}" if actions else "",
            how,
            "; ".join(event.warnings),
        )
        if part
    )
