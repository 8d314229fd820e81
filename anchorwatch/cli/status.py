"""`anchorwatch status`: how the running watch is, in one screen."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from anchorwatch.cli.following import PATIENCE, follow
from anchorwatch.cli.running import ask
from anchorwatch.cli.status_view import MIB, StatusView, prober_rows
from anchorwatch.cli.tables import ago, plain, table_of
from anchorwatch.errors import UserError
from collector.event import parse_rfc3339

HELP = "show the feeds, the probers, the store and the open incidents of the watch that runs"
PATH = "/api/v1/status"


def configure(parser: argparse.ArgumentParser) -> None:
    """Whose status, and for whom."""
    parser.add_argument(
        "-c", "--config", type=Path, default=Path("anchorwatch.yaml"), help="settings file"
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.add_argument(
        "--watch", action="store_true", help="go on showing it, or each change where it is logged"
    )


def run(args: argparse.Namespace) -> int:
    """Print it; 1 where something is the matter, nothing is seen, or the intent is not in use."""
    if args.watch:
        if args.format == "json":
            raise UserError("--watch is for people: give --format json without it")
        return follow(lambda: ask(args.config, PATH, seconds=PATIENCE), StatusView())
    answer = ask(args.config, PATH)
    if args.format == "json":
        print(msgspec.json.encode(answer).decode())
    else:
        show(answer, plain(piped=160))
    sees = all(feed["state"] == "complete" for feed in answer["feeds"])
    sees = sees and all(prober["state"] == "reports" for prober in answer["probers"])
    return 0 if sees and not answer["problems"] and "error" not in answer["intent"] else 1


def show(answer: dict[str, Any], console: Console) -> None:
    """One screen for people."""
    now = parse_rfc3339(answer["time"])
    console.print(_feeds(answer["feeds"], now) if answer["feeds"] else "no feed has come up yet")
    if rows_of_probers := list(prober_rows(answer["probers"], now)):
        table = table_of("PROBER", "STATE", "HEARD", "PROBES", "RESULT")
        for row in rows_of_probers:
            table.add_row(*row)
        console.print()
        console.print(table)
    store, spool = answer["store"], answer["spool"]
    rows = f"{store['rows_written']} rows written"
    used = f"{spool['octets'] / MIB:.1f} of {spool['max_octets'] // MIB} MiB wait"
    table = table_of()
    table.add_row("decoder", answer["decoder"], f"anchorwatch {answer['version']}")
    table.add_row("store", store.get("error", "takes rows"), f"{store['place']}, {rows}")
    table.add_row("spool", spool.get("error", f"reading {spool['reading']}"), used)
    intent = answer["intent"]
    wrong = "refused as it is now" if "error" in intent else "in use"
    table.add_row("intent", wrong, f"{intent['file']}, read {ago(now, intent['used_since'])} ago")
    console.print()
    console.print(table)
    if "error" in intent:
        console.print(f"intent: {intent['error']}")
    for problem in answer["problems"]:
        console.print(f"problem: {problem}")
    console.print()
    if not answer["incidents"]:
        console.print("no incident is open")
        return
    table = table_of("OPEN INCIDENT", "SEVERITY", "FOR", "WHAT")
    for each in answer["incidents"]:
        words = (each["id"], each["severity"], ago(now, each["opened"]), each["summary"])
        table.add_row(*words)
    console.print(table)


def _feeds(feeds: list[dict[str, Any]], now: int) -> Table:
    table = table_of("ROUTER", "FEED", "STATE", "FOR", "PEERS", "HEARD", "LAG", "SENDER")
    for feed in feeds:
        lag = feed.get("lag_seconds")
        heard = feed.get("heard")
        reason = f" ({feed['reason']})" if "reason" in feed else ""
        table.add_row(
            feed["router"],
            feed.get("feed", ""),
            feed["state"] + reason,
            ago(now, feed["since"]) if "since" in feed else "",
            str(feed.get("peers_up", "")),
            f"{ago(now, heard)} ago" if heard else "never",
            "" if lag is None else f"{lag:g} s",
            " ".join(filter(None, (feed.get("profile"), feed.get("sender")))),
        )
    return table
