"""The daemons of the lab, each as Debian ships it, each with the commands that the story needs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from deploy.lab.netns import Host

AS = 65000
API_PORT = 50051
"""Of the controller's gRPC interface."""
BGPD = "/usr/lib/frr/bgpd"
NEEDED = {
    "gobgpd": "gobgpd",
    "gobgp": "gobgpd",
    "bird": "bird2",
    "birdc": "bird2",
    BGPD: "frr",
    "vtysh": "frr",
    "exabgp": "exabgp",
    "tcpdump": "tcpdump",
    "ip": "iproute2",
}
"""Programs, and the Debian packages that hold them."""


class Controller:
    """GoBGP: route reflector, Flowspec controller, and the sender of BMP."""

    def __init__(self, host: Host, clients: list[str], station: tuple[str, int]) -> None:
        self.address = host.address
        self._host = host
        families = "".join(
            f'[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = "{name}"\n'
            for name in ("ipv4-unicast", "ipv6-unicast", "ipv4-flowspec", "ipv6-flowspec")
        )
        neighbours = "".join(
            f"""
[[neighbors]]
[neighbors.config]
peer-as = {AS}
neighbor-address = "{client}"
[neighbors.timers.config]
connect-retry = 1
idle-hold-time-after-reset = 1
[neighbors.transport.config]
passive-mode = true
[neighbors.route-reflector.config]
route-reflector-client = true
route-reflector-cluster-id = "{host.address}"
{families}"""
            for client in clients
        )
        config = f"""
[global.config]
as = {AS}
router-id = "{host.address}"
[[bmp-servers]]
[bmp-servers.config]
address = "{station[0]}"
port = {station[1]}
route-monitoring-policy = "all"
statistics-timeout = 15
sys-name = "controller"
sys-descr = "GoBGP"
{neighbours}"""
        path = host.folder / "gobgpd.toml"
        path.write_text(config)
        api = [f"{address}:{API_PORT}" for address in ("127.0.0.1", host.address)]
        host.daemon(
            "gobgpd",
            ["gobgpd", "-f", str(path), "--pprof-disable", "--api-hosts", ",".join(api)],
        )

    def gobgp(self, *words: str) -> str:
        """Run GoBGP's command line; answer what it prints."""
        return self._host.run("gobgp", *words)

    def add_flowspec(self, match: str, then: str) -> None:
        """Inject a rule, as an operator at the controller would."""
        self._flowspec("add", match, then)

    def del_flowspec(self, match: str, then: str) -> None:
        """Take a rule back."""
        self._flowspec("del", match, then)

    def _flowspec(self, verb: str, match: str, then: str) -> None:
        self._host.note(f"{verb} flowspec {match} then {then}")
        words = f"global rib {verb} -a ipv4-flowspec match {match} then {then}"
        self.gobgp(*words.split())

    def established(self) -> set[str]:
        """The neighbours whose sessions are up."""
        try:
            neighbours = json.loads(self.gobgp("neighbor", "-j"))
        except (RuntimeError, json.JSONDecodeError):
            return set()
        return {
            n["state"]["neighbor_address"]
            for n in neighbours
            if n["state"].get("session_state") == 6
        }

    def routes(self, family: str = "ipv4") -> dict[str, list[str]]:
        """The global RIB: destination -> next hops."""
        table = json.loads(self.gobgp("global", "rib", "-a", family, "-j") or "{}")
        return {
            destination: sorted(_next_hop(path) for path in paths)
            for destination, paths in table.items()
        }


def _next_hop(path: dict[str, list[dict[str, object]]]) -> str:
    hops = [a["nexthop"] for a in path.get("attrs", []) if "nexthop" in a]
    return str(hops[0]) if hops else ""


class Frr:
    """FRR's bgpd alone, without zebra: the legacy PE."""

    def __init__(self, host: Host, controller: str) -> None:
        self.address = host.address
        self._host = host
        config = f"""
router bgp {AS}
 bgp router-id {host.address}
 no bgp network import-check
 timers bgp 3 9
 neighbor {controller} remote-as {AS}
 neighbor {controller} timers connect 1
 address-family ipv4 unicast
  neighbor {controller} next-hop-self
 exit-address-family
 address-family ipv4 flowspec
  neighbor {controller} activate
 exit-address-family
"""
        path = host.folder / "bgpd.conf"
        path.write_text(config)
        host.daemon(
            "bgpd",
            [
                *(BGPD, "-f", str(path), "-Z", "-S", "-n", "-l", host.address, "-P", "0"),
                *("--vty_socket", str(host.folder), "-i", str(host.folder / "bgpd.pid")),
            ],
        )

    def vtysh(self, *lines: str) -> str:
        """Run commands of FRR's shell; answer what they print."""
        words = [word for line in lines for word in ("-c", line)]
        return self._host.run("vtysh", "--vty_socket", str(self._host.folder), *words)

    def advertise(self, prefix: str) -> None:
        """Originate a prefix."""
        self._host.note(f"advertise {prefix}")
        self._network(f"network {prefix}")

    def withdraw(self, prefix: str) -> None:
        """Stop originating it."""
        self._host.note(f"withdraw {prefix}")
        self._network(f"no network {prefix}")

    def _network(self, line: str) -> None:
        self.vtysh("configure terminal", f"router bgp {AS}", "address-family ipv4 unicast", line)


class Bird:
    """BIRD 2: a new PE. Each prefix is a static route that can be enabled and disabled."""

    def __init__(self, host: Host, controller: str, prefixes: list[str]) -> None:
        self.address = host.address
        self._host = host
        self._socket = host.folder / "bird.ctl"
        statics = "".join(
            f"protocol static {_static(prefix)} {{ disabled; {'ipv6' if ':' in prefix else 'ipv4'};"
            f" route {prefix} blackhole; }}\n"
            for prefix in prefixes
        )
        config = f"""
router id {host.address};
flow4 table flowtab4;
flow6 table flowtab6;
protocol device {{ }}
{statics}
protocol bgp controller {{
  local {host.address} as {AS};
  neighbor {controller} as {AS};
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  hold time 9;
  ipv4 {{ import all; export where source = RTS_STATIC; next hop self; }};
  ipv6 {{ import all; export where source = RTS_STATIC; next hop address 2001:db8::1; }};
  flow4 {{ table flowtab4; import all; export none; }};
  flow6 {{ table flowtab6; import all; export none; }};
}}
"""
        path = host.folder / "bird.conf"
        path.write_text(config)
        pid = str(host.folder / "bird.pid")
        host.daemon("bird", ["bird", "-f", "-c", str(path), "-s", str(self._socket), "-P", pid])

    def birdc(self, *words: str) -> str:
        """Run a command of BIRD's shell; answer what it prints."""
        return self._host.run("birdc", "-s", str(self._socket), *words)

    def advertise(self, prefix: str) -> None:
        """Originate a prefix."""
        self._host.note(f"advertise {prefix}")
        self.birdc("enable", _static(prefix))

    def withdraw(self, prefix: str) -> None:
        """Stop originating it."""
        self._host.note(f"withdraw {prefix}")
        self.birdc("disable", _static(prefix))

    def close_session(self) -> None:
        """Close the BGP session, as a shutdown would."""
        self._host.note("close the session")
        self.birdc("disable", "controller")

    def open_session(self) -> None:
        """Open it again."""
        self._host.note("open the session")
        self.birdc("enable", "controller")


def _static(prefix: str) -> str:
    return "s_" + "".join(c if c.isalnum() else "_" for c in prefix)


class ExaBgp:
    """ExaBGP: injects Flowspec rules with a redirect to a next hop, which GoBGP's CLI cannot."""

    def __init__(self, host: Host, controller: str) -> None:
        self.address = host.address
        self._host = host
        self._pipe = host.folder / "commands"
        self._announced: set[str] = set()
        self._pipe.unlink(missing_ok=True)
        reader = host.folder / "reader.sh"
        # Opened for reading and writing, so that it does not end when a writer closes it.
        reader.write_text(f'#!/bin/sh\nexec 3<>"{self._pipe}"\nexec cat <&3\n')
        reader.chmod(0o755)
        config = f"""
process commands {{ run {reader}; encoder text; }}
neighbor {controller} {{
  router-id {host.address}; local-address {host.address}; local-as {AS}; peer-as {AS};
  hold-time 9;
  family {{ ipv4 flow; ipv6 flow; ipv4 unicast; }}
  api {{ processes [ commands ]; }}
}}
"""
        path = host.folder / "exabgp.conf"
        path.write_text(config)
        subprocess.run(["mkfifo", "-m", "666", str(self._pipe)], check=True)
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "exabgp.daemon.user": "root",
            "exabgp.api.cli": "false",
            "exabgp.api.ack": "false",
        }
        host.daemon("exabgp", ["exabgp", str(path)], env=environment)

    def command(self, line: str) -> None:
        """Give ExaBGP a command of its API."""
        self._host.note(line)
        with Path(self._pipe).open("w") as pipe:
            pipe.write(line + "\n")

    def announce_flowspec(
        self, *, destination: str, protocol: int, destination_port: int, redirect: str
    ) -> None:
        """Announce a rule that redirects to a next hop."""
        flow = _flow(destination, protocol, destination_port, redirect)
        self.command(f"announce {flow}")
        self._announced.add(flow)

    def withdraw_flowspec(
        self, *, destination: str, protocol: int, destination_port: int, redirect: str
    ) -> None:
        """Withdraw it."""
        flow = _flow(destination, protocol, destination_port, redirect)
        self.command(f"withdraw {flow}")
        self._announced.discard(flow)

    def withdraw_all(self) -> None:
        """Withdraw every rule that is still announced."""
        while self._announced:
            self.command(f"withdraw {self._announced.pop()}")


def _flow(destination: str, protocol: int, port: int, redirect: str) -> str:
    # This encoding has the next hop in the action itself; of the older one, GoBGP loses it.
    names = {6: "tcp", 17: "udp"}
    return (
        f"flow route {{ match {{ destination {destination}; protocol {names[protocol]}; "
        f"destination-port ={port}; }} then {{ redirect-to-nexthop-ietf {redirect}; }} }}"
    )
