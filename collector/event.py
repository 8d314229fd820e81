"""The one record that flows through anchorwatch: `Event`.

It is the row of the store, the line of JSON on the command line and the input of every
detector. An event that does not carry something has `None` (or an empty tuple) there, and its
JSON leaves the name out: absent means not carried, never zero.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

_NAMES = ("router", "router_address")
"""Empty means not known here; an empty AS path is one that was carried, and empty."""


class Feed(StrEnum):
    """The kind of source that an event came from."""

    BMP = "bmp"
    GOBGP = "gobgp"
    BGP = "bgp"
    """A captured BGP session."""
    MRT = "mrt"
    BGPSTREAM = "bgpstream"
    PROBE = "probe"
    """What somebody found who asked a service itself how it is."""
    OPERATOR = "operator"
    """A person, by a command."""


class View(StrEnum):
    """Which RIB of the router was seen (RFC 7854 section 5, RFC 8671, RFC 9069)."""

    ADJ_IN_PRE = "adj-in-pre"
    ADJ_IN_POST = "adj-in-post"
    LOC_RIB = "loc-rib"
    ADJ_OUT_PRE = "adj-out-pre"
    ADJ_OUT_POST = "adj-out-post"


class Kind(StrEnum):
    """What happened."""

    ANNOUNCE = "announce"
    WITHDRAW = "withdraw"
    END_OF_RIB = "end-of-rib"
    PEER_UP = "peer-up"
    PEER_DOWN = "peer-down"
    FEED_UP = "feed-up"
    FEED_DOWN = "feed-down"
    STATS = "stats"
    UNDECODABLE = "undecodable"
    PROBE = "probe"
    """A prober asked an address whether it is well; `information` has the result."""
    ROLLBACK = "rollback"
    """Somebody asked that a cutover go back; its name is the `reason`."""


class Provenance(StrEnum):
    """How much an event is news."""

    LIVE = "live"
    """The router said so as it happened."""
    DUMP = "dump"
    """Part of a table that the router sent after a session came up: state, not news."""
    MIRROR = "mirror"
    """Decoded from a BGP message that the router mirrored (RFC 7854 section 4.7)."""
    SYNTHETIC = "synthetic"
    """No router said this; anchorwatch concluded it (a timer ran out, a sweep found a gap)."""


class Family(StrEnum):
    """Address families with a name; any other is written as `afi/safi` in numbers."""

    IPV4_UNICAST = "ipv4-unicast"
    IPV6_UNICAST = "ipv6-unicast"
    IPV4_LABELLED = "ipv4-labelled-unicast"
    IPV6_LABELLED = "ipv6-labelled-unicast"
    L3VPN_IPV4 = "l3vpn-ipv4-unicast"
    L3VPN_IPV6 = "l3vpn-ipv6-unicast"
    IPV4_FLOWSPEC = "ipv4-flowspec"
    IPV6_FLOWSPEC = "ipv6-flowspec"
    L3VPN_IPV4_FLOWSPEC = "l3vpn-ipv4-flowspec"
    L3VPN_IPV6_FLOWSPEC = "l3vpn-ipv6-flowspec"
    L2VPN_EVPN = "l2vpn-evpn"


STOPPED = "anchorwatch stopped"
"""The reason of what ends because we do; it says nothing of the network."""
KILLED = "anchorwatch ended without saying so"
"""Likewise, as the next start concludes it."""

FOREVER = 2**62
"""A moment that is after all others, ns: stores keep those from 1970 until then."""

FLOWSPEC_FAMILIES = frozenset(
    {
        Family.IPV4_FLOWSPEC,
        Family.IPV6_FLOWSPEC,
        Family.L3VPN_IPV4_FLOWSPEC,
        Family.L3VPN_IPV6_FLOWSPEC,
    }
)


class Event(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, gc=False):
    """One thing that one router said, or that anchorwatch concluded about it.

    Times are nanoseconds since 1970-01-01 UTC. Events of one connection are ordered by
    `(received, sequence)`; the router's own `time` is evidence and never order.
    """

    received: int
    """When the collector read the bytes, ns."""
    sequence: int
    """Place of the event in its connection, from 1, without gaps."""
    feed: str
    """One of `Feed`."""
    kind: str
    """One of `Kind`."""
    provenance: str = Provenance.LIVE
    """One of `Provenance`."""
    router: str = ""
    """sysName of the router, or its address until it has said its name; of a probe, the prober."""
    router_address: str = ""
    """Address that the session came from (text, IPv4 or IPv6)."""
    epoch: int | None = None
    """When the session that carries this route came up (its Peer Up, or the feed's start), ns."""

    time: int | None = None
    """When the router says it happened, ns."""
    peer: str | None = None
    """Address of the BGP peer; absent for Loc-RIB (RFC 9069) and for feed events."""
    peer_as: int | None = None
    peer_bgp_id: str | None = None
    peer_rd: str | None = None
    """Peer distinguisher, as `type-specific:number` text."""
    view: str | None = None
    """One of `View`."""
    table: str | None = None
    """VRF or table name (RFC 9069 section 5.3)."""

    family: str | None = None
    """One of `Family`, or `afi/safi`."""
    rd: str | None = None
    prefix: str | None = None
    """Canonical text with length, host bits cleared: `192.0.2.50/32`."""
    nlri: str | None = None
    """A destination that is no prefix: an EVPN route as text, another family's octets as `0x…`."""
    path_id: int | None = None
    labels: tuple[int, ...] = ()
    path_status: tuple[str, ...] = ()
    """What the router does with the path, where it says so (BMP path marking): `best`, `backup`."""
    next_hop: str | None = None
    as_path: str | None = None
    """AS numbers separated by blanks; AS_SETs in braces: `65001 {65002,65003}`."""
    origin_as: int | None = None
    """The last AS of the path, absent where the path is empty or ends in an AS_SET."""
    origin: str | None = None
    """`igp`, `egp` or `incomplete`."""
    med: int | None = None
    local_pref: int | None = None
    atomic_aggregate: bool = False
    aggregator: str | None = None
    """`AS address`."""
    communities: tuple[str, ...] = ()
    ext_communities: tuple[str, ...] = ()
    large_communities: tuple[str, ...] = ()
    originator_id: str | None = None
    cluster_list: tuple[str, ...] = ()
    unknown_attributes: tuple[str, ...] = ()
    """Path attributes without a decoder, as `type flags hex`."""

    rule: str | None = None
    """A Flowspec rule as text in canonical order: `destination 192.0.2.50/32 protocol =6`."""
    components: dict[str, str] | None = None
    """The parts of a rule (RFC 8955 section 4.2.2) or of an EVPN route by name, in wire order."""
    precedence: str | None = None
    """Sorts the rules of a family as routers apply them (RFC 8955 section 5.1)."""
    actions: tuple[dict[str, Any], ...] = ()
    """What the rule does; each has `action` and that action's values."""

    reason: str | None = None
    """Why a session went down, or why something could not be decoded."""
    information: dict[str, Any] | None = None
    """What a feed-up or peer-up said of itself: sysDescr, ports, capabilities, hold time.

    `sender` among them is our own conclusion: whose software the router runs. Of a probe:
    `anycast`, `site`, `probe`, `seconds`, and `result`: `healthy`, `failed`, or `awaited` where
    this watch only waits for the first one.
    """
    statistics: dict[str, int] | None = None
    """Counters of a stats report by name (RFC 7854 section 4.8)."""
    warnings: tuple[str, ...] = ()
    raw: bytes | None = None
    """The whole message as it was on the wire."""

    def to_dict(self, *, raw: bool = False) -> dict[str, Any]:
        """The event as the JSON object of the contract; `raw` adds the message in hex."""
        out = {
            name: value
            for name, value in msgspec.structs.asdict(self).items()
            if value is not None
            and value is not False
            and value != ()
            and (value or name not in _NAMES)
        }
        for name in ("received", "time", "epoch"):
            if name in out:
                out[name] = rfc3339(out[name])
        message = out.pop("raw", None)
        if raw and message is not None:
            out["raw"] = message.hex()
        return out

    def to_json(self, *, raw: bool = False) -> str:
        """One line of JSON, as `anchorwatch decode` prints it."""
        return msgspec.json.encode(self.to_dict(raw=raw)).decode()

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Event:
        """The inverse of `to_dict`. Raises ValueError or msgspec.ValidationError on bad input."""
        fields = dict(data)
        for name in ("received", "time", "epoch"):
            if name in fields:
                fields[name] = parse_rfc3339(fields[name])
        if "raw" in fields:
            fields["raw"] = bytes.fromhex(fields["raw"])
        return msgspec.convert(fields, cls)


def rfc3339(ns: int) -> str:
    """Nanoseconds since 1970 UTC as RFC 3339 text with nine decimals."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def parse_rfc3339(text: str) -> int:
    """RFC 3339 text to nanoseconds since 1970 UTC, exact to the ninth decimal.

    Raises ValueError where the text is not RFC 3339 or names no time zone.
    """
    head, dot, tail = text.partition(".")
    fraction = ""
    if dot:
        digits = len(tail) - len(tail.lstrip("0123456789"))
        fraction, zone = tail[:digits], tail[digits:]
        if not fraction:
            raise ValueError(f"not an RFC 3339 time: {text!r}")
        head += zone
    moment = datetime.fromisoformat(head)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r} (add Z or an offset)")
    return int(moment.timestamp()) * 1_000_000_000 + int(fraction[:9].ljust(9, "0") or 0)
