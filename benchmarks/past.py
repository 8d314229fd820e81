"""Ten days of what twelve peers of three routers told, made by the engine itself.

Prefixes come in groups of eight neighbours with the same attributes, and each peer has three ways
to a group, of which it shows one at a time. First all peers send their tables. Then things happen:
to some prefixes of one group, seen by some peers, each a little later than the other, now and then
by way of other paths first. A few groups have most of it. On the sixth day one router's session
with us breaks, on the third one peer's session with its router: their tables come again.

All follows from hashes of numbers: a size always gives the same rows. The ten days are of two
months, so of two partitions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from collector.event import Event, Feed, Kind, Provenance, View

SECOND = 10**9
DAY = 86_400 * SECOND
START = 20_417 * DAY
"""The first moment, ns: midnight of 2025-11-25."""
DAYS = 10
END = START + DAYS * DAY
GROUP = 8
"""Prefixes with the same attributes."""
PEERS = 12
PEERS_A_ROUTER = 4
RESTARTED, FLAPPING = 1, 5
"""The router, from 1, and the peer, from 0, whose sessions break."""
SHIFT = 50
"""How many groups have about as much of what happens as the busiest: Mandelbrot's shift of Zipf's
law. The busiest prefix of a million has about one change in 5,000 then, as in the Internet."""
ROWS_AN_INCIDENT = 25.04
"""Mean of what `_NEWS` makes of a number."""
HELD = 0.98
"""Share of the prefixes that a peer has."""


@dataclass(frozen=True)
class Dump:
    """A peer's table, from when its session came up."""

    peer: int
    up: int
    sent: int
    """When its first row is received, ns."""


@dataclass(frozen=True)
class Past:
    """How much there is of it."""

    prefixes: int
    events: int

    @property
    def groups(self) -> int:
        """How many groups of prefixes there are."""
        return self.prefixes // GROUP

    @property
    def incidents(self) -> int:
        """How many things happen once the tables are there."""
        dumped = len(dumps()) * self.prefixes * HELD
        return round((self.events - dumped) / ROWS_AN_INCIDENT)


def router(number: int) -> str:
    """Its name, of a number from 1."""
    return f"rr{number}.example.net"


def peer(number: int) -> str:
    """Its address, of a number from 0."""
    return f"198.51.100.{number + 10}"


def router_of(number: int) -> int:
    """The router, from 1, of a peer."""
    return number // PEERS_A_ROUTER + 1


FLAPPED = START + 2 * DAY + DAY // 3
RESTART = START + 5 * DAY + DAY // 2


def dumps() -> list[Dump]:
    """All tables that are sent, in order."""
    first = [_dump(number, START) for number in range(PEERS)]
    mine = [number for number in range(PEERS) if router_of(number) == RESTARTED]
    return [*first, _dump(FLAPPING, FLAPPED), *(_dump(number, RESTART) for number in mine)]


def _dump(number: int, at: int) -> Dump:
    return Dump(number, at + (number + 1) * 1_000_003, at + (10 + 20 * number) * SECOND)


def sessions() -> list[Event]:
    """What the sessions did, in order."""
    found = [_session(Kind.FEED_UP, number, START, START) for number in (1, 2, 3)]
    went = FLAPPED - 120 * SECOND
    found.append(_session(Kind.PEER_DOWN, 2, went, _dump(FLAPPING, START).up, FLAPPING))
    broke = RESTART - 20 * SECOND
    found.append(_session(Kind.FEED_DOWN, RESTARTED, broke, START))
    found.append(_session(Kind.FEED_UP, RESTARTED, RESTART, RESTART))
    for dump in dumps():
        number = router_of(dump.peer)
        found.append(_session(Kind.PEER_UP, number, dump.up, dump.up, dump.peer))
        complete = dump.sent + 60 * SECOND
        found.append(_session(Kind.END_OF_RIB, number, complete, dump.up, dump.peer))
    for number, up in ((1, START), (2, START), (3, START), (RESTARTED, RESTART)):
        found.append(_session(Kind.END_OF_RIB, number, up + 400 * SECOND, up))
    return sorted(found, key=lambda event: event.received)


def _session(kind: Kind, number: int, at: int, epoch: int, of: int | None = None) -> Event:
    fields: dict[str, Any] = {}
    if of is not None:
        fields = {"peer": peer(of), "view": _view(number), "peer_as": 64600 + of}
    if kind == Kind.END_OF_RIB:
        fields["provenance"] = Provenance.SYNTHETIC.value
    return Event(
        received=at,
        sequence=(at - START) // SECOND + 1,
        feed=Feed.BMP.value,
        kind=kind.value,
        router=router(number),
        router_address=f"192.0.2.{number}",
        epoch=epoch,
        **fields,
    )


def _view(number: int) -> str:
    return (View.ADJ_IN_POST if number == 3 else View.ADJ_IN_PRE).value


# Each query tells of one UPDATE: the group `g`, the peer `p` and its way `v`, which of the eight
# `members` are in it, when it was received (`at`), when the router says it was (`told`), and since
# when the session is up.

_DUMP = """
SELECT number AS g, toUInt64({peer}) AS p, cityHash64(g, p, 'best') % 100 AS chance,
       multiIf(chance < 60, 0, chance < 85, 1, 2) AS v,
       'announce' AS kind, 'dump' AS provenance, toUInt64({up}) AS since,
       -- In the order of the table but for some shuffling; about a thousand rows come in one read.
       intDiv(g, 1000) * 1000 + g * 617 % 1000 AS rank,
       toUInt64({sent}) + intDiv(rank, 120) * 1731011 AS at,
       -- One router says when it learned a route, the others when they sent it.
       if(p < 4, {start} - cityHash64(g, p, 'since') % (30 * 86400) * 1000000000,
          intDiv(at - 2000000 - cityHash64(rank) % 3000000, 1000) * 1000) AS told,
       arrayFilter(k -> cityHash64(g, k, p, 'has') % 100 < 100 * {held}, range(8)) AS members,
       rank % 120 * 8 AS behind
FROM numbers({first}, {count})
"""
_NEWS = """
SELECT g, p, cityHash64(j, p, s, 'way') % 100 AS chance,
       multiIf(chance < 60, 0, chance < 85, 1, 2) AS v,
       if(s = steps - 1 AND cityHash64(j, 'ends') % 8 = 0, 'withdraw', 'announce') AS kind,
       'live' AS provenance,
       multiIf(p < 4 AND at > {restart}, {restart}, p = {flapping} AND at > {flapped}, {flapped},
               {start}) + (p + 1) * 1000003 AS since,
       t + cityHash64(j, p) % 20000000000
         + s * (5000000000 + cityHash64(j, p, s) % 25000000000) AS at,
       intDiv(at - 2000000 - cityHash64(p, j) % 300000000, 1000) * 1000 AS told, members,
       0 AS behind
FROM (
    SELECT number AS j, {begin} + j * {spacing} + cityHash64(j, 'at') % {spacing} AS t,
           cityHash64(j) / 18446744073709551616. AS u,
           toUInt64({shift} * (pow({law}, u) - 1)) * 7919 % {groups} AS g,
           cityHash64(j, 'all') % 6 = 0 AS all,
           arrayFilter(k -> all OR k = j % 8 OR cityHash64(j, k) % 100 < 12, range(8)) AS members,
           cityHash64(j, 'kind') % 10 AS spread,
           arrayJoin(arrayFilter(
               p -> spread >= 7 OR if(spread < 3, p = cityHash64(j, 'who') % 12,
                                      cityHash64(j, p, 'sees') % 2 = 0),
               range(toUInt64(12)))) AS p,
           multiIf(cityHash64(j, p, 'steps') % 10 AS few < 7, 1, few < 9, 2, 3) AS steps,
           arrayJoin(range(steps)) AS s
    FROM numbers({first}, {count})
)
"""
_ATTRIBUTES = """
    g % 5 = 0 AS six, intDiv(p, 4) + 1 AS r, p % 4 = 3 AS ibgp,
    cityHash64(g, 'length') % 100 AS size,
    toUInt8(if(six,
        multiIf(size < 50, 48, size < 62, 32, size < 74, 44, size < 84, 40, size < 92, 46, 36),
        multiIf(size < 62, 24, size < 71, 23, size < 82, 22, size < 87, 21, size < 92, 20,
                size < 95, 19, size < 97, 18, 16))) AS bits,
    cityHash64(g, p, v) % 100 AS far,
    multiIf(far < 4, 0, far < 20, 1, far < 52, 2, far < 80, 3, far < 92, 4, far < 97, 5, 6) AS hops,
    -- A law of Zipf for transit, too: most paths lead through a few networks.
    arrayMap(k -> toUInt32(20 * (pow(300., cityHash64(g, if(k < 2, p, 99), v, k)
                                           / 18446744073709551616.) - 1)), range(hops)) AS ranks,
    arrayMap(n -> toUInt32(if(n < 16, 170 + n * 441,
        2000 + cityHash64(n, 'as') % if(n % 3 = 0, 395000, 60000))), ranks) AS transit,
    intDiv(g * 10, 16) AS owner,
    toUInt32(1000 + cityHash64(owner, 'owner') % if(owner % 3 = 0, 400000, 63000)) AS origin_as,
    toUInt32(64600 + p) AS peer_as,
    arrayConcat(if(ibgp, [], [peer_as]), transit,
                arrayWithConstant(if(cityHash64(g, 'prepend') % 10 = 0, 3, 1), origin_as)) AS path,
    arrayStringConcat(path, ' ') AS as_path_text,
    if(hops = 0, origin_as, transit[1]) AS upstream,
    concat(' ', toString(upstream % 65536), ':') AS by_upstream,
    concat(' ', toString(origin_as % 65536), ':') AS by_origin,
    cityHash64(upstream, v) AS said,
    multiIf(said % 10 < 3, 0, said % 10 < 5, 1, said % 10 < 8, 2, 3) AS marks,
    if(cityHash64(owner) % 10 < 3, 1 + owner % 3, 0) AS wishes,
    trimLeft(concat(
        if(marks > 0, concat(by_upstream, toString(said % 37 * 50)), ''),
        if(marks > 1, concat(by_upstream, toString(said % 41 * 50 + 1)), ''),
        if(marks > 2, concat(by_upstream, toString(said % 43 * 50 + 2)), ''),
        if(wishes > 0, concat(by_origin, toString(100 + cityHash64(g) % 900)), ''),
        if(wishes > 1, concat(by_origin, toString(1000 + cityHash64(g) % 901)), ''),
        if(wishes > 2, concat(by_origin, toString(2000 + cityHash64(g) % 907)), '')
    )) AS communities_text,
    if(cityHash64(owner, 'large') % 100 < 15,
       concat(toString(origin_as), ':1:', toString(owner % 50)), '') AS large_communities_text,
    if(cityHash64(owner, 'ext') % 100 < 5,
       concat('rt:', toString(origin_as), ':', toString(owner % 10)), '') AS ext_communities_text,
    if(cityHash64(g, p, 'med') % 10 < 4, toUInt32(cityHash64(g, p, v) % 20 * 10), NULL) AS med,
    if(ibgp, toUInt32(100 + v * 50), NULL) AS local_pref,
    cityHash64(owner, 'aggregate') % 10 = 0 AS aggregated,
    if(aggregated, concat(toString(origin_as), ' ', IPv4NumToString(toUInt32(cityHash64(owner)))),
       '') AS aggregator,
    if(ibgp, concat('10.255.', toString(v), '.', toString(1 + g % 40)), '') AS originator_id,
    if(ibgp, '10.255.0.1', '') AS cluster_list_text,
    multiIf(six, concat('2001:db8:ffff::', lower(hex(toUInt8(p + 16)))), ibgp, originator_id,
            concat('198.51.100.', toString(p + 10))) AS next_hop,
    if(cityHash64(owner, 'origin') % 5 = 0, 'incomplete', 'igp') AS origin
"""
_ROW = """
    fromUnixTimestamp64Nano(toInt64(at)) AS received,
    toUInt64(toFloat64(at - {start}) / 1e9 * {rate}) + behind + k AS sequence,
    fromUnixTimestamp64Nano(toInt64(told)) AS time,
    fromUnixTimestamp64Nano(toInt64(since)) AS epoch,
    'bmp' AS feed, concat('rr', toString(r), '.example.net') AS router,
    concat('192.0.2.', toString(r)) AS router_address,
    concat('198.51.100.', toString(p + 10)) AS peer,
    concat('192.0.2.', toString(p + 10)) AS peer_bgp_id,
    if(r = 3, 'adj-in-post', 'adj-in-pre') AS view,
    if(six, 'ipv6-unicast', 'ipv4-unicast') AS family,
    32 - least(bits, 32) AS host_bits,
    bitAnd(0xffffffff, bitShiftLeft(0xffffffff, host_bits)) AS mask,
    toIPv6(if(six,
        bitShiftLeft(toUInt128(0x2400000000000000
                               + bitShiftLeft(toUInt64(g * 40503 % 1048576), 32)
                               + bitShiftLeft(toUInt64(k), 64 - bits)), 64),
        toUInt128(0xffff00000000
                  + bitAnd(mask, 0x01000000 + g * 2654435761 % 1800000 * 2048
                                 + bitShiftLeft(toUInt64(k), host_bits))))) AS address,
    toUInt8(if(six, bits, bits + 96)) AS length,
    kind = 'announce' AS announced,
    announced AND aggregated AS atomic_aggregate
"""
_COLUMNS = (
    *("received", "sequence", "time", "epoch", "feed", "router", "router_address", "peer"),
    *("peer_as", "peer_bgp_id", "view", "kind", "provenance", "family", "address", "length"),
    "atomic_aggregate",
)
_TEXTS = (
    *("next_hop", "as_path_text", "origin", "aggregator", "communities_text"),
    *("ext_communities_text", "large_communities_text", "originator_id", "cluster_list_text"),
)
_NUMBERS = ("origin_as", "med", "local_pref")


def inserts(past: Past, rows: int) -> Iterator[str]:
    """The statements that fill table `routes`, each with about so many rows."""
    for dump in dumps():
        step = max(1, rows // GROUP)
        for first in range(0, past.groups, step):
            count = min(step, past.groups - first)
            table = {"peer": dump.peer, "up": dump.up, "sent": dump.sent, "held": HELD}
            yield _insert(past, _DUMP.format(start=START, first=first, count=count, **table))
    step = max(1, round(rows / ROWS_AN_INCIDENT))
    begin = START + 600 * SECOND
    values: dict[str, Any] = {
        "start": START,
        "begin": begin,
        "groups": past.groups,
        "shift": SHIFT,
        "law": f"{1 + past.groups / SHIFT:.6f}",
        "spacing": (END - 200 * SECOND - begin) // past.incidents,
        "restart": RESTART,
        "flapping": FLAPPING,
        "flapped": FLAPPED,
    }
    for first in range(0, past.incidents, step):
        count = min(step, past.incidents - first)
        yield _insert(past, _NEWS.format(first=first, count=count, **values))


def _insert(past: Past, updates: str) -> str:
    """What is said of UPDATEs as rows: a withdraw says nothing but which prefix."""
    rate = past.events / (PEERS // PEERS_A_ROUTER) / (DAYS * 86_400)
    row = _ROW.format(start=START, rate=f"{rate:.6f}")
    chosen = [
        *_COLUMNS,
        *(f"if(announced, {name}, '')" for name in _TEXTS),
        *(f"if(announced, {name}, NULL)" for name in _NUMBERS),
    ]
    return f"""
INSERT INTO routes ({", ".join((*_COLUMNS, *_TEXTS, *_NUMBERS))})
SELECT {", ".join(chosen)} FROM (
    SELECT *, arrayJoin(members) AS k, {row} FROM (SELECT *, {_ATTRIBUTES} FROM ({updates}))
)
SETTINGS async_insert = 0, max_threads = 1, short_circuit_function_evaluation = 'disable',
         min_insert_block_size_rows = 10000000, min_insert_block_size_bytes = 4000000000
"""  # noqa: S608 - all of it is written here
