"""`cutover watch` and `status --watch` beside a program that runs, is restarted, and runs again."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
from pathlib import Path
from typing import Self

import pytest

from tests.integration.installation import COMMAND, Installation
from tests.integration.test_cutover import here as here_with_cutover
from tests.integration.test_cutover import says
from tests.unit.wire.build import initiation, peer_header, peer_up
from tests.waiting import until

SECONDS = 120
"""How long something may take to be shown."""
ROWS, COLUMNS = 24, 80
here = here_with_cutover

START = (
    initiation(name="r1")
    + b"".join(peer_up(peer_header(peer)) for peer in ("10.0.0.1", "10.0.1.1"))
    + says("10.0.0.1", advertise=True)
)


class Terminal:
    """A terminal of 80 columns in which a command runs; what it shows now and showed at the end."""

    def __init__(self, folder: Path, *words: str, **environment: str) -> None:
        self._control, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *COMMAND, *words],  # a terminal of its own, so Ctrl-C reaches it
            cwd=folder,
            env=os.environ | {"TERM": "xterm-256color"} | environment,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        self.said = ""

    def read(self) -> str:
        """All that was written so far."""
        while select.select([self._control], [], [], 0)[0]:
            try:
                octets = os.read(self._control, 1 << 16)
            except OSError:  # the other side has ended
                break
            self.said += octets.decode()
        return self.said

    def picture(self) -> str:
        """What stands on the screen: rich begins each picture at the top left."""
        return plain(self.read().rpartition("\x1b[H")[2])

    def shows(self, *words: str) -> str:
        """The picture, once it has all of these, wherever its lines break."""

        def right() -> str | None:
            picture = self.picture()
            assert self.process.poll() is None, picture
            text = " ".join(picture.split())
            return picture if all(word in text for word in words) else None

        return until(right, str(words), SECONDS, self.picture)

    def end(self) -> int:
        """Press Ctrl-C; the status."""
        os.write(self._control, b"\x03")
        return self.ended()

    def ended(self) -> int:
        """The status, once there is one."""
        until(lambda: self.read() and self.process.poll() is not None, "the end", SECONDS)
        self.read()
        return self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._control)


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r\n", "\n")


def test_a_cutover_is_followed_in_a_terminal_over_a_restart(here: Installation) -> None:
    words = ("cutover", "watch", "move/1")
    with Terminal(here.folder, *words, NO_COLOR="1") as terminal:
        # Who starts it before the watch runs is told so, and need not start it again.
        terminal.shows("not reachable since", "trying again: no watch runs with anchorwatch.yaml")
        with here.running(), here.connect() as router:
            terminal.shows("cutover move/1", "phase ARMED", "until the window ends")
            router.sendall(START)
            terminal.shows("NEXT Advertise 192.0.2.50/32 at new-pe1.", "old r1 bmp adj-in-pre")
            router.sendall(says("10.0.1.1", advertise=True))
            both = ("phase BOTH", "left until the deadline", "both r1 bmp adj-in-pre")
            shown = terminal.shows(*both)
            assert "NEXT  Withdraw 192.0.2.50/32 at legacy-pe: 1 of 1 vantage points" in shown
            assert max(map(len, shown.splitlines())) <= COLUMNS
            assert len(shown.splitlines()) <= ROWS
        terminal.shows("OLD, of ", "not reachable since", *both)
        with here.running(), here.connect() as router:
            terminal.shows("live, ", "phase BOTH")
            router.sendall(START + says("10.0.1.1", advertise=True))
            terminal.shows("both r1 bmp adj-in-pre")
            router.sendall(says("10.0.0.1", advertise=False))
            terminal.shows("phase COMPLETE", "NEXT Nothing: it is complete.", "is what it took")
            assert terminal.end() == 0
    after = plain(terminal.said.rpartition("\x1b[?1049l")[2])  # the terminal as it was before
    assert "phase  COMPLETE" in after
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", terminal.said)  # NO_COLOR
    assert "Traceback" not in terminal.said


class Log:
    """The lines that a command writes into a pipe, without their moments."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self.process.stdout is not None
        self._pipe = self.process.stdout
        os.set_blocking(self._pipe.fileno(), False)
        self._text = b""

    def lines(self) -> list[str]:
        """All that have come."""
        self._text += self._pipe.read() or b""
        lines = self._text.decode().splitlines()
        assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line) for line in lines)
        return [line.partition(" ")[2] for line in lines]

    def has(self, beginning: str, times: int = 1) -> str:
        """The last line that so begins, once so many of them have come."""

        def right() -> str | None:
            found = [line for line in self.lines() if line.startswith(beginning)]
            return found[-1] if len(found) >= times else None

        return until(right, beginning, SECONDS, lambda: "\n".join(self.lines()))

    def end(self) -> int:
        """Ctrl-C; the status."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(SECONDS)
        self.lines()
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._pipe.close()


def test_a_cutover_is_logged_line_by_line_over_a_restart(here: Installation) -> None:
    with Log(here.folder, "cutover", "watch", "move/1") as log:
        log.has("not reachable, trying again: no watch runs with anchorwatch.yaml: ")
        with here.running(), here.connect() as router:
            log.has("next: Advertise 192.0.2.50/32 at new-pe1.")
            assert log.lines()[1:4] == [
                "reachable again",
                "cutover move/1: web (192.0.2.50/32) from legacy-pe to new-pe1",
                log.has("window: open, "),
            ]
            router.sendall(START)
            log.has("r1 bmp adj-in-pre: advertised by legacy-pe, rules left -")
            router.sendall(says("10.0.1.1", advertise=True))
            log.has("phase: both (was: armed)")
            assert re.fullmatch(r"step begun: at \S+Z", log.has("step begun: "))
        log.has("not reachable, trying again: ", times=2)
        with here.running():
            log.has("reachable again", times=2)
            assert log.end() == 0
        assert [line for line in log.lines() if line.startswith("phase")] == [
            "phase: armed",
            "phase: both (was: armed)",
        ]


def test_the_status_is_followed_in_a_terminal_and_in_a_pipe(here: Installation) -> None:
    words = ("status", "--watch")
    with Log(here.folder, *words) as log, Terminal(here.folder, *words) as terminal:
        with here.running():
            terminal.shows("live, ", "store takes rows", "no incident is open", "no feed has come")
            with here.connect() as router:
                router.sendall(START)
                terminal.shows("r1 complete", "bmp 2 peers")
                log.has("feed r1 bmp: complete, 2 peers up")
            terminal.shows("r1 down")
            log.has("feed r1 bmp: down (")
        terminal.shows("OLD, of ", "r1 down")
        assert terminal.end() == 0
        log.has("not reachable, trying again: ", times=2)
        assert log.end() == 0


@pytest.mark.parametrize("words", [("status", "--watch"), ("cutover", "watch", "move/1")])
def test_who_terminates_it_gets_the_terminal_back(
    here: Installation, words: tuple[str, ...]
) -> None:
    with here.running(), Terminal(here.folder, *words) as terminal:
        terminal.shows("live, ")
        assert "\x1b[?1049h" in terminal.said  # the alternate screen
        assert terminal.said.rfind("\x1b[?25l") > terminal.said.rfind("\x1b[?25h")  # no cursor
        for _ in range(5):  # impatience does no harm
            terminal.process.send_signal(signal.SIGTERM)
        assert terminal.ended() == 0
    assert terminal.said.rfind("\x1b[?1049l") > terminal.said.rfind("\x1b[?1049h")
    assert terminal.said.rfind("\x1b[?25h") > terminal.said.rfind("\x1b[?25l")
    after = plain(terminal.said.rpartition("\x1b[?1049l")[2])
    assert "Ctrl-C ends this" in after  # the last picture stays
    assert "Traceback" not in terminal.said


def test_a_watch_that_does_not_answer_keeps_nobody_from_ending_it(here: Installation) -> None:
    with socket.create_server(("127.0.0.1", here.web)) as mute:
        with Terminal(here.folder, "status", "--watch") as terminal:
            question, _ = mute.accept()
            question.recv(1)  # it was asked, and waits for the answer
            terminal.process.send_signal(signal.SIGTERM)
            assert terminal.ended() == 0
            question.setblocking(False)
            assert question.recv(1 << 16).startswith(b"ET ")
            mute.settimeout(0)
            with pytest.raises(BlockingIOError):  # not asked again
                mute.accept()
            question.close()
        assert "Traceback" not in terminal.said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["cutover", "watch", "move/2"], "the intent has no cutover 'move/2' (did you mean"),
        (["status", "--watch", "--format", "json"], "--watch is for people"),
    ],
)
def test_what_will_never_be_answered_is_refused(
    here: Installation, words: list[str], why: str
) -> None:
    with here.running():
        done = here.command(*words)
    assert done.returncode == 2
    assert why in done.stderr
    assert done.stdout == ""


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(here: Installation) -> None:
    terminal = Terminal(here.folder, "status", "--watch", TERM="dumb")
    with terminal, here.running():
        until(lambda: "store: embedded, takes rows" in terminal.read(), "lines", SECONDS)
        assert terminal.end() == 0
    assert "\x1b" not in terminal.said
