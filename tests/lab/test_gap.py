"""The collector is away while routes change: exactly these are reported afterwards, and no more.

`ANCHORWATCH_GAPS=20 ANCHORWATCH_GAP_SECONDS=30` runs it as long as the project's own figures ask.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from deploy.lab.lab import Lab
from tests.lab.test_watch import ANCHOR, BEAST, KILL_SWITCH, WEB, intent
from tests.lab.watched import Watched
from tests.waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]

TIMES = int(os.environ.get("ANCHORWATCH_GAPS", "3"))
SECONDS = float(os.environ.get("ANCHORWATCH_GAP_SECONDS", "5"))
TARGET = "10.100.0.254"
ALLOWED = "destination 192.0.2.50/32 protocol =6 destination-port =8443"


@pytest.fixture(scope="module")
def watched(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    lab.reset()
    watched = Watched(lab, tmp_path_factory.mktemp("gap"), intent(lab).split("cutovers:")[0])
    yield watched
    watched.close()


def change(lab: Lab, forth: bool) -> None:
    """A rule comes or goes, an anycast site leaves or comes back; the services stay."""
    if forth:
        lab.injector.announce_flowspec(
            destination=WEB, protocol=6, destination_port=8443, redirect=TARGET
        )
        lab.new2.withdraw(ANCHOR)
    else:
        lab.injector.withdraw_flowspec(
            destination=WEB, protocol=6, destination_port=8443, redirect=TARGET
        )
        lab.new2.advertise(ANCHOR)


def test_what_changed_while_the_collector_was_away_is_reported_once_and_as_such(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    """With incidents open all the while: none resolves, and none opens."""
    lab = watched.lab
    lab.controller.add_flowspec(KILL_SWITCH, "discard")
    lab.new2.advertise(BEAST)
    for detector in ("flowspec_policy", "dual_advertisement"):
        watched.page(detector, "open")
    for turn in range(TIMES):
        before = len(watched.pages())
        forth = turn % 2 == 0
        watched.kill()
        change(lab, forth)
        time.sleep(SECONDS)
        watched.start()
        report = until(
            lambda seen=before: next(  # type: ignore[misc]
                (p for p in watched.pages("feed_blind") if p in watched.pages()[seen:]), None
            ),
            "what changed is reported",
            30,
            lambda: f"pages: {watched.pages()[-3:]}\n{watched.log()}",
        )
        time.sleep(2)
        told = watched.pages()[before:]
        assert [p["detector"] for p in told if p["state"] in ("open", "resolved")] == ["feed_blind"]
        assert report["summary"].startswith("Found after a gap at controller: ")
        found = {each["destination"]: each["what"] for each in report["details"]["changed"]}
        assert found == {ANCHOR: "changed", ALLOWED: "is new" if forth else "is gone"}
    with capsys.disabled():
        print(f"\n{TIMES} gaps of {SECONDS:g} s: exactly the changed routes, no false transition")


def test_a_gap_in_which_nothing_changed_reports_nothing(watched: Watched) -> None:
    before = len(watched.pages())
    watched.kill()
    time.sleep(1)
    watched.start()
    time.sleep(3)
    told = watched.pages()[before:]
    assert [page for page in told if page["state"] in ("open", "resolved")] == []
