"""What a watch saw, read back from the store in the order in which it came.

These are the events that detectors are given live: the routes of watched prefixes (with those that
are more and less specific), all Flowspec, and what sessions did. Of routes the store keeps no raw
bytes; all else has them. Memory is bounded: each table is read a page at a time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any

from collector.event import FOREVER, Event, Feed
from collector.store.backend import Reader
from collector.store.prefixes import prefix_range
from collector.store.rows import DAY, SCHEMAS, events_from_rows

Network = IPv4Network | IPv6Network
PAGE = 20_000
"""Rows that are asked for at once; those of one moment always come together."""
MOST_PREFIXES = 500
"""In one question: a statement of any length is not taken."""
SECOND = 1_000_000_000
_PAGE_OF = """
SELECT * FROM {table}
WHERE received > fromUnixTimestamp64Nano({{after:Int64}})
  AND received <= fromUnixTimestamp64Nano({{until:Int64}}) AND {which}
ORDER BY received LIMIT {page} WITH TIES
"""
_HEARD = """
SELECT router, feed, toInt64(toUnixTimestamp64Nano(min(received))) AS first,
       toInt64(toUnixTimestamp64Nano(max(received))) AS last
FROM routes
WHERE received > fromUnixTimestamp64Nano({after:Int64})
  AND received <= fromUnixTimestamp64Nano({until:Int64}) AND feed = {feed:String}
GROUP BY router, feed, toStartOfSecond(received) ORDER BY first
"""
_ENDS = """
SELECT toInt64(toUnixTimestamp64Nano(min(received))) AS first,
       toInt64(toUnixTimestamp64Nano(max(received))) AS last, count() AS rows
FROM {table}
"""
_TABLES = tuple(name for name in SCHEMAS if name not in ("routes", "incidents"))
_PREFIXED = {4: "family NOT LIKE '%ipv6%'", 6: "family LIKE '%ipv6%' OR family = 'l2vpn-evpn'"}


@dataclass(frozen=True, slots=True)
class Heard:
    """A router spoke of routes that nobody watches."""

    router: str
    feed: str
    received: int
    """ns."""


def ends_of(store: Reader) -> tuple[int, int] | None:
    """When the first and the last row came that the store has, ns; None where it has none."""
    found = [
        row
        for table in ("routes", *_TABLES)
        for row in store.query(_ENDS.format(table=table)).to_pylist()
        if row["rows"]
    ]
    if not found:
        return None
    return min(row["first"] for row in found), max(row["last"] for row in found)


def span(store: Reader, watched: Iterable[str], *, until: int = FOREVER) -> Iterator[Event]:
    """The events up to `until` (ns) that concern the `watched` prefixes, in order."""
    streams = [_events(store, table, "true", until) for table in _TABLES]
    streams += [_events(store, "routes", which, until) for which in _conditions(watched)]
    return heapq.merge(*streams, key=_place)


def heard(store: Reader, since: int, until: int) -> Iterator[Heard]:
    """When routers were heard over BMP by routes, watched or not, to the second.

    Of each second from `since` to `until` (ns) the first and the last moment are told.
    """
    for day in range(since - 1, until, DAY):
        parameters = {"after": day, "until": min(day + DAY, until), "feed": str(Feed.BMP)}
        for row in store.query(_HEARD, parameters).to_pylist():
            yield Heard(row["router"], row["feed"], row["first"])
            if row["last"] > row["first"]:
                yield Heard(row["router"], row["feed"], row["last"])


def _place(event: Event) -> tuple[int, str, str, int]:
    return (event.received, event.router_address, event.feed, event.sequence)


def _events(store: Reader, table: str, which: str, until: int) -> Iterator[Event]:
    sql = _PAGE_OF.format(table=table, which=which, page=PAGE)
    after = 0
    while True:
        events = events_from_rows(store.query(sql, {"after": after, "until": until}))
        yield from sorted(events, key=_place)
        if len(events) < PAGE:
            return
        after = max(event.received for event in events)


def _conditions(watched: Iterable[str]) -> Iterator[str]:
    """Conditions of table `routes` for the prefixes, so that no row meets two of them."""
    networks = [ip_network(prefix) for prefix in watched]
    for version, families in _PREFIXED.items():
        mine: list[Any] = [network for network in networks if network.version == version]
        kept: list[Network] = list(collapse_addresses(mine))
        above = {n.supernet(new_prefix=bits) for n in kept for bits in range(n.prefixlen)}
        for some in _batched(kept):
            yield f"({families}) AND ({' OR '.join(map(_inside, some))})"
        for some in _batched(sorted(above, key=str)):
            yield f"({families}) AND (address, length) IN ({', '.join(map(_exactly, some))})"


def _batched(networks: Sequence[Network]) -> Iterator[Sequence[Network]]:
    """As many at a time as one question takes."""
    for at in range(0, len(networks), MOST_PREFIXES):
        yield networks[at : at + MOST_PREFIXES]


def _inside(network: Network) -> str:
    first, length, last = prefix_range(str(network))
    return f"(address BETWEEN toIPv6('{first}') AND toIPv6('{last}') AND length >= {length})"


def _exactly(network: Network) -> str:
    first, length, _ = prefix_range(str(network))
    return f"(toIPv6('{first}'), {length})"
