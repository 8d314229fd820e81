"""What the watch knows of one feed: whether it is up, complete, heard, late, or to be believed.

A feed is one way in which one router is seen: the same router may be seen over BMP and over gRPC at
the same time, and each of the two has its own sessions, its own tables and its own blindness.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from collector.event import Event, Feed, Kind, Provenance, View
from collector.quirks import Profile, warning
from collector.quirks.devices import SHARED_NAME
from detectors.gaps import Gap

MINUTE = 60_000_000_000
SAMPLES = 3
"""So many late events in a row are lag; one may be an old timestamp (GoBGP's Loc-RIB has them)."""
MAX_ODD = 16
"""Of what could not be decoded, this many of the newest are kept."""
QUIRK = warning("")
"""What precedes a known fault of the sender in an event's warnings."""
UNANNOUNCED = "withdrawals_of_unannounced"
"""The statistic by which a session tells of withdrawals that it cannot have meant."""
_LIVE, _LOC_RIB = Provenance.LIVE.value, View.LOC_RIB.value
_OF_TABLES = frozenset({Kind.ANNOUNCE, Kind.WITHDRAW, Kind.END_OF_RIB})
ADJ_OUT = frozenset({View.ADJ_OUT_PRE, View.ADJ_OUT_POST})

Peer = tuple[str | None, str | None, str]
"""Address, route distinguisher and view class of a peer."""


class FeedKey(NamedTuple):
    """One way of seeing one router."""

    router: str
    feed: str

    @classmethod
    def of(cls, event: Event) -> FeedKey:
        """The feed that an event came by."""
        return cls(event.router, event.feed)

    def __str__(self) -> str:
        return f"{self.router} {self.feed}"


@dataclass(slots=True)
class Withdrawals:
    """How many withdrawals a session brought, and how many of what it had never announced."""

    known: int = 0
    unknown: int = 0
    last_unknown: Event | None = None
    surplus: int = 0
    """Of all routes, watched or not: how many more were withdrawn than announced."""
    last_surplus: Event | None = None
    """The event that told so last."""


@dataclass(slots=True)
class FeedState:
    """One feed, as it is now."""

    epoch: int = 0
    """When its session came up, ns."""
    up: bool = False
    complete: bool = False
    """All its tables have been shown since it came up."""
    ever_complete: bool = False
    since: int = 0
    """When it came up or went down, ns; 0 where it has done neither yet."""
    unseen_since: int = 0
    """Since when its tables have not been complete, ns, over all sessions; 0 while they are."""
    cut_short: int = 0
    """How many sessions since then ended before they had shown their tables."""
    heard: int = 0
    """When anything was last received, ns."""
    last: Event | None = None
    """The event that brought it up or took it down."""
    lost: Event | None = None
    """The event that took it down last."""
    newest: Event | None = None
    """The last event that came."""
    address: str = ""
    sharing: set[str] = field(default_factory=set)
    """The addresses of sessions that have the same name at once, and may be of two routers."""
    shared: Event | None = None
    """The event by which they began to be two."""
    sender: str = ""
    """What the router says of its software (sysDescr)."""
    profile: str | None = None
    """Whose software the router runs, where its session has recognised that."""
    peers: set[Peer] = field(default_factory=set)
    """The peers that are up."""
    views: set[str] = field(default_factory=set)
    """The views that it has shown."""
    shown: set[str] = field(default_factory=set)
    """Those of which its session has brought a route, or the end of a table."""
    odd: deque[Event] = field(default_factory=lambda: deque(maxlen=MAX_ODD))
    """What could not be decoded, the newest last."""
    withdrawals: Withdrawals = field(default_factory=Withdrawals)
    gap: Gap | None = None
    """The last time that it did not see, with what had changed."""
    behind: int = 0
    """How much later the last news came than the earliest, ns; one such event is no lag."""
    _skews: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    _least_skew: int | None = None

    @property
    def is_gobgp(self) -> bool:
        """Whether the sender is a GoBGP, by what it says of itself or is known to be."""
        return self.profile == Profile.GOBGP or "gobgp" in self.sender.lower()

    def word(self) -> str:
        """The state as `complete`, `dumping` or `down`."""
        return ("complete" if self.complete else "dumping") if self.up else "down"

    def comes_up(self, event: Event) -> None:
        """A new session begins: what is known of the sender's behaviour was the old one's."""
        self._see_no_more(event)
        self.epoch = event.epoch or event.received
        self.up, self.complete = True, False
        self.since, self.last = event.received, event
        self.peers.clear()
        self.shown.clear()
        self.withdrawals = Withdrawals()
        self._skews.clear()
        self._least_skew = None
        self.behind = 0

    def goes_down(self, event: Event) -> None:
        """The session is lost."""
        if self.up or not self.since:
            self.since, self.last = event.received, event
        self._see_no_more(event)
        self.lost = event
        self.up = self.complete = False
        self.peers.clear()

    def share(self, event: Event) -> None:
        """Know whether the session that comes up now has the name of one from another address."""
        if warning(SHARED_NAME) not in event.warnings or self.last is None:
            self.sharing.clear()
            return
        if len(self.sharing) <= 1:
            self.sharing, self.shared = {self.last.router_address}, event
        self.sharing.add(event.router_address)

    def is_shown(self) -> None:
        """All its tables have been shown."""
        self.complete = self.ever_complete = True
        self.unseen_since = self.cut_short = 0

    def _see_no_more(self, event: Event) -> None:
        """What a session showed ends with it, whether it had shown all or not."""
        self.unseen_since = self.unseen_since or event.received
        self.cut_short += self.up and not self.complete and self.last is not None

    def hear(self, event: Event) -> None:
        """Take note that something came, whatever it is."""
        self.heard, self.newest = max(self.heard, event.received), event
        self.address = event.router_address or self.address
        if event.view is not None:
            self.views.add(event.view)
            if _shows_view(event):
                self.shown.add(event.view)
        said = event.information or {}
        self.profile = said.get("sender", self.profile)
        if event.kind == Kind.FEED_UP:
            self.sender = str(said.get("sys_descr") or said.get("sys_name") or self.sender)
        elif event.kind == Kind.UNDECODABLE:
            self.odd.append(event)
        elif event.statistics and UNANNOUNCED in event.statistics:
            self.withdrawals.surplus = event.statistics[UNANNOUNCED]
            self.withdrawals.last_surplus = event
        if _tells_time(event) and event.time is not None:
            self._note_time(event.received, event.received - event.time)

    def hear_route(self, event: Event) -> None:
        """Take note of a route of a view that it has shown before: the short way of `hear`."""
        received, time = event.received, event.time
        self.heard = max(self.heard, received)
        self.newest = event
        if event.router_address:
            self.address = event.router_address
        if time and event.provenance == _LIVE and event.view != _LOC_RIB:
            if event.warnings and not _tells_time(event):
                return
            self._note_time(received, received - time)

    def _note_time(self, received: int, skew: int) -> None:
        self._skews.append((received, skew))
        if self._least_skew is None or skew < self._least_skew:
            self._least_skew = skew
        self.behind = skew - self._least_skew

    def excuse(self, span: int) -> None:
        """For so long (ns) nobody listened, or our clock made such a leap: that is no lag."""
        if self._least_skew is not None:
            self._least_skew += span
        self._skews.clear()
        self.behind = 0

    @property
    def timed(self) -> bool:
        """Whether this session has brought news with a time that can be believed."""
        return self._least_skew is not None

    @property
    def skew(self) -> int | None:
        """How far our clock is ahead of the router's, ns, by the last time that can be believed.

        What it takes from the router to here is part of it.
        """
        return self._skews[-1][1] if self._skews else None

    def lag(self, now: int) -> int | None:
        """How late news comes, ns, against the earliest that it came in this session.

        The router's clock may be wrong, so only a difference counts; and the least late of the
        last few events, as one may carry an old time. None where there is too little recent news.
        """
        if self._least_skew is None or len(self._skews) < SAMPLES:
            return None
        if self._skews[0][0] < now - MINUTE:
            return None
        return min(skew for _, skew in self._skews) - self._least_skew

    def undecodable(self, now: int) -> list[Event]:
        """What could not be decoded in the last minute (of much, the newest)."""
        return [event for event in self.odd if event.received > now - MINUTE]


def _tells_time(event: Event) -> bool:
    """Whether the router's time of an event is when it happened.

    Dumps carry the time of learning, Loc-RIB withdrawals often that of the old announcement, and
    Peer Ups and Downs of some senders nonsense; a known fault of the sender is in the warnings.
    """
    return (
        event.kind in (Kind.ANNOUNCE, Kind.WITHDRAW, Kind.STATS)
        and event.provenance == Provenance.LIVE
        and bool(event.time)
        and event.view != View.LOC_RIB
        and not any(word.startswith(QUIRK) and "time" in word for word in event.warnings)
    )


def _shows_view(event: Event) -> bool:
    """Whether an event shows that its view is sent: one Peer Up is for all views of a direction.

    So is the end that is said of a peer of which BMP has brought nothing. A mirror is no table.
    """
    if event.provenance == Provenance.MIRROR:
        return False
    if event.kind == Kind.END_OF_RIB and event.feed == Feed.BMP:
        return event.provenance != Provenance.SYNTHETIC or event.view == View.LOC_RIB
    return event.kind in _OF_TABLES


def view_class(view: str | None) -> str:
    """One Peer Up speaks for both policies of a direction (RFC 7854 section 3.1)."""
    if view in ADJ_OUT:
        return "out"
    return "loc-rib" if view == View.LOC_RIB else "in"


def peer_of(event: Event) -> Peer:
    """The peer that an event is about."""
    return (event.peer, event.peer_rd, view_class(event.view))
