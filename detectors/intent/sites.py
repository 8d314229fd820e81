"""Which site a route comes from, in the same time however many sites there are."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from collector.event import Event
from detectors.intent.models import Site
from detectors.intent.values import unmapped

_RANKS = ("originator_id", "next_hop", "peer")
"""The better a key tells who advertises, the earlier it is here; the others come last."""

_KEYS = (*_RANKS, "peer_as")

MAX_KNOWN = 4_096
"""Places whose site is remembered."""


class SiteIndex:
    """The matchers of all sites, as one dict for each combination of keys that is in use."""

    def __init__(self, sites: Mapping[str, Site]) -> None:
        self._ranked: dict[int, dict[tuple[str, ...], dict[tuple[object, ...], int]]] = {}
        self._names = list(sites)
        self._known: dict[tuple[object, ...], str | None] = {}
        for order, site in enumerate(sites.values()):
            for matcher in site.match:
                keys = matcher.keys()
                rank = next((i for i, key in enumerate(_RANKS) if key in keys), len(_RANKS))
                values = tuple(getattr(matcher, key) for key in keys)
                index = self._ranked.setdefault(rank, {}).setdefault(keys, {})
                index.setdefault(values, order)
        self._ranked = dict(sorted(self._ranked.items()))

    def find(self, event: Event) -> str | None:
        """The name of the site, or None."""
        hop = event.next_hop and unmapped(event.next_hop)
        # A Loc-RIB names no peer: there the place that packets go to stands for it.
        peer = hop if event.peer is None and event.rule is None else event.peer
        place = (event.originator_id, hop, peer, event.peer_as, event.router, event.router_address)
        try:
            return self._known[place]
        except KeyError:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            found = self._known[place] = self._search(place)
            return found

    def _search(self, place: tuple[object, ...]) -> str | None:
        # A router goes by its name and by its address.
        known: dict[str, tuple[object, ...]]
        known = {key: (value,) for key, value in zip(_KEYS, place[:-2], strict=True)}
        known["router"] = place[-2:]
        for by_keys in self._ranked.values():
            found = [
                index[values]
                for keys, index in by_keys.items()
                for values in product(*(known[key] for key in keys))
                if values in index
            ]
            if found:
                return self._names[min(found)]
        return None
