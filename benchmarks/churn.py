"""Events that never end, of 1,000 watched prefixes and some Flowspec: what an engine must bear."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec

from collector.event import Event, Family, Feed, Kind, Provenance, View
from detectors.intent import Intent, parse_intent

MS = 1_000_000
START = 1_800_000_000_000 * MS
ROUTERS = ("rr1", "rr2", "rr3")
PEERS = {f"pe{number}": f"10.0.{number}.1" for number in range(4)}
SERVICES, ANYCAST = 700, 300
FLAPPING = 100
"""So many prefixes flap; the others only change their paths."""
RULES = 40
STEP = MS
"""From one event to the next, ns."""
FLOWSPEC, LOSSES, REPEATS = 0.02, 0.06, 0.2
"""Shares of the events: Flowspec, a route that goes or comes back, a route told again as it was."""

_SITES = "\n".join(f"  {name}: {{match: [{{next_hop: {hop}}}]}}" for name, hop in PEERS.items())
_FLOWSPEC = """
flowspec:
  - name: mitigation
    destination: [192.0.2.0/24]
    protocol: [tcp]
    actions: [discard, {redirect-to-nexthop: 10.9.9.9}]
    max_rules: 1000
protect: [tcp/179]
"""
_POLICY: dict[str, Any] = {
    "originator_id": None,
    "origin": "igp",
    "communities": ("65000:100", "65000:200"),
    "local_pref": 100,
}


def prefixes() -> list[str]:
    """The watched prefixes: services first, anycast addresses behind them."""
    return [f"10.{64 + i // 250}.{i % 250}.0/24" for i in range(SERVICES + ANYCAST)]


def intent() -> Intent:
    """Each service at one site, each anycast address at all."""
    watched = prefixes()
    names = list(PEERS)
    services = "\n".join(
        f"  - {{name: s{i}, prefix: {prefix}, home: [{names[i % len(names)]}]}}"
        for i, prefix in enumerate(watched[:SERVICES])
    )
    anycast = "\n".join(
        f"  - {{name: a{i}, prefix: {prefix}, sites: [{', '.join(names)}], minimum: 2}}"
        for i, prefix in enumerate(watched[SERVICES:])
    )
    feeds = "\n".join(f"  - {{router: {router}, silent_after: 1h}}" for router in ROUTERS)
    return parse_intent(
        f"version: 1\nsites:\n{_SITES}\nservices:\n{services}\nanycast:\n{anycast}\n"
        f"feeds:\n{feeds}\n{_FLOWSPEC}"
    )


class Network:
    """Three route reflectors that each hear four sites, and what they tell."""

    def __init__(self, seed: int = 1, strangers: float = 0.0) -> None:
        """The same seed makes the same events; `strangers` is a share of them.

        A stranger is a more-specific that nobody has seen before, and leads to a place that nobody
        knows; it goes with the next one.
        """
        self._random = random.Random(seed)
        self._now = START
        self._sequence = 0
        self._prefixes = prefixes()
        self._paths = [f"6500{number} 64999" for number in range(1, 9)]
        self._held: dict[tuple[str, str, str], Event] = {}
        self._strangers = strangers
        self._stranger: Event | None = None
        self._rules: dict[str, Event] = {}
        self._known: list[tuple[str, str, str]] = []

    def table(self) -> Iterator[Event]:
        """Every session comes up and shows its table."""
        for router in ROUTERS:
            yield self._make(Kind.FEED_UP, router, epoch=self._now)
            for hop in PEERS.values():
                yield self._make(Kind.PEER_UP, router, hop, epoch=self._now)
        sites = list(PEERS.values())
        for index, prefix in enumerate(self._prefixes):
            homes = sites if index >= SERVICES else [sites[index % len(sites)]]
            for router in ROUTERS:
                for hop in homes:
                    yield self._announce(router, hop, prefix, Provenance.DUMP)
        for router in ROUTERS:
            yield from (self._make(Kind.END_OF_RIB, router, hop) for hop in PEERS.values())
            yield self._make(Kind.END_OF_RIB, router)

    def churn(self, count: int) -> Iterator[Event]:
        """So many events of a network that is at work."""
        held = self._known = self._known or list(self._held)  # what is away now comes back, too
        flapping = [key for key in held if key[2] in self._prefixes[-FLAPPING:]]
        for _ in range(count):
            dice = self._random.random()
            if self._strangers and self._random.random() < self._strangers:
                yield self._strange()
            elif dice < FLOWSPEC:
                yield self._flowspec()
            elif dice < FLOWSPEC + LOSSES:
                yield self._loss(flapping)
            else:
                key = self._random.choice(held)
                if key not in self._held:
                    yield self._back(key)
                elif dice > 1 - REPEATS:
                    yield self._again(self._held[key])
                else:
                    yield self._announce(*key, Provenance.LIVE)

    def _loss(self, flapping: list[tuple[str, str, str]]) -> Event:
        key = self._random.choice(flapping)
        event = self._held.pop(key, None)
        if event is None:
            return self._back(key)
        return self._make(Kind.WITHDRAW, key[0], key[1], prefix=key[2], family=Family.IPV4_UNICAST)

    def _strange(self) -> Event:
        known = self._stranger
        if known is not None:
            self._stranger = None
            what: dict[str, Any] = {"prefix": known.prefix, "family": known.family}
            return self._make(Kind.WITHDRAW, known.router, known.peer, **what)
        number = self._random.randrange(1 << 24)
        network = self._random.choice(self._prefixes).removesuffix(".0/24")
        self._stranger = self._make(
            Kind.ANNOUNCE,
            self._random.choice(ROUTERS),
            self._random.choice(list(PEERS.values())),
            family=Family.IPV4_UNICAST,
            prefix=f"{network}.{number & 255}/32",
            next_hop=f"172.{16 + (number >> 16) % 16}.{number >> 8 & 255}.{number & 255}",
            as_path="65001 64999",
            origin_as=64999,
            **_POLICY,
        )
        return self._stranger

    def _back(self, key: tuple[str, str, str]) -> Event:
        return self._announce(*key, Provenance.LIVE)

    def _again(self, event: Event) -> Event:
        self._tick()
        return msgspec.structs.replace(
            event,
            received=self._now,
            time=self._now,
            sequence=self._sequence,
            provenance=Provenance.LIVE,
        )

    def _announce(self, router: str, hop: str, prefix: str, provenance: Provenance) -> Event:
        event = self._make(
            Kind.ANNOUNCE,
            router,
            hop,
            provenance=provenance,
            family=Family.IPV4_UNICAST,
            prefix=prefix,
            next_hop=hop,
            as_path=self._random.choice(self._paths),
            origin_as=64999,
            med=self._random.randrange(4),
            **_POLICY,
        )
        self._held[router, hop, prefix] = event
        return event

    def _flowspec(self) -> Event:
        number = self._random.randrange(RULES)
        components = {
            "destination": f"192.0.2.{number}/32",
            "protocol": "=6",
            "destination-port": f"={1000 + number}",
        }
        rule = " ".join(f"{name} {value}" for name, value in components.items())
        router, hop = ROUTERS[number % len(ROUTERS)], next(iter(PEERS.values()))
        what = {"family": Family.IPV4_FLOWSPEC, "rule": rule, "components": components}
        if self._rules.pop(rule, None) is not None:
            return self._make(Kind.WITHDRAW, router, hop, **what)
        event = self._make(Kind.ANNOUNCE, router, hop, actions=({"action": "discard"},), **what)
        self._rules[rule] = event
        return event

    def _tick(self) -> None:
        self._now += STEP
        self._sequence += 1

    def _make(self, kind: Kind, router: str, hop: str | None = None, **fields: object) -> Event:
        self._tick()
        peer = {"peer": hop, "view": View.ADJ_IN_PRE} if hop is not None else {}
        return Event(
            received=self._now,
            sequence=self._sequence,
            time=self._now,
            feed=Feed.BMP.value,
            kind=kind.value,
            router=router,
            router_address="127.0.0.1",
            **peer,  # type: ignore[arg-type]
            **fields,  # type: ignore[arg-type]
        )
