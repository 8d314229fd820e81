"""The peers of one BMP session, and when their tables are complete.

A table is complete at its End-of-RIBs or, as some senders have none, when nothing of it comes any
more. Once all are, the session is settled, until another peer comes up.
"""

from __future__ import annotations

from collector.quirks.base import PeerKey
from collector.wire.peers import Peer


class Tables:
    """The peers that are up. No clock: all times are given, in ns."""

    def __init__(self, quiet: int, longest_dump: int) -> None:
        """`quiet` and `longest_dump` as in `BmpSession`."""
        self.peers: dict[PeerKey, Peer] = {}
        self.heard = False
        """Whether the router has said anything of a peer."""
        self._quiet = quiet
        self._longest_dump = longest_dump
        self._last_opening = 0
        self._settled = False
        self._due: int | None = None
        """What `next_due` found, -1 for never; None where that may have changed."""

    def begin(self, now: int) -> None:
        """A session comes up."""
        self._last_opening = now
        self._settled, self._due, self.heard = False, None, False

    def add(self, peer: Peer, now: int) -> None:
        """A peer comes up, or is met by what is said of it."""
        self.peers[peer.header.key] = peer
        if not self.heard:  # whatever was said of all tables was said too early
            self.heard, self._settled = True, False
        self._last_opening = now
        self._due = None

    def remove(self, key: PeerKey) -> Peer | None:
        """A peer goes down, which may never have been up."""
        self._due, self.heard = None, True
        return self.peers.pop(key, None)

    def dumped(self, peer: Peer, at: int) -> None:
        """Something of a peer's table came."""
        peer.last_dumped = at
        self._due = None

    def excuse(self, span: int) -> None:
        """For so long (ns) nobody has read what was there: no peer was silent."""
        self._last_opening += span
        self._due = None
        for peer in self.peers.values():
            peer.last_dumped += span
            peer.excused += span

    def next_due(self) -> int | None:
        """When the next table is complete, or all of them are; None where that was said."""
        if self._due is None:
            waiting = [peer_due for _, peer_due in self._incomplete()]
            if not waiting and not self._settled:
                waiting = [self._last_opening + self._quiet]
            self._due = min(waiting, default=-1)
        return None if self._due < 0 else self._due

    def complete(self, due: int) -> list[Peer]:
        """The peers whose tables are complete as of this moment; none means all of them are."""
        self._due = None
        self._last_opening = max(self._last_opening, due - self._quiet)
        found = [peer for peer, peer_due in self._incomplete() if peer_due <= due]
        for peer in found:
            peer.complete = True
        self._settled = self._settled or not found
        return found

    def _incomplete(self) -> list[tuple[Peer, int]]:
        return [
            (peer, peer.due(self._quiet, self._longest_dump))
            for peer in self.peers.values()
            if not peer.complete
        ]
