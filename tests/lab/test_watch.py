"""The main job on the real thing: real routing daemons, a real Alertmanager, a real webhook."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from collector.event import parse_rfc3339, rfc3339
from deploy.lab.lab import Lab
from tests.lab.watched import Watched
from tests.waiting import until

pytestmark = pytest.mark.lab

WEB = "192.0.2.50/32"
BEAST = "192.0.2.60/32"
ANCHOR = "10.100.0.254/32"
KILL_SWITCH = "destination 0.0.0.0/0 port ==179"
SECOND = 1_000_000_000

INTENT = """
version: 1
sites:
  legacy-pe: {{match: [{{peer: {legacy}}}, {{next_hop: {legacy}}}]}}
  new-pe1: {{match: [{{peer: {new1}}}, {{next_hop: {new1}}}]}}
  new-pe2: {{match: [{{peer: {new2}}}, {{next_hop: {new2}}}]}}
services:
  - {{name: web, prefix: 192.0.2.50/32, home: [legacy-pe], hold: 1s}}
  - {{name: beast, prefix: 192.0.2.60/32, home: [legacy-pe], hold: 1s}}
anycast:
  - name: anchor
    prefix: 10.100.0.254/32
    sites: [new-pe1, new-pe2]
    minimum: 1
    # Real routers wait minutes; the same arithmetic with a short half-life resolves in seconds.
    flap: {{half_life: 4s, suppress: 2000, reuse: 750}}
flowspec:
  - name: migration
    destination: [192.0.2.50/32]
    protocol: [tcp]
    destination_port: [1024-65535]
    actions: [{{redirect-to-nexthop: 10.100.0.254}}]
    require: [destination, protocol, destination_port]
protect: [tcp/179]
cutovers:
  - name: clean
    service: web
    from: legacy-pe
    to: [new-pe1]
    window: [{begin}, {end}]
    max_overlap: 20s
    flush: migration
"""


def intent(lab: Lab) -> str:
    """Services, anycast and policy of the lab; the cutover's window is open for all tests."""
    now = time.time_ns()
    return INTENT.format(
        legacy=lab.legacy.address,
        new1=lab.new1.address,
        new2=lab.new2.address,
        begin=rfc3339(now - SECOND),
        end=rfc3339(now + 3600 * SECOND),
    )


@pytest.fixture(scope="module")
def watched(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    lab.reset()
    watched = Watched(lab, tmp_path_factory.mktemp("watch"), intent(lab))
    yield watched
    watched.close()


@pytest.fixture(autouse=True)
def quiet(watched: Watched) -> Iterator[None]:
    """Each story begins and ends in the steady state, with nothing open."""
    yield
    watched.lab.reset()

    def open_ones() -> list[object]:
        """What changed while nobody saw is told, as information, for a while."""
        return [a for a in watched.alerts().values() if a["labels"]["severity"] != "info"]

    until(lambda: not open_ones(), "no alert fires", 30, lambda: str(watched.alerts()))


def test_a_kill_switch_rule_pages_within_a_second_and_resolves(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    injected = time.time_ns()
    watched.lab.controller.add_flowspec(KILL_SWITCH, "discard")
    page = watched.page("flowspec_policy", "open")
    seconds = (page["arrived"] - injected) / SECOND
    with capsys.disabled():
        print(f"\nfirst page {seconds * 1000:.0f} ms after `gobgp global rib add` was started")
    assert seconds < 1
    assert page["severity"] == "critical"
    assert page["details"]["kill_switch"] is True
    assert page["summary"].startswith("KILL SWITCH")
    assert "destination 0.0.0.0/0" in page["summary"]
    assert "controller" in page["summary"]
    assert "tcp/179" in page["summary"]
    rule = page["evidence"][0]
    assert rule["rule"] == "destination 0.0.0.0/0 port =179"
    assert rule["actions"] == [{"action": "discard"}]
    assert "0581b3" in rule["raw"].replace(" ", "") or "0481b3" in rule["raw"]
    alert = until(lambda: watched.alerts().get("flowspec_policy"), "Alertmanager fires")
    assert alert["labels"]["severity"] == "critical"
    watched.lab.controller.del_flowspec(KILL_SWITCH, "discard")
    resolved = watched.page("flowspec_policy", "resolved")
    assert resolved["id"] == page["id"]
    until(lambda: not watched.alerts(), "Alertmanager has resolved it")


def test_a_second_pe_that_advertises_the_service(watched: Watched) -> None:
    watched.lab.new2.advertise(BEAST)
    page = watched.page("dual_advertisement", "open")
    assert page["details"]["sites"] == ["legacy-pe", "new-pe2"]
    assert page["evidence"][0]["prefix"] == BEAST
    watched.lab.new2.withdraw(BEAST)
    assert watched.page("dual_advertisement", "resolved")["id"] == page["id"]


def test_the_legacy_pe_withdraws_outside_a_cutover(watched: Watched) -> None:
    watched.lab.legacy.withdraw(BEAST)
    page = watched.page("unexpected_withdrawal", "open")
    assert page["key"] == "beast everywhere"
    assert page["details"]["gone_everywhere"] is True
    held = parse_rfc3339(page["opened"]) - parse_rfc3339(page["evidence"][0]["received"])
    assert held == SECOND
    watched.lab.legacy.advertise(BEAST)
    assert watched.page("unexpected_withdrawal", "resolved")["id"] == page["id"]


def test_an_anycast_prefix_that_flaps_six_times(watched: Watched) -> None:
    for _ in range(6):
        watched.lab.new2.withdraw(ANCHOR)
        time.sleep(0.15)
        watched.lab.new2.advertise(ANCHOR)
        time.sleep(0.15)
    page = until(
        lambda: next((p for p in watched.pages("flapping") if p["state"] == "open"), None),
        "flapping is open",
    )
    assert page["key"] == "anchor new-pe2"
    assert page["details"]["penalty"] >= 2000
    resolved = watched.page("flapping", "resolved", seconds=40)
    assert resolved["id"] == page["id"]


def test_a_clean_cutover_pages_nobody(watched: Watched) -> None:
    before = len(watched.pages())
    for port in (8443, 5432):
        watched.lab.injector.announce_flowspec(
            destination=WEB, protocol=6, destination_port=port, redirect="10.100.0.254"
        )
    time.sleep(1)
    watched.lab.new1.advertise(WEB)
    time.sleep(1)
    watched.lab.legacy.withdraw(WEB)
    for port in (8443, 5432):
        watched.lab.injector.withdraw_flowspec(
            destination=WEB, protocol=6, destination_port=port, redirect="10.100.0.254"
        )
    until(
        lambda: watched.cutover("status", "clean")["phase"] == "complete",
        "the cutover is complete",
        context=lambda: str(watched.cutover("status", "clean")),
    )
    assert watched.cutover("rollback", "clean")["phase"] == "flushed"
    watched.lab.legacy.advertise(WEB)
    time.sleep(1)
    watched.lab.new1.withdraw(WEB)
    until(
        lambda: "rolled_back" in watched.cutover("status", "clean"),
        "the start is proven again",
        context=lambda: str(watched.cutover("status", "clean")),
    )
    assert watched.pages()[before:] == []


def test_a_killed_collector_opens_nothing_and_resolves_nothing_wrongly(watched: Watched) -> None:
    watched.lab.controller.add_flowspec(KILL_SWITCH, "discard")
    watched.lab.new2.advertise(BEAST)
    opened = {
        detector: watched.page(detector, "open")["id"]
        for detector in ("flowspec_policy", "dual_advertisement")
    }
    before = len(watched.pages())
    watched.kill()
    time.sleep(1)
    watched.start()
    time.sleep(3)
    after = watched.pages()[before:]
    assert [p for p in after if p["state"] in ("open", "resolved")] == []
    assert set(watched.alerts()) == set(opened)
    watched.lab.controller.del_flowspec(KILL_SWITCH, "discard")
    watched.lab.new2.withdraw(BEAST)
    for detector, identity in opened.items():
        assert watched.page(detector, "resolved")["id"] == identity


def test_what_went_while_the_collector_was_away_is_resolved_after_the_redump(
    watched: Watched,
) -> None:
    watched.lab.controller.add_flowspec(KILL_SWITCH, "discard")
    identity = watched.page("flowspec_policy", "open")["id"]
    watched.kill()
    watched.lab.controller.del_flowspec(KILL_SWITCH, "discard")
    watched.start()
    assert watched.page("flowspec_policy", "resolved", seconds=60)["id"] == identity


def test_metrics_tell_what_happened(watched: Watched) -> None:
    sent = 'anchorwatch_pages_sent_total{pager="webhook"}'
    before = watched.metrics().get(sent, 0)
    watched.lab.controller.add_flowspec(KILL_SWITCH, "discard")
    watched.page("flowspec_policy", "open")
    watched.lab.controller.del_flowspec(KILL_SWITCH, "discard")
    watched.page("flowspec_policy", "resolved")
    until(lambda: watched.metrics().get(sent, 0) >= before + 2, "both pages are counted")
    metrics = watched.metrics()
    assert metrics["anchorwatch_bmp_sessions"] == 1
    written = until(
        lambda: watched.metrics().get("anchorwatch_store_rows_written_total"), "rows are written"
    )
    assert written > 10
