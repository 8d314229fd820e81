"""What an intent says of addresses: where they live, when they move, what must be seen of them."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from detectors.documents import AtKey
from detectors.intent.values import (
    Address,
    AsNumber,
    Count,
    Duration,
    Name,
    Port,
    Prefix,
    RouteDistinguisher,
    Score,
    Window,
    parse_duration,
)


class Part(BaseModel):
    """What all parts of an intent share: they never change, and refuse a key they do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Matcher(Part):
    """One way to know a site by its routes: every key that is given must be equal."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    originator_id: Address | None = None
    """ORIGINATOR_ID (RFC 4456): who brought the route into the AS, through any reflector."""
    next_hop: Address | None = None
    """Next hop of the route; an IPv4 one also where an IPv6 route has it mapped."""
    peer: Address | None = None
    """Address of the BGP peer that announces it; in a Loc-RIB, which names none, the next hop."""
    peer_as: AsNumber | None = None
    """AS number of that peer."""
    router: Name | None = None
    """Name (sysName) or address of the router that shows it."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.keys():
            raise ValueError("names nothing: give originator_id, next_hop, peer, peer_as or router")
        return self

    def keys(self) -> tuple[str, ...]:
        """The keys that are given, in the order of the vocabulary."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)


class Site(Part):
    """A place that may advertise: any of its matchers identifies it."""

    match: tuple[Matcher, ...] = Field(min_length=1)
    """How its routes are known."""


class Service(Part):
    """An address with one home: an advertisement from anywhere else is a dual advertisement."""

    name: Name
    """What people call it."""
    prefix: Prefix
    """Its address; more-specifics of it count as the service too."""
    rd: RouteDistinguisher | None = None
    """Route distinguisher of its VPN, of its routes or of the VRF's sessions; absent means any."""
    home: tuple[Name, ...] = Field(min_length=1)
    """The sites that should advertise it."""
    origin_as: tuple[AsNumber, ...] = ()
    """The AS numbers that may originate it; none given means any."""
    hold: Duration = parse_duration("5s")
    """An absence shorter than this is path hunting, not a loss."""
    failover: Duration = parse_duration("30s")
    """Longest time from a home's withdrawal to the last vantage point that has moved away."""


FLAP_PROFILES: Mapping[str, Mapping[str, float]] = {
    "vendor": {"suppress": 2000.0, "upstream": 3000.0},
    "rfc7196": {"suppress": 6000.0, "upstream": 12000.0},
}
"""Where networks upstream are assumed to suppress: those that do so early, and nearly all.

`vendor` are the defaults of Cisco and of Juniper (RFC 7196 section 2), `rfc7196` the two thresholds
that RFC 7196 section 3 recommends.
"""


class Flap(Part):
    """Route flap damping figures (RFC 2439): 1000 points a withdrawal, 500 a change."""

    profile: Literal["vendor", "rfc7196"] = "vendor"
    """What networks upstream are assumed to do; it gives `suppress` and `upstream`."""
    half_life: Duration = parse_duration("15m")
    """The penalty halves in this time."""
    suppress: Score = FLAP_PROFILES["vendor"]["suppress"]
    """Flapping opens at this penalty: suppression upstream is near."""
    upstream: Score = FLAP_PROFILES["vendor"]["upstream"]
    """From this penalty on it is critical: networks upstream are likely to suppress."""
    reuse: Score = 750.0
    """And resolves below this one."""

    @model_validator(mode="before")
    @classmethod
    def _by_profile(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        profile = data.get("profile")
        known = FLAP_PROFILES.get(profile, {}) if isinstance(profile, str) else {}
        return {**known, **data}

    @model_validator(mode="after")
    def _reuse_below_suppress(self) -> Self:
        if self.reuse >= self.suppress:
            raise AtKey("reuse", f"{self.reuse:g} must be below suppress ({self.suppress:g})")
        if self.half_life <= 0:
            raise AtKey("half_life", "must be longer than 0s")
        return self


class Probe(Part):
    """How the health of an anycast site is found out, apart from what BGP says of it."""

    tcp: Port | None = None
    """Connect to this port."""
    http: Name | None = None
    """Get this URL, or this path of the address; any status below 400 is healthy."""
    dns: Name | None = None
    """Ask the address for this name; NOERROR and NXDOMAIN are healthy."""
    icmp: bool = False
    """Send an echo request."""
    address: Address | None = None
    """The address to ask, where the prefix is more than one."""
    every: Duration = parse_duration("5s")
    """Time from one probe to the next."""
    timeout: Duration = parse_duration("2s")
    """Longest time to wait for an answer."""
    fall: Count = 3
    """So many failures in a row, and it is not healthy."""
    rise: Count = 2
    """So many answers in a row, and it is healthy again."""
    from_: Name = Field(default="site", alias="from")
    """Where the probe runs: `site` is the site itself, any other word names a prober."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [self.tcp is not None, self.http is not None, self.dns is not None, self.icmp]
        if sum(ways) != 1:
            raise ValueError("needs exactly one of tcp, http, dns and icmp")
        for name in ("every", "timeout"):
            if getattr(self, name) <= 0:
                raise AtKey(name, "must be longer than 0s")
        if self.http is not None and not self.http.startswith(("/", "http://", "https://")):
            raise AtKey("http", f"{self.http!r} is no URL and no path: write /health")
        return self

    def __str__(self) -> str:
        if self.icmp:
            return "icmp"
        way = next(name for name in ("tcp", "http", "dns") if getattr(self, name) is not None)
        return f"{way} {getattr(self, way)}"


class Anycast(Part):
    """An address with many homes."""

    name: Name
    """What people call it."""
    prefix: Prefix
    """Its address."""
    sites: tuple[Name, ...] = Field(min_length=1)
    """The sites that may advertise it."""
    only_sites: bool = False
    """Tell of any other place inside our network that advertises it."""
    origin_as: tuple[AsNumber, ...] = ()
    """The AS numbers that may originate it; none given means any."""
    minimum: Count = 1
    """Page when fewer sites than this advertise it."""
    flap: Flap = Flap()
    """When its advertisements flap."""
    failover: Duration = parse_duration("30s")
    """Longest time from a site's withdrawal to the last vantage point that has moved away."""
    probe: Probe | None = None
    """Health, as the truth that advertisements are held against."""

    @model_validator(mode="after")
    def _enough_sites(self) -> Self:
        if self.minimum > len(set(self.sites)):
            count = len(set(self.sites))
            raise AtKey("minimum", f"{self.minimum} is more than the number of sites ({count})")
        return self

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        probe, network = self.probe, ip_network(self.prefix)
        if probe is None:
            return self
        if probe.address is not None and ip_address(probe.address) not in network:
            raise AtKey("probe", f"address {probe.address} is not in {self.prefix}")
        if probe.address is None and network.num_addresses > 1:
            raise AtKey("probe", f"{self.prefix} is more than one address: give probe.address")
        return self

    @property
    def target(self) -> str:
        """The address that a probe asks."""
        given = self.probe.address if self.probe is not None else None
        return given or self.prefix.partition("/")[0]


class Cutover(Part):
    """A planned move of a service from one site to others."""

    name: Name
    """What people call it."""
    service: Name
    """The service that moves."""
    from_: Name = Field(alias="from")
    """The site that it leaves; one of its homes."""
    to: tuple[Name, ...] = Field(min_length=1)
    """The sites that it moves to; none of them is a home yet."""
    window: Window
    """When it may happen."""
    deadline: Duration = parse_duration("180s")
    """Longest time from its first step to its last."""
    max_overlap: Duration = parse_duration("30s")
    """How long both may advertise."""
    max_gap: Duration = 0
    """How long nobody may."""
    flush: Name | None = None
    """The Flowspec policy whose rules must all be gone at the end, for other addresses too."""
    rehearsal_of: Name | None = None
    """The cutover that this one rehearses; limits that are not given are that one's."""

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if self.from_ in self.to:
            raise AtKey("to", f"moves from {self.from_!r} to itself")
        if self.rehearsal_of == self.name:
            raise AtKey("rehearsal_of", f"{self.name!r} cannot rehearse itself")
        return self


_LIMITS = ("deadline", "max_overlap", "max_gap")


def rehearse(data: Any) -> Any:
    """The plain values of an intent, with each rehearsal under the limits of what it rehearses."""
    cutovers = data.get("cutovers") if isinstance(data, dict) else None
    if not isinstance(cutovers, list):
        return data
    plans = {c["name"]: c for c in cutovers if isinstance(c, dict) and _is_name(c.get("name"))}
    filled = []
    for cutover in cutovers:
        rehearsed = cutover.get("rehearsal_of") if isinstance(cutover, dict) else None
        plan = plans.get(rehearsed, {}) if _is_name(rehearsed) else {}
        limits = {key: plan[key] for key in _LIMITS if key in plan}
        filled.append({**limits, **cutover} if limits else cutover)
    return {**data, "cutovers": filled}


def _is_name(value: Any) -> bool:
    return isinstance(value, str)


class Maintenance(Part):
    """A window in which a site may be away."""

    site: Name
    """The site that is worked on."""
    window: Window
    """When."""
    why: Name
    """The reason, for whoever reads it at 3 a.m."""


class Rpki(Part):
    """Where the RPKI is read from, to judge origins by it too."""

    vrps: Name
    """JSON file of validated ROA payloads as routinator writes it, relative to the intent's."""


class FeedIntent(Part):
    """A router that must be seen: blindness pages."""

    router: Name
    """Name (sysName) or address of the router."""
    feed: Literal["bmp", "gobgp", "bgpstream"] | None = None
    """How it must be seen; any way will do where this is not given."""
    silent_after: Duration = parse_duration("60s")
    """Say so when nothing was heard for this long."""
    lost_after: Duration = parse_duration("10s")
    """Say so when its session was down for this long; a shorter loss is a reconnect."""
    dump_within: Duration = parse_duration("180s")
    """Say so when its tables are not complete this long after its session came up."""
    lag: Duration = parse_duration("30s")
    """Say so when its news comes this much later than it did."""
    settle: Duration = parse_duration("10s")
    """Say so when two feeds of the router disagree for this long."""

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        for name in ("silent_after", "dump_within", "lag"):
            if getattr(self, name) <= 0:
                raise AtKey(name, "must be longer than 0s")
        return self
