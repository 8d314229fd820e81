"""Timelines of the forensic commands, and the sites that an intent gives them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anchorwatch.cli.answers import blind_times, complaining
from anchorwatch.cli.check import load_intent_or_fail
from anchorwatch.cli.tables import plain
from anchorwatch.pictures import terminal
from anchorwatch.pictures.lanes import site_of
from anchorwatch.pictures.svg import picture
from anchorwatch.pictures.swimlane import Mark
from collector.store.backend import Reader
from collector.store.timeline import PlaceOf, Timeline, seen_as

MOST_LANES = 40
"""Of a timeline in the terminal; a picture has all."""


def places(intent: Path | None) -> PlaceOf:
    """What names the place of a route: the sites of an intent, or else who showed it."""
    if intent is None:
        return seen_as
    loaded = load_intent_or_fail(intent)
    return lambda row: site_of(loaded, row)


def draw(timeline: Timeline, marks: Sequence[Mark] = ()) -> None:
    """Print a timeline as wide as the terminal is, in ASCII where that takes no more."""
    console = plain(piped=100)
    ascii_only = console.options.ascii_only
    for line in terminal.lines(timeline, console.width, plain=ascii_only, marks=marks):
        console.print(line, soft_wrap=True)
    console.print()


def show_timeline(args: argparse.Namespace, timeline: Timeline) -> None:
    """Draw it into `--svg`, and before the table where that is for people to read now."""
    if args.svg is not None:
        with complaining(args.svg):
            args.svg.write_text(picture(timeline), encoding="utf-8")
    if args.format == "table" and args.output is None and 0 < len(timeline.lanes) <= MOST_LANES:
        draw(timeline)


def blind_in(store: Reader, timeline: Timeline) -> list[dict[str, Any]]:
    """What the watch could not see of the routers of a timeline, in its time."""
    routers = {router for lane in timeline.lanes for router in lane.routers}
    return blind_times(store, timeline.since, timeline.until, routers) if routers else []
