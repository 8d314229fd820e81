"""Real daemons on loopback addresses, and a station that hears their BMP."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from collector.event import Event
from collector.wire.session import BmpSession
from tests.conftest import unavailable
from tests.waiting import free_port

BGPD = "/usr/lib/frr/bgpd"
FAMILIES = ("ipv4-unicast", "ipv4-flowspec")


class Station:
    """A BMP station: every connection is a session, and its events are kept."""

    def __init__(self) -> None:
        self.sessions: list[BmpSession] = []
        self._heard: list[list[Event]] = []
        self._connections: list[socket.socket] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    @property
    def events(self) -> list[Event]:
        """What the latest session has heard so far."""
        return list(self._heard[-1]) if self._heard else []

    def hang_up(self) -> None:
        """End the latest connection, as a station that is restarted does."""
        with suppress(OSError):
            self._connections[-1].shutdown(socket.SHUT_RDWR)
        self._connections[-1].close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, (address, _) = self._socket.accept()
                session, heard = BmpSession(address), list[Event]()
                self.sessions.append(session)
                self._connections.append(connection)
                self._heard.append(heard)
                read = (connection, session, heard)
                threading.Thread(target=self._read, args=read, daemon=True).start()

    @staticmethod
    def _read(connection: socket.socket, session: BmpSession, heard: list[Event]) -> None:
        with suppress(OSError), connection:
            while data := connection.recv(65536):
                heard.extend(session.feed(data, time.time_ns()))

    def wait(self, what: str, seen: Callable[[list[Event]], bool], seconds: float = 30) -> None:
        """Wait until the latest session has heard this."""
        wait(what, lambda: seen(self.events), seconds)


def wait(what: str, done: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


class Daemon:
    """A program that is ended with the test."""

    def __init__(self, stack: ExitStack, folder: Path, command: list[str]) -> None:
        if shutil.which(command[0]) is None:
            unavailable(f"needs {command[0]}")
        log = stack.enter_context((folder / f"{Path(command[0]).name}.log").open("ab"))
        self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        stack.callback(self.stop)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)


class Gobgp:
    """A gobgpd with neighbours at other loopback addresses, all on one port."""

    def __init__(
        self,
        stack: ExitStack,
        folder: Path,
        address: str,
        number: int,
        port: int,
        neighbours: dict[str, int],
    ) -> None:
        folder.mkdir()
        self.api = free_port("127.0.0.1")
        families = "".join(
            f'[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = "{name}"\n'
            for name in FAMILIES
        )
        peers = "".join(
            f"""
[[neighbors]]
[neighbors.config]
peer-as = {peer_as}
neighbor-address = "{peer}"
[neighbors.timers.config]
connect-retry = 1
idle-hold-time-after-reset = 1
[neighbors.transport.config]
local-address = "{address}"
remote-port = {port}
[neighbors.ebgp-multihop.config]
enabled = true
{families}"""
            for peer, peer_as in neighbours.items()
        )
        config = f"""
[global.config]
as = {number}
router-id = "{address.replace("127.", "10.")}"
port = {port}
local-address-list = ["{address}"]
{peers}"""
        (folder / "gobgpd.toml").write_text(config)
        self.daemon = Daemon(
            stack,
            folder,
            [
                *("gobgpd", "-f", str(folder / "gobgpd.toml"), "--pprof-disable"),
                *("--api-hosts", f"127.0.0.1:{self.api}"),
            ],
        )
        wait("gobgpd answers", lambda: self._asked("global") is not None)

    def run(self, words: str) -> str:
        answer = self._asked(*words.split())
        assert answer is not None, words
        return answer

    def _asked(self, *words: str) -> str | None:
        done = subprocess.run(
            ["gobgp", "-p", str(self.api), *words], capture_output=True, text=True, check=False
        )
        return done.stdout if done.returncode == 0 else None

    def holds(self, family: str, destination: str) -> bool:
        table = json.loads(self.run(f"global rib -a {family} -j") or "{}")
        return destination in table

    def established(self) -> int:
        """How many neighbours are up."""
        found = json.loads(self.run("neighbor -j"))
        return sum(n["state"].get("session_state") == 6 for n in found)


def frr(
    stack: ExitStack,
    folder: Path,
    address: str,
    peer: str,
    port: int,
    station: int,
    views: Sequence[str] = ("pre-policy", "post-policy"),
) -> Daemon:
    """FRR's bgpd without zebra, with the peer's routes monitored and its messages mirrored."""
    folder.mkdir()
    monitors = "\n".join(f"  bmp monitor ipv4 unicast {view}" for view in views)
    config = f"""
hostname frr
router bgp 65004
 bgp router-id 10.0.0.4
 no bgp ebgp-requires-policy
 neighbor {peer} remote-as 65002
 neighbor {peer} port {port}
 neighbor {peer} ebgp-multihop 5
 neighbor {peer} update-source {address}
 neighbor {peer} timers connect 1
 address-family ipv4 unicast
  neighbor {peer} soft-reconfiguration inbound
 exit-address-family
 address-family ipv4 flowspec
  neighbor {peer} activate
 exit-address-family
 bmp mirror buffer-limit 10485760
 bmp targets test
  bmp mirror
{monitors}
  bmp connect 127.0.0.1 port {station} min-retry 100 max-retry 500
 exit
"""
    (folder / "bgpd.conf").write_text(config)
    return Daemon(
        stack,
        folder,
        [
            *(BGPD, "-M", "bmp", "-f", str(folder / "bgpd.conf"), "-Z", "-S", "-n"),
            *("-l", address, "-p", str(port), "-P", "0"),
            *("--vty_socket", str(folder), "-i", str(folder / "bgpd.pid")),
        ],
    )
