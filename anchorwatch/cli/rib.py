"""`anchorwatch rib`: which routes were held at a moment, and by whom."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pyarrow as pa

from anchorwatch.cli import answers
from anchorwatch.cli.check import load_intent_or_fail
from anchorwatch.errors import UserError
from anchorwatch.pictures.lanes import site_of
from collector.event import View, rfc3339
from collector.store.rib import rib_rows
from detectors.documents import did_you_mean
from detectors.intent import Intent

HELP = "the routes of a prefix, or of a whole table, as they were at a moment"
COLUMNS = {
    "router": "router",
    "view": "view",
    "peer": "peer",
    "prefix": "prefix",
    "next_hop": "next hop",
    "as_path": "AS path",
    "med": "MED",
    "local_pref": "pref",
    "changed": "last change (UTC)",
    "provenance": "provenance",
    "blind_since": "seen",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """The prefix, the moment, and what narrows the question."""
    parser.add_argument("prefix", metavar="PREFIX", nargs="?", help="a prefix, or an address")
    parser.add_argument("--at", default="now", metavar="T", help=answers.MOMENT)
    narrow(parser)
    parser.add_argument("--site", metavar="SITE", help="of one site that the intent names")
    parser.add_argument("--intent", type=Path, metavar="FILE", help="adds the site of each route")
    answers.configure(parser)


def narrow(parser: argparse.ArgumentParser) -> None:
    """The options that `rib` and `diff` share."""
    match = parser.add_mutually_exclusive_group()
    match.add_argument("--covering", action="store_true", help="less-specifics that contain it too")
    match.add_argument("--covered", action="store_true", help="more-specifics too")
    parser.add_argument("--view", choices=[str(view) for view in View])
    parser.add_argument("--router", metavar="NAME", help="what this router showed")
    parser.add_argument("--peer", metavar="ADDRESS", help="of this BGP peer")
    parser.add_argument("--rd", metavar="RD", help="of this route distinguisher")
    parser.add_argument(
        "--clock",
        choices=("received", "router"),
        default="received",
        help="whose time T is: when it was received here, or the router's own",
    )


def narrowed(args: argparse.Namespace) -> dict[str, Any]:
    """Those options as `rib_rows` takes them."""
    match = "covering" if args.covering else "covered" if args.covered else "exact"
    asked = {name: getattr(args, name) for name in ("view", "router", "peer", "rd", "clock")}
    return {**asked, "match": match}


def run(args: argparse.Namespace) -> int:
    """Ask the store and show the answer."""
    if args.prefix is None and args.router is None:
        raise UserError("say which PREFIX, or whose whole table with --router NAME")
    if args.prefix is None and (args.covering or args.covered):
        raise UserError("--covering and --covered go with a PREFIX")
    intent = _intent(args)
    with answers.opened(args.store) as store:
        at = answers.past_moment(args.at, store)
        try:
            rows = rib_rows(store, at, prefix=args.prefix, **narrowed(args))
        except ValueError as error:
            raise UserError(f"{args.prefix!r} is no prefix: {error}") from error
        routers = {args.router} if args.router else None
        blind = answers.blind_at(store, at, routers)
    columns = dict(COLUMNS)
    if intent is not None:
        rows = _with_sites(rows, intent, args.site)
        columns = {"site": "site", **columns}
    if any(rows["rd"].to_pylist()):
        columns["rd"] = "RD"
    what = args.prefix or "any prefix"
    nothing = f"nobody held a route of {what} at {rfc3339(at)}, as far as the store has seen"
    answers.show(args, answers.Answer(rows, columns, nothing, blind))
    return 0


def _intent(args: argparse.Namespace) -> Intent | None:
    if args.intent is None:
        if args.site is not None:
            raise UserError("--site is a name of the intent: say which with --intent FILE")
        return None
    intent = load_intent_or_fail(args.intent)
    if args.site is not None and args.site not in intent.sites:
        hint = did_you_mean(args.site, intent.sites)
        raise UserError(f"{args.intent} has no site {args.site!r}{hint}")
    return intent


def _with_sites(rows: pa.Table, intent: Intent, site: str | None) -> pa.Table:
    """The rows with the site of each; of one site only, where one is named."""
    sites = pa.array([site_of(intent, row) for row in rows.to_pylist()], pa.string())
    rows = rows.append_column("site", sites)
    return rows if site is None else rows.filter(pa.compute.equal(sites, site))
