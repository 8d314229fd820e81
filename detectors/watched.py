"""Which prefixes somebody asked to watch."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network

FEW = 4_096
"""So many answers are remembered, or four times as many as prefixes are watched."""


class WatchedPrefixes:
    """Decides whether a prefix is a watched one or a more-specific of one."""

    def __init__(self, prefixes: Iterable[str]) -> None:
        """Index the watched prefixes by version and length."""
        self._by_length: dict[tuple[int, int], dict[int, str]] = {}
        for text in prefixes:
            network = ip_network(text)
            shift = network.max_prefixlen - network.prefixlen
            level = self._by_length.setdefault((network.version, network.prefixlen), {})
            level[int(network.network_address) >> shift] = text
        self._cache: dict[str, str | None] = {}
        self._room = max(FEW, 4 * sum(map(len, self._by_length.values())))

    def find(self, prefix: str) -> str | None:
        """The most specific watched prefix that covers `prefix`, or None."""
        if prefix in self._cache:
            return self._cache[prefix]
        found = self._search(prefix)
        if found is not None:  # only what is watched is remembered: a full table must not fill this
            if len(self._cache) >= self._room:
                self._cache.clear()
            self._cache[prefix] = found
        return found

    def covering(self, prefix: str) -> list[str]:
        """The watched prefixes that cover `prefix`, the most specific one first."""
        try:
            network = ip_network(prefix)
        except ValueError:
            return []
        address = int(network.network_address)
        found: list[tuple[int, str]] = []
        for (version, length), level in self._by_length.items():
            if version != network.version or length > network.prefixlen:
                continue
            hit = level.get(address >> (network.max_prefixlen - length))
            if hit is not None:
                found.append((length, hit))
        return [text for _, text in sorted(found, reverse=True)]

    def _search(self, prefix: str) -> str | None:
        return next(iter(self.covering(prefix)), None)
