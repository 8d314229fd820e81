"""What an item is: a thing on the board or in an answer of the API, as JSON values.

Each has an `id` that is the same for as long as the thing is, and a `state`: `fine`, `violated` or
`unknown`. Times are RFC 3339.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from collector.event import Event, rfc3339
from detectors.base import Severity
from detectors.incidents import Incident, State
from detectors.route import Route, RouteKey

Item = dict[str, Any]
Place = tuple[Any, ...]
"""Where an item stands among its like, as what can be compared; it follows from what it says."""
FINE, VIOLATED, UNKNOWN = "fine", "violated", "unknown"
_ORDER = (VIOLATED, UNKNOWN, FINE)


class Items:
    """Items in order, the worst first; one that did not change stays the same object."""

    def __init__(self, word: str = "state") -> None:
        """`word` is the member by which they are counted."""
        self._word = word
        self._known: dict[str, tuple[Place, Item]] = {}
        self._places: list[Place] = []
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._known)

    def put(self, item: Item, *place: Any) -> None:
        """Take in a new item, or what has become of one."""
        identity = item["id"]
        whole = (*place, identity)
        known = self._known.get(identity)
        if known is not None:
            if known == (whole, item):
                return
            self.drop(identity)
        insort(self._places, whole)
        self._known[identity] = whole, item
        self._counts[item[self._word]] += 1

    def drop(self, identity: str) -> None:
        """Let go of an item, if it is there."""
        known = self._known.pop(identity, None)
        if known is not None:
            place, item = known
            del self._places[bisect_left(self._places, place)]
            self._counts[item[self._word]] -= 1

    def get(self, identity: str) -> Item | None:
        """The item of this id."""
        known = self._known.get(identity)
        return None if known is None else known[1]

    def first(self, count: int | None = None) -> list[Item]:
        """So many of them, or all; they are shared, so nobody may change one."""
        return [self._known[place[-1]][1] for place in islice(self._places, count)]

    def counts(self) -> Mapping[str, int]:
        """How many there are, and of each word that any says."""
        said = {word: count for word, count in self._counts.items() if count}
        return {"all": len(self._known), **said}


def rank(state: str) -> int:
    """The worst comes first."""
    return _ORDER.index(state)


def state_of(about: Iterable[Incident]) -> tuple[str, str]:
    """What open incidents make of what they are about, and why: the gravest comes first."""
    about = list(about)
    known = [i for i in about if i.state != State.UNKNOWN and i.severity != Severity.INFO]
    if known:
        return VIOLATED, known[0].summary
    unseen = [i for i in about if i.state == State.UNKNOWN]
    return (UNKNOWN, unseen[0].summary) if unseen else (FINE, "")


def incident_item(incident: Incident) -> Item:
    """An incident without its evidence."""
    return {
        "id": incident.id,
        "detector": incident.detector,
        "key": incident.key,
        "severity": str(incident.severity),
        "state": str(incident.state),
        "time": rfc3339(incident.time),
        "opened": rfc3339(incident.opened),
        "summary": incident.summary,
        **({"kill_switch": True} if incident.kill_switch else {}),
    }


def vantage_point(key: RouteKey, route: Route) -> Item:
    """One place that shows a route."""
    event: Event = route.event
    values = {
        "router": key.router,
        "feed": key.feed,
        "peer": key.peer,
        "view": key.view,
        "rd": event.rd,
        "prefix": event.prefix,
        "next_hop": event.next_hop,
        "as_path": event.as_path,
        "since": rfc3339(route.since),
        "stale": route.stale,
    }
    return {name: value for name, value in values.items() if value is not None}


def ids(incidents: Sequence[Incident]) -> list[str]:
    """Their ids."""
    return [incident.id for incident in incidents]
