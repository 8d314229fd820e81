"""Octets of one connection to rows in one file: `receive.py FOLDER` prints its port first."""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import sessions


def main() -> None:
    """Listen, take in all of one connection, and stay until the feeder has looked at us."""
    rows = 0
    buffer = bytearray(sessions.READ)
    window = memoryview(buffer)
    place = Path(sys.argv[1]) / "rows"
    with socket.create_server(("127.0.0.1", 0)) as server, place.open("wb") as file:

        def write(block: sessions.Block) -> None:
            nonlocal rows
            rows += block.rows
            file.write(block.view)
            block.release()

        session = sessions.open_session(write)
        print(server.getsockname()[1], flush=True)
        connection, _ = server.accept()
        while size := connection.recv_into(buffer):
            events = session.feed(window[:size], time.time_ns())
            rows += sessions.routes(events)
        session.flush()
        file.flush()
        octets = file.tell()
    sys.stdin.read()
    print(json.dumps({"rows": rows, "octets": octets}))


if __name__ == "__main__":
    main()
