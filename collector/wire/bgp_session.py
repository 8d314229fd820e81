"""A BGP session as somebody else captured it, sans-IO: octets of both sides in, events out."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from collector.event import Event, Feed, Kind
from collector.wire import bgp
from collector.wire.attributes import EXTENDED
from collector.wire.bgp import Open
from collector.wire.cursor import Cursor, WireError
from collector.wire.destinations import Context

RECEIVE, SEND = 1, 2
"""Bits of an ADD-PATH mode (RFC 7911 section 4)."""
NAMES = {
    bgp.OPEN: "open",
    bgp.UPDATE: "update",
    bgp.NOTIFICATION: "notification",
    bgp.KEEPALIVE: "keepalive",
    bgp.ROUTE_REFRESH: "route-refresh",
}
AS_PATH = 2
MAX_NOISE = 1 << 17
"""Octets without a message that are held back, and told as one event."""

_MESSAGE = re.compile(rb"\xff{16}(?:\0[\x13-\xff]|[^\0].)[\x01-\x05]", re.DOTALL)
"""Marker, a length that is not less than its own header's, and a type that has a name."""

Fields = dict[str, Any]


@dataclass(slots=True)
class _Side:
    """What one of the two speakers has sent."""

    address: str
    buffer: bytearray = field(default_factory=bytearray)
    opened: Open | None = None


class BgpSession:
    """Both directions of one connection, from its first octet to its end.

    Every event is told as the receiver of a message would: it is the router, and the sender its
    peer. Any chunking of the same octets at the same times gives the same events.
    """

    def __init__(self, first: str, second: str) -> None:
        """Read a session between these two addresses; empty where they are not known."""
        self.messages: Counter[str] = Counter()
        """Messages by type."""
        self.errors: Counter[str] = Counter()
        """What could not be read, by reason."""
        self._sides = (_Side(first), _Side(second))
        self._sequence = 0
        self._up_since: int | None = None
        self._ended = False
        self._as4: bool | None = None
        """Whether AS numbers have four octets, once that is known."""

    def feed(self, sender: int, data: bytes, now: int) -> list[Event]:
        """Take in octets that side `sender` (0 or 1) sent and that were captured at `now` (ns)."""
        side = self._sides[sender]
        side.buffer += data
        events: list[Event] = []
        start = 0
        while len(side.buffer) - start >= bgp.HEADER:
            length = int.from_bytes(side.buffer[start + 16 : start + 18])
            if not _MESSAGE.match(side.buffer, start):
                found = _next_message(side.buffer, start)
                if found is None:
                    break
                events += self._skip(sender, bytes(side.buffer[start:found]), now)
                start = found
                continue
            if len(side.buffer) - start < length:
                break
            events += self._message(sender, bytes(side.buffer[start : start + length]), now)
            start += length
        del side.buffer[:start]
        return events

    def gap(self, sender: int, now: int, lost: int) -> list[Event]:
        """The capture lacks `lost` octets of this side: what is half there cannot be read."""
        self.errors["capture-gap"] += 1
        side = self._sides[sender]
        raw = bytes(side.buffer)
        side.buffer.clear()
        return [self._undecodable(sender, now, f"the capture lacks {lost} octets", raw)]

    def finish(self, sender: int, now: int) -> list[Event]:
        """Side `sender` sends no more: what is left of it is no whole message."""
        side = self._sides[sender]
        if not side.buffer:
            return []
        raw = bytes(side.buffer)
        side.buffer.clear()
        inside = raw.startswith(bgp.MARKER)
        self.errors["truncated" if inside else "skipped"] += 1
        what = "the stream ended inside a message" if inside else "no BGP message"
        return [self._undecodable(sender, now, f"{what}, {len(raw)} octets left", raw)]

    def close(self, now: int, reason: str) -> list[Event]:
        """The connection ended at `now` (ns)."""
        events = self.finish(0, now) + self.finish(1, now)
        return events + self._down(now, reason, b"")

    # Messages

    def _message(self, sender: int, raw: bytes, now: int) -> list[Event]:
        name = NAMES[raw[18]]
        self.messages[name] += 1
        try:
            kind, body = bgp.read_message(Cursor(raw))
            if kind == bgp.OPEN:
                return self._open(sender, bgp.read_open(body), raw, now)
            if kind == bgp.UPDATE:
                return self._update(sender, body, raw, now)
            if kind == bgp.NOTIFICATION:
                who = self._sides[sender].address
                reason = f"{who} sent {bgp.read_notification(body)}".strip()
                return self._down(now, reason, raw)
        except WireError as error:
            self.errors[f"malformed-{name}"] += 1
            return [self._undecodable(sender, now, f"{name}: {error}", raw)]
        return []

    def _open(self, sender: int, message: Open, raw: bytes, now: int) -> list[Event]:
        side, other = self._sides[sender], self._sides[1 - sender]
        events: list[Event] = []
        if side.opened is not None or self._ended:  # the same addresses and ports once more
            events = self._down(now, "a new session began", b"")
            other.opened = None
            self._ended, self._as4 = False, None
        side.opened = message
        if not message.as4:
            self._as4 = False
        if other.opened is None:
            return events
        self._as4 = message.as4 and other.opened.as4
        self._up_since = now
        return events + [self._up(each, raw, now) for each in (0, 1)]

    def _up(self, sender: int, raw: bytes, now: int) -> Event:
        theirs, ours = self._sides[sender].opened, self._sides[1 - sender].opened
        information: Fields = {}
        if theirs is not None and ours is not None:
            information = {
                "hold_time": min(theirs.hold_time, ours.hold_time),
                "families": [family for family in theirs.families if family in ours.families],
                "capabilities": theirs.capabilities,
                "sent_capabilities": ours.capabilities,
            }
        kind = Kind.PEER_UP.value
        return self._event(sender, now, kind=kind, information=information, raw=raw)

    def _update(self, sender: int, body: Cursor, raw: bytes, now: int) -> list[Event]:
        context = Context(as4=self._four_octets(body), add_path=self._add_path(sender))
        routes = bgp.read_update(body, context)
        return [self._event(sender, now, raw=raw, **route) for route in routes]

    def _add_path(self, sender: int) -> frozenset[tuple[int, int]]:
        """The families for which `sender` puts path ids, as far as both OPENs are known."""
        theirs, ours = self._sides[sender].opened, self._sides[1 - sender].opened
        if theirs is None:
            return frozenset()
        sends = {family for family, mode in theirs.add_path.items() if mode & SEND}
        if ours is not None:
            sends &= {family for family, mode in ours.add_path.items() if mode & RECEIVE}
        return frozenset(sends)

    def _four_octets(self, body: Cursor) -> bool:
        """What was negotiated; in a capture that began too late, what the first path allows."""
        if self._as4 is None:
            path = _find_as_path(Cursor(body.data, body.position, body.end))
            fits = [as4 for as4 in (True, False) if path and _is_exact(path, 4 if as4 else 2)]
            if len(fits) != 1:
                return True
            self._as4 = fits[0]
        return self._as4

    # Events

    def _down(self, now: int, reason: str, raw: bytes) -> list[Event]:
        """The session ended for both; one that nobody saw begin ends only by a NOTIFICATION."""
        known = self._up_since is not None or raw
        events: list[Event] = []
        if known and not self._ended:
            kind = Kind.PEER_DOWN.value
            events = [
                self._event(sender, now, kind=kind, reason=reason, raw=raw or None)
                for sender in (0, 1)
            ]
        self._ended = self._ended or bool(known)
        self._up_since = None
        return events

    def _skip(self, sender: int, raw: bytes, now: int) -> list[Event]:
        self.errors["skipped"] += 1
        reason = f"{len(raw)} octets are no message"
        return [self._undecodable(sender, now, reason, raw)]

    def _undecodable(self, sender: int, now: int, reason: str, raw: bytes) -> Event:
        kind = Kind.UNDECODABLE.value
        return self._event(sender, now, kind=kind, reason=reason, raw=raw or None)

    def _event(self, sender: int, now: int, **fields: Any) -> Event:
        side, other = self._sides[sender], self._sides[1 - sender]
        self._sequence += 1
        return Event(
            received=now,
            sequence=self._sequence,
            feed=Feed.BGP.value,
            router=other.address,
            router_address=other.address,
            epoch=self._up_since,
            peer=side.address or None,
            peer_as=side.opened.as_number if side.opened else None,
            peer_bgp_id=side.opened.bgp_id if side.opened else None,
            **fields,
        )


def _next_message(buffer: bytearray, start: int) -> int | None:
    """Where the next message begins, or `MAX_NOISE` octets on; None where more are needed."""
    limit = start + MAX_NOISE
    found = _MESSAGE.search(buffer, start + 1, limit + bgp.HEADER)
    if found is not None:
        return found.start()
    return limit if len(buffer) >= limit + bgp.HEADER else None


def _find_as_path(body: Cursor) -> bytes | None:
    """The octets of an UPDATE's AS_PATH, as long as its attributes can be told apart."""
    try:
        body.take(body.u16("withdrawn routes length"), "withdrawn routes")
        attributes = body.window(body.u16("path attributes length"), "path attributes")
        while attributes.remaining:
            flags, code = attributes.u8("flags"), attributes.u8("type")
            length = attributes.u16("length") if flags & EXTENDED else attributes.u8("length")
            value = attributes.take(length, "attribute")
            if code == AS_PATH:
                return value
    except WireError:
        pass
    return None


def _is_exact(path: bytes, width: int) -> bool:
    """Whether an AS_PATH consists of whole segments if AS numbers have `width` octets."""
    at = 0
    while at + 2 <= len(path):
        if not 1 <= path[at] <= 4 or not path[at + 1]:
            return False
        at += 2 + width * path[at + 1]
    return at == len(path)
