"""`anchorwatch history`: who advertised a prefix when."""

from __future__ import annotations

import argparse

from anchorwatch.cli import answers
from anchorwatch.errors import UserError
from collector.store.history import FOREVER, history_rows

HELP = "every change of a prefix that the store has seen"
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


def configure(parser: argparse.ArgumentParser) -> None:
    """The prefix and the time."""
    parser.add_argument("prefix", metavar="PREFIX", help="a prefix, or an address")
    parser.add_argument("--covered", action="store_true", help="more-specifics too")
    parser.add_argument("--since", default=None, metavar="T", help="RFC 3339, or -10m")
    parser.add_argument("--until", default=None, metavar="T", help="RFC 3339, or -10m")
    answers.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the store and show the answer."""
    since = answers.moment(args.since) if args.since else 0
    until = answers.moment(args.until) if args.until else FOREVER
    with answers.opened(args.store) as store:
        try:
            rows = history_rows(store, args.prefix, since=since, until=until, covered=args.covered)
        except ValueError as error:
            raise UserError(f"{args.prefix!r} is no prefix: {error}") from error
        answers.show(args, rows, COLUMNS, f"the store has seen nothing of {args.prefix}")
    return 0
