"""Reads both streams of a controller, and throws all away until it is ended: `PORT`."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from collector.inputs.gobgp.connection import GobgpConnection
from collector.inputs.gobgp.reader import Streams
from collector.inputs.gobgp.reading import streams_of


def drop(connection: GobgpConnection, streams: Streams, number: int) -> None:
    """Take every message of one stream, and keep none."""
    for _ in connection.watch(streams.method, streams.requests[number]):
        pass


def main() -> None:
    """One thread a stream, as our reader has it."""
    address = f"127.0.0.1:{sys.argv[1]}"
    connection = GobgpConnection(address, None)
    spoken, _ = connection.probe()
    streams = streams_of(address, None, spoken)
    for number in range(len(streams.requests)):
        arguments = (connection, streams, number)
        threading.Thread(target=drop, args=arguments, daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
