"""`anchorwatch diff`: what was gained, lost and changed between two moments."""

from __future__ import annotations

import argparse

from anchorwatch.cli import answers, rib
from anchorwatch.errors import UserError
from collector.event import rfc3339
from collector.store.differences import diff_rows, flowspec_diff_rows

HELP = "the routes (or Flowspec rules) that were gained, lost or changed between two moments"
COLUMNS = {
    "change": "change",
    "router": "router",
    "view": "view",
    "peer": "peer",
    "prefix": "prefix",
    "what": "what",
    "changed": "last change (UTC)",
    "provenance": "provenance",
    "blind_since": "seen",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """The moments, the prefixes, and what narrows the question."""
    parser.add_argument("prefixes", metavar="PREFIX", nargs="*", help="prefixes, or addresses")
    parser.add_argument("--from", dest="before", required=True, metavar="T", help=answers.MOMENT)
    parser.add_argument("--to", dest="after", default="now", metavar="T", help=answers.MOMENT)
    parser.add_argument("--flowspec", action="store_true", help="Flowspec rules, not routes")
    rib.narrow(parser)
    answers.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the store twice and show the difference."""
    if args.flowspec and args.prefixes:
        raise UserError("--flowspec takes no PREFIX: it compares all rules, or those of --router")
    if not (args.prefixes or args.router or args.flowspec):
        raise UserError("say which PREFIX, or whose whole table with --router NAME")
    with answers.opened(args.store) as store:
        before, after = (answers.moment(text, store) for text in (args.before, args.after))
        if before > after:
            raise UserError("--from is later than --to: turn them round")
        if args.flowspec:
            rows = flowspec_diff_rows(store, before, after, router=args.router)
        else:
            try:
                rows = diff_rows(store, before, after, args.prefixes, **rib.narrowed(args))
            except ValueError as error:
                raise UserError(f"cannot compare {' '.join(args.prefixes)}: {error}") from error
        routers = {args.router} if args.router else None
        blind = answers.blind_times(store, before, after, routers)
    columns = {("rule" if args.flowspec and n == "prefix" else n): h for n, h in COLUMNS.items()}
    nothing = f"no difference between {rfc3339(before)} and {rfc3339(after)}"
    answers.show(args, answers.Answer(rows, columns, nothing, blind))
    return 0
