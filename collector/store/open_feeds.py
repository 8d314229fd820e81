"""Which feeds are up, so that a program that was killed can be said to have stopped seeing them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from collector.event import KILLED, Event, Kind, Provenance


class OpenFeeds:
    """A small file of the feeds that are up. Its time says when the program last lived."""

    def __init__(self, path: Path) -> None:
        """Read what an earlier program left; a file that cannot be read is none."""
        self._path = path
        self._open: dict[str, dict[str, Any]] = {}
        self._written = False
        self.lived = 0
        """When an earlier program last lived, ns; 0 where there was none."""
        self._left: list[Event] = []
        try:
            self.lived = path.stat().st_mtime_ns
            left = msgspec.json.decode(path.read_bytes())
            self._left = [_down(feed, self.lived) for feed in left]
            self._open = {_key(event): feed for event, feed in zip(self._left, left, strict=True)}
        except (OSError, ValueError, TypeError, KeyError):
            self._left = []

    def left(self, kept_last: Iterable[Event]) -> list[Event]:
        """Tell that the feeds are down that an earlier program saw last: once.

        It may have been killed after it had kept such an event and before it could note that, so
        `kept_last` are those that it kept last.
        """
        for event in kept_last:
            if event.kind == Kind.FEED_DOWN:
                self._apply(event)
        return [event for event in self._left if _key(event) in self._open]

    def note(self, kind: Kind, events: Iterable[Event]) -> None:
        """Take in which feeds went up or down, by `kind`. Raises OSError.

        What goes up is to be noted before it is kept, and what goes down afterwards.
        """
        for event in events:
            if event.kind == kind:
                self._apply(event)
                self._written = False
        if not self._written:
            scratch = self._path.with_suffix(".new")
            scratch.write_bytes(msgspec.json.encode(list(self._open.values())))
            scratch.replace(self._path)
            self._written = True

    def touch(self, at: int) -> None:
        """The program lives at `at` (ns), by the clock that gives the times of receipt.

        Raises OSError.
        """
        os.utime(self._path, ns=(at, at))

    def _apply(self, event: Event) -> None:
        if event.kind == Kind.FEED_UP:
            names = ("feed", "router", "router_address", "epoch")
            self._open[_key(event)] = {name: getattr(event, name) for name in names}
        else:
            self._open.pop(_key(event), None)


def _key(event: Event) -> str:
    return f"{event.router_address} {event.epoch}"


def _down(feed: dict[str, Any], at: int) -> Event:
    return Event(
        received=max(at, (feed["epoch"] or 0) + 1),
        sequence=0,
        kind=Kind.FEED_DOWN,
        provenance=Provenance.SYNTHETIC,
        reason=KILLED,
        **feed,
    )
