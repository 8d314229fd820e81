"""One packet, as an example for people: what a rule would match."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.intent import FLAGS, PROTOCOLS

PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()}


ORDINARY: dict[str, int] = {
    "protocol": 6,
    "destination_port": 443,
    "source_port": 49152,
    "icmp_type": 8,
    "icmp_code": 0,
    "tcp_flags": FLAGS["tcp_flags"]["ack"],
    "packet_length": 100,
    "dscp": 0,
    "fragment": 0,
    "flow_label": 0,
}
"""What an example has wherever it may; what is ordinary is not worth telling, but for ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """The header fields that Flowspec can look at; None where this packet has no such field."""

    destination: str
    source: str
    protocol: int
    destination_port: int | None = None
    source_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    tcp_flags: int | None = None
    packet_length: int
    dscp: int = 0
    fragment: int = 0
    flow_label: int | None = None

    def __str__(self) -> str:
        words = [
            PROTOCOL_NAMES.get(self.protocol, f"protocol {self.protocol}"),
            "from",
            _end(self.source, self.source_port),
            "to",
            _end(self.destination, self.destination_port),
        ]
        if self.icmp_type is not None:
            words.append(f"type {self.icmp_type} code {self.icmp_code}")
        for field, names in FLAGS.items():
            bits = getattr(self, field)
            if bits not in (None, ORDINARY[field]):
                set_bits = "+".join(name for name, bit in names.items() if bits & bit)
                words.append(f"{field.replace('_', '-')} {set_bits or 'none'}")
        for field in ("packet_length", "dscp", "flow_label"):
            number = getattr(self, field)
            if number not in (None, ORDINARY[field]):
                words.append(f"{field.replace('_', '-')} {number}")
        return " ".join(words)


def _end(address: str, port: int | None) -> str:
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
