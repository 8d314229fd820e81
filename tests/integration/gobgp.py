"""Two real GoBGP daemons on loopback addresses: a controller that is watched, and its peer."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import subprocess
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from collector.inputs.bmp import Allowed, BmpServer
from collector.inputs.clock import Clock
from collector.inputs.gobgp.client import MOST_OCTETS, GobgpClient
from collector.inputs.gobgp.controller import Controller, Tls
from tests.waiting import free_port, until

T = TypeVar("T")

FAMILIES = (
    "ipv4-unicast",
    "ipv6-unicast",
    "ipv4-flowspec",
    "ipv6-flowspec",
    "l3vpn-ipv4-unicast",
    "l3vpn-ipv6-unicast",
    "l3vpn-ipv4-flowspec",
    "l3vpn-ipv6-flowspec",
)
_NETWORKS = itertools.count(os.getpid() % 200)


class Daemon:
    """One gobgpd."""

    def __init__(
        self, folder: Path, command: Sequence[str], cli: Sequence[str], asn: int, address: str
    ) -> None:
        self.folder, self.asn, self.address = folder, asn, address
        self.api = free_port()
        self._command, self._cli = list(command), list(cli)
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)

    def start(self, config: str, *arguments: str) -> None:
        path = self.folder / "gobgpd.toml"
        path.write_text(config)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(*self._command, "-f", str(path), "--pprof-disable"),
                    *("--api-hosts", f"127.0.0.1:{self.api}", *arguments),
                ],
                stdout=log,
                stderr=log,
            )

    def listens(self) -> bool:
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", self.api)) == 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def run(self, words: str) -> str:
        """GoBGP's own command line."""
        command = [*self._cli, "-p", str(self.api), *words.split()]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        if done.returncode or done.stderr:
            raise RuntimeError(f"{words}: {done.stdout}{done.stderr}{self.log()}")
        return done.stdout

    def established(self) -> bool:
        try:
            neighbours = json.loads(self.run("neighbor -j") or "[]")
        except (RuntimeError, json.JSONDecodeError):
            return False
        return any(n["state"].get("session_state") == 6 for n in neighbours)

    def log(self) -> str:
        return (self.folder / "log").read_text()[-2000:]

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)


def config(
    own: Daemon,
    other: Daemon,
    port: int,
    *,
    passive: bool,
    families: Sequence[str],
    graceful: bool = False,
    more: str = "",
) -> str:
    lists = "".join(
        f'[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = "{name}"\n'
        + "[neighbors.afi-safis.mp-graceful-restart.config]\nenabled = true\n" * graceful
        for name in families
    )
    if graceful:
        restart = "[neighbors.graceful-restart.config]\nenabled = true\nrestart-time = 60\n"
        lists = restart + lists
    return f"""
[global.config]
as = {own.asn}
router-id = "{own.address}"
port = {port}
local-address-list = ["{own.address}"]
{more}
[[neighbors]]
[neighbors.config]
peer-as = {other.asn}
neighbor-address = "{other.address}"
[neighbors.timers.config]
connect-retry = 1
idle-hold-time-after-reset = 1
[neighbors.transport.config]
local-address = "{own.address}"
remote-port = {port}
passive-mode = {str(passive).lower()}
{lists}"""


class Pair:
    """A controller (AS 65001) and its peer (AS 65002), with a session between them."""

    def __init__(
        self,
        folder: Path,
        command: Sequence[str] = ("gobgpd",),
        cli: Sequence[str] = ("gobgp",),
        families: Sequence[str] = FAMILIES,
        *,
        graceful: bool = False,
    ) -> None:
        self._graceful = graceful
        network = f"127.{next(_NETWORKS) % 200 + 10}.{os.getpid() % 250}"
        self._port = free_port(f"{network}.1")
        self._families = families
        self.controller = Daemon(folder / "controller", command, cli, 65001, f"{network}.1")
        self.peer = Daemon(folder / "peer", command, cli, 65002, f"{network}.2")

    def start(self, *arguments: str, more: str = "") -> None:
        self.start_controller(*arguments, more=more)
        self.start_peer()
        until(self.controller.listens, "the controller listens for gRPC")
        if not arguments:  # with TLS the command line cannot ask
            self.wait_established()

    def start_controller(self, *arguments: str, more: str = "") -> None:
        self.controller.start(self._config(self.controller, self.peer, more), *arguments)

    def start_peer(self, *arguments: str) -> None:
        self.peer.start(self._config(self.peer, self.controller), *arguments)

    def _config(self, own: Daemon, other: Daemon, more: str = "") -> str:
        return config(
            *(own, other, self._port),
            passive=own is self.controller,
            families=self._families,
            graceful=self._graceful,
            more=more,
        )

    def wait_established(self) -> None:
        until(self.controller.established, "the BGP session is up")

    def close(self) -> None:
        for daemon in (self.controller, self.peer):
            daemon.kill()


class Seen:
    """What a client has handed on."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.fault: Exception | None = None
        """What the next hand-over fails with."""

    def __call__(self, events: Sequence[Any]) -> None:
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        self.events += events

    def find(self, **fields: Any) -> list[Any]:
        """The events that have these fields."""
        return [
            event
            for event in self.events
            if all(getattr(event, name) == value for name, value in fields.items())
        ]


class Watching:
    """A client, and a station for BMP, in an event loop of their own."""

    def __init__(
        self,
        address: str,
        *,
        tls: Tls | None = None,
        most_octets: int = MOST_OCTETS,
        room: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self.seen, self.bmp = Seen(), Seen()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        controller = Controller("ctl", address, tls)
        clock = Clock()
        self.client = GobgpClient(
            controller, self.seen, room or _room, clock, most_octets=most_octets
        )
        self._station = BmpServer(
            [Allowed.of("127.0.0.0/8", "ctl")],
            lambda events, _: self.bmp(events),
            _room,
            clock,
            watched=("0.0.0.0/0", "::/0"),
        )
        self.bmp_port = self._do(self._station.start("127.0.0.1", 0))

    def start(self) -> None:
        async def start() -> None:
            self.client.start()

        self._do(start())

    def close(self) -> None:
        self._do(self.client.close())
        self._do(self._station.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def settled(self, times: int = 1) -> list[Any]:
        """Wait until the tables of so many connections were complete."""
        return until(
            lambda: (found := self._ends())[times - 1 :] and found,
            f"tables are complete {times} times",
            context=lambda: str(self.seen.events[-5:]),
        )

    def _ends(self) -> list[Any]:
        return self.seen.find(kind="end-of-rib", reason="initial tables complete")

    def _do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)


async def _room() -> None:
    """There is always room."""
