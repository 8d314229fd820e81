"""Routers that send BMP, each as its suite ships it, and the peer that gives them things to say.

A router (AS 65004) has one eBGP peer (AS 65002, the main suite's GoBGP) that sends it unicast
routes and Flowspec rules.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.lab.daemons import BGPD
from deploy.lab.daemons_of_other_suites import unpacked
from deploy.lab.netns import Host

ROUTER_AS, PEER_AS = 65004, 65002
LOCAL = "172.16.9.0/24"
"""What a router originates itself."""


@dataclass(frozen=True)
class Where:
    """Who a router speaks to."""

    peer: str
    station: str
    port: int = 11019


def _gobgp(host: Host, own_as: int, peer: str, peer_as: int, more: str = "") -> str:
    families = "".join(
        f'[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = "{name}"\n'
        for name in ("ipv4-unicast", "ipv4-flowspec")
    )
    path = host.folder / "gobgpd.toml"
    path.write_text(f"""
[global.config]
as = {own_as}
router-id = "{host.address}"
{more}
[[neighbors]]
[neighbors.config]
peer-as = {peer_as}
neighbor-address = "{peer}"
[neighbors.timers.config]
connect-retry = 1
idle-hold-time-after-reset = 1
{families}""")
    return str(path)


_GOBGPD = ("--pprof-disable", "--api-hosts", "127.0.0.1:50051")


class Peer:
    """The main suite's GoBGP: what it is told to announce is all that the router hears."""

    def __init__(self, host: Host, router: str) -> None:
        """Start it."""
        self._host, self._router = host, router
        path = _gobgp(host, PEER_AS, router, ROUTER_AS)
        host.daemon("gobgpd", ["gobgpd", "-f", path, *_GOBGPD])

    def gobgp(self, words: str) -> str:
        """Run a command of it."""
        return self._host.run("gobgp", *words.split())

    def announce(self, prefix: str, med: int = 0) -> None:
        """Announce a prefix, or announce it anew."""
        self.gobgp(f"global rib add {prefix} med {med}")

    def withdraw(self, prefix: str) -> None:
        """Withdraw it."""
        self.gobgp(f"global rib del {prefix}")

    def announce_rule(self, match: str, then: str) -> None:
        """Announce a Flowspec rule."""
        self.gobgp(f"global rib add -a ipv4-flowspec match {match} then {then}")

    def withdraw_rule(self, match: str) -> None:
        """Withdraw it."""
        self.gobgp(f"global rib del -a ipv4-flowspec match {match} then discard")

    def down(self) -> None:
        """Close the session."""
        self.gobgp(f"neighbor {self._router} disable")

    def up(self) -> None:
        """Open it again."""
        self.gobgp(f"neighbor {self._router} enable")

    def established(self) -> bool:
        """Whether the session is up."""
        try:
            (neighbour,) = json.loads(self.gobgp("neighbor -j"))
        except (RuntimeError, ValueError):
            return False
        return bool(neighbour["state"].get("session_state") == 6)


@dataclass(frozen=True)
class Sender:
    """One version of one daemon as the router that is monitored."""

    name: str
    program: Callable[[str], list[str]]
    """What runs a program of the package: `usr/bin/gobgpd`."""
    start: Callable[[Sender, Host, Where], subprocess.Popen[Any]]
    originate: Callable[[Sender, Host], None] | None = field(default=None)
    """Makes it originate `LOCAL` and a rule itself, where that can be had while it runs."""


def _start_gobgp(sender: Sender, host: Host, where: Where) -> subprocess.Popen[Any]:
    bmp = f"""[[bmp-servers]]
[bmp-servers.config]
address = "{where.station}"
port = {where.port}
route-monitoring-policy = "all"
statistics-timeout = 15
"""
    path = _gobgp(host, ROUTER_AS, where.peer, PEER_AS, bmp)
    return host.daemon("gobgpd", [*sender.program("usr/bin/gobgpd"), "-f", path, *_GOBGPD])


def _originate_gobgp(sender: Sender, host: Host) -> None:
    gobgp = sender.program("usr/bin/gobgp")
    host.run(*gobgp, "global", "rib", "add", LOCAL)
    rule = f"-a ipv4-flowspec match destination {LOCAL} protocol udp then discard"
    host.run(*gobgp, *f"global rib add {rule}".split())


def _start_frr(sender: Sender, host: Host, where: Where) -> subprocess.Popen[Any]:
    peer = where.peer
    loc_rib = "" if sender.name.startswith("frr-8") else "\n  bmp monitor ipv4 unicast loc-rib"
    path = host.folder / "bgpd.conf"
    path.write_text(f"""
router bgp {ROUTER_AS}
 bgp router-id {host.address}
 no bgp ebgp-requires-policy
 neighbor {peer} remote-as {PEER_AS}
 neighbor {peer} timers connect 1
 address-family ipv4 unicast
  neighbor {peer} soft-reconfiguration inbound
 exit-address-family
 address-family ipv4 flowspec
  neighbor {peer} activate
 exit-address-family
 bmp mirror buffer-limit 10485760
 bmp targets lab
  bmp stats interval 5000
  bmp mirror
  bmp monitor ipv4 unicast pre-policy
  bmp monitor ipv4 unicast post-policy{loc_rib}
  bmp connect {where.station} port {where.port} min-retry 500 max-retry 2000
 exit
""")
    bgpd = sender.program("usr/lib/frr/bgpd")
    modules = Path(bgpd[-1]).parents[2].glob("lib/*/frr/modules")
    return host.daemon(
        "bgpd",
        [
            *(*bgpd, "--moduledir", str(next(modules)), "-M", "bmp", "-f", str(path)),
            *("-Z", "-S", "-n", "-l", host.address, "-P", "0"),
            *("--vty_socket", str(host.folder), "-i", str(host.folder / "bgpd.pid")),
        ],
    )


def _start_bird(sender: Sender, host: Host, where: Where) -> subprocess.Popen[Any]:
    path = host.folder / "bird.conf"
    path.write_text(f"""
router id {host.address};
flow4 table flowtab4;
protocol device {{ }}
protocol bgp p1 {{
  local {host.address} as {ROUTER_AS};
  neighbor {where.peer} as {PEER_AS};
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv4 {{ import table on; import all; export none; }};
  flow4 {{ table flowtab4; import table on; import all; export none; }};
}}
protocol bmp lab {{
  station address ip {where.station} port {where.port};
  monitoring rib in pre_policy; monitoring rib in post_policy;
  system name "router"; system description "BIRD";
}}
""")
    control, pid = str(host.folder / "bird.ctl"), str(host.folder / "bird.pid")
    bird = sender.program("usr/sbin/bird")
    return host.daemon("bird", [*bird, "-f", "-c", str(path), "-s", control, "-P", pid])


def _installed(program: str) -> list[str]:
    return [f"/{program}"]


_PACKAGES = {
    "gobgp": ("gobgpd", _start_gobgp, _originate_gobgp),
    "frr": ("frr", _start_frr, None),
    "bird2": ("bird2", _start_bird, None),
    "bird3": ("bird3", _start_bird, None),
}
INSTALLED = ("gobgp-3.10", "frr-8.4")
"""Of the main suite. Its BIRD, 2.0.12, has no BMP."""
OF_OTHER_SUITES = ("gobgp-3.36", "gobgp-4.8", "frr-10.3", "bird2-2.20", "bird3-3.1")


def sender(name: str) -> Sender | None:
    """A daemon by name and version, or None where it is not there."""
    daemon, _, version = name.partition("-")
    package, start, originate = _PACKAGES[daemon]
    if name in INSTALLED:
        program = {"gobgp": "/usr/bin/gobgpd", "frr": BGPD}[daemon]
        return Sender(name, _installed, start, originate) if Path(program).exists() else None
    found = unpacked(package, version)
    return Sender(name, found.command, start, originate) if found is not None else None
