"""The lab itself: it comes up, what is done at one end shows at the other, and nothing is left."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from collector.event import parse_rfc3339
from deploy.lab import lab as lab_module
from deploy.lab import netns
from deploy.lab.lab import ANCHOR, BEAST, SERVICE6, WEB, Lab
from tests.waiting import until

pytestmark = pytest.mark.lab

REDIRECT = "10.100.0.254"


@pytest.fixture(autouse=True)
def steady(lab: Lab) -> None:
    lab.reset()


def namespaces() -> set[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    return {line.split()[0] for line in listed.stdout.splitlines()}


def processes_in(names: set[str]) -> list[str]:
    found = []
    for name in names:
        command = ["ip", "netns", "pids", name]
        found += subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return found


def alive(pid: str) -> bool:
    stat = Path("/proc", pid, "stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def open_folder(folder: Path) -> Path:
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o755)
    return folder


def test_the_steady_state(lab: Lab) -> None:
    assert len(lab.controller.established()) == 4
    assert lab.controller.routes() == {
        WEB: ["10.0.0.1"],
        BEAST: ["10.0.0.1"],
        ANCHOR: ["10.0.1.1", "10.0.1.2"],
    }
    assert lab.controller.routes("ipv6") == {}
    assert lab.controller.routes("ipv4-flowspec") == {}


@pytest.mark.parametrize("name", ["new1", "new2"])
def test_a_new_pe_advertises_and_withdraws(lab: Lab, name: str) -> None:
    pe = {"new1": lab.new1, "new2": lab.new2}[name]
    pe.advertise(WEB)
    until(
        lambda: lab.controller.routes()[WEB] == ["10.0.0.1", pe.address],
        "the controller has both paths",
    )
    lab.legacy.withdraw(WEB)
    until(lambda: lab.controller.routes()[WEB] == [pe.address], "only the new PE's is left")
    until(
        lambda: pe.address in lab.legacy.vtysh(f"show bgp ipv4 unicast {WEB}"),
        "the legacy PE has the reflected route",
    )
    pe.withdraw(WEB)
    until(lambda: WEB not in lab.controller.routes(), "the route is gone")


def test_the_legacy_pe_withdraws_and_advertises(lab: Lab) -> None:
    lab.legacy.withdraw(BEAST)
    until(lambda: BEAST not in lab.controller.routes(), "the route is gone")
    until(lambda: BEAST not in lab.new1.birdc("show", "route"), "it is gone at the new PE too")
    lab.legacy.advertise(BEAST)
    until(lambda: BEAST in lab.new1.birdc("show", "route"), "the new PE has it again")


def test_an_ipv6_route(lab: Lab) -> None:
    lab.new1.advertise(SERVICE6)
    until(lambda: SERVICE6 in lab.controller.routes("ipv6"), "the controller has it")
    until(lambda: SERVICE6 in lab.new2.birdc("show", "route"), "it is reflected")


def test_an_injected_redirect_reaches_every_pe_with_its_next_hop(lab: Lab) -> None:
    lab.injector.announce_flowspec(
        destination=WEB, protocol=6, destination_port=8443, redirect=REDIRECT
    )
    flow = f"dst {WEB}; proto 6; dport 8443;"
    until(
        lambda: flow in lab.new1.birdc("show", "route", "table", "flowtab4"),
        "BIRD has the rule",
    )
    # Type 0x01 0x0c holds the next hop itself: draft-ietf-idr-flowspec-redirect-ip.
    detail = lab.new1.birdc("show", "route", "table", "flowtab4", "all")
    assert f"0x10c, {REDIRECT}" in detail
    until(lambda: WEB in lab.legacy.vtysh("show bgp ipv4 flowspec"), "FRR has the rule")
    assert REDIRECT in lab.controller.gobgp("global", "rib", "-a", "ipv4-flowspec")
    lab.injector.withdraw_flowspec(
        destination=WEB, protocol=6, destination_port=8443, redirect=REDIRECT
    )
    until(lambda: not lab.controller.routes("ipv4-flowspec"), "the rule is gone")
    until(
        lambda: flow not in lab.new1.birdc("show", "route", "table", "flowtab4"),
        "BIRD has lost the rule",
    )


def test_an_operators_rule_reaches_the_pes(lab: Lab) -> None:
    match = "destination 0.0.0.0/0 port ==179"
    lab.controller.add_flowspec(match, "discard")
    until(
        lambda: "port 179" in lab.new2.birdc("show", "route", "table", "flowtab4"),
        "BIRD has the rule",
    )
    lab.controller.del_flowspec(match, "discard")
    until(
        lambda: "port 179" not in lab.new2.birdc("show", "route", "table", "flowtab4"),
        "BIRD has lost the rule",
    )


def test_a_closed_session_takes_its_routes_and_comes_back(lab: Lab) -> None:
    lab.new2.close_session()
    until(lambda: lab.controller.routes()[ANCHOR] == ["10.0.1.1"], "its path is gone")
    assert lab.new2.address not in lab.controller.established()
    lab.new2.open_session()
    until(lambda: len(lab.controller.routes()[ANCHOR]) == 2, "its path is back")


def test_reset_undoes_everything(lab: Lab) -> None:
    lab.new1.advertise(WEB)
    lab.new2.withdraw(ANCHOR)
    lab.new1.advertise(SERVICE6)
    lab.legacy.withdraw(WEB)
    lab.controller.add_flowspec("destination 0.0.0.0/0 port ==179", "discard")
    lab.injector.announce_flowspec(
        destination=WEB, protocol=6, destination_port=8443, redirect=REDIRECT
    )
    until(lambda: len(lab.controller.routes("ipv4-flowspec")) == 2, "both rules are there")
    lab.reset()
    test_the_steady_state(lab)


def test_a_program_in_the_noc_host_reaches_the_controller(lab: Lab) -> None:
    code = f"import socket; socket.create_connection(('{lab.controller.address}', 179), 3)"
    assert lab.noc.popen(["/usr/bin/python3", "-c", code]).wait(10) == 0


def test_each_action_is_in_the_log_of_events_with_its_time(lab: Lab) -> None:
    log = lab.noc.folder.parent / "events.log"
    size = len(log.read_text())
    before = time.time_ns()
    lab.new1.advertise(BEAST)
    lab.legacy.withdraw(BEAST)
    after = time.time_ns()
    lines = [line.split(" ", 1) for line in log.read_text()[size:].splitlines()]
    assert [text for _, text in lines] == [f"new1 advertise {BEAST}", f"old withdraw {BEAST}"]
    times = [parse_rfc3339(moment) for moment, _ in lines]
    assert before <= times[0] <= times[1] <= after


def test_a_second_lab_beside_the_first_leaves_nothing(lab: Lab, tmp_path: Path) -> None:
    before = namespaces()
    begin = time.monotonic()
    with Lab(open_folder(tmp_path)) as second:
        print(f"\nup in {time.monotonic() - begin:.1f} s")
        assert time.monotonic() - begin < 15
        added = namespaces() - before
        assert len(added) == 7
        second.noc.popen(["sleep", "1000"])
        pids = processes_in(added)
        assert len(pids) >= 6
    assert namespaces() == before
    assert [pid for pid in pids if alive(pid)] == []
    test_the_steady_state(lab)


def test_an_error_in_the_block_takes_everything_down_too(lab: Lab, tmp_path: Path) -> None:
    before = namespaces()
    pids: list[str] = []

    def fail_in_a_lab() -> None:
        with Lab(open_folder(tmp_path)):
            pids.extend(processes_in(namespaces() - before))
            raise KeyError("a mistake")

    with pytest.raises(KeyError, match="a mistake"):
        fail_in_a_lab()
    assert pids
    assert namespaces() == before
    assert [pid for pid in pids if alive(pid)] == []


def test_a_kernel_that_refuses_is_no_lab_and_leaves_nothing(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = namespaces()
    really = netns.run

    def refuse_bridges(*command: str) -> str:
        if "bridge" in command:
            raise RuntimeError("RTNETLINK answers: Operation not permitted")
        return really(*command)

    monkeypatch.setattr(netns, "run", refuse_bridges)
    with pytest.raises(netns.LabUnavailableError, match="Operation not permitted"):
        Lab(tmp_path).__enter__()
    assert namespaces() == before


def test_a_lab_that_does_not_come_up_says_why_and_leaves_nothing(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = namespaces()
    monkeypatch.setattr(lab_module, "START_SECONDS", 0.5)
    with pytest.raises(RuntimeError, match=r"(?s)not within 0\.5 s: all BGP sessions.*gobgpd\.log"):
        Lab(open_folder(tmp_path)).__enter__()
    assert namespaces() == before
