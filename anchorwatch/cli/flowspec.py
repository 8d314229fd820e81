"""`anchorwatch flowspec`: the Flowspec rules that were in force at a moment."""

from __future__ import annotations

import argparse

from anchorwatch.cli import answers
from collector.event import rfc3339
from collector.store.history import flowspec_rows

HELP = "the Flowspec rules that each router held at a moment"
COLUMNS = {
    "router": "router",
    "view": "view",
    "peer": "peer",
    "rule": "rule",
    "actions": "actions",
    "first_seen": "first seen (UTC)",
    "changed": "last change (UTC)",
    "blind_since": "seen",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """The moment."""
    parser.add_argument("--at", default="now", metavar="T", help="RFC 3339, -10m, or now")
    answers.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the store and show the answer."""
    at = answers.moment(args.at)
    with answers.opened(args.store) as store:
        nothing = f"no router held a Flowspec rule at {rfc3339(at)}, as far as the store has seen"
        answers.show(args, flowspec_rows(store, at), COLUMNS, nothing)
    return 0
