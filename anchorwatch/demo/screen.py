"""What a person sees of the demonstration: the story on the left, pages as they arrive."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

COLOURS = {"critical": "red", "warning": "yellow", "info": "blue"}
DIGITS = 56
"""Hex digits of a message that fit a line of an 80 column terminal."""
MARKS = {"open": "▲ PAGE", "updated": "△ UPDATE", "unknown": "? UNKNOWN", "resolved": "✔ RESOLVED"}


class Screen:
    """Prints the story; it keeps nothing but the count of what it showed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.pages = 0

    def board(self, address: str, *, stays: bool) -> None:
        """Where the board is."""
        until = "until Ctrl-C" if stays else "while this runs; --stay keeps it there"
        said = Text.assemble("The live board: ", (address, "bold cyan"), f" ({until})")
        self._console.print(said, soft_wrap=True)

    def chapter(self, title: str) -> None:
        """A new part of the story."""
        self._console.print()
        self._console.print(Rule(Text(title, style="bold"), align="left", style="dim"))

    def say(self, text: str, *, at: float | None = None) -> None:
        """One sentence of the story, with its second."""
        clock = "" if at is None else f"{at:5.1f} s"
        self._console.print(Text.assemble((f"{clock:>8}  ", "dim"), text))

    def good(self, text: str) -> None:
        """Something that went as it should."""
        self._console.print(Text.assemble(("        ✔ ", "bold green"), (text, "green")))

    def page(self, incident: dict[str, Any], milliseconds: float) -> None:
        """A page, with why it was sent."""
        resolved = incident["state"] == "resolved"
        if incident["state"] == "open":
            self.pages += 1
        colour = "green" if resolved else COLOURS[incident["severity"]]
        head = f"{MARKS[incident['state']]}  {incident['severity']}  {incident['detector']}"
        if resolved:
            line = Text.assemble((f"{head}: ", f"bold {colour}"), incident["summary"])
            self._console.print(Padding(line, (0, 0, 0, 8)))
            return
        body = Text(incident["summary"], style="bold")
        if incident["evidence"]:
            body.append("\n")
            body.append(_why(incident["evidence"][0]), style="not bold")
        panel = Panel(
            body,
            title=Text(head, style=f"bold {colour}"),
            subtitle=Text(f"incident {incident['id']}, paged in {milliseconds:.0f} ms"),
            title_align="left",
            subtitle_align="right",
            border_style=colour,
        )
        self._console.print(Padding(panel, (0, 0, 0, 8)))


def _why(event: dict[str, Any]) -> str:
    """The evidence in three short lines: what was said, by whom, and the bytes."""
    what = event.get("rule") or event.get("prefix") or event["kind"]
    actions = ", ".join(action["action"] for action in event.get("actions", ()))
    then = f" then {actions}" if actions else ""
    view = event.get("view", "session")
    peer = f" from peer {event['peer']}" if "peer" in event else ""
    raw = event.get("raw", "")
    more = "…" if len(raw) > DIGITS else ""  # the end of a message is what differs
    return (
        f"why: {event['kind']} {what}{then}\n"
        f"seen: router {event['router']}, {view}{peer}, {event['received'][11:23]} UTC\n"
        f"raw: {more}{raw[-DIGITS:]}"
    )
