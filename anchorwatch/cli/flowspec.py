"""`anchorwatch flowspec`: the Flowspec rules at a moment, or the life of each."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from anchorwatch.cli import answers, timelines
from anchorwatch.errors import UserError
from collector.event import FOREVER, rfc3339
from collector.store.backend import Reader
from collector.store.rules import flowspec_rows, life_rows, life_timeline

HELP = "the Flowspec rules that each router held at a moment, or the life of each"
COLUMNS = {
    "router": "router",
    "view": "view",
    "peer": "peer",
    "rule": "rule",
    "actions": "actions",
    "first_seen": "first seen (UTC)",
    "changed": "last change (UTC)",
    "provenance": "provenance",
    "blind_since": "seen",
}
LIFE = {
    "router": "router",
    "view": "view",
    "peer": "peer",
    "rule": "rule",
    "received": "received (UTC)",
    "change": "change",
    "actions": "actions",
    "provenance": "provenance",
    "reason": "reason",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """The moment, or the rules and the time of their lives."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--at", default="now", metavar="T", help=answers.MOMENT)
    which.add_argument(
        "--life",
        nargs="?",
        const="",
        metavar="RULE",
        help="what became of each rule with this in its text (* is anything), or of all",
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="with --life: draw it here, too")
    parser.add_argument("--since", metavar="T", help=f"with --life: {answers.MOMENT}")
    parser.add_argument("--until", metavar="T", help=f"with --life: {answers.MOMENT}")
    answers.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the store and show the answer."""
    if args.life is None and (args.since or args.until or args.svg):
        raise UserError("--since, --until and --svg go with --life; a moment is --at T")
    with answers.opened(args.store) as store:
        answers.show(args, _at(args, store) if args.life is None else _life(args, store))
    return 0


def _at(args: argparse.Namespace, store: Reader) -> answers.Answer:
    at = answers.past_moment(args.at, store)
    nothing = f"no router held a Flowspec rule at {rfc3339(at)}, as far as the store has seen"
    blind = answers.blind_at(store, at)
    return answers.Answer(flowspec_rows(store, at), COLUMNS, nothing, blind)


def _life(args: argparse.Namespace, store: Reader) -> answers.Answer:
    since = answers.moment(args.since, store) if args.since else None
    until = answers.moment(args.until, store) if args.until else None
    drawn = life_timeline(store, args.life, since=since, until=until, now=time.time_ns())
    timelines.show_timeline(args, drawn)
    last = FOREVER if until is None else until
    rows = life_rows(store, args.life, since=since or 0, until=last)
    what = f"with {args.life!r} in its text" if args.life else "of any kind"
    nothing = f"the store has seen no Flowspec rule {what}"
    return answers.Answer(rows, LIFE, nothing, timelines.blind_in(store, drawn))
