"""What a BMP session knows of one peer: how to read it, and whether its table is complete."""

from __future__ import annotations

from dataclasses import dataclass, field

from collector.event import View
from collector.wire.bmp import PeerHeader, PeerUp, direction
from collector.wire.destinations import Context

SEND, RECEIVE = 2, 1
"""Bits of an ADD-PATH mode (RFC 7911 section 4)."""

_VIEWS = {
    "adj-in": (View.ADJ_IN_PRE.value, View.ADJ_IN_POST.value),
    "adj-out": (View.ADJ_OUT_PRE.value, View.ADJ_OUT_POST.value),
    "loc-rib": (View.LOC_RIB.value,),
}


@dataclass(slots=True)
class Peer:
    """One peer of the router in one direction, from its Peer Up to its Peer Down.

    After a Peer Up the router sends the peer's table. The table is taken as complete at the
    End-of-RIB of each family and, as some senders send none, when nothing of it came for a while.
    """

    header: PeerHeader
    epoch: int
    """When it came up, ns."""
    last_dumped: int
    """When something of its table last came, or could first come again, ns."""
    table: str | None = None
    add_path: frozenset[tuple[int, int]] = frozenset()
    views: set[str] = field(default_factory=set)
    ended: set[tuple[str, str | None]] = field(default_factory=set)
    """(view, family) whose End-of-RIB has come."""
    complete: bool = False
    local_as: int | None = None
    """The router's own AS in the session with this peer, where a Peer Up said it."""
    excused: int = 0
    """How long nobody read what was there, ns: that says nothing of the peer."""
    both_as4: bool = False
    """Whether both have agreed on AS numbers of four octets."""

    @classmethod
    def up(cls, header: PeerHeader, message: PeerUp, now: int) -> Peer:
        """A peer that has just come up, with what its OPENs negotiated."""
        ours, theirs = message.sent.add_path, message.received.add_path
        if direction(header.view) == "adj-out":
            ours, theirs = theirs, ours
        if direction(header.view) == "loc-rib":  # nothing is negotiated: it says how it encodes
            agreed = set(ours) | set(theirs)
        else:
            agreed = {
                family
                for family, mode in ours.items()
                if mode & RECEIVE and theirs.get(family, 0) & SEND
            }
        return cls(
            header,
            now,
            now,
            table=message.table,
            add_path=frozenset(agreed),
            local_as=message.sent.as_number,
            both_as4=message.sent.as4 and message.received.as4,
        )

    def context(self, header: PeerHeader) -> Context:
        """How to read an UPDATE that stands behind this per-peer header."""
        return Context(as4=header.as4, add_path=self.add_path)

    def is_dump(self, view: str, family: str | None) -> bool:
        """Whether a route of this family is part of the initial table rather than news."""
        return not self.complete and (view, family) not in self.ended

    def due(self, quiet: int, longest: int) -> int:
        """When the table is complete if nothing of it comes any more, ns."""
        return min(self.last_dumped + quiet, self.epoch + self.excused + longest)

    def all_views(self) -> list[str]:
        """The views that were seen, or all that there can be where none was."""
        return sorted(self.views) or sorted(_VIEWS[direction(self.header.view)])
