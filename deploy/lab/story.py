"""What the lab plays: the demonstration's story, and small cases for the tests."""

from __future__ import annotations

import time
from collections.abc import Iterator

from deploy.lab.lab import ANCHOR, BEAST, SERVICE6, WEB, Lab

REDIRECT = "10.100.0.254"
WEB_PORTS = (8443, 5432, 1883)
BEAST_PORTS = (9443, 6432, 2883)
LEFT_OVER = BEAST_PORTS[-1]
KILL_SWITCH = ("destination 0.0.0.0/0 port ==179", "discard")


class Narrator:
    """Notes what happens when."""

    def __init__(self) -> None:
        self.steps: list[dict[str, str | float]] = []
        self._start = 0.0

    def begin(self) -> None:
        """The recording starts now."""
        self._start = time.monotonic()

    def note(self, step: str, say: str) -> None:
        """One step, and a sentence about it."""
        at = round(time.monotonic() - self._start, 2)
        self.steps.append({"at": at, "step": step, "say": say})


def _rules(lab: Lab, prefix: str, ports: tuple[int, ...], *, announce: bool) -> None:
    act = lab.injector.announce_flowspec if announce else lab.injector.withdraw_flowspec
    for port in ports:
        act(destination=prefix, protocol=6, destination_port=port, redirect=REDIRECT)
        time.sleep(0.1)


def tell_story(lab: Lab, narrator: Narrator) -> Iterator[None]:
    """A cutover done right, one done wrong, and a kill switch; yields once all is prepared."""
    _rules(lab, WEB, WEB_PORTS, announce=True)
    _rules(lab, BEAST, BEAST_PORTS, announce=True)
    time.sleep(1)
    yield
    narrator.note("steady", "The controller shows its tables: all is as it should be.")
    time.sleep(5)
    narrator.note("right-advertise", "web: the new PE advertises 192.0.2.50/32.")
    lab.new1.advertise(WEB)
    time.sleep(1.5)
    narrator.note("right-withdraw", "web: the legacy PE withdraws it.")
    lab.legacy.withdraw(WEB)
    time.sleep(1)
    narrator.note("right-flush", "web: its three Flowspec rules are flushed.")
    _rules(lab, WEB, WEB_PORTS, announce=False)
    time.sleep(4)
    narrator.note("wrong-advertise", "beast: the new PE advertises 192.0.2.60/32.")
    lab.new1.advertise(BEAST)
    time.sleep(6)
    narrator.note("wrong-withdraw", "beast: only now does the legacy PE withdraw it.")
    lab.legacy.withdraw(BEAST)
    time.sleep(1)
    narrator.note("wrong-flush", "beast: two of its three Flowspec rules are flushed.")
    _rules(lab, BEAST, BEAST_PORTS[:-1], announce=False)
    time.sleep(6)
    narrator.note("kill-switch", "Somebody types `0.0.0.0/0 port 179 discard` at the controller.")
    lab.controller.add_flowspec(*KILL_SWITCH)
    time.sleep(4)
    narrator.note("kill-switch-gone", "The rule is deleted.")
    lab.controller.del_flowspec(*KILL_SWITCH)
    time.sleep(1)
    narrator.note("leftover-gone", "beast: the rule that was left over is flushed too.")
    _rules(lab, BEAST, (LEFT_OVER,), announce=False)
    time.sleep(2)
    narrator.note("end", "The network is quiet.")


def flap(lab: Lab) -> None:
    """The anycast prefix goes and comes six times at one site."""
    for _ in range(6):
        lab.new2.withdraw(ANCHOR)
        time.sleep(0.5)
        lab.new2.advertise(ANCHOR)
        time.sleep(0.5)


def session_loss(lab: Lab) -> None:
    """A new PE closes its BGP session and opens it again."""
    lab.new2.close_session()
    time.sleep(2)
    lab.new2.open_session()
    time.sleep(4)


def redirects(lab: Lab) -> None:
    """Redirects to a next hop in both encodings that ExaBGP has, and a replaced action."""
    match = "match { destination 192.0.2.50/32; protocol tcp; destination-port =8443; }"
    lab.injector.command(f"announce flow route {{ {match} then {{ redirect {REDIRECT}; }} }}")
    time.sleep(1)
    lab.injector.command(
        f"announce flow route {{ {match} then {{ redirect-to-nexthop-ietf {REDIRECT}; }} }}"
    )
    time.sleep(1)
    lab.injector.command(f"announce flow route {{ {match} then {{ discard; }} }}")
    time.sleep(1)
    lab.injector.command(f"withdraw flow route {{ {match} then {{ discard; }} }}")
    time.sleep(1)


def ipv6(lab: Lab) -> None:
    """An IPv6 prefix and an IPv6 Flowspec rule come and go."""
    rule = f"match destination {SERVICE6} protocol tcp destination-port ==443 then discard"
    lab.new1.advertise(SERVICE6)
    lab.controller.gobgp(*f"global rib add -a ipv6-flowspec {rule}".split())
    time.sleep(1)
    lab.controller.gobgp(*f"global rib del -a ipv6-flowspec {rule}".split())
    lab.new1.withdraw(SERVICE6)
    time.sleep(1)


CASES = {"flap": flap, "session-loss": session_loss, "redirects": redirects, "ipv6": ipv6}
