"""A small network that tells of itself late, and each router at its own pace.

What happens is put down once (`Happening`); each feed of each router then shows it in its own way
(sessions of the sites, a reflector's best path or all of them, a Loc-RIB) after its own delay. The
order within one feed is kept, the order between feeds is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import msgspec

from collector.event import Event, Family, Feed, Kind, Provenance, View

SECOND = 1_000_000_000
START = 1_800_000_000 * SECOND
WEB = "192.0.2.50/32"
SHOP = "192.0.2.60/32"
SITES = {"legacy-pe": "10.0.0.1", "new-pe1": "10.0.1.1", "new-pe2": "10.0.1.2", "far": "10.0.7.1"}
CONTROLLER = "10.0.9.9"
REFLECTOR = "10.0.9.1"
LONGEST = 2 * SECOND
"""No feed is later than this."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that is done in the network at one time (ns after the start)."""

    at: int
    what: str
    """`advertise`, `withdraw`, `add`, `delete`, `lose`, `return` or `rollback`."""
    who: str = ""
    """A site for routes, a rule for rules, a feed's name for sessions."""
    prefix: str = WEB
    only: str = ""
    """The one router that this reaches; all where empty."""
    but: str = ""
    """The one router that this does not reach."""


@dataclass(slots=True)
class FeedOf:
    """One feed of one router, with what it holds."""

    router: str
    feed: str
    shape: str
    """`sessions`, `best`, `add-path` or `loc-rib`."""
    delay: int
    preference: list[str]
    routes: set[tuple[str, str]] = field(default_factory=set)
    """(prefix, site) that the router has."""
    rules: set[str] = field(default_factory=set)
    shown: dict[str, str] = field(default_factory=dict)
    """Prefix -> the best site that was shown."""
    up: bool = True

    @property
    def name(self) -> str:
        """Router and kind of feed."""
        return f"{self.router} {self.feed}"


def network(random: Random) -> list[FeedOf]:
    """Two to four routers, some seen over both BMP and gRPC."""
    feeds = []
    for number in range(random.randint(2, 4)):
        shape = random.choice(["sessions", "sessions", "best", "add-path", "loc-rib"])
        preference = random.sample(list(SITES), len(SITES))
        kinds = [Feed.BMP, Feed.GOBGP] if random.random() < 0.4 else [Feed.BMP]
        feeds += [
            FeedOf(f"r{number}", kind.value, shape, random.randint(0, LONGEST), preference)
            for kind in kinds
        ]
    return feeds


def events_of(feeds: list[FeedOf], story: list[Happening], random: Random) -> list[Event]:
    """What all feeds say of a story, as it is received."""
    said = [event for feed in feeds for event in _told(feed, story, random)]
    said += [
        Event(
            received=START + happening.at,
            sequence=1,
            feed=Feed.OPERATOR,
            kind=Kind.ROLLBACK,
            reason=happening.who,
        )
        for happening in story
        if happening.what == "rollback"
    ]
    said.sort(key=lambda event: event.received)
    return [msgspec.structs.replace(event, sequence=i) for i, event in enumerate(said, 1)]


def _told(feed: FeedOf, story: list[Happening], random: Random) -> Iterator[Event]:
    at = START
    yield from _session(feed, at)
    for happening in sorted(story, key=lambda each: each.at):
        if happening.only not in ("", feed.router) or happening.but == feed.router:
            continue
        late = happening.at and feed.delay + random.randint(0, SECOND // 5)
        at = max(at + 1, START + happening.at + late)
        yield from _happens(feed, happening, at)


def _session(feed: FeedOf, at: int) -> Iterator[Event]:
    """The session comes up, and shows its tables."""
    yield _event(feed, Kind.FEED_UP, at, epoch=at)
    peers = [*SITES.values(), CONTROLLER] if feed.shape == "sessions" else [REFLECTOR]
    tables: list[dict[str, object]] = [{"view": View.LOC_RIB}]
    if feed.shape != "loc-rib":
        tables = [{"peer": peer, "view": View.ADJ_IN_PRE} for peer in peers]
        for table in tables:
            yield _event(feed, Kind.PEER_UP, at, epoch=at, **table)
    feed.shown.clear()
    for prefix in sorted({prefix for prefix, _ in feed.routes}):
        yield from _routes(feed, prefix, sorted(s for p, s in feed.routes if p == prefix), at)
    for rule in sorted(feed.rules):
        yield _rule(feed, Kind.ANNOUNCE, rule, at)
    for table in tables:
        yield _event(feed, Kind.END_OF_RIB, at, **table)
    yield _event(feed, Kind.END_OF_RIB, at)


def _happens(feed: FeedOf, happening: Happening, at: int) -> Iterator[Event]:
    what, who, prefix = happening.what, happening.who, happening.prefix
    if what == "lose" and who == feed.name:
        feed.up = False
        yield _event(feed, Kind.FEED_DOWN, at)
    elif what == "return" and who == feed.name:
        feed.up = True
        yield from _session(feed, at)
    elif what in ("advertise", "withdraw"):
        held = (prefix, who) in feed.routes
        (feed.routes.add if what == "advertise" else feed.routes.discard)((prefix, who))
        if feed.up and held != (what == "advertise"):
            yield from _routes(feed, prefix, [who], at)
    elif what in ("add", "delete"):
        held = who in feed.rules
        (feed.rules.add if what == "add" else feed.rules.discard)(who)
        if feed.up and held != (what == "add"):
            yield _rule(feed, Kind.ANNOUNCE if what == "add" else Kind.WITHDRAW, who, at)


def _routes(feed: FeedOf, prefix: str, changed: list[str], at: int) -> Iterator[Event]:
    """How a feed shows that these sites came or went."""
    if feed.shape in ("sessions", "add-path"):
        for site in changed:
            kind = Kind.ANNOUNCE if (prefix, site) in feed.routes else Kind.WITHDRAW
            yield _route(feed, kind, prefix, site, at)
        return
    best = next((s for s in feed.preference if (prefix, s) in feed.routes), None)
    if best == feed.shown.get(prefix):
        return
    if best is None:
        yield _route(feed, Kind.WITHDRAW, prefix, feed.shown.pop(prefix), at)
    else:
        feed.shown[prefix] = best
        yield _route(feed, Kind.ANNOUNCE, prefix, best, at)


def _route(feed: FeedOf, kind: str, prefix: str, site: str, at: int) -> Event:
    place: dict[str, object] = {"peer": SITES[site], "view": View.ADJ_IN_PRE}
    if feed.shape == "loc-rib":
        place = {"view": View.LOC_RIB}
    elif feed.shape != "sessions":
        place["peer"] = REFLECTOR
    if feed.shape == "add-path":
        place["path_id"] = list(SITES).index(site) + 1
    if kind == Kind.ANNOUNCE:
        place["next_hop"] = SITES[site]
        if feed.shape != "sessions":
            place["originator_id"] = SITES[site]
    return _event(feed, kind, at, family=Family.IPV4_UNICAST, prefix=prefix, **place)


def _rule(feed: FeedOf, kind: str, rule: str, at: int) -> Event:
    components = dict(zip(rule.split()[::2], rule.split()[1::2], strict=True))
    place: dict[str, object] = {"view": View.LOC_RIB}
    if feed.shape != "loc-rib":
        peer = CONTROLLER if feed.shape == "sessions" else REFLECTOR
        place = {"peer": peer, "view": View.ADJ_IN_PRE}
    if kind == Kind.ANNOUNCE:
        place["components"] = components
        action = "discard" if rule.endswith(" =179") else "sample"
        place["actions"] = ({"action": action},)
    return _event(feed, kind, at, family=Family.IPV4_FLOWSPEC, rule=rule, **place)


def _event(feed: FeedOf, kind: str, at: int, **fields: object) -> Event:
    values = {
        "feed": feed.feed,
        "kind": kind,
        "router": feed.router,
        "router_address": f"127.0.0.{feed.router[1:]}",
        "received": at,
        "sequence": 1,
        "provenance": Provenance.LIVE,
    }
    return msgspec.convert({**values, **fields}, Event)
