"""What should be true: the intent, typed, with every mistake in its file told at once.

`load_intent` reads the YAML whose vocabulary is docs/reference/intent.md. The model is frozen; what
rules ask of it is answered from indexes made on first use.
"""

from __future__ import annotations

from functools import cached_property
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from collector.event import Event
from detectors.documents import Mistakes
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
    Rpki,
    Service,
    Site,
    rehearse,
)
from detectors.intent.rpki import Validity, Vrps, read_vrps
from detectors.intent.sites import SiteIndex
from detectors.intent.values import Name, Span, TimeWindow
from detectors.joined import Joined

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
    "Rpki",
    "Service",
    "Site",
    "Span",
    "TimeWindow",
    "Validity",
    "Vrps",
    "load_intent",
    "parse_intent",
    "rpki_file",
    "with_rpki",
]


class Intent(Part):
    """The whole intent; `load_intent` also checks what its parts say of each other."""

    version: Literal[1]
    """Version of this vocabulary."""
    include: tuple[Name, ...] = ()
    """Further files of this vocabulary, relative to this one; their parts are joined to it."""
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
    rpki: Rpki | None = None
    """The RPKI, where origins are judged by it too."""
    _vrps: Vrps | None = PrivateAttr(default=None)

    @property
    def vrps(self) -> Vrps | None:
        """What the RPKI said of watched prefixes when its file was read; None without `rpki`."""
        return self._vrps

    @model_validator(mode="before")
    @classmethod
    def _rehearse(cls, data: Any) -> Any:
        return rehearse(data)

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
        """What routes must be seen of: advertised prefixes, and where policies redirect to.

        An address of the latter is a prefix of its own, unless it lies in one of the former.
        """
        prefixes = self.advertised_prefixes()
        networks = [ip_network(prefix) for prefix in prefixes]
        for address in map(ip_address, self._redirect_targets()):
            if not any(address in network for network in networks):
                prefixes.append(str(ip_network(address)))
        return list(dict.fromkeys(prefixes))

    def advertised_prefixes(self) -> list[str]:
        """The prefixes of services and anycast addresses, each once."""
        prefixes = [service.prefix for service in self.services]
        prefixes += (anycast.prefix for anycast in self.anycast)
        return list(dict.fromkeys(prefixes))

    def _redirect_targets(self) -> list[str]:
        return [
            str(address)
            for policy in self.flowspec
            for action in policy.actions
            if action.action == "redirect-to-nexthop"
            for address in action.values
        ]

    def expected_feeds(self) -> list[tuple[str, str | None]]:
        """The feeds that must be seen: router and kind of feed, or None for any."""
        return [(feed.router, feed.feed) for feed in self.feeds]

    def in_cutover(self, now: int) -> bool:
        """Whether any cutover may happen at `now` (ns)."""
        return any(cutover.window.holds(now) for cutover in self.cutovers)

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


def load_intent(path: str | Path, *, files: list[Path] | None = None) -> Intent:
    """Read an intent file, all that it includes, and the VRPs that it names. Raises Mistakes.

    All files that were looked at are added to `files`, also where there are mistakes.
    """
    joined = Joined()
    joined.load(Path(path))
    if files is not None:
        files += joined.files
    intent = joined.read_as(Intent, check_intent)
    if files is not None and intent.rpki is not None:
        files.append(Path(path).parent / intent.rpki.vrps)
    try:
        return with_rpki(intent, path)
    except Mistakes as wrong:
        raise joined.where_named(("rpki", "vrps"), wrong) from wrong


def parse_intent(text: str, name: str = "intent.yaml") -> Intent:
    """Read an intent from text; mistakes name `name` as its file. Raises Mistakes."""
    joined = Joined()
    joined.parse(text, name, Path(name))
    return with_rpki(joined.read_as(Intent, check_intent), name)


def with_rpki(intent: Intent, path: str | Path) -> Intent:
    """The intent of the file `path` with its VRPs as they are now. Raises Mistakes.

    A relying party writes that file anew every few minutes: whoever reloads calls this again.
    """
    file = rpki_file(intent, path)
    if file is None:
        return intent
    read = intent.model_copy()
    read._vrps = read_vrps(file, intent.watched_prefixes())
    return read


def rpki_file(intent: Intent, path: str | Path) -> Path | None:
    """The file of VRPs that the intent in the file `path` names, if it names one."""
    return Path(path).parent / intent.rpki.vrps if intent.rpki is not None else None
