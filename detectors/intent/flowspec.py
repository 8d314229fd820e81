"""Which Flowspec rules may exist: policies, and what no rule may ever touch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, NamedTuple

from pydantic import Field, PlainValidator, WithJsonSchema

from detectors.documents import did_you_mean
from detectors.intent.models import Part
from detectors.intent.values import (
    Count,
    Duration,
    Name,
    Prefix,
    Span,
    parse_address,
    parse_prefix,
    parse_span,
    span_schema,
)

PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "tcp": 6,
    "udp": 17,
    "ipv6": 41,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "icmp6": 58,
    "ospf": 89,
    "pim": 103,
    "vrrp": 112,
    "sctp": 132,
}
LARGEST = {
    "protocol": 255,
    "port": 65535,
    "destination_port": 65535,
    "source_port": 65535,
    "icmp_type": 255,
    "icmp_code": 255,
    "packet_length": 65575,
    "dscp": 63,
    "flow_label": 0xFFFFF,
}
"""The numeric components, and the largest number that each can have."""
FLAGS = {
    # RFC 9293 section 3.1 (and RFC 3540), RFC 8955 section 4.2.2.12
    "tcp_flags": {
        "fin": 0x01,
        "syn": 0x02,
        "rst": 0x04,
        "psh": 0x08,
        "ack": 0x10,
        "urg": 0x20,
        "ece": 0x40,
        "cwr": 0x80,
        "ns": 0x100,
    },
    "fragment": {
        "dont-fragment": 0x1,
        "is-fragment": 0x2,
        "first-fragment": 0x4,
        "last-fragment": 0x8,
    },
}
"""The bitmask components, and the names of their bits."""
COMPONENTS = ("destination", "source", *LARGEST, *FLAGS)
"""Every component that a policy can speak of."""
FASTEST = 1e15
"""A policy can ask for rates below this."""


_ROUTE_TARGET = re.compile(r"(\d+L?|\d+(\.\d+){3}|\[[0-9a-f:.]+\]):\d+")
"""As the actions of rules show one: a 4-octet AS number that 2 octets could hold has an L."""


class AllowedAction(NamedTuple):
    """An action that a policy allows, and within which bounds."""

    action: str
    values: tuple[str | int, ...] = ()
    """Next hops, route targets or DSCP values; none means any."""
    at_least: float = 0.0
    """The lowest rate; a lower one would drop more than was meant."""

    def __str__(self) -> str:
        if self.values:
            return f"{self.action} {' or '.join(map(str, self.values))}"
        return f"{self.action} at least {self.at_least:g}" if self.at_least else self.action


def _rate(value: Any) -> tuple[tuple[str | int, ...], float]:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < FASTEST:
        raise ValueError(f"{value!r} is not a rate above 0 (a rate of 0 is `discard`)")
    return (), float(value)


def _next_hops(value: Any) -> tuple[tuple[str | int, ...], float]:
    return tuple(parse_address(each) for each in _as_list(value)), 0.0


def _route_targets(value: Any) -> tuple[tuple[str | int, ...], float]:
    for each in _as_list(value):
        if not isinstance(each, str) or not _ROUTE_TARGET.fullmatch(each):
            raise ValueError(f'{each!r} is not a route target: write "65000:100"')
    return tuple(_as_list(value)), 0.0


def _code_points(value: Any) -> tuple[tuple[str | int, ...], float]:
    spans = [parse_span(each, LARGEST["dscp"]) for each in _as_list(value)]
    return tuple(n for span in spans for n in range(span.first, span.last + 1)), 0.0


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


RATES = ("rate-limit-bytes", "rate-limit-packets")
_VALUES = {
    **dict.fromkeys(RATES, _rate),
    "redirect-to-nexthop": _next_hops,
    "redirect-to-vrf": _route_targets,
    "mark": _code_points,
}
ACTIONS = ("accept", "discard", "sample", "terminal", *_VALUES)
"""Every action that a policy can allow."""


def parse_action(value: Any) -> AllowedAction:
    """`discard`, or `{redirect-to-nexthop: 10.100.0.254}`, to an action. Raises ValueError."""
    if isinstance(value, AllowedAction):
        return value
    name, argument = value, None
    if isinstance(value, dict) and len(value) == 1:
        ((name, argument),) = value.items()
    if not isinstance(name, str):
        raise ValueError(f"{value!r} is not an action: write discard, or one `action: value`")  # noqa: TRY004
    if name not in ACTIONS:
        raise ValueError(f"unknown action {name!r}{did_you_mean(name, ACTIONS)}")
    if argument is None:
        return AllowedAction(name)
    if name not in _VALUES:
        raise ValueError(f"{name} takes no value")
    values, at_least = _VALUES[name](argument)
    return AllowedAction(name, values, at_least)


def _parse_protocol(value: Any) -> Span:
    if isinstance(value, str) and value.lower() in PROTOCOLS:
        number = PROTOCOLS[value.lower()]
        return Span(number, number)
    if isinstance(value, str) and not value[:1].isdigit():
        hint = did_you_mean(value, PROTOCOLS) or " (give its number)"
        raise ValueError(f"unknown protocol {value!r}{hint}")
    return parse_span(value, LARGEST["protocol"])


def _parse_bits(value: Any, names: Mapping[str, int]) -> int:
    """`syn+ack` to the mask of these bits; `none` is 0."""
    if isinstance(value, str):
        if value == "none":
            return 0
        words = value.lower().split("+")
        if all(word in names for word in words):
            return sum({names[word] for word in words})
    known = ", ".join(names)
    raise ValueError(f"{value!r} is not `none`, nor of these joined by +: {known}")


def _parse_component(value: Any) -> str:
    name = str(value).replace("-", "_")
    if name not in COMPONENTS:
        raise ValueError(f"unknown component {value!r}{did_you_mean(name, COMPONENTS)}")
    return name


def _parse_protected(value: Any) -> ProtectedPort | str:
    """`tcp/179`, or a prefix. Raises ValueError."""
    if isinstance(value, ProtectedPort):
        return value
    word, slash, port = value.partition("/") if isinstance(value, str) else ("", "", "")
    if slash and word.lower() in _WITH_PORTS:
        span = parse_span(port, 65535)
        return ProtectedPort(PROTOCOLS[word.lower()], span.first, span.last)
    if not isinstance(value, str) or not set(word) & set(".:"):
        raise ValueError(f"{value!r} is neither a port (tcp/179, udp/3784) nor a prefix")
    prefix = parse_prefix(value)
    if prefix.endswith("/0"):
        raise ValueError(f"{value!r} is everything: every rule would touch it")
    return prefix


class ProtectedPort(NamedTuple):
    """Packets of a TCP or UDP port, which no rule may touch."""

    protocol: int
    first: int
    last: int

    def __str__(self) -> str:
        name = next(name for name, number in PROTOCOLS.items() if number == self.protocol)
        return f"{name}/{Span(self.first, self.last)}"


_WITH_PORTS = ("tcp", "udp")
_WORDS = {"type": "string", "pattern": "^[A-Za-z0-9+ -]+$"}


def _spans(largest: int) -> tuple[PlainValidator, WithJsonSchema]:
    return PlainValidator(partial(parse_span, largest=largest)), span_schema(largest)


def _bits(names: Mapping[str, int]) -> tuple[PlainValidator, WithJsonSchema]:
    schema = {"anyOf": [{"enum": ["none", *names]}, _WORDS]}
    return PlainValidator(partial(_parse_bits, names=names)), WithJsonSchema(schema)


_PROTOCOL_SCHEMA = {
    "anyOf": [
        {"enum": list(PROTOCOLS)},
        {"type": "integer", "minimum": 0, "maximum": LARGEST["protocol"]},
        _WORDS,
    ]
}
_COMPONENT_SCHEMA = {"enum": sorted({*COMPONENTS, *(c.replace("_", "-") for c in COMPONENTS)})}
_ACTION_SCHEMA = {
    "anyOf": [
        {"enum": list(ACTIONS)},
        {
            "type": "object",
            "properties": {name: {} for name in ACTIONS},
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        },
    ]
}
Protocol = Annotated[Span, PlainValidator(_parse_protocol), WithJsonSchema(_PROTOCOL_SCHEMA)]
Octet = Annotated[Span, *_spans(255)]
PortSpan = Annotated[Span, *_spans(LARGEST["port"])]
Length = Annotated[Span, *_spans(LARGEST["packet_length"])]
CodePoint = Annotated[Span, *_spans(LARGEST["dscp"])]
FlowLabel = Annotated[Span, *_spans(LARGEST["flow_label"])]
TcpFlags = Annotated[int, *_bits(FLAGS["tcp_flags"])]
Fragments = Annotated[int, *_bits(FLAGS["fragment"])]
Component = Annotated[str, PlainValidator(_parse_component), WithJsonSchema(_COMPONENT_SCHEMA)]
Action = Annotated[AllowedAction, PlainValidator(parse_action), WithJsonSchema(_ACTION_SCHEMA)]
Protected = Annotated[
    ProtectedPort | str,
    PlainValidator(_parse_protected),
    WithJsonSchema({"type": "string", "pattern": "^[^/]+/[^/]+$"}),
]


class Policy(Part):
    """One kind of Flowspec rule that may exist: every packet of such a rule is inside it.

    A component that is not given allows any value, and a rule that does not name it.
    """

    name: Name
    """What people call it."""
    destination: tuple[Prefix, ...] | None = Field(default=None, min_length=1)
    """Rules may match packets to these prefixes."""
    source: tuple[Prefix, ...] | None = Field(default=None, min_length=1)
    """Rules may match packets from these prefixes."""
    protocol: tuple[Protocol, ...] | None = Field(default=None, min_length=1)
    """IP protocols, by name or number."""
    port: tuple[PortSpan, ...] | None = Field(default=None, min_length=1)
    """TCP or UDP ports, of which a packet has one as its source or its destination."""
    destination_port: tuple[PortSpan, ...] | None = Field(default=None, min_length=1)
    """TCP or UDP destination ports, `443` or `1024-65535`."""
    source_port: tuple[PortSpan, ...] | None = Field(default=None, min_length=1)
    """TCP or UDP source ports."""
    icmp_type: tuple[Octet, ...] | None = Field(default=None, min_length=1)
    """ICMP types, by number."""
    icmp_code: tuple[Octet, ...] | None = Field(default=None, min_length=1)
    """ICMP codes, by number."""
    tcp_flags: tuple[TcpFlags, ...] | None = Field(default=None, min_length=1)
    """TCP flags of which a packet has all of one item: `syn`, `syn+ack`, or `none` at all."""
    packet_length: tuple[Length, ...] | None = Field(default=None, min_length=1)
    """Total length of the IP packet in bytes."""
    dscp: tuple[CodePoint, ...] | None = Field(default=None, min_length=1)
    """DSCP values, by number."""
    fragment: tuple[Fragments, ...] | None = Field(default=None, min_length=1)
    """Fragment bits of which a packet has all of one item: `first-fragment`, or `none` at all."""
    flow_label: tuple[FlowLabel, ...] | None = Field(default=None, min_length=1)
    """IPv6 flow labels, by number."""
    actions: tuple[Action, ...] = Field(min_length=1)
    """What the rules may do; a rate is the lowest allowed, a rule without action is `accept`."""
    require: tuple[Component, ...] = ()
    """Components that every rule must name itself."""
    from_: tuple[Name, ...] = Field(default=(), alias="from")
    """The sites, or else names of routers, whose rules these may be; none given means any."""
    max_rules: Count | None = None
    """How many such rules may exist at once."""
    max_age: Duration | None = None
    """How long such a rule may stay."""
