"""One short story told to a router, and what its BMP says of each part, message by message.

`python -m tests.lab.story_of_a_sender` tells it to every daemon that is here, and keeps what they
said in `tests/captures/senders`, for where they are not.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from collector.event import Kind
from collector.wire import bgp, bmp
from collector.wire.cursor import Cursor
from collector.wire.destinations import Context
from collector.wire.peers import Peer as WirePeer
from deploy.lab.netns import Network
from deploy.lab.senders import INSTALLED, OF_OTHER_SUITES, Peer, Sender, Where, sender
from tests.waiting import until

A, B, C, SEEN, UNSEEN = (f"10.9.{number}.0/24" for number in range(5))
WEB, DNS, UNSEEN_RULE = (
    f"destination 10.9.8.0/24 protocol {name}" for name in ("tcp", "udp", "icmp")
)
"""What is unseen is first told in the dump after the collector was away."""
RECORDINGS = Path(__file__).parents[1] / "captures" / "senders"
QUIET, LONGEST = 1.5, 20.0
"""Seconds without a word that end a part of the story, and how long one may take."""


@dataclass(frozen=True, slots=True)
class Message:
    """One BMP message as it was on the wire, with nothing mended."""

    kind: str
    """As `collector.wire.bmp.NAMES`."""
    header: bmp.PeerHeader | None = None
    routes: tuple[dict[str, Any], ...] = ()
    """Of an UPDATE, and of a mirrored one."""
    up: bmp.PeerUp | None = None
    reason: str | None = None


@dataclass(slots=True)
class Connection:
    """What a router said on one connection."""

    peers: dict[object, WirePeer] = field(default_factory=dict)

    def messages(self, data: bytes) -> Iterator[Message]:
        """The messages in these octets, which begin and end with a whole one."""
        while data:
            length = int.from_bytes(data[1:5])
            cursor = Cursor(data[:length])
            cursor.take(bmp.HEADER, "header")
            yield self._read(data[5], cursor)
            data = data[length:]

    def _read(self, kind: int, cursor: Cursor) -> Message:
        name = bmp.NAMES[kind]
        if kind in (bmp.INITIATION, bmp.TERMINATION):
            return Message(name)
        header = bmp.read_peer_header(cursor)
        if kind == bmp.PEER_UP:
            up = bmp.read_peer_up(cursor)
            self.peers[header.key] = WirePeer.up(header, up, 0)
            return Message(name, header, up=up)
        if kind == bmp.PEER_DOWN:
            return Message(name, header, reason=bmp.read_peer_down(cursor))
        if kind == bmp.ROUTE_MONITORING:
            return Message(name, header, self._routes(cursor, header))
        if kind == bmp.MIRRORING:
            mirrored, _ = bmp.read_mirrored(cursor)
            return Message(
                name, header, tuple(r for m in mirrored for r in self._routes(m, header))
            )
        return Message(name, header)

    def _routes(self, cursor: Cursor, header: bmp.PeerHeader) -> tuple[dict[str, Any], ...]:
        kind, body = bgp.read_message(cursor)
        if kind != bgp.UPDATE:
            return ()
        peer = self.peers.get(header.key)
        context = peer.context(header) if peer is not None else Context(as4=header.as4)
        return tuple(bgp.read_update(body, context))


@dataclass(frozen=True, slots=True)
class Said:
    """What a router said in one part of the story."""

    messages: list[Message]

    def kinds(self, view: str | None = None) -> list[str]:
        """The messages about routes and peers in their order, each run of equals once."""
        kinds = [
            m.kind
            for m in self.messages
            if m.header is not None
            and m.kind not in ("statistics", "route-mirroring")
            and view in (None, m.header.view)
        ]
        return [kind for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind]

    def routes(
        self, kind: Kind, view: str, *, by: str = "route-monitoring"
    ) -> list[tuple[bmp.PeerHeader, dict[str, Any]]]:
        """The announcements, withdrawals or End-of-RIBs of a view."""
        return [
            (m.header, route)
            for m in self.messages
            if m.header is not None and m.header.view == view and m.kind == by
            for route in m.routes
            if route["kind"] == kind
        ]

    def what(self, kind: Kind, view: str, *, by: str = "route-monitoring") -> set[str]:
        """Their prefixes and rules; the families of End-of-RIBs."""
        return {
            str(r.get("prefix") or r.get("rule") or r["family"])
            for _, r in self.routes(kind, view, by=by)
        }

    def of(self, kind: str) -> list[Message]:
        """The messages of a type."""
        return [message for message in self.messages if message.kind == kind]


class Told(dict[str, Said]):
    """What a router said, by the parts of the story."""

    def __init__(self) -> None:
        """Nothing has been said yet."""
        super().__init__()
        self.survived = True
        """Whether the router was alive at the end."""
        self._connections: dict[str, Connection] = {}
        self._octets: list[dict[str, str]] = []

    def hear(self, part: str, octets: dict[str, bytes]) -> None:
        """Take in whole messages of each connection, as said in this part."""
        said = self.setdefault(part, Said([]))
        for name, data in octets.items():
            connection = self._connections.setdefault(name, Connection())
            said.messages.extend(connection.messages(data))
            self._octets.append({"part": part, "connection": name, "octets": data.hex()})

    def save(self, path: Path) -> None:
        """Keep it as a recording: lines of JSON, the octets in hex."""
        lines = [*self._octets, {"survived": self.survived}]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode(), mtime=0))

    def streams(self) -> list[bytes]:
        """The octets of each connection, in the order in which they were opened."""
        joined: dict[str, bytes] = {}
        for line in self._octets:
            octets = bytes.fromhex(line["octets"])
            joined[line["connection"]] = joined.get(line["connection"], b"") + octets
        return list(joined.values())

    @classmethod
    def load(cls, path: Path) -> Self:
        """A story that was told before."""
        told = cls()
        *lines, last = gzip.decompress(path.read_bytes()).decode().splitlines()
        for line in map(json.loads, lines):
            told.hear(line["part"], {line["connection"]: bytes.fromhex(line["octets"])})
        told.survived = json.loads(last)["survived"]
        return told


class Story:
    """A router, its peer and a station, each in a namespace of its own."""

    def __init__(self, folder: Path, daemon: Sender) -> None:
        """Bring them up; the station listens first."""
        folder.mkdir(parents=True, exist_ok=True)
        for parent in (folder, folder.parent, folder.parent.parent):
            parent.chmod(0o755)  # daemons drop to users of their own
        self._network = Network(folder)
        self._sender = daemon
        self._read: dict[Path, int] = {}
        self.said = Told()
        try:
            self._start()
        except BaseException:
            self._network.close()
            raise

    def _start(self) -> None:
        self._station = self._network.host("noc", "10.0.8.8")
        self._router = self._network.host("router", "10.0.0.4")
        host = self._network.host("peer", "10.0.0.2")
        program = Path(shutil.which("python3") or sys.executable)
        script = Path(__file__).parents[2] / "deploy" / "lab" / "station.py"
        folder = self._station.folder
        self._station.daemon("station", [str(program), str(script), "11019", str(folder)])
        where = Where(host.address, "10.0.8.8")
        self._process = self._sender.start(self._sender, self._router, where)
        until(self._connected, "the router has connected to the station", 30)
        self.peer = Peer(host, self._router.address)
        until(self.peer.established, "the session is up", 40)
        self.part("begin", lambda: None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._network.close()

    def part(self, name: str, *actions: Callable[[], object]) -> None:
        """Do these things; what is said until it is quiet again is what was said of them."""
        for action in actions:
            action()
        began = time.monotonic()
        size, since = -1, began
        while time.monotonic() < since + QUIET and time.monotonic() < began + LONGEST:
            now = sum(path.stat().st_size for path in self._files())
            if now != size:
                size, since = now, time.monotonic()
            time.sleep(0.1)
        octets = {}
        for path in self._files():
            begin = self._read.get(path, 0)
            data = path.read_bytes()[begin:]
            octets[path.stem] = data[: _whole(data)]
            self._read[path] = begin + len(octets[path.stem])
        self.said.hear(name, octets)

    def away(self, *actions: Callable[[], object]) -> None:
        """The station drops its connection, these things are done, and it listens again."""
        flag, gone = self._station.folder / "away", self._station.folder / "gone"
        connections = len(self._files())
        flag.touch()
        until(gone.exists, "the station is away", 10)
        for action in actions:
            action()
            time.sleep(0.5)
        flag.unlink()
        until(lambda: len(self._files()) > connections, "the router is back", 60)

    def originate(self) -> None:
        """Let the router originate a route and a rule of its own."""
        assert self._sender.originate is not None
        self._sender.originate(self._sender, self._router)

    def alive(self) -> bool:
        """Whether the router has survived so far."""
        return self._process.poll() is None

    def _files(self) -> list[Path]:
        return sorted(self._station.folder.glob("connection-*.bmp"))

    def _connected(self) -> bool:
        return bool(self._files())


def _whole(data: bytes) -> int:
    """How many of these octets are whole messages."""
    at = 0
    while at + bmp.HEADER <= len(data):
        length = int.from_bytes(data[at + 1 : at + 5])
        if at + length > len(data):
            break
        at += length
    return at


def tell(folder: Path, daemon: Sender) -> Told:
    """The whole story; what the router said of each part."""
    with Story(folder, daemon) as story:
        peer = story.peer
        story.part("routes up", lambda: peer.announce(A), lambda: peer.announce(B))
        story.part(
            "rules up",
            lambda: peer.announce_rule(WEB, "discard"),
            lambda: peer.announce_rule(DNS, "rate-limit 1000"),
        )
        story.part(
            "changed", lambda: peer.announce(A, med=60), lambda: peer.announce_rule(DNS, "discard")
        )
        story.part("withdrawn", lambda: peer.withdraw(B), lambda: peer.withdraw_rule(WEB))
        story.part("peer down", peer.down)
        story.part("peer up", peer.up, lambda: until(peer.established, "it is up again", 60))
        story.away(
            *(lambda: peer.announce(C), lambda: peer.withdraw(A), lambda: peer.announce(B)),
            # By now it has noticed.
            *(lambda: peer.announce(UNSEEN), lambda: peer.announce_rule(UNSEEN_RULE, "discard")),
        )
        story.part("collector back")
        story.part("seen up", lambda: peer.announce(SEEN))
        story.part("seen withdrawn", lambda: peer.withdraw(SEEN), lambda: peer.withdraw_rule(DNS))
        story.part(
            "unseen withdrawn",
            lambda: peer.withdraw(UNSEEN),
            lambda: peer.withdraw_rule(UNSEEN_RULE),
        )
        if daemon.originate is not None:
            story.part("originated", story.originate)
        story.said.survived = story.alive()
    return story.said


def recording(name: str) -> Path:
    """Where a daemon's story is kept."""
    return RECORDINGS / f"{name}.jsonl.gz"


def record() -> None:
    """Tell the story to every daemon that is here, and keep it."""
    for name in (*INSTALLED, *OF_OTHER_SUITES):
        daemon = sender(name)
        if daemon is None:
            print(f"{name} is not here")
            continue
        with tempfile.TemporaryDirectory() as folder:
            tell(Path(folder) / name / "lab", daemon).save(recording(name))
        print(recording(name))


if __name__ == "__main__":
    record()
