"""The routes of one view of a peer, as far as it takes to tell news from what is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Destination(NamedTuple):
    """What a route is for."""

    afi: int
    safi: int
    nlri: bytes
    """As a withdrawal has it."""
    path_id: int


@dataclass(slots=True)
class Table:
    """What is held, and, while a table is sent again, what was held before and not yet told."""

    epoch: int
    """When the session that carries it came up, ns."""
    last_told: int
    """When something of it last came, ns."""
    complete: bool = False
    held: dict[Destination, int] = field(default_factory=dict)
    """Destinations, with a hash of what their routes say."""
    old: dict[Destination, int] = field(default_factory=dict)

    def announce(self, destination: Destination, says: int) -> bool:
        """Whether this says anything that was not known."""
        self.old.pop(destination, None)
        if self.held.get(destination) == says:
            return False
        self.held[destination] = says
        return True

    def withdraw(self, destination: Destination) -> bool:
        """Whether it was there."""
        was_old = self.old.pop(destination, None) is not None
        return self.held.pop(destination, None) is not None or was_old

    def begin(self, now: int) -> None:
        """It is sent again, from its start: what is known is to be confirmed."""
        self.old |= self.held
        self.held = {}
        self.epoch = self.last_told = now
        self.complete = False

    def sweep(self) -> list[Destination]:
        """What was not confirmed: it is gone."""
        gone, self.old = list(self.old), {}
        return gone

    def clear(self) -> list[Destination]:
        """All that was held; it is gone."""
        gone = [*self.old, *self.held]
        self.old, self.held = {}, {}
        return gone
