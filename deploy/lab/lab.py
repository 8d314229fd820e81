"""A controller, a legacy PE, two new PEs, an injector and a NOC host, all real, on one bridge."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.lab.daemons import NEEDED, Bird, Controller, ExaBgp, Frr
from deploy.lab.netns import LabUnavailableError, Network

WEB, BEAST, ANCHOR = "192.0.2.50/32", "192.0.2.60/32", "10.100.0.254/32"
SERVICE6 = "2001:db8:50::1/128"
BMP_PORT = 11019
START_SECONDS = 40


class Lab:
    """The lab, up while the `with` block runs; everything that it made is gone afterwards."""

    bmp_port = BMP_PORT

    def __init__(self, folder: Path) -> None:
        """Say what is missing (LabUnavailableError); nothing is started yet."""
        missing = sorted({package for program, package in NEEDED.items() if not _found(program)})
        if missing:
            raise LabUnavailableError(f"needs the Debian packages {' '.join(missing)}")
        self._folder = folder

    def __enter__(self) -> Self:
        """Bring everything up, to the steady state."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o755)
        self._network = Network(self._folder)
        try:
            self._bring_up()
        except BaseException:
            self._network.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take everything down."""
        self._network.close()

    def reset(self) -> None:
        """Back to the steady state: services at the legacy PE, anycast at both new PEs."""
        for prefix in (WEB, BEAST):  # first there, then away: never a moment without
            self.legacy.advertise(prefix)
        for pe in (self.new1, self.new2):
            pe.advertise(ANCHOR)
        self._until(self._advertised, "all prefixes are advertised")
        for pe in (self.new1, self.new2):
            for prefix in (WEB, BEAST, SERVICE6):
                pe.withdraw(prefix)
        self.injector.withdraw_all()
        for family in ("ipv4-flowspec", "ipv6-flowspec"):
            self.controller.gobgp("global", "rib", "del", "all", "-a", family)
        self._until(self._steady, "the controller shows the steady state")

    def _bring_up(self) -> None:
        host = self._network.host
        self.noc = host("noc", "10.0.8.8")
        controller = host("ctl", "10.0.0.254")
        legacy, new1, new2 = (
            host("old", "10.0.0.1"),
            host("new1", "10.0.1.1"),
            host("new2", "10.0.1.2"),
        )
        injector = host("inject", "10.0.9.9")
        clients = [each.address for each in (legacy, new1, new2, injector)]
        self.hosts = {"controller": controller, "legacy": legacy, "new1": new1, "new2": new2}
        self.controller = Controller(controller, clients, (self.noc.address, BMP_PORT))
        prefixes = [WEB, BEAST, ANCHOR, SERVICE6]
        self.legacy = Frr(legacy, controller.address)
        self.new1 = Bird(new1, controller.address, prefixes)
        self.new2 = Bird(new2, controller.address, prefixes)
        self.injector = ExaBgp(injector, controller.address)
        self._until(
            lambda: self.controller.established() == set(clients), "all BGP sessions are up"
        )
        self.reset()

    def _advertised(self) -> bool:
        routes = self.controller.routes()
        return {WEB, BEAST, ANCHOR} <= set(routes) and len(routes[ANCHOR]) == 2

    def _steady(self) -> bool:
        return (
            self.controller.routes()
            == {
                WEB: [self.legacy.address],
                BEAST: [self.legacy.address],
                ANCHOR: [self.new1.address, self.new2.address],
            }
            and not self.controller.routes("ipv6")
            and not self.controller.routes("ipv4-flowspec")
            and not self.controller.routes("ipv6-flowspec")
        )

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
            except RuntimeError:  # a daemon that does not answer yet
                pass
            time.sleep(0.1)
        logs = "\n".join(f"{name}: {host.log_tail()}" for name, host in self.hosts.items())
        raise RuntimeError(f"not within {START_SECONDS} s: {what}\n{logs}")


def _found(program: str) -> bool:
    return shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin") is not None
