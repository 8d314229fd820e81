"""One cutover as it goes: a screen, and a line for each change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from anchorwatch.advice import STEPS, next_step
from anchorwatch.cli.following import news
from anchorwatch.pictures.digits import clock_face, large
from collector.event import parse_rfc3339

CELLS = 10
"""Of a bar."""
FEWEST = 3
"""So many vantage points are shown, however low the terminal is."""
_COLOURS = {"old": "yellow", "nobody": "bold red", "unseen": "magenta", "moved": "green"}
_ORDER = ("nobody", "unseen", "old", "both", "moved", "")


class CutoverView:
    """How `cutover watch` shows it."""

    def picture(self, answer: dict[str, Any], now: int, lines: int) -> RenderableType:
        """The screen: see `View`."""
        parts: list[RenderableType] = [_plan(answer), "", _middle(answer, now), ""]
        parts.append(Text.assemble(("NEXT  ", "bold"), next_step(answer)))
        if incident := answer.get("incident"):
            style = "bold red" if incident["severity"] == "critical" else "bold yellow"
            head = f"{incident['severity'].upper()} {incident['id']}: "
            parts.append(Text.assemble((head, style), incident["summary"]))
        points = answer["vantage_points"]
        if not points:
            return Group(*parts, "", "no vantage point has shown the service or its rules yet")
        return _Fitting(parts, answer, lines)

    def changes(self, before: dict[str, Any] | None, answer: dict[str, Any]) -> Iterable[str]:
        """The lines: see `View`."""
        return news({} if before is None else _facts(before), _facts(answer))


class _Fitting:
    """The screen with as many vantage points as there is room for, those to be looked at first."""

    def __init__(self, parts: list[RenderableType], answer: dict[str, Any], lines: int) -> None:
        self._parts, self._answer, self._lines = parts, answer, lines

    def __rich_console__(self, console: Console, _: object) -> Iterable[RenderableType]:
        head = Group(*self._parts)
        used = len(console.render_lines(head))
        yield head
        yield ""
        points = sorted(
            self._answer["vantage_points"],
            key=lambda point: (_ORDER.index(_word(point, self._answer)), point["at"]),
        )
        room = max(FEWEST, self._lines - used - 2)  # an empty line and the headings
        shown = points if len(points) <= room else points[: max(FEWEST, room - 1)]
        yield _points(shown, self._answer)
        if len(shown) < len(points):
            yield f"and {len(points) - len(shown)} more vantage points"


def _plan(answer: dict[str, Any]) -> Text:
    window, plan = answer["window"], answer.get("rehearsal_of")
    text = Text.assemble((f"cutover {answer['name']}", "bold"))
    text.append(f", a rehearsal of {plan}\n" if plan else "\n")
    text.append(f"{answer['service']} ({answer['prefix']}): {answer['from']} to ")
    text.append(", ".join(answer["to"]))
    start, end = window["start"][:19], window["end"][:19]
    text.append(f"\nwindow {start}Z to {end}Z, {window['state']}")
    return text


def _middle(answer: dict[str, Any], now: int) -> Table:
    """The steps at the left, the clock and the timers at the right."""
    table = Table.grid(padding=(0, 4, 0, 0))
    table.add_row(_steps(answer), _clock(answer, now))
    return table


def _steps(answer: dict[str, Any]) -> Text:
    text = Text.assemble("phase  ", (answer["phase"].upper(), "bold reverse"), "\n")
    steps = answer["steps"]
    for step in STEPS:
        at = steps.get(step)
        if step == "flushed" and not at and "flush" not in answer:
            continue  # there is nothing to flush, so it never comes
        mark, words = ("+", f"{at[11:23]}Z") if at else (".", "")
        text.append(f"\n{mark} {step:<9} {words}", style="" if at else "dim")
    for key, words in (("rollback", "going back since"), ("rolled_back", "rolled back")):
        if key in answer:
            text.append(f"\n{words} {answer[key][11:19]}Z", style="bold yellow")
    return text


def _clock(answer: dict[str, Any], now: int) -> Text:
    seconds, words, style = _countdown(answer, now)
    text = Text("\n".join(large(clock_face(seconds))), style=f"bold {style}")
    text.append(f"\n{words}\n", style=f"not bold {style}")
    for name, timer in answer["timers"].items():
        used, limit = timer["seconds"], timer["limit"]
        share = used / limit if limit else float(used > 0)
        bar = "!" * CELLS if used > limit else ("#" * int(share * CELLS)).ljust(CELLS, ".")
        left = f"{limit - used:.1f} s left" if used <= limit else f"OVER by {used - limit:.1f} s"
        line = f"\n{name:<7} [{bar}] {left}, limit {limit:g} s"
        text.append(line, style="bold red" if used > limit else "not bold default")
    return text


def _countdown(answer: dict[str, Any], now: int) -> tuple[float, str, str]:
    """Seconds, what they are, and their colour."""
    total, window = answer["timers"]["total"], answer["window"]
    if answer["phase"] == "complete":
        late = total["seconds"] > total["limit"]
        words = "is what it took, PAST the deadline" if late else "is what it took"
        return total["seconds"], words, "red" if late else "green"
    if "superseded_by" in answer:
        return total["seconds"], "until another one replaced it", "default"
    if "begun" not in answer["steps"] and "rollback" not in answer:
        start, end = parse_rfc3339(window["start"]), parse_rfc3339(window["end"])
        if now < start:
            return (start - now) / 1e9, "until the window opens", "default"
        words = "until the window ends" if now < end else "since the window ended"
        return abs(end - now) / 1e9, words, "default"
    left = total["limit"] - total["seconds"]
    if left < 0:
        return left, "PAST the deadline", "red"
    return left, "left until the deadline", "red" if left < total["limit"] / 5 else "default"


def _word(point: dict[str, Any], answer: dict[str, Any]) -> str:
    """How far a vantage point is; empty where it only shows rules."""
    if not point["sees"]:
        return "unseen"
    sites = set(point["advertised_by"])
    old, new = answer["from"] in sites, bool(sites.intersection(answer["to"]))
    if old or new:
        return "both" if old and new else "old" if old else "moved"
    return "nobody" if point["saw_old"] else ""


def _advertisers(point: dict[str, Any]) -> str:
    # One that only shows rules says nothing of who advertises.
    return ", ".join(point["advertised_by"]) or ("nobody" if point["saw_old"] else "-")


def _points(points: list[dict[str, Any]], answer: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading, least in (("HERE", 6), ("VANTAGE POINT", 20), ("ADVERTISED BY", 20), ("RULES", 5)):
        table.add_column(heading, overflow="ellipsis", no_wrap=True, min_width=least)
    for point in points:
        word = _word(point, answer)
        table.add_row(
            Text(word, style=_COLOURS.get(word, "default")),
            point["at"],
            _advertisers(point) if point["sees"] else "does not see",
            str(point["rules"] or "-") if point["sees"] else "?",
        )
    return table


def _facts(answer: dict[str, Any]) -> dict[str, str]:
    """What is told when it changes, in the order in which it is told."""
    window = answer["window"]
    facts = {
        f"cutover {answer['name']}": f"{answer['service']} ({answer['prefix']}) from "
        f"{answer['from']} to {', '.join(answer['to'])}",
        "window": f"{window['state']}, {window['start'][:19]}Z to {window['end'][:19]}Z",
        "phase": answer["phase"],
        **{f"step {step}": f"at {at[:23]}Z" for step, at in answer["steps"].items()},
    }
    for key, words in (("rollback", "going back"), ("rolled_back", "rolled back")):
        if key in answer:
            facts[words] = f"since {answer[key][:23]}Z"
    facts |= {
        f"timer {name}": f"over its limit of {timer['limit']:g} s"
        for name, timer in answer["timers"].items()
        if timer["seconds"] > timer["limit"]
    }
    for point in answer["vantage_points"]:
        words = f"advertised by {_advertisers(point)}, rules left {point['rules'] or '-'}"
        facts[point["at"]] = words if point["sees"] else "does not see"
    if incident := answer.get("incident"):
        facts[f"incident {incident['id']}"] = f"{incident['severity']}: {incident['summary']}"
    facts["next"] = next_step(answer)
    return facts
