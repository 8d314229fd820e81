"""What a rule's packets mean for the intent: outside a policy, or among what is protected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from detectors.intent import COMPONENTS, FLAGS, Policy, ProtectedPort
from detectors.packets.addresses import Pattern
from detectors.packets.match import ANY_PORT, CARRIERS, DOMAIN, HIDDEN, VISIBLE, Match, shown
from detectors.packets.numbers import NumberSet
from detectors.packets.packet import PROTOCOL_NAMES, Packet

WIDE = {4: 8, 6: 16}
"""A destination with no more fixed bits than this is a wildcard."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One clause of a policy that a rule breaks."""

    clause: str
    """Key of the policy, `destination_port`."""
    message: str
    packet: Packet
    """A packet that the rule matches and the clause does not allow."""


@lru_cache(maxsize=16384)
def violations(match: Match, policy: Policy) -> tuple[Violation, ...]:
    """The clauses of a policy that do not allow every packet of the rule.

    Exact: a rule is within the policy if and only if this is empty. A rule that matches nothing
    breaks no clause.
    """
    found = []
    for clause in COMPONENTS:
        if getattr(policy, clause) is None:
            continue
        outside = next((way for way in _outside(match, policy, clause) if way[0]), None)
        if outside is not None and outside[0] is not None:
            found.append(Violation(clause, outside[1], outside[0]))
    return tuple(found)


def _outside(match: Match, policy: Policy, clause: str) -> Iterator[tuple[Packet | None, str]]:
    """Packets of the rule that one clause does not allow, by each way to be outside it."""
    must_be = f"{shown(clause)} must be {_allowed_text(policy, clause)}"
    if clause in ("destination", "source"):
        prefixes = [Pattern.prefix(text) for text in getattr(policy, clause)]
        if clause == "destination" and (rest := match.destination.outside(prefixes)):
            yield match.pick(destination=rest), must_be
        if clause == "source" and (rest := match.source.outside(prefixes)):
            yield match.pick(source=rest), must_be
        return
    if clause != "port" and clause not in match.numbers:
        yield match.pick(), f"an IPv{match.version} packet has no {shown(clause)}"
        return
    allowed = _allowed_numbers(policy, clause)
    carriers = CARRIERS[match.version].get(clause)
    where = {} if carriers is None else {"protocol": carriers, "fragment": VISIBLE[match.version]}
    if clause == "port":
        wrong = ANY_PORT - allowed
        yield match.pick({**where, "source_port": wrong, "destination_port": wrong}), must_be
    else:
        yield match.pick({**where, clause: match.numbers[clause] - allowed}), must_be
    if carriers is not None:
        # The clause also asks for a packet that has such a field, and shows it.
        others = match.numbers["protocol"] - carriers
        yield match.pick({"protocol": others}), f"{must_be}, which such a packet does not have"
        later = match.pick({"fragment": HIDDEN[match.version]})
        yield later, f"{must_be}, which a fragment after the first does not show"


@lru_cache(maxsize=1024)
def _allowed_numbers(policy: Policy, clause: str) -> NumberSet:
    values = getattr(policy, clause)
    if clause not in FLAGS:
        return NumberSet.of(values)
    return NumberSet.where(
        DOMAIN[4][clause],
        lambda bits: any(bits & mask == mask if mask else not bits for mask in values),
    )


def _allowed_text(policy: Policy, clause: str) -> str:
    values = getattr(policy, clause)
    if clause in FLAGS:
        values = [
            "+".join(name for name, bit in FLAGS[clause].items() if mask & bit) or "none"
            for mask in values
        ]
    if clause == "protocol":
        values = [PROTOCOL_NAMES.get(v.first, v) if v.first == v.last else v for v in values]
    return " or ".join(map(str, values[:5])) + (" or …" if len(values) > 5 else "")


@lru_cache(maxsize=16384)
def touches(match: Match, protected: ProtectedPort | str) -> Packet | None:
    """A packet that the rule matches and that is protected, if there is one.

    Packets *to* a protected port or prefix always count. Packets *from* one count where the rule
    aims at them: it names a source, or a source port, or its destination is a wildcard. Else every
    rule without a source would touch everything, for any packet may come from anywhere.
    """
    if isinstance(protected, ProtectedPort):
        ports = NumberSet(((protected.first, protected.last),))
        protocol = NumberSet(((protected.protocol, protected.protocol),))
        found = match.pick({"protocol": protocol, "destination_port": ports})
        if found is None and (match.named & {"source_port", "port"} or is_wildcard(match)):
            found = match.pick({"protocol": protocol, "source_port": ports})
        return found
    prefix = Pattern.prefix(protected)
    if prefix.version != match.version:
        return None
    found = match.pick(destination=prefix)
    if found is None and match.source.fixed_bits:
        found = match.pick(source=prefix)
    return found


def covers(outer: Match, inner: Match) -> bool:
    """Whether every packet of `inner` is one of `outer` too. A rule that matches nothing is in all.

    Exact: the packets of a rule are a product of sets, and where `outer` looks at a field that only
    some protocols have, its protocols are those.
    """
    if inner.is_empty():
        return True
    if outer.is_empty() or outer.version != inner.version:
        return False
    for name, allowed in outer.numbers.items():
        wanted = inner.numbers[name]
        if wanted is not allowed and not wanted <= allowed:
            return False
    if inner.destination.outside([outer.destination]) or inner.source.outside([outer.source]):
        return False
    neither = ANY_PORT - outer.either_port
    return not neither or not inner.pick({"source_port": neither, "destination_port": neither})


def is_wildcard(match: Match) -> bool:
    """Whether the rule is not aimed at any destination: none, or a /8 (IPv6: /16) or shorter."""
    return match.destination.fixed_bits <= WIDE[match.version]
