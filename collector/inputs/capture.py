"""TCP streams out of pcap and pcapng files."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, BinaryIO

import dpkt

Flow = tuple[str, int, str, int]
"""Source address and port, destination address and port."""


@dataclass(slots=True)
class Segment:
    """Octets of one direction of one connection, in order, as they became readable."""

    time: int
    """Capture time, ns."""
    flow: Flow
    data: bytes
    lost: int = 0
    """Octets before these that the capture does not have."""
    closed: bool = False
    """The sender closed the connection."""


@dataclass(slots=True)
class _Stream:
    """Reassembly of one direction (RFC 9293 section 3.4); sequence numbers wrap at 2**32."""

    next: int
    waiting: dict[int, bytes] = field(default_factory=dict)
    waiting_octets: int = 0
    closed: bool = False
    syn_uncounted: bool = False
    """The SYN carried data, so that the next octet may be one further on."""


class CutShortError(Exception):
    """The file ends inside a packet."""


MAX_WAITING = 4 << 20
"""Octets held back for a missing segment before it counts as lost by the capture."""


class _Watched:
    """A file that notices when it had less than was asked for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.name = "capture"
        self.short = False

    def read(self, count: int = -1) -> bytes:
        data = self._file.read(count)
        self.short = self.short or 0 < len(data) < count
        return data

    def seek(self, offset: int) -> int:
        self.short = False
        return self._file.seek(offset)


def read_segments(file: BinaryIO) -> Iterator[Segment]:
    """The payload of all TCP connections of a pcap or pcapng file, in capture order.

    What still waits for a missing segment at the end comes out last, its loss counted. Raises
    ValueError where the file is neither format, and CutShortError, after all that could be read,
    where it ends inside a packet.
    """
    watched = _Watched(file)
    streams: dict[Flow, _Stream] = {}
    time = 0
    for time, link, packet in _packets(watched):
        found = _tcp(link, packet)
        if found is not None:
            yield from _segment(streams, time, *found)
    for flow, stream in streams.items():
        yield from _drain(stream, flow, time, give_up=True)
    if watched.short:
        raise CutShortError


def _packets(watched: _Watched) -> Iterator[tuple[int, int, bytes]]:
    """Capture time (ns), link type and octets of each packet."""
    try:
        reader = dpkt.pcap.UniversalReader(watched)
    except dpkt.Error as error:
        raise ValueError(f"its header is cut short or wrong: {error}") from error
    link = reader.datalink()
    packets = iter(reader)
    while True:
        try:
            stamp, packet = next(packets)
        except StopIteration:
            return
        except (dpkt.Error, struct.error):  # inside the header of a packet
            watched.short = True
            return
        # dpkt gives a float for microseconds, which it cannot hold exactly, and else a Decimal.
        exact = isinstance(stamp, Decimal)
        time = int(stamp * 1_000_000_000) if exact else round(stamp * 1_000_000) * 1000
        yield time, link, packet


def _tcp(link: int, packet: bytes) -> tuple[Flow, Any] | None:
    try:
        ip = _network_layer(link, packet)
        if ip is None or not isinstance(ip.data, dpkt.tcp.TCP):
            return None
        tcp = ip.data
        return (_text(ip.src), tcp.sport, _text(ip.dst), tcp.dport), tcp
    except (dpkt.UnpackError, AttributeError, IndexError, ValueError):
        return None  # a packet that is cut short or broken carries nothing for us


SERIAL = {9, 50, 104}
"""Link types of serial lines: PPP and Cisco HDLC."""
MPLS = 0x8847
IP_PROTOCOLS = {0x0800, 0x86DD, 0x0021, 0x0057}
"""IPv4 and IPv6, as EtherType and in PPP."""


def _serial(packet: bytes) -> bytes:
    """The IP packet in a frame of a serial line, its MPLS labels taken off."""
    protocol, payload = int.from_bytes(packet[2:4]), packet[4:]
    while protocol == MPLS:
        bottom, payload = payload[2] & 1, payload[4:]
        if bottom:
            return payload
    return payload if protocol in IP_PROTOCOLS else b""


def _network_layer(link: int, packet: bytes) -> Any:
    if link in SERIAL:
        link, packet = 101, _serial(packet)
    if link == dpkt.pcap.DLT_LINUX_SLL:
        frame = dpkt.sll.SLL(packet).data
    elif link == 276:  # DLT_LINUX_SLL2
        frame = dpkt.sll2.SLL2(packet).data
    elif link in (dpkt.pcap.DLT_RAW, 12, 14, 101, 228, 229):
        frame = dpkt.ip6.IP6(packet) if packet[0] >> 4 == 6 else dpkt.ip.IP(packet)
    elif link in (dpkt.pcap.DLT_NULL, dpkt.pcap.DLT_LOOP):
        frame = dpkt.loopback.Loopback(packet).data
    else:
        frame = dpkt.ethernet.Ethernet(packet).data
    return frame if isinstance(frame, dpkt.ip.IP | dpkt.ip6.IP6) else None


def _text(octets: bytes) -> str:
    return str(dpkt.utils.inet_to_str(octets))


def _segment(streams: dict[Flow, _Stream], time: int, flow: Flow, tcp: Any) -> Iterator[Segment]:
    start = tcp.seq
    if tcp.flags & dpkt.tcp.TH_SYN:
        # Captures that a program wrote put data on the SYN, and do not all count the SYN itself.
        with_data = bool(tcp.data)
        streams[flow] = _Stream((start + (not with_data)) & 0xFFFFFFFF, syn_uncounted=with_data)
        if not with_data:
            return
    stream = streams.get(flow)
    if stream is None:
        if not tcp.data:
            return
        stream = streams[flow] = _Stream(next=start)
    if tcp.data:
        ahead = (start - stream.next) & 0xFFFFFFFF
        if stream.syn_uncounted and ahead == 1:
            stream.next, ahead = start, 0
            stream.syn_uncounted = False
        if ahead >= 1 << 31:  # seen before, in whole or in part
            known = (1 << 32) - ahead
            _hold(stream, stream.next, bytes(tcp.data[known:]))
        else:
            _hold(stream, start, bytes(tcp.data))
    yield from _drain(stream, flow, time, give_up=stream.waiting_octets > MAX_WAITING)
    if tcp.flags & (dpkt.tcp.TH_FIN | dpkt.tcp.TH_RST) and not stream.closed:
        yield from _drain(stream, flow, time, give_up=True)
        stream.closed = True
        yield Segment(time, flow, b"", closed=True)


def _hold(stream: _Stream, start: int, data: bytes) -> None:
    held = stream.waiting.get(start, b"")
    if len(data) > len(held):
        stream.waiting[start] = data
        stream.waiting_octets += len(data) - len(held)


def _drain(stream: _Stream, flow: Flow, time: int, *, give_up: bool) -> Iterator[Segment]:
    """What can be read now; with `give_up`, also what lies behind missing octets."""
    while stream.waiting:
        start = min(stream.waiting, key=lambda s: (s - stream.next + (1 << 31)) & 0xFFFFFFFF)
        ahead = (start - stream.next) & 0xFFFFFFFF
        behind = ahead >= 1 << 31
        if ahead and not behind and not give_up:
            return
        data = stream.waiting.pop(start)
        stream.waiting_octets -= len(data)
        if behind:
            data = data[(1 << 32) - ahead :]
            ahead = 0
        if data:
            stream.next = (
                (start + len(data)) & 0xFFFFFFFF
                if not behind
                else (stream.next + len(data)) & 0xFFFFFFFF
            )
            yield Segment(time, flow, data, lost=ahead)
