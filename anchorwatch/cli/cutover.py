"""`anchorwatch cutover`: where planned cutovers stand, the word to go back, and the report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from rich.console import Console

from anchorwatch.advice import unseen
from anchorwatch.cli.cutover_view import CutoverView
from anchorwatch.cli.following import PATIENCE, follow
from anchorwatch.cli.running import ask
from anchorwatch.cli.tables import plain, table_of

HELP = "show where a cutover stands, tell the watch that one goes back, or report how one went"
PATH = "/api/v1/cutovers"


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do, with which cutover."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    status = actions.add_parser("status", help="phase, timers, vantage points and rules left")
    status.add_argument("name", nargs="?", metavar="NAME", help="a cutover of the intent")
    status.add_argument("--json", action="store_true", help="print what the watch answers")
    watch = actions.add_parser(
        "watch", help="follow one as it goes, with the time that is left and what to do next"
    )
    watch.add_argument("name", metavar="NAME", help="a cutover of the intent")
    rollback = actions.add_parser(
        "rollback", help="going back is wanted: it is no alarm until the start is proven again"
    )
    rollback.add_argument("name", metavar="NAME", help="a cutover of the intent")
    rollback.add_argument("--json", action="store_true", help="print what the watch answers")
    for action in (status, watch, rollback):
        action.add_argument(
            "-c", "--config", type=Path, default=Path("anchorwatch.yaml"), help="settings file"
        )
    _configure_report(actions.add_parser("report", help="how it went: an HTML page and JSON"))


def _configure_report(parser: argparse.ArgumentParser) -> None:
    """Which one, of which watch, and where to write."""
    parser.add_argument("name", metavar="NAME", help="a cutover of the intent")
    parser.add_argument(
        "--output", type=Path, default=Path(), metavar="PATH", help="a folder, or a name.html"
    )
    parser.add_argument(
        "-c", "--config", type=Path, default=Path("anchorwatch.yaml"), help="settings file"
    )
    parser.add_argument("--store", type=Path, metavar="PATH", help="another store than its own")
    parser.add_argument("--intent", type=Path, metavar="FILE", help="another intent than its own")


def run(args: argparse.Namespace) -> int:
    """Print it; 1 where an incident of such a cutover is open."""
    if args.action == "report":
        from anchorwatch.cli import cutover_report  # noqa: PLC0415 - the others need no store

        return cutover_report.run(args)
    path = PATH if args.name is None else f"{PATH}/{quote(args.name, safe='')}"
    if args.action == "watch":
        return follow(lambda: ask(args.config, path, seconds=PATIENCE), CutoverView())
    if args.action == "rollback":
        answer = ask(args.config, f"{path}/rollback", method="POST")
    else:
        answer = ask(args.config, path)
    cutovers = answer["cutovers"] if args.name is None else [answer]
    if args.json:
        print(msgspec.json.encode(answer).decode())
    else:
        console = plain(piped=160)
        if args.name is None:
            show_all(cutovers, console)
        else:
            show(answer, console)
    return 1 if any("incident" in cutover for cutover in cutovers) else 0


def show_all(cutovers: list[dict[str, Any]], console: Console) -> None:
    """All of them, a line each."""
    if not cutovers:
        console.print("the intent has no cutover")
        return
    table = table_of("CUTOVER", "SERVICE", "WINDOW", "PHASE", "TOTAL", "ADVERTISED BY", "INCIDENT")
    for each in cutovers:
        table.add_row(
            each["name"],
            each["service"],
            f"{each['window']['start'][:16]}Z {each['window']['state']}",
            _phase(each),
            _timer(each["timers"]["total"]),
            ", ".join(each["advertised_by"]) or ("not seen" if unseen(each) else "nobody"),
            each.get("incident", {}).get("id", ""),
        )
    console.print(table)


def show(cutover: dict[str, Any], console: Console) -> None:
    """One cutover on one screen."""
    goal = ", ".join(cutover["to"])
    window = cutover["window"]
    plan = cutover.get("rehearsal_of")
    rows = [
        ("cutover", cutover["name"] + (f", a rehearsal of {plan}" if plan else "")),
        ("service", f"{cutover['service']} ({cutover['prefix']}): {cutover['from']} to {goal}"),
        ("window", f"{window['start'][:19]}Z to {window['end'][:19]}Z, {window['state']}"),
        ("phase", _phase(cutover)),
        *((f"  {step}", f"{at[:23]}Z") for step, at in cutover["steps"].items()),
        *((name, _timer(timer)) for name, timer in cutover["timers"].items()),
    ]
    table = table_of()
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if "incident" in cutover:
        incident = cutover["incident"]
        console.print(f"\n{incident['severity']} {incident['id']}: {incident['summary']}")
    if cutover["vantage_points"]:
        console.print()
        console.print(_points(cutover))
    if cutover["earlier"]:
        console.print()
        table = table_of("EARLIER", "BEGUN", "MOVED", "FLUSHED", "TOTAL", "OVERLAP", "GAP")
        for each in cutover["earlier"]:
            spans = each["seconds"]
            words = (
                f"{spans[name]:g} s" if name in spans else ""
                for name in ("moved", "flushed", "total", "overlap", "gap")
            )
            table.add_row(each["name"], f"{each['begun'][:19]}Z", *words)
        console.print(table)


def _points(cutover: dict[str, Any]) -> Any:
    table = table_of("VANTAGE POINT", "SAW THE OLD SITE", "ADVERTISED BY", "RULES LEFT")
    for point in cutover["vantage_points"]:
        seen = point["sees"]
        table.add_row(
            point["at"],
            "yes" if point["saw_old"] else "",
            # One that only shows rules says nothing of who advertises.
            (", ".join(point["advertised_by"]) or ("nobody" if point["saw_old"] else "-"))
            if seen
            else "does not see",
            str(point["rules"] or "") if seen else "?",
        )
    return table


def _phase(cutover: dict[str, Any]) -> str:
    if "superseded_by" in cutover:
        return f"{cutover['phase']}, replaced by {cutover['superseded_by']}"
    if "rollback" in cutover:
        return f"{cutover['phase']}, going back since {cutover['rollback'][:19]}Z"
    if "rolled_back" in cutover:
        return f"{cutover['phase']}, rolled back {cutover['rolled_back'][:19]}Z"
    return str(cutover["phase"])


def _timer(timer: dict[str, float]) -> str:
    return f"{timer['seconds']:g} of {timer['limit']:g} s"
