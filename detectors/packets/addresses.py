"""Sets of addresses: some bits are fixed and the others free.

A prefix fixes its first bits. An IPv6 Flowspec prefix with an offset (RFC 8956 section 3.1) fixes
bits in the middle.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

WIDTH = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True)
class Pattern:
    """The addresses of one IP version that have `value` in the bits of `mask`."""

    version: int
    value: int = 0
    mask: int = 0

    @classmethod
    def prefix(cls, text: str) -> Pattern:
        """`192.0.2.0/24`. Raises ValueError."""
        network = ip_network(text)
        return cls(network.version, int(network.network_address), int(network.netmask))

    @classmethod
    def slice(cls, address: str, offset: int, length: int) -> Pattern:
        """The bits of an address from `offset` up to `length`. Raises ValueError."""
        parsed = ip_address(address)
        width = WIDTH[parsed.version]
        if not 0 <= offset <= length <= width:
            raise ValueError(f"bits {offset} to {length} are not in an IPv{parsed.version} address")
        mask = (1 << (width - offset)) - (1 << (width - length))
        return cls(parsed.version, int(parsed) & mask, mask)

    @property
    def fixed_bits(self) -> int:
        """How many bits are fixed: the prefix length, where there is no offset."""
        return self.mask.bit_count()

    def example(self, preferred: str) -> str:
        """One of its addresses, as near to the preferred one as can be."""
        value = self.value | int(ip_address(preferred)) & ~self.mask
        return str(IPv4Address(value) if self.version == 4 else IPv6Address(value))

    def meet(self, other: Pattern) -> Pattern | None:
        """The addresses that are in both, if any."""
        if self.version != other.version or (self.value ^ other.value) & self.mask & other.mask:
            return None
        return Pattern(self.version, self.value | other.value, self.mask | other.mask)

    def outside(self, others: Iterable[Pattern]) -> Pattern | None:
        """Addresses of this pattern that are in none of the others, if any."""
        near = [other for other in others if self.meet(other) is not None]
        if not near:
            return self
        if any(not other.mask & ~self.mask for other in near):
            return None  # one of them fixes nothing that is free here: it covers all
        bit = 1 << ((near[0].mask & ~self.mask).bit_length() - 1)
        away = Pattern(self.version, self.value | ~near[0].value & bit, self.mask | bit)
        along = Pattern(self.version, self.value | near[0].value & bit, self.mask | bit)
        return away.outside(near) or along.outside(near)
