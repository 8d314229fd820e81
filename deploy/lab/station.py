"""A BMP station that keeps what routers send: `station.py PORT FOLDER`, a file for each connection.

While a file `away` is in the folder it holds no connection and takes none.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from pathlib import Path


def main(port: int, folder: Path) -> None:
    """Listen until this is killed."""
    number, listening = 0, _listen(port)
    connections: dict[socket.socket, Path] = {}
    while True:
        if (folder / "away").exists():
            for each in (*connections, listening):
                each.close()
            connections.clear()
            (folder / "gone").touch()
            while (folder / "away").exists():
                time.sleep(0.02)
            listening = _listen(port)
            (folder / "gone").unlink()
        for each in select.select([listening, *connections], [], [], 0.05)[0]:
            if each is listening:
                number += 1
                connections[listening.accept()[0]] = folder / f"connection-{number}.bmp"
                continue
            try:
                data = each.recv(1 << 16)
            except OSError:
                data = b""
            if data:
                with connections[each].open("ab") as file:
                    file.write(data)
            else:
                each.close()
                del connections[each]


def _listen(port: int) -> socket.socket:
    # A socket that was closed with a connection on it would hold the port for a while.
    return socket.create_server(("0.0.0.0", port), reuse_port=False)  # noqa: S104 - the lab's own host


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
