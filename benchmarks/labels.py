"""What is known to have happened in recordings, and what the detectors find in them.

The recordings and their labels are other projects' and lie in `shared/data` beside the checkout;
`_labels/` there says how each label was made.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collector.event import Event, Family, Feed, Kind, parse_rfc3339
from collector.inputs.files import read_events
from detectors.engine import Engine
from detectors.incidents import Incident, State
from detectors.intent import Anycast, Flap, Intent, Matcher, Service, Site
from detectors.watched import WatchedPrefixes

DATA = Path(__file__).parents[2] / "shared" / "data"
CHANGES = 4
"""A label of flaps names a prefix that came or went so often, as one peer of one file tells it."""
FLAP = Flap(suppress=1500.0)
"""Two losses within a half-life: as few as four changes have."""
ANYWHERE, RIS = "anywhere", "ris"
STABLE = 50
"""So many prefixes are watched on a quiet day."""
QUIET = tuple(
    f"westseii+CS-3640-Assignment-3/data/updates.20080223.{time}.bz2"
    for time in ("2003", "2018", "2033", "2048")
)
"""An hour of RouteViews without a break."""


@dataclass(slots=True)
class Score:
    """What came of one recording."""

    name: str
    events: int = 0
    labels: int = 0
    found: int = 0
    """Of the labels."""
    meets: int = 0
    """Findings that have no label, and that meet its definition: it names the worst only."""
    explained: Counter[str] = field(default_factory=Counter)
    """Findings that do not, by what else they are."""
    unexplained: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float:
        """The share of what was found that a label's definition asks for."""
        right = self.found + self.meets
        total = right + self.explained.total() + len(self.unexplained)
        return right / total if total else 1.0

    @property
    def recall(self) -> float:
        """The share of the labels that was found."""
        return self.found / self.labels if self.labels else 1.0


def transitions(intent: Intent, events: Iterable[Event]) -> Iterator[Incident]:
    """All that the detectors tell of these events."""
    engine = Engine(intent)
    for event in events:
        yield from engine.process(event)
    if engine.errors:
        raise RuntimeError(f"rules failed: {dict(engine.errors)}")


# Flaps


def flap_labels() -> list[dict[str, Any]]:
    """The labels of flaps: a file each, with the prefixes that flap most."""
    found: list[dict[str, Any]] = json.loads((DATA / "_labels" / "flaps.open.json").read_text())
    return found


@dataclass(slots=True)
class Told:
    """What one peer told of one prefix."""

    changes: int = 0
    """Between being there and not."""
    losses: int = 0
    """Withdrawals of what was there."""
    others: int = 0
    """Announcements that say something else than the one before."""
    last: Event | None = None

    def take(self, event: Event) -> None:
        """Count the next event."""
        last, self.last = self.last, event
        if last is None:
            return
        self.changes += last.kind != event.kind
        if last.kind == Kind.ANNOUNCE:
            self.losses += event.kind == Kind.WITHDRAW
            self.others += event.kind == Kind.ANNOUNCE and _path(last) != _path(event)


def _path(event: Event) -> tuple[object, ...]:
    names = ("as_path", "next_hop", "origin", "med", "local_pref", "communities")
    return tuple(getattr(event, name) for name in names)


def flaps(label: Mapping[str, Any]) -> Score:
    """Judge one file by an intent that names every prefix in it."""
    score = Score(str(label["file"]))
    told: defaultdict[tuple[str, str | None], Told] = defaultdict(Told)
    events = list(read_events(DATA / label["file"]))
    score.events = len(events)
    for event in events:
        if event.prefix is not None and event.kind in {Kind.ANNOUNCE, Kind.WITHDRAW}:
            told[event.prefix, event.peer].take(event)
    by_prefix: defaultdict[str, list[Told]] = defaultdict(list)
    for (prefix, _), each in told.items():
        by_prefix[prefix].append(each)
    found: set[str] = set()
    for incident in transitions(_anycast(by_prefix, events), events):
        if incident.detector == "flapping":
            found.add(incident.details["prefix"])
    labelled = {top["prefix"] for top in label["top"]}
    score.labels, score.found = len(labelled), len(labelled & found)
    for prefix in sorted(found - labelled):
        _explain(score, prefix, by_prefix[prefix])
    return score


def _anycast(prefixes: Iterable[str], events: Sequence[Event]) -> Intent:
    """Each prefix may come from anywhere, and must not flap."""
    routers = dict.fromkeys(event.router for event in events)
    matchers = tuple(Matcher(router=router) for router in routers if router)
    entries = (
        Anycast(name=prefix, prefix=prefix, sites=(ANYWHERE,), flap=FLAP) for prefix in prefixes
    )
    return Intent(version=1, sites={ANYWHERE: Site(match=matchers)}, anycast=tuple(entries))


def _explain(score: Score, prefix: str, told: Sequence[Told]) -> None:
    """Say what a finding without a label is, by counting alone."""
    if any(each.changes >= CHANGES for each in told):
        score.meets += 1
    elif any(each.losses >= 2 for each in told):
        score.explained["two losses, three changes"] += 1
    elif any(each.losses == 1 and each.others for each in told):
        score.explained["a loss, and other paths"] += 1
    elif any(each.others >= 3 for each in told):
        score.explained["other paths"] += 1
    else:
        score.unexplained.append(prefix)


# The incident of Telegram's prefixes, June 2026


def telegram_labels() -> list[dict[str, Any]]:
    """The prefixes that AS18101 announced, with when it did."""
    found = json.loads((DATA / "_labels" / "telegram2026.open.json").read_text())
    labels: list[dict[str, Any]] = found["prefixes"]
    return labels


def telegram_events() -> list[Event]:
    """What the public collectors' peers told of them, in order; each peer is a vantage point."""
    events = []
    with gzip.open(DATA / "_derived" / "telegram2026_events.open.jsonl.gz", "rt") as lines:
        for number, line in enumerate(lines, 1):
            events.append(_telegram_event(json.loads(line), number))
    return sorted(events, key=lambda event: (event.received, event.sequence))


def telegram() -> Score:
    """Judge the public view of the incident by an intent that says who originates what."""
    labels, events = telegram_labels(), telegram_events()
    score = Score("telegram2026_events.open.jsonl.gz", len(events), len(labels))
    services = tuple(
        Service(
            name=_only(label["target_prefixes"]),
            prefix=_only(label["target_prefixes"]),
            home=(ANYWHERE,),
            origin_as=tuple(label["legit_origin_per_AS_list"]),
        )
        for label in labels
    )
    sites = {ANYWHERE: Site(match=(Matcher(router=RIS),))}
    told = list(transitions(Intent(version=1, sites=sites, services=services), events))
    spans = _spans(told)
    for label in labels:
        prefix = _only(label["target_prefixes"])
        found = spans.pop(("origin", prefix), [(0, 0)])
        # Of some prefixes nobody had that route for half a minute: there are two incidents.
        whole = (found[0][0], found[-1][1])
        score.found += whole == (_second(label["hijack_first"]), _second(label["cleared_at"]))
    score.unexplained += [f"{detector} {prefix}" for detector, prefix in spans]
    return score


def _spans(told: Iterable[Incident]) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """From when to when (ns) there was a finding, by detector and prefix; 0 where it goes on."""
    spans: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for incident in told:
        prefix = str(incident.details.get("prefix"))
        found = spans.setdefault((incident.detector, prefix), [])
        if incident.state == State.OPEN:
            found.append((incident.opened, 0))
        elif incident.state == State.RESOLVED:
            found[-1] = (incident.opened, incident.time)
    return spans


def _only(prefixes: Sequence[str]) -> str:
    (prefix,) = prefixes
    return prefix


def _second(text: str) -> int:
    return parse_rfc3339(f"{text}Z")


def _telegram_event(said: dict[str, Any], number: int) -> Event:
    at = parse_rfc3339(f"{said['t']}Z")
    announces = said["type"] == "A"
    path = said.get("path") or []
    _, _, peer = said["peer"].partition("-")
    prefix = said["prefix"]
    return Event(
        received=at,
        sequence=number,
        time=at,
        feed=Feed.MRT.value,
        kind=(Kind.ANNOUNCE if announces else Kind.WITHDRAW).value,
        router=RIS,
        peer=said["peer"],
        family=(Family.IPV6_UNICAST if ":" in prefix else Family.IPV4_UNICAST).value,
        prefix=prefix,
        next_hop=peer if announces else None,
        as_path=" ".join(map(str, path)) if announces else None,
        origin_as=path[-1] if announces and path and isinstance(path[-1], int) else None,
        communities=tuple(said.get("communities") or ()),
    )


# A quiet day


def quiet(files: Sequence[str] = QUIET) -> Score:
    """Judge 50 stable prefixes: whatever is told of them is one thing too many."""
    events = [event for name in files for event in read_events(DATA / name)]
    told: defaultdict[tuple[str, str | None], Told] = defaultdict(Told)
    origins: defaultdict[str, set[int | None]] = defaultdict(set)
    heard: Counter[str] = Counter()
    for event in events:
        if event.prefix is None or event.kind not in {Kind.ANNOUNCE, Kind.WITHDRAW}:
            continue
        told[event.prefix, event.peer].take(event)
        origins[event.prefix].add(event.origin_as)
        heard[event.prefix] += 1
    unstable = {prefix for (prefix, _), each in told.items() if each.changes or each.others > 2}
    # A withdrawal has no origin, so what was ever withdrawn has two.
    stable = [p for p, _ in heard.most_common() if len(origins[p]) == 1 and p not in unstable]
    watched = _alone([p for p in stable if None not in origins[p]], heard)
    score = Score(f"{Path(files[0]).name} and on, {len(watched)} prefixes", len(events))
    intent = _steady(watched, origins, events)
    score.unexplained += [
        f"{incident.detector} {incident.key}" for incident in transitions(intent, events)
    ]
    return score


def _alone(stable: list[str], heard: Iterable[str]) -> list[str]:
    """The first of them that contain nothing else that was heard of."""
    while True:
        chosen = stable[:STABLE]
        index = WatchedPrefixes(chosen)
        crowded = {index.find(prefix) for prefix in heard if prefix not in chosen}
        if not crowded.intersection(chosen):
            return chosen
        stable = [prefix for prefix in stable if prefix not in crowded]


def _steady(
    prefixes: Sequence[str], origins: Mapping[str, set[int | None]], events: Sequence[Event]
) -> Intent:
    """Services and anycast addresses in turn, with the origin that they have."""
    routers = dict.fromkeys(event.router for event in events if event.router)
    sites = {ANYWHERE: Site(match=tuple(Matcher(router=router) for router in routers))}
    services = tuple(
        Service(
            name=prefix,
            prefix=prefix,
            home=(ANYWHERE,),
            origin_as=tuple(origin for origin in origins[prefix] if origin is not None),
        )
        for prefix in prefixes[::2]
    )
    anycast = tuple(
        Anycast(name=prefix, prefix=prefix, sites=(ANYWHERE,)) for prefix in prefixes[1::2]
    )
    return Intent(version=1, sites=sites, services=services, anycast=anycast)
