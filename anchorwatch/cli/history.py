"""`anchorwatch history`: who advertised a prefix when."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from anchorwatch.cli import answers, timelines
from anchorwatch.errors import UserError
from collector.event import FOREVER
from collector.store.backend import Reader
from collector.store.history import history_rows, timeline_of

HELP = "who advertised a prefix when: every change that the store has seen, and a timeline"
COLUMNS = {
    "received": "received (UTC)",
    "router": "router",
    "view": "view",
    "peer": "peer",
    "kind": "kind",
    "provenance": "provenance",
    "prefix": "prefix",
    "next_hop": "next hop",
    "as_path": "AS path",
    "reason": "reason",
}
SPANS = {
    "subject": "prefix",
    "rd": "RD",
    "place": "place",
    "state": "state",
    "since": "since (UTC)",
    "until": "until (UTC)",
    "reason": "reason",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """The prefix, the time, and how the timeline is drawn."""
    parser.add_argument("prefix", metavar="PREFIX", help="a prefix, or an address")
    parser.add_argument("--covered", action="store_true", help="more-specifics too")
    parser.add_argument("--since", default=None, metavar="T", help=answers.MOMENT)
    parser.add_argument("--until", default=None, metavar="T", help=answers.MOMENT)
    parser.add_argument(
        "--intent", type=Path, metavar="FILE", help="names the sites of the timeline"
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the timeline here, too")
    parser.add_argument(
        "--spans", action="store_true", help="answer the timeline's spans, not the changes"
    )
    answers.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the store and show the answer."""
    with answers.opened(args.store) as store:
        since = answers.moment(args.since, store) if args.since else None
        until = answers.moment(args.until, store) if args.until else None
        until = until and min(until, time.time_ns())  # nobody knows what is to come
        try:
            _answer(args, store, since, until)
        except ValueError as error:
            raise UserError(f"{args.prefix!r} is no prefix: {error}") from error
    return 0


def _answer(args: argparse.Namespace, store: Reader, since: int | None, until: int | None) -> None:
    drawn = timeline_of(
        store,
        args.prefix,
        since=since,
        until=until,
        now=time.time_ns(),
        covered=args.covered,
        place_of=timelines.places(args.intent),
    )
    nothing = f"the store has seen nothing of {args.prefix}"
    blind = timelines.blind_in(store, drawn)
    if args.spans:
        answer = answers.Answer(drawn.table(), SPANS, nothing, blind)
    else:
        between = {"since": since or 0, "until": FOREVER if until is None else until}
        rows = history_rows(store, args.prefix, **between, covered=args.covered)
        answer = answers.Answer(rows, COLUMNS, nothing, blind)
    timelines.show_timeline(args, drawn)
    answers.show(args, answer)
