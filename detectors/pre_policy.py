"""Which peers are shown before policy: what is shown of them after policy tells nothing then.

A router may be set to show another view of its peers. So what was seen of a peer counts until its
next table has ended, as some routers show each route after policy first, and no longer where that
table shows nothing before policy.
"""

from __future__ import annotations

from collections import Counter

from collector.event import Event, Feed, Kind, Provenance, View
from detectors.feed import FeedKey

_PRE_POLICY = View.ADJ_IN_PRE.value
_OF_TABLES = frozenset({Kind.ANNOUNCE, Kind.WITHDRAW, Kind.END_OF_RIB})
"""What shows that a view is sent: one Peer Up is for the views before and after policy."""

_Who = tuple[str | None, str | None]
"""Address and route distinguisher of a peer."""
_Place = tuple[str, str | None, str | None]
"""Its router, and the same."""


class PrePolicy:
    """The peers that are shown before policy, by the feeds that show them so."""

    def __init__(self) -> None:
        """None is."""
        self._shown: dict[FeedKey, dict[_Who, bool]] = {}
        """Feed -> peer -> whether it was shown so since its last table began."""
        self._feeds: Counter[_Place] = Counter()
        """How many feeds of its router show a peer so."""
        self.changes = 0
        """How often a peer was added or dropped."""

    def __contains__(self, place: _Place) -> bool:
        """Whether any feed of the router shows the peer so."""
        return place in self._feeds

    def of_router(self, router: str) -> bool:
        """Whether any peer of a router is shown so."""
        return any(place[0] == router for place in self._feeds)

    def note(self, event: Event) -> None:
        """Take note of what an event shows."""
        if event.view != _PRE_POLICY or event.provenance == Provenance.MIRROR:
            return
        who = (event.peer, event.peer_rd)
        # A plain tuple equals the key, and is made much faster.
        shown = self._shown.get((event.router, event.feed))  # type: ignore[call-overload]
        if (shown is not None and shown.get(who)) or event.kind not in _OF_TABLES:
            return
        if event.provenance == Provenance.SYNTHETIC and event.feed == Feed.BMP:
            return  # of a peer that showed nothing, it is said of each view that there could be
        shown = self._shown.setdefault(FeedKey.of(event), {})
        if who not in shown:
            self._feeds[event.router, *who] += 1
            self.changes += 1
        shown[who] = True

    def begin(self, feed: FeedKey, who: _Who | None = None) -> None:
        """The table of a peer, or those of all, are shown anew."""
        shown = self._shown.get(feed, {})
        for each in (who,) if who is not None else shown:
            if each in shown:
                shown[each] = False

    def end(self, feed: FeedKey, who: _Who | None = None) -> set[_Who]:
        """The table of a peer, or those of all, have ended; those that no feed shows so now."""
        shown = self._shown.get(feed, {})
        dropped = [
            each for each in ((who,) if who is not None else shown) if not shown.get(each, True)
        ]
        gone = set()
        for each in dropped:
            del shown[each]
            place = (feed.router, *each)
            self._feeds[place] -= 1
            if not self._feeds[place]:
                del self._feeds[place]
                gone.add(each)
        self.changes += len(dropped)
        return gone
