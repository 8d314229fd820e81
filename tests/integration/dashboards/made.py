"""A story that no recording tells: two moves of which not everything goes, or is seen, as planned.

Each service is seen by a router of its old and one of its new site, so that one can be lost alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from anchorwatch.demo.scenario import INTENT
from collector.event import Event, Family, Kind, Provenance, View
from collector.inputs.files import read_events
from detectors.intent import Intent, parse_intent
from tests.unit.rules.scenes import ALLOWED, PEERS, SECOND, START, make, route

MOVES = "moves"
"""What this story is called where others are called by the path of their recording."""
WEB, BEAST = "192.0.2.50/32", "192.0.2.60/32"
ANCHOR = "10.100.0.254/32"
OLD, NEW = PEERS["legacy-pe"], PEERS["new-pe1"]
CONTROLLER = "10.0.9.9"
LEFT_OVER = "destination 192.0.2.60/32 protocol =6 destination-port =2883"


def heard(source: str) -> list[Event]:
    """The events of a recording, or of the story that is made here."""
    return moves() if source == MOVES else list(read_events(source))


def intent_of(source: str, window: str) -> Intent:
    """That of the demonstration; for the story that is made here, with a gap that is allowed."""
    text = INTENT.format(mark="#", window=window)
    if source == MOVES:
        text = text.replace("max_overlap: 4s", "max_overlap: 4s, max_gap: 5s")
        text += "feeds: [{router: web-old}]\n"
    return parse_intent(text)


@dataclass
class Story:
    """Events in order, told at so many seconds after the beginning."""

    events: list[Event] = field(default_factory=list)

    def tell(self, at: float, event: Event) -> None:
        told = {"received": START + round(at * SECOND), "sequence": len(self.events) + 1}
        self.events.append(msgspec.structs.replace(event, **told))

    def up(self, at: float, router: str, peer: str, *dump: str) -> None:
        """A router's session comes up with one peer, and shows its table."""
        seen = {"peer": peer, "view": View.ADJ_IN_PRE, "epoch": START + round(at * SECOND)}
        self.tell(at, make(Kind.FEED_UP, router, 0, epoch=seen["epoch"]))
        self.tell(at, make(Kind.PEER_UP, router, 0, **seen))
        for what in dump:
            self.route(at, Kind.ANNOUNCE, router, peer, what, Provenance.DUMP)
        for family in (Family.IPV4_UNICAST, Family.IPV4_FLOWSPEC):
            self.tell(at, make(Kind.END_OF_RIB, router, 0, family=family, **seen))
        self.tell(at, make(Kind.END_OF_RIB, router, 0))

    def down(self, at: float, router: str) -> None:
        self.tell(at, make(Kind.FEED_DOWN, router, 0, reason="lost"))

    def route(
        self, at: float, kind: str, router: str, peer: str, what: str, how: str = Provenance.LIVE
    ) -> None:
        self.tell(at, route(kind, router, peer, what, 0, how))


def moves() -> list[Event]:
    """`web` overlaps twice and is gone twice; of `beast` each site's router is lost."""
    story = Story()
    story.up(0, "web-old", OLD, WEB)
    story.up(0, "web-new", NEW)
    story.up(0, "controller", CONTROLLER, ALLOWED)
    story.up(0, "beast-old", OLD, BEAST)
    story.up(0, "beast-new", NEW)
    story.route(8, Kind.ANNOUNCE, "web-new", NEW, ANCHOR)  # where the rule redirects to
    for at, kind, router, peer in (
        (10, Kind.ANNOUNCE, "web-new", NEW),  # both for 3.2 s
        (13.2, Kind.WITHDRAW, "web-new", NEW),
        (15, Kind.ANNOUNCE, "web-new", NEW),  # both for 2 s
        (17, Kind.WITHDRAW, "web-old", OLD),
        (18, Kind.WITHDRAW, "web-new", NEW),  # nobody for 2 s
        (20, Kind.ANNOUNCE, "web-new", NEW),
        (21, Kind.WITHDRAW, "web-new", NEW),  # nobody for 1 s
        (22, Kind.ANNOUNCE, "web-new", NEW),
    ):
        story.route(at, kind, router, peer, WEB)
    story.down(22.3, "controller")
    story.up(22.6, "controller", CONTROLLER, ALLOWED)
    story.route(23, Kind.WITHDRAW, "controller", CONTROLLER, ALLOWED)
    story.route(30, Kind.ANNOUNCE, "beast-new", NEW, BEAST)
    story.down(31, "beast-old")
    story.up(32, "beast-old", OLD, BEAST)
    story.down(33, "beast-new")
    story.up(35, "beast-new", NEW, BEAST)
    story.route(36, Kind.WITHDRAW, "beast-old", OLD, BEAST)  # both for 6 s, as far as is known
    story.down(40, "web-old")  # which showed nothing any more, so that nothing is hidden by it
    story.tell(75, make(Kind.STATS, "beast-new", 0, peer=NEW, view=View.ADJ_IN_PRE))
    return story.events
