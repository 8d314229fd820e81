"""What could be seen: the sessions of routers and peers, up to a moment or between two."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from collector.event import Kind
from collector.store.backend import Reader

Clock = Literal["received", "router"]
COUNTS: dict[Clock, str] = {
    "received": "received <= fromUnixTimestamp64Nano({at:Int64})",
    "router": "ifNull(time, received) <= fromUnixTimestamp64Nano({at:Int64})",
}
"""Whether a row is one of those up to a moment."""

Place = tuple[int, int]
"""(received, sequence): where something stands in the order of all that a router said."""
PLACE_NUMBER = (
    "bitOr(bitShiftLeft(toUInt128(toUnixTimestamp64Nano(received)), 64), toUInt128(sequence))"
)
"""SQL: the same of a row as one number, as the engine is slow at comparing tuples."""
NOWHERE: Place = (0, 0)
Source = tuple[str, str]
"""A router and the feed that shows it."""


class SessionKey(NamedTuple):
    """Of which session, and of which table of it, a route is."""

    router: str
    feed: str
    peer: str
    peer_rd: str
    view: str
    family: str

    @property
    def source(self) -> Source:
        """Which router, over which feed: what has a connection of its own with us."""
        return self.router, self.feed

    @property
    def direction(self) -> str:
        """`adj-in`, `adj-out` or `loc-rib`: one Peer Up speaks for both policies of a direction."""
        return self.view.removesuffix("-pre").removesuffix("-post")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What sessions did to the routes of one table."""

    gone_before: Place
    """What was announced before this is gone: its peer went down, or a newer table lacks it."""
    blindness: tuple[Place, ...]
    """At each of these, what was announced before it could be seen no more."""


@dataclass(slots=True)
class _Feed:
    ups: list[Place] = field(default_factory=list)
    downs: list[Place] = field(default_factory=list)
    complete: Place = NOWHERE


class Sessions:
    """All that sessions did up to a moment."""

    def __init__(self, rows: Iterable[SessionRow]) -> None:
        """Take rows in the order of their places."""
        self._feeds: defaultdict[Source, _Feed] = defaultdict(_Feed)
        self._ups: defaultdict[tuple[str, ...], list[Place]] = defaultdict(list)
        self._downs: dict[tuple[str, ...], Place] = {}
        self._complete: dict[SessionKey, Place] = {}
        for row in current(rows):
            self._take(row)

    def _take(self, row: SessionRow) -> None:
        key = row.key
        feed = self._feeds[key.source]
        if row.kind == Kind.FEED_UP:
            feed.ups.append(row.place)
        elif row.kind == Kind.FEED_DOWN:
            feed.downs.append(row.place)
        elif row.kind == Kind.PEER_UP:
            self._ups[_peer(key)].append(row.place)
        elif row.kind == Kind.PEER_DOWN:
            self._downs[_peer(key)] = row.place
        elif row.of_feed:
            feed.complete = row.place
        else:
            self._complete[key] = row.place

    def outcome(self, table: SessionKey) -> Outcome:
        """What became of the routes of one table."""
        feed = self._feeds[table.source]
        whole_peer = self._complete.get(table._replace(family=""), NOWHERE)
        complete = max(feed.complete, whole_peer, self._complete.get(table, NOWHERE))
        ups = feed.ups + self._ups.get(_peer(table), [])
        swept = max((up for up in ups if up < complete), default=NOWHERE)
        gone_before = max(swept, self._downs.get(_peer(table), NOWHERE))
        blindness = sorted(place for place in ups + feed.downs if place > gone_before)
        return Outcome(gone_before, tuple(blindness))


class SessionRow(NamedTuple):
    """A row of table `sessions`."""

    place: Place
    epoch: int
    """ns; 0 where it was not carried."""
    kind: str
    key: SessionKey
    reason: str

    @property
    def of_feed(self) -> bool:
        """Whether it is about the router's session with us as a whole."""
        return not self.key.peer and not self.key.view


def current(rows: Iterable[SessionRow]) -> Iterator[SessionRow]:
    """The rows that tell something new, of rows in the order of their places.

    A session may say more of itself in another feed-up of the same epoch, and a connection may
    still speak when the router has long opened a newer one: neither counts.
    """
    epochs: dict[Source, int] = {}
    for row in rows:
        newest = epochs.get(row.key.source, 0)
        if row.epoch and row.epoch < newest:
            continue
        if row.kind == Kind.FEED_UP:
            if row.epoch and row.epoch == newest:
                continue
            epochs[row.key.source] = row.epoch or newest
        yield row


def _peer(key: SessionKey) -> tuple[str, ...]:
    return (*key.source, key.peer, key.peer_rd, key.direction)


_ROWS = """
SELECT toUnixTimestamp64Nano(received) AS at, sequence, toUnixTimestamp64Nano(epoch) AS epoch, kind,
       router, feed, peer, peer_rd, view, family, reason
FROM sessions
WHERE kind IN ('feed-up', 'feed-down', 'peer-up', 'peer-down', 'end-of-rib')
  AND provenance != 'mirror' AND {where}
"""
_SINCE = "(kind = 'feed-up' OR received >= fromUnixTimestamp64Nano({since:Int64}))"
_STATE_BEFORE = """received < fromUnixTimestamp64Nano({since:Int64}) AND kind != 'feed-up'
ORDER BY received DESC, sequence DESC
LIMIT 1 BY router, feed, peer, peer_rd, view, family, kind"""
# A list as JSON, for which every back end has parameters.
_OF_ROUTERS = "router IN JSONExtract({routers:String}, 'Array(String)')"


def sessions_until(
    store: Reader, at: int, routers: Collection[str], *, since: int = 0, clock: Clock = "received"
) -> Sessions:
    """What sessions of some routers did up to `at` (ns) to routes that were announced `since`."""
    where = f"{COUNTS[clock]} AND {_SINCE} AND {_OF_ROUTERS}"
    parameters = {"at": at, "since": since, "routers": json.dumps(sorted(routers))}
    return Sessions(_rows(store, _ROWS.format(where=where), parameters))


def _rows(store: Reader, sql: str, parameters: Mapping[str, Any]) -> list[SessionRow]:
    columns = store.query(sql, parameters).to_pydict()
    places = zip(columns["at"], columns["sequence"], strict=True)
    keys = map(SessionKey._make, zip(*(columns[name] for name in SessionKey._fields), strict=True))
    rest = (columns[name] for name in ("epoch", "kind"))
    return sorted(map(SessionRow._make, zip(places, *rest, keys, columns["reason"], strict=True)))


_BLIND = pa.schema(
    {
        **dict.fromkeys(("router", "feed", "peer"), pa.string()),
        **dict.fromkeys(("from", "until"), pa.timestamp("ns", "UTC")),
        "why": pa.string(),
    }
)
NOT_COMPLETE = "its table was not complete yet"


def blind_rows(
    store: Reader, since: int, until: int, routers: Collection[str] | None = None
) -> pa.Table:
    """When, between two times (ns), the watch did not see all that these (or all) routers did.

    Columns `router`, `feed` (empty where no feed ever was), `peer` (empty where it is true of all
    that the feed shows), `from` and `until`, and `why`: before the first feed-up of a router, while
    its feed was down, and from then on until its new table was complete; likewise for a peer that
    came up later than its feed.
    """
    which = "1" if routers is None else _OF_ROUTERS
    parameters = {"at": until, "since": since, "routers": json.dumps(sorted(routers or ()))}
    between = f"{COUNTS['received']} AND {which} AND {_SINCE}"
    sql = (
        _ROWS.format(where=between)
        + "UNION ALL"
        + _ROWS.format(where=f"{which} AND {_STATE_BEFORE}")
    )
    watches: dict[Source, _Watch] = {}
    for row in current(_rows(store, sql, parameters)):
        watches.setdefault(row.key.source, _Watch(row.key.source)).take(row)
    for router in set(routers or ()) - {router for router, _ in watches}:
        watches[router, ""] = _Watch((router, ""))
    found = [each for watch in watches.values() for each in watch.intervals(since, until)]
    found.sort(key=lambda each: (each["from"], each["router"], each["peer"]))
    return pa.Table.from_pylist(found, _BLIND)


class _Watch:
    """What is seen of one router over one feed, row by row."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._blind: dict[tuple[str, ...], tuple[int, str]] = {("",): (0, "no session yet")}
        """Of the feed, and of each peer and direction: since when, and why."""
        self._found: list[tuple[str, int, int, str]] = []

    def take(self, row: SessionRow) -> None:
        at, feed = row.place[0], ("",)
        peer = (row.key.peer, row.key.peer_rd, row.key.direction)
        if row.of_feed:
            for known in list(self._blind):
                self._see(known, at)
            if row.kind == Kind.FEED_DOWN:
                self._blind[feed] = (at, f"its session with us was down: {row.reason}")
            elif row.kind == Kind.FEED_UP:
                self._blind[feed] = (at, NOT_COMPLETE)
        elif not row.key.view:  # a recording, which tells nothing of its own sight
            self._blind.pop(feed, None)
        elif row.kind == Kind.PEER_UP and feed not in self._blind:
            self._see(peer, at)
            self._blind[peer] = (at, f"{row.key.direction}: {NOT_COMPLETE}")
        elif row.kind == Kind.PEER_DOWN or (row.kind == Kind.END_OF_RIB and not row.key.family):
            self._see(peer, at)

    def _see(self, what: tuple[str, ...], at: int) -> None:
        if what in self._blind:
            begun, why = self._blind.pop(what)
            self._found.append((what[0], begun, at, why))

    def intervals(self, since: int, until: int) -> Iterator[dict[str, Any]]:
        """All of them, cut to what was asked for."""
        for what in list(self._blind):
            self._see(what, until)
        for peer, begun, ended, why in self._found:
            times = {"from": max(begun, since), "until": min(ended, until)}
            if times["from"] < times["until"]:
                router, feed = self._source
                yield {"router": router, "feed": feed, "peer": peer, **times, "why": why}
