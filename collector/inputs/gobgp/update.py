"""Paths from gRPC to the fields of events, by way of an UPDATE that says the same."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from collector.inputs.gobgp.attributes import (
    Encoded,
    attribute_octets,
    mp_reach,
    mp_unreach,
    next_hop_attribute,
)
from collector.inputs.gobgp.octets import Unwrap, nlri_octets
from collector.inputs.gobgp.table import Destination
from collector.wire import bgp
from collector.wire.cursor import Cursor, WireError
from collector.wire.destinations import Context

Message = Any
Fields = dict[str, Any]

LARGEST = 32_768
"""Octets of the NLRI of one UPDATE that we make, not counting the last."""
REMEMBERED = 4096
"""Sets of attributes whose octets are kept: many routes share one."""


@dataclass(frozen=True, slots=True)
class Read:
    """A path whose destination and attributes were read."""

    destination: Destination
    nlri: bytes
    is_withdraw: bool
    attributes: Encoded

    @property
    def says(self) -> int:
        """A hash of what the route says of its destination."""
        return hash((self.attributes, self.nlri))

    def goes_with(self, other: Read) -> bool:
        """Whether one UPDATE can carry both."""
        mine, its = self.destination, other.destination
        return (
            self.attributes is other.attributes
            and self.is_withdraw == other.is_withdraw
            and (mine.afi, mine.safi, not mine.path_id) == (its.afi, its.safi, not its.path_id)
        )


_NOTHING = Encoded(b"")


class Reader:
    """Reads paths of one version of the interface."""

    def __init__(self, unwrap: Unwrap) -> None:
        """Read messages with the version's `unwrap`."""
        self._unwrap = unwrap
        self._known: dict[bytes, Encoded] = {}
        self._same: dict[Encoded, Encoded] = {}
        """One object of those that say the same: MP_REACH_NLRI makes every key another."""

    def read(self, path: Message, *, with_path_id: bool) -> Read:
        """The destination and attributes of a path. Raises WireError."""
        whole, bare = nlri_octets(self._unwrap(path.nlri), self._unwrap)
        path_id = path.identifier if with_path_id else 0
        destination = Destination(path.family.afi, path.family.safi, bare, path_id)
        if path.is_withdraw:
            # Some withdrawals carry the attributes of the route that is gone.
            return Read(destination, bare, True, _NOTHING)
        return Read(destination, whole, False, self._attributes(path.pattrs))

    def _attributes(self, messages: Sequence[Message]) -> Encoded:
        key = b"".join(message.SerializePartialToString() for message in messages)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
                self._same.clear()
            encoded = attribute_octets(messages, self._unwrap)
            found = self._known[key] = self._same.setdefault(encoded, encoded)
        return found


def fields_of(reads: Sequence[Read]) -> list[Fields]:
    """The fields of paths that go together, in their order. Raises WireError."""
    first = reads[0]
    family = (first.destination.afi, first.destination.safi)
    has_id = bool(first.destination.path_id)
    nlri = b"".join(
        each.destination.path_id.to_bytes(4) + each.nlri if has_id else each.nlri for each in reads
    )
    body = _body(family, first, nlri)
    context = Context(as4=True, add_path=frozenset({family}) if has_id else frozenset())
    routes = bgp.read_update(Cursor(body), context)
    if len(routes) != len(reads):
        raise WireError("update", 0, f"{len(reads)} routes became {len(routes)}")
    warnings = first.attributes.warnings
    if warnings:
        for route in routes:
            route["warnings"] = (*route.get("warnings", ()), *warnings)
    return routes


def withdrawals(destinations: Sequence[Destination]) -> list[Fields]:
    """The fields of withdrawals that nobody sent; of what could not be read, none."""
    found: list[Fields] = []
    for destination in destinations:
        read = Read(destination, destination.nlri, True, _NOTHING)
        with suppress(WireError):
            found += fields_of([read])
    return found


def _body(family: tuple[int, int], read: Read, nlri: bytes) -> bytes:
    """The body of an UPDATE."""
    encoded = read.attributes
    hop = encoded.next_hop
    if read.is_withdraw:
        return _framed(b"", mp_unreach(*family, nlri), b"")
    if family == (1, 1) and len(hop) != 16:
        attributes = encoded.octets + (next_hop_attribute(hop) if hop else b"")
        return _framed(b"", attributes, nlri)
    if family[1] == 128 and hop:
        hop = bytes(8) + hop  # a next hop of a VPN has a distinguisher of zero (RFC 4364)
    return _framed(b"", mp_reach(*family, hop, nlri) + encoded.octets, b"")


def _framed(withdrawn: bytes, attributes: bytes, nlri: bytes) -> bytes:
    lengths = len(withdrawn), len(attributes)
    if max(lengths) > 0xFFFF:
        raise WireError("update", 0, f"{max(lengths)} octets of attributes are too many")
    head = lengths[0].to_bytes(2) + withdrawn + lengths[1].to_bytes(2)
    return head + attributes + nlri
