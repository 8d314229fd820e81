"""The life of routes and rules: rows of the store taken one by one, and what each changes.

These are the semantics of `rib_rows`, over time instead of at one moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from collector.event import Kind, Provenance
from collector.store.sight import Source

Row = Mapping[str, Any]
"""A row of `routes`, `flowspec` or `sessions`: its columns, `at` and `epoch_at` (its `received` and
`epoch`, ns), and `session`, whether it is one of `sessions`."""

SESSION_KEY = ("router", "feed", "peer", "peer_rd")
ROUTE_KEY = ("view", "table_name", "family", "rd", "address", "length", "nlri", "path_id")
RULE_KEY = ("view", "table_name", "family", "rd", "rule", "path_id")
_PATH = (
    *("next_hop", "as_path", "origin", "med", "local_pref", "communities", "ext_communities"),
    *("large_communities", "originator_id", "cluster_list"),
)
ROUTE_CONTENT = ("labels", *_PATH)
RULE_CONTENT = ("actions", *_PATH)


def source_of(row: Row) -> Source:
    """Who shows it, over which feed."""
    return row["router"], row["feed"]


class Cause(StrEnum):
    """What happened to a route, or to what can be seen of it."""

    ANNOUNCED = "announced"
    REPLACED = "replaced"
    """Announced again, and it says something else than before."""
    WITHDRAWN = "withdrawn"
    PEER_DOWN = "peer down"
    """Its BGP session ended and took it along."""
    NOT_IN_NEW_TABLE = "not in the new table"
    UNSEEN = "unseen"
    """From here on nobody can see whether it is still there."""
    SEEN_AGAIN = "seen again"
    """Still there, and as it was."""


class Sight(StrEnum):
    """What a router lets us see."""

    NOT_YET = "not yet"
    """Its first table is not complete."""
    FULL = "full"
    NONE = "none"
    """Our session is down, or its table is being sent again."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of one route."""

    at: int
    key: tuple[Any, ...]
    cause: Cause
    before: Row | None
    """The row that held until now, if one did."""
    after: Row | None
    """The row that holds from now on, if one does."""
    event: Row
    """The row that did it: of the route, or of a session."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """A change of what a router lets us see."""

    at: int
    source: Source
    sight: Sight
    event: Row


@dataclass(slots=True)
class _Held:
    row: Row
    blind: bool = False
    reopened: bool = False
    """A session came up again since: it is gone where the new table does not have it."""


@dataclass(slots=True)
class _Feed:
    epoch: int = 0
    sight: Sight = Sight.NOT_YET
    complete: bool = False
    """Whether its tables have ever been complete."""
    spoken: bool = False
    """Whether it has any feed events: recordings of other collectors have none."""
    routes: dict[tuple[Any, ...], _Held] = field(default_factory=dict)


class Lives:
    """Takes rows in the order of (received, sequence) and says what each one changes."""

    def __init__(self, key: Iterable[str], content: Iterable[str]) -> None:
        """`key` are the columns that make two rows the same route; `content` what it says."""
        self._key = (*SESSION_KEY, *key)
        self._content = tuple(content)
        self._feeds: dict[Source, _Feed] = {}
        self._handle: Mapping[str, Callable[[_Feed, Row], Iterator[Step | Outlook]]] = {
            Kind.ANNOUNCE: self._announce,
            Kind.WITHDRAW: self._withdraw,
            Kind.FEED_UP: self._feed_up,
            Kind.FEED_DOWN: self._feed_down,
            Kind.PEER_UP: self._peer_up,
            Kind.PEER_DOWN: self._peer_down,
            Kind.END_OF_RIB: self._end_of_rib,
        }

    def take(self, row: Row) -> list[Step | Outlook]:
        """What one row changes. What the router mirrored is part of no table, so it is nothing."""
        handle = self._handle.get(row["kind"])
        if handle is None or row["provenance"] == Provenance.MIRROR:
            return []
        feed = self._feeds.setdefault(source_of(row), _Feed())
        if row["session"] and 0 < row["epoch_at"] < feed.epoch:
            return []  # of a connection that a newer one has taken over
        return [*self._first_sight(feed, row), *handle(feed, row)]

    def _first_sight(self, feed: _Feed, row: Row) -> Iterator[Outlook]:
        """A recording without feed events shows its router from its first row on."""
        if not feed.spoken and row["kind"] not in (Kind.FEED_UP, Kind.FEED_DOWN):
            feed.spoken = True
            yield self._look(feed, row, Sight.FULL)

    @staticmethod
    def _look(feed: _Feed, row: Row, sight: Sight) -> Outlook:
        feed.sight = sight
        feed.complete = feed.complete or sight is Sight.FULL
        return Outlook(row["at"], source_of(row), sight, row)

    def _announce(self, feed: _Feed, row: Row) -> Iterator[Step]:
        key = self._key_of(row)
        known = feed.routes.get(key)
        feed.routes[key] = _Held(row)
        if known is None:
            yield Step(row["at"], key, Cause.ANNOUNCED, None, row, row)
        elif any(known.row[name] != row[name] for name in self._content):
            yield Step(row["at"], key, Cause.REPLACED, known.row, row, row)
        elif known.blind:
            yield Step(row["at"], key, Cause.SEEN_AGAIN, known.row, row, row)

    def _withdraw(self, feed: _Feed, row: Row) -> Iterator[Step]:
        key = self._key_of(row)
        if key in feed.routes:
            yield self._gone(feed, key, Cause.WITHDRAWN, row)

    def _feed_up(self, feed: _Feed, row: Row) -> Iterator[Step | Outlook]:
        if feed.spoken and feed.epoch == row["epoch_at"]:
            return  # the session only says more about itself
        feed.spoken, feed.epoch = True, row["epoch_at"]
        yield self._look(feed, row, Sight.NONE if feed.complete else Sight.NOT_YET)
        yield from self._unseen(feed, list(feed.routes), row, reopened=True)

    def _feed_down(self, feed: _Feed, row: Row) -> Iterator[Step | Outlook]:
        feed.spoken = True
        yield self._look(feed, row, Sight.NONE if feed.complete else Sight.NOT_YET)
        yield from self._unseen(feed, list(feed.routes), row, reopened=False)

    def _peer_up(self, feed: _Feed, row: Row) -> Iterator[Step]:
        yield from self._unseen(feed, self._of_session(feed, row), row, reopened=True)

    def _peer_down(self, feed: _Feed, row: Row) -> Iterator[Step]:
        for key in self._of_session(feed, row):
            yield self._gone(feed, key, Cause.PEER_DOWN, row)

    def _end_of_rib(self, feed: _Feed, row: Row) -> Iterator[Step | Outlook]:
        whole = not row["view"]
        for key, held in list(feed.routes.items()):
            table = whole or (
                _session(held.row) == _session(row)
                and held.row["view"] == row["view"]
                and row["family"] in ("", held.row["family"])
            )
            if table and held.reopened:
                yield self._gone(feed, key, Cause.NOT_IN_NEW_TABLE, row)
        if whole:
            yield self._look(feed, row, Sight.FULL)

    def _unseen(
        self, feed: _Feed, keys: Iterable[tuple[Any, ...]], row: Row, *, reopened: bool
    ) -> Iterator[Step]:
        for key in keys:
            held = feed.routes[key]
            held.reopened = held.reopened or reopened
            if not held.blind:
                held.blind = True
                yield Step(row["at"], key, Cause.UNSEEN, held.row, held.row, row)

    def _gone(self, feed: _Feed, key: tuple[Any, ...], cause: Cause, row: Row) -> Step:
        return Step(row["at"], key, cause, feed.routes.pop(key).row, None, row)

    def _of_session(self, feed: _Feed, row: Row) -> list[tuple[Any, ...]]:
        """The routes of a BGP session: one Peer Up speaks for both policies of a direction."""
        mine = (_session(row), _direction(row))
        return [k for k, h in feed.routes.items() if (_session(h.row), _direction(h.row)) == mine]

    def _key_of(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in self._key)


def _session(row: Row) -> tuple[str, str]:
    return row["peer"], row["peer_rd"]


def _direction(row: Row) -> str:
    """`adj-in`, `adj-out` or `loc-rib` (RFC 7854 section 3.1, RFC 8671, RFC 9069)."""
    return str(row["view"]).split("-p")[0]
