"""The packets that a Flowspec rule matches, as one set for each header field.

A rule is the AND of its components (RFC 8955 section 4.2), so its packets are the product of one
set per field; only ports need more, since `port` is source OR destination. Three things of the
RFCs join the fields: ports are of TCP and UDP alone, flags of TCP, types of ICMP; and no fragment
but the first has any of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from types import MappingProxyType

from detectors.packets.addresses import Pattern
from detectors.packets.notation import UnreadableRuleError, parse_numbers, parse_pattern
from detectors.packets.numbers import NumberSet
from detectors.packets.packet import ORDINARY, Packet

# RFC 8955 section 4.2.2.12: DF 1, is-a-fragment (other than the first) 2, first 4, last 8.
_WHOLE_OR_FIRST = (0, 4)
_LATER = (2, 10)
_DF = 1


def _numbers(*values: int) -> NumberSet:
    return NumberSet.of((value, value) for value in values)


ANY_PORT = NumberSet(((0, 65535),))
VISIBLE = {4: _numbers(*_WHOLE_OR_FIRST, *(v | _DF for v in _WHOLE_OR_FIRST)), 6: _numbers(0, 4)}
"""Fragment bits of packets that show their ports, flags and types."""
HIDDEN = {4: _numbers(*_LATER, *(v | _DF for v in _LATER)), 6: _numbers(*_LATER)}
"""Fragment bits of packets that do not. IPv6 has no DF (RFC 8956 section 3.6)."""

_ANY = {
    "protocol": NumberSet(((0, 255),)),
    "destination_port": ANY_PORT,
    "source_port": ANY_PORT,
    "icmp_type": NumberSet(((0, 255),)),
    "icmp_code": NumberSet(((0, 255),)),
    # Twelve bits: of the two octets, the data offset always reads as zero.
    "tcp_flags": NumberSet(((0, 0xFFF),)),
    "dscp": NumberSet(((0, 63),)),
}
DOMAIN: dict[int, dict[str, NumberSet]] = {
    # A whole packet, its header included: 20 to 65535 bytes, or 40 and up to 65535 of payload.
    4: {**_ANY, "packet_length": NumberSet(((20, 65535),)), "fragment": VISIBLE[4] | HIDDEN[4]},
    6: {
        **_ANY,
        "packet_length": NumberSet(((40, 65575),)),
        "fragment": VISIBLE[6] | HIDDEN[6],
        "flow_label": NumberSet(((0, 0xFFFFF),)),
    },
}
"""What each field can be at all, by IP version."""

_TCP_UDP = _numbers(6, 17)
CARRIERS: dict[int, dict[str, NumberSet]] = {
    version: {
        "port": _TCP_UDP,
        "destination_port": _TCP_UDP,
        "source_port": _TCP_UDP,
        "tcp_flags": _numbers(6),
        "icmp_type": icmp,
        "icmp_code": icmp,
    }
    for version, icmp in ((4, _numbers(1)), (6, _numbers(58)))
}
"""The protocols that have each field of the transport header."""

_BITMASKS = ("tcp_flags", "fragment")
_EXAMPLES = {4: ("192.0.2.1", "198.51.100.1"), 6: ("2001:db8::1", "2001:db8:1::1")}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Match:
    """The packets that one rule matches. Hashed by identity, so that what is asked is kept."""

    version: int
    """4 or 6."""
    destination: Pattern
    source: Pattern
    numbers: Mapping[str, NumberSet]
    """The other fields, by component name; `port` is not a field."""
    either_port: NumberSet = ANY_PORT
    """One of the two ports is in here."""
    named: frozenset[str] = field(default_factory=frozenset)
    """The components that the rule itself has, written with `_`."""
    impossible: str = ""
    """Why no packet can match, where none can."""

    def is_empty(self) -> bool:
        """Whether no packet at all matches; `impossible` says why."""
        return bool(self.impossible)

    def pick(
        self,
        limits: Mapping[str, NumberSet] = MappingProxyType({}),
        either_port: NumberSet = ANY_PORT,
        destination: Pattern | None = None,
        source: Pattern | None = None,
    ) -> Packet | None:
        """A packet that matches and is within these limits too, if there is one."""
        to = self.destination.meet(destination) if destination else self.destination
        origin = self.source.meet(source) if source else self.source
        allowed = {
            name: numbers & limits[name] if name in limits else numbers
            for name, numbers in self.numbers.items()
        }
        ports = _port_pair(allowed["source_port"], allowed["destination_port"], self, either_port)
        if self.impossible or to is None or origin is None or ports is None:
            return None
        if not all(allowed.values()):
            return None
        chosen = {name: numbers.choose(ORDINARY[name]) for name, numbers in allowed.items()}
        chosen["protocol"] = allowed["protocol"].choose(6, 17, 1)
        chosen["source_port"], chosen["destination_port"] = ports
        carriers = CARRIERS[self.version]
        return Packet(
            destination=to.example(_EXAMPLES[self.version][0]),
            source=origin.example(_EXAMPLES[self.version][1]),
            **{
                name: number
                for name, number in chosen.items()
                if name not in carriers or chosen["protocol"] in carriers[name]
            },
        )


def _port_pair(
    sources: NumberSet, destinations: NumberSet, match: Match, either_port: NumberSet
) -> tuple[int, int] | None:
    """A (source, destination) of these, one of which is in each of the two `either_port` sets."""
    either = [wanted for wanted in (match.either_port, either_port) if wanted != ANY_PORT]
    for at_source in product((False, True), repeat=len(either)):
        low, high = sources, destinations
        for wanted, source in zip(either, at_source, strict=True):
            low, high = (low & wanted, high) if source else (low, high & wanted)
        if low and high:
            return low.choose(ORDINARY["source_port"]), high.choose(ORDINARY["destination_port"])
    return None


def rule_matches(components: Mapping[str, str], family: str) -> Match:
    """The packets that a rule matches. Raises UnreadableRuleError.

    `components` and `family` are those of an event: names and texts as collector/wire/flowspec.py
    writes them.
    """
    version = 6 if "ipv6" in family else 4
    patterns = {"destination": Pattern(version), "source": Pattern(version)}
    numbers = dict(DOMAIN[version])
    either_port = ANY_PORT
    texts = {name.replace("-", "_"): text for name, text in components.items()}
    reasons = []
    for name, text in texts.items():
        if name in patterns:
            patterns[name] = parse_pattern(text, version)
            continue
        if name != "port" and name not in numbers:
            raise UnreadableRuleError(
                f"IPv{version} has no component {shown(name)!r} ({text[:60]})"
            )
        among = ANY_PORT if name == "port" else DOMAIN[version][name]
        found = parse_numbers(text, among, bitmask=name in _BITMASKS)
        if not found:
            reasons.append(f"no IPv{version} packet has {shown(name)} {text}")
        if name == "port":
            either_port = found
        else:
            numbers[name] = found
    reasons += _join(texts, numbers, version)
    match = Match(
        version=version,
        destination=patterns["destination"],
        source=patterns["source"],
        numbers=numbers,
        either_port=either_port,
        named=frozenset(texts),
    )
    if not reasons and match.pick() is None:
        reasons.append("no packet has ports that fit all of its port components")
    return replace(match, impossible=reasons[0] if reasons else "")


def _join(texts: Mapping[str, str], numbers: dict[str, NumberSet], version: int) -> list[str]:
    """Narrow protocol and fragment to what the transport components need; why nothing is left."""
    reasons = []
    for name in texts:
        carriers = CARRIERS[version].get(name)
        if carriers is None:
            continue
        for field_name, needed in (("protocol", carriers), ("fragment", VISIBLE[version])):
            before = numbers[field_name]
            numbers[field_name] = before & needed
            if before and not numbers[field_name]:
                has = f"{field_name} {texts.get(field_name, before)}"
                reasons.append(f"a packet with {has} has no {shown(name)}")
    return reasons


def shown(name: str) -> str:
    """A component as the JSON of an event writes it."""
    return name.replace("_", "-")
