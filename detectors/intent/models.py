"""What an intent says of addresses: where they live, when they move, what must be seen of them."""

from __future__ import annotations

from typing import Self

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

    model_config = ConfigDict(frozen=True, extra="forbid")


class Matcher(Part):
    """One way to know a site by its routes: every key that is given must be equal."""

    originator_id: Address | None = None
    """ORIGINATOR_ID (RFC 4456): who brought the route into the AS, through any reflector."""
    next_hop: Address | None = None
    """Next hop of the route."""
    peer: Address | None = None
    """Address of the BGP peer that announces it."""
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
    """Route distinguisher of its VPN; absent means any."""
    home: tuple[Name, ...] = Field(min_length=1)
    """The sites that should advertise it."""
    origin_as: tuple[AsNumber, ...] = ()
    """The AS numbers that may originate it; none given means any."""
    hold: Duration = parse_duration("5s")
    """An absence shorter than this is path hunting, not a loss."""


class Flap(Part):
    """Route flap damping figures (RFC 2439): 1000 points a withdrawal, 500 a change."""

    half_life: Duration = parse_duration("15m")
    """The penalty halves in this time."""
    suppress: Score = 2000.0
    """Flapping opens at this penalty."""
    reuse: Score = 750.0
    """And resolves below this one."""

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
    """Get this URL or path; any status below 400 is healthy."""
    dns: Name | None = None
    """Ask for this name; any answer is healthy."""
    icmp: bool = False
    """Send an echo request."""
    every: Duration = parse_duration("5s")
    """Time from one probe to the next."""
    from_: Name = Field(default="site", alias="from")
    """Where the probe runs: `site` is the site itself, any other word names a prober."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [self.tcp is not None, self.http is not None, self.dns is not None, self.icmp]
        if sum(ways) != 1:
            raise ValueError("needs exactly one of tcp, http, dns and icmp")
        if self.every <= 0:
            raise AtKey("every", "must be longer than 0s")
        return self


class Anycast(Part):
    """An address with many homes."""

    name: Name
    """What people call it."""
    prefix: Prefix
    """Its address."""
    sites: tuple[Name, ...] = Field(min_length=1)
    """The sites that may advertise it."""
    minimum: Count = 1
    """Page when fewer sites than this advertise it."""
    flap: Flap = Flap()
    """When its advertisements flap."""
    probe: Probe | None = None
    """Health, as the truth that advertisements are held against."""

    @model_validator(mode="after")
    def _enough_sites(self) -> Self:
        if self.minimum > len(set(self.sites)):
            count = len(set(self.sites))
            raise AtKey("minimum", f"{self.minimum} is more than the number of sites ({count})")
        return self


class Cutover(Part):
    """A planned move of a service from one site to others."""

    name: Name
    """What people call it."""
    service: Name
    """The service that moves."""
    from_: Name = Field(alias="from")
    """The site that it leaves; one of its homes."""
    to: tuple[Name, ...] = Field(min_length=1)
    """The sites that it moves to."""
    window: Window
    """When it may happen."""
    deadline: Duration = parse_duration("180s")
    """Longest time from its first step to its last."""
    max_overlap: Duration = parse_duration("30s")
    """How long both may advertise."""
    max_gap: Duration = 0
    """How long nobody may."""
    flush: Name | None = None
    """The Flowspec policy whose rules must all be gone at the end."""

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if self.from_ in self.to:
            raise AtKey("to", f"moves from {self.from_!r} to itself")
        return self


class Maintenance(Part):
    """A window in which a site may be away."""

    site: Name
    """The site that is worked on."""
    window: Window
    """When."""
    why: Name
    """The reason, for whoever reads it at 3 a.m."""


class FeedIntent(Part):
    """A router that must be seen: blindness pages."""

    router: Name
    """Name (sysName) or address of the router."""
    silent_after: Duration = parse_duration("60s")
    """Say so when nothing was heard for this long."""

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.silent_after <= 0:
            raise AtKey("silent_after", "must be longer than 0s")
        return self
