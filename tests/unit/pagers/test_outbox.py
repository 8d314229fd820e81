from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collector.event import Event
from detectors.incidents import Incident
from detectors.pagers.base import PageError
from detectors.pagers.delivery import Delivery
from detectors.pagers.outbox import Outbox, OutboxError

ROOT = Path(__file__).parents[3]
EVENT = Event(received=5, sequence=1, feed="bmp", kind="announce", router="r1", raw=b"abc")


def incident(name: str, state: str = "open", *, kill: bool = False, time: int = 10) -> Incident:
    return Incident(
        id=name,
        detector="flowspec_policy",
        key=name,
        severity="critical",
        state=state,
        time=time,
        opened=10,
        summary=f"{name} is {state}",
        details={"kill_switch": True} if kill else {"sites": ["a", "b"]},
        evidence=(EVENT,),
    )


def drain(outbox: Outbox, pager: str = "p") -> list[tuple[str, str]]:
    found = []
    while (page := outbox.next_page(pager)) is not None:
        found.append((page[1].id, page[1].state))
        outbox.done(page[0])
    return found


def test_what_is_recorded_comes_back_whole(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox", ["p"])
    outbox.record([incident("a"), incident("b", "updated")])
    outbox.close()
    outbox = Outbox(tmp_path / "outbox", ["p"])
    assert outbox.open_incidents() == [incident("a"), incident("b", "updated")]
    assert outbox.pending("p") == 2
    page = outbox.next_page("p")
    assert page is not None
    assert page[1] == incident("a")
    outbox.close()


def test_resolved_incidents_are_open_no_more_but_still_paged(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox", ["p"])
    outbox.record([incident("a")])
    outbox.record([incident("a", "resolved")])
    assert outbox.open_incidents() == []
    assert drain(outbox) == [("a", "open"), ("a", "resolved")]
    outbox.close()


def test_a_kill_switch_goes_first_but_no_incident_out_of_order(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox", ["p"])
    outbox.record([incident("a"), incident("b")])
    outbox.record([incident("k", kill=True), incident("b", "updated", kill=True)])
    assert drain(outbox) == [("k", "open"), ("b", "open"), ("b", "updated"), ("a", "open")]
    outbox.close()


def test_each_pager_has_its_own_queue_and_gone_pagers_none(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox", ["p", "q"])
    outbox.record([incident("a")])
    assert drain(outbox, "p") == [("a", "open")]
    assert outbox.pending("q") == 1
    outbox.close()
    outbox = Outbox(tmp_path / "outbox", ["p"])
    assert outbox.pending("q") == 0
    outbox.close()


def test_a_kill_between_recording_and_sending_loses_no_page(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from detectors.pagers.outbox import Outbox\n"
        "from tests.unit.pagers.test_outbox import incident\n"
        "outbox = Outbox(Path(sys.argv[1]), ['p'])\n"
        "outbox.record([incident('a')])\n"
        "print('recorded', flush=True)\n"
        "time.sleep(30)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "outbox")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "recorded\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    outbox = Outbox(tmp_path / "outbox", ["p"])
    assert drain(outbox) == [("a", "open")]
    outbox.close()


@pytest.mark.parametrize("content", [b"not a database, and long enough to be looked at" * 50])
def test_a_file_that_is_no_outbox_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "outbox"
    path.write_bytes(content)
    with pytest.raises(OutboxError, match=r"cannot use .*/outbox: file is not a database"):
        Outbox(path, ["p"])
    with pytest.raises(OutboxError, match="unable to open database file"):
        Outbox(tmp_path / "none" / "outbox", ["p"])


def test_a_full_disk_is_told_loses_nothing_and_is_got_over(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    outbox = Outbox(path, ["p"])
    outbox.record([incident("a")])
    limit_pages(outbox, 1)
    many = [incident(f"b{number}") for number in range(300)]
    for _ in range(2):
        with pytest.raises(OutboxError, match=f"^cannot use {path}: database or disk is full$"):
            outbox.record(many)
    assert outbox.pending("p") == 1
    limit_pages(outbox, 1_000_000)
    outbox.record(many)
    assert outbox.pending("p") == 301
    outbox.close()


def limit_pages(outbox: Outbox, pages: int) -> None:
    """Have the file be full: SQLite takes a limit below its size to mean its size."""
    outbox._database.execute(f"PRAGMA max_page_count = {pages}")


def test_a_row_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox", ["p"])
    outbox.record([incident("a")])
    outbox._database.execute("UPDATE incidents SET body = '{}'")
    with pytest.raises(OutboxError, match=r"cannot use .*/outbox: unreadable incident"):
        outbox.open_incidents()
    outbox.close()


class Receiver:
    """A pager whose answers the test has written down."""

    repeat_every: float | None = None

    def __init__(self, name: str = "p", answers: list[PageError | None] | None = None) -> None:
        self.name = name
        self.answers = answers or []
        self.got: list[tuple[str, str]] = []
        self.closed = False

    async def send(self, incident: Incident) -> None:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.got.append((incident.id, incident.state))

    async def close(self) -> None:
        self.closed = True


def deliver(tmp_path: Path, *receivers: Receiver, seconds: float = 1.0) -> Delivery:
    """Two transitions, delivered until every receiver has both or time is up."""

    async def run() -> Delivery:
        outbox = Outbox(tmp_path / "outbox", [r.name for r in receivers])
        delivery = Delivery(outbox, receivers, first_wait=0.01, longest_wait=0.05)
        delivery.start()
        outbox.record([incident("a")])
        outbox.record([incident("a", "resolved")])
        delivery.wake()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not any(outbox.pending(receiver.name) for receiver in receivers):
                break
            await asyncio.sleep(0.005)
        await delivery.stop(0.1)
        outbox.close()
        return delivery

    return asyncio.run(run())


def test_pages_go_out_in_order(tmp_path: Path) -> None:
    receiver = Receiver()
    delivery = deliver(tmp_path, receiver)
    assert receiver.got == [("a", "open"), ("a", "resolved")]
    assert delivery.sent == {"p": 2}
    assert receiver.closed


def test_a_failure_is_tried_again_in_order(tmp_path: Path) -> None:
    failures: list[PageError | None] = [PageError("down", retry=True)] * 3
    receiver = Receiver(answers=failures)
    delivery = deliver(tmp_path, receiver)
    assert receiver.got == [("a", "open"), ("a", "resolved")]
    assert delivery.failed == {("p", "retried"): 3}
    assert delivery.last_error == {}


def test_a_refused_page_is_dropped_counted_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver(answers=[PageError("status 400 bad", retry=False)])
    delivery = deliver(tmp_path, receiver)
    assert receiver.got == [("a", "resolved")]
    assert delivery.failed == {("p", "dropped"): 1}
    assert "page to p refused, incident a: status 400 bad" in caplog.text


def test_one_pager_that_is_down_does_not_hold_up_another(tmp_path: Path) -> None:
    down = Receiver("down", [PageError("down", retry=True)] * 10_000)
    up = Receiver("up")
    delivery = deliver(tmp_path, down, up, seconds=0.3)
    assert up.got == [("a", "open"), ("a", "resolved")]
    assert delivery.last_error == {"down": "down"}
    outbox = Outbox(tmp_path / "outbox", ["down", "up"])
    assert outbox.pending("down") == 2
    outbox.close()


def test_a_receiver_that_forgets_hears_of_open_incidents_again(tmp_path: Path) -> None:
    receiver = Receiver()
    receiver.repeat_every = 0.05

    async def run() -> None:
        outbox = Outbox(tmp_path / "outbox", ["p"])
        outbox.record([incident("a"), incident("b")])
        outbox.record([incident("b", "resolved")])
        delivery = Delivery(outbox, [receiver])
        delivery.start()
        await asyncio.sleep(0.4)
        await delivery.stop()
        outbox.close()

    asyncio.run(run())
    assert receiver.got[:3] == [("a", "open"), ("b", "open"), ("b", "resolved")]
    assert receiver.got[3:5] == [("a", "open"), ("a", "open")]
    assert ("b", "open") not in receiver.got[3:]
