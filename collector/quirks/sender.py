"""One sender: whose software it is, and which quirks it has shown."""

from __future__ import annotations

from collections import Counter, defaultdict

from collector.quirks.base import (
    INITIATION,
    PEER_DOWN,
    PEER_UP,
    ROUTES,
    Message,
    Past,
    PeerKey,
    Profile,
    Quirk,
    warning,
)
from collector.quirks.catalogue import QUIRKS
from collector.quirks.frr import FABRICATED
from collector.quirks.profiles import described, peering

MANY = 1000
"""Withdrawals beyond what was announced from which on they are the sender's fault."""

_BY_TYPE: defaultdict[str, list[Quirk]] = defaultdict(list)
for _quirk in QUIRKS:
    for _type in _quirk.at:
        _BY_TYPE[_type].append(_quirk)


class Sender:
    """What one session tells of the router that opened it."""

    def __init__(self, profile: Profile | None = None) -> None:
        """A sender that has not said anything; `profile` is what the settings say of it."""
        self.quirks: Counter[str] = Counter()
        """How often each was met, by name: once a message, of routes once a peer that is up."""
        self.past = Past(profile)
        """What its messages are judged by."""
        self._counted: defaultdict[PeerKey, set[str]] = defaultdict(set)
        self._announced = self._withdrawn = 0
        self._excess, self._next = 0, MANY

    @property
    def profile(self) -> Profile | None:
        """Whose software it is, or None where nothing tells."""
        return self.past.profile

    def look(self, message: Message) -> tuple[str, ...]:
        """Take a message in; what its events say of the quirks that it shows."""
        past, kind, key, quotes = self.past, message.kind, message.key, message.quotes
        if past.profile is None and kind in (INITIATION, PEER_UP):
            past.profile = described(message.information) or peering(message)
        if kind == PEER_UP:
            self._counted.pop(key, None)
        counted = self._counted[key] if kind == ROUTES else set()
        told: list[str] = []
        for quirk in _BY_TYPE[kind]:
            quoted = quotes and quirk.quoted
            if (not quoted and quirk.name in counted) or not quirk.shows(message):
                continue
            if quirk.name not in counted:
                self.quirks[quirk.name] += 1
                counted.add(quirk.name)
            if quoted:
                told.append(warning(quirk.name))
        self._remember(message)
        return tuple(told)

    def _remember(self, message: Message) -> None:
        past, kind = self.past, message.kind
        if kind == ROUTES:
            place = (message.key, message.view)
            if message.stamp > past.newest.get(place, 0):
                past.newest[place] = message.stamp
        elif kind == PEER_UP:
            past.been_up.add(message.key)
        elif kind == PEER_DOWN:
            past.downs[message.key] = message.stamp

    def tally(self, announced: int, withdrawn: int) -> None:
        """Count the routes of Route Monitoring, whoever decoded them."""
        self._announced += announced
        self._withdrawn += withdrawn

    def fabricated(self) -> int | None:
        """How many more routes it has withdrawn than announced, where that is news.

        Each of these was never announced, or was withdrawn twice. It is news when there are many,
        and when there are twice as many again.
        """
        excess = self._withdrawn - self._announced
        if excess < self._next:
            return None
        self.quirks[FABRICATED] += excess - self._excess
        self._excess, self._next = excess, 2 * excess
        return excess
