"""Who is told that the watch lives: whoever started it, and whoever waits for its heartbeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anchorwatch import __version__
from anchorwatch.heartbeat import Heartbeat, HeartbeatSettings
from anchorwatch.supervisor import Supervisor
from anchorwatch.web.app import Health


class Lifeline:
    """Both of them. `tick` comes from where all is judged, so that a watch that hangs is silent."""

    def __init__(self, settings: HeartbeatSettings | None, health: Callable[[], Health]) -> None:
        """Tell nobody yet. Raises OSError or ValueError where a token cannot be had."""
        self._health = health
        self._supervisor = Supervisor()
        self.heartbeat = (
            Heartbeat(settings, lambda: health().problems, self._body) if settings else None
        )

    def start(self) -> None:
        """All that listens does."""
        self._supervisor.ready()
        if self.heartbeat is not None:
            self.heartbeat.start()

    def tick(self, now: float) -> None:
        """All that was due at `now` (seconds) has been judged."""
        self._supervisor.alive(now, self._words)

    async def stop(self) -> None:
        """The end is meant: nothing is said of it to those who wait for the heartbeat."""
        self._supervisor.stopping()
        if self.heartbeat is not None:
            await self.heartbeat.close()

    def _words(self) -> str:
        health = self._health()
        seen = sum(word == "complete" for word in health.feeds.values())
        words = f"{seen} of {len(health.feeds)} feeds are seen, {health.open_incidents} incidents"
        return "; ".join([f"{words} are open", *health.problems[:1]])

    def _body(self) -> dict[str, Any]:
        health = self._health()
        return {
            "version": __version__,
            "feeds": health.feeds,
            "open_incidents": health.open_incidents,
        }
