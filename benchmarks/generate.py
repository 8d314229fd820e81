"""Makes a BMP stream as a router with full tables sends it, the same octets for the same seed.

`python benchmarks/generate.py --routes 1000000 --seed 1 FILE [--mrt FILE]` writes it and says, as
one JSON object, what is in it. The UPDATEs of the MRT file are those of the stream.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import random
import struct
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import messages, table
from benchmarks.table import IPV4, IPV6, Family, Origin, Shape

__all__ = ["Shape", "Stream", "cached", "generate"]

LOCAL_AS = 64500
LOCAL_ID = bytes([192, 0, 2, 1])
START = 1_760_000_000
BURST = 200
"""UPDATEs of one peer before the next one's: a router serves its peers in turn."""
POST_POLICY, TWO_OCTET_AS, V6 = 0x40, 0x20, 0x80


@dataclass
class Stream:
    """The octets of one stream, and what they hold."""

    bmp: bytes = b""
    mrt: bytes = b""
    announcements: int = 0
    withdrawals: int = 0
    rules: int = 0
    """Flowspec rules, announced or withdrawn."""
    end_of_ribs: int = 0
    attribute_sets: int = 0
    updates: int = 0
    messages: int = 0
    peers: int = 0

    @property
    def rows(self) -> int:
        """Rows of the table `routes`: what is announced or withdrawn, without Flowspec."""
        return self.announcements + self.withdrawals

    def counts(self) -> dict[str, int]:
        """What the stream holds, by name."""
        fields = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        octets = {"bmp_octets": len(self.bmp), "mrt_octets": len(self.mrt)}
        return {"rows": self.rows, **fields, **octets}


@dataclass
class Peer:
    """One peer of the router in one view (RFC 7854 section 4.2)."""

    number: int
    asn: int
    address: bytes
    ibgp: bool = False
    as4: bool = True
    post: bool = False
    add_path: frozenset[Family] = frozenset()
    updates: list[bytes] = field(default_factory=list)

    @property
    def bgp_id(self) -> bytes:
        """Its BGP identifier."""
        return bytes([192, 0, 2, 10 + self.number])

    def header(self) -> bytes:
        """The per-peer header but for the time."""
        flags = (V6 if len(self.address) == 16 else 0) | (POST_POLICY if self.post else 0)
        flags |= 0 if self.as4 else TWO_OCTET_AS
        address = self.address.rjust(16, b"\0")
        return struct.pack("!BB8s16sI4s", 0, flags, b"", address, self.asn, self.bgp_id)

    def next_hop(self, family: Family) -> bytes:
        """Its own address in the encoding of `family` (RFC 2545, RFC 4364, RFC 4659)."""
        own = bytes([198, 51, 100, 10 + self.number])
        if family.afi == 2:
            own = bytes.fromhex("20010db8ffff") + bytes(9) + bytes([10 + self.number])
        if family.safi == 128:
            return bytes(8) + own
        if family == IPV6 and len(self.address) == 16:
            return own + bytes.fromhex("fe80") + bytes(13) + own[-1:]
        return own

    def nlri(self, family: Family, prefix: bytes) -> bytes:
        """A prefix with its path id (RFC 7911 section 3), the same one whenever it comes back."""
        if family not in self.add_path:
            return prefix
        return struct.pack("!I", 1 + (prefix[-1] & 3)) + prefix


def peers() -> list[Peer]:
    """Six tables of five peers; the first peer is seen before and after policy."""
    v4 = [bytes([198, 51, 100, 10 + number]) for number in range(5)]
    v6 = bytes.fromhex("20010db8ffff") + bytes(9) + bytes([14])
    return [
        Peer(0, 4_200_000_010, v4[0]),
        Peer(0, 4_200_000_010, v4[0], post=True),
        Peer(1, LOCAL_AS, v4[1], ibgp=True),
        Peer(2, 64_510, v4[2], as4=False),
        Peer(3, 396_000, v4[3], add_path=frozenset((IPV4, IPV6))),
        Peer(4, 6_939, v6),
    ]


def generate(shape: Shape) -> Stream:
    """The stream of this shape."""
    chance = random.Random(shape.seed)
    stream = Stream(peers=len({peer.number for peer in peers()}))
    tables = peers()
    world = table.world(shape, chance, len(tables))
    for number, peer in enumerate(tables):
        peer.updates += _Table(peer, shape, world, chance, stream).updates(number)
    _Writer(chance, stream, world).write(tables)
    return stream


class _Table:
    """What one peer says: its table, rules, End-of-RIBs, and then news."""

    def __init__(
        self, peer: Peer, shape: Shape, world: table.World, chance: random.Random, stream: Stream
    ) -> None:
        self._peer = peer
        self._shape = shape
        self._world = world
        self._chance = chance
        self._stream = stream

    def updates(self, number: int) -> Iterator[bytes]:
        """The UPDATEs of the table of this number."""
        for family, prefixes in self._world.of(number):
            yield from self._announce(family, prefixes)
        rules = round(self._shape.routes * self._shape.flowspec / self._world.tables)
        self._stream.rules += rules
        while rules > 0:
            count = min(rules, self._chance.randint(1, 4))
            rules -= count
            yield _flowspec(self._peer, self._chance, count)
        for family in self._world.families:
            self._stream.end_of_ribs += 1
            attributes = b"" if family == IPV4 else messages.unreach(family, b"")
            yield messages.update(b"", attributes, b"")
        for family, prefixes in self._world.of(number):
            gone = self._chance.sample(prefixes, round(len(prefixes) * self._shape.withdrawn))
            self._stream.withdrawals += len(gone)
            yield from self._withdraw(family, gone)

    def _announce(self, family: Family, prefixes: list[bytes]) -> list[bytes]:
        found: list[bytes] = []
        start = 0
        for origin, size in self._world.groups[family]:
            group = prefixes[start : start + size]
            if not group:
                break
            start += size
            self._stream.attribute_sets += 1
            before, after = _attributes(self._peer, origin, family)
            for nlri in self._parts(family, group, 4.3):
                if family == IPV4:
                    found.append(messages.update(b"", before + after, nlri))
                else:
                    multi = messages.reach(family, self._peer.next_hop(family), nlri)
                    found.append(messages.update(b"", before + multi + after, b""))
        self._stream.announcements += len(prefixes)
        # Routers do not pack perfectly: the same attributes come back a little later.
        for first in range(0, len(found), 2_000):
            window = found[first : first + 2_000]
            self._chance.shuffle(window)
            found[first : first + 2_000] = window
        return found

    def _withdraw(self, family: Family, gone: list[bytes]) -> Iterator[bytes]:
        for nlri in self._parts(family, [table.withdrawn(family, each) for each in gone], 5):
            if family == IPV4:
                yield messages.update(nlri, b"", b"")
            else:
                yield messages.update(b"", messages.unreach(family, nlri), b"")

    def _parts(self, family: Family, prefixes: list[bytes], mean: float) -> Iterator[bytes]:
        """The NLRI of one UPDATE after the other."""
        taken = 0
        while taken < len(prefixes):
            count = 1 if self._shape.one_prefix else table.around(self._chance, mean)
            part = prefixes[taken : taken + count]
            taken += count
            yield b"".join([self._peer.nlri(family, prefix) for prefix in part])


def _attributes(peer: Peer, origin: Origin, family: Family) -> tuple[bytes, bytes]:
    """The attributes in order of type, before and behind where MP_REACH_NLRI belongs.

    Peers of an odd number put MP_REACH_NLRI first, as RFC 7606 section 5.1 would have it.
    """
    sequence = origin.path if peer.ibgp else (peer.asn, *origin.path)
    out = messages.attribute(messages.WELL_KNOWN, 1, bytes([origin.code]))
    octets = messages.path(sequence, origin.members, as4=peer.as4)
    out += messages.attribute(messages.WELL_KNOWN, 2, octets)
    if family == IPV4:
        out += messages.attribute(messages.WELL_KNOWN, 3, peer.next_hop(IPV4))
    if origin.med is not None:
        out += messages.attribute(messages.OPTIONAL, 4, struct.pack("!I", origin.med))
    if peer.ibgp:
        out += messages.attribute(messages.WELL_KNOWN, 5, struct.pack("!I", origin.preference))
    if origin.aggregator:
        out += messages.attribute(messages.WELL_KNOWN, 6, b"")
        number = origin.aggregator
        octets = struct.pack("!I", number)
        if not peer.as4:
            octets = struct.pack("!H", number if number < 65536 else messages.AS_TRANS)
        out += messages.attribute(messages.TRANSITIVE, 7, octets + peer.bgp_id)
    if origin.communities:
        out += messages.attribute(messages.TRANSITIVE, 8, origin.communities)
    if peer.ibgp:
        out += messages.attribute(messages.OPTIONAL, 9, peer.bgp_id)
        out += messages.attribute(messages.OPTIONAL, 10, LOCAL_ID)
    behind = _late_attributes(peer, origin, sequence)
    return (b"", out + behind) if peer.number & 1 else (out, behind)


def _late_attributes(peer: Peer, origin: Origin, sequence: tuple[int, ...]) -> bytes:
    """What has a higher type than MP_REACH_NLRI, the true numbers of RFC 6793 among it."""
    out = b""
    if origin.ext_communities:
        out += messages.attribute(messages.TRANSITIVE, 16, origin.ext_communities)
    if not peer.as4 and max(sequence + origin.members) > 65535:
        octets = messages.path(sequence, origin.members, as4=True)
        out += messages.attribute(messages.TRANSITIVE, 17, octets)
    if not peer.as4 and origin.aggregator > 65535:
        octets = struct.pack("!I", origin.aggregator) + peer.bgp_id
        out += messages.attribute(messages.TRANSITIVE, 18, octets)
    if origin.large_communities:
        out += messages.attribute(messages.TRANSITIVE, 32, origin.large_communities)
    return out


def _flowspec(peer: Peer, chance: random.Random, count: int) -> bytes:
    """An UPDATE with rules and what to do with them (RFC 8955, RFC 8956)."""
    afi = 2 if chance.random() < 0.2 else 1
    nlri = b"".join(table.rule(chance, afi) for _ in range(count))
    sequence = () if peer.ibgp else (peer.asn,)
    out = messages.attribute(messages.WELL_KNOWN, 1, b"\0")
    octets = messages.path(sequence, (), as4=peer.as4)
    out += messages.attribute(messages.WELL_KNOWN, 2, octets)
    if peer.ibgp:
        out += messages.attribute(messages.WELL_KNOWN, 5, struct.pack("!I", 100))
    out += messages.reach(Family(afi, 133), b"", nlri)
    out += messages.attribute(messages.TRANSITIVE, 16, table.action(chance))
    if not peer.as4 and max(sequence) > 65535:
        octets = messages.path(sequence, (), as4=True)
        out += messages.attribute(messages.TRANSITIVE, 17, octets)
    return messages.update(b"", out, b"")


class _Writer:
    """Puts the tables of all peers into one stream."""

    def __init__(self, chance: random.Random, stream: Stream, world: table.World) -> None:
        self._chance = chance
        self._stream = stream
        self._families = world.families
        self._bmp = bytearray()
        self._mrt = bytearray()
        self._microseconds = 0

    def write(self, tables: list[Peer]) -> None:
        """Initiation, Peer Ups, all UPDATEs in turn, statistics, Peer Downs, Termination."""
        named = [peer for peer in tables if not peer.post]
        information = ((1, b"made for benchmarks"), (2, b"generated"))
        self._put(messages.INITIATION, b"".join(messages.tlv(*each) for each in information))
        for peer in named:
            self._put(messages.PEER_UP, peer.header() + self._time() + self._opening(peer))
        waiting = list(tables)
        for turn in range(0, max(len(peer.updates) for peer in tables), BURST):
            waiting = [peer for peer in waiting if turn < len(peer.updates)]
            for peer in waiting:
                self._monitor(peer, peer.updates[turn : turn + BURST])
        for peer in named:
            self._put(messages.STATISTICS, peer.header() + self._time() + _statistics(peer))
        for reason, peer in enumerate(named):
            self._put(messages.PEER_DOWN, peer.header() + self._time() + _farewell(reason))
        self._put(messages.TERMINATION, messages.tlv(1, b"\0\0"))
        self._stream.bmp, self._stream.mrt = bytes(self._bmp), bytes(self._mrt)

    def _put(self, kind: int, body: bytes) -> None:
        self._bmp += messages.bmp(kind, body)
        self._stream.messages += 1

    def _time(self) -> bytes:
        self._microseconds += self._chance.randint(1, 30)
        return struct.pack("!II", START + self._microseconds // 10**6, self._microseconds % 10**6)

    def _monitor(self, peer: Peer, updates: list[bytes]) -> None:
        header, ends = peer.header(), _mrt_ends(peer)
        subtype = (9 if peer.add_path else 4) if peer.as4 else 1
        for update in updates:
            self._put(messages.ROUTE_MONITORING, header + self._time() + update)
            seconds, micro = divmod(self._microseconds, 10**6)
            self._mrt += messages.mrt(subtype, START + seconds, micro, ends + update)
        self._stream.updates += len(updates)

    def _opening(self, peer: Peer) -> bytes:
        """Both OPENs; a peer of two octets does not say that it could do four."""
        offered = sorted(peer.add_path)
        ours = messages.bgp_open(LOCAL_AS, LOCAL_ID, self._families, offered, as4=True)
        theirs = messages.bgp_open(peer.asn, peer.bgp_id, self._families, offered, peer.as4)
        local = _local(peer).rjust(16, b"\0") + struct.pack("!HH", 179, 40_000 + peer.number)
        return local + ours + theirs


def _local(peer: Peer) -> bytes:
    return peer.address[:-1] + b"\1"


def _mrt_ends(peer: Peer) -> bytes:
    """Who sent it to whom (RFC 6396 section 4.4.2)."""
    size, afi = ("I" if peer.as4 else "H"), (2 if len(peer.address) == 16 else 1)
    return struct.pack(f"!{size}{size}HH", peer.asn, LOCAL_AS, 0, afi) + peer.address + _local(peer)


def _statistics(peer: Peer) -> bytes:
    values = [messages.tlv(0, struct.pack("!I", 3)), messages.tlv(1, struct.pack("!I", 0))]
    values.append(messages.tlv(7, struct.pack("!Q", len(peer.updates))))
    values.append(messages.tlv(9, struct.pack("!HBQ", 1, 1, len(peer.updates))))
    return struct.pack("!I", len(values)) + b"".join(values)


def _farewell(number: int) -> bytes:
    """Each reason of RFC 7854 section 4.9 in turn."""
    cease = messages.bgp(messages.NOTIFICATION, b"\x06\x04")
    return (b"\x01" + cease, b"\x02\0\x08", b"\x03" + cease, b"\x04")[number % 4]


def cached(shape: Shape) -> Stream:
    """The stream of this shape, from a temporary folder if it was made before."""
    sources = b"".join(Path(module.__file__ or "").read_bytes() for module in (messages, table))
    key = repr(shape).encode() + sources + Path(__file__).read_bytes()
    folder = Path(tempfile.gettempdir()) / "anchorwatch-streams"
    folder.mkdir(exist_ok=True)
    place = folder / hashlib.sha256(key).hexdigest()[:16]
    counts = place.with_suffix(".json")
    if counts.exists():
        known: dict[str, Any] = json.loads(counts.read_text())
        names = {each.name for each in dataclasses.fields(Stream)} - {"bmp", "mrt"}
        stream = Stream(**{name: known[name] for name in names})
        stream.bmp = place.with_suffix(".bmp").read_bytes()
        stream.mrt = place.with_suffix(".mrt").read_bytes()
        return stream
    stream = generate(shape)
    place.with_suffix(".bmp").write_bytes(stream.bmp)
    place.with_suffix(".mrt").write_bytes(stream.mrt)
    counts.write_text(json.dumps(stream.counts()))
    return stream


def main() -> None:
    """Write a stream and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="where the BMP stream goes")
    parser.add_argument("--mrt", type=Path, help="the same UPDATEs as MRT BGP4MP_ET")
    for each in dataclasses.fields(Shape):
        name, words = "--" + each.name.replace("_", "-"), each.metadata["help"]
        if isinstance(each.default, bool):
            parser.add_argument(name, action="store_true", help=words)
        else:
            kind = type(each.default)
            parser.add_argument(
                name, type=kind, default=each.default, help=f"{words} (%(default)s)"
            )
    chosen = vars(parser.parse_args())
    file, mrt = chosen.pop("file"), chosen.pop("mrt")
    stream = generate(Shape(**chosen))
    file.write_bytes(stream.bmp)
    if mrt:
        mrt.write_bytes(stream.mrt)
    print(json.dumps(stream.counts()))


if __name__ == "__main__":
    main()
