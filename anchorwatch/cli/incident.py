"""`anchorwatch incident`: the evidence of an incident with the messages around it."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from anchorwatch.bundle import incident_json, write_bundle
from anchorwatch.cli import answers
from anchorwatch.cli.event_files import event_output, row
from anchorwatch.cli.reporting import write_report
from anchorwatch.cli.timelines import draw, places
from anchorwatch.errors import UserError
from anchorwatch.pictures import story
from anchorwatch.pictures.lanes import marks_of, timelines_of
from anchorwatch.pictures.page import hex_lines, page
from collector.store.evidence import Evidence, evidence_of
from collector.store.moments import parse_length
from collector.store.timeline import Timeline

HELP = "an incident: its evidence and the messages around it; as a report or as a folder, too"
MOST_LINES = 40
"""Messages around it that the terminal shows."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Which incident, and how much around it."""
    parser.add_argument("id", metavar="ID", help="its id, or how that begins")
    parser.add_argument("--window", default="60s", metavar="LENGTH", help="before and after it")
    parser.add_argument("--intent", type=Path, metavar="FILE", help="names the sites of timelines")
    parser.add_argument(
        "--report", type=Path, metavar="NAME.html", help="write one HTML page, and JSON beside it"
    )
    answers.configure(parser, output="a folder for the bundle; a file with --format")


def run(args: argparse.Namespace) -> int:
    """Print it, or bundle it as a folder, or write its messages as events."""
    if args.report is not None and args.output is not None:
        raise UserError("--report writes a page and --output a folder: name one of them")
    try:
        window = parse_length(args.window)
    except ValueError as error:
        raise UserError(str(error)) from error
    now = time.time_ns()
    with answers.opened(args.store) as store:
        try:
            evidence = evidence_of(store, args.id, now, window)
        except ValueError as error:
            raise UserError(str(error)) from error
        if args.format != "table":
            with event_output(args.format, args.output, raw=True) as write:
                for event in evidence.around:
                    write(event)
            return 0
        timelines = timelines_of(store, evidence, places(args.intent), now)
    blindness = list(story.blindness(evidence.blind))
    commands = story.commands(evidence, str(args.store))
    if args.report is not None:
        text = page(evidence, timelines, blindness, commands)
        for path in write_report(args.report, text.encode(), incident_json(evidence)):
            print(path)
        return 0
    if args.output is None:
        _print(evidence, timelines, blindness, commands)
        return 0
    for path in write_bundle(args.output, evidence, timelines, blindness, commands):
        print(path)
    return 0


def _print(
    evidence: Evidence,
    timelines: list[Timeline],
    blindness: list[str],
    commands: list[tuple[str, str]],
) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for each in (*story.sentences(evidence), *blindness):
        console.print(Text(each))
    for timeline in timelines:
        console.print()
        draw(timeline, marks_of(evidence))
    console.print(Text("\nevidence", style="bold"))
    for event in evidence.proof:
        console.print(Text(row(event)))
        if event.raw:
            console.print(Text(hex_lines(event.raw), style="dim"))
    others = [event for event in evidence.around if not evidence.proves(event)]
    shown = evidence.nearest(others, MOST_LINES)
    console.print(Text(f"\n{len(shown)} of {len(others)} messages around it", style="bold"))
    for event in shown:
        console.print(Text(row(event)))
    console.print(Text("\nto go on", style="bold"))
    commands = [*commands, (f"incident {evidence.id} --output incident-{evidence.id}", "a folder")]
    for words, answer in commands:
        console.print(Text(f"# {answer}", style="dim"))
        console.print(Text(f"anchorwatch {words}"))
