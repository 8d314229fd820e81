"""The board of the running watch: what makes it up, and what it has to be told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from anchorwatch.board.cutovers import Cutovers
from anchorwatch.board.live import Live
from anchorwatch.board.now import Now
from anchorwatch.board.tracks import Tracks
from anchorwatch.cutover_file import TrackFile
from anchorwatch.metrics import Parts
from collector.event import Event
from detectors.incidents import Incident
from detectors.route import RouteKey

log = logging.getLogger(__name__)


class RunningBoard:
    """Shows what stands now; a fault in what it works out by itself does not stop the watch."""

    def __init__(
        self,
        parts: Parts,
        track_file: TrackFile,
        feeds: Callable[[], list[dict[str, Any]]],
        problems: Callable[[], list[str]],
        observe: Callable[[float], None],
    ) -> None:
        """Show these parts; `track_file` has what was seen of cutovers before a restart.

        `feeds` and `problems` are as `status` tells them; `observe` takes the seconds of a look.
        """
        self._file = track_file
        self._tracks = Tracks(lambda: parts.engine, track_file.load(), parts.writer.lived)
        self.cutovers = Cutovers(lambda: parts.engine, self._tracks, parts.clock)
        """Those that are shown."""
        now = Now(lambda: parts.engine, lambda: parts.impairments.open, feeds, self.cutovers.shown)
        self.live = Live(now, problems, observe)
        """Who listens, and what they are told."""
        self._failed = False

    def touch(self, key: RouteKey) -> None:
        """A route has changed."""
        self.live.touch(key)
        self._tracks.touch()

    def after(self, event: Event) -> None:
        """The engine has judged an event."""
        self._attempt(partial(self._tracks.after, event))

    def told(self, transitions: Sequence[Incident]) -> None:
        """Incidents have changed."""
        self.live.told(transitions)
        self._attempt(partial(self._tracks.told, transitions))

    def tick(self, now: int) -> None:
        """The engine has judged what depends on time, up to `now` (ns)."""
        self._attempt(partial(self._tracks.tick, now))

    def look(self) -> None:
        """Tell who listens what has changed."""
        self._attempt(self.live.look)

    def keep(self) -> None:
        """Keep what was seen of cutovers, where that is news. Raises CutoverFileError."""
        if self._tracks.news:
            self._file.write(self._tracks.all())
            self._tracks.news = False

    def close(self) -> None:
        """Nobody is told any more."""
        self.live.close()

    def _attempt(self, what: Callable[[], None]) -> None:
        """Do it; that it failed is told once."""
        try:
            what()
        except Exception as error:
            if not self._failed:
                log.error("the board failed; pages go on", exc_info=error)
            self._failed = True
