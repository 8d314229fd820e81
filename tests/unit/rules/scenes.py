"""Small scenes for the tests of rules: events as three routers' peers would send them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from collector.event import Event, Family, Feed, Kind, Provenance, View
from detectors.engine import Engine
from detectors.incidents import Incident

SECOND = 1_000_000_000
START = 1_800_000_000 * SECOND
HOUR = 3600 * SECOND
KILL_SWITCH = "destination 0.0.0.0/0 port =179"
ALLOWED = "destination 192.0.2.50/32 protocol =6 destination-port =8443"

PEERS = {"legacy-pe": "10.0.0.1", "new-pe1": "10.0.1.1", "new-pe2": "10.0.1.2"}
UNICAST = ("192.0.2.50/32", "10.100.0.254/32", "203.0.113.0/24")
RULES: dict[str, tuple[dict[str, str], tuple[dict[str, object], ...]]] = {
    KILL_SWITCH: ({"destination": "0.0.0.0/0", "port": "=179"}, ({"action": "discard"},)),
    ALLOWED: (
        {"destination": "192.0.2.50/32", "protocol": "=6", "destination-port": "=8443"},
        ({"action": "redirect-to-nexthop", "next_hop": "10.100.0.254", "copy": False},),
    ),
    "undecodable 0x0e0102": ({"undecodable": "0x0e0102"}, ({"action": "accept"},)),
}


def make(kind: str, router: str, at: int, **fields: object) -> Event:
    values = {"feed": Feed.BMP, "kind": kind, "router": router, "router_address": "127.0.0.1"}
    return msgspec.convert({**values, "received": at, "sequence": 1, **fields}, Event)


def route(kind: str, router: str, peer: str, what: str, at: int, provenance: str) -> Event:
    fields: dict[str, object] = {
        "peer": peer,
        "view": View.ADJ_IN_PRE,
        "provenance": provenance,
    }
    if what in RULES:
        components, actions = RULES[what]
        fields |= {"family": Family.IPV4_FLOWSPEC, "rule": what, "components": components}
        if kind == Kind.ANNOUNCE:
            fields["actions"] = actions
    else:
        fields |= {"family": Family.IPV4_UNICAST, "prefix": what}
        if kind == Kind.ANNOUNCE:
            fields["next_hop"] = peer
    return make(kind, router, at, **fields)


def play(engine: Engine, events: Sequence[Event]) -> list[Incident]:
    return [transition for event in events for transition in engine.process(event)]


def steady_state(at: int) -> list[Event]:
    """Both routers up, their tables complete, everything as the intent wants it."""
    events = []
    for router in ("r1", "r2"):
        events.append(make(Kind.FEED_UP, router, at, epoch=at))
        for site, peer in PEERS.items():
            events.append(make(Kind.PEER_UP, router, at, peer=peer, view=View.ADJ_IN_PRE, epoch=at))
            prefix = "192.0.2.50/32" if site == "legacy-pe" else "10.100.0.254/32"
            events.append(route(Kind.ANNOUNCE, router, peer, prefix, at, Provenance.DUMP))
            events.append(make(Kind.END_OF_RIB, router, at, peer=peer, view=View.ADJ_IN_PRE))
        events.append(make(Kind.END_OF_RIB, router, at))
    return [msgspec.structs.replace(e, sequence=1000 + i) for i, e in enumerate(events)]
