"""How the watch is, as it goes: a screen, and a line for each change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from anchorwatch.cli.following import news
from anchorwatch.cli.tables import ago, table_of
from collector.event import parse_rfc3339

MIB = 1 << 20
_FEEDS = ("down", "absent", "dumping", "complete")
_SEVERITIES = ("critical", "warning", "info")
_COLOURS = {
    **dict.fromkeys(("down", "absent", "silent", "critical", "failed"), "bold red"),
    **dict.fromkeys(("dumping", "awaited", "warning"), "yellow"),
    **dict.fromkeys(("complete", "reports", "healthy"), "green"),
}
WIDEST = 20
"""Cells that a column has at least, where it needs them."""
_FIXED = 9
"""Lines that are there whatever happens: headings, empty lines, store and spool."""


class StatusView:
    """How `status --watch` shows it."""

    def picture(self, answer: dict[str, Any], now: int, lines: int) -> RenderableType:
        """The screen: see `View`. Incidents and problems come first; feeds share what is left."""
        del now  # the watch's own clock counts: the answer has it
        at = parse_rfc3339(answer["time"])
        told: list[RenderableType] = []
        told += [Text(f"PROBLEM  {problem}", style="bold red") for problem in answer["problems"]]
        if error := answer["intent"].get("error"):
            told.append(Text(f"INTENT REFUSED  {error}", style="bold red"))
        told.append(_summary(answer))
        room = max(4, lines - _FIXED - len(told))
        incidents, shown = answer["incidents"], max(2, room // 3)
        order = sorted(incidents, key=lambda each: _SEVERITIES.index(each["severity"]))
        told += ["", _incidents(order[:shown], at) if incidents else "no incident is open"]
        if len(incidents) > shown:
            told.append(f"and {len(incidents) - shown} more open incidents")
        told += ["", *_feeds(answer["feeds"], at, max(2, room // 3))]
        if rows := list(prober_rows(answer["probers"], at)):
            # Those that are not well come first, as they are what one looks for.
            rows.sort(key=lambda row: (row[4].startswith("healthy"), row))
            told += ["", _table(("PROBER", "STATE", "HEARD", "PROBES", "RESULT"), rows, room // 3)]
        return Group(*told)

    def changes(self, before: dict[str, Any] | None, answer: dict[str, Any]) -> Iterable[str]:
        """The lines: see `View`."""
        return news({} if before is None else _facts(before), _facts(answer))


def prober_rows(probers: list[dict[str, Any]], at: int) -> Iterator[tuple[str, ...]]:
    """Prober, its state, when it was heard, what it asks, and what it found, at the moment `at`."""
    for prober in probers:
        heard = f"{ago(at, prober['heard'])} ago" if "heard" in prober else "never"
        for probe in prober["probes"]:
            site = f" at {probe['site']}" if "site" in probe else ""
            reason = f": {probe['reason']}" if "reason" in probe else ""
            yield (
                prober["prober"],
                prober["state"],
                heard,
                f"{probe['anycast']}{site}, {probe['probe']}",
                probe.get("result", "not yet known") + reason,
            )


def _summary(answer: dict[str, Any]) -> Table:
    store, spool = answer["store"], answer["spool"]
    used = f"{spool['octets'] / MIB:.1f} of {spool['max_octets'] // MIB} MiB wait"
    table = table_of()
    table.add_row(
        "store", store.get("error", "takes rows"), f"{store['rows_written']} rows written"
    )
    table.add_row("spool", spool.get("error", f"reading {spool['reading']}"), used)
    return table


def _incidents(incidents: list[dict[str, Any]], at: int) -> Table:
    table = table_of("OPEN INCIDENT", "SEVERITY", "FOR", "WHAT")
    for each in incidents:
        severity = Text(each["severity"], style=_COLOURS.get(each["severity"], ""))
        table.add_row(each["id"], severity, ago(at, each["opened"]), Text(each["summary"]))
    return table


def _feeds(feeds: list[dict[str, Any]], at: int, most: int) -> list[RenderableType]:
    if not feeds:
        return ["no feed has come up yet"]
    feeds = sorted(feeds, key=lambda each: (_FEEDS.index(each["state"]), each["router"]))
    rows = [_feed(feed, at) for feed in feeds]
    return [_table(("ROUTER", "STATE", "FOR", "HEARD", "FEED"), rows, most)]


def _feed(feed: dict[str, Any], at: int) -> tuple[str, ...]:
    more = (
        feed.get("feed"),
        f"{feed['peers_up']} peers" if "peers_up" in feed else None,
        f"lag {feed['lag_seconds']:g} s" if "lag_seconds" in feed else None,
        feed.get("reason"),
    )
    return (
        feed["router"],
        feed["state"],
        ago(at, feed["since"]) if "since" in feed else "",
        f"{ago(at, feed['heard'])} ago" if "heard" in feed else "never",
        " ".join(filter(None, more)),
    )


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]], most: int) -> Table:
    """A line for each row, the second column coloured; the rows that are left out are counted."""
    table = table_of()
    table.show_header = True
    for number, heading in enumerate(headings):
        # What stands last gives way first: it is the longest and matters least.
        longest = max(len(row[number]) for row in (headings, *rows))
        least = min(longest, WIDEST) if number < len(headings) - 1 else None
        table.add_column(heading, overflow="ellipsis", no_wrap=True, min_width=least)
    shown = rows if len(rows) <= max(2, most) else rows[: max(2, most)]
    for first, state, *rest in shown:
        table.add_row(first, Text(state, style=_COLOURS.get(state, "")), *map(Text, rest))
    if len(shown) < len(rows):
        table.add_row(f"and {len(rows) - len(shown)} more")
    return table


def _facts(answer: dict[str, Any]) -> dict[str, str]:
    """What is told when it changes, in the order in which it is told."""
    store, spool, intent = answer["store"], answer["spool"], answer["intent"]
    refused = f"refused as it is now: {intent['error']}" if "error" in intent else ""
    facts = {
        "watch": f"anchorwatch {answer['version']}, decoder {answer['decoder']}",
        "intent": f"{intent['file']}, {refused or 'read ' + intent['used_since'][:19] + 'Z'}",
        "store": store.get("error", f"{store['place']}, takes rows"),
        "spool": spool.get("error", f"reading {spool['reading']}"),
    }
    facts |= {f"problem {problem}": "yes" for problem in answer["problems"]}
    for feed in answer["feeds"]:
        peers = f", {feed['peers_up']} peers up" if "peers_up" in feed else ""
        reason = f" ({feed['reason']})" if "reason" in feed else ""
        name = " ".join(filter(None, ("feed", feed["router"], feed.get("feed"))))
        facts[name] = feed["state"] + reason + peers
    for prober in answer["probers"]:
        facts[f"prober {prober['prober']}"] = prober["state"]
        for probe in prober["probes"]:
            name = " ".join(filter(None, ("probe", probe["anycast"], probe.get("site"))))
            reason = f" ({probe['reason']})" if "reason" in probe else ""
            facts[f"{name} by {prober['prober']}"] = probe.get("result", "not yet known") + reason
    for each in answer["incidents"]:
        facts[f"incident {each['id']}"] = f"{each['severity']}: {each['summary']}"
    return facts
