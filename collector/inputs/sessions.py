"""The BMP and BGP sessions in a capture file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from collector.event import Event
from collector.inputs.capture import CutShortError, Flow, Segment, read_segments
from collector.inputs.recording import FileError, Pause, Summary
from collector.inputs.wide import Sink, WideSession
from collector.wire import bmp
from collector.wire.bgp import MARKER
from collector.wire.bgp_session import BgpSession
from collector.wire.session import MAX_MESSAGE, BmpSession

BGP_PORT = 179


def looks_like_bmp(data: bytes) -> bool:
    """Whether a stream that begins so carries BMP."""
    if len(data) < bmp.HEADER or data[0] not in bmp.VERSIONS:
        return False
    length = int.from_bytes(data[1:5])
    return bmp.HEADER <= length <= MAX_MESSAGE and data[5] < len(bmp.NAMES)


def looks_like_bgp(segment: Segment) -> bool:
    """Whether a connection carries BGP: its port says so, or the first octets of a message."""
    return BGP_PORT in (segment.flow[1], segment.flow[3]) or segment.data.startswith(MARKER)


def segments(path: Path | str, file: BinaryIO) -> Iterator[Segment]:
    """The segments of a capture. Raises FileError."""
    try:
        yield from read_segments(file)
    except CutShortError:
        raise FileError(path, "is cut short: it ends inside a packet") from None
    except ValueError as error:
        raise FileError(path, f"is not a whole capture file: {error}") from error


def read_capture(
    path: Path | str,
    file: BinaryIO,
    summary: Summary,
    sink: Sink | None = None,
    pause: Pause | None = None,
) -> Iterator[Event]:
    """The events of all sessions of a capture, in the order of its packets."""
    sessions = _Sessions(summary, sink)
    failure: FileError | None = None
    now = 0
    if pause is not None:
        pause(0, sessions)
    try:
        for segment in segments(path, file):
            now = max(now, segment.time)
            yield from sessions.tick(now)
            yield from sessions.take(segment, now)
            if pause is not None:
                pause(file.tell(), sessions)
    except FileError as error:
        failure = error
    yield from sessions.close(now)
    if failure is None and not summary.messages:
        failure = FileError(path, "holds no BMP or BGP session")
    if failure is not None:
        raise failure


@dataclass(slots=True)
class _Conversation:
    """A BGP session, and the flow of its first side."""

    session: BgpSession
    first: Flow

    def sender(self, flow: Flow) -> int:
        return int(flow != self.first)


class _Sessions:
    """What the connections of a capture carry, by direction."""

    def __init__(self, summary: Summary, sink: Sink | None) -> None:
        self._sink = sink
        self._summary = summary
        self._bmp: dict[Flow, BmpSession] = {}
        self._bgp: dict[Flow, _Conversation] = {}
        """Each conversation stands here under both of its directions."""
        self._others: set[Flow] = set()
        self._narrow = False

    def flush(self) -> None:
        for session in self._bmp.values():
            if isinstance(session, WideSession):
                session.flush()

    def narrow(self, on: bool) -> None:
        self._narrow = on
        for session in self._bmp.values():
            if isinstance(session, WideSession):
                session.narrow(on)

    def _session(self, flow: Flow) -> BmpSession:
        if self._sink is None:
            return BmpSession(flow[0])
        session = WideSession(flow[0], self._sink)
        session.narrow(self._narrow)
        return session

    def tick(self, now: int) -> Iterator[Event]:
        for session in self._bmp.values():
            yield from session.tick(now)

    def take(self, segment: Segment, now: int) -> Iterator[Event]:
        flow = segment.flow
        if flow not in self._bmp and flow not in self._bgp and not self._meet(segment):
            return
        if flow in self._bmp:
            yield from self._take_bmp(segment, now)
        else:
            yield from self._take_bgp(self._bgp[flow], segment, now)

    def close(self, now: int) -> Iterator[Event]:
        for session in self._bmp.values():
            yield from session.close(now, "end of the recording")
            self._summary.add(session.messages, session.errors, session.sender.quirks)
        for flow, conversation in self._bgp.items():
            if flow == conversation.first:
                session_of = conversation.session
                yield from session_of.finish(0, now)
                yield from session_of.finish(1, now)
                self._summary.add(session_of.messages, session_of.errors)

    def _meet(self, segment: Segment) -> bool:
        """Begin a session with the first octets of a direction, if they are of any."""
        flow = segment.flow
        if not segment.data or flow in self._others:
            return False
        if looks_like_bmp(segment.data):
            self._bmp[flow] = self._session(flow)
        elif looks_like_bgp(segment):
            conversation = _Conversation(BgpSession(flow[0], flow[2]), flow)
            self._bgp[flow] = self._bgp[(*flow[2:], *flow[:2])] = conversation
        else:
            self._others.add(flow)
            self._summary.skipped += 1
            return False
        return True

    def _take_bmp(self, segment: Segment, now: int) -> Iterator[Event]:
        flow = segment.flow
        session = self._bmp[flow]
        if segment.lost:
            # What follows cannot be framed for sure; the capture, not the router, is to blame.
            self._summary.errors["capture-gap"] += 1
            yield from session.close(now, f"the capture lacks {segment.lost} octets")
            self._summary.add(session.messages, session.errors, session.sender.quirks)
            del self._bmp[flow]
            if not looks_like_bmp(segment.data):
                self._others.add(flow)
                return
            session = self._bmp[flow] = self._session(flow)
        yield from session.feed(segment.data, now)
        if segment.closed:
            yield from session.close(now, "router closed the connection")
            self._summary.add(session.messages, session.errors, session.sender.quirks)
            del self._bmp[flow]

    @staticmethod
    def _take_bgp(conversation: _Conversation, segment: Segment, now: int) -> Iterator[Event]:
        session, sender = conversation.session, conversation.sender(segment.flow)
        if segment.lost:
            yield from session.gap(sender, now, segment.lost)
        yield from session.feed(sender, segment.data, now)
        if segment.closed:
            yield from session.finish(sender, now)
            yield from session.close(now, f"{segment.flow[0]} closed the connection")
