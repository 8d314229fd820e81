"""What stands now, item by item: what the board and the API tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from anchorwatch.board.addresses import Addresses
from anchorwatch.board.concerns import OpenIncidents, prefixes_of, rules_of
from anchorwatch.board.items import FINE, UNKNOWN, VIOLATED, Item, Items, incident_item
from anchorwatch.board.rules import Rules, rule_id
from collector.event import FLOWSPEC_FAMILIES, View
from detectors.engine import Engine
from detectors.incidents import Incident
from detectors.route import FlowspecRule, RouteKey

__all__ = ["FINE", "UNKNOWN", "VIOLATED", "Item", "Now", "incident_item", "rule_id"]

MOST_TOUCHED = 20_000
"""So much may have changed since anybody asked; of more, everything is made anew."""


class Now:
    """Reads the engine; only what changed since the last question is made again."""

    def __init__(
        self,
        engine: Callable[[], Engine],
        own: Callable[[], list[Incident]] = list,
        feeds: Callable[[], list[dict[str, Any]]] = list,
        cutovers: Callable[[], list[Item]] = list,
    ) -> None:
        """`own` are the incidents about the watch itself, `feeds` as `status` tells them.

        `cutovers` are those that are shown, as items.
        """
        self._engine = engine
        self.cutovers = cutovers
        self._own = own
        self._feeds = feeds
        self._made: _Made | None = None

    @property
    def engine(self) -> Engine:
        """The engine that judges now."""
        return self._engine()

    def touch(self, key: RouteKey) -> None:
        """A route changed: what it belongs to is made anew when it is next asked for."""
        if self._made is not None:
            self._made.touch(key)
            if self._made.touched > MOST_TOUCHED:
                self.forget()

    def forget(self) -> None:
        """Make everything anew: nobody said what changed meanwhile."""
        self._made = None

    def sections(self) -> Mapping[str, Items]:
        """Open incidents, services, anycast addresses and rules: to be looked at only."""
        made = self._look()
        return {
            "incidents": made.incidents.items,
            "services": made.services.items,
            "anycast": made.anycast.items,
            "rules": made.rules.items,
        }

    def open(self) -> list[Incident]:
        """The incidents that are open, the gravest first, and of these the newest."""
        return self._look().incidents.all()

    def incidents(self) -> list[Item]:
        """The open incidents, without their evidence."""
        return self._look().incidents.items.first()

    def services(self) -> list[Item]:
        """Every service, the worst first."""
        return self._look().services.items.first()

    def anycast(self) -> list[Item]:
        """Every anycast address, the worst first."""
        return self._look().anycast.items.first()

    def rules(self) -> list[Item]:
        """Every Flowspec rule that any router holds, the worst first, and then the newest."""
        return self._look().rules.items.first()

    def rule(self, identity: str) -> tuple[FlowspecRule, Item] | None:
        """One rule that is held now, by its id."""
        rules = self._look().rules
        rule, item = rules.called(identity), rules.items.get(identity)
        return None if rule is None or item is None else (rule, item)

    def feeds(self) -> list[Item]:
        """Every feed that is known or should be, the worst first."""
        order = ("absent", "down", "dumping", "complete")
        items = [
            {"id": " ".join(filter(None, (feed["router"], feed.get("feed")))), **feed}
            for feed in self._feeds()
        ]
        return sorted(items, key=lambda feed: (order.index(feed["state"]), feed["id"]))

    def _look(self) -> _Made:
        engine = self.engine
        made = self._made
        if made is None or made.engine is not engine or made.intent is not engine.intent:
            made = self._made = _Made(engine)
        made.look([*engine.open_incidents, *self._own()])
        return made


class _Made:
    """The items of one engine and one intent, as they were at the last look."""

    def __init__(self, engine: Engine) -> None:
        """Nothing is made yet."""
        self.engine, self.intent = engine, engine.intent
        self.incidents = OpenIncidents()
        self.services = Addresses(engine, engine.intent.services, self.incidents)
        self.anycast = Addresses(engine, engine.intent.anycast, self.incidents)
        self.rules = Rules(engine, self.incidents)
        self._prefixes: set[str] = set()
        self._rules: set[FlowspecRule] = set()
        self._sight: tuple[bool, bool] | None = None
        self._views: object = None

    @property
    def touched(self) -> int:
        """How much has changed since the last look."""
        return len(self._prefixes) + len(self._rules)

    def touch(self, key: RouteKey) -> None:
        """A route changed."""
        if key.family is not None and key.family in FLOWSPEC_FAMILIES:
            self._rules.add(FlowspecRule(key.family, key.rd, key.destination))
        elif watched := self.engine.routes.watched_by(key.destination):
            self._prefixes.add(watched)

    def look(self, incidents: list[Incident]) -> None:
        """Make what has changed."""
        for incident in self.incidents.look(incidents):
            self._prefixes.update(prefixes_of(incident))
            for text in rules_of(incident):
                self._rules.update(self.rules.with_text(text))
        feeds = self.engine.routes.feeds
        sight, views = (bool(feeds.blind()), feeds.any_up()), self._seen_by()
        if self._sight is None:
            for section in (self.services, self.anycast, self.rules):
                section.make()
        else:
            if views != self._views:
                self._touch_hidden()
            for addresses in (self.services, self.anycast):
                unseen = addresses.unseen() if sight != self._sight else ()
                addresses.make(self._prefixes.union(unseen))
            self.rules.make(self._rules)
        self._sight, self._views = sight, views
        self._prefixes.clear()
        self._rules.clear()

    def _seen_by(self) -> object:
        """What decides whether another view or feed of a router knows better than a route."""
        routes = self.engine.routes
        feeds = [
            (key, feed.address, feed.complete, feed.is_gobgp, frozenset(feed.views))
            for key, feed in routes.feeds.all().items()
        ]
        return feeds, routes.pre_policy_changes

    def _touch_hidden(self) -> None:
        """Some of the routes that another one may hide are hidden now, or no longer."""
        for key, route in self.engine.routes.all():
            if route.stale or key.view == View.ADJ_IN_POST:
                self.touch(key)
