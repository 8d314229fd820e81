"""The intent of a running watch: another one takes its place whole, or not at all."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from detectors.pagers.outbox import Outbox
from tests.integration.installation import COMMAND, Installation
from tests.integration.test_replay import AT_HOME, ELSEWHERE, HOME, INTENT, OPENING, OTHER
from tests.unit.wire.build import BASIC, monitoring, peer_header, prefix, update
from tests.waiting import until

DONE = 'anchorwatch_intent_reloads_total{result="done"}'
REFUSED = 'anchorwatch_intent_reloads_total{result="refused"}'
UNSEEN = "feeds: [{router: r1, feed: bmp, silent_after: 1h}]\n"
PLAIN = INTENT[: INTENT.index("feeds:")] + UNSEEN
LENIENT = PLAIN.replace("home: [home]", "home: [home, other]")
SHOP = "  - {name: shop, prefix: 198.51.100.7/32, home: [home], hold: 200ms}\n"
WITH_SHOP = PLAIN.replace("flowspec:", f"{SHOP}flowspec:")
SHOP_ROUTE = update(attributes=BASIC, nlri=prefix("198.51.100.7/32"))
END = monitoring(update(), HOME) + monitoring(update(), OTHER)


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    installation = Installation(tmp_path)
    write(installation, PLAIN)
    return installation


def write(here: Installation, text: str) -> None:
    """As editors do: another file in the place of the old one."""
    draft = here.folder / "intent.yaml.new"
    draft.write_text(text)
    draft.rename(here.folder / "intent.yaml")


def until_logged(here: Installation, words: str) -> None:
    until(lambda: words in here.log(), words, 60, here.log)


def status(here: Installation) -> dict[str, dict[str, str]]:
    done = here.command("status", "--format", "json")
    answer: dict[str, dict[str, str]] = json.loads(done.stdout)
    return answer


def board(here: Installation) -> dict[str, list[str]]:
    answer: dict[str, list[str]] = httpx.get(f"http://127.0.0.1:{here.web}/api/v1/board").json()
    return answer


def test_a_file_that_changes_is_used_and_a_wrong_one_changes_nothing(here: Installation) -> None:
    with here.running() as process, here.connect() as router:
        first = status(here)["intent"]["used_since"]
        router.sendall(OPENING + AT_HOME + ELSEWHERE + END)
        until_logged(here, "open dual_advertisement: web")
        write(here, "version: 1\nservices: [{name: web}]\n")
        here.metric(REFUSED, 1)
        told = status(here)["intent"]
        assert told["used_since"] == first
        assert "intent.yaml:2: services[0].prefix: is missing" in told["error"]
        assert "is not used, the one before goes on" in here.log()
        shown = here.command("status").stdout
        assert "refused as it is now" in shown
        assert "services[0].home: is missing" in shown
        (problem,) = board(here)["problems"]
        assert problem.startswith("the intent was refused as it is now, and the one before goes")
        assert "services[0].home: is missing" in problem
        healthy = httpx.get(f"http://127.0.0.1:{here.web}/healthz")
        assert healthy.status_code == 200  # the watch itself is well
        healthy = httpx.get(f"http://127.0.0.1:{here.web}/healthz")
        assert healthy.status_code == 200  # the watch itself is well
        assert here.metrics()['anchorwatch_incidents_open{severity="critical"}'] == 1
        write(here, LENIENT)
        here.metric(DONE, 1)
        until_logged(here, "resolved dual_advertisement: web")
        told = status(here)["intent"]
        assert told["used_since"] > first
        assert "error" not in told
        assert board(here)["problems"] == []
        process.send_signal(signal.SIGHUP)  # also where no file has changed
        here.metric(DONE, 2)
        assert here.metrics()[REFUSED] == 1
        assert here.metrics()["anchorwatch_intent_used_since_seconds"] > 1_700_000_000
    assert "Traceback" not in here.log()


def test_who_deploys_an_intent_sees_by_the_status_that_it_is_not_used(here: Installation) -> None:
    write(here, "version: 1\n")
    with here.running():
        assert here.command("status").returncode == 0
        write(here, "version: 2\n")
        here.metric(REFUSED, 1)
        assert here.command("status").returncode == 1
        write(here, "version: 1\n# mended\n")
        here.metric(DONE, 1)
        assert here.command("status").returncode == 0


def test_an_included_file_is_looked_at_too(here: Installation) -> None:
    (here.folder / "more.yaml").write_text("version: 1\n")
    write(here, f"include: [more.yaml]\n{PLAIN}")
    with here.running():
        (here.folder / "more.yaml").write_text("version: 1\nprotect: [tcp/179]\n")
        here.metric(DONE, 1)
        (here.folder / "more.yaml").unlink()
        here.metric(REFUSED, 1)
        assert "more.yaml:1: cannot be read" in status(here)["intent"]["error"]


def test_what_routers_show_of_a_new_prefix_is_learnt_from_the_store(here: Installation) -> None:
    """Nobody says it again: the routes came while nobody watched the prefix."""
    with here.running(), here.connect() as router:
        shop = monitoring(SHOP_ROUTE, HOME) + monitoring(SHOP_ROUTE, OTHER)
        router.sendall(OPENING + AT_HOME + shop + END)
        until_logged(here, "BMP session from")
        here.metric('anchorwatch_events_total{kind="announce"}', 3)
        write(here, WITH_SHOP)
        here.metric(DONE, 1)
        until_logged(here, "open dual_advertisement: shop (198.51.100.7/32)")
        assert "advertised by other while home still does" in here.log()
        # From now on it is watched in sessions that are up, too.
        gone = update(withdrawn=prefix("198.51.100.7/32"))
        router.sendall(monitoring(gone, peer_header("10.0.1.2")))
        until_logged(here, "resolved dual_advertisement: shop")
        router.sendall(monitoring(gone, HOME))
        until_logged(here, "open unexpected_withdrawal: shop (198.51.100.7/32) is gone everywhere")
    assert "Traceback" not in here.log()


PROBED = PLAIN.replace(
    "flowspec:",
    "anycast:\n  - {name: anchor, prefix: 127.0.0.1/32, sites: [home], "
    "probe: {tcp: 9, every: 1h, from: noc}}\nflowspec:",
)


def test_an_intent_that_wants_no_probe_of_this_prober_is_refused_and_the_next_is_read(
    here: Installation,
) -> None:
    here.settings(more="prober: noc\n")
    write(here, PROBED)
    with here.running():
        write(here, PLAIN)
        here.metric(REFUSED, 1)
        assert "has no probe from 'noc'" in status(here)["intent"]["error"]
        write(here, PROBED.replace("every: 1h", "every: 2h"))
        here.metric(DONE, 1)
        assert "error" not in status(here)["intent"]
    assert "Traceback" not in here.log()


FAULTY = """
import asyncio, sys
from pathlib import Path
from anchorwatch.errors import UserError
from anchorwatch.settings import load_settings
from anchorwatch.watch import Watch
from detectors.intent import load_intent
from detectors.pagers.outbox import OutboxError
settings = load_settings(Path("anchorwatch.yaml"))
watch = Watch(settings, load_intent(settings.intent))
def broken(*_):
    raise ZeroDivisionError("a defect")
if sys.argv[1] == "tick":
    watch._engine.advance = broken
elif sys.argv[1] in ("outbox", "no outbox"):
    record = watch._outbox.record
    def full(incidents):
        if sys.argv[1] == "no outbox" or not watch._stopping:
            raise OutboxError("cannot use it: disk is full")
        record(incidents)
    watch._outbox.record = full
elif sys.argv[1] == "board":
    watch._board.live.look = broken
else:
    watch._engine.prepare = broken
try:
    asyncio.run(watch.run())
except UserError as error:
    sys.exit(str(error))
"""


def test_a_watch_that_can_judge_by_no_time_ends_and_says_so(here: Installation) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAULTY, "tick"],
        cwd=here.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.endswith("the watch has failed: ZeroDivisionError('a defect')\n")


def test_a_fault_while_reloading_refuses_that_intent_alone(here: Installation) -> None:
    with here.running([sys.executable, "-c", FAULTY, "reload"]) as process:
        for times, text in ((1, LENIENT), (2, WITH_SHOP)):
            write(here, text)
            here.metric(REFUSED, times)
        assert "a fault of anchorwatch: ZeroDivisionError" in status(here)["intent"]["error"]
        assert process.poll() is None


@pytest.mark.parametrize("mended", [True, False])
def test_pages_that_could_not_be_recorded_have_a_last_try(here: Installation, mended: bool) -> None:
    here.settings(more="pagers: [webhook: {url: 'http://127.0.0.1:9/'}]\n")
    command = [sys.executable, "-c", FAULTY, "outbox" if mended else "no outbox"]
    with here.running(command), here.connect() as router:
        router.sendall(OPENING + AT_HOME + ELSEWHERE + END)
        until_logged(here, "open dual_advertisement: web")
    outbox = Outbox(here.folder / "anchorwatch-data" / "outbox.sqlite", ["webhook"])
    page = outbox.next_page("webhook")
    outbox.close()
    if mended:
        assert page is not None
        assert page[1].detector == "dual_advertisement"
    assert ("pages that cannot be recorded and are lost: " in here.log()) is not mended


def test_a_fault_of_the_board_is_told_once_and_the_watch_goes_on(here: Installation) -> None:
    with here.running([sys.executable, "-c", FAULTY, "board"]) as process:
        write(here, WITH_SHOP)
        here.metric(DONE, 1)
        assert process.poll() is None
    assert here.log().count("the board failed; pages go on") == 1
    assert here.log().count("ZeroDivisionError: a defect") == 1


def test_being_told_to_read_the_intent_before_it_listens_ends_nothing(here: Installation) -> None:
    """As `systemctl reload` may right after a start; a hang-up counts as a clean end there."""
    with (here.folder / "log").open("ab") as log:
        process = subprocess.Popen([*COMMAND, "run"], cwd=here.folder, stdout=log, stderr=log)
    try:
        until(lambda: _ignores_hang_up(process.pid), "SIGHUP is ignored", 60, here.log)
        assert not here.answers()
        process.send_signal(signal.SIGHUP)
        until(here.answers, "the watch answers", 60, here.log)
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(30)


def _ignores_hang_up(pid: int) -> bool:
    (line,) = (
        each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigIgn" in each
    )
    return bool(int(line.split()[1], 16) & 1)
