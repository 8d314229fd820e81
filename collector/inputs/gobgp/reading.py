"""The process that reads a controller's streams, as its client sees it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict

import msgspec

from collector.inputs.gobgp.controller import Tls
from collector.inputs.gobgp.dialect import Dialect
from collector.inputs.gobgp.reader import END, HEAD, Streams

READER = (sys.executable, "-m", "collector.inputs.gobgp.reader")
READ_SIZE = 1 << 20
PATIENCE = 5.0
"""Seconds that the reader has to end by itself."""

BEST = 0
"""The number of the stream of the controller's own table."""
OnMessage = Callable[[int, bytes], None]
"""Takes the number of a stream and a message of it."""
OnEnd = Callable[[str], None]
"""Takes why there are no more messages."""


def streams_of(address: str, tls: Tls | None, spoken: Dialect) -> Streams:
    """What there is to read of a controller: its own table, and its peers'."""
    fields = None
    if tls is not None:
        fields = {name: value and str(value) for name, value in asdict(tls).items()}
    requests = (spoken.watch_best(), spoken.watch_adj_in())
    octets = tuple(request.SerializeToString() for request in requests)
    return Streams(address=address, method=spoken.watch_event, requests=octets, tls=fields)


class Reading:
    """A reader that runs until one of its streams ends, or until `close`.

    `on_message` and, once, `on_end` are called in a thread that does nothing else.
    """

    def __init__(self, streams: Streams, on_message: OnMessage, on_end: OnEnd) -> None:
        """Start to read. Raises OSError where no process can be started."""
        pipe = subprocess.PIPE
        # In a session of its own, so that Ctrl-C does not end it before we say why it ended.
        self._process = subprocess.Popen(  # noqa: S603 - our own module, with our own Python
            READER, stdin=pipe, stdout=pipe, start_new_session=True
        )
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        with suppress(OSError):  # it has ended already, which its output shows
            self._process.stdin.write(msgspec.json.encode(streams) + b"\n")
            self._process.stdin.flush()
        self._on_message = on_message
        self._on_end = on_end
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def end(self) -> None:
        """Read no more; `on_end` is still called."""
        self._process.kill()

    def close(self) -> None:
        """End the process, and wait until it has ended."""
        self._process.kill()
        self._process.wait(PATIENCE)
        self._thread.join(PATIENCE)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _pump(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        source = self._process.stdout.fileno()
        why = None
        waiting = bytearray()  # a table may come as one message: adding to it must not copy it
        while why is None and (data := os.read(source, READ_SIZE)):
            waiting += data
            why = self._split(waiting)
        if why is None:
            why = f"the process that reads ended with status {self._process.wait(PATIENCE)}"
        self._on_end(why)

    def _split(self, waiting: bytearray) -> str | None:
        """Hand on the messages that are whole; answer why the streams ended, if they did."""
        at = 0
        with memoryview(waiting) as octets:
            while at + HEAD.size <= len(octets):
                number, length = HEAD.unpack_from(octets, at)
                end = at + HEAD.size + length
                if end > len(octets):
                    break
                message = bytes(octets[at + HEAD.size : end])
                if number == END:
                    return message.decode(errors="replace")
                self._on_message(number, message)
                at = end
        del waiting[:at]
        return None
