"""`anchorwatch intent suggest`: a beginning, from what was seen."""

from __future__ import annotations

import argparse
from typing import Any

from anchorwatch.cli import answers
from anchorwatch.cli.places import add_store
from anchorwatch.errors import UserError
from collector.event import Feed, rfc3339
from collector.store.backend import Reader
from collector.store.rib import Match, rib_rows
from collector.store.rules import flowspec_rows
from detectors.intent import parse_intent
from detectors.suggest import draft

HELP = "draft an intent from what the store saw: sites, services, anycast, Flowspec, feeds"
MOST = 200
"""Prefixes that are drafted where none is named."""
_HOSTS = """
SELECT DISTINCT prefix FROM routes
WHERE length = 128 AND nlri = '' AND feed != 'bgpstream'
  AND received <= fromUnixTimestamp64Nano({at:Int64})
ORDER BY prefix LIMIT 100000
"""
_FEEDS = """
SELECT router, feed, count() AS times,
       formatDateTime(toDateTime(max(received)), '%FT%TZ', 'UTC') AS last
FROM sessions
WHERE kind = 'feed-up' AND feed IN ('bmp', 'gobgp')
  AND received <= fromUnixTimestamp64Nano({at:Int64})
GROUP BY router, feed ORDER BY router, feed
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What to draft, and from which time."""
    kinds = parser.add_subparsers(dest="what", metavar="suggest", required=True)
    suggest = kinds.add_parser("suggest", help=HELP, description=HELP)
    source = "from what the store holds (the one source that there is)"
    suggest.add_argument("--from-store", action="store_true", required=True, help=source)
    suggest.add_argument(
        "--prefix", action="append", default=[], help="with its more-specifics; else host routes"
    )
    suggest.add_argument("--at", default="now", metavar="T", help=answers.MOMENT)
    add_store(suggest)


def run(args: argparse.Namespace) -> int:
    """Print the draft, which has no mistakes but may be wrong."""
    with answers.opened(args.store) as store:
        at = answers.moment(args.at, store)
        match: Match = "covered" if args.prefix else "exact"
        prefixes = args.prefix or [row["prefix"] for row in _rows(store, _HOSTS, at)]
        try:
            routes = [
                row
                for prefix in prefixes[: None if args.prefix else MOST]
                for row in rib_rows(store, at, prefix=prefix, match=match).to_pylist()
                if _tells(row)
            ]
        except ValueError as error:
            raise UserError(f"--prefix is no prefix: {error}") from error
        rules = [row for row in flowspec_rows(store, at).to_pylist() if _tells(row)]
        left = 0 if args.prefix else max(0, len(prefixes) - MOST)
        text = draft(routes, rules, _rows(store, _FEEDS, at), at=rfc3339(at)[:19] + "Z", left=left)
    parse_intent(text, "draft")  # a draft with mistakes would be ours, not the reader's
    print(text, end="")
    return 0


def _rows(store: Reader, sql: str, at: int) -> list[dict[str, Any]]:
    return list(store.query(sql, {"at": at}).to_pylist())


def _tells(row: dict[str, Any]) -> bool:
    """Whether a row says what our network does, and not what it tells others."""
    return row["feed"] != Feed.BGPSTREAM and not row["view"].startswith("adj-out")
