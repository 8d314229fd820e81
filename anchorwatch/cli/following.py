"""Follows the running watch: a screen in a terminal, elsewhere a line for each change."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.styled import Styled
from rich.text import Text

from anchorwatch.cli.running import UnreachableError
from anchorwatch.cli.tables import plain
from anchorwatch.errors import UserError
from collector.event import rfc3339

EVERY = 1.0
"""Seconds from one question to the next."""
PATIENCE = 5.0
"""Seconds that an answer may take."""
ENDS = (signal.SIGINT, signal.SIGTERM)
"""What ends a view."""


class View(Protocol):
    """How answers are shown."""

    def picture(self, answer: dict[str, Any], now: int, lines: int) -> RenderableType:
        """An answer of the moment `now` (ns), in so many lines where that can be."""

    def changes(self, before: dict[str, Any] | None, answer: dict[str, Any]) -> Iterable[str]:
        """What is new since the answer before; all that matters where there was none."""


class Follower:
    """What was answered last, and since when nobody answers."""

    def __init__(self, ask: Callable[[], dict[str, Any]]) -> None:
        """Nothing is asked yet; `ask` raises UserError."""
        self._ask = ask
        self.answer: dict[str, Any] | None = None
        self.at = 0
        """When that came, ns."""
        self.lost = 0
        """Since when there is no answer, ns; 0 while there is."""
        self.why = ""

    def look(self) -> None:
        """Ask once. UserError where not even the first answer can come."""
        try:
            self.answer = self._ask()
        except UserError as error:
            if self.answer is None and not isinstance(error, UnreachableError):
                raise
            self.lost = self.lost or time.time_ns()
            self.why = str(error)
        else:
            self.at, self.lost = time.time_ns(), 0

    def head(self) -> Text:
        """Whether what is shown is up to date."""
        if not self.lost:
            return Text(f"live, {moment(self.at)}; Ctrl-C ends this", style="dim")
        since = f"not reachable since {moment(self.lost)}, trying again"
        if self.answer is None:
            return Text(f"{since}: {self.why}", style="bold red")
        return Text(f"OLD, of {moment(self.at)}: {since}: {self.why}", style="bold red")


def follow(ask: Callable[[], dict[str, Any]], view: View) -> int:
    """Show what `ask` answers until SIGINT (Ctrl-C) or SIGTERM, which is no fault: status 0."""
    follower = Follower(ask)
    console = plain()
    on_screen = sys.stdout.isatty() and not console.is_dumb_terminal
    for number in ENDS:
        signal.signal(number, _end)
    try:
        if on_screen:
            _on_screen(follower, view, console)
        else:
            _in_lines(follower, view)
    except KeyboardInterrupt:
        if on_screen:
            console.print(_picture(follower, view, console))
    return 0


def _end(*_: object) -> None:
    """End it once: a second signal must not keep the terminal from being put back."""
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _on_screen(follower: Follower, view: View, console: Console) -> None:
    follower.look()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_picture(follower, view, console), refresh=True)
            time.sleep(EVERY)
            follower.look()


def _picture(follower: Follower, view: View, console: Console) -> RenderableType:
    head = follower.head()
    if follower.answer is None:
        return head
    left = console.height - len(console.render_lines(head))
    body = view.picture(follower.answer, follower.at, left)
    return Group(head, Styled(body, "dim") if follower.lost else body)


def _in_lines(follower: Follower, view: View) -> None:
    before, lost = None, False
    while True:
        follower.look()
        if follower.lost and not lost:
            _say(follower.lost, f"not reachable, trying again: {follower.why}")
        elif lost and not follower.lost:
            _say(follower.at, "reachable again")
        lost = bool(follower.lost)
        if follower.answer is not None and not lost:
            for line in view.changes(before, follower.answer):
                _say(follower.at, line)
            before = follower.answer
        time.sleep(EVERY)


def _say(at: int, line: str) -> None:
    print(f"{rfc3339(at)[:23]}Z {line}", flush=True)


def moment(ns: int) -> str:
    """The time of day."""
    return f"{rfc3339(ns)[11:19]}Z"


def news(before: dict[str, str], now: dict[str, str]) -> Iterable[str]:
    """A line for each thing that is new, says something else, or is gone; the key names it."""
    for name, words in now.items():
        if before.get(name) != words:
            was = f" (was: {before[name]})" if name in before else ""
            yield f"{name}: {words}{was}"
    yield from (f"{name}: gone" for name in before if name not in now)
