"""What should be true: the intent, typed, with every mistake in its file told at once.

`load_intent` reads the YAML whose vocabulary is docs/reference/intent.md. The model is frozen; what
rules ask of it is answered from indexes made on first use.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field

from collector.event import Event
from detectors.documents import load_document, parse_document
from detectors.intent.check import check_intent
from detectors.intent.flowspec import (
    COMPONENTS,
    FLAGS,
    PROTOCOLS,
    AllowedAction,
    Policy,
    Protected,
    ProtectedPort,
)
from detectors.intent.models import (
    Anycast,
    Cutover,
    FeedIntent,
    Flap,
    Maintenance,
    Matcher,
    Part,
    Probe,
    Service,
    Site,
)
from detectors.intent.sites import SiteIndex
from detectors.intent.values import Name, Span, TimeWindow

__all__ = [
    "COMPONENTS",
    "FLAGS",
    "PROTOCOLS",
    "AllowedAction",
    "Anycast",
    "Cutover",
    "FeedIntent",
    "Flap",
    "Intent",
    "Maintenance",
    "Matcher",
    "Policy",
    "Probe",
    "ProtectedPort",
    "Service",
    "Site",
    "Span",
    "TimeWindow",
    "load_intent",
    "parse_intent",
]


class Intent(Part):
    """The whole intent; `load_intent` also checks what its parts say of each other."""

    version: Literal[1]
    """Version of this vocabulary."""
    sites: dict[Name, Site] = Field(default_factory=dict)
    """The places that may advertise, by name."""
    services: tuple[Service, ...] = ()
    """Addresses with one home."""
    anycast: tuple[Anycast, ...] = ()
    """Addresses with many homes."""
    flowspec: tuple[Policy, ...] = ()
    """The Flowspec rules that may exist; any other is out of policy."""
    protect: tuple[Protected, ...] = ()
    """What no Flowspec rule may touch."""
    cutovers: tuple[Cutover, ...] = ()
    """Planned moves of services."""
    maintenance: tuple[Maintenance, ...] = ()
    """Windows in which a site may be away."""
    feeds: tuple[FeedIntent, ...] = ()
    """Routers that must be seen."""

    def site_of(self, event: Event) -> str | None:
        """The site that a route comes from.

        A matcher with `originator_id` goes before one with `next_hop`, that before one with
        `peer`, and that before the rest; among equals, the site that is declared first.
        """
        return self._site_index.find(event)

    def service(self, name: str) -> Service:
        """The service of this name. Raises KeyError."""
        return self._services[name]

    def policy(self, name: str) -> Policy:
        """The Flowspec policy of this name. Raises KeyError."""
        return self._policies[name]

    def watched_prefixes(self) -> list[str]:
        """The prefixes of services and anycast addresses, each once."""
        prefixes = [service.prefix for service in self.services]
        prefixes += (anycast.prefix for anycast in self.anycast)
        return list(dict.fromkeys(prefixes))

    def expected_routers(self) -> list[str]:
        """The routers that must be seen."""
        return [feed.router for feed in self.feeds]

    def cutovers_of(self, service: str) -> tuple[Cutover, ...]:
        """The cutovers of a service, in the order of their windows."""
        return self._cutovers.get(service, ())

    def in_maintenance(self, site: str, now: int) -> Maintenance | None:
        """The maintenance that excuses a site at `now` (ns)."""
        for maintenance in self.maintenance:
            if maintenance.site == site and maintenance.window.holds(now):
                return maintenance
        return None

    @property
    def judges_flowspec(self) -> bool:
        """Whether Flowspec is judged at all: the file has `flowspec` (even empty) or `protect`."""
        return "flowspec" in self.model_fields_set or bool(self.protect)

    @cached_property
    def _site_index(self) -> SiteIndex:
        return SiteIndex(self.sites)

    @cached_property
    def _services(self) -> dict[str, Service]:
        return {service.name: service for service in self.services}

    @cached_property
    def _policies(self) -> dict[str, Policy]:
        return {policy.name: policy for policy in self.flowspec}

    @cached_property
    def _cutovers(self) -> dict[str, tuple[Cutover, ...]]:
        ordered = sorted(self.cutovers, key=lambda cutover: cutover.window)
        return {
            service.name: tuple(c for c in ordered if c.service == service.name)
            for service in self.services
        }


def load_intent(path: str | Path) -> Intent:
    """Read an intent file. Raises detectors.documents.Mistakes, with all of them."""
    return load_document(path, Intent, check_intent)


def parse_intent(text: str, name: str = "intent.yaml") -> Intent:
    """Read an intent from text; mistakes name `name` as their file. Raises Mistakes."""
    return parse_document(text, name, Intent, check_intent)
